//! Errors of arrays, their tasks and replicas.

use gridlease_sdk::address;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_sdk::instruction::{job, provider};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::{CAP, shape};
use gridlease_tests::svm::parties::{USDC, node_args};
use solana_signer::Signer;

use super::{Scenario, play};
use crate::swapped;

pub const ALL: &[Scenario] = &[
    ("market TaskOfArray", task_of_array),
    ("market GroupMissing", group_missing),
    ("market NoTaskRent", no_task_rent),
    ("market ArrayShape", array_shape),
    ("market ArrayBudget", array_budget),
    ("market ArrayFull", array_full),
    ("market ArrayShort", array_short),
    ("market TaskOutOfOrder", task_out_of_order),
    ("market TasksOpen", tasks_open),
    ("market Kin", kin),
];

#[test]
fn the_errors_of_arrays_come_as_they_are_named() {
    play(ALL);
}

fn refused(shape: ArrayShape) -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (post, _) = w.post_array(&buyer, shape, |_| {});
    w.refuse(post, &[&buyer.key])
}

fn array_shape() -> String {
    refused(ArrayShape { quorum: 11, ..shape() })
}

fn array_budget() -> String {
    refused(ArrayShape { budget: CAP - 1, ..shape() })
}

fn task_of_array() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, shape());
    let job = w.open_task(&posted)[0];
    w.refuse(job::close(&job, &buyer.purse, &posted), &[])
}

fn group_missing() -> String {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(100 * USDC), w.provider(|_| {}));
    let posted = w.array(&buyer, ArrayShape { replicas: 2, ..shape() });
    let job = w.open_task(&posted)[0];
    w.refuse(job::bid(&owner.node.pubkey(), &job, &owner.bidder(), 1_000_000), &[&owner.node])
}

/// An array whose prepaid rent went missing: no transaction takes it.
fn no_task_rent() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array_short_of_rent(&buyer);
    w.refuse(w.opening_of(&posted), &[])
}

fn array_full() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, ArrayShape { parallel: 1, ..shape() });
    w.open_task(&posted);
    w.refuse(w.opening_of(&posted), &[])
}

fn array_short() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, ArrayShape { budget: CAP, ..shape() });
    w.open_task(&posted);
    w.refuse(w.opening_of(&posted), &[])
}

fn task_out_of_order() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, shape());
    w.refuse(array::open_task(&posted, &buyer.purse, 1, 1), &[])
}

fn tasks_open() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, shape());
    w.open_task(&posted);
    w.cancel_array(&buyer, &posted);
    w.refuse(w.array_closing_of(&posted), &[])
}

/// The provider of the second replica takes the node key of the first one's.
fn kin() -> String {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let posted = w.array(&buyer, ArrayShape { count: 1, quorum: 1, replicas: 2, parallel: 1, budget: 2 * CAP });
    let jobs = w.open_task(&posted);
    w.start_task(&first, &jobs[0]);
    let same = provider::update_node(&second.authority.pubkey(), node_args(&first.node.pubkey()), &[second.offer]);
    w.ok(&[same], &[&second.authority]);
    let bid = swapped(&w.bid_of(&second, &jobs[1], 900_000), &second.node.pubkey(), first.node.pubkey());
    assert_ne!(address::task_group(&posted, 0), jobs[1]);
    w.refuse(bid, &[&first.node])
}
