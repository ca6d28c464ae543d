//! A small market as a keeper sees it, and what carrying out a plan does to it, by the rules.

use std::collections::BTreeMap;

use crate::account::{
    Bond, Config, Job, Kind, Lease, Offer, Provider, Purse, StakingConfig, VERSION, offer_state, tie,
};
use crate::address;
use bytemuck::Zeroable as _;
use gridlease_core::book::{Book, Entry};
use gridlease_core::job::{self, EndReason, JobState};
use gridlease_core::lease::{LeaseState, Ran};
use gridlease_core::limits::{FEE_BPS, SLOT_MS};
use gridlease_core::score::{auto_bid_price, score};
use gridlease_core::{Atoms, Now, PricePerHour, Seconds, UnixTs, bond, invariant, lease as lease_rules};
use solana_account::Account;
use solana_pubkey::Pubkey;

use super::super::{Action, Step};
use crate::view::{Applied, View};

pub(super) const START: u64 = 1_700_000_000;
pub(super) const WINDOW: u64 = 12;
pub(super) const DURATION: u64 = 7_200;
pub(super) const MAX: u64 = 3_600_000;
pub(super) const ASK: u64 = 3_000_000;
pub(super) const FLOOR: u64 = 1_500_000;
/// Stake of each bond, in atoms.
pub(super) const STAKE: u64 = 100_000_000;

/// A time, with the slot that belongs to it.
pub(super) fn at(ts: u64) -> Now {
    Now { slot: 1_000 + (ts - START) * 5 / 2, ts: UnixTs(ts) }
}

/// The address of a numbered account.
pub(super) fn key(kind: &str, number: u8) -> Pubkey {
    let mut bytes = [number; 32];
    for (to, from) in bytes[1..].iter_mut().zip(kind.bytes()) {
        *to = from;
    }
    Pubkey::new_from_array(bytes)
}

pub(super) struct Market {
    pub(super) config: Config,
    pub(super) staking_config: StakingConfig,
    pub(super) known_config: bool,
    pub(super) purse: Purse,
    pub(super) jobs: BTreeMap<Pubkey, Job>,
    pub(super) leases: BTreeMap<Pubkey, Lease>,
    pub(super) offers: BTreeMap<Pubkey, Offer>,
    pub(super) providers: BTreeMap<Pubkey, Provider>,
    pub(super) bonds: BTreeMap<Pubkey, Bond>,
}

impl Market {
    pub(super) fn new() -> Self {
        let mut config = Config::zeroed();
        config.header.version = VERSION;
        let mut staking_config = StakingConfig::zeroed();
        staking_config.header.version = VERSION;
        let mut purse = Purse::zeroed();
        purse.header.version = VERSION;
        purse.balance = 1_000_000_000;
        Self {
            config,
            staking_config,
            known_config: true,
            purse,
            jobs: BTreeMap::new(),
            leases: BTreeMap::new(),
            offers: BTreeMap::new(),
            providers: BTreeMap::new(),
            bonds: BTreeMap::new(),
        }
    }

    /// Provider 1 has won job 1 and its lease is starting.
    pub(super) fn leased() -> Self {
        let mut market = Self::new();
        market.provider(1, ASK, FLOOR);
        market.job(1);
        for time in [at(START), at(START + WINDOW)] {
            let actions = super::super::plan(&market.view(), time, &super::super::Policy::default());
            assert_eq!(actions.len(), 1);
            market.carry_out(&actions, time);
        }
        assert_eq!(market.leases.len(), 1);
        market
    }

    /// As [`Market::leased`], and the lease runs.
    pub(super) fn running() -> Self {
        let mut market = Self::leased();
        let now = at(START + WINDOW + 20);
        let mut job = market.job_of(1).rules().unwrap();
        let released = job.on_ready().unwrap();
        market.job_of(1).set_book(&Book::new());
        market.job_of(1).set_rules(&job, now);
        let mut amounts = market.purse.amounts();
        amounts.release(released).unwrap();
        market.write_purse(amounts);
        market.change_lease(1, |lease| lease.ready(now).unwrap());
        market
    }

