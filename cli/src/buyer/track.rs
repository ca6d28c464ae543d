//! From two looks at the chain to what happened in between: pure, so that every turn of a job can be tested as a table.
//!
//! The chain may move several steps between two looks: a short job can be awarded, finished, settled and closed. What was
//! missed is told all the same, in order; what only a vanished account knew comes from its last events ([`Gone`]).

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_core::{Now, PricePerHour};
use gridlease_sdk::account::{Job, Lease};
use solana_pubkey::Pubkey;

use super::event::{JobEvent, Money};
use crate::amount::Usdc;

/// One look at the chain.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The job; none where its account is gone.
    pub job: Option<Job>,
    /// The leases of the job that are there, by number.
    pub leases: Vec<(u8, Lease)>,
    /// The chain's clock.
    pub now: Now,
}

/// What the history tells of a lease whose account is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    /// The provider record.
    pub provider: Pubkey,
    /// Price per hour.
    pub price: PricePerHour,
    /// Stake that was reserved.
    pub stake: u64,
    /// Last moment for its start.
    pub start_deadline: u64,
    /// When its reservation would have been used up; 0 where it never started.
    pub runway_end: u64,
    /// Why it ended.
    pub reason: EndReason,
    /// Exit code.
    pub exit_code: Option<i32>,
    /// Root over the outputs.
    pub result_hash: [u8; 32],
    /// Last link of the log's chain.
    pub log_hash: [u8; 32],
    /// Amounts at its end: reserved, owed, paid, fee, refunded.
    pub amounts: [u64; 5],
}

/// What the history tells of a job whose account is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// Its leases, by number.
    pub leases: Vec<Gone>,
    /// Why it ended; none where the history does not reach that far.
    pub reason: Option<EndReason>,
    /// It was posted, as far as the history reaches.
    pub posted: bool,
    /// Its account was closed: it is not merely unseen by a server that lags behind.
    pub closed: bool,
}

/// How far one lease was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Awarded,
    Ready,
    Grace,
    Finished,
    Settled,
    Closed,
}

#[derive(Clone, Debug)]
struct Thread {
    address: Pubkey,
    told: Told,
    provider: Pubkey,
    reserved: u64,
    last: Option<Lease>,
}

/// What was told so far.
#[derive(Debug)]
pub struct Tracker {
    address: Pubkey,
    bids: Vec<(Pubkey, u64)>,
    extensions: u8,
    waits: bool,
    threads: Vec<Thread>,
    ended: bool,
    closed: bool,
}

/// Did the lease end before its container ran?
fn is_start_failed(reason: EndReason) -> bool {
    matches!(reason, EndReason::NoStart | EndReason::Declined | EndReason::NotGiven | EndReason::BuyerError)
}

impl Tracker {
    /// Nothing was told of the job at `address` yet.
    pub fn new(address: Pubkey) -> Self {
        Self {
            address,
            bids: Vec::new(),
            extensions: 0,
            waits: false,
            threads: Vec::new(),
            ended: false,
            closed: false,
        }
    }

    /// Whether the job was told to have ended.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether the job's account was told to be gone.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Whether every lease was told to be settled (or never ran).
    pub fn is_settled(&self) -> bool {
        self.threads.iter().all(|thread| matches!(thread.told, Told::Settled | Told::Closed))
    }

    /// Leases told of so far; the number of the next one.
    pub fn leases(&self) -> u8 {
        u8::try_from(self.threads.len()).unwrap_or(u8::MAX)
    }

    /// Numbers of the leases whose accounts are not told to be gone.
    pub fn open_leases(&self) -> Vec<u8> {
        let numbered = (0u8..).zip(&self.threads);
        numbered.filter(|(_, thread)| thread.told != Told::Closed).map(|(number, _)| number).collect()
    }

    /// Whether something vanished of which the last state was not seen, so that the history has to be asked.
    pub fn needs_past(&self, snapshot: &Snapshot) -> bool {
        let opened = snapshot.job.map_or(self.threads.len(), |job| job.leases.into());
        let here = |number: usize| snapshot.leases.iter().any(|(other, _)| usize::from(*other) == number);
        let missed = (0..opened).any(|number| {
            let seen = self.threads.get(number);
            let over = seen.is_some_and(|thread| {
                thread.told == Told::Closed || thread.last.is_some_and(|lease| lease.ended_ts != 0 && held(&lease) == 0)
            });
            !over && !here(number)
        });
        missed || (snapshot.job.is_none() && !self.ended)
    }

