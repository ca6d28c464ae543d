//! Purse, jobs, books, leases and bonds wired together as the programs wire them: each step is one transaction.

use gridlease_core::bond::{Bond, lease_reservation};
use gridlease_core::book::{Book, Entry};
use gridlease_core::job::{EndReason, Job, JobState, Mode, Terms, minute, start_deadline};
use gridlease_core::lease::{Lease, LeaseState, Ran, Undone};
use gridlease_core::limits::{DEFAULT_WAIT, DEFAULT_WEIGHTS, DEFAULT_WINDOW, FEE_BPS, GRACE, SLOT_MS};
use gridlease_core::purse::Purse;
use gridlease_core::reputation::{Closed, RecentBuyers, Reputation};
use gridlease_core::score::{Merit, Weights, score};
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, Now, PricePerHour, RuleError, RuleResult, Seconds, UnixTs, invariant};

/// What may happen; the first number names one of the jobs that there are, or a provider (of two) to stake.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Deposit(Atoms),
    Withdraw(Atoms),
    Sweep,
    Stake(usize, Atoms),
    Post(PricePerHour, Seconds, u8),
    Bid(usize, usize, u64),
    Award(usize),
    Cancel(usize),
    Ready(usize),
    Settle(usize),
    TopUp(usize, Atoms),
    Stop(usize),
    Finish(usize, usize),
    FailStart(usize, bool),
    Expire(usize),
    ExpireJob(usize),
    Accept(usize),
    Reopen(usize),
    Reject(usize),
    Decline(usize, bool),
    NotGiven(usize),
    BuyerError(usize, bool),
    Close(usize),
}

/// A lease with the provider and the stake behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    pub lease: Lease,
    provider: usize,
    stake: Atoms,
    awarded: UnixTs,
}

/// A job with its book and its leases, the last one running.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    pub job: Job,
    book: Book,
    lets: Vec<Let>,
    /// All that was ever reserved for it: its cap and its top-ups.
    reserved: Atoms,
    /// Given back of it so far.
    returned: Atoms,
    /// Owed to the insurance fund for starts that came to nothing.
    forfeited: Atoms,
}

/// Everything, and every token account.
#[derive(Clone, Debug, PartialEq)]
pub struct Market {
    pub purse: Purse,
    pub jobs: [Option<Posted>; 3],
    pub bonds: [Bond; 2],
    records: [Reputation; 2],
    recent: [RecentBuyers; 2],
    buyer: Atoms,
    pub purse_vault: Atoms,
    bond_vaults: [Atoms; 2],
    providers: [Atoms; 2],
    treasury: Atoms,
    insurance: Atoms,
}

const WALLET: Atoms = Atoms(1_000_000_000_000);

fn transfer(from: &mut Atoms, to: &mut Atoms, amount: Atoms) -> RuleResult<()> {
    *from = from.sub(amount)?;
    *to = to.add(amount)?;
    Ok(())
}

impl Market {
    /// A market whose buyer deposited `funds`, and whose providers staked as much each.
    pub fn open(funds: Atoms) -> Self {
        let left = WALLET.sub(funds).unwrap();
        Self {
            purse: Purse { balance: funds, ..Purse::default() },
            jobs: [None, None, None],
            bonds: [Bond { amount: funds, ..Bond::default() }; 2],
            records: [Reputation::default(); 2],
            recent: [RecentBuyers::default(); 2],
            buyer: left,
            purse_vault: funds,
            bond_vaults: [funds; 2],
            providers: [left; 2],
            treasury: Atoms::ZERO,
            insurance: Atoms::ZERO,
        }
    }

    /// One transaction: done wholly or not at all.
    pub fn step(&mut self, step: Step, now: Now) -> RuleResult<()> {
        let mut next = self.clone();
        next.apply(step, now)?;
        for posted in next.jobs.iter_mut().flatten() {
            // The account of a job that counts no bids shows none.
            if posted.job.bids == 0 {
                posted.book.clear();
            }
        }
        *self = next;
        Ok(())
    }

