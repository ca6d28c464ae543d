//! What a plan consists of: steps, and the actions that bundle them.

use crate::instruction::job::BidderKeys;
use crate::instruction::lease::LeaseKeys;
use crate::instruction::tip::tipped;
use crate::instruction::{job, lease, purse};
use gridlease_core::UnixTs;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

/// The keeper's verbs, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Enters an offer that takes automatic bids.
    EnterOffer,
    /// Awards a job.
    Award,
    /// Fails a lease that did not start.
    FailStart,
    /// Moves a lease on whose runway, grace period, notice or time to reopen has ended.
    Expire,
    /// Ends a job that waited for a bid for long enough.
    ExpireJob,
    /// Pays what has accrued.
    Settle,
    /// Closes a lease.
    CloseLease,
    /// Closes a job.
    CloseJob,
    /// Moves fees to treasury and insurance.
    SweepFees,
}

impl Verb {
    /// All of them, the most urgent first.
    pub const ALL: [Verb; 9] = [
        Self::EnterOffer,
        Self::Award,
        Self::FailStart,
        Self::Expire,
        Self::ExpireJob,
        Self::Settle,
        Self::CloseLease,
        Self::CloseJob,
        Self::SweepFees,
    ];

    /// Its name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EnterOffer => "enter_offer",
            Self::Award => "award",
            Self::FailStart => "fail_start",
            Self::Expire => "expire",
            Self::ExpireJob => "expire_job",
            Self::Settle => "settle",
            Self::CloseLease => "close_lease",
            Self::CloseJob => "close_job",
            Self::SweepFees => "sweep_fees",
        }
    }
}

impl std::fmt::Display for Verb {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// One instruction that is due, with everything that it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Enters `bidder` into the book of `job`.
    EnterOffer {
        /// The job.
        job: Pubkey,
        /// Provider, offer and bond.
        bidder: BidderKeys,
    },
    /// Awards `job`.
    Award {
        /// The job.
        job: Pubkey,
        /// Its purse.
        purse: Pubkey,
        /// Number of the lease that would be opened.
        number: u8,
        /// The best bidders, in the book's order.
        bidders: Vec<BidderKeys>,
    },
    /// Fails a lease that is not ready at its deadline.
    FailStart {
        /// The lease and what it records.
        keys: LeaseKeys,
        /// Token account of the insurance fund.
        insurance: Pubkey,
    },
    /// Moves a lease on.
    Expire(LeaseKeys),
    /// Ends a job that waited for long enough.
    ExpireJob {
        /// The job.
        job: Pubkey,
        /// Its purse.
        purse: Pubkey,
    },
    /// Pays what has accrued.
    Settle(LeaseKeys),
    /// Closes a lease that is over and paid.
    CloseLease(LeaseKeys),
    /// Closes a job that is over.
    CloseJob {
        /// The job.
        job: Pubkey,
        /// Its purse.
        purse: Pubkey,
        /// Who gets its rent back.
        payer: Pubkey,
    },
    /// Sweeps the fees of a purse.
    SweepFees {
        /// The purse.
        purse: Pubkey,
        /// Token account of the treasury.
        treasury: Pubkey,
        /// Token account of the insurance fund.
        insurance: Pubkey,
    },
}

/// What a step is known by from one plan to the next: its verb, the account that it is about, and, for an automatic bid,
/// the provider that it is entered for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepKey {
    /// The verb.
    pub verb: Verb,
    /// The job, lease or purse.
    pub entity: Pubkey,
    /// The provider of an automatic bid.
    pub bidder: Option<Pubkey>,
}

impl Step {
    /// Its verb.
    pub fn verb(&self) -> Verb {
        match self {
            Self::EnterOffer { .. } => Verb::EnterOffer,
            Self::Award { .. } => Verb::Award,
            Self::FailStart { .. } => Verb::FailStart,
            Self::Expire(_) => Verb::Expire,
            Self::ExpireJob { .. } => Verb::ExpireJob,
            Self::Settle(_) => Verb::Settle,
            Self::CloseLease(_) => Verb::CloseLease,
            Self::CloseJob { .. } => Verb::CloseJob,
            Self::SweepFees { .. } => Verb::SweepFees,
        }
    }

    /// The account that it is about.
    pub fn entity(&self) -> Pubkey {
        match self {
            Self::EnterOffer { job, .. }
            | Self::Award { job, .. }
            | Self::ExpireJob { job, .. }
            | Self::CloseJob { job, .. } => *job,
            Self::FailStart { keys, .. } | Self::Expire(keys) | Self::Settle(keys) | Self::CloseLease(keys) => {
                keys.lease
            }
            Self::SweepFees { purse, .. } => *purse,
        }
    }