    pub(super) fn provider(&mut self, number: u8, ask: u64, floor: u64) {
        let mut provider = Provider::zeroed();
        provider.header.version = VERSION;
        provider.bond = key("bond", number);
        (provider.standing, provider.uptime) = (5_000, 5_000);
        self.providers.insert(key("provider", number), provider);
        let mut bond = Bond::zeroed();
        bond.header.version = VERSION;
        bond.amount = STAKE;
        self.bonds.insert(provider.bond, bond);
        self.add_offer(number, 1, ask, floor);
    }

    pub(super) fn second_offer(&mut self, number: u8, ask: u64, floor: u64) {
        self.add_offer(number, 2, ask, floor);
    }

    fn add_offer(&mut self, provider: u8, number: u32, ask: u64, floor: u64) {
        let mut offer = Offer { stake_limit: u64::MAX, ..Offer::zeroed() };
        (offer.header.version, offer.header.state) = (VERSION, offer_state::LIVE);
        offer.header.due_ts = START + 3_600;
        offer.provider = key("provider", provider);
        (offer.number, offer.ask, offer.floor, offer.auto_bid) = (number, ask, floor, 1);
        (offer.units, offer.units_free) = (4, 4);
        (offer.spec.cpu_milli, offer.spec.memory_mib) = (8_000, 16_384);
        offer.spec.flags = gridlease_core::requirement::flags::CPU_CLASS;
        self.offers.insert(address::offer(&offer.provider, number), offer);
    }

    pub(super) fn job(&mut self, number: u8) {
        self.open_job(number, START + WINDOW);
    }

    pub(super) fn open_job(&mut self, number: u8, close_ts: u64) {
        let mut job = Job::zeroed();
        job.header.version = VERSION;
        job.header.shard = number;
        (job.purse, job.payer) = (key("purse", 1), key("payer", 1));
        (job.number, job.max_price) = (u64::from(number), MAX);
        (job.max_duration_s, job.window_s) = (u32::try_from(DURATION).unwrap(), u32::try_from(WINDOW).unwrap());
        job.weights = gridlease_core::limits::DEFAULT_WEIGHTS;
        job.attempts = 3;
        job.wait_s = 86_400;
        job.requirement.memory_mib = 4_096;
        job.header.state = JobState::Open as u8;
        let posted = job::Job::post(job.terms(), at(close_ts - WINDOW)).unwrap();
        job.set_rules(&posted, at(START));
        let mut amounts = self.purse.amounts();
        amounts.reserve(posted.reserved).unwrap();
        self.write_purse(amounts);
        self.jobs.insert(key("job", number), job);
    }

    /// The provider's automatic bid for a job that waits, so early that its window is over at `close_ts`.
    pub(super) fn bid_for(&mut self, number: u8, provider: u8, close_ts: u64) {
        self.enter(&key("job", number), key("provider", provider), 1, at(close_ts - WINDOW));
    }

    pub(super) fn ended_job(&mut self, number: u8) {
        self.job(number);
        let job = self.jobs.get_mut(&key("job", number)).unwrap();
        let mut rules = job.rules().unwrap();
        let back = rules.cancel().unwrap();
        job.set_rules(&rules, at(START));
        let mut amounts = self.purse.amounts();
        amounts.release(back).unwrap();
        self.write_purse(amounts);
    }

    pub(super) fn exclude(&mut self, job: u8, provider: u8) {
        self.job_of(job).exclude(&key("provider", provider));
    }

    pub(super) fn job_of(&mut self, number: u8) -> &mut Job {
        self.jobs.get_mut(&key("job", number)).unwrap()
    }

    pub(super) fn offer_of(&mut self, provider: u8) -> &mut Offer {
        self.offers.get_mut(&address::offer(&key("provider", provider), 1)).unwrap()
    }

    pub(super) fn bond_of(&mut self, provider: u8) -> &mut Bond {
        self.bonds.get_mut(&key("bond", provider)).unwrap()
    }

    /// The first lease of a job.
    pub(super) fn lease_of(&mut self, job: u8) -> &mut Lease {
        self.leases.get_mut(&address::lease(&key("job", job), 0)).unwrap()
    }

