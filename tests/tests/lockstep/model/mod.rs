//! The market made of nothing but the rules of `gridlease-core`: what every account should hold, and which error every
//! command should meet.
//!
//! An error is told as the harness shows it: the program that refuses and the name of its reason.

pub mod arrays;
pub mod claims;
pub mod governance;
pub mod index;
mod instant;
mod jobs;
mod leases;
pub mod machines;
mod parties;
pub mod pools;
mod purse_keys;
pub mod sealed;
mod settings;
mod supervision;
mod tips;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};

use gridlease_core::book::Book;
use gridlease_core::exclusion::Reporter;
use gridlease_core::machine::{self, StakeLimit};
use gridlease_core::period_cap::PeriodCap;
use gridlease_core::purse::Purse;
use gridlease_core::reputation::{RecentBuyers, Reputation};
use gridlease_core::requirement::Requirement;
use gridlease_core::{Atoms, Now, RuleError, RuleResult, Seconds, job, lease};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::LeaseKeys;
use solana_pubkey::Pubkey;

use crate::command::arrays::ArrayStep;
use crate::command::{By, Command};
use arrays::{ARRAYS, Series, TaskOf};
use governance::{MarketConfig, StakingConfig};
use index::Indices;
use pools::{Holdings, Stake};
use sealed::SealedBid;

/// Places for jobs, tasks of arrays among them; the buyer of each is its number modulo the buyers.
pub const JOBS: usize = 14;
/// Places for offers of each provider.
pub const OFFERS: usize = 3;
/// Places for machines of each provider besides its first one.
pub const MACHINES: usize = 2;

/// What came of a command: nothing wrong, or the refusal.
pub type Answer = Result<(), String>;

/// An account of the market that a command needs and that is not there (any more).
pub const GONE: &str = "market AccountOwnedByWrongProgram";
/// As [`GONE`], told by the staking program.
pub const GONE_IN_STAKING: &str = "staking AccountOwnedByWrongProgram";
/// An account that is to be made is there already.
pub const THERE_ALREADY: &str = "system 0";

/// A buyer.
#[derive(Clone, Debug, PartialEq)]
pub struct Buyer {
    pub key: Pubkey,
    pub wallet: Pubkey,
    pub purse_key: Pubkey,
    pub vault: Pubkey,
    pub purse: Option<Pouch>,
}

/// A purse that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pouch {
    pub amounts: Purse,
    pub deposited: u64,
    pub withdrawn: u64,
    pub paid: u64,
    pub fees: u64,
    pub forfeits: u64,
    pub last_job: u64,
    pub open_jobs: u32,
    /// Who else may post; the zero key: nobody.
    pub spender: Pubkey,
    pub spending: PeriodCap,
    /// Who else may stop, correct and top up; the zero key: nobody.
    pub guardian: Pubkey,
    pub guarding: PeriodCap,
}

/// A provider.
#[derive(Clone, Debug, PartialEq)]
pub struct Provider {
    pub authority: Pubkey,
    pub payout: Pubkey,
    pub record_key: Pubkey,
    pub bond_key: Pubkey,
    pub bond_vault: Pubkey,
    pub bond: Option<Stake>,
    pub record: Option<Record>,
    pub offers: [Option<Offer>; OFFERS],
    /// Those besides the first one, which the record is.
    pub machines: [Option<Machine>; MACHINES],
    /// Who paid for each GPU claim of the offers, first to last.
    pub claims: [Vec<Pubkey>; OFFERS],
    pub holdings: Holdings,
}

/// A provider's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    pub node: Pubkey,
    pub history: Reputation,
    pub recent: RecentBuyers,
    pub earned: u64,
    pub offers: u32,
    pub leases: u32,
    /// Machines besides the first one.
    pub machines: u32,
    /// What the first machine allots to its offers.
    pub own: machine::Machine,
    pub payout: Pubkey,
    /// The payout account that is proposed; the zero key: none.
    pub pending: Pubkey,
    /// When it was proposed.
    pub pending_since: u64,
}

/// A machine besides a provider's first one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine {
    pub node: Pubkey,
    pub rules: machine::Machine,
    pub payer: Pubkey,
}