    /// What it is known by.
    pub fn key(&self) -> StepKey {
        let bidder = match self {
            Self::EnterOffer { bidder, .. } => Some(bidder.provider),
            _ => None,
        };
        StepKey { verb: self.verb(), entity: self.entity(), bidder }
    }

    /// The accounts of the view that it may change; read again after it.
    pub fn touches(&self) -> Vec<Pubkey> {
        match self {
            Self::EnterOffer { job, .. } => vec![*job],
            Self::Award { job, purse, number, bidders } => {
                let mut keys = vec![*job, *purse, crate::address::lease(job, *number)];
                for bidder in bidders {
                    let offer = crate::address::offer(&bidder.provider, bidder.offer);
                    keys.extend([bidder.provider, offer, bidder.bond]);
                }
                keys
            }
            Self::FailStart { keys, .. } => vec![keys.lease, keys.job, keys.purse, keys.provider, keys.bond],
            Self::Expire(keys) => vec![keys.lease, keys.job, keys.purse],
            Self::Settle(keys) => vec![keys.lease, keys.purse],
            Self::CloseLease(keys) => vec![keys.lease, keys.provider, keys.offer, keys.bond],
            Self::ExpireJob { job, purse } | Self::CloseJob { job, purse, .. } => vec![*job, *purse],
            Self::SweepFees { purse, .. } => vec![*purse],
        }
    }

    /// The instruction, for a transaction that `payer` pays; where it is late, the tip goes to `payer` too.
    pub fn instruction(&self, payer: &Pubkey) -> Instruction {
        let untipped = match self {
            Self::EnterOffer { job, bidder } => job::enter_offer(job, bidder),
            Self::Award { job, purse, number, bidders } => job::award(job, purse, *number, bidders),
            Self::FailStart { keys, insurance } => lease::fail_start(payer, keys, insurance),
            Self::Expire(keys) => lease::expire(keys),
            Self::ExpireJob { job, purse } => job::expire(job, purse),
            Self::Settle(keys) => lease::settle(keys),
            Self::CloseLease(keys) => lease::close(keys),
            Self::CloseJob { job, purse, payer } => job::close(job, purse, payer),
            Self::SweepFees { purse, treasury, insurance } => purse::sweep_fees(purse, treasury, insurance),
        };
        tipped(untipped, payer)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::EnterOffer { job, bidder } => {
                write!(f, "enter offer {} of provider {} for job {job}", bidder.offer, bidder.provider)
            }
            Self::Award { job, bidders, .. } => write!(f, "award job {job} (bidders passed: {})", bidders.len()),
            Self::FailStart { keys, .. } => write!(f, "fail the start of lease {}", keys.lease),
            Self::Expire(keys) => write!(f, "expire lease {}", keys.lease),
            Self::ExpireJob { job, .. } => write!(f, "end job {job}, which waited for long enough"),
            Self::Settle(keys) => write!(f, "settle lease {}", keys.lease),
            Self::CloseLease(keys) => write!(f, "close lease {}", keys.lease),
            Self::CloseJob { job, .. } => write!(f, "close job {job}"),
            Self::SweepFees { purse, .. } => write!(f, "sweep the fees of purse {purse}"),
        }
    }
}

/// Steps that are sent in one transaction where they fit, in this order. A step may need those before it that are about
/// the same entity; steps about different entities do not need each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The steps; never none.
    pub steps: Vec<Step>,
    /// Since when the first of them is due.
    pub due: UnixTs,
}

impl Action {
    /// An action of one step.
    pub fn single(step: Step, due: UnixTs) -> Self {
        Self { steps: vec![step], due }
    }

    /// The keys of its steps.
    pub fn keys(&self) -> impl Iterator<Item = StepKey> + '_ {
        self.steps.iter().map(Step::key)
    }

    /// Where it stands in a plan: urgent verbs first, then the longest overdue, then by address.
    pub(super) fn rank(&self) -> (Option<Verb>, UnixTs, Option<StepKey>) {
        let first = self.keys().next();
        (first.map(|key| key.verb), self.due, first)
    }
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, step) in self.steps.iter().enumerate() {
            if at > 0 {
                f.write_str(" + ")?;
            }
            write!(f, "{step}")?;
        }
        Ok(())
    }
}
