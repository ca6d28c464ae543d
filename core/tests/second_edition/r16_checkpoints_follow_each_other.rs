//! R16: a node (or who stole its key) records checkpoint number 4,294,967,295, and no later one can ever be.

use gridlease_core::lease::Lease;
use gridlease_core::{Atoms, RuleError, Seconds};

use crate::books::{T, at, running};

/// The first edition took any number above the last one, at any time.
fn taken_in_the_first_edition(seq: u32, last: u32) -> bool {
    seq > last
}

#[test]
fn r16_no_checkpoint_can_be_the_last_one_for_ever() {
    assert!(taken_in_the_first_edition(u32::MAX, 0));
    assert!(
        (1..=1_000).all(|seq| !taken_in_the_first_edition(seq, u32::MAX)),
        "a next lease confirms nothing any more"
    );

    let durable = Lease { checkpoint_every: Seconds(600), ..running() };
    let checkpoint = |seq, last, ts| { durable }.checkpoint(seq, last, at(ts));
    assert_eq!(checkpoint(u32::MAX, 0, T + 600), Err(RuleError::StaleCheckpoint));
    assert_eq!(checkpoint(7, 7, T + 600), Err(RuleError::StaleCheckpoint));
    assert_eq!(checkpoint(8, 7, T + 600), Ok(()));
    assert_eq!(checkpoint(0, u32::MAX, T + 600), Err(RuleError::StaleCheckpoint));
}

#[test]
fn r16_what_is_confirmed_is_not_what_a_node_says_just_before_it_leaves() {
    let mut lease = Lease { checkpoint_every: Seconds(600), ..running() };
    assert_eq!({ lease }.checkpoint(1, 0, at(T + 149)), Err(RuleError::TooEarly), "a quarter of what the job asked");
    lease.checkpoint(1, 0, at(T + 150)).unwrap();
    assert_eq!({ lease }.checkpoint(2, 1, at(T + 299)), Err(RuleError::TooEarly));
    lease.checkpoint(2, 1, at(T + 300)).unwrap();
    assert_eq!(lease.confirmed, Atoms(300_000));
}
