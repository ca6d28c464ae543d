//! Stories: commands chosen so that much succeeds and everything is tried, run on both sides, and cut down where they differ.

mod arrays;
mod care;
mod governance;
mod index;
mod leaving;
mod pools;
mod posting;
mod running;
mod sealed;
mod settings;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::{GOVERNANCE_WINDOW, REJECT_TIME};
use gridlease_sdk::address;
use gridlease_sdk::instruction::tip::tipped;
use gridlease_tests::svm::World;
use solana_pubkey::Pubkey;

use crate::chain::{self, BUYERS, PEOPLE, PROVIDERS};
use crate::command::{Command, JobTerms, OfferTerms};
use crate::ending;
use crate::model::{JOBS, Model, OFFERS};
use crate::random::Random;
use leaving::Leaver;

/// After how many commands all books are audited.
const AUDIT_EVERY: usize = 250;
/// Places in which stories post jobs of their own.
const OWN_JOBS: usize = 6;
/// How long a story that fails is cut down.
const SHRINK_FOR: Duration = Duration::from_secs(120);

/// What was sent, by instruction and answer.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Instruction (by program and discriminator) and answer, and how often.
    pub answers: BTreeMap<(Pubkey, [u8; 8], String), u64>,
    /// Commands that made sense.
    pub sent: u64,
    /// Ways that commands took which their answers do not tell, and how often.
    pub noted: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Both together.
    pub fn add(&mut self, other: Tally) {
        self.sent += other.sent;
        for (key, count) in other.answers {
            *self.answers.entry(key).or_default() += count;
        }
        for (way, count) in other.noted {
            *self.noted.entry(way).or_default() += count;
        }
    }
}

/// Where the two sides went apart: after which command, and how.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The command's number.
    pub at: usize,
    /// How.
    pub how: String,
}

/// A beginning, from which any number of stories can be told.
pub struct Stage {
    world: World,
    model: Model,
}

impl Stage {
    pub fn new() -> Self {
        let (world, model) = chain::scene();
        Self { world, model }
    }

    /// Tells a story of `length` commands.
    pub fn tell(&self, seed: u64, length: usize, tally: &mut Tally) -> Result<(), (Vec<Command>, Apart)> {
        let mut teller = Teller { random: Random::new(seed), focus: None, leaving: None, running: None };
        let mut told = Vec::with_capacity(length);
        let next = |model: &Model, done: usize| {
            let command = (done < length).then(|| teller.choose(model))?;
            told.push(command);
            Some(command)
        };
        let apart = self.run(next, tally);
        apart.map_or(Ok(()), |apart| Err((told, apart)))
    }

    /// Runs commands on both sides until they go apart. `next` is told how many made sense so far.
    fn run(&self, mut next: impl FnMut(&Model, usize) -> Option<Command>, tally: &mut Tally) -> Option<Apart> {
        let (mut world, mut model) = (self.world.fork(), self.model.clone());
        let (mut at, mut done) = (0, 0);
        while let Some(command) = next(&model, done) {
            let step = catch_unwind(AssertUnwindSafe(|| {
                let made_sense = step(&mut world, &mut model, &command, tally)?;
                if at % AUDIT_EVERY == AUDIT_EVERY - 1 {
                    world.assert_books();
                }
                Ok(made_sense)
            }));
            match step {
                Ok(Ok(made_sense)) => (at, done) = (at + 1, done + usize::from(made_sense)),
                Ok(Err(how)) => return Some(Apart { at, how }),
                Err(panic) => return Some(Apart { at, how: words(&panic) }),
            }
        }
        let end = catch_unwind(AssertUnwindSafe(|| {
            ending::tell(&mut model, |model, command| step(&mut world, model, command, tally).map(drop))?;
            world.assert_books();
            Ok(())
        }));
        let last = at.saturating_sub(1);
        match end {
            Ok(Ok(())) => None,
            Ok(Err(how)) => Some(Apart { at: last, how }),
            Err(panic) => Some(Apart { at: last, how: words(&panic) }),
        }
    }