    /// What happened since the last look. `past` is needed where [`Tracker::needs_past`] says so.
    pub fn observe(&mut self, snapshot: &Snapshot, past: Option<&Past>) -> Vec<JobEvent> {
        let mut events = Vec::new();
        if let Some(job) = &snapshot.job {
            self.window(job, &mut events);
        }
        let opened = match (&snapshot.job, past) {
            (Some(job), _) => usize::from(job.leases),
            (None, Some(past)) => past.leases.len().max(self.threads.len()),
            (None, None) => self.threads.len(),
        };
        for number in 0..opened {
            let Ok(number) = u8::try_from(number) else { break };
            let lease = snapshot.leases.iter().find(|(other, _)| *other == number).map(|(_, lease)| lease);
            let attempts_left = snapshot.job.map_or(0, |job| job.attempts_left);
            match lease {
                Some(lease) => self.lease(number, lease, snapshot.now, attempts_left, &mut events),
                None => {
                    let gone = past.and_then(|past| past.leases.get(usize::from(number)));
                    self.vanished(number, gone, attempts_left, &mut events);
                }
            }
        }
        if let Some(job) = &snapshot.job {
            self.waiting(job, &mut events);
        }
        match (&snapshot.job, past) {
            (Some(job), _) if job.state() == Some(JobState::Ended) => {
                self.end(job.end_reason(), job.exit(), &mut events)
            }
            (None, past) => {
                let last = past.and_then(|past| past.leases.last());
                let reason = past.and_then(|past| past.reason).or(last.map(|gone| gone.reason));
                self.end(reason.unwrap_or(EndReason::None), last.and_then(|gone| gone.exit_code), &mut events);
                if !self.closed {
                    self.closed = true;
                    events.push(JobEvent::JobClosed);
                }
            }
            _ => {}
        }
        events
    }

    fn end(&mut self, reason: EndReason, exit_code: Option<i32>, events: &mut Vec<JobEvent>) {
        if !self.ended {
            self.ended = true;
            events.push(JobEvent::JobEnded { reason, exit_code });
        }
    }

    /// A job waits because of what became of its leases, so that is told after them.
    fn waiting(&mut self, job: &Job, events: &mut Vec<JobEvent>) {
        let waits = job.state() == Some(JobState::Waiting);
        if waits && !self.waits {
            self.bids.clear();
            events.push(JobEvent::Waiting { expires_at: job.expires_at, attempts_left: job.attempts_left });
        }
        self.waits = waits;
    }

    fn window(&mut self, job: &Job, events: &mut Vec<JobEvent>) {
        let open = job.state() == Some(JobState::Open);
        for (at, bid) in job.bids().iter().enumerate() {
            let before = self.bids.iter_mut().find(|(provider, _)| *provider == bid.provider);
            let improved = before.is_some();
            match before {
                Some((_, price)) if *price == bid.price => continue,
                Some((_, price)) => *price = bid.price,
                None => self.bids.push((bid.provider, bid.price)),
            }
            events.push(JobEvent::BidSeen {
                provider: bid.provider,
                offer: bid.offer,
                price: Usdc(bid.price),
                score: bid.score,
                rank: at + 1,
                improved,
            });
        }
        if open && job.extensions > self.extensions && job.leases == 0 {
            events.push(JobEvent::WindowExtended { close_ts: job.close_ts, extensions: job.extensions });
        }
        self.extensions = job.extensions;
    }

    fn thread(&mut self, number: u8, provider: Pubkey) -> (&mut Thread, bool) {
        let at = usize::from(number);
        let fresh = at >= self.threads.len();
        if fresh {
            let address = gridlease_sdk::address::lease(&self.address, number);
            self.threads.push(Thread { address, told: Told::Awarded, provider, reserved: 0, last: None });
        }
        let last = self.threads.len() - 1;
        (&mut self.threads[at.min(last)], fresh)
    }

    fn lease(&mut self, number: u8, lease: &Lease, now: Now, attempts_left: u8, events: &mut Vec<JobEvent>) {
        let Some(state) = lease.state() else { return };
        let money = money_of(lease, now);
        let (thread, fresh) = self.thread(number, lease.provider);
        let address = thread.address;
        if fresh {
            thread.reserved = lease.reserved;
            events.push(JobEvent::Awarded {
                lease: address,
                provider: lease.provider,
                price: Usdc(lease.price),
                reserved: money.reserved,
                stake: Usdc(lease.stake),
                start_deadline: lease.start_deadline,
                runner_up: number > 0,
            });
        }
        let before = thread.last.replace(*lease);
        if thread.told == Told::Awarded && lease.ready_ts != 0 {
            thread.told = Told::Ready;
            let (ready_ts, runway_end) = (lease.ready_ts, lease.runway_end);
            events.push(JobEvent::Ready { lease: address, ready_ts, runway_end });
        }
        if lease.reserved > thread.reserved {
            let amount = Usdc(lease.reserved - thread.reserved);
            thread.reserved = lease.reserved;
            if thread.told == Told::Grace {
                thread.told = Told::Ready;
            }
            events.push(JobEvent::ToppedUp { lease: address, amount, runway_end: lease.runway_end });
        }
        if thread.told == Told::Ready && state == LeaseState::Grace {
            thread.told = Told::Grace;
            events.push(JobEvent::Grace { lease: address, grace_end: lease.grace_end });
        }
        let over = state.is_over() || state == LeaseState::Finished;
        if over && !matches!(thread.told, Told::Finished | Told::Settled | Told::Closed) {
            thread.told = Told::Finished;
            // A start that the buyer rejected ran: it is told as an end like any other.
            if is_start_failed(lease.end_reason()) {
                thread.told = Told::Settled;
                events.push(start_failed(address, lease.provider, lease.end_reason(), money, attempts_left));
            } else {
                events.push(finished(address, lease, money));
            }
        } else if !over && before.is_none_or(|before| paid_of(&before) != paid_of(lease))
            || state == LeaseState::Running
        {
            events.push(JobEvent::Money { lease: address, state, money });
        }
        if thread.told == Told::Finished && held(lease) == 0 {
            thread.told = Told::Settled;
            events.push(JobEvent::Settled { lease: address, money });
        }
    }