    fn apply(&mut self, step: Step, now: Now) -> RuleResult<()> {
        match step {
            Step::Deposit(amount) => {
                self.purse.deposit(amount)?;
                transfer(&mut self.buyer, &mut self.purse_vault, amount)
            }
            Step::Withdraw(amount) => {
                self.purse.withdraw(amount)?;
                transfer(&mut self.purse_vault, &mut self.buyer, amount)
            }
            Step::Sweep => {
                let swept = self.purse.sweep_fees()?;
                transfer(&mut self.purse_vault, &mut self.treasury, swept.fees)?;
                transfer(&mut self.purse_vault, &mut self.insurance, swept.forfeits)
            }
            Step::Stake(provider, amount) => {
                self.bonds[provider].add(amount)?;
                transfer(&mut self.providers[provider], &mut self.bond_vaults[provider], amount)
            }
            Step::Post(price, duration, attempts) => self.post(price, duration, attempts, now),
            Step::Bid(job, provider, raw) => self.bid(job, provider, raw, now),
            Step::Award(job) => self.award(job, now),
            Step::Cancel(job) => {
                let posted = place(&mut self.jobs, job)?;
                let back = posted.job.cancel()?;
                posted.give_back(&mut self.purse, back)
            }
            Step::Ready(job) => {
                let posted = place(&mut self.jobs, job)?;
                let current = posted.lets.last_mut().ok_or(RuleError::WrongState)?;
                current.lease.ready(now)?;
                let back = posted.job.on_ready()?;
                posted.give_back(&mut self.purse, back)
            }
            Step::Settle(job) => {
                let posted = place(&mut self.jobs, job)?;
                // A job that went on after an abandoned lease has several, and each may owe something.
                let mut settled = Err(RuleError::WrongState);
                for current in &mut posted.lets {
                    if let Ok(payment) = current.lease.settle(now) {
                        self.purse.pay(payment.net, payment.fee)?;
                        transfer(&mut self.purse_vault, &mut self.providers[current.provider], payment.net)?;
                        settled = Ok(());
                    }
                }
                settled
            }
            Step::TopUp(job, amount) => {
                let posted = place(&mut self.jobs, job)?;
                posted.lets.last_mut().ok_or(RuleError::WrongState)?.lease.top_up(amount, now)?;
                posted.reserved = posted.reserved.add(amount)?;
                self.purse.reserve(amount)
            }
            Step::Stop(job) => self.end(job, now, |lease| lease.stop(now)),
            Step::Finish(job, reason) => {
                self.end(job, now, |lease| lease.finish(EndReason::ALL[reason], Ran::WHOLE, Seconds::ZERO, now))
            }
            Step::FailStart(job, given_up) => {
                let posted = place(&mut self.jobs, job)?;
                let lease = &mut posted.lets.last_mut().ok_or(RuleError::WrongState)?.lease;
                let back = lease.fail_start(given_up, now)?;
                let back = posted.job.on_lease_end(EndReason::NoStart, back, lease.price, false, now.ts)?;
                posted.give_back(&mut self.purse, back)?;
                self.slash(job, Fault::NoStart)
            }
            Step::Expire(job) => {
                let posted = place(&mut self.jobs, job)?;
                let lease = &mut posted.lets.last_mut().ok_or(RuleError::WrongState)?.lease;
                let mut back = lease.expire(now)?.unwrap_or_default();
                let held = matches!(posted.job.state, JobState::Leased | JobState::Review);
                if lease.state == LeaseState::Ended && held {
                    back = posted.job.on_lease_end(lease.reason, back, lease.price, false, now.ts)?;
                }
                posted.give_back(&mut self.purse, back)
            }
            Step::ExpireJob(job) => {
                let posted = place(&mut self.jobs, job)?;
                let back = posted.job.expire(now.ts)?;
                posted.give_back(&mut self.purse, back)
            }
            Step::Accept(job) => self.end(job, now, |lease| lease.accept(now).map(|()| Atoms::ZERO)),
            Step::Reopen(job) => self.end(job, now, |lease| lease.reopen(now)),
            Step::Reject(job) => self.undo(job, false, now, |lease, minute| lease.reject(minute, now)),
            Step::Decline(job, own) => self.undo(job, false, now, |lease, minute| lease.decline(own, minute, now)),
            Step::NotGiven(job) => self.undo(job, false, now, |lease, minute| lease.not_given(minute, now)),
            Step::BuyerError(job, certain) => {
                self.undo(job, certain, now, |lease, minute| lease.buyer_error(126, minute, now))
            }
            Step::Close(job) => self.close(job, now),
        }
    }

