//! Whether to bid on a job, and how much. The rules are those of [`gridlease_core`]; what one of them refuses is mended and asked
//! again, so that every reason is found and not the first only.

use core::fmt;

use gridlease_core::bond::Bond;
use gridlease_core::book::Entry;
use gridlease_core::eligibility::{Bidder, Refusal, Wanted};
use gridlease_core::gpu_claim::Claims;
use gridlease_core::job::{Job as Rules, Mode, least_funds};
use gridlease_core::requirement::{Field, Unmet};
use gridlease_core::score::{auto_bid_price, score};
use gridlease_core::{Atoms, PricePerHour, RuleError, UnixTs};
use gridlease_sdk::account::{Job, Offer, Provider, tie};
use solana_pubkey::Pubkey;

use super::reason::{Reason, Usdc};

/// Most refusals of one bidder: each field of a requirement, and each other kind, once.
const MOST_REFUSALS: usize = Field::ALL.len() + 8;

/// What the bidder knows of its own side.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// Address of the provider record.
    pub provider_key: &'a Pubkey,
    /// The provider record.
    pub provider: &'a Provider,
    /// The offer.
    pub offer: &'a Offer,
    /// The bond.
    pub bond: Bond,
    /// Units that this machine can really start now.
    pub free_units: u32,
}

/// How a price comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Nobody else has bid: the ask, or the most that the job pays where that is less.
    Alone {
        /// The ask.
        ask: PricePerHour,
    },
    /// The ask leads without more.
    AskLeads {
        /// The best price of another provider.
        best: PricePerHour,
    },
    /// The highest price that leads.
    Undercuts {
        /// The best price of another provider.
        best: PricePerHour,
        /// Below which it never goes.
        floor: PricePerHour,
    },
    /// Not even the floor leads, so the ask stands behind.
    Behind {
        /// The best price of another provider.
        best: PricePerHour,
        /// The floor.
        floor: PricePerHour,
    },
}

/// A price, and how it comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quote {
    /// The price.
    pub price: PricePerHour,
    /// How it comes about.
    pub how: How,
}

impl fmt::Display for Quote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let price = Usdc(self.price.0);
        match self.how {
            How::Alone { ask } if ask == self.price => {
                write!(f, "{price} an hour: the ask, because nobody else has bid.")
            }
            How::Alone { ask } => write!(
                f,
                "{price} an hour: the most that the job pays, which is less than the ask of {}; nobody else has bid.",
                Usdc(ask.0)
            ),
            How::AskLeads { best } => {
                write!(f, "{price} an hour: it leads as it is; the best other bid is {}.", Usdc(best.0))
            }
            How::Undercuts { best, floor } => write!(
                f,
                "{price} an hour: the highest price that leads before the best other bid of {}; the floor is {}.",
                Usdc(best.0),
                Usdc(floor.0)
            ),
            How::Behind { best, floor } => write!(
                f,
                "{price} an hour: not even the floor of {} leads before the best other bid of {}, so it stands behind.",
                Usdc(floor.0),
                Usdc(best.0)
            ),
        }
    }
}

/// How many reasons are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// One is enough.
    First,
    /// All that there are.
    All,
}

/// What stands against a bid, gathered in the order in which it is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Against {
    depth: Depth,
    pub(super) reasons: Vec<Reason>,
}

impl Against {
    pub(super) const fn new(depth: Depth) -> Self {
        Self { depth, reasons: Vec::new() }
    }

    pub(super) fn add(&mut self, reason: Reason) {
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
    }

    /// Is what was found enough?
    pub(super) fn enough(&self) -> bool {
        self.depth == Depth::First && !self.reasons.is_empty()
    }
}