    fn vanished(&mut self, number: u8, gone: Option<&Gone>, attempts_left: u8, events: &mut Vec<JobEvent>) {
        let provider = gone.map(|gone| gone.provider).unwrap_or_default();
        let (thread, fresh) = self.thread(number, provider);
        let address = thread.address;
        if thread.told == Told::Closed {
            return;
        }
        if let Some(gone) = gone {
            let money = gone.money();
            if fresh {
                events.push(JobEvent::Awarded {
                    lease: address,
                    provider,
                    price: gone.price.into(),
                    reserved: money.reserved,
                    stake: Usdc(gone.stake),
                    start_deadline: gone.start_deadline,
                    runner_up: number > 0,
                });
            }
            let failed = is_start_failed(gone.reason);
            if thread.told == Told::Awarded && gone.runway_end != 0 {
                thread.told = Told::Ready;
                events.push(JobEvent::Ready { lease: address, ready_ts: 0, runway_end: gone.runway_end });
            }
            if failed && !matches!(thread.told, Told::Settled) {
                events.push(start_failed(address, provider, gone.reason, money, attempts_left));
            } else if !failed && !matches!(thread.told, Told::Finished | Told::Settled) {
                events.push(JobEvent::Finished {
                    lease: address,
                    provider,
                    reason: gone.reason,
                    exit_code: gone.exit_code,
                    result_hash: gone.result_hash,
                    log_hash: gone.log_hash,
                    money,
                });
            }
            if !failed && thread.told != Told::Settled {
                events.push(JobEvent::Settled { lease: address, money });
            }
        } else if thread.told == Told::Finished
            && let Some(last) = &thread.last
        {
            // An account is closed only once nothing is owed: what was held has been paid.
            let mut money = money_of(last, Now::default());
            let owed = last.rules().ok().and_then(|rules| rules.payable(Now::default()).ok()).unwrap_or_default();
            money.paid = Usdc(money.paid.0 + owed.net.0);
            money.fee = Usdc(money.fee.0 + owed.fee.0);
            events.push(JobEvent::Settled { lease: address, money });
        }
        thread.told = Told::Closed;
        events.push(JobEvent::LeaseClosed { lease: address });
    }

    /// The provider of the lease with this number, where one was told.
    pub fn provider(&self, number: u8) -> Option<Pubkey> {
        self.threads.get(usize::from(number)).map(|thread| thread.provider)
    }
}

impl Gone {
    /// The amounts at its end.
    pub fn money(&self) -> Money {
        let [reserved, accrued, paid, fee, refunded] = self.amounts.map(Usdc);
        // Nothing is held any longer, so this is all that is left.
        let forfeited = [paid, fee, refunded].iter().fold(reserved.0, |left, amount| left.saturating_sub(amount.0));
        Money { reserved, accrued, paid, fee, refunded, forfeited: Usdc(forfeited), runway_end: self.runway_end }
    }
}

/// Nobody has asked the node yet what it has to say.
fn start_failed(lease: Pubkey, provider: Pubkey, reason: EndReason, money: Money, attempts_left: u8) -> JobEvent {
    JobEvent::StartFailed { lease, provider, reason, node_message: None, money, attempts_left }
}

fn finished(address: Pubkey, lease: &Lease, money: Money) -> JobEvent {
    JobEvent::Finished {
        lease: address,
        provider: lease.provider,
        reason: lease.end_reason(),
        exit_code: lease.exit(),
        result_hash: lease.result_hash,
        log_hash: lease.log_hash,
        money,
    }
}

fn paid_of(lease: &Lease) -> (u64, u64) {
    (lease.paid, lease.reserved)
}

/// Still reserved and neither paid, nor fee, nor refunded.
pub fn held(lease: &Lease) -> u64 {
    lease.rules().ok().and_then(|rules| rules.held().ok()).map_or(0, |held| held.0)
}

/// The amounts of a lease at `now`, by the chain's own rule.
pub fn money_of(lease: &Lease, now: Now) -> Money {
    let accrued = lease.rules().ok().and_then(|rules| rules.gross(now).ok()).map_or(lease.base, |gross| gross.0);
    Money {
        reserved: Usdc(lease.reserved),
        accrued: Usdc(accrued),
        paid: Usdc(lease.paid),
        fee: Usdc(lease.fee),
        refunded: Usdc(lease.refunded),
        forfeited: Usdc(lease.forfeited),
        runway_end: lease.runway_end,
    }
}

#[cfg(test)]
mod tests;
