//! The picture of the market follows snapshots and changes.

use super::*;
use bytemuck::Zeroable as _;
use gridlease_sdk::account::VERSION;

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
fn a_snapshot_of_one_program_takes_out_what_is_gone_there_and_nothing_of_the_other() {
    let mut view = View::default();
    view.apply(&JOB, Some(&job(1)));
    view.apply(&LEASE, Some(&lease()));
    view.apply(&BOND, Some(&bond()));
    assert_eq!(view.replace(&MARKET, &[(LEASE, lease())]), []);
    assert_eq!(
        (view.job(&JOB).is_none(), view.lease(&LEASE).is_some(), view.bond(&BOND).is_some()),
        (true, true, true)
    );
    assert_eq!(view.revision(&JOB), None);
    assert_eq!(view.replace(&STAKING, &[]), []);
    assert_eq!((view.lease(&LEASE).is_some(), view.bond(&BOND).is_none()), (true, true));
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
    let mut view = View::with_limit(1);
    let foreign = Account { owner: Pubkey::default(), ..job(1) };
    assert_eq!(view.apply(&BOND, Some(&foreign)), Applied::Ignored);
    assert_eq!(view.apply(&JOB, Some(&job(1))), Applied::Changed);
    assert_eq!(view.apply(&LEASE, Some(&lease())), Applied::Full);
    assert_eq!(view.apply(&JOB, Some(&job(2))), Applied::Changed);
    assert_eq!(view.apply(&JOB, None), Applied::Removed);
    assert_eq!(view.apply(&LEASE, Some(&lease())), Applied::Changed);
    assert_eq!(view.sizes(), Sizes { leases: 1, ..Sizes::default() });
}
