//! R26: an owner that signs in days can react in seconds through its guardian, and who steals that key takes nothing out.

use gridlease_core::period_cap::PeriodCap;
use gridlease_core::purse_key::{PurseKey, PurseStep};
use gridlease_core::{Atoms, Seconds, UnixTs};

const DAY: u64 = 24 * 3_600;

/// The first edition: the owner alone, and the spender for posting.
fn first_edition(key: PurseKey, step: PurseStep) -> bool {
    key == PurseKey::Owner || (key == PurseKey::Spender && step == PurseStep::Post)
}

#[test]
fn r26_a_multisig_that_signs_in_two_days_rejects_a_dud_within_its_90_seconds() {
    let (multisig, guardian, window) = (2 * DAY, 5, 90);
    let reacts = |may: &dyn Fn(PurseKey, PurseStep) -> bool, step| {
        (may(PurseKey::Owner, step) && multisig <= window) || (may(PurseKey::Guardian, step) && guardian <= window)
    };
    for step in [PurseStep::Reject, PurseStep::Stop, PurseStep::Reopen, PurseStep::Accept, PurseStep::Speak] {
        assert!(!reacts(&first_edition, step), "{step:?}: too late, every time");
        assert!(reacts(&|key: PurseKey, step| key.may(step), step), "{step:?}");
    }
}

#[test]
fn r26_a_stolen_guardian_key_costs_its_cap_per_period_and_no_more() {
    // The thief runs the provider of one of the victim's leases, tops it up with all it can, and is found after a week.
    let purse = 10_000_000_000u64;
    let cap = Atoms(100_000_000);
    let (mut guardian, mut taken) = (PeriodCap::set(cap, Seconds(DAY), UnixTs(0)).unwrap(), 0);
    for hour in 0..7 * 24 {
        let now = UnixTs(hour * 3_600);
        let left = guardian.left(now);
        if let Some(next) = (!left.is_zero()).then(|| guardian.spend(left, now)).flatten() {
            (guardian, taken) = (next, taken + left.0);
        }
    }
    assert_eq!(taken, 7 * cap.0, "700 of 10,000 USDC");
    assert!(taken < purse);
    for step in [PurseStep::Withdraw, PurseStep::SetKey, PurseStep::Close, PurseStep::Post] {
        assert!(!PurseKey::Guardian.may(step), "{step:?}");
    }
    assert!(PeriodCap::default().spend(Atoms(1), UnixTs(0)).is_none(), "a guardian without a cap pays for nothing");
}
