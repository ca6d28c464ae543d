//! Whether to bid on a job, and how much: a pure function of what the chain shows and what the operator wants.

use gridlease_core::bond::Bond;
use gridlease_core::book::Entry;
use gridlease_core::eligibility::{Bidder, Refusal};
use gridlease_core::job::Mode;
use gridlease_core::score::{Weights, auto_bid_price, score};
use gridlease_core::{Atoms, PricePerHour, RuleError, UnixTs};
use gridlease_sdk::account::{Job, Offer, Provider, tie};
use solana_pubkey::Pubkey;

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
    /// Units that this machine can really start now; never above the offer's free units.
    pub free_units: u32,
}

/// What to do about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Bid this price.
    Bid(PricePerHour),
    /// Leave it, for this reason.
    Leave(Reason),
}

/// Why a job is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// It takes no bids now.
    NotOpen,
    /// It takes sealed bids.
    Sealed,
    /// The offer has expired or was withdrawn.
    OfferNotLive,
    /// Every unit is taken.
    Full,
    /// This provider failed the job before.
    Excluded,
    /// The offer does not satisfy it; in words.
    Unsatisfied(String),
    /// It pays less than the floor, or what is left of its money pays for nothing.
    BelowFloor,
    /// The bond has too little free stake for it.
    Stake {
        /// What the lease would reserve.
        needed: Atoms,
        /// What is free.
        free: Atoms,
    },
    /// The offer's limit of stake leaves too little for it.
    StakeLimit,
    /// The book is full of better bids.
    BookFull,
    /// The standing bid leads, or cannot go lower.
    Standing,
    /// The account holds something that this version does not know.
    Unknown,
}

impl From<Refusal> for Reason {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Withdrawn | Refusal::NotLive => Self::OfferNotLive,
            Refusal::Unaffordable => Self::BelowFloor,
            Refusal::NoFreeUnit => Self::Full,
            Refusal::Excluded => Self::Excluded,
            Refusal::Unsatisfied(unmet) => Self::Unsatisfied(unmet.to_string()),
            Refusal::Stake { needed, free, .. } => Self::Stake { needed, free },
            Refusal::Rule(_) => Self::Unknown,
        }
    }
}

/// Decides about `job`, whose address is `key`, at `now`.
#[must_use]
pub fn decide(side: &Side<'_>, key: &Pubkey, job: &Job, now: UnixTs) -> Decision {
    match price(side, key, job, now) {
        Ok(price) => Decision::Bid(price),
        Err(reason) => Decision::Leave(reason),
    }
}

fn price(side: &Side<'_>, key: &Pubkey, job: &Job, now: UnixTs) -> Result<PricePerHour, Reason> {
    if job.mode == Mode::Sealed as u8 {
        return Err(Reason::Sealed);
    }
    let rules = job.rules().map_err(|_| Reason::Unknown)?;
    match rules.check_bid(PricePerHour(1), now) {
        Ok(()) => {}
        Err(RuleError::BidUnaffordable) => return Err(Reason::BelowFloor),
        Err(_) => return Err(Reason::NotOpen),
    }
    if side.free_units == 0 {
        return Err(Reason::Full);
    }
    let bidder = job.bidder(side.provider_key, side.provider, side.offer, side.bond);
    let end = rules.auction_end(now).map_err(|_| Reason::Unknown)?;
    let until = Bidder::lives_until(end, false, now);
    let check = |price| {
        let stake = bidder.check(&job.wanted(), price, until).map_err(Reason::from)?;
        side.offer.limit().bind(stake).map(drop).map_err(|_| Reason::StakeLimit)
    };
    // What hangs on no price first: the cheapest bid that there is asks for the least stake.
    check(PricePerHour(1))?;
    let weights = Weights::new(job.weights).map_err(|_| Reason::Unknown)?;
    let others = job.bids().iter().filter(|bid| bid.provider != *side.provider_key);
    let mine = job.bids().iter().find(|bid| bid.provider == *side.provider_key);
    if job.bids().first().is_some_and(|best| best.provider == *side.provider_key) {
        return Err(Reason::Standing);
    }
    let price = auto_bid_price(
        &weights,
        &side.provider.merit(),
        PricePerHour(side.offer.ask),
        PricePerHour(side.offer.floor),
        PricePerHour(job.max_price),
        others.map(|bid| bid.score).max(),
    )
    .map_err(|_| Reason::BelowFloor)?;
    if mine.is_some_and(|bid| bid.price <= price.0) {
        return Err(Reason::Standing);
    }
    check(price)?;
    enters(side, key, job, &weights, price)?;
    Ok(price)
}