/// Looks at `job`, whose address is `key`, at `now`: adds what stands against a bid, and returns what it would be, where there is a
/// price at all.
pub(super) fn consider(side: &Side<'_>, key: &Pubkey, job: &Job, now: UnixTs, against: &mut Against) -> Option<Quote> {
    let Ok(rules) = job.rules() else {
        against.add(Reason::Unknown);
        return None;
    };
    if let Some(reason) = of_the_job(&rules, now) {
        against.add(reason);
        if against.enough() {
            return None;
        }
    }
    if side.free_units == 0 {
        against.add(Reason::Full { units: side.offer.units.into() });
        if against.enough() {
            return None;
        }
    }
    let quoted = quote(side, job);
    // Where there is no price, what hangs on it is looked at for the one that is nearest.
    let price = match &quoted {
        Ok(quote) => quote.price,
        Err(Reason::Leads { price }) => *price,
        Err(_) => PricePerHour(job.max_price),
    };
    of_the_bidder(side, job, &rules, price, now, against);
    if against.enough() {
        return None;
    }
    match quoted {
        Ok(quote) => {
            if let Err(reason) = enters(side, key, job, quote.price) {
                against.add(reason);
            }
            Some(quote)
        }
        Err(reason) => {
            against.add(reason);
            None
        }
    }
}

/// Does the job take public bids now?
fn of_the_job(rules: &Rules, now: UnixTs) -> Option<Reason> {
    match rules.check_bid(PricePerHour(1), now) {
        // What its money pays for is asked of the price.
        Ok(()) | Err(RuleError::BidUnaffordable) => None,
        Err(RuleError::WrongMode) => Some(Reason::Sealed),
        Err(RuleError::WrongState) => Some(Reason::NotOpen(rules.state)),
        Err(RuleError::WindowClosed) => Some(Reason::WindowOver { since_s: now.since(rules.close_ts).0 }),
        Err(RuleError::WaitOver) => Some(Reason::WaitOver {
            left_s: rules.expires_at.since(now).0,
            window_s: rules.terms.window.0.saturating_add(rules.terms.reveal.0),
        }),
        Err(_) => Some(Reason::Unknown),
    }
}

/// What the rules say of the bidder, one refusal after the other.
fn of_the_bidder(side: &Side<'_>, job: &Job, rules: &Rules, price: PricePerHour, now: UnixTs, against: &mut Against) {
    let Ok(end) = rules.auction_end(now) else { return against.add(Reason::Unknown) };
    let until = Bidder::lives_until(end, side.offer.auto_bid == 1, now);
    let mut bidder = job.bidder(side.provider_key, side.provider, side.offer, side.bond);
    let mut wanted = job.wanted();
    for _ in 0..MOST_REFUSALS {
        let refusal = match bidder.check(&wanted, price, until) {
            Ok(stake) => {
                if side.offer.limit().bind(stake).is_err() {
                    against.add(Reason::StakeLimit { needed: stake, left: side.offer.limit().room() });
                }
                return;
            }
            Err(refusal) => refusal,
        };
        against.add(reason_of(&refusal, side, &wanted, price, until));
        if against.enough() || !mend(&mut bidder, &mut wanted, &refusal) {
            return;
        }
    }
}

fn reason_of(refusal: &Refusal, side: &Side<'_>, wanted: &Wanted, price: PricePerHour, until: UnixTs) -> Reason {
    let claims = side.offer.claims();
    match refusal {
        Refusal::Withdrawn => Reason::Withdrawn,
        Refusal::NotLive => Reason::Expires { lives_until: side.offer.live_until(), needed: until },
        Refusal::NoFreeUnit => Reason::Full { units: side.offer.units.into() },
        Refusal::Excluded => Reason::Excluded,
        Refusal::Unsatisfied(unmet) => Reason::Unmet(*unmet),
        Refusal::Unaffordable => match least_funds(price, wanted.max_duration) {
            Ok(needed) => Reason::Unaffordable { held: wanted.funds, needed, price },
            Err(_) => Reason::Unknown,
        },
        Refusal::Stake { needed, free, .. } => Reason::Stake { needed: *needed, free: *free },
        Refusal::Rule(RuleError::GpusUnclaimed) => {
            Reason::Unclaimed { needed: claims.needed(), claimed: claims.claimed.into() }
        }
        Refusal::Rule(_) => Reason::Unknown,
    }
}

