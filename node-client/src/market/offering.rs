//! What to do about this machine's offer: post it, refresh it, withdraw it, let it be.

use core::fmt;
use std::time::Duration;

use gridlease_core::machine::Machine as Rules;
use gridlease_core::requirement::OfferSpec;
use gridlease_core::{Atoms, UnixTs};
use gridlease_sdk::account::{Offer, offer_state};
use solana_pubkey::Pubkey;

use super::reason::{Trouble, Usdc};
use super::{Decision, State, Terms, gpu_root};

/// The most that one offer asks of its machine's limit of stake: a million USDC.
pub const STAKE_OF_OFFER: Atoms = Atoms(1_000_000_000_000);
/// Life that is left to an offer with open leases when it is taken back; one that has passed would be refused.
const LAST_SECONDS: u64 = 10;
/// An offer whose look failed is looked after again this soon.
pub(crate) const LATER: Duration = Duration::from_millis(700);
/// How long an offer that cannot be made now, or that the market put to sleep, is left alone.
const SHUT_PAUSE: Duration = Duration::from_secs(5);
/// After a step on the offer, until the view shows it.
const SETTLE: Duration = Duration::from_secs(2);

/// What came of looking after the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It stands.
    Stands,
    /// It was refused, or nobody knows: to be tried again.
    Later,
    /// It was withdrawn, and cannot be posted again before its open leases are over.
    Waits,
    /// None can be made: the machine is retired, or has no stake left for one, or the number is another's.
    Shut,
}

/// What is decided about the offer, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is none yet.
    NoneYet,
    /// It was withdrawn, and its leases are over.
    Withdrawn,
    /// It promises something else than the machine has.
    Differs(Differs),
    /// Its life is renewed.
    Renewed,
    /// It has expired, or an award that came to nothing put it to sleep.
    Asleep,
    /// A job's auction takes longer than it lives.
    LongAuction {
        /// The job.
        job: Pubkey,
        /// Until when it has to live.
        until: UnixTs,
    },
    /// The operator takes the machine away, and its bids that stand are honoured first.
    BidsStand {
        /// Open jobs in whose books it stands.
        jobs: usize,
    },
    /// Its withdrawal waits for open leases.
    OpenLeases {
        /// How many.
        open: u16,
    },
    /// Something is wrong with the machine.
    Trouble(Trouble),
    /// The operator takes the machine away.
    Leaving,
    /// The node ends.
    Stopping,
    /// The machine is retired.
    Retired,
    /// The machine's limit of stake is used up.
    NoStakeLeft {
        /// The limit.
        limit: Atoms,
        /// What of it its offers have.
        allotted: Atoms,
    },
    /// Its number is another machine's.
    Foreign {
        /// The number.
        number: u32,
        /// Whose it is.
        machine: Pubkey,
    },
}

/// How an offer differs from its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Differs {
    /// Another unit.
    Unit,
    /// Other GPUs of the same kind.
    Gpus,
    /// More disk than there is room for.
    Disk {
        /// MiB of each unit.
        promised: u32,
        /// MiB for all units.
        room: u64,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoneYet => f.write_str("There is no offer of this machine yet."),
            Self::Withdrawn => f.write_str("The offer was withdrawn and its leases are over."),
            Self::Differs(Differs::Unit) => f.write_str("The offer promises another unit than this machine has."),
            Self::Differs(Differs::Gpus) => f.write_str("The offer names other GPUs than this machine has."),
            Self::Differs(Differs::Disk { promised, room }) => write!(
                f,
                "The offer promises {promised} MiB of disk for each unit, and there is room for {room} MiB in all."
            ),
            Self::Renewed => f.write_str("The offer's life is renewed, with the operator's terms."),
            Self::Asleep => f.write_str("The offer has expired or was put to sleep."),
            Self::LongAuction { job, until } => {
                write!(f, "The auction of job {job} goes on until {}, and the offer has to live as long.", until.0)
            }
            Self::BidsStand { jobs: 1 } => f.write_str(
                "The operator takes the machine away; a bid of it stands in an open job's book and is honoured first.",
            ),
            Self::BidsStand { jobs } => write!(
                f,
                "The operator takes the machine away; bids of it stand in the books of {jobs} open jobs and are honoured first."
            ),
            Self::OpenLeases { open: 1 } => f.write_str("The withdrawn offer waits for its open lease."),
            Self::OpenLeases { open: 0 } => {
                f.write_str("The withdrawn offer waits for leases that are not closed yet.")
            }
            Self::OpenLeases { open } => write!(f, "The withdrawn offer waits for its {open} open leases."),
            Self::Trouble(trouble) => write!(f, "The machine is not well ({trouble})."),
            Self::Leaving => f.write_str("The operator takes the machine off the market."),
            Self::Stopping => f.write_str("The node ends."),
            Self::Retired => f.write_str(
                "The machine is retired: it offers nothing any more, and this node serves what is left of its leases.",
            ),
            Self::NoStakeLeft { limit, allotted } => write!(
                f,
                "The machine's limit of stake is used up, so it offers nothing: of {} its offers have {}.",
                Usdc(limit.0),
                Usdc(allotted.0)
            ),
            Self::Foreign { number, machine } => write!(
                f,
                "The offer's number {number} is taken by another machine of this provider, {machine}; restart the node with another --offer."
            ),
        }
    }
}

