//! Every balance, rebuilt from the programs' events alone. Where it differs from the accounts, an event lies or is missing.

use std::collections::BTreeMap;

use gridlease_core::job::EndReason;
use gridlease_sdk::event::{Event, MarketEvent, StakingEvent};
use solana_pubkey::Pubkey;

/// A purse as the events tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurseLine {
    /// Recorded holdings.
    pub balance: u64,
    /// Bound by jobs and leases.
    pub reserved: u64,
    /// Fees recorded and not swept.
    pub fees_owed: u64,
}

/// A job as the events tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobLine {
    /// The purse that pays.
    pub purse: Pubkey,
    /// Held by the job itself.
    pub reserved: u64,
}

/// An array as the events tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArrayLine {
    /// The purse that pays.
    pub purse: Pubkey,
    /// Held by the array itself.
    pub reserved: u64,
    /// Spent by its closed jobs, up to the cap of each.
    pub spent: u64,
    /// Jobs that are not closed.
    pub jobs: u16,
}

/// A lease as the events tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseLine {
    /// Its job.
    pub job: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// Neither paid, nor recorded as fee, nor refunded.
    pub held: u64,
}

/// A bond as the events tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BondLine {
    /// All stake.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Open reservations.
    pub leases: u32,
}

/// All balances.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Purses.
    pub purses: BTreeMap<Pubkey, PurseLine>,
    /// Jobs that are not closed.
    pub jobs: BTreeMap<Pubkey, JobLine>,
    /// Arrays that are not closed.
    pub arrays: BTreeMap<Pubkey, ArrayLine>,
    /// Leases that are not closed.
    pub leases: BTreeMap<Pubkey, LeaseLine>,
    /// Bonds.
    pub bonds: BTreeMap<Pubkey, BondLine>,
    /// Bonds' open reservations, by lease.
    pub reservations: BTreeMap<Pubkey, u64>,
}

impl Ledger {
    /// Books one event.
    ///
    /// # Panics
    /// Where it does not fit what was told before.
    pub fn apply(&mut self, event: &Event) {
        match event {
            Event::Market(event) => self.market(event),
            Event::Staking(event) => self.staking(event),
        }
    }

    fn purse(&mut self, key: &Pubkey) -> &mut PurseLine {
        self.purses.get_mut(key).expect("an event tells of an unknown purse")
    }

    fn lease(&mut self, key: &Pubkey) -> &mut LeaseLine {
        self.leases.get_mut(key).expect("an event tells of an unknown lease")
    }

    fn job(&mut self, key: &Pubkey) -> &mut JobLine {
        self.jobs.get_mut(key).expect("an event tells of an unknown job")
    }

    fn array(&mut self, key: &Pubkey) -> &mut ArrayLine {
        self.arrays.get_mut(key).expect("an event tells of an unknown array")
    }