/// Takes away what the rules refused, so that they go on to what they would refuse next. `false` where that cannot be.
fn mend(bidder: &mut Bidder, wanted: &mut Wanted, refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Withdrawn | Refusal::NotLive => bidder.live_until = UnixTs(u64::MAX),
        Refusal::NoFreeUnit => bidder.units_free = 1,
        Refusal::Excluded => bidder.excluded = false,
        Refusal::Unsatisfied(unmet) => satisfy(bidder, wanted, unmet),
        Refusal::Unaffordable => wanted.funds = Atoms(u64::MAX),
        Refusal::Stake { .. } => bidder.bond = Bond { amount: Atoms(u64::MAX), ..Bond::default() },
        Refusal::Rule(RuleError::GpusUnclaimed) => bidder.claims = Claims::default(),
        Refusal::Rule(_) => return false,
    }
    true
}

fn satisfy(bidder: &mut Bidder, wanted: &mut Wanted, unmet: &Unmet) {
    let need = &mut wanted.need;
    match unmet.field {
        // Of a machine without a GPU nothing else is said about GPUs.
        Field::GpuCount if unmet.offered == 0 => need.gpu_count = 0,
        Field::GpuCount => bidder.unit.gpu_count = need.gpu_count,
        Field::GpuModel => need.gpu_models = 0,
        Field::Vram => need.vram_mib = 0,
        Field::ComputeCapability => need.compute_capability = 0,
        Field::Cuda => need.cuda = 0,
        Field::Cpu => need.cpu_milli = 0,
        Field::Memory => need.memory_mib = 0,
        Field::Disk => need.disk_mib = 0,
        Field::Region => need.regions = 0,
        Field::Down => need.down_mbit = 0,
        Field::Up => need.up_mbit = 0,
        Field::Flags => need.flags = bidder.unit.flags,
        Field::Stake => need.min_stake = Atoms::ZERO,
        Field::Reputation => need.min_reputation = gridlease_core::Bps(0),
    }
}

/// The price of a bid; the reason where there is none.
fn quote(side: &Side<'_>, job: &Job) -> Result<Quote, Reason> {
    // Others' prices are not seen in such a job.
    if job.mode == Mode::Sealed as u8 {
        return Err(Reason::Sealed);
    }
    let weights = job.score_weights().map_err(|_| Reason::Unknown)?;
    let mine = job.bids().iter().find(|bid| bid.provider == *side.provider_key);
    if let Some(best) = job.bids().first().filter(|best| best.provider == *side.provider_key) {
        return Err(Reason::Leads { price: PricePerHour(best.price) });
    }
    let rival = job.bids().iter().filter(|bid| bid.provider != *side.provider_key).max_by_key(|bid| bid.score);
    let merit = side.provider.merit();
    let (ask, floor, most) =
        (PricePerHour(side.offer.ask), PricePerHour(side.offer.floor), PricePerHour(job.max_price));
    let below = |_| Reason::BelowFloor { most, floor };
    let price = auto_bid_price(&weights, &merit, ask, floor, most, rival.map(|bid| bid.score)).map_err(below)?;
    if let Some(mine) = mine.filter(|mine| mine.price <= price.0) {
        return Err(Reason::CannotImprove { standing: PricePerHour(mine.price), next: price });
    }
    let how = match rival {
        None => How::Alone { ask },
        Some(rival) => {
            let best = PricePerHour(rival.price);
            let leads = score(&weights, &merit, price, most).is_ok_and(|score| score > rival.score);
            if price < ask.min(most) {
                How::Undercuts { best, floor }
            } else if leads {
                How::AskLeads { best }
            } else {
                How::Behind { best, floor }
            }
        }
    };
    Ok(Quote { price, how })
}

/// Would the market take this bid into the book? A refusal costs a fee where the market asks for one.
fn enters(side: &Side<'_>, key: &Pubkey, job: &Job, price: PricePerHour) -> Result<(), Reason> {
    let weights = job.score_weights().map_err(|_| Reason::Unknown)?;
    let score = score(&weights, &side.provider.merit(), price, PricePerHour(job.max_price));
    let (Ok(score), Ok(mut book)) = (score, job.book()) else { return Err(Reason::Unknown) };
    let provider = side.provider_key.to_bytes();
    let entry = Entry { provider, offer: side.offer.number, score, price, automatic: side.offer.auto_bid == 1 };
    match book.insert(entry, |provider| tie(key, provider)) {
        Ok(_) => Ok(()),
        Err(RuleError::BookFull) => Err(Reason::BookFull { bids: book.len(), price }),
        Err(_) => Err(Reason::Unknown),
    }
}