/// Has the offer leases, or something of them that is not settled? Then its account stays.
fn is_busy(offer: &Offer) -> bool {
    offer.units_free < offer.units || offer.unpaid > 0 || offer.sealed > 0
}

fn is_listed(offer: &Offer) -> bool {
    offer.header.state == offer_state::LIVE
}

/// Could the offer be posted by the next decision? Then the machine's limit of stake is wanted in [`State::rules`].
#[must_use]
pub fn may_post(offer: Option<&Offer>) -> bool {
    offer.is_none_or(|offer| !is_busy(offer))
}

/// Is it time to look after the offer? Then the room on the disk is wanted in [`State::room_mib`].
#[must_use]
pub fn is_due(offer: Option<&Offer>, now: UnixTs, life: Duration, looked: Option<(Duration, Kept)>) -> bool {
    let Some((ago, kept)) = looked else { return true };
    // An award by its automatic bid that came to nothing takes it off the market until it is refreshed.
    let asleep = offer.is_some_and(|offer| !offer.is_live(now));
    let pause = match kept {
        Kept::Stands if asleep => SHUT_PAUSE,
        Kept::Stands => life / 3,
        Kept::Later => LATER,
        Kept::Waits | Kept::Shut => SHUT_PAUSE,
    };
    // Its owner may take it back at any time.
    kept == Kept::Stands && !offer.is_some_and(is_listed) && ago > SETTLE || ago > pause
}

/// The offer off the market: withdrawn where no lease is open, else left without a free unit and soon to expire, because a withdrawn
/// offer could not be revived while its leases run. `None` where it takes nothing as it is. What fails here, its expiry does.
#[must_use]
pub fn suspension(offer: &Offer, terms: Terms, now: UnixTs, why: Why) -> Option<Decision> {
    let open = offer.units.saturating_sub(offer.units_free);
    if open == 0 {
        // One that was withdrawn and waits for what is not settled cannot be closed yet.
        return (is_listed(offer) || !is_busy(offer)).then_some(Decision::Withdraw { busy: is_busy(offer), why });
    }
    let expires = UnixTs(now.0.saturating_add(LAST_SECONDS));
    let terms = Terms { units: open, auto_bid: false, expires, ..terms };
    is_listed(offer).then_some(Decision::Refresh { terms, why })
}

/// What to do about the offer now; `None` where it stands and there is time for jobs.
pub(super) fn decide(state: &State<'_>) -> Option<Decision> {
    let offer = state.offer;
    if let Some(foreign) = offer.filter(|offer| !state.machine.has(offer)) {
        let why = Why::Foreign { number: foreign.number, machine: foreign.machine };
        return Some(Decision::Rest { kept: None, why });
    }
    if let Some(trouble) = state.troubles.first() {
        let why = Why::Trouble(trouble.clone());
        return Some(off_the_market(state, why));
    }
    if state.leaving.is_some() {
        let jobs = state.bids_stand;
        if jobs > 0 && offer.is_some_and(|offer| offer.is_live(state.now.ts)) {
            return Some(honour(state, jobs));
        }
        return Some(off_the_market(state, Why::Leaving));
    }
    is_due(offer, state.now.ts, state.policy.life, state.looked).then(|| keep(state))
}