/// An offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub live: bool,
    pub due: u64,
    pub ask: u64,
    pub floor: u64,
    pub units: u16,
    pub free: u16,
    pub auto_bid: bool,
    pub unpaid: u16,
    pub claimed: u16,
    pub payer: Pubkey,
    pub lamports: u64,
    /// The place of its machine; `None` for the provider's first one.
    pub machine: Option<usize>,
    /// Node key of its machine.
    pub node: Pubkey,
    pub limit: StakeLimit,
    /// Its machine is retired.
    pub retired: bool,
    /// Sealed bids that are not resolved.
    pub sealed: u16,
    /// What was measured last: value, hash, slot.
    pub benchmark: (u64, [u8; 32], u64),
}

/// A job, and whether its account is still there.
#[derive(Clone, Debug, PartialEq)]
pub struct Posted {
    pub key: Pubkey,
    pub buyer: usize,
    pub open: bool,
    pub rules: job::Job,
    pub need: Requirement,
    pub weights: [u16; 4],
    pub image_mb: u32,
    pub book: Book,
    pub excluded: Vec<usize>,
    pub ended_ts: u64,
    pub leases: Vec<Let>,
    /// Who paid its rent.
    pub payer: Pubkey,
    /// What is agreed of notice and checkpoints.
    pub notice: Seconds,
    pub checkpoint_every: Seconds,
    /// Who first reported an error of the buyer's.
    pub reporter: Reporter,
    /// Starts that the buyer rejected.
    pub rejects: u8,
    /// The last checkpoint: number, hash, bytes.
    pub checkpoint: (u32, [u8; 32], u64),
    pub lamports: u64,
    /// Sealed bids whose accounts are there.
    pub sealed: Vec<SealedBid>,
    /// What its leases that are over owe and have paid.
    pub spent: u64,
    /// Exit code that its last lease ended with.
    pub exit: Option<i32>,
    /// Its verification class.
    pub class: u8,
    /// Which task of an array it is.
    pub task: Option<TaskOf>,
}

/// A lease, and whether its account is still there.
#[derive(Clone, Debug, PartialEq)]
pub struct Let {
    pub keys: LeaseKeys,
    pub provider: usize,
    pub offer: usize,
    pub open: bool,
    pub rules: lease::Lease,
    pub stake: Atoms,
    pub reservation: Atoms,
    pub awarded_ts: u64,
    /// Its stake is free again.
    pub released: bool,
    /// Its unit is.
    pub unit_free: bool,
    /// Its node bid for it itself.
    pub own_bid: bool,
    pub lamports: u64,
    /// What the account of the reservation holds, less what the bond lent it.
    pub reservation_lamports: u64,
    /// Who put the bond of the open challenge up, and what is to be answered.
    pub challenger: Pubkey,
    pub nonce: [u8; 32],
    /// An index counted it.
    pub indexed: bool,
    /// A verdict found its results wrong.
    pub disproved: bool,
}

/// Lamports that accounts hold so that they may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rents {
    pub offer: u64,
    pub lease: u64,
    pub reservation: u64,
    /// Of a job of any story: all have the same address of a manifest.
    pub job: u64,
    /// The group of a task with replicas.
    pub group: u64,
    /// An array of no tasks.
    pub array: u64,
    /// One byte more.
    pub byte: u64,
    /// A sealed bid.
    pub commitment: u64,
}

/// Everything.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    pub now: Now,
    pub people: Vec<Pubkey>,
    pub buyers: Vec<Buyer>,
    pub providers: Vec<Provider>,
    pub jobs: [Option<Posted>; JOBS],
    pub tokens: BTreeMap<Pubkey, u64>,
    pub frozen: BTreeSet<Pubkey>,
    /// Lamports that were sent to addresses of leases and of their reservations, to each alike, before there was one.
    pub prefunded: BTreeMap<Pubkey, u64>,
    /// Token accounts that may be frozen.
    pub freezable: Vec<Pubkey>,
    pub treasury: Pubkey,
    pub rents: Rents,
    /// Who gets the tips, and the lamports that it has.
    pub keeper: (Pubkey, u64),
    /// Do the steps that can earn a tip name the keeper now?
    pub tipping: bool,
    /// Token accounts that are never closed, so that a provider can be paid to them.
    pub payees: Vec<Pubkey>,
    pub indices: Indices,
    pub arrays: [Option<Series>; ARRAYS],
    pub market: MarketConfig,
    pub staking: StakingConfig,
    /// Who configured both programs.
    pub founder: Pubkey,
    /// Token accounts that can become treasury or insurance; the last is of another mint.
    pub funds: Vec<Pubkey>,
    /// Accounts that the last command closed.
    pub closed: Vec<Pubkey>,
    /// Ways that the last command took, where its answer does not tell them.
    pub noted: Vec<&'static str>,
}

