//! The picture of the market follows snapshots and changes.

use super::*;
use crate::account::VERSION;
use bytemuck::Zeroable as _;

const JOB: Pubkey = Pubkey::new_from_array([1; 32]);
const LEASE: Pubkey = Pubkey::new_from_array([2; 32]);
const BOND: Pubkey = Pubkey::new_from_array([3; 32]);

fn bytes<T: Kind>(value: &T) -> Account {
    let mut data = T::DISCRIMINATOR.to_vec();
    data.extend_from_slice(bytemuck::bytes_of(value));
    // What follows the fixed part, a job's URI for instance, is no part of the view.
    data.extend_from_slice(b"https://tail");
    Account { lamports: 1, data, owner: T::owner(), ..Account::default() }
}

fn job(number: u64) -> Account {
    let mut job = Job::zeroed();
    job.header.version = VERSION;
    job.number = number;
    bytes(&job)
}

fn lease() -> Account {
    let mut lease = Lease::zeroed();
    lease.header.version = VERSION;
    bytes(&lease)
}

fn bond() -> Account {
    let mut bond = Bond::zeroed();
    bond.header.version = VERSION;
    bytes(&bond)
}

#[test]
fn an_account_that_comes_changes_and_goes_is_told_apart_from_one_that_stays_the_same() {
    let mut view = View::default();
    assert_eq!(view.revision(&JOB), None);
    assert_eq!(view.apply(&JOB, Some(&job(1))), Applied::Changed);
    let first = view.revision(&JOB);
    assert!(first.is_some());
    assert_eq!(view.apply(&JOB, Some(&job(1))), Applied::Unchanged);
    assert_eq!(view.revision(&JOB), first);
    assert_eq!(view.apply(&JOB, Some(&job(2))), Applied::Changed);
    assert_ne!(view.revision(&JOB), first);
    assert_eq!(view.job(&JOB).map(|job| job.number), Some(2));
    assert_eq!(view.apply(&JOB, None), Applied::Removed);
    assert_eq!((view.revision(&JOB), view.job(&JOB).is_none()), (None, true));
    assert_eq!(view.apply(&JOB, None), Applied::Unchanged);
}

#[test]
fn an_account_without_lamports_or_of_somebody_else_is_gone() {
    let changes: [fn(&mut Account); 2] = [|account| account.lamports = 0, |account| account.owner = Pubkey::default()];
    for change in changes {
        let mut view = View::default();
        view.apply(&JOB, Some(&job(1)));
        let mut closed = job(1);
        change(&mut closed);
        assert_eq!(view.apply(&JOB, Some(&closed)), Applied::Removed);
        assert!(view.is_empty());
    }
}

#[test]
fn issue9_15_a_list_that_is_short_wipes_nothing_and_tells_what_is_missing() {
    let mut view = View::default();
    view.apply(&JOB, Some(&job(1)));
    view.apply(&LEASE, Some(&lease()));
    view.apply(&BOND, Some(&bond()));
    assert_eq!(view.take_in(&MARKET, &[(LEASE, lease())]), (vec![], vec![JOB]));
    assert_eq!(view.take_in(&MARKET, &[]), (vec![], vec![JOB, LEASE]));
    assert_eq!(view.take_in(&STAKING, &[]), (vec![], vec![BOND]));
    assert_eq!(
        (view.job(&JOB).is_some(), view.lease(&LEASE).is_some(), view.bond(&BOND).is_some()),
        (true, true, true)
    );
    assert_eq!(view.apply(&JOB, None), Applied::Removed);
    assert_eq!(view.take_in(&MARKET, &[(LEASE, lease())]), (vec![], vec![]));
}

#[test]
fn an_account_of_another_version_is_left_out_and_said_so() {
    let mut view = View::default();
    view.apply(&JOB, Some(&job(1)));
    let mut newer = job(1);
    newer.data[8] = VERSION + 1;
    assert!(matches!(view.apply(&JOB, Some(&newer)), Applied::Unreadable(DecodeError::WrongVersion { .. })));
    assert!(view.is_empty());
    let short = Account { data: job(1).data[..50].to_vec(), ..job(1) };
    assert!(matches!(view.apply(&JOB, Some(&short)), Applied::Unreadable(_)));
}