    fn post(&mut self, max_price: PricePerHour, max_duration: Seconds, attempts: u8, now: Now) -> RuleResult<()> {
        let terms = Terms {
            max_price,
            max_duration,
            window: DEFAULT_WINDOW,
            attempts,
            mode: Mode::Open,
            reveal: Seconds::ZERO,
            wait: DEFAULT_WAIT,
            review: Seconds::ZERO,
        };
        let job = Job::post(terms, now)?;
        self.purse.reserve(job.reserved)?;
        let free = self.jobs.iter_mut().find(|place| place.is_none()).ok_or(RuleError::NotEmpty)?;
        let reserved = job.reserved;
        *free = Some(Posted {
            job,
            book: Book::new(),
            lets: Vec::new(),
            reserved,
            returned: Atoms::ZERO,
            forfeited: Atoms::ZERO,
        });
        Ok(())
    }

    fn bid(&mut self, job: usize, provider: usize, raw: u64, now: Now) -> RuleResult<()> {
        let posted = place(&mut self.jobs, job)?;
        let max = posted.job.terms.max_price;
        let price = PricePerHour(raw % max.0 + 1);
        posted.job.check_bid(price, now.ts)?;
        let record = &self.records[provider];
        let merit = Merit { reputation: record.standing, uptime: record.uptime, speed: record.speed() };
        let score = score(&Weights::new(DEFAULT_WEIGHTS)?, &merit, price, max)?;
        let address = [u8::try_from(provider).unwrap(); 32];
        let inserted =
            posted.book.insert(Entry { provider: address, offer: 0, score, price, automatic: false }, |_| 0)?;
        posted.job.on_bid(inserted.leads, posted.book.len(), now)
    }

    fn award(&mut self, job: usize, now: Now) -> RuleResult<()> {
        let posted = place(&mut self.jobs, job)?;
        posted.job.check_award(now)?;
        while let Some(entry) = posted.book.pop_best() {
            let provider = usize::from(entry.provider[0]);
            let terms = posted.job.terms;
            let stake = lease_reservation(entry.price, terms.max_price, terms.max_duration)?;
            if posted.job.affords(entry.price)? && self.bonds[provider].reserve(stake).is_ok() {
                let handed = posted.job.award(entry.price, now)?;
                let deadline = start_deadline(now.ts, 2_500)?;
                let lease = Lease::open(entry.price, handed, SLOT_MS, FEE_BPS, now, deadline);
                posted.lets.push(Let { lease, provider, stake, awarded: now.ts });
                return Ok(());
            }
            posted.job.drop_bids(1);
        }
        posted.job.unawarded(now)
    }

    fn undo(
        &mut self,
        job: usize,
        certain: bool,
        now: Now,
        how: impl FnOnce(&mut Lease, Atoms) -> RuleResult<Undone>,
    ) -> RuleResult<()> {
        let posted = place(&mut self.jobs, job)?;
        let current = posted.lets.last_mut().ok_or(RuleError::WrongState)?;
        let minute = minute(current.lease.price, posted.job.terms.max_price)?;
        let undone = how(&mut current.lease, minute)?;
        self.purse.forfeit(undone.buyer)?;
        let back = posted.job.on_lease_end(current.lease.reason, undone.back, current.lease.price, certain, now.ts)?;
        let provider = undone.provider.min(current.stake);
        current.stake = self.bonds[current.provider].slash(current.stake, provider)?;
        transfer(&mut self.bond_vaults[current.provider], &mut self.insurance, provider)?;
        posted.forfeited = posted.forfeited.add(undone.buyer)?;
        posted.give_back(&mut self.purse, back)
    }

    fn end(&mut self, job: usize, now: Now, how: impl FnOnce(&mut Lease) -> RuleResult<Atoms>) -> RuleResult<()> {
        let posted = place(&mut self.jobs, job)?;
        let current = posted.lets.last_mut().ok_or(RuleError::WrongState)?;
        let back = how(&mut current.lease)?;
        let reason = current.lease.reason;
        if current.lease.state == LeaseState::Finished {
            return posted.job.on_finished(back);
        }
        if !current.lease.ready_ts.is_zero() {
            let start = current.lease.ready_ts.since(current.awarded);
            // One buyer of its own for each lease: the properties here are about money, and want histories that move.
            let buyer = Some((current.lease.ready_ts.0 << 8 | job as u64).to_le_bytes());
            let closed = Closed { reason, fee: current.lease.base, start, buyer, went_silent: false };
            let provider = current.provider;
            self.records[provider].on_closed(&mut self.recent[provider], &closed);
        }
        let back = posted.job.on_lease_end(reason, back, current.lease.price, false, now.ts)?;
        posted.give_back(&mut self.purse, back)?;
        if reason == EndReason::Abandoned { self.slash(job, Fault::Abandoned) } else { Ok(()) }
    }

