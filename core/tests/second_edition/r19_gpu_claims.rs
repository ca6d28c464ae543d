//! R19: a rival claims the GPUs of an owner by their public hashes, on the day that the owner's own claims lapse.

use gridlease_core::gpu_claim::{Claims, check_backing};
use gridlease_core::limits::{CLAIM_STAKE, CLAIM_STALE};
use gridlease_core::{Atoms, RuleError, UnixTs};

const DAY: u64 = 24 * 3_600;

/// The rule of the first edition: a day after the expiry, and nothing behind a claim.
fn first_edition_is_stale(claims: &Claims, expiry: UnixTs, now: UnixTs) -> bool {
    claims.units == claims.units_free && now.0 >= expiry.0 + DAY
}

#[test]
fn r19_an_owner_that_is_down_over_a_weekend_keeps_its_gpus() {
    let owner = Claims { units: 8, units_free: 8, gpu_count: 1, claimed: 8 };
    let expiry = UnixTs(1_000);
    let monday = UnixTs(expiry.0 + 3 * DAY);
    assert!(first_edition_is_stale(&owner, expiry, monday), "the victim lost all eight");
    assert!(!owner.is_stale(expiry, monday));
    assert!(owner.is_stale(expiry, UnixTs(expiry.0 + CLAIM_STALE.0)), "a GPU that was sold is not bound for ever");
    assert_eq!(CLAIM_STALE.0, 7 * DAY);
}

#[test]
fn r19_a_live_lease_keeps_the_claims_for_ever() {
    let leased = Claims { units: 8, units_free: 7, gpu_count: 1, claimed: 8 };
    assert!(!leased.is_stale(UnixTs(0), UnixTs::MAX));
}

#[test]
fn r19_a_thousand_squatted_gpus_bind_a_thousand_usdc() {
    // In the first edition: rent alone, all of which comes back.
    let squatted = 1_000;
    assert_eq!(check_backing(Atoms::ZERO, squatted), Err(RuleError::ClaimsUnbacked));
    assert_eq!(check_backing(Atoms(1_000 * CLAIM_STAKE.0 - 1), squatted), Err(RuleError::ClaimsUnbacked));
    assert_eq!(check_backing(Atoms(1_000_000_000), squatted), Ok(()));
    assert_eq!(check_backing(Atoms::ZERO, 0), Ok(()), "a machine without a GPU claims none");
    assert_eq!(check_backing(Atoms::MAX, u32::MAX), Ok(()));
}