#[test]
fn other_accounts_are_ignored_and_a_full_view_still_follows_what_it_holds() {
    let mut view = View::new(1, Shard::WHOLE);
    let foreign = Account { owner: Pubkey::default(), ..job(1) };
    assert_eq!(view.apply(&BOND, Some(&foreign)), Applied::Ignored);
    assert_eq!(view.apply(&JOB, Some(&job(1))), Applied::Changed);
    assert_eq!(view.apply(&BOND, Some(&bond())), Applied::Full);
    assert_eq!(view.apply(&JOB, Some(&job(2))), Applied::Changed);
    assert_eq!(view.apply(&JOB, None), Applied::Removed);
    assert_eq!(view.apply(&BOND, Some(&bond())), Applied::Changed);
    assert_eq!(view.sizes(), Sizes { bonds: 1, ..Sizes::default() });
}

#[test]
fn issue9_18_a_full_view_holds_what_matters_most_and_takes_in_the_rest_when_there_is_room_again() {
    let due = |ts| {
        let mut job = Job::zeroed();
        (job.header.version, job.header.due_ts) = (VERSION, ts);
        bytes(&job)
    };
    let [soon, later, latest] = [11, 12, 13].map(|byte| Pubkey::new_from_array([byte; 32]));
    let mut view = View::new(2, Shard::WHOLE);
    assert_eq!(view.apply(&BOND, Some(&bond())), Applied::Changed);
    assert_eq!(view.apply(&latest, Some(&due(300))), Applied::Changed);
    // More urgent ones take the places of those that are less so.
    assert_eq!(view.apply(&soon, Some(&due(100))), Applied::Changed);
    assert_eq!((view.bond(&BOND).is_none(), view.revision(&BOND), view.left_out()), (true, None, 1));
    assert_eq!(view.apply(&later, Some(&due(200))), Applied::Changed);
    assert_eq!((view.job(&soon).is_some(), view.job(&later).is_some(), view.left_out()), (true, true, 2));
    assert_eq!(view.apply(&latest, Some(&due(300))), Applied::Full);
    assert_eq!(view.room_for(10), []);
    // The number falls: what was left out comes in again, the most urgent first.
    assert_eq!(view.apply(&soon, None), Applied::Removed);
    assert_eq!(view.room_for(10), [latest]);
    assert_eq!(view.apply(&latest, Some(&due(300))), Applied::Changed);
    assert_eq!((view.room_for(10), view.left_out()), (vec![], 1));
    // And what is gone needs no place.
    assert_eq!(view.apply(&BOND, None), Applied::Unchanged);
    assert_eq!(view.left_out(), 0);
}

#[test]
fn a_full_view_holds_its_own_shard_before_another() {
    let of = |shard| {
        let mut job = Job::zeroed();
        (job.header.version, job.header.shard) = (VERSION, shard);
        bytes(&job)
    };
    let [other, own] = [11, 12].map(|byte| Pubkey::new_from_array([byte; 32]));
    let mut view = View::new(1, Shard::new(1, 2).unwrap());
    assert_eq!(view.apply(&other, Some(&of(2))), Applied::Changed);
    assert_eq!(view.apply(&own, Some(&of(3))), Applied::Changed);
    assert_eq!((view.job(&own).is_some(), view.job(&other).is_none()), (true, true));
    assert_eq!(view.apply(&other, Some(&of(2))), Applied::Full);
}

#[test]
fn a_full_view_leaves_out_anything_before_what_is_its_holders_own() {
    let mut view = View::new(2, Shard::WHOLE).holding([BOND]);
    let [first, second] = [11, 12].map(|byte| Pubkey::new_from_array([byte; 32]));
    assert_eq!(view.apply(&BOND, Some(&bond())), Applied::Changed);
    assert_eq!(view.apply(&first, Some(&job(1))), Applied::Changed);
    assert_eq!(view.apply(&second, Some(&job(2))), Applied::Full);
    // A lease comes before a job, and even that not before its own.
    assert_eq!(view.apply(&LEASE, Some(&lease())), Applied::Changed);
    assert_eq!((view.bond(&BOND).is_some(), view.job(&first).is_some()), (true, false));
    // However late it comes.
    let mut view = View::new(1, Shard::WHOLE).holding([BOND]);
    view.apply(&LEASE, Some(&lease()));
    assert_eq!(view.apply(&BOND, Some(&bond())), Applied::Changed);
    assert_eq!(view.sizes(), Sizes { bonds: 1, ..Sizes::default() });
}
