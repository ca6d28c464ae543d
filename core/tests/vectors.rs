//! Golden vectors: what other implementations of the rules are checked against, calculated apart from this code with exact
//! fractions. Every number fits 53 bits, so that any JSON reader can take them.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

use gridlease_core::bond::{lease_reservation, sealed_bond};
use gridlease_core::book::{Book, Entry};
use gridlease_core::delegation::{SharePool, Stake};
use gridlease_core::job::{EndReason, Job, Mode, Terms, start_deadline};
use gridlease_core::lease::{Lease, LeaseState, Ran};
use gridlease_core::limits::{DEFAULT_WAIT, DEFAULT_WINDOW};
use gridlease_core::score::{Merit, Weights, auto_bid_price, score};
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::stream::{Split, accrued, billable_ms, runway_end, split};
use gridlease_core::verdict::Verdict;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The rows of a file; an empty file would prove nothing.
fn rows<T: DeserializeOwned>(text: &str) -> Vec<T> {
    let rows: Vec<T> = serde_json::from_str(text).unwrap();
    assert!(!rows.is_empty());
    rows
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Moment {
    slot: u64,
    ts: u64,
}

impl From<Moment> for Now {
    fn from(moment: Moment) -> Self {
        Now { slot: moment.slot, ts: UnixTs(moment.ts) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accrual {
    why: String,
    price_per_hour: u64,
    funds: u64,
    slot_ms: u32,
    start: Moment,
    now: Moment,
    runway_end: u64,
    billable_ms: u64,
    accrued: u64,
}

#[test]
fn accrual_agrees_with_its_vectors() {
    for row in rows::<Accrual>(include_str!("vectors/accrual.json")) {
        let (price, funds) = (PricePerHour(row.price_per_hour), Atoms(row.funds));
        let end = runway_end(UnixTs(row.start.ts), funds, price).unwrap();
        assert_eq!(end.0, row.runway_end, "{row:?}");
        let ms = billable_ms(row.start.into(), row.now.into(), end, row.slot_ms);
        assert_eq!(ms, row.billable_ms, "{}: {row:?}", row.why);
        assert_eq!(accrued(price, ms, funds).unwrap().0, row.accrued, "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    gross: u64,
    fee_bps: u16,
    net: u64,
    fee: u64,
}

#[test]
fn split_agrees_with_its_vectors() {
    for row in rows::<Parts>(include_str!("vectors/split.json")) {
        let expected = Split { net: Atoms(row.net), fee: Atoms(row.fee) };
        assert_eq!(split(Atoms(row.gross), Bps(row.fee_bps)), Ok(expected), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Scored {
    weights: [u16; 4],
    reputation: u16,
    uptime: u16,
    speed: u16,
    price: u64,
    max: u64,
    score: u32,
}

#[test]
fn score_agrees_with_its_vectors() {
    for row in rows::<Scored>(include_str!("vectors/score.json")) {
        let merit = Merit { reputation: Bps(row.reputation), uptime: Bps(row.uptime), speed: Bps(row.speed) };
        let weights = Weights::new(row.weights).unwrap();
        assert_eq!(score(&weights, &merit, PricePerHour(row.price), PricePerHour(row.max)), Ok(row.score), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AutoBid {
    why: String,
    weights: [u16; 4],
    reputation: u16,
    uptime: u16,
    speed: u16,
    ask: u64,
    floor: u64,
    max: u64,
    best: Option<u32>,
    price: u64,
}

#[test]
fn automatic_bids_agree_with_their_vectors() {
    for row in rows::<AutoBid>(include_str!("vectors/auto_bid.json")) {
        let merit = Merit { reputation: Bps(row.reputation), uptime: Bps(row.uptime), speed: Bps(row.speed) };
        let weights = Weights::new(row.weights).unwrap();
        let (ask, floor, max) = (PricePerHour(row.ask), PricePerHour(row.floor), PricePerHour(row.max));
        let price = auto_bid_price(&weights, &merit, ask, floor, max, row.best);
        assert_eq!(price, Ok(PricePerHour(row.price)), "{}: {row:?}", row.why);
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bid {
    provider: String,
    score: u32,
    price: u64,
    tie: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bidding {
    why: String,
    bids: Vec<Bid>,
    outcomes: Vec<String>,
    order: Vec<String>,
}

#[test]
fn books_agree_with_their_vectors() {
    for row in rows::<Bidding>(include_str!("vectors/book.json")) {
        let mut book = Book::new();
        let outcomes: Vec<String> = row.bids.iter().map(|bid| enter(&mut book, bid, &row.bids)).collect();
        assert_eq!(outcomes, row.outcomes, "{}", row.why);
        let order: Vec<String> = book.entries().iter().map(|entry| hex::encode(entry.provider)).collect();
        assert_eq!(order, row.order, "{}", row.why);
    }
}

/// Enters a bid; the ties are those of the row's bids.
fn enter(book: &mut Book, bid: &Bid, all: &[Bid]) -> String {
    let mut provider = [0; 32];
    hex::decode_to_slice(&bid.provider, &mut provider).unwrap();
    let entry = Entry { provider, offer: 0, score: bid.score, price: PricePerHour(bid.price), automatic: false };
    let tie = |provider: &[u8; 32]| all.iter().find(|bid| bid.provider == hex::encode(provider)).unwrap().tie;
    match book.insert(entry, tie) {
        Ok(inserted) => match inserted.displaced {
            Some(worst) => format!("displaced {}", hex::encode(worst.provider)),
            None => "entered".to_owned(),
        },
        Err(RuleError::BidNotImproved) => "not improved".to_owned(),
        Err(RuleError::BookFull) => "full".to_owned(),
        Err(other) => panic!("{other}"),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Reservation {
    max_price: u64,
    max_duration: u64,
    cap: u64,
    price: u64,
    handed: u64,
    stake: u64,
}

#[test]
fn reservations_agree_with_their_vectors() {
    for row in rows::<Reservation>(include_str!("vectors/reservation.json")) {
        let terms = Terms {
            max_price: PricePerHour(row.max_price),
            max_duration: Seconds(row.max_duration),
            window: DEFAULT_WINDOW,
            attempts: 1,
            mode: Mode::Open,
            reveal: Seconds::ZERO,
            wait: DEFAULT_WAIT,
            review: Seconds::ZERO,
        };
        let mut job = Job::post(terms, Now::default()).unwrap();
        assert_eq!(job.reserved.0, row.cap, "{row:?}");
        let price = PricePerHour(row.price);
        job.on_bid(true, 1, Now::default()).unwrap();
        let end = Now { slot: 0, ts: job.close_ts };
        assert_eq!(job.award(price, end), Ok(Atoms(row.handed)), "{row:?}");
        assert_eq!(lease_reservation(price, price, terms.max_duration), Ok(Atoms(row.stake)), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Start {
    awarded: u64,
    image_mb: u32,
    deadline: u64,
}

#[test]
fn start_deadlines_agree_with_their_vectors() {
    for row in rows::<Start>(include_str!("vectors/start_deadline.json")) {
        assert_eq!(start_deadline(UnixTs(row.awarded), row.image_mb), Ok(UnixTs(row.deadline)), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Slash {
    fault: String,
    reservation: u64,
    price: u64,
    charged: u64,
    victim: u64,
    insurance: u64,
}

#[test]
fn slashes_agree_with_their_vectors() {
    for row in rows::<Slash>(include_str!("vectors/slash.json")) {
        let fault = match row.fault.as_str() {
            "no start" => Fault::NoStart,
            "abandoned" => Fault::Abandoned,
            "unreachable" => Fault::Unreachable,
            other => panic!("unknown fault {other}"),
        };
        let case = Case {
            fault,
            reservation: Atoms(row.reservation),
            price: PricePerHour(row.price),
            charged: Atoms(row.charged),
            sealed_bond: Atoms::ZERO,
        };
        let parts = slash_for(&case).unwrap();
        assert_eq!((parts.victim.0, parts.insurance.0), (row.victim, row.insurance), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bound {
    price: u64,
    max_price: u64,
    max_duration: u64,
    stake: u64,
    cap: u64,
    sealed_bond: u64,
}

#[test]
fn r01_r12_what_a_bid_binds_agrees_with_its_vectors() {
    for row in rows::<Bound>(include_str!("vectors/stake.json")) {
        let (most, duration) = (PricePerHour(row.max_price), Seconds(row.max_duration));
        assert_eq!(lease_reservation(PricePerHour(row.price), most, duration), Ok(Atoms(row.stake)), "{row:?}");
        assert_eq!(sealed_bond(Atoms(row.cap), most, duration), Ok(Atoms(row.sealed_bond)), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    own: u64,
    exit: u64,
    claims: u64,
    delegated: u64,
    reservation: u64,
    claimed: u64,
    asked: u64,
    operators_part: u64,
    claim: u64,
    left: u64,
    own_after: u64,
    exit_after: u64,
}

#[test]
fn r06_claims_agree_with_their_vectors() {
    for row in rows::<Claim>(include_str!("vectors/claim.json")) {
        let pool = |assets| SharePool { assets: Atoms(assets), shares: assets };
        let mut stake = Stake {
            own: Atoms(row.own),
            exit: pool(row.exit),
            claims: pool(row.claims),
            delegated: pool(row.delegated),
            reserved: Atoms(row.reservation),
            ..Stake::default()
        };
        let (reservation, claimed) = (Atoms(row.reservation), Atoms(row.claimed));
        assert_eq!(stake.operators_part_down(reservation, claimed), Ok(Atoms(row.operators_part)), "{row:?}");
        let got = stake.claim(reservation, claimed, Atoms(row.asked)).unwrap();
        assert_eq!((got.amount.0, got.left.0), (row.claim, row.left), "{row:?}");
        assert_eq!((stake.own.0, stake.exit.assets.0), (row.own_after, row.exit_after), "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Decided {
    slash: u64,
    reservation: u64,
    operators_part: u64,
    charged: u64,
    prover: u64,
    victim: u64,
    insurance: u64,
}

#[test]
fn r34_verdicts_agree_with_their_vectors() {
    for row in rows::<Decided>(include_str!("vectors/verdict.json")) {
        let [slash, reservation, operators_part, charged] =
            [row.slash, row.reservation, row.operators_part, row.charged].map(Atoms);
        let split = Verdict { slash, reservation, operators_part, charged }.split().unwrap();
        let expected = (row.prover, row.victim, row.insurance);
        assert_eq!((split.prover.0, split.victim.0, split.insurance.0), expected, "{row:?}");
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Walk {
    why: String,
    price_per_hour: u64,
    reserved: u64,
    slot_ms: u32,
    fee_bps: u16,
    start_deadline: u64,
    awarded: Moment,
    steps: Vec<WalkStep>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct WalkStep {
    step: String,
    now: Moment,
    /// Of a top-up.
    amount: Option<u64>,
    /// Of an end: when the container ended, and for how many seconds it stood still.
    #[serde(default)]
    ended_ts: u64,
    #[serde(default)]
    stood_s: u64,
    /// What a settlement moves.
    net: Option<u64>,
    fee: Option<u64>,
    /// What an ending step gives back.
    back: Option<u64>,
    state: String,
    held: u64,
}

fn name(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Starting => "starting",
        LeaseState::Running => "running",
        LeaseState::Paused => "paused",
        LeaseState::Grace => "grace",
        LeaseState::Ended => "ended",
        LeaseState::Failed => "failed",
        LeaseState::Finished => "finished",
    }
}

#[test]
fn whole_leases_agree_with_their_vectors() {
    for row in rows::<Walk>(include_str!("vectors/lease.json")) {
        let (price, reserved) = (PricePerHour(row.price_per_hour), Atoms(row.reserved));
        let mut lease =
            Lease::open(price, reserved, row.slot_ms, Bps(row.fee_bps), row.awarded.into(), UnixTs(row.start_deadline));
        for step in &row.steps {
            let now = Now::from(step.now);
            let ran = Ran { until: UnixTs(step.ended_ts), stood: Seconds(step.stood_s) };
            let (mut moved, mut back) = (None, None);
            match step.step.as_str() {
                "ready" => lease.ready(now).unwrap(),
                "settle" => moved = Some(lease.settle(now).unwrap()),
                "top_up" => assert!(!lease.top_up(Atoms(step.amount.unwrap()), now).unwrap()),
                "stop" => back = Some(lease.stop(now).unwrap()),
                "completed" => back = Some(lease.finish(EndReason::Completed, ran, Seconds::ZERO, now).unwrap()),
                "abandoned" => back = Some(lease.finish(EndReason::Abandoned, ran, Seconds::ZERO, now).unwrap()),
                "out of funds" => back = Some(lease.finish(EndReason::OutOfFunds, ran, Seconds::ZERO, now).unwrap()),
                "give up" => back = Some(lease.fail_start(true, now).unwrap()),
                "expire" => back = Some(lease.expire(now).unwrap().unwrap_or_default()),
                "accept" => lease.accept(now).unwrap(),
                "reopen" => back = Some(lease.reopen(now).unwrap()),
                other => panic!("unknown step {other}"),
            }
            let seen = (moved.map(|moved| (moved.net.0, moved.fee.0)), back.map(Atoms::get), name(lease.state));
            let expected = (step.net.zip(step.fee), step.back, step.state.as_str());
            assert_eq!(seen, expected, "{}: {step:?}", row.why);
            assert_eq!(lease.held(), Ok(Atoms(step.held)), "{}: {step:?}", row.why);
        }
        let last = Now::from(row.steps[row.steps.len() - 1].now);
        assert_eq!(lease.check_close(last), Ok(()), "{}", row.why);
    }
}
