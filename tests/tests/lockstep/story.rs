//! Stories: commands chosen so that much succeeds and everything is tried.

mod arrays;
mod errand;
mod governance;
mod guarding;
mod index;
mod leaving;
mod machines;
mod moving;
mod pools;
mod posting;
mod purse_keys;
mod retiring;
mod running;
mod sealed;
mod serving;
mod settings;
mod supervision;
mod trading;
mod verifying;

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::{GOVERNANCE_WINDOW, REJECT_TIME};

use crate::command::machines::{Allotment, MachineTerms};
use crate::command::supervision::SupervisionStep;
use crate::command::{Command, JobTerms, OfferTerms};
use crate::model::{JOBS, Model, OFFERS};
use crate::random::Random;
use crate::scene::{self, BUYERS, PEOPLE, PROVIDERS};
use errand::Errand;
use leaving::Leaver;
use moving::Mover;
use purse_keys::{keeper_of, owner_of};
use serving::Served;

/// Places in which stories post jobs of their own.
const OWN_JOBS: usize = 6;
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

/// What a buyer does first that wants to post and cannot: it opens its purse, or puts `amount` into it.
fn funds(model: &Model, buyer: usize, amount: u64) -> Option<Command> {
    let Some(purse) = model.buyers[buyer].purse else { return Some(Command::OpenPurse { buyer }) };
    purse.amounts.free().is_ok_and(|free| free.0 < 60_000_000).then_some(Command::Deposit { buyer, by: 0, amount })
}

/// Of a job in which nothing is strange: what is not said here is as in any other.
fn plain_terms(random: &mut Random) -> JobTerms {
    JobTerms {
        window_s: 6,
        image_mb: 1,
        attempts: 3,
        min_stake: 0,
        min_reputation: 0,
        gpu_count: 1,
        number_off: 0,
        mode: 0,
        reveal_s: 0,
        wait_s: 86_400,
        checkpoint_s: 0,
        spot: true,
        ..job_terms(random)
    }
}

