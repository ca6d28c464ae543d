//! Notice: a provider may leave without fault where that was agreed, and the job goes on.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::requirement::flags;
use gridlease_sdk::account::{Bond, Job, Lease, Provider as Record, Purse};
use gridlease_sdk::instruction::{lease, supervision};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::steps::outcome;
use solana_signer::Signer;

use crate::{swapped, unsigned};

#[test]
fn a_spot_provider_may_leave_two_minutes_after_its_notice_and_another_after_what_was_agreed() {
    for (spot, agreed, takes) in [(true, 0, 120), (true, 600, 120), (false, 300, 300)] {
        for (at, leaves) in [(takes - 1, false), (takes, true), (takes + 1, true)] {
            let mut w = World::new();
            let buyer = w.buyer(20 * USDC);
            let owner = w.provider(|supply| supply.spec.flags |= if spot { flags::SPOT } else { 0 });
            let keys = w.running(&buyer, &owner, 1_800_000, |args| {
                args.requirement.flags |= flags::SPOT;
                args.notice_s = agreed;
            });
            w.pass(100);
            assert_eq!(w.give_notice(&owner, &keys).told(), ["NoticeGiven"]);
            assert_eq!(w.read::<Lease>(&keys.lease).notice_end, w.now().ts.0 + takes);
            w.pass(at);
            let finish = lease::finish(&owner.node.pubkey(), &keys, EndReason::Notice, outcome());
            if leaves {
                assert_eq!(w.ok(&[finish], &[&owner.node]).told(), ["LeaseEnded"]);
            } else {
                assert_eq!(w.refuse(finish, &[&owner.node]), "market TooEarly", "{at} of {takes} s");
            }
        }
    }
}

#[test]
fn r30_leaving_with_notice_is_no_fault_the_job_goes_on_and_nothing_is_billed_beyond_the_notice() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let (owner, next) = (w.provider(|_| {}), w.provider(|_| {}));
    let keys = w.running(&buyer, &owner, 1_800_000, |args| args.notice_s = 60);
    w.give_notice(&owner, &keys);
    w.pass(100);
    w.finish(&owner, &keys, EndReason::Notice);
    let job: Job = w.read(&keys.job);
    assert_eq!((job.state(), job.attempts_left, job.reserved), (Some(JobState::Waiting), 2, 3_600_000 - 60 * 500));
    assert!(job.excludes(&owner.record));
    w.settle(&keys);
    w.close_lease(&keys);
    let (record, bond): (Record, Bond) = (w.read(&owner.record), w.read(&owner.bond));
    assert_eq!((record.faulted, record.completed, record.standing, bond.slashed_total), (0, 0, 5_000, 0));
    assert_eq!(
        w.tokens(&owner.payout),
        60 * 490,
        "paid to the second at which its notice was over, not to its message"
    );
    w.bid(&next, &keys.job, 1_800_000);
    w.close_window(&keys.job);
    let lease = w.award(&keys.job);
    let keys = w.keys(&lease);
    w.ready(&next, &keys);
    w.pass(100);
    w.finish(&next, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
}

#[test]
fn a_second_notice_changes_nothing_and_a_lease_under_notice_can_end_in_every_other_way() {
    for how in ["stop", "complete", "abandon"] {
        let mut w = World::new();
        let buyer = w.buyer(20 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_800_000, |args| args.notice_s = 600);
        w.ok(&[supervision::give_notice(&owner.authority.pubkey(), &keys)], &[&owner.authority]);
        w.pass(100);
        w.changes_nothing_by(supervision::give_notice(&owner.node.pubkey(), &keys), &[&owner.node]);
        match how {
            "stop" => w.stop(&buyer, &keys),
            "complete" => w.finish(&owner, &keys, EndReason::Completed),
            _ => w.abandon(&owner, &keys),
        };
        assert_eq!(w.read::<Record>(&owner.record).faulted, u32::from(how == "abandon"));
        w.settle(&keys);
        w.close_lease(&keys);
        assert_eq!(w.tokens(&owner.payout), 49_000);
    }
}

#[test]
fn only_the_provider_gives_notice_and_only_where_one_was_agreed() {
    let mut w = World::new();
    let buyer = w.buyer(40 * USDC);
    let (owner, other) = (w.provider(|supply| supply.units = 4), w.provider(|_| {}));
    let plain = w.running(&buyer, &owner, 1_000_000, |_| {});
    let node = owner.node.pubkey();
    assert_eq!(w.refuse(supervision::give_notice(&node, &plain), &[&owner.node]), "market NoNotice");
    let finish = lease::finish(&node, &plain, EndReason::Notice, outcome());
    assert_eq!(w.refuse(finish, &[&owner.node]), "market NoNotice");

    let keys = w.starting(&buyer, &owner, 1_000_000, |args| args.notice_s = 60);
    let notice = supervision::give_notice(&node, &keys);
    assert_eq!(w.refuse(notice.clone(), &[&owner.node]), "market WrongState", "not ready");
    w.ready(&owner, &keys);
    let finish = lease::finish(&node, &keys, EndReason::Notice, outcome());
    assert_eq!(w.refuse(finish, &[&owner.node]), "market NoNotice", "agreed, but not given");
    assert_eq!(unsigned(&mut w, &notice, 0), "market AccountNotSigner");
    for (who, key) in [("buyer", &buyer.key), ("another node", &other.node)] {
        assert_eq!(w.refuse(supervision::give_notice(&key.pubkey(), &keys), &[key]), "market NotNodeKey", "{who}");
    }
    let by_other = swapped(&supervision::give_notice(&other.node.pubkey(), &keys), &owner.record, other.record);
    assert_eq!(w.refuse(by_other, &[&other.node]), "market Unrelated");
    w.stop(&buyer, &keys);
    assert_eq!(w.refuse(notice, &[&owner.node]), "market WrongState", "over");
}