/// Would the market take this bid into the book? A refusal costs a fee where the market asks for one.
fn enters(side: &Side<'_>, key: &Pubkey, job: &Job, weights: &Weights, price: PricePerHour) -> Result<(), Reason> {
    let score = score(weights, &side.provider.merit(), price, PricePerHour(job.max_price));
    let (Ok(score), Ok(mut book)) = (score, job.book()) else { return Err(Reason::Unknown) };
    let provider = side.provider_key.to_bytes();
    let entry = Entry { provider, offer: side.offer.number, score, price, automatic: side.offer.auto_bid == 1 };
    match book.insert(entry, |provider| tie(key, provider)) {
        Ok(_) => Ok(()),
        Err(RuleError::BookFull) => Err(Reason::BookFull),
        Err(_) => Err(Reason::Standing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use gridlease_core::Bps;
    use gridlease_core::score::{Merit, score};
    use gridlease_sdk::account::{BookEntry, offer_state};

    const NOW: UnixTs = UnixTs(1_000);

    fn provider() -> Provider {
        Provider { standing: 5_000, uptime: 5_000, ..Provider::zeroed() }
    }

    fn offer() -> Offer {
        let mut offer =
            Offer { ask: 400_000, floor: 100_000, units: 1, units_free: 1, stake_limit: u64::MAX, ..Offer::zeroed() };
        offer.header.state = offer_state::LIVE;
        offer.header.due_ts = 2_000;
        offer.spec.cpu_milli = 4_000;
        offer.spec.memory_mib = 8_192;
        offer.spec.flags = gridlease_core::requirement::flags::CPU_CLASS;
        offer
    }

    fn job() -> Job {
        let mut job = Job {
            max_price: 500_000,
            reserved: 100_000,
            close_ts: 1_012,
            max_duration_s: 600,
            weights: gridlease_core::limits::DEFAULT_WEIGHTS,
            ..Job::zeroed()
        };
        job.header.state = gridlease_core::job::JobState::Open as u8;
        job.requirement.cpu_milli = 1_000;
        job
    }

    fn rival(job: &mut Job, price: u64) {
        let merit = Merit { reputation: Bps(5_000), uptime: Bps(5_000), speed: Bps(5_000) };
        let weights = Weights::new(job.weights).unwrap();
        let score = score(&weights, &merit, PricePerHour(price), PricePerHour(job.max_price)).unwrap();
        job.book[0] = BookEntry { provider: Pubkey::new_from_array([9; 32]), price, offer: 1, score };
        job.book_len = 1;
    }

    fn decide_with(provider: &Provider, offer: &Offer, job: &Job, stake: u64, now: UnixTs) -> Decision {
        let key = Pubkey::new_from_array([7; 32]);
        let bond = Bond { amount: Atoms(stake), ..Bond::default() };
        let side = Side { provider_key: &key, provider, offer, bond, free_units: 1 };
        decide(&side, &Pubkey::new_from_array([5; 32]), job, now)
    }

    fn decision(offer: &Offer, job: &Job) -> Decision {
        decide_with(&provider(), offer, job, 10_000_000, NOW)
    }

    #[test]
    fn an_empty_book_is_bid_the_ask() {
        assert_eq!(decision(&offer(), &job()), Decision::Bid(PricePerHour(400_000)));
    }

    #[test]
    fn a_better_bid_is_beaten_by_a_little_and_never_below_the_floor() {
        let mut job = job();
        rival(&mut job, 300_000);
        let Decision::Bid(price) = decision(&offer(), &job) else { panic!("no bid") };
        assert!(price.0 < 300_000 && price.0 > 280_000, "{price:?}");
        rival(&mut job, 90_000);
        assert_eq!(
            decision(&offer(), &job),
            Decision::Bid(PricePerHour(400_000)),
            "the second place is taken at the ask"
        );
    }

    #[test]
    fn r32_no_bid_is_made_that_the_offer_s_limit_of_stake_does_not_cover() {
        let with = |stake_limit, bound| decision(&Offer { stake_limit, bound, ..offer() }, &job());
        assert!(matches!(with(u64::MAX, 0), Decision::Bid(_)));
        assert_eq!(with(0, 0), Decision::Leave(Reason::StakeLimit));
        assert_eq!(with(10_000_000, 9_999_999), Decision::Leave(Reason::StakeLimit), "what is bound is taken off");
    }

    #[test]
    fn a_book_that_is_full_of_better_bids_is_left_alone_and_one_that_is_beaten_is_not() {
        let mut job = job();
        rival(&mut job, 90_000); // below the floor, so that it is not outbid
        for at in 1..job.book.len() {
            job.book[at] = BookEntry { provider: Pubkey::new_from_array([10 + at as u8; 32]), ..job.book[0] };
            job.book_len = at as u8;
            assert!(matches!(decision(&offer(), &job), Decision::Bid(_)), "{at} bids leave room");
        }
        job.book_len = job.book.len() as u8;
        assert_eq!(decision(&offer(), &job), Decision::Leave(Reason::BookFull));
        let last = job.book.len() - 1;
        let mut dear = job;
        rival(&mut dear, 500_000);
        job.book[last] = BookEntry { provider: Pubkey::new_from_array([99; 32]), ..dear.book[0] };
        let decided = decision(&offer(), &job);
        assert!(matches!(decided, Decision::Bid(_)), "the last one is beaten: {decided:?}");
    }

    #[test]
    fn a_bid_that_leads_is_left_alone() {
        let mut job = job();
        rival(&mut job, 300_000);
        job.book[0].provider = Pubkey::new_from_array([7; 32]);
        assert_eq!(decision(&offer(), &job), Decision::Leave(Reason::Standing));
    }

    #[test]
    fn the_window_closes_at_its_second() {
        let at = |ts| decide_with(&provider(), &offer(), &job(), 10_000_000, UnixTs(ts));
        assert!(matches!(at(1_011), Decision::Bid(_)));
        assert_eq!(at(1_012), Decision::Leave(Reason::NotOpen));
    }

    #[test]
    fn an_offer_bids_where_it_lives_to_the_end_of_the_auction() {
        let mut offer = offer();
        for gone_by in [1_000, 1_012] {
            offer.header.due_ts = gone_by;
            assert_eq!(decision(&offer, &job()), Decision::Leave(Reason::OfferNotLive), "{gone_by}");
        }
        offer.header.due_ts = 1_013;
        assert!(matches!(decision(&offer, &job()), Decision::Bid(_)));
    }

    #[test]
    fn what_cannot_be_honoured_is_left() {
        let mut small = offer();
        small.spec.cpu_milli = 500;
        assert!(matches!(decision(&small, &job()), Decision::Leave(Reason::Unsatisfied(_))));
        let mut full = offer();
        full.units_free = 0;
        assert_eq!(decision(&full, &job()), Decision::Leave(Reason::Full));
        let mut dear = offer();
        (dear.ask, dear.floor) = (900_000, 800_000);
        assert_eq!(decision(&dear, &job()), Decision::Leave(Reason::BelowFloor));
        let poor = decide_with(&provider(), &offer(), &job(), 4_999_999, NOW);
        assert!(matches!(poor, Decision::Leave(Reason::Stake { .. })), "{poor:?}");
        let mut failed = job();
        failed.excluded[0] = [7; 8];
        failed.excluded_len = 1;
        assert_eq!(decision(&offer(), &failed), Decision::Leave(Reason::Excluded));
    }
}
