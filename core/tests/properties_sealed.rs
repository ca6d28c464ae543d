//! Sealed bids: a commitment binds, a forfeiture conserves, and every sealed bid has exactly one fate at any time.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::{any_u64, price};
use gridlease_core::bond::{lease_reservation, sealed_bond};
use gridlease_core::job::{EndReason, Job, JobState, Mode, SEALED_UNCOUNTED, Terms};
use gridlease_core::limits::{DEFAULT_WAIT, SEALED_BOND_LEAST};
use gridlease_core::sealed::{Bid, DOMAIN, Fate, fate, forfeit};
use gridlease_core::slash::SlashSplit;
use gridlease_core::{Atoms, Now, PricePerHour, RuleError, Seconds, UnixTs};
use proptest::prelude::*;

const T: u64 = 1_800_000_000;
const CLOSE: u64 = T + 20;
const END: u64 = CLOSE + 60;

fn terms(mode: Mode, reveal: u64) -> Terms {
    Terms {
        max_price: PricePerHour(1_000_000),
        max_duration: Seconds(3_600),
        window: Seconds(20),
        attempts: 2,
        mode,
        reveal: Seconds(reveal),
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    }
}

fn auction() -> Job {
    let mut job = waiting();
    job.on_commit(at(T)).unwrap();
    job.on_unsealed(job.reveal_end);
    job
}

/// Nobody has bid yet.
fn waiting() -> Job {
    Job::post(terms(Mode::Sealed, 60), at(T)).unwrap()
}

fn at(ts: u64) -> Now {
    Now { slot: ts * 5 / 2, ts: UnixTs(ts) }
}