    pub(super) fn finish(&mut self, job: u8, reason: EndReason, now: Now) {
        let mut back = Atoms::ZERO;
        self.change_lease(job, |lease| back = lease.finish(reason, Ran::WHOLE, Seconds::ZERO, now).unwrap());
        let finished = self.lease_of(job).state() == Some(LeaseState::Finished);
        if finished {
            // The buyer accepts at once.
            self.change_lease(job, |lease| lease.accept(now).unwrap());
        }
        self.end_job(&address::lease(&key("job", job), 0), reason, back, now);
    }

    /// The market as a view.
    pub(super) fn view(&self) -> View {
        let mut view = View::default();
        if self.known_config {
            put(&mut view, &address::market_config(), &self.config);
            put(&mut view, &address::staking_config(), &self.staking_config);
        }
        put(&mut view, &key("purse", 1), &self.purse);
        self.jobs.iter().for_each(|(address, job)| put(&mut view, address, job));
        self.leases.iter().for_each(|(address, lease)| put(&mut view, address, lease));
        self.offers.iter().for_each(|(address, offer)| put(&mut view, address, offer));
        self.providers.iter().for_each(|(address, provider)| put(&mut view, address, provider));
        self.bonds.iter().for_each(|(address, bond)| put(&mut view, address, bond));
        view
    }

    /// Does the purse balance?
    pub(super) fn check(&self) {
        let jobs = self.jobs.values().map(|job| Atoms(job.reserved));
        let leases = self.leases.values().map(|lease| lease.rules().unwrap().held().unwrap());
        invariant::purse_holds(&self.purse.amounts(), jobs.chain(leases)).unwrap();
    }

    /// Does to the market what the programs would.
    pub(super) fn carry_out(&mut self, actions: &[Action], now: Now) {
        for step in actions.iter().flat_map(|action| &action.steps) {
            self.step(step, now);
            self.check();
        }
    }

    fn step(&mut self, step: &Step, now: Now) {
        match step {
            Step::EnterOffer { job, bidder } => self.enter(job, bidder.provider, bidder.offer, now),
            Step::Award { job, number, .. } => self.award(job, *number, now),
            Step::FailStart { keys, .. } => {
                let mut back = Atoms::ZERO;
                self.change(&keys.lease, |lease| back = lease.fail_start(false, now).unwrap());
                self.end_job(&keys.lease, EndReason::NoStart, back, now);
                let job = self.jobs.get_mut(&keys.job).unwrap();
                job.exclude(&keys.provider);
            }
            Step::Expire(keys) => {
                let mut back = None;
                self.change(&keys.lease, |lease| back = lease.expire(now).unwrap());
                let reason = self.leases[&keys.lease].end_reason();
                if self.leases[&keys.lease].state().unwrap().is_over() {
                    self.end_job(&keys.lease, reason, back.unwrap(), now);
                }
            }
            Step::ExpireJob { job, .. } => {
                let job = self.jobs.get_mut(job).unwrap();
                let mut rules = job.rules().unwrap();
                let back = rules.expire(now.ts).unwrap();
                job.set_rules(&rules, now);
                let mut amounts = self.purse.amounts();
                amounts.release(back).unwrap();
                self.write_purse(amounts);
            }
            Step::Settle(keys) => {
                let mut amounts = self.purse.amounts();
                self.change(&keys.lease, |lease| {
                    let payment = lease.settle(now).unwrap();
                    amounts.pay(payment.net, payment.fee).unwrap();
                });
                self.write_purse(amounts);
            }
            Step::CloseLease(keys) => {
                let lease = self.leases.remove(&keys.lease).unwrap();
                lease.rules().unwrap().check_close(now).unwrap();
                self.offers.get_mut(&keys.offer).unwrap().units_free += 1;
            }
            Step::CloseJob { job, .. } => {
                self.jobs.remove(job).unwrap().rules().unwrap().check_close().unwrap();
            }
            Step::SweepFees { .. } => {
                let mut amounts = self.purse.amounts();
                amounts.sweep_fees().unwrap();
                self.write_purse(amounts);
            }
        }
    }