    fn market(&mut self, event: &MarketEvent) {
        match event {
            MarketEvent::PurseOpened(e) => {
                let known = self.purses.insert(e.purse, PurseLine::default());
                assert!(known.is_none(), "a purse was opened twice");
            }
            MarketEvent::Deposited(e) => {
                let purse = self.purse(&e.purse);
                purse.balance += e.amount;
                assert_eq!(purse.balance, e.balance, "the balance is not what the events say");
            }
            MarketEvent::Withdrawn(e) => {
                let purse = self.purse(&e.purse);
                purse.balance -= e.amount;
                assert_eq!(purse.balance, e.balance, "the balance is not what the events say");
            }
            MarketEvent::FeesSwept(e) => {
                let purse = self.purse(&e.purse);
                purse.balance -= e.treasury + e.insurance;
                purse.fees_owed -= e.treasury + e.insurance;
            }
            MarketEvent::JobPosted(e) => {
                self.purse(&e.purse).reserved += e.reserved;
                self.jobs.insert(e.job, JobLine { purse: e.purse, reserved: e.reserved });
            }
            MarketEvent::JobAwarded(e) => {
                let job = self.job(&e.job);
                job.reserved -= e.reserved;
                let line = LeaseLine { job: e.job, purse: job.purse, held: e.reserved };
                self.leases.insert(e.lease, line);
                assert_eq!(self.reservations.get(&e.lease), Some(&e.stake));
            }
            MarketEvent::LeaseReady(e) => {
                let job = self.job(&e.job);
                job.reserved -= e.released;
                let purse = job.purse;
                self.purse(&purse).reserved -= e.released;
            }
            MarketEvent::Settled(e) => {
                let lease = self.lease(&e.lease);
                lease.held -= e.net + e.fee;
                assert_eq!(lease.purse, e.purse);
                let purse = self.purse(&e.purse);
                purse.balance -= e.net;
                purse.reserved -= e.net + e.fee;
                purse.fees_owed += e.fee;
            }
            MarketEvent::ToppedUp(e) => {
                let lease = self.lease(&e.lease);
                lease.held += e.amount;
                let purse = lease.purse;
                self.purse(&purse).reserved += e.amount;
            }
            MarketEvent::LeaseEnded(e) => {
                let lease = self.lease(&e.lease);
                lease.held -= e.refunded;
                let (job, purse) = (lease.job, lease.purse);
                assert_eq!(job, e.job);
                // A lease that never started gives back to its job, which may try again.
                if e.reason == EndReason::NoStart as u8 {
                    self.job(&job).reserved += e.refunded;
                } else {
                    self.purse(&purse).reserved -= e.refunded;
                }
            }
            MarketEvent::JobEnded(e) => {
                self.job(&e.job).reserved -= e.refunded;
                self.purse(&e.purse).reserved -= e.refunded;
            }
            MarketEvent::FaultSlashed(e) => {
                let purse = self.lease(&e.lease).purse;
                self.purse(&purse).balance += e.victim;
            }
            MarketEvent::LeaseClosed(e) => {
                let line = self.leases.remove(&e.lease).expect("an unknown lease was closed");
                assert_eq!(line.held, 0, "a lease was closed that held something");
            }
            MarketEvent::JobClosed(e) => {
                let line = self.jobs.remove(&e.job).expect("an unknown job was closed");
                assert_eq!(line.reserved, 0, "a job was closed that held something");
            }
            MarketEvent::ArrayPosted(e) => {
                self.purse(&e.purse).reserved += e.reserved;
                let line = ArrayLine { purse: e.purse, reserved: e.reserved, spent: 0, jobs: 0 };
                self.arrays.insert(e.array, line);
            }
            MarketEvent::TaskOpened(e) => {
                self.purse(&e.purse).reserved += e.added;
                let array = self.array(&e.array);
                assert_eq!(array.purse, e.purse);
                array.reserved += e.added;
                for _ in &e.jobs {
                    array.reserved -= e.reserved;
                    array.jobs += 1;
                }
                for job in &e.jobs {
                    let known = self.jobs.insert(*job, JobLine { purse: e.purse, reserved: e.reserved });
                    assert!(known.is_none(), "a task's job was opened twice");
                }
            }
            MarketEvent::TaskClosed(e) => {
                let line = self.jobs.remove(&e.job).expect("an unknown job was closed");
                assert_eq!(line, JobLine { purse: e.purse, reserved: 0 }, "a job was closed that held something");
                self.purse(&e.purse).reserved += e.added;
                let array = self.array(&e.array);
                array.reserved += e.added;
                array.spent += e.spent;
                array.jobs -= 1;
            }
            MarketEvent::ArrayEnded(e) => {
                self.purse(&e.purse).reserved -= e.refunded;
                let array = self.array(&e.array);
                array.reserved -= e.refunded;
                assert_eq!((array.reserved, array.jobs), (0, e.jobs));
            }
            MarketEvent::ArrayClosed(e) => {
                let line = self.arrays.remove(&e.array).expect("an unknown array was closed");
                assert_eq!((line.reserved, line.jobs, line.spent), (0, 0, e.spent), "an array was closed too early");
            }
            MarketEvent::ProviderRecorded(_)
            | MarketEvent::OfferRecorded(_)
            | MarketEvent::OfferWithdrawn(_)
            | MarketEvent::BidEntered(_)
            | MarketEvent::JobReopened(_)
            | MarketEvent::GraceBegan(_) => {}
        }
    }

    fn staking(&mut self, event: &StakingEvent) {
        match event {
            StakingEvent::BondOpened(e) => {
                self.bonds.insert(e.bond, BondLine::default());
            }
            StakingEvent::StakeAdded(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.amount += e.added;
                assert_eq!((bond.amount, bond.reserved), (e.amount, e.reserved));
            }
            StakingEvent::Reserved(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.reserved += e.reservation;
                bond.leases += 1;
                assert_eq!((bond.amount, bond.reserved, bond.leases), (e.amount, e.reserved, e.leases));
                self.reservations.insert(e.lease, e.reservation);
            }
            StakingEvent::Released(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.reserved -= e.released;
                bond.leases -= 1;
                assert_eq!((bond.amount, bond.reserved, bond.leases), (e.amount, e.reserved, e.leases));
                assert_eq!(self.reservations.remove(&e.lease), Some(e.released));
            }
            StakingEvent::Slashed(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.amount -= e.victim + e.insurance;
                bond.reserved -= e.victim + e.insurance;
                assert_eq!((bond.amount, bond.reserved), (e.amount, e.reserved));
                let left = self.reservations.get_mut(&e.lease).unwrap();
                *left -= e.victim + e.insurance;
                assert_eq!(*left, e.reservation);
            }
        }
    }
}
