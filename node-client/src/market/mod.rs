//! The node's side of the market as a pure planner: from the state of the machine, of its offer and of the market to what is to be
//! done, each with a reason that prints as one plain sentence. No I/O, no clock: the agent gathers the state, asks, and submits.
//!
//! | file | what is decided there |
//! |---|---|
//! | `unit` | what the operator offers, and what one unit of the machine has |
//! | `offering` | the offer is posted, refreshed, withdrawn, or let be |
//! | `bid` | whether to bid on a job, how much, and everything that stands against it |
//! | `notice` | which leases of a machine that leaves are given notice |
//! | `reason` | why a job is not bid for, in words |
//!
//! The rules themselves are [`gridlease_core`]'s. A public bid that stands cannot be taken back in this protocol: an offer that would
//! have won and is withdrawn costs a fault, so a machine that leaves honours its bids first.

mod bid;
mod notice;
mod offering;
mod reason;
mod unit;

use std::time::Duration;

use gridlease_core::bond::Bond;
use gridlease_core::job::JobState;
use gridlease_core::limits::MAX_OFFER_LIFE;
use gridlease_core::machine::Machine as Rules;
use gridlease_core::requirement::OfferSpec;
use gridlease_core::{Atoms, Now, PricePerHour, UnixTs};
use gridlease_sdk::account::{Job, Lease, Offer, Provider};
use gridlease_sdk::machine::ProviderMachine;
use solana_pubkey::Pubkey;

use bid::{Against, Side, consider};
pub use bid::{Depth, How, Quote};
pub use notice::{Leave, Leaving, leave};
pub(crate) use offering::LATER;
pub use offering::{Differs, Kept, Why, is_due, may_post, suspension};
pub use reason::{Part, Reason, Trouble, Usdc};
pub use unit::{OfferError, OfferPolicy, Terms, Unit, gpu_root};

/// How long an automatic offer is left to keepers before the node enters it itself.
const ENTER_AFTER: Duration = Duration::from_millis(2_500);
/// A window that ends this soon is not left to keepers any longer, in seconds.
const URGENT_S: u64 = 4;
/// An offer that is prolonged for a long auction lives this much longer than that, in seconds.
const SPARE_S: u64 = 60;

/// The node's own accounts on chain that a bid hangs on.
#[derive(Clone, Copy, Debug)]
pub struct Own<'a> {
    /// Address of the provider record.
    pub provider_key: &'a Pubkey,
    /// The provider record.
    pub provider: &'a Provider,
    /// The bond.
    pub bond: Bond,
}

/// Everything that the planner looks at, beside the jobs and the leases.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The chain's time.
    pub now: Now,
    /// What the operator offers.
    pub policy: &'a OfferPolicy,
    /// What one unit of this machine has.
    pub unit: &'a Unit,
    /// The machine as it is registered.
    pub machine: &'a ProviderMachine,
    /// The machine's limit of stake as it is now; `None` where it could not be read, and the chain has the last word. Wanted where
    /// [`may_post`] says so.
    pub rules: Option<Rules>,
    /// What is wrong with the machine, the worst first.
    pub troubles: &'a [Trouble],
    /// What the disk has for all units, in MiB; `None` where it cannot be told. Wanted where [`is_due`] says so.
    pub room_mib: Option<u64>,
    /// Leases that the node is at work on.
    pub running: u32,
    /// The operator takes the machine away.
    pub leaving: Option<Leaving>,
    /// How long ago the offer was looked after, and what came of it.
    pub looked: Option<(Duration, Kept)>,
    /// The offer on chain.
    pub offer: Option<&'a Offer>,
    /// The node's other accounts; `None` while they are not known.
    pub own: Option<Own<'a>>,
    /// Open jobs in whose books the offer stands.
    pub bids_stand: usize,
}

impl State<'_> {
    /// What the offer's owner can change at any time.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.policy.terms(self.now.ts)
    }

    fn room(&self) -> u64 {
        self.room_mib.unwrap_or(u64::MAX)
    }

    fn free_units(&self) -> u32 {
        u32::from(self.policy.units).saturating_sub(self.running)
    }
}

/// A job that is on the market.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its address.
    pub key: &'a Pubkey,
    /// The job.
    pub job: &'a Job,
    /// For how long the node has known it.
    pub since: Duration,
}

/// What is to be done, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Put an offer on the market.
    Post {
        /// What one unit is promised to have.
        spec: OfferSpec,
        /// What it may bind of the bond.
        stake_limit: Atoms,
        /// Its terms.
        terms: Terms,
        /// An offer is there, and is withdrawn in the same step.
        over: bool,
        /// Why.
        why: Why,
    },
    /// Renew the offer with these terms.
    Refresh {
        /// The terms.
        terms: Terms,
        /// Why.
        why: Why,
    },
    /// Take the offer off the market.
    Withdraw {
        /// It has leases that are not closed, so its account stays.
        busy: bool,
        /// Why.
        why: Why,
    },
    /// Nothing can or must be done about the offer, and it takes nothing new.
    Rest {
        /// What came of looking after it; `None` where nobody had to.
        kept: Option<Kept>,
        /// Why.
        why: Why,
    },
    /// Claim the GPUs of the offer that are not.
    Claim,
    /// Bid.
    Bid {
        /// On this job.
        job: Pubkey,
        /// This much, which comes about so.
        quote: Quote,
    },
    /// Leave a job alone.
    Decline {
        /// The job.
        job: Pubkey,
        /// Why.
        reason: Reason,
    },
    /// Give notice on a lease.
    Notice {
        /// The lease.
        lease: Pubkey,
        /// How it ends.
        leave: Leave,
    },
}