    fn enter(&mut self, address: &Pubkey, provider: Pubkey, number: u32, now: Now) {
        let offer = self.offers[&address::offer(&provider, number)];
        let merit = self.providers[&provider].merit();
        let job = self.jobs.get_mut(address).unwrap();
        let (mut rules, mut book) = (job.rules().unwrap(), job.book().unwrap());
        let weights = job.score_weights().unwrap();
        let max = PricePerHour(job.max_price);
        let best = book.best_other(&provider.to_bytes()).map(|entry| entry.score);
        let (ask, floor) = (PricePerHour(offer.ask), PricePerHour(offer.floor));
        let price = auto_bid_price(&weights, &merit, ask, floor, max, best).unwrap();
        rules.check_bid(price, now.ts).unwrap();
        let score = score(&weights, &merit, price, max).unwrap();
        let entry = Entry { provider: provider.to_bytes(), offer: number, score, price, automatic: true };
        let leads = book.insert(entry, |provider| tie(address, provider)).unwrap().leads;
        rules.on_bid(leads, book.len(), now).unwrap();
        job.set_book(&book);
        job.set_rules(&rules, now);
    }

    fn award(&mut self, address: &Pubkey, number: u8, now: Now) {
        let job = self.jobs.get_mut(address).unwrap();
        let (mut rules, mut book) = (job.rules().unwrap(), job.book().unwrap());
        assert_eq!(rules.leases, number);
        match book.pop_best() {
            Some(entry) => {
                let handed = rules.award(entry.price, now).unwrap();
                let deadline = job::start_deadline(now.ts, job.image_mb).unwrap();
                let mut lease = Lease::zeroed();
                lease.header.version = VERSION;
                (lease.job, lease.purse) = (*address, job.purse);
                lease.provider = Pubkey::new_from_array(entry.provider);
                lease.offer = address::offer(&lease.provider, entry.offer);
                lease.bond = self.providers[&lease.provider].bond;
                let (most, longest) = (rules.terms.max_price, rules.terms.max_duration);
                lease.stake = bond::lease_reservation(entry.price, most, longest).unwrap().0;
                let opened = lease_rules::Lease::open(entry.price, handed, SLOT_MS, FEE_BPS, now, deadline);
                lease.set_rules(&opened).unwrap();
                self.offers.get_mut(&lease.offer).unwrap().units_free -= 1;
                self.leases.insert(address::lease(address, number), lease);
            }
            None => {
                rules.unawarded(now).unwrap();
            }
        }
        let job = self.jobs.get_mut(address).unwrap();
        job.set_book(&book);
        job.set_rules(&rules, now);
    }

    /// What `lease` returned goes to its job, which goes on or ends.
    fn end_job(&mut self, lease: &Pubkey, reason: EndReason, back: Atoms, now: Now) {
        let lease = self.leases[lease];
        let job = self.jobs.get_mut(&lease.job).unwrap();
        let mut rules = job.rules().unwrap();
        let released = rules.on_lease_end(reason, back, PricePerHour(lease.price), false, now.ts).unwrap();
        job.set_rules(&rules, now);
        let mut amounts = self.purse.amounts();
        amounts.release(released).unwrap();
        self.write_purse(amounts);
    }

    pub(super) fn change_lease(&mut self, job: u8, change: impl FnOnce(&mut lease_rules::Lease)) {
        self.change(&address::lease(&key("job", job), 0), change);
    }

    fn change(&mut self, address: &Pubkey, change: impl FnOnce(&mut lease_rules::Lease)) {
        let lease = self.leases.get_mut(address).unwrap();
        let mut rules = lease.rules().unwrap();
        change(&mut rules);
        invariant::lease(&rules).unwrap();
        lease.set_rules(&rules).unwrap();
    }

    fn write_purse(&mut self, amounts: gridlease_core::purse::Purse) {
        amounts.free().unwrap();
        (self.purse.balance, self.purse.reserved) = (amounts.balance.0, amounts.reserved.0);
        self.purse.fees_owed = amounts.fees_owed.0;
    }
}

fn put<T: Kind>(view: &mut View, address: &Pubkey, value: &T) {
    let mut data = T::DISCRIMINATOR.to_vec();
    data.extend_from_slice(bytemuck::bytes_of(value));
    let account = Account { lamports: 1, data, owner: T::owner(), ..Account::default() };
    assert_eq!(view.apply(address, Some(&account)), Applied::Changed);
}