/// A rule's refusal, told by the market.
pub trait InMarket<T> {
    fn market(self) -> Result<T, String>;
    fn staking(self) -> Result<T, String>;
}

impl<T> InMarket<T> for RuleResult<T> {
    fn market(self) -> Result<T, String> {
        self.map_err(|rule: RuleError| format!("market {rule:?}"))
    }

    fn staking(self) -> Result<T, String> {
        self.map_err(|rule: RuleError| format!("staking {rule:?}"))
    }
}

/// `Err` with this text unless the condition holds.
pub fn require(condition: bool, reason: &str) -> Answer {
    if condition { Ok(()) } else { Err(reason.to_owned()) }
}

impl Model {
    /// One command: done wholly or not at all.
    pub fn step(&mut self, command: &Command) -> Answer {
        self.closed.clear();
        self.noted.clear();
        let mut next = self.clone();
        next.apply(command)?;
        *self = next;
        Ok(())
    }

    fn apply(&mut self, command: &Command) -> Answer {
        match *command {
            Command::Clock { slots, seconds } => {
                self.now = crate::scene::moved(self.now, slots, seconds);
                Ok(())
            }
            Command::Keeper { tipped } => {
                self.tipping = tipped;
                Ok(())
            }
            Command::Donate { buyer, amount } => {
                require(self.buyers[buyer].purse.is_some(), "token InvalidAccountData")?;
                self.mint(self.buyers[buyer].vault, amount)
            }
            Command::Prefund { job, lamports } => {
                let next = self.next_lease(job).ok_or(GONE)?;
                *self.prefunded.entry(next).or_default() += lamports;
                Ok(())
            }
            Command::Freeze { place, frozen } => {
                let account = self.freezable[place % self.freezable.len()];
                require(self.tokens.contains_key(&account), "token InvalidAccountData")?;
                let changed = if frozen { self.frozen.insert(account) } else { self.frozen.remove(&account) };
                require(changed, "token 13")
            }
            Command::OpenPurse { buyer } => self.open_purse(buyer),
            Command::Deposit { buyer, by, amount } => self.deposit(buyer, by, amount),
            Command::Withdraw { buyer, by, amount } => self.withdraw(buyer, by, amount),
            Command::SweepFees { buyer } => self.sweep_fees(buyer),
            Command::OpenBond { provider } => self.open_bond(provider),
            Command::AddStake { provider, by, amount } => self.add_stake(provider, by, amount),
            Command::Register { provider } => self.register(provider),
            Command::UpdateNode { provider, by, terms, missing } => self.update_node(provider, by, terms, missing),
            Command::Machine { provider, machine, step } => self.machine(provider, machine, &step),
            Command::PostOffer { provider, by, offer, allotment, terms } => {
                self.post_offer(provider, by, offer, allotment, &terms)
            }
            Command::RefreshOffer { provider, by, offer, terms } => self.refresh_offer(provider, by, offer, &terms),
            Command::WithdrawOffer { provider, by, offer, wrong } => self.withdraw_offer(provider, by, offer, wrong),
            Command::ClaimGpus { provider, by, offer, count } => self.claim_gpus(provider, by, offer, count),
            Command::ReleaseGpus { provider, by, offer, count } => self.release_gpus(provider, by, offer, count),
            Command::PostJob { job, by, terms } => self.post_job(job, by, &terms),
            Command::PlaceBid { job, provider, by, offer, price } => self.place_bid(job, provider, by, offer, price),
            Command::EnterOffer { job, provider, offer } => self.enter_offer(job, provider, offer),
            Command::Award { job, given } => self.award(job, given),
            Command::CancelJob { job, by } => self.cancel_job(job, by),
            Command::Ready { job, lease, by, image } => self.ready(job, lease, by, image),
            Command::Settle { job, lease } => self.settle(job, lease),
            Command::Extend { job, lease, by, by_s } => self.extend(job, lease, by, by_s),
            Command::TopUp { job, lease, by, amount } => self.top_up(job, lease, by, amount),
            Command::Stop { job, lease, by } => self.stop(job, lease, by),
            Command::Finish { job, lease, by, reason, exit } => self.finish(job, lease, by, reason, exit),
            Command::Abandon { job, lease, by } => self.abandon(job, lease, by),
            Command::FailStart { job, lease, by } => self.fail_start(job, lease, by),
            Command::Expire { job, lease } => self.expire(job, lease),
            Command::CloseLease { job, lease } => self.close_lease(job, lease),
            Command::ExpireJob { job } => self.expire_job(job),
            Command::CloseJob { job } => self.close_job(job),
            Command::PostInstant { job, by, terms, offers, count } => {
                self.post_instant(job, by, &terms, &offers[..offers.len().min(count.into())])
            }
            Command::Supervision { job, lease, step } => self.supervision(job, lease, &step),
            Command::Sealed { job, provider, step } => self.sealed(job, provider, &step),
            Command::Buyer { buyer, by, step } => self.buyer(buyer, by, &step),
            Command::Supplier { provider, by, step } => self.supplier(provider, by, &step),
            Command::Index(step) => self.index(&step),
            Command::Pool { provider, step } => self.pool(provider, &step),
            Command::Array { array, step } => self.array(array, &step),
            Command::Task { job, step } => self.task(job, &step),
            Command::Governance(step) => self.govern(&step),
        }
    }