fn bid() -> impl Strategy<Value = Bid> {
    // Few values, so that equal parts are common.
    let key = || prop::sample::select(vec![[0u8; 32], [1; 32], [2; 32]]);
    (key(), key(), key(), key(), prop::sample::select(vec![0u64, 1, 256, u64::MAX]), key()).prop_map(
        |(program, job, provider, offer, price, salt)| Bid {
            program,
            job,
            provider,
            offer,
            price: PricePerHour(price),
            salt,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn two_bids_share_a_preimage_exactly_where_they_are_the_same(a in bid(), b in bid()) {
        prop_assert_eq!(a.preimage() == b.preimage(), a == b);
        prop_assert!(a.preimage().starts_with(DOMAIN));
    }

    #[test]
    fn a_preimage_holds_every_part_at_its_place(a in bid()) {
        let bytes = a.preimage();
        prop_assert_eq!(&bytes[16..48], &a.program);
        prop_assert_eq!(&bytes[48..80], &a.job);
        prop_assert_eq!(&bytes[80..112], &a.provider);
        prop_assert_eq!(&bytes[112..144], &a.offer);
        prop_assert_eq!(&bytes[144..152], &a.price.0.to_le_bytes());
        prop_assert_eq!(&bytes[152..184], &a.salt);
    }

    #[test]
    fn r01_a_forfeited_bond_is_the_insurance_fund_s_whole(bond in any_u64()) {
        prop_assert_eq!(forfeit(Atoms(bond)), SlashSplit { victim: Atoms::ZERO, insurance: Atoms(bond) });
    }

    #[test]
    fn r01_a_bond_is_three_per_cent_of_the_cap_and_a_tenth_of_the_job_s_reservation_at_most(
        cap in any_u64(), most in price(), seconds in 60u64..=2_592_000,
    ) {
        let duration = Seconds(seconds);
        let bond = sealed_bond(Atoms(cap), most, duration).unwrap();
        let exact = (u128::from(cap) * 300).div_ceil(10_000);
        let bound = lease_reservation(most, most, duration).unwrap().0 / 10;
        prop_assert_eq!(u128::from(bond.0), exact.max(SEALED_BOND_LEAST.0.into()).min(bound.into()));
        prop_assert!(bond >= SEALED_BOND_LEAST, "the bound is never below the least");
    }

    #[test]
    fn a_sealed_bid_waits_then_can_be_revealed_then_forfeited_and_never_two_of_them(ts in T - 5..END + 20) {
        let expected = match ts {
            _ if ts < CLOSE => Fate::Wait,
            _ if ts < END => Fate::Reveal,
            _ => Fate::Forfeit,
        };
        prop_assert_eq!(fate(UnixTs(END), Some((&auction(), UnixTs::ZERO)), at(ts)), expected);
        prop_assert_eq!(fate(UnixTs(END), None, at(ts)), Fate::Release, "the job is gone");
    }

    #[test]
    fn the_award_never_comes_while_a_bid_of_the_round_can_be_revealed(
        steps in prop::collection::vec((0u64..12, 0u8..4, price()), 1..60),
    ) {
        let mut job = waiting();
        let mut now = at(T);
        let mut sealed: Vec<UnixTs> = Vec::new();
        for (wait, what, price) in steps {
            now = at(now.ts.0 + wait);
            match what {
                0 if job.check_commit(now.ts).is_ok() => {
                    job.on_commit(now).unwrap();
                    sealed.push(job.reveal_end);
                }
                1 => {
                    if let Some(round) = sealed.pop() {
                        match fate(round, Some((&job, now.ts)), now) {
                            Fate::Wait => sealed.push(round),
                            Fate::Reveal | Fate::Forfeit | Fate::Release => job.on_unsealed(round),
                        }
                    }
                }
                2 if job.check_award(now).is_ok() => {
                    let open = sealed.iter().any(|round| fate(*round, Some((&job, UnixTs::ZERO)), now) == Fate::Reveal);
                    prop_assert!(!open, "awarded at {now:?} over {sealed:?}");
                    job.unawarded(now).unwrap();
                    prop_assert!(job.state == JobState::Waiting && job.sealed == 0);
                }
                _ => prop_assert_eq!(job.check_bid(price, now.ts), Err(RuleError::WrongMode)),
            }
            let current = sealed.iter().filter(|round| **round == job.reveal_end).count();
            prop_assert_eq!(usize::from(job.sealed), current, "counted of {:?}", sealed);
        }
    }
}

#[test]
fn a_bid_of_a_job_that_ended_before_its_revealing_is_free_and_later_it_is_not() {
    for (ended, expected) in [(END - 1, Fate::Release), (END, Fate::Forfeit), (END + 1, Fate::Forfeit)] {
        let mut job = auction();
        job.cancel().unwrap();
        assert_eq!(fate(UnixTs(END), Some((&job, UnixTs(ended))), at(END + 5)), expected, "ended at {ended}");
    }
}

#[test]
fn commitments_end_and_the_award_begins_at_their_seconds() {
    let mut job = auction();
    assert_eq!((job.close_ts, job.reveal_end), (UnixTs(CLOSE), UnixTs(END)));
    assert_eq!(job.check_commit(UnixTs(CLOSE - 1)), Ok(()));
    assert_eq!(job.check_commit(UnixTs(CLOSE)), Err(RuleError::WindowClosed));
    assert_eq!(job.check_award(at(CLOSE)), Ok(()), "without a sealed bid there is nothing to wait for");
    job.on_commit(at(T)).unwrap();
    for (ts, expected) in [
        (CLOSE - 1, Err(RuleError::WindowOpen)),
        (CLOSE, Err(RuleError::RevealOpen)),
        (END - 1, Err(RuleError::RevealOpen)),
        (END, Ok(())),
    ] {
        assert_eq!(job.check_award(at(ts)), expected, "{ts}");
    }
    job.on_unsealed(job.reveal_end);
    assert_eq!(job.check_award(at(CLOSE)), Ok(()), "all are revealed");
    assert_eq!(job.check_award(at(CLOSE - 1)), Err(RuleError::WindowOpen));
}

#[test]
fn sealed_bids_beyond_the_count_are_taken_and_make_the_award_wait() {
    let mut job = auction();
    for _ in 0..300 {
        assert_eq!(job.check_commit(UnixTs(T)), Ok(()));
        job.on_commit(at(T)).unwrap();
    }
    for _ in 0..300 {
        job.on_unsealed(job.reveal_end);
    }
    assert_eq!(job.sealed, SEALED_UNCOUNTED);
    assert_eq!(job.check_award(at(END - 1)), Err(RuleError::RevealOpen));
    assert_eq!(job.check_award(at(END)), Ok(()));
}

#[test]
fn a_bid_of_an_earlier_round_is_not_counted_in_this_one() {
    let mut job = auction();
    job.on_commit(at(T)).unwrap();
    let first = job.reveal_end;
    job.unawarded(at(END)).unwrap();
    assert_eq!((job.sealed, job.state), (0, JobState::Waiting));
    job.on_commit(at(END)).unwrap();
    assert_eq!((job.sealed, job.close_ts, job.reveal_end), (1, UnixTs(END + 20), UnixTs(END + 80)));
    job.on_unsealed(first);
    assert_eq!(job.sealed, 1);
    assert_eq!(fate(first, Some((&job, UnixTs::ZERO)), at(END + 1)), Fate::Forfeit);
}

#[test]
fn an_instant_job_is_awarded_as_it_is_posted_and_goes_on_as_an_open_auction() {
    let mut job = Job::post(terms(Mode::Instant, 0), at(T)).unwrap();
    assert_eq!(job.check_bid(PricePerHour(1), UnixTs(T)), Err(RuleError::WindowClosed));
    let handed = job.award(PricePerHour(900_000), at(T)).unwrap();
    job.on_lease_end(EndReason::NoStart, handed, PricePerHour(900_000), false, UnixTs(T + 100)).unwrap();
    assert_eq!((job.attempts_left, job.state), (1, JobState::Waiting), "a failed start costs one attempt");
    assert_eq!(job.check_bid(PricePerHour(1), UnixTs(T + 119)), Ok(()));
    assert_eq!(job.check_commit(UnixTs(T + 119)), Err(RuleError::WrongMode));
    job.on_bid(true, 1, at(T + 119)).unwrap();
    assert_eq!((job.close_ts, job.reveal_end), (UnixTs(T + 139), UnixTs::ZERO));
}

#[test]
fn only_a_sealed_auction_has_a_time_to_reveal() {
    for (mode, reveal, ok) in [
        (Mode::Open, 0, true),
        (Mode::Open, 60, false),
        (Mode::Instant, 0, true),
        (Mode::Instant, 60, false),
        (Mode::Sealed, 0, false),
        (Mode::Sealed, 59, false),
        (Mode::Sealed, 60, true),
        (Mode::Sealed, 3_600, true),
        (Mode::Sealed, 3_601, false),
    ] {
        assert_eq!(terms(mode, reveal).check().is_ok(), ok, "{mode:?} with {reveal} s");
    }
    for byte in [3, 255] {
        assert_eq!(Mode::from_byte(byte), Err(RuleError::WrongMode));
    }
    for mode in [Mode::Open, Mode::Instant, Mode::Sealed] {
        assert_eq!(Mode::from_byte(mode as u8), Ok(mode));
    }
}