    /// Leaves out what is not needed for the two sides to go apart.
    pub fn shrink(&self, mut story: Vec<Command>, mut apart: Apart) -> (Vec<Command>, Apart) {
        let began = Instant::now();
        story.truncate(apart.at + 1);
        let mut piece = story.len() / 2;
        while piece > 0 && began.elapsed() < SHRINK_FOR {
            let mut from = 0;
            let mut shorter = false;
            while from < story.len() && began.elapsed() < SHRINK_FOR {
                let mut less = story.clone();
                less.drain(from..(from + piece).min(story.len()));
                let mut commands = less.clone().into_iter();
                match self.run(|_, _| commands.next(), &mut Tally::default()) {
                    Some(still) => {
                        less.truncate(still.at + 1);
                        (story, apart, shorter) = (less, still, true);
                    }
                    None => from += piece,
                }
            }
            if !shorter || piece > 1 {
                piece /= 2;
            }
        }
        (story, apart)
    }
}

fn words(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// One command on both sides; tells whether it made sense in that state.
fn step(world: &mut World, model: &mut Model, command: &Command, tally: &mut Tally) -> Result<bool, String> {
    if let Command::Clock { .. } = command {
        let _ = model.step(command);
        world.set_clock(model.now);
        return Ok(true);
    }
    if let Command::Keeper { .. } = command {
        model.step(command)?;
        return Ok(true);
    }
    if let Command::Prefund { job, lamports } = *command {
        let Some(lease) = model.next_lease(job) else { return Ok(false) };
        model.step(command)?;
        world.airdrop(&lease, lamports);
        world.airdrop(&address::reservation(&lease), lamports);
        return Ok(true);
    }
    let Some(instruction) = chain::build(world, model, command) else { return Ok(false) };
    let instruction = if model.tipping { tipped(instruction, &model.keeper.0) } else { instruction };
    let expected = model.step(command);
    let (answer, logs) = match world.send_light(&instruction) {
        Ok(done) => (Ok(()), done.logs),
        Err(refused) => (Err(refused.to_string()), refused.logs),
    };
    tally.sent += 1;
    if let Some(discriminator) = instruction.data.first_chunk::<8>() {
        let answer = answer.clone().err().unwrap_or_else(|| "ok".to_owned());
        *tally.answers.entry((instruction.program_id, *discriminator, answer)).or_default() += 1;
    }
    if answer != expected {
        return Err(format!("the program says {answer:?}, the rules say {expected:?}\n    {}", logs.join("\n    ")));
    }
    if expected.is_ok() {
        for way in &model.noted {
            *tally.noted.entry(way).or_default() += 1;
        }
    }
    chain::compare(world, model)?;
    Ok(true)
}

/// The one who should sign, most of the time.
fn by(random: &mut Random) -> u8 {
    if random.once_in(25) { somebody(random) } else { 0 }
}

/// Anybody, as commands name who signs.
fn somebody(random: &mut Random) -> u8 {
    person(random.index(PEOPLE))
}

/// A person, as commands name who signs.
fn person(at: usize) -> u8 {
    u8::try_from(at + 1).unwrap()
}

fn offer_terms(random: &mut Random) -> OfferTerms {
    let strange = random.once_in(20);
    let floor = if strange { random.amount(40) } else { random.length(20) };
    OfferTerms {
        floor,
        ask: if strange { random.amount(40) } else { floor + random.below(2_000_000) },
        life: if strange { random.pick(&[-1, 0, 1, 3_600, 3_601]) } else { 600 + random.below(3_000) as i64 },
        units: if strange { random.pick(&[0, 1, 1_025]) } else { 1 + random.below(6) as u16 },
        auto_bid: !random.once_in(3),
    }
}

fn job_terms(random: &mut Random) -> JobTerms {
    let strange = random.once_in(20);
    JobTerms {
        max_price: if strange { random.amount(40) } else { random.length(22) },
        max_duration_s: if strange {
            random.pick(&[0, 59, 60, 720 * 3_600, 720 * 3_600 + 1])
        } else {
            60 + random.below(20_000) as u32
        },
        window_s: if strange { random.pick(&[0, 5, 6, 3_600, 3_601]) } else { 6 + random.below(90) as u32 },
        image_mb: if strange { random.any() as u32 } else { random.below(10_000) as u32 },
        attempts: if strange { random.small(10) } else { 1 + random.small(4) },
        weights: if strange { random.small(5) } else { random.small(4) },
        min_stake: if random.once_in(10) { random.below(500_000_000) } else { 0 },
        min_reputation: if random.once_in(10) { random.below(10_100) as u16 } else { 0 },
        gpu_count: if random.once_in(30) { 2 } else { 1 },
        number_off: if random.once_in(30) { -2 + random.small(4) as i8 } else { 0 },
        mode: if random.once_in(60) { random.small(5) } else { 0 },
        reveal_s: if random.once_in(60) { 1 } else { 0 },
        notice_s: match random.below(60) {
            0 => random.pick(&[720 * 3_600, 720 * 3_600 + 1]),
            1..=12 => 1 + random.below(300) as u32,
            _ => 0,
        },
        checkpoint_s: match random.below(60) {
            0 => random.pick(&[59, 60, 24 * 3_600, 24 * 3_600 + 1]),
            1..=22 => 60 + random.below(600) as u32,
            _ => 0,
        },
        spot: random.once_in(2),
    }
}

fn clock(random: &mut Random, model: &Model) -> Command {
    let ms = 200 + random.below(601);
    let tick = |seconds: u64| Command::Clock { slots: seconds * 1_000 / ms, seconds: seconds as i64 };
    match random.below(40) {
        0..=15 => tick(random.below(5)),
        16..=21 => tick(random.below(150)),
        22 | 23 => tick(random.below(2_500)),
        24 => Command::Clock { slots: random.below(2_000), seconds: 0 },
        25 => Command::Clock { slots: random.below(100), seconds: random.below(100_000) as i64 },
        26 => Command::Clock { slots: random.below(100), seconds: -(random.below(3_000) as i64) },
        27 if random.once_in(2) => match far_due(random, model) {
            Some(due) => tick((due + random.below(3)).saturating_sub(model.now.ts.0 + 1)),
            None => tick(random.below(200)),
        },
        // To a deadline of somebody's, or a second before or after.
        _ => {
            let mut dues: Vec<u64> = Vec::new();
            for posted in model.jobs.iter().flatten().filter(|posted| posted.open) {
                match (posted.rules.state, posted.leases.last()) {
                    (JobState::Open, _) => dues.extend([posted.rules.close_ts.0, posted.rules.award_ts().0]),
                    (JobState::Leased, Some(current)) => dues.push(current.rules.due().0),
                    _ => {}
                }
            }
            let now = model.now.ts.0;
            dues.retain(|due| *due + 1 >= now && *due < now + 5_000);
            dues.sort_unstable();
            let Some(first) = dues.first() else { return tick(random.below(10)) };
            let due = if random.once_in(6) { random.pick(&dues) } else { *first };
            tick((due + random.below(3)).saturating_sub(now + 1))
        }
    }
}

/// When something comes due that takes days.
fn far_due(random: &mut Random, model: &Model) -> Option<u64> {
    let requests = model.providers.iter().flat_map(|owner| &owner.holdings.requests).map(|request| request.matures.0);
    let pools = model.providers.iter().filter_map(|owner| owner.bond?.pool).map(|pool| pool.commission.from.0);
    let change = model.market.next.map(|next| next.due);
    let config = model.staking.next.map(|next| next.2);
    let lapses = change.filter(|_| random.once_in(3)).map(|due| due + GOVERNANCE_WINDOW.0);
    let mut dues: Vec<_> = requests.chain(pools).chain(change).chain(config).chain(lapses).collect();
    dues.retain(|due| *due >= model.now.ts.0);
    (!dues.is_empty()).then(|| random.pick(&dues))
}

/// Who chooses the commands.
struct Teller {
    random: Random,
    /// A job that is in everybody's eye now, and how many commands more.
    focus: Option<(usize, u8)>,
    /// Somebody who is about to leave the market, and how many commands more.
    leaving: Option<(Leaver, u8)>,
    /// An array that is seen through, and how many commands more.
    running: Option<(usize, u8)>,
}

impl Teller {
    /// Something that makes sense in this state, most of the time.
    fn choose(&mut self, model: &Model) -> Command {
        if self.random.once_in(30) {
            return Command::Keeper { tipped: self.random.once_in(2) };
        }
        if self.leaving.is_none() && self.random.once_in(250) {
            self.leaving = Some((leaving::somebody(&mut self.random, model), 60));
        }
        if let Some((who, left)) = self.leaving
            && !self.random.once_in(8)
        {
            let next = leaving::next(&mut self.random, model, who).filter(|_| left > 0);
            self.leaving = next.map(|_| (who, left - 1));
            if let Some(command) = next {
                return command;
            }
        }
        if self.running.is_none() && self.random.once_in(120) {
            self.running = running::some(&mut self.random, model).map(|array| (array, 80));
        }
        if let Some((array, left)) = self.running
            && !self.random.once_in(8)
        {
            let next = running::next(&mut self.random, model, array).filter(|_| left > 0);
            self.running = next.map(|_| (array, left - 1));
            if let Some(command) = next {
                return command;
            }
        }
        let lives = |job: usize| {
            let posted = model.jobs[job].as_ref().filter(|posted| posted.open);
            posted.is_some_and(|posted| posted.rules.state != JobState::Ended)
        };
        if self.focus.is_none() && self.random.once_in(30) {
            let job = (0..3).map(|_| self.random.index(JOBS)).find(|job| lives(*job));
            self.focus = job.map(|job| (job, 60));
        }
        match self.focus {
            Some((job, left)) if left > 0 && lives(job) => {
                self.focus = Some((job, left - 1));
                match self.random.below(8) {
                    0 => supply(&mut self.random, model),
                    1 | 2 => tick_of(&mut self.random, model, job),
                    _ => of_job(&mut self.random, model, job),
                }
            }
            _ => {
                self.focus = None;
                choose(&mut self.random, model)
            }
        }
    }
}

/// A job that would soon be too late: its lease starts or runs, or its bids wait to be revealed.
fn urgent(random: &mut Random, model: &Model) -> Option<usize> {
    let from = random.index(JOBS);
    (0..JOBS).map(|at| (from + at) % JOBS).find(|job| {
        model.jobs[*job].as_ref().filter(|posted| posted.open).is_some_and(|posted| match posted.rules.state {
            JobState::Open => !posted.sealed.is_empty() && model.now.ts >= posted.rules.close_ts,
            JobState::Leased => true,
            JobState::Ended => false,
        })
    })
}

/// Time passes as one job needs it: a little, or to what comes next, or a second before or after.
fn tick_of(random: &mut Random, model: &Model, job: usize) -> Command {
    let now = model.now.ts.0;
    let mut seconds = if random.once_in(3) { random.below(240) } else { random.below(30) };
    if let Some(posted) = model.jobs[job].as_ref().filter(|_| random.once_in(3)) {
        let mut dues = vec![posted.rules.close_ts.0, posted.rules.award_ts().0];
        if let Some(one) = posted.leases.last() {
            dues.extend([one.rules.due().0, one.rules.notice_end.0, one.rules.ready_ts.0 + REJECT_TIME.0]);
        }
        dues.retain(|due| *due >= now && *due < now + 5_000);
        if !dues.is_empty() {
            seconds = (random.pick(&dues) + random.below(3)).saturating_sub(now + 1);
        }
    }
    Command::Clock { slots: seconds * 1_000 / (200 + random.below(601)), seconds: seconds as i64 }
}

fn choose(random: &mut Random, model: &Model) -> Command {
    if random.once_in(80) {
        return index::choose(random, model);
    }
    if random.once_in(4)
        && let Some(job) = urgent(random, model)
    {
        return of_job(random, model, job);
    }
    // After a leap of time all offers have expired: then they come back first.
    let live = (0..PROVIDERS).map(|at| (0..OFFERS).filter(|offer| is_live(model, at, *offer)).count()).sum::<usize>();
    if live < PROVIDERS / 2 && random.once_in(2) {
        return supply(random, model);
    }
    match random.below(128) {
        100..=117 => pools::choose(random, model),
        118 => pools::anything(random, model),
        119..=123 => governance::choose(random, model),
        124..=127 => {
            let buyer = random.index(BUYERS);
            arrays::choose(random, model, buyer)
        }
        0..=9 => clock(random, model),
        10..=16 => money(random, model),
        17..=27 => supply(random, model),
        28..=91 => {
            let job = random.index(JOBS);
            of_job(random, model, job)
        }
        _ => anything(random),
    }
}

fn money(random: &mut Random, model: &Model) -> Command {
    let buyer = random.index(model.buyers.len());
    let who = by(random);
    if model.buyers[buyer].purse.is_none() {
        return Command::OpenPurse { buyer };
    }
    if random.once_in(6) {
        return settings::of_buyer(random, model, buyer);
    }
    match random.below(20) {
        0..=7 => {
            let amount = if random.once_in(4) { random.amount(36) } else { random.below(500_000_000) };
            Command::Deposit { buyer, by: who, amount }
        }
        8..=11 => Command::Withdraw { buyer, by: who, amount: random.amount(30) },
        12..=14 => Command::SweepFees { buyer },
        15 => Command::Donate { buyer, amount: random.below(1_000) },
        16 => Command::Freeze { place: random.index(model.freezable.len()), frozen: true },
        _ => {
            let frozen = model.freezable.iter().position(|key| model.frozen.contains(key));
            Command::Freeze { place: frozen.unwrap_or(0), frozen: false }
        }
    }
}

/// A place for an offer, rather than another one of which this is true.
fn an_offer(random: &mut Random, wanted: impl Fn(usize, usize) -> bool) -> (usize, usize) {
    let mut place = (0, 0);
    for _ in 0..4 {
        place = (random.index(PROVIDERS), random.index(OFFERS));
        if wanted(place.0, place.1) {
            break;
        }
    }
    place
}

fn is_live(model: &Model, provider: usize, offer: usize) -> bool {
    model.providers[provider].offers[offer].is_some_and(|offer| offer.live && offer.due > model.now.ts.0)
}

/// Some providers have hardly the stake that their leases reserve, so that a slash reaches far.
fn is_small(provider: usize) -> bool {
    provider.is_multiple_of(3)
}

fn supply(random: &mut Random, model: &Model) -> Command {
    let who = by(random);
    // One that is off the market, rather than one that is on it.
    let (provider, offer) = an_offer(random, |provider, offer| {
        let place = model.providers[provider].offers[offer];
        !is_live(model, provider, offer) || place.is_some_and(|offer| offer.claimed < offer.units)
    });
    let owner = &model.providers[provider];
    if owner.record.is_none() {
        return if random.once_in(3) { Command::Register { provider } } else { Command::OpenBond { provider } };
    }
    if random.once_in(10) {
        return settings::of_supplier(random, model, provider);
    }
    let (least, most) = if is_small(provider) { (2_000_000, 2_500_000) } else { (50_000_000, 500_000_000) };
    let poor = owner.bond.is_none_or(|bond| bond.free().is_ok_and(|free| free.0 < least));
    match random.below(10) {
        0 if owner.bond.is_none() => Command::OpenBond { provider },
        0..=3 if poor => {
            let amount = if random.once_in(12) { random.amount(32) } else { random.below(most) };
            Command::AddStake { provider, by: who, amount }
        }
        4 if random.once_in(4) => Command::UpdateNode { provider, by: who, node: somebody(random) },
        5 if random.once_in(3) => {
            let signer = if random.once_in(4) { person(BUYERS + provider) } else { who };
            Command::WithdrawOffer { provider, by: signer, offer }
        }
        _ => {
            let terms = offer_terms(random);
            match &owner.offers[offer] {
                None => Command::PostOffer { provider, by: who, offer, terms },
                Some(old) if !old.live && old.claimed > 0 && random.once_in(2) => {
                    let count = if random.once_in(3) { 1 } else { old.claimed.min(8) as u8 };
                    Command::ReleaseGpus { provider, by: who, offer, count }
                }
                Some(old) if !old.live => Command::WithdrawOffer { provider, by: who, offer },
                Some(new) if u32::from(new.claimed) < u32::from(new.units) * u32::from(chain::unit().gpu_count) => {
                    let missing =
                        (u32::from(new.units) * u32::from(chain::unit().gpu_count)).saturating_sub(new.claimed.into());
                    let count = if random.once_in(20) { random.below(9) as u8 } else { missing.min(8) as u8 };
                    Command::ClaimGpus { provider, by: who, offer, count }
                }
                Some(_) => Command::RefreshOffer { provider, by: who, offer, terms },
            }
        }
    }
}

fn of_job(random: &mut Random, model: &Model, job: usize) -> Command {
    let who = by(random);
    let lease = if random.once_in(10) { random.index(3) } else { 0 };
    let Some(posted) = model.jobs[job].as_ref().filter(|_| !model.is_free(job)) else {
        // The other places are for tasks.
        if job >= OWN_JOBS {
            return arrays::choose(random, model, job % BUYERS);
        }
        return posting::choose(random, model, job);
    };
    if let Some(command) = arrays::of_task(random, model, job)
        .or_else(|| care::of_lease(random, model, job))
        .or_else(|| sealed::of_job(random, model, job))
    {
        return command;
    }
    let (provider, offer) = an_offer(random, |provider, offer| is_live(model, provider, offer));
    match (posted.rules.state, posted.leases.last().map(|current| current.rules.state)) {
        (JobState::Open, _) if random.once_in(60) => {
            Command::Prefund { job, lamports: 890_880 + random.below(8_000_000) }
        }
        (JobState::Open, _) if model.now.ts < posted.rules.close_ts => match random.below(20) {
            0 => Command::CancelJob { job, by: who },
            1 => Command::Award { job, given: 5 },
            2..=8 => Command::EnterOffer { job, provider, offer },
            _ => {
                let max = posted.rules.terms.max_price.0;
                let floor = model.providers[provider].offers[offer].map_or(1, |offer| offer.floor.clamp(1, max));
                let price = match random.below(15) {
                    0 => random.amount(40),
                    1 => 1 + random.below(max),
                    _ => floor + random.below(max - floor + 1),
                };
                Command::PlaceBid { job, provider, by: who, offer, price }
            }
        },
        (JobState::Open, _) => match random.below(20) {
            0 => Command::CancelJob { job, by: who },
            1 => Command::EnterOffer { job, provider, offer },
            2 => Command::CloseLease { job, lease },
            _ => Command::Award { job, given: if random.once_in(6) { random.index(3) } else { 5 } },
        },
        (JobState::Leased, Some(LeaseState::Starting)) => match random.below(20) {
            0 => Command::Stop { job, lease, by: who },
            1 => Command::Settle { job, lease },
            2..=6 => {
                let anybody = if random.once_in(4) { 0 } else { somebody(random) };
                Command::FailStart { job, lease, by: anybody }
            }
            _ => Command::Ready { job, lease, by: who, image: !random.once_in(20) },
        },
        (JobState::Leased, _) => match random.below(20) {
            0..=7 => Command::Settle { job, lease },
            8 | 9 => Command::Stop { job, lease, by: who },
            10..=12 => {
                let any = random.small(14);
                let (reason, exit) = (random.pick(&[1, 1, 3, 3, any]), u8::from(random.once_in(5)));
                Command::Finish { job, lease, by: who, reason, exit }
            }
            13 => Command::Abandon { job, lease, by: who },
            14 | 15 => Command::Expire { job, lease },
            16 => Command::CloseLease { job, lease },
            _ => Command::TopUp { job, lease, by: who, amount: random.amount(30) },
        },
        (JobState::Ended, _) => {
            let lease = random.index(posted.leases.len().max(1));
            match random.below(12) {
                0..=3 => Command::Settle { job, lease },
                4..=8 => Command::CloseLease { job, lease },
                9 => Command::Stop { job, lease, by: who },
                _ => Command::CloseJob { job },
            }
        }
    }
}

/// Any command, whether it makes sense or not.
fn anything(random: &mut Random) -> Command {
    let (buyer, provider, offer) = (random.index(BUYERS), random.index(PROVIDERS), random.index(OFFERS));
    let (job, lease) = (random.index(JOBS), random.index(3));
    let (by, amount) = (if random.once_in(2) { 0 } else { somebody(random) }, random.amount(40));
    match random.below(33) {
        27 => care::anything(random, job, lease),
        28 => Command::Sealed { job, provider, step: sealed::anything(random) },
        29 => Command::Buyer { buyer, by, step: settings::any_of_buyer(random) },
        30 => Command::Supplier { provider, by, step: settings::any_of_supplier(random) },
        31 => index::anything(random, job, lease),
        32 => posting::anything(random, job),
        0 => Command::OpenPurse { buyer },
        1 => Command::Deposit { buyer, by, amount },
        2 => Command::Withdraw { buyer, by, amount },
        3 => Command::SweepFees { buyer },
        4 => Command::OpenBond { provider },
        5 => Command::AddStake { provider, by, amount },
        6 => Command::Register { provider },
        7 => Command::UpdateNode { provider, by, node: u8::try_from(chain::node_of(provider)).unwrap() },
        8 => Command::PostOffer { provider, by, offer, terms: offer_terms(random) },
        9 => Command::RefreshOffer { provider, by, offer, terms: offer_terms(random) },
        10 => Command::WithdrawOffer { provider, by, offer },
        11 => Command::PostJob { job, by, terms: job_terms(random) },
        12 => Command::PlaceBid { job, provider, by, offer, price: amount },
        13 => Command::EnterOffer { job, provider, offer },
        14 => Command::Award { job, given: random.index(4) },
        15 => Command::CancelJob { job, by },
        16 => Command::Ready { job, lease, by, image: true },
        17 => Command::Settle { job, lease },
        18 => Command::TopUp { job, lease, by, amount },
        19 => Command::Stop { job, lease, by },
        20 => Command::Finish { job, lease, by, reason: random.small(14), exit: random.small(3) },
        21 => Command::Abandon { job, lease, by },
        22 => Command::FailStart { job, lease, by },
        23 => Command::Expire { job, lease },
        24 => Command::CloseLease { job, lease },
        25 => Command::CloseJob { job },
        _ => Command::Freeze { place: random.index(3 * PROVIDERS), frozen: random.once_in(4) },
    }
}