/// What is to be done now. What concerns the offer comes before every bid, and alone where it has to be done first.
#[must_use]
pub fn plan<'a>(
    state: &State<'_>,
    jobs: impl Iterator<Item = Seen<'a>>,
    leases: impl Iterator<Item = (&'a Pubkey, &'a Lease)>,
) -> Vec<Decision> {
    let mut decisions = Vec::new();
    if let Some(leaving) = state.leaving {
        let due = leases.filter_map(|(key, lease)| match leave(lease, leaving, state.now)? {
            leave @ Leave::Give { .. } => Some(Decision::Notice { lease: *key, leave }),
            _ => None,
        });
        decisions.extend(due);
    }
    if let Some(about_the_offer) = offering::decide(state) {
        decisions.push(about_the_offer);
        return decisions;
    }
    let (Some(offer), Some(own)) = (state.offer, state.own) else { return decisions };
    if offer.claims().check().is_err() {
        decisions.push(Decision::Claim);
        return decisions;
    }
    let side = side(state, &own, offer);
    decisions.extend(jobs.map(|seen| bid_or_decline(state, &side, &seen)));
    decisions
}

fn side<'a>(state: &State<'_>, own: &Own<'a>, offer: &'a Offer) -> Side<'a> {
    let Own { provider_key, provider, bond } = *own;
    Side { provider_key, provider, offer, bond, free_units: state.free_units() }
}

fn bid_or_decline(state: &State<'_>, side: &Side<'_>, seen: &Seen<'_>) -> Decision {
    let (key, now) = (*seen.key, state.now.ts);
    let mut against = Against::new(Depth::First);
    let quote = consider(side, seen.key, seen.job, now, &mut against);
    match (quote, against.reasons.into_iter().next()) {
        (Some(quote), None) if !left_to_keepers(side, seen, now) => Decision::Bid { job: key, quote },
        (Some(_), None) => Decision::Decline { job: key, reason: Reason::LeftToKeepers },
        (_, Some(Reason::Expires { needed, .. })) if can_outlive(needed, now) && expires_only(side, seen, now) => {
            let expires = UnixTs(needed.0.saturating_add(SPARE_S));
            let terms = Terms { expires, ..state.terms() };
            Decision::Refresh { terms, why: Why::LongAuction { job: key, until: needed } }
        }
        (_, reason) => Decision::Decline { job: key, reason: reason.unwrap_or(Reason::Unknown) },
    }
}

/// Does nothing but the offer's life stand against the bid?
fn expires_only(side: &Side<'_>, seen: &Seen<'_>, now: UnixTs) -> bool {
    let mut against = Against::new(Depth::All);
    consider(side, seen.key, seen.job, now, &mut against);
    matches!(against.reasons.as_slice(), [Reason::Expires { .. }])
}

/// Can the offer be made to live that long?
fn can_outlive(until: UnixTs, now: UnixTs) -> bool {
    until.0.saturating_add(SPARE_S) <= now.0.saturating_add(MAX_OFFER_LIFE.0)
}

/// Entering an automatic offer is keepers' work; where there is none, the node does it itself in time.
fn left_to_keepers(side: &Side<'_>, seen: &Seen<'_>, now: UnixTs) -> bool {
    let left = seen.job.close_ts.saturating_sub(now.0);
    let waits = seen.job.state() == Some(JobState::Waiting);
    side.offer.auto_bid == 1 && seen.since < ENTER_AFTER && (waits || left > URGENT_S)
}

/// What would be bid on a job, and all that stands against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The bid; `None` where there is no price for it. It is made only where nothing stands against it.
    pub quote: Option<Quote>,
    /// Everything that stands against it.
    pub against: Vec<Reason>,
}

impl Explained {
    /// The price that would be bid.
    #[must_use]
    pub fn price(&self) -> Option<PricePerHour> {
        self.quote.filter(|_| self.against.is_empty()).map(|quote| quote.price)
    }
}

/// Explains what [`plan`] decides about a job: all that stands against a bid. Where there is no offer of this machine, or none that
/// can be believed, `job` is looked at for the one that would be posted.
#[must_use]
pub fn explain(state: &State<'_>, own: &Own<'_>, key: &Pubkey, job: &Job) -> Explained {
    let mut against = Against::new(Depth::All);
    if state.machine.rules.retired || state.rules.is_some_and(|rules| rules.retired) {
        against.add(Reason::Retired);
    }
    if state.leaving.is_some() {
        against.add(Reason::Leaving);
    }
    state.troubles.iter().for_each(|trouble| against.add(Reason::Trouble(trouble.clone())));
    let would_be;
    let offer = match state.offer {
        Some(offer) if state.machine.has(offer) => offer,
        other => {
            against.add(other.map_or(Reason::NoOffer, |other| Reason::ForeignOffer {
                number: other.number,
                machine: other.machine,
            }));
            would_be = unit::would_be(state, own.provider_key);
            &would_be
        }
    };
    let quote = consider(&side(state, own, offer), key, job, state.now.ts, &mut against);
    Explained { quote, against: against.reasons }
}

#[cfg(test)]
mod tests;