    fn slash(&mut self, job: usize, fault: Fault) -> RuleResult<()> {
        let posted = place(&mut self.jobs, job)?;
        let current = posted.lets.last_mut().ok_or(RuleError::WrongState)?;
        let (price, charged) = (current.lease.price, current.lease.compensable());
        let parts = slash_for(&Case { fault, reservation: current.stake, price, charged, sealed_bond: Atoms::ZERO })?;
        current.stake = self.bonds[current.provider].slash(current.stake, parts.total()?)?;
        self.records[current.provider].on_fault();
        let vault = &mut self.bond_vaults[current.provider];
        transfer(vault, &mut self.insurance, parts.insurance)?;
        transfer(vault, &mut self.purse_vault, parts.victim)?;
        if parts.victim.is_zero() { Ok(()) } else { self.purse.deposit(parts.victim) }
    }

    /// Closes what is over: the job once all of its leases are.
    fn close(&mut self, job: usize, now: Now) -> RuleResult<()> {
        let posted = place(&mut self.jobs, job)?;
        for over in &mut posted.lets {
            if over.lease.check_close(now).is_ok() {
                self.bonds[over.provider].release(core::mem::take(&mut over.stake))?;
            }
        }
        posted.job.check_close()?;
        posted.lets.iter().try_for_each(|over| over.lease.check_close(now))?;
        let count = self.jobs.iter().flatten().count();
        if let Some(place) = self.jobs.iter_mut().filter(|place| place.is_some()).nth(job % count) {
            *place = None;
        }
        Ok(())
    }

    /// The last time at which one of the jobs waits for anybody; none where there is no job.
    pub fn last_due(&self) -> Option<UnixTs> {
        let due = |posted: &Posted| match posted.lets.last() {
            Some(current) if !matches!(posted.job.state, JobState::Open | JobState::Waiting) => {
                current.lease.due().after(GRACE).unwrap()
            }
            _ if posted.job.state == JobState::Waiting => posted.job.expires_at,
            _ => posted.job.close_ts,
        };
        self.jobs.iter().flatten().map(due).max()
    }

    /// Every invariant of the protocol that can be seen from outside.
    pub fn check(&self) -> RuleResult<()> {
        let mut held = Vec::new();
        let mut stakes = [Atoms::ZERO; 2];
        for posted in self.jobs.iter().flatten() {
            let (mut paid, mut fee, mut holds) = (Atoms::ZERO, Atoms::ZERO, posted.job.reserved);
            for Let { lease, provider, stake, .. } in &posted.lets {
                invariant::lease(lease)?;
                paid = paid.add(lease.paid)?;
                fee = fee.add(lease.fee)?;
                holds = holds.add(lease.held()?)?;
                stakes[*provider] = stakes[*provider].add(*stake)?;
            }
            let fee = fee.add(posted.forfeited)?;
            invariant::conservation(posted.reserved, paid, fee, posted.returned, holds)?;
            assert_eq!(usize::from(posted.job.bids), posted.book.len(), "the job counts its book");
            held.push(holds);
        }
        invariant::purse_holds(&self.purse, held)?;
        invariant::purse(&self.purse, self.purse_vault)?;
        for ((bond, vault), stake) in self.bonds.iter().zip(self.bond_vaults).zip(stakes) {
            invariant::bond(bond, vault)?;
            assert_eq!(stake, bond.reserved);
            assert_eq!(vault, bond.amount);
        }
        assert_eq!(self.purse_vault, self.purse.balance);
        let others = [self.purse_vault, self.treasury, self.insurance];
        let all = others.into_iter().chain(self.bond_vaults).chain(self.providers);
        let all = all.fold(self.buyer.0, |sum, part| sum + part.0);
        assert_eq!(all, 3 * WALLET.0, "tokens appeared or vanished");
        Ok(())
    }
}

impl Posted {
    fn give_back(&mut self, purse: &mut Purse, amount: Atoms) -> RuleResult<()> {
        self.returned = self.returned.add(amount)?;
        purse.release(amount)
    }
}

/// The job that number `at` names, among those that there are.
fn place(jobs: &mut [Option<Posted>; 3], at: usize) -> RuleResult<&mut Posted> {
    let count = jobs.iter().flatten().count().max(1);
    jobs.iter_mut().flatten().nth(at % count).ok_or(RuleError::WrongState)
}
