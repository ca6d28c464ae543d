//! Every balance, rebuilt from the programs' events alone. Where it differs from the accounts, an event lies or is missing.

use std::collections::{BTreeMap, BTreeSet};

use gridlease_sdk::account::OPERATOR;
use gridlease_sdk::event::{Event, MarketEvent, StakingEvent};
use gridlease_sdk::program::staking::types::Totals;
use solana_pubkey::Pubkey;

/// A purse as the events tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PurseLine {
    /// Recorded holdings.
    pub balance: u64,
    /// Bound by jobs and leases.
    pub reserved: u64,
    /// Fees and forfeits recorded and not swept.
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
    /// The operator's that stays.
    pub own: u64,
    /// The operator's on its way out: stake and shares.
    pub exit: (u64, u64),
    /// The delegators': stake and shares.
    pub delegated: (u64, u64),
    /// Delegators' shares on their way out.
    pub leaving: u64,
    /// What was not activated: delegators' shares, and the operator's stake.
    pub waiting: (u64, u64),
    /// What is claimed: stake and shares.
    pub claims: (u64, u64),
    /// The operator's and the delegators' revenue in the revenue vault.
    pub owed: (u64, u64),
    /// The insurance fund's in the vault.
    pub insurance_owed: u64,
}

impl BondLine {
    fn assert_totals(&self, told: &Totals) {
        assert_eq!((self.amount, self.reserved, self.own), (told.amount, told.reserved, told.own));
        assert_eq!(self.exit, (told.exit_assets, told.exit_shares));
        assert_eq!(self.delegated, (told.delegated_assets, told.delegated_shares));
        assert_eq!(self.leaving, told.leaving_shares);
        assert_eq!(self.waiting, (told.pending_shares, told.fresh));
        assert_eq!(self.claims, (told.claims_assets, told.claims_shares));
        assert_eq!(self.amount, self.own + self.exit.0 + self.claims.0 + self.delegated.0);
    }

    /// What waits is only told: it hangs on the clock.
    fn take_waiting(&mut self, told: &Totals) {
        self.waiting = (told.pending_shares, told.fresh);
    }
}

/// A delegation as the events tell it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelegationLine {
    /// Shares that stay.
    pub shares: u64,
    /// Revenue booked for it.
    pub owed: u64,
}