    /// Who signs where `right` should.
    pub fn signer(&self, by: By, right: Pubkey) -> Pubkey {
        match usize::from(by).checked_sub(1) {
            Some(person) => self.people[person % self.people.len()],
            None => right,
        }
    }

    /// Is there a place for what the command makes? One that has none is passed over: the model keeps one job and one array
    /// in each place, the market as many as it is asked for.
    pub fn has_place_for(&self, command: &Command) -> bool {
        match *command {
            Command::PostJob { job, .. } | Command::PostInstant { job, .. } => self.is_free(job),
            Command::Array { array, step: ArrayStep::Post { .. } } => self.series(array).is_none(),
            Command::Array { array, step: ArrayStep::Open { .. } } => self.task_places(array).is_some(),
            _ => true,
        }
    }

    /// The address of the job's next lease, where its account is there.
    pub fn next_lease(&self, job: usize) -> Option<Pubkey> {
        let posted = self.jobs[job].as_ref().filter(|posted| posted.open)?;
        Some(address::lease(&posted.key, posted.rules.leases))
    }

    /// The number of the lease that a command means, where the job in that place ever had one.
    pub fn lease_at(&self, job: usize, lease: usize) -> Option<usize> {
        let count = self.jobs[job].as_ref()?.leases.len();
        (count > 0).then(|| count - 1 - lease % count)
    }

    /// Tokens move, as SPL Token does it: `signed` by an account's owner.
    fn transfer(&mut self, from: Pubkey, to: Pubkey, amount: u64, signed: bool) -> Answer {
        require(!self.frozen.contains(&from) && !self.frozen.contains(&to), "token 17")?;
        let left = self.tokens[&from].checked_sub(amount).ok_or("token 1")?;
        require(signed, "token 4")?;
        self.tokens.insert(from, left);
        *self.tokens.entry(to).or_default() += amount;
        Ok(())
    }

    /// As [`Model::transfer`], out of a vault; nothing is moved where there is nothing to move.
    fn pay_out(&mut self, from: Pubkey, to: Pubkey, amount: Atoms) -> Answer {
        if amount.is_zero() { Ok(()) } else { self.transfer(from, to, amount.0, true) }
    }

    /// The mint's authority makes tokens.
    fn mint(&mut self, to: Pubkey, amount: u64) -> Answer {
        require(self.tokens.contains_key(&to), "token InvalidAccountData")?;
        require(!self.frozen.contains(&to), "token 17")?;
        let sum: u64 = self.tokens.values().sum();
        require(sum.checked_add(amount).is_some(), "token 14")?;
        *self.tokens.entry(to).or_default() += amount;
        Ok(())
    }

    /// Takes a job out of its place while it is worked on; every step either puts it back or is undone.
    fn posted(&mut self, job: usize) -> Result<&mut Posted, String> {
        self.jobs[job].as_mut().filter(|posted| posted.open).ok_or_else(|| GONE.to_owned())
    }
}
