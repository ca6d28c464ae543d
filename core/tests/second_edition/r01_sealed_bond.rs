//! R1. Who holds a provider's hot key posts a sealed job of its own, commits the victim's stake to it, never reveals, and is
//! paid 30 % of the bond that is forfeited.

use gridlease_core::bond::sealed_bond;
use gridlease_core::job::{Job, Mode, Terms};
use gridlease_core::limits::DEFAULT_WAIT;
use gridlease_core::rounding::{share_down, share_up};
use gridlease_core::sealed::{Fate, fate, forfeit};
use gridlease_core::slash::SlashSplit;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, Seconds, UnixTs};

use super::money::{Book, T, U};

/// The first edition: half a per cent of the cap, from 0.25 to 25 USDC; 30 % of it to the buyer.
fn first_bond(cap: Atoms) -> Atoms {
    share_up(cap, Bps(50)).unwrap().clamp(Atoms(250_000), Atoms(25 * U))
}

fn at(seconds: u64) -> Now {
    Now { slot: seconds * 5 / 2, ts: UnixTs(T.0 + seconds) }
}

fn first_forfeit(bond: Atoms) -> SlashSplit {
    let victim = share_down(bond, Bps(3_000)).unwrap();
    SlashSplit { victim, insurance: bond.sub(victim).unwrap() }
}

fn terms(max_price: u64, hours: u64, window: u64, reveal: u64) -> Terms {
    Terms {
        max_price: PricePerHour(max_price),
        max_duration: Seconds(hours * 3_600),
        window: Seconds(window),
        attempts: 1,
        mode: Mode::Sealed,
        reveal: Seconds(reveal),
        wait: DEFAULT_WAIT,
        review: Seconds::ZERO,
    }
}

/// The thief's purse and the victim's stake after `rounds` of posting, committing and keeping silent.
fn staged(rounds: u64, bond: Atoms, split: SlashSplit) -> (Book, Book, Book) {
    let (mut thief, mut victim, mut insurance) = (Book(0), Book(0), Book(0));
    for _ in 0..rounds {
        // The cap is only reserved: it comes back when the job ends without bids.
        victim.gives(bond);
        thief.gets(split.victim);
        insurance.gets(split.insurance);
    }
    (thief, victim, insurance)
}

#[test]
fn r01_a_thief_of_a_hot_key_gains_nothing_by_bids_that_it_never_reveals() {
    // A cap of 5,000 USDC over ten hours: five rounds of 12 s (6 to commit, 6 to reveal) in a minute.
    let cap = Atoms(5_000 * U);
    let before = first_bond(cap);
    let (thief, victim, _) = staged(5, before, first_forfeit(before));
    assert_eq!((thief.0, victim.0), (37_500_000, -125_000_000), "7.50 USDC every 12 s");

    let now = sealed_bond(cap, PricePerHour(500 * U), Seconds(36_000)).unwrap();
    assert_eq!(now, Atoms(150 * U), "three per cent");
    let (thief, victim, insurance) = staged(5, now, forfeit(now));
    assert_eq!(thief.0, 0, "it has nothing of it");
    assert_eq!(insurance.0, -victim.0, "all is the insurance fund's");
    // How often: a round takes 66 s at least, a sixth as often as before, and R32 bounds what one hot key binds at a time.
    assert!(terms(U, 1, 6, 6).check().is_err() && terms(U, 1, 6, 59).check().is_err());
    assert_eq!(terms(U, 1, 6, 60).check(), Ok(()));
    let mut job = Job::post(terms(U, 1, 6, 60), at(0)).unwrap();
    job.on_commit(at(0)).unwrap();
    assert_eq!(fate(job.reveal_end, Some((&job, UnixTs::ZERO)), at(65)), Fate::Reveal);
    assert_eq!(fate(job.reveal_end, Some((&job, UnixTs::ZERO)), at(66)), Fate::Forfeit);
}

#[test]
fn r01_a_friend_s_huge_cap_burns_no_more_than_a_tenth_of_what_the_lease_would_bind() {
    // Three per cent of a month's cap would be more than three times what the lease itself reserves.
    let (price, month) = (PricePerHour(1_000 * U), Seconds(720 * 3_600));
    let cap = terms(price.0, 720, 6, 60).cap().unwrap();
    let unbounded = share_up(cap, Bps(300)).unwrap();
    assert_eq!(unbounded, Atoms(21_600 * U));
    let bond = sealed_bond(cap, price, month).unwrap();
    assert_eq!(bond, Atoms(4_800 * U), "a tenth of 48,000 USDC");
    assert_eq!(Job::post(terms(price.0, 720, 6, 60), at(0)).unwrap().sealed_bond, bond);
    // The smallest job still binds something.
    assert_eq!(sealed_bond(Atoms(100_000), PricePerHour(1), Seconds(60)), Ok(Atoms(250_000)));
    assert_eq!(sealed_bond(Atoms::MAX, PricePerHour(u64::MAX), month), Err(RuleError::Overflow));
}