/// A price index as the events tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexLine {
    /// The mean.
    pub price: u64,
    /// Trades in the ring.
    pub len: u8,
    /// The ring by place: price, time, mark of the buyer.
    pub trades: BTreeMap<u8, (u64, u64, Vec<u8>)>,
    /// The leases that were counted.
    pub counted: BTreeSet<Pubkey>,
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
    /// Price indices.
    pub indices: BTreeMap<Pubkey, IndexLine>,
    /// GPUs claimed, by offer.
    pub claims: BTreeMap<Pubkey, u16>,
    /// Delegations, by bond and delegator.
    pub delegations: BTreeMap<(Pubkey, Pubkey), DelegationLine>,
    /// Claims that each bond paid.
    pub claims_paid: BTreeMap<Pubkey, u64>,
    /// Who claims something out of the reservation of which lease.
    pub claimants: BTreeSet<(Pubkey, Pubkey)>,
    /// Shares of open requests to unbond, by bond, owner and number.
    pub unbondings: BTreeMap<(Pubkey, Pubkey, u32), u64>,
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
                lease.held -= e.refunded + e.forfeited;
                let (job, purse) = (lease.job, lease.purse);
                assert_eq!(job, e.job);
                let line = self.job(&job);
                line.reserved += e.refunded;
                line.reserved -= e.released;
                let purse = self.purse(&purse);
                purse.reserved -= e.released + e.forfeited;
                purse.fees_owed += e.forfeited;
            }
            MarketEvent::LeaseFinished(e) => {
                let lease = self.lease(&e.lease);
                lease.held -= e.refunded;
                assert_eq!(lease.job, e.job);
                self.job(&e.job).reserved += e.refunded;
            }
            MarketEvent::BatchSettled(e) => {
                for moved in &e.leases {
                    let lease = self.lease(&moved.lease);
                    lease.held -= moved.net + moved.fee;
                    assert_eq!(lease.purse, e.purse);
                    let purse = self.purse(&e.purse);
                    purse.balance -= moved.net;
                    purse.reserved -= moved.net + moved.fee;
                    purse.fees_owed += moved.fee;
                }
            }
            MarketEvent::JobEnded(e) => {
                self.job(&e.job).reserved -= e.refunded;
                self.purse(&e.purse).reserved -= e.refunded;
            }
            MarketEvent::LeaseClosed(e) => {
                let line = self.leases.remove(&e.lease).expect("an unknown lease was closed");
                assert_eq!(line.held, 0, "a lease was closed that held something");
            }
            MarketEvent::BidCommitted(e) => {
                assert_eq!(self.reservations.get(&e.commitment), Some(&e.bond));
            }
            MarketEvent::BidForfeited(e) => {
                assert_eq!(self.reservations.get(&e.commitment), None, "a forfeited bond is still reserved");
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
            MarketEvent::PurseClosed(e) => {
                let line = self.purses.remove(&e.purse).expect("an unknown purse was closed");
                assert_eq!(line, PurseLine::default(), "a purse was closed that held something");
            }
            MarketEvent::GpusClaimed(e) => {
                let count = self.claims.entry(e.offer).or_default();
                *count += u16::try_from(e.hashes.len()).unwrap();
                assert_eq!(*count, e.claimed, "claims of offer {}", e.offer);
            }
            MarketEvent::GpusReleased(e) => {
                let count = self.claims.get_mut(&e.offer).expect("an offer without claims gave some up");
                *count -= u16::try_from(e.hashes.len()).unwrap();
                assert_eq!(*count, e.claimed, "claims of offer {}", e.offer);
            }
            MarketEvent::MarketConfigured(_)
            | MarketEvent::ChangeProposed(_)
            | MarketEvent::ChangeExecuted(_)
            | MarketEvent::ChangeCancelled(_)
            | MarketEvent::AdminNamed(_)
            | MarketEvent::AdminChanged(_)
            | MarketEvent::PauseSet(_)
            | MarketEvent::SpenderSet(_)
            | MarketEvent::GuardianSet(_)
            | MarketEvent::Migrated(_)
            | MarketEvent::MachineRecorded(_)
            | MarketEvent::MachineClosed(_)
            | MarketEvent::DonationSwept(_)
            | MarketEvent::PayoutProposed(_)
            | MarketEvent::PayoutChanged(_)
            | MarketEvent::ProviderClosed(_)
            | MarketEvent::BenchmarkRecorded(_)
            | MarketEvent::TipPaid(_)
            | MarketEvent::PayoutRedirected(_) => {}
            MarketEvent::ProviderRecorded(_)
            | MarketEvent::OfferRecorded(_)
            | MarketEvent::OfferWithdrawn(_)
            | MarketEvent::BidEntered(_)
            | MarketEvent::JobWaits(_)
            | MarketEvent::StartUndone(_)
            | MarketEvent::LivenessChallenged(_)
            | MarketEvent::ChallengeResolved(_)
            | MarketEvent::LeaseResumed(_)
            | MarketEvent::CheckpointWritten(_)
            | MarketEvent::NoticeGiven(_)
            | MarketEvent::LeaseReleased(_)
            | MarketEvent::BidRevealed(_)
            | MarketEvent::BidReleased(_)
            | MarketEvent::BidsDropped(_)
            | MarketEvent::CreditCollected(_)
            | MarketEvent::LeaseExtended(_)
            | MarketEvent::VerdictGiven(_)
            | MarketEvent::CapsLowered(_)
            | MarketEvent::FaultSlashed(_)
            | MarketEvent::GraceBegan(_) => {}
            MarketEvent::IndexOpened(e) => {
                let known = self.indices.insert(e.index, IndexLine::default());
                assert!(known.is_none(), "an index was opened twice");
            }
            MarketEvent::TradeRecorded(e) => {
                let index = self.indices.get_mut(&e.index).expect("an event tells of an unknown index");
                assert!(index.counted.insert(e.lease), "a lease was counted twice");
                index.price = e.index_price;
                index.len = e.len;
                index.trades.insert(e.place, (e.entered, e.ended_ts, e.buyer.to_bytes()[..8].to_vec()));
            }
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
                bond.own += e.added;
                bond.waiting.1 = e.fresh;
                assert_eq!((bond.amount, bond.reserved), (e.amount, e.reserved));
            }
            StakingEvent::Reserved(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.reserved += e.reservation;
                bond.leases += 1;
                assert_eq!((bond.amount, bond.reserved, bond.leases), (e.amount, e.reserved, e.leases));
                self.reservations.insert(e.lease, e.reservation);
            }
            StakingEvent::Extended(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.reserved += e.added;
                assert_eq!((bond.amount, bond.reserved), (e.amount, e.reserved));
                let reservation = self.reservations.get_mut(&e.lease).unwrap();
                *reservation += e.added;
                assert_eq!(*reservation, e.reservation);
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
                let claimed = e.claimed + e.claimed_by_prover;
                bond.amount -= e.insurance;
                bond.reserved -= claimed + e.insurance;
                assert_eq!(e.of_operator + e.of_claims + e.of_delegators, e.insurance);
                let of_own = (claimed + e.of_operator).min(bond.own);
                bond.own -= of_own;
                bond.exit.0 -= claimed + e.of_operator - of_own;
                bond.claims = (bond.claims.0 + claimed - e.of_claims, e.totals.claims_shares);
                bond.delegated.0 -= e.of_delegators;
                bond.insurance_owed = e.insurance_owed;
                bond.take_waiting(&e.totals);
                bond.assert_totals(&e.totals);
                let left = self.reservations.get_mut(&e.lease).unwrap();
                *left -= claimed + e.insurance;
                assert_eq!(*left, e.reservation);
                for (amount, who) in [(e.claimed, e.buyer), (e.claimed_by_prover, e.prover)] {
                    if amount > 0 {
                        self.claimants.insert((e.lease, who));
                    }
                }
            }
            StakingEvent::ClaimPaid(e) => {
                *self.claims_paid.entry(e.bond).or_default() += 1;
                let known = self.claimants.remove(&(e.lease, e.claimant));
                assert!(known, "a claim was paid that nobody made");
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                bond.amount -= e.paid;
                bond.claims = (bond.claims.0 - e.paid, bond.claims.1 - e.burned);
                bond.assert_totals(&e.totals);
            }
            StakingEvent::Activated(e) => {
                let bond = self.bonds.get_mut(&e.bond).unwrap();
                let before = bond.waiting.0 + bond.waiting.1;
                bond.take_waiting(&e.totals);
                assert_eq!(before - bond.waiting.0 - bond.waiting.1, e.activated);
                bond.assert_totals(&e.totals);
                if let Some(line) = self.delegations.get_mut(&(e.bond, e.owner)) {
                    assert!(e.owed >= line.owed);
                    line.owed = e.owed;
                }
            }
            other => self.pool(other),
        }
    }

    fn bond(&mut self, key: &Pubkey) -> &mut BondLine {
        self.bonds.get_mut(key).expect("an event tells of an unknown bond")
    }

    fn pool(&mut self, event: &StakingEvent) {
        match event {
            StakingEvent::RevenueDistributed(e) => {
                let bond = self.bond(&e.bond);
                bond.owed = (bond.owed.0 + e.operator, bond.owed.1 + e.delegators);
                assert_eq!(bond.owed, (e.operator_owed, e.delegators_owed));
            }
            StakingEvent::Delegated(e) => {
                let line = self.delegations.entry((e.bond, e.delegator)).or_default();
                line.shares += e.issued;
                assert_eq!(line.shares, e.shares);
                assert!(e.owed >= line.owed);
                line.owed = e.owed;
                let bond = self.bond(&e.bond);
                bond.amount += e.added;
                bond.delegated = (bond.delegated.0 + e.added, bond.delegated.1 + e.issued);
                bond.take_waiting(&e.totals);
                bond.assert_totals(&e.totals);
            }
            StakingEvent::UnbondingRequested(e) => {
                self.unbondings.insert((e.bond, e.owner, e.number), e.shares);
                if e.kind == OPERATOR {
                    let bond = self.bond(&e.bond);
                    let amount = bond.own - e.stays;
                    bond.own = e.stays;
                    bond.exit = (bond.exit.0 + amount, bond.exit.1 + e.shares);
                } else {
                    let line = self.delegations.get_mut(&(e.bond, e.owner)).expect("an unknown delegation");
                    line.shares -= e.shares;
                    assert_eq!(line.shares, e.stays);
                    line.owed = e.owed;
                    self.bond(&e.bond).leaving += e.shares;
                }
                let bond = self.bond(&e.bond);
                bond.take_waiting(&e.totals);
                bond.assert_totals(&e.totals);
            }
            StakingEvent::StakeWithdrawn(e) => {
                let key = (e.bond, e.owner, e.number);
                let left = self.unbondings.get_mut(&key).expect("an unknown request to unbond");
                *left -= e.burned;
                assert_eq!(*left, e.shares);
                if e.shares == 0 {
                    self.unbondings.remove(&key);
                }
                let bond = self.bond(&e.bond);
                bond.amount -= e.paid;
                if e.kind == OPERATOR {
                    bond.exit = (bond.exit.0 - e.paid, bond.exit.1 - e.burned);
                } else {
                    bond.delegated = (bond.delegated.0 - e.paid, bond.delegated.1 - e.burned);
                    bond.leaving -= e.burned;
                }
                bond.assert_totals(&e.totals);
            }
            StakingEvent::RevenueClaimed(e) => {
                self.delegations.get_mut(&(e.bond, e.delegator)).expect("an unknown delegation").owed = 0;
                let bond = self.bond(&e.bond);
                bond.owed.1 -= e.amount;
                assert_eq!(bond.owed.1, e.delegators_owed);
            }
            StakingEvent::CommissionClaimed(e) => self.bond(&e.bond).owed.0 -= e.amount,
            StakingEvent::DelegationClosed(e) => {
                let line = self.delegations.get(&(e.bond, e.delegator)).copied();
                let expected = DelegationLine { owed: e.owed, ..DelegationLine::default() };
                assert_eq!(line, Some(expected), "a place was freed whose delegator has stake");
                if e.owed == 0 {
                    self.delegations.remove(&(e.bond, e.delegator));
                }
            }
            StakingEvent::InsurancePaid(e) => self.bond(&e.bond).insurance_owed -= e.amount,
            StakingEvent::BondClosed(e) => {
                let line = self.bonds.remove(&e.bond).expect("an unknown bond was closed");
                let empty = BondLine { owed: line.owed, ..BondLine::default() };
                assert_eq!(line, empty, "a bond was closed that held something");
                assert!(line.owed.0 + line.owed.1 <= e.of_revenue);
            }
            _ => {}
        }
    }
}