fn off_the_market(state: &State<'_>, why: Why) -> Decision {
    let open_for_more = |offer: &&Offer| offer.is_live(state.now.ts) && offer.units_free > 0;
    // Of a machine that leaves the rent comes back, too, as soon as its leases are over.
    let idle = |offer: &&Offer| why == Why::Leaving && !is_busy(offer);
    let paused = state.looked.is_some_and(|(ago, kept)| kept == Kept::Shut && ago < SETTLE);
    let offer = state.offer.filter(|offer| !paused && (open_for_more(offer) || idle(offer)));
    let taken = offer.and_then(|offer| suspension(offer, state.terms(), state.now.ts, why.clone()));
    taken.unwrap_or(Decision::Rest { kept: None, why })
}

/// Bids that stand are honoured: whoever takes back an offer that would have won is at fault. No new one is entered by others.
fn honour(state: &State<'_>, jobs: usize) -> Decision {
    let why = Why::BidsStand { jobs };
    let automatic = state.offer.is_some_and(|offer| offer.auto_bid == 1);
    if !automatic && !is_due(state.offer, state.now.ts, state.policy.life, state.looked) {
        return Decision::Rest { kept: None, why };
    }
    Decision::Refresh { terms: Terms { auto_bid: false, ..state.terms() }, why }
}

/// Posts, refreshes or revives the offer.
fn keep(state: &State<'_>) -> Decision {
    let Some(offer) = state.offer else {
        return match posting(state, None) {
            Ok(new) => post(state, new, false, Why::NoneYet),
            Err(why) => Decision::Rest { kept: Some(Kept::Shut), why },
        };
    };
    let differs = differs(state, offer);
    if let (true, None) = (is_listed(offer), differs) {
        let why = if offer.is_live(state.now.ts) { Why::Renewed } else { Why::Asleep };
        return Decision::Refresh { terms: state.terms(), why };
    }
    let busy = is_busy(offer);
    if busy && !is_listed(offer) {
        let open = offer.units.saturating_sub(offer.units_free);
        return Decision::Rest { kept: Some(Kept::Waits), why: Why::OpenLeases { open } };
    }
    let why = differs.filter(|_| is_listed(offer)).map_or(Why::Withdrawn, Why::Differs);
    if busy {
        // What the chain says must not be sold any longer; it is posted anew when its leases are over.
        return Decision::Withdraw { busy, why };
    }
    match posting(state, Some(offer)) {
        // An account has to be closed before it can be posted again.
        Ok(new) => post(state, new, true, why),
        Err(why) => Decision::Withdraw { busy, why },
    }
}

fn post(state: &State<'_>, (spec, stake_limit): (OfferSpec, Atoms), over: bool, why: Why) -> Decision {
    Decision::Post { spec, stake_limit, terms: state.terms(), over, why }
}

/// What a new offer promises and may bind, in the place of `old`.
fn posting(state: &State<'_>, old: Option<&Offer>) -> Result<(OfferSpec, Atoms), Why> {
    let limit = state.rules.map_or(Ok(STAKE_OF_OFFER), |rules| stake_limit(rules, old))?;
    Ok((state.policy.within(state.unit.spec, state.room()), limit))
}

/// What the offer may bind of the bond: what the machine has left, with what `old` gives back, at most [`STAKE_OF_OFFER`], so
/// that other offers of the same machine have theirs.
fn stake_limit(mut rules: Rules, old: Option<&Offer>) -> Result<Atoms, Why> {
    if rules.retired {
        return Err(Why::Retired);
    }
    if let Some(next) = old.and_then(|old| rules.take_back(&old.limit()).ok()) {
        rules = next;
    }
    let left = rules.limit.saturating_sub(rules.allotted).min(STAKE_OF_OFFER);
    if left.is_zero() { Err(Why::NoStakeLeft { limit: rules.limit, allotted: rules.allotted }) } else { Ok(left) }
}

/// How the offer on chain differs from what this machine has. Free disk varies, so less than there is will do, but never more
/// than there is room for beside the results that are kept.
fn differs(state: &State<'_>, offer: &Offer) -> Option<Differs> {
    let (promised, own) = (offer.unit(), state.unit.spec);
    let disk_fits = promised.disk_mib <= own.disk_mib || state.policy.disk_mib.is_none();
    let uuids: Vec<String> = state.unit.gpus.iter().flatten().cloned().collect();
    if (OfferSpec { disk_mib: own.disk_mib, ..promised }) != own || !disk_fits {
        return Some(Differs::Unit);
    }
    if state.policy.oversells(&promised, state.room()) {
        return Some(Differs::Disk { promised: promised.disk_mib, room: state.room() });
    }
    (offer.gpu_root != gpu_root(&uuids)).then_some(Differs::Gpus)
}