fn job_terms(random: &mut Random) -> JobTerms {
    let strange = random.once_in(20);
    JobTerms {
        // Now and then so dear that its fee is one of a trade that the price index counts.
        max_price: match random.below(20) {
            0 => random.amount(40),
            1..=6 => random.length(27),
            _ => random.length(22),
        },
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
        wait_s: match random.below(20) {
            0 => random.pick(&[0, 5, 30 * 86_400, 30 * 86_400 + 1]),
            1..=6 => 100 + random.below(2_000) as u32,
            _ => 86_400,
        },
        review_s: match random.below(30) {
            0 => random.pick(&[1, 59, 86_400, 86_401]),
            1..=4 => 60 + random.below(2_000) as u32,
            _ => 0,
        },
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
        verify: if random.once_in(25) { random.small(7) } else { 0 },
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
                    (JobState::Waiting, _) => dues.push(posted.rules.expires_at.0),
                    (JobState::Leased | JobState::Review, Some(current)) => dues.push(current.rules.due().0),
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
    let leases = model.jobs.iter().flatten().flat_map(|posted| &posted.leases);
    let verified = leases.filter(|one| one.open && !one.released).map(|one| one.rules.stake_until().0);
    let mut dues: Vec<_> = requests.chain(pools).chain(verified).chain(change).chain(config).chain(lapses).collect();
    dues.retain(|due| *due >= model.now.ts.0);
    (!dues.is_empty()).then(|| random.pick(&dues))
}

/// Who chooses the commands.
pub struct Teller {
    random: Random,
    /// A job that is in everybody's eye now, and how many commands more.
    focus: Option<(usize, u8)>,
    /// Somebody who is about to leave the market.
    leaving: Errand<Leaver>,
    /// An array that is seen through.
    running: Errand<usize>,
    /// A job that is to become a trade that counts.
    trading: Errand<usize>,
    /// A provider whose pay goes elsewhere.
    moving: Errand<Mover>,
    /// A job that is seen through.
    serving: Errand<Served>,
}

impl Teller {
    /// One who chooses by these numbers.
    pub fn new(random: Random) -> Self {
        Self {
            random,
            focus: None,
            leaving: Errand::default(),
            running: Errand::default(),
            trading: Errand::default(),
            moving: Errand::default(),
            serving: Errand::default(),
        }
    }

    /// Something that makes sense in this state, most of the time.
    pub fn choose(&mut self, model: &Model) -> Command {
        if self.random.once_in(30) {
            return Command::Keeper { tipped: self.random.once_in(2) };
        }
        if let Some(command) = self.errand(model) {
            return command;
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

    /// The next command of whoever is on an errand.
    fn errand(&mut self, model: &Model) -> Option<Command> {
        let random = &mut self.random;
        self.leaving
            .choose(
                random,
                (250, 60),
                |random| Some(leaving::somebody(random, model)),
                |random, who| leaving::next(random, model, who),
            )
            .or_else(|| {
                self.running.choose(
                    random,
                    (120, 80),
                    |random| running::some(random, model),
                    |random, array| running::next(random, model, array),
                )
            })
            .or_else(|| {
                self.trading.choose(
                    random,
                    (400, 60),
                    |random| trading::some(random, model),
                    |random, job| trading::next(random, model, job),
                )
            })
            .or_else(|| {
                self.moving.choose(
                    random,
                    (700, 20),
                    |random| moving::some(random, model),
                    |random, who| moving::next(random, model, who),
                )
            })
            .or_else(|| {
                self.serving.choose(
                    random,
                    (50, 70),
                    |random| serving::some(random, model),
                    |random, job| serving::next(random, model, job),
                )
            })
    }
}

/// A job that would soon be too late: its lease starts or runs, or its bids wait to be revealed.
fn urgent(random: &mut Random, model: &Model) -> Option<usize> {
    let from = random.index(JOBS);
    (0..JOBS).map(|at| (from + at) % JOBS).find(|job| {
        model.jobs[*job].as_ref().filter(|posted| posted.open).is_some_and(|posted| match posted.rules.state {
            JobState::Open => !posted.sealed.is_empty() && model.now.ts >= posted.rules.close_ts,
            JobState::Leased | JobState::Review => true,
            JobState::Waiting | JobState::Ended => false,
        })
    })
}

/// Time passes as one job needs it: a little, or to what comes next, or a second before or after.
fn tick_of(random: &mut Random, model: &Model, job: usize) -> Command {
    let now = model.now.ts.0;
    let mut seconds = if random.once_in(3) { random.below(240) } else { random.below(30) };
    if let Some(posted) = model.jobs[job].as_ref().filter(|_| random.once_in(3)) {
        let mut dues = vec![posted.rules.close_ts.0, posted.rules.award_ts().0, posted.rules.expires_at.0];
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
    if random.once_in(14) {
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
    if random.once_in(4) {
        return settings::of_buyer(random, model, buyer);
    }
    match random.below(20) {
        0..=7 => {
            let amount = if random.once_in(4) { random.amount(36) } else { random.below(500_000_000) };
            Command::Deposit { buyer, by: who, amount }
        }
        8..=11 => {
            let who = owner_of(random, model, buyer);
            Command::Withdraw { buyer, by: who, amount: random.amount(30) }
        }
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
    if random.once_in(8) {
        return machines::choose(random, model, provider);
    }
    let (least, most) = if is_small(provider) { (2_000_000, 2_500_000) } else { (50_000_000, 500_000_000) };
    let poor = owner.bond.is_none_or(|bond| bond.free().is_ok_and(|free| free.0 < least));
    match random.below(10) {
        0 if owner.bond.is_none() => Command::OpenBond { provider },
        0..=3 if poor => {
            let amount = if random.once_in(12) { random.amount(32) } else { random.below(most) };
            Command::AddStake { provider, by: who, amount }
        }
        4 if random.once_in(4) => machines::first(random, model, provider, who),
        5 if random.once_in(3) => {
            let signer = if random.once_in(4) { person(BUYERS + provider) } else { who };
            Command::WithdrawOffer { provider, by: signer, offer, wrong: random.once_in(8) }
        }
        _ => {
            let terms = offer_terms(random);
            match &owner.offers[offer] {
                None => machines::post(random, model, provider, offer),
                Some(old) if !old.live && old.claimed > 0 && random.once_in(2) => {
                    let count = if random.once_in(3) { 1 } else { old.claimed.min(8) as u8 };
                    Command::ReleaseGpus { provider, by: who, offer, count }
                }
                Some(old) if !old.live => {
                    Command::WithdrawOffer { provider, by: who, offer, wrong: random.once_in(12) }
                }
                Some(new) if u32::from(new.claimed) < u32::from(new.units) * u32::from(scene::unit().gpu_count) => {
                    let missing =
                        (u32::from(new.units) * u32::from(scene::unit().gpu_count)).saturating_sub(new.claimed.into());
                    let all: usize = owner.claims.iter().map(Vec::len).sum();
                    let own = owner.bond.map_or(0, |bond| bond.totals.own.0);
                    if own < (all as u64 + 1) * 1_000_000 && owner.bond.is_some() && !random.once_in(6) {
                        return Command::AddStake { provider, by: who, amount: 1_000_000 * (1 + random.below(20)) };
                    }
                    let count = if random.once_in(20) { random.below(9) as u8 } else { missing.min(8) as u8 };
                    Command::ClaimGpus { provider, by: who, offer, count }
                }
                Some(_) => Command::RefreshOffer { provider, by: who, offer, terms },
            }
        }
    }
}

fn of_job(random: &mut Random, model: &Model, job: usize) -> Command {
    let (who, keeps) = (by(random), keeper_of(random, model, job % BUYERS));
    let lease = if random.once_in(10) { random.index(3) } else { 0 };
    let Some(posted) = model.jobs[job].as_ref().filter(|_| !model.is_free(job)) else {
        // The other places are for tasks.
        if job >= OWN_JOBS {
            return arrays::choose(random, model, job % BUYERS);
        }
        return posting::choose(random, model, job);
    };
    if let Some(command) = arrays::of_task(random, model, job)
        .or_else(|| supervision::of_lease(random, model, job))
        .or_else(|| sealed::of_job(random, model, job))
    {
        return command;
    }
    let (provider, offer) = an_offer(random, |provider, offer| is_live(model, provider, offer));
    match (posted.rules.state, posted.leases.last().map(|current| current.rules.state)) {
        (JobState::Open | JobState::Waiting, _) if random.once_in(60) => {
            Command::Prefund { job, lamports: 890_880 + random.below(8_000_000) }
        }
        (JobState::Waiting, _) if random.once_in(12) => Command::ExpireJob { job },
        (JobState::Waiting, _) if model.now.ts >= posted.rules.expires_at && !random.once_in(6) => {
            Command::ExpireJob { job }
        }
        (JobState::Open | JobState::Waiting, _) if !is_live(model, provider, offer) && !random.once_in(4) => {
            supply(random, model)
        }
        (state @ (JobState::Open | JobState::Waiting), _)
            if state == JobState::Waiting || model.now.ts < posted.rules.close_ts =>
        {
            match random.below(20) {
                0 => Command::CancelJob { job, by: keeps },
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
            }
        }
        (JobState::Open | JobState::Waiting, _) => match random.below(20) {
            0 => Command::CancelJob { job, by: keeps },
            1 => Command::EnterOffer { job, provider, offer },
            2 => Command::CloseLease { job, lease },
            _ => Command::Award { job, given: if random.once_in(6) { random.index(3) } else { 5 } },
        },
        (JobState::Leased, Some(LeaseState::Starting))
            if posted.leases.last().is_some_and(|one| one.rules.start_deadline < model.now.ts)
                && !random.once_in(4) =>
        {
            Command::FailStart { job, lease, by: somebody(random) }
        }
        (JobState::Leased, Some(LeaseState::Starting)) => match random.below(20) {
            0 => Command::Stop { job, lease, by: keeps },
            1 => Command::Settle { job, lease },
            7 => Command::Supervision { job, lease, step: SupervisionStep::Decline { by: who } },
            8 => Command::Supervision { job, lease, step: SupervisionStep::Want { by: who } },
            9 => Command::Supervision {
                job,
                lease,
                step: SupervisionStep::BuyerError { by: who, code: 124 + random.small(5) },
            },
            2..=6 => {
                let anybody = if random.once_in(4) { 0 } else { somebody(random) };
                Command::FailStart { job, lease, by: anybody }
            }
            _ => Command::Ready { job, lease, by: who, image: !random.once_in(20) },
        },
        (JobState::Review, _) => match random.below(10) {
            0..=3 => Command::Supervision { job, lease, step: SupervisionStep::Accept { by: keeps } },
            4 | 5 => Command::Supervision { job, lease, step: SupervisionStep::Reopen { by: keeps } },
            6 | 7 => Command::Settle { job, lease },
            8 => Command::CloseLease { job, lease },
            _ => Command::Expire { job, lease },
        },
        (JobState::Leased, _) => match random.below(20) {
            0..=7 => Command::Settle { job, lease },
            8 | 9 => Command::Stop { job, lease, by: keeps },
            10..=12 => {
                let any = random.small(14);
                let (reason, exit) = (random.pick(&[1, 1, 3, 3, any]), u8::from(random.once_in(5)));
                Command::Finish { job, lease, by: who, reason, exit }
            }
            13 => Command::Abandon { job, lease, by: who },
            14 | 15 => Command::Expire { job, lease },
            16 => Command::CloseLease { job, lease },
            17 | 18 => Command::Extend { job, lease, by: keeps, by_s: random.amount(22) as u32 },
            _ => Command::TopUp { job, lease, by: keeps, amount: random.amount(30) },
        },
        (JobState::Ended, _) => {
            let lease = random.index(posted.leases.len().max(1));
            match random.below(12) {
                0..=3 => Command::Settle { job, lease },
                4..=8 => Command::CloseLease { job, lease },
                9 => Command::Stop { job, lease, by: keeps },
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
    match random.below(34) {
        33 => machines::anything(random, provider),
        27 => supervision::anything(random, job, lease),
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
        7 => {
            let node = u8::try_from(scene::node_of(provider)).unwrap();
            let terms = MachineTerms { node, limit: u64::MAX };
            Command::UpdateNode { provider, by, terms, missing: random.once_in(4) }
        }
        8 => {
            let allotment = Allotment { of: random.small(4), limit: amount };
            Command::PostOffer { provider, by, offer, allotment, terms: offer_terms(random) }
        }
        9 => Command::RefreshOffer { provider, by, offer, terms: offer_terms(random) },
        10 => Command::WithdrawOffer { provider, by, offer, wrong: random.once_in(4) },
        11 => Command::PostJob { job, by, terms: job_terms(random) },
        12 => Command::PlaceBid { job, provider, by, offer, price: amount },
        13 => Command::EnterOffer { job, provider, offer },
        14 => Command::Award { job, given: random.index(4) },
        15 => Command::CancelJob { job, by },
        16 => Command::Ready { job, lease, by, image: true },
        17 => Command::Settle { job, lease },
        18 if random.once_in(2) => Command::Extend { job, lease, by, by_s: amount as u32 },
        18 => Command::TopUp { job, lease, by, amount },
        19 => Command::Stop { job, lease, by },
        20 => Command::Finish { job, lease, by, reason: random.small(14), exit: random.small(3) },
        21 => Command::Abandon { job, lease, by },
        22 => Command::FailStart { job, lease, by },
        23 => Command::Expire { job, lease },
        24 => Command::CloseLease { job, lease },
        25 if random.once_in(2) => Command::ExpireJob { job },
        25 => Command::CloseJob { job },
        _ => Command::Freeze { place: random.index(3 * PROVIDERS), frozen: random.once_in(4) },
    }
}
