//! Faults: a lease that never started, one that was abandoned, and the stake that pays for it.

use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Bond, Job, Lease, Provider as Record, Purse, Reservation};
use gridlease_sdk::address;
use gridlease_sdk::event::MarketEvent;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::{TOKEN_PROGRAM, job, stake};
use gridlease_tests::svm::parties::{Provider, USDC};
use gridlease_tests::svm::steps::outcome;
use gridlease_tests::svm::{World, metered_ms};
use solana_signer::Signer;

use crate::{swapped, unsigned};

fn late(w: &mut World) {
    w.pass(141);
}

#[test]
fn a_lease_that_never_started_costs_one_per_cent_of_its_stake_and_all_of_it_goes_to_insurance() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_800_000, |args| args.attempts = 1);
    // Twice the revenue of two hours: 7.20 USDC are reserved, 72,000 atoms are lost.
    late(&mut w);
    let done = w.fail_start(&keys);
    assert_eq!(done.told(), ["LeaseEnded", "FaultSlashed", "Slashed"]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.slashed_total, bond.reserved), (99_928_000, 72_000, 7_128_000));
    let vault = address::bond_vault(&owner.bond);
    assert_eq!((w.tokens(&vault), w.tokens(&w.insurance)), (99_928_000, 72_000), "tokens really moved");
    assert_eq!(w.tokens(&buyer.vault), 10 * USDC, "a buyer that was charged nothing gets nothing: it could stage this");
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance, purse.reserved), (10_000_000, 0));
    let ended: Job = w.read(&keys.job);
    assert_eq!((ended.state(), ended.end_reason()), (Some(JobState::Ended), EndReason::NoStart));
    let record: Record = w.read(&owner.record);
    assert_eq!((record.faulted, record.standing, record.leases), (1, 3_333, 1));

    w.close_lease(&keys);
    w.close_job(&buyer, &keys.job);
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.leases, record.completed, record.earned), (0, 0, 0));
    w.withdraw(&buyer, 10_000_000);
}

#[test]
fn the_runner_up_takes_over_at_its_own_higher_price_and_the_failed_provider_is_excluded() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let job = w.job(&buyer, |_| {});
    w.bid(&first, &job, 900_000);
    w.bid(&second, &job, 1_700_000);
    w.close_window(&job);
    let failed = w.award(&job);
    let failed = w.keys(&failed);
    late(&mut w);
    let done = w.fail_start(&failed);
    assert_eq!(done.told(), ["LeaseEnded", "FaultSlashed", "Slashed"], "the job goes on");
    let open: Job = w.read(&job);
    assert_eq!((open.state(), open.attempts_left, open.reserved), (Some(JobState::Open), 2, 3_600_000));
    assert!(open.excludes(&first.record));
    let bid = w.bid_of(&first, &job, 500_000);
    assert_eq!(w.refuse(bid, &[&first.node]), "market WindowClosed");
    let cheaper = w.provider(|_| {});
    let bid = w.bid_of(&cheaper, &job, 600_000);
    assert_eq!(w.refuse(bid, &[&cheaper.node]), "market WindowClosed", "the runner-up is next, at once");

    let lease = w.award(&job);
    let keys = w.keys(&lease);
    let opened: Lease = w.read(&lease);
    assert_eq!((opened.number, opened.price, opened.reserved), (1, 1_700_000, 3_400_000));
    assert_eq!(opened.provider, second.record);
    w.ready(&second, &keys);
    w.pass(600);
    w.finish(&second, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    w.close_lease(&failed);
    assert_eq!(w.tokens(&second.payout), 277_666);
    assert_eq!((w.tokens(&first.payout), w.read::<Purse>(&buyer.purse).reserved), (0, 0));
}

#[test]
fn r31_with_an_empty_book_the_job_waits_for_a_new_bid_and_the_excluded_provider_cannot_make_it() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|supply| supply.auto_bid = true);
    let other = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    late(&mut w);
    w.fail_start(&keys);
    let open: Job = w.read(&keys.job);
    assert_eq!((open.state(), open.attempts_left), (Some(JobState::Waiting), 2), "one attempt, not two");
    assert_eq!((open.close_ts, open.expires_at), (0, w.now().ts.0 + 86_400), "it waits anew, without a window");
    let bid = w.bid_of(&owner, &keys.job, 900_000);
    assert_eq!(w.refuse(bid, &[&owner.node]), "market Excluded");
    assert_eq!(w.refuse(job::enter_offer(&keys.job, &owner.bidder()), &[]), "market Excluded");
    w.pass(600);
    w.bid(&other, &keys.job, 1_000_000);
    assert_eq!(w.read::<Job>(&keys.job).close_ts, w.now().ts.0 + 12, "the first bid opens the window");
    let elsewhere = w.job(&buyer, |_| {});
    w.bid(&owner, &elsewhere, 900_000);
    w.close_window(&keys.job);
    w.award(&keys.job);
}

#[test]
fn after_as_many_failures_as_attempts_the_job_ends_and_returns_everything() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners: Vec<_> = (0..3).map(|_| w.provider(|_| {})).collect();
    let job = w.job(&buyer, |args| args.attempts = 2);
    for (owner, price) in owners.iter().zip([1_000_000, 1_100_000, 1_200_000]) {
        w.bid(owner, &job, price);
    }
    w.close_window(&job);
    let mut leases = Vec::new();
    for owner in owners.iter().take(2) {
        let lease = w.award(&job);
        let keys = w.keys(&lease);
        assert_eq!(keys.provider, owner.record);
        late(&mut w);
        w.fail_start(&keys);
        leases.push(keys);
    }
    let ended: Job = w.read(&job);
    assert_eq!(
        (ended.state(), ended.end_reason(), ended.attempts_left),
        (Some(JobState::Ended), EndReason::NoStart, 0)
    );
    assert_eq!(w.read::<Purse>(&buyer.purse).reserved, 0);
    let award = w.award_of(&job);
    w.changes_nothing(award);
    w.close_job(&buyer, &job);
    for keys in leases {
        w.close_lease(&keys);
    }
    assert_eq!(w.read::<Bond>(&owners[2].bond).slashed_total, 0);
}

#[test]
fn eight_attempts_exclude_eight_providers() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owners: Vec<_> = (0..8).map(|_| w.provider(|_| {})).collect();
    let job = w.job(&buyer, |args| args.attempts = 8);
    for (owner, price) in owners.iter().zip(1_000_000..) {
        w.bid(owner, &job, price);
    }
    w.close_window(&job);
    for owner in &owners {
        let lease = w.award(&job);
        let keys = w.keys(&lease);
        assert_eq!(keys.provider, owner.record);
        late(&mut w);
        w.fail_start(&keys);
    }
    let ended: Job = w.read(&job);
    assert_eq!((ended.excluded_len, ended.leases, ended.state()), (8, 8, Some(JobState::Ended)));
    assert!(owners.iter().all(|owner| ended.excludes(&owner.record)));
}

#[test]
fn abandoning_costs_ten_per_cent_of_which_the_buyer_gets_back_what_it_is_charged_and_the_job_goes_on() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(20);
    let done = w.abandon(&owner, &keys);
    assert_eq!(done.told(), ["LeaseEnded", "FaultSlashed", "Slashed"]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.slashed_total, bond.claims_assets), (710_000, 10_000));
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance, w.claimed(&keys.lease)), (10_000_000, 10_000), "20 s at 500 atoms, without a minimum");
    assert_eq!(purse.reserved, 3_600_000, "what is owed, and the rest for the next provider");
    assert_eq!(w.tokens(&w.insurance), 710_000);
    let open: Job = w.read(&keys.job);
    assert_eq!((open.state(), open.attempts_left, open.reserved), (Some(JobState::Waiting), 2, 3_590_000));
    // R31: it waits; and what a lease left behind that another one does anew says nothing about the job.
    assert_eq!((open.close_ts, open.exit()), (0, None));
    assert_eq!(w.read::<Lease>(&keys.lease).exit(), Some(0));
    assert!(open.excludes(&owner.record));
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&owner.payout), 9_800);
    let record: Record = w.read(&owner.record);
    assert_eq!((record.faulted, record.completed, record.standing), (1, 0, 3_333));

    let next = w.provider(|_| {});
    w.bid(&next, &keys.job, 1_800_000);
    w.close_window(&keys.job);
    let lease = w.award(&keys.job);
    let keys = w.keys(&lease);
    assert_eq!(w.read::<Lease>(&lease).reserved, 3_590_000, "no more than is left");
    w.ready(&next, &keys);
    w.pass(100);
    w.finish(&next, &keys, EndReason::Completed);
    w.wind_up(&buyer, &keys);
    assert_eq!((w.tokens(&next.payout), w.read::<Purse>(&buyer.purse).reserved), (49_000, 0));
}

#[test]
fn an_abandoned_job_ends_where_no_attempt_or_too_little_money_is_left() {
    for (attempts, seconds, state) in
        [(1, 20, JobState::Ended), (2, 6_600, JobState::Waiting), (2, 6_601, JobState::Ended)]
    {
        let mut w = World::new();
        let buyer = w.buyer(10 * USDC);
        let owner = w.provider(|_| {});
        let keys = w.running(&buyer, &owner, 1_800_000, |args| args.attempts = attempts);
        w.pass(seconds);
        w.abandon(&owner, &keys);
        let job: Job = w.read(&keys.job);
        assert_eq!(
            job.state(),
            Some(state),
            "{attempts} attempts, {seconds} s: money for ten minutes more must be left"
        );
        let reason = if state == JobState::Ended { EndReason::Abandoned } else { EndReason::None };
        assert_eq!(job.end_reason(), reason);
    }
}

#[test]
fn the_victim_gets_three_hours_of_the_price_and_insurance_the_rest() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|supply| supply.floor = 1_000);
    // 5 USDC are reserved at least; ten per cent of that are 500,000 atoms, three hours cost 30,000.
    let keys = w.running(&buyer, &owner, 10_000, |args| args.max_duration_s = 5 * 3_600);
    w.pass(4 * 3_600);
    let done = w.abandon(&owner, &keys);
    let slashed = done.market().find_map(|event| match event {
        MarketEvent::FaultSlashed(slashed) => Some((slashed.claimed, slashed.insurance)),
        _ => None,
    });
    assert_eq!(slashed, Some((30_000, 470_000)));
    assert_eq!(w.tokens(&w.insurance), 470_000);
    assert_eq!(w.claimed(&keys.lease), 30_000);
}

#[test]
fn only_the_node_key_abandons_and_only_a_lease_that_runs() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (owner, other) = (w.provider(|_| {}), w.provider(|_| {}));
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let abandon = lease::abandon(&owner.node.pubkey(), &keys, &w.insurance, outcome());
    assert_eq!(w.refuse(abandon.clone(), &[&owner.node]), "market WrongState", "it has not started");
    w.ready(&owner, &keys);
    assert_eq!(unsigned(&mut w, &abandon, 0), "market AccountNotSigner");
    let by = |key| lease::abandon(&key, &keys, &w.insurance, outcome());
    let cases = [
        ("another node", by(other.node.pubkey()), &other.node),
        ("the buyer", by(buyer.key.pubkey()), &buyer.key),
        ("the cold key", by(owner.authority.pubkey()), &owner.authority),
    ];
    for (what, instruction, signer) in cases {
        assert_eq!(w.refuse(instruction, &[signer]), "market NotNodeKey", "{what}");
    }
    let fail = lease::fail_start(&owner.node.pubkey(), &keys, &w.insurance);
    w.changes_nothing_by(fail, &[&owner.node]);
    w.ok(&[abandon], &[&owner.node]);
}

fn two_leases(w: &mut World) -> (Provider, LeaseKeys, LeaseKeys) {
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let other = w.starting(&buyer, &owner, 1_000_000, |_| {});
    (owner, keys, other)
}

#[test]
fn a_slash_takes_the_stake_of_its_own_lease_and_pays_nobody_else() {
    let mut w = World::new();
    let (owner, keys, other) = two_leases(&mut w);
    let stranger = w.buyer(0);
    let second = w.provider(|_| {});
    late(&mut w);
    let fail = lease::fail_start(&w.payer.pubkey(), &keys, &w.insurance);
    let (reservation, vault) = (address::reservation(&keys.lease), address::bond_vault(&owner.bond));
    let foreign = w.foreign_account();
    let key = w.key().pubkey();
    let cases = [
        ("another insurance", swapped(&fail, &w.insurance, foreign), "staking WrongInsurance"),
        ("purse of another", swapped(&fail, &keys.purse, stranger.purse), "market Unrelated"),
        ("job of another", swapped(&fail, &keys.job, other.job), "market Unrelated"),
        ("provider of another", swapped(&fail, &keys.provider, second.record), "market Unrelated"),
        ("bond of another", swapped(&fail, &keys.bond, second.bond), "market WrongBond"),
        (
            "reservation of another lease",
            swapped(&fail, &reservation, address::reservation(&other.lease)),
            "market Unrelated",
        ),
        ("vault of another bond", swapped(&fail, &vault, address::bond_vault(&second.bond)), "staking WrongVault"),
        ("another staking program", swapped(&fail, &address::STAKING, key), "market ConstraintAddress"),
        (
            "another staking configuration",
            swapped(&fail, &address::staking_config(), second.bond),
            "staking AccountDiscriminatorMismatch",
        ),
        ("Token-2022", swapped(&fail, &TOKEN_PROGRAM, crate::TOKEN_2022), "market InvalidProgramId"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[]), reason, "{what}");
    }
    assert!(w.refuse(swapped(&fail, &address::market_authority(), key), &[]).contains("PrivilegeEscalation"));
    w.ok(&[fail], &[]);
    assert_eq!(w.read::<Reservation>(&address::reservation(&other.lease)).amount, 5_000_000);
    assert_eq!(w.read::<Reservation>(&reservation).amount, 4_950_000);
}

#[test]
fn the_stake_behind_another_lease_cannot_be_slashed_for_an_abandoned_one() {
    let mut w = World::new();
    let (owner, keys, other) = two_leases(&mut w);
    w.ready(&owner, &keys);
    let abandon = lease::abandon(&owner.node.pubkey(), &keys, &w.insurance, outcome());
    let swap = swapped(&abandon, &address::reservation(&keys.lease), address::reservation(&other.lease));
    assert_eq!(w.refuse(swap, &[&owner.node]), "market Unrelated");
}

#[test]
fn every_lease_of_one_bond_can_fail_and_each_pays_its_own_part() {
    let mut w = World::new();
    let buyer = w.buyer(40 * USDC);
    let owner = w.provider(|supply| (supply.units, supply.stake) = (4, 20 * USDC));
    let jobs: Vec<_> = (0..4).map(|_| w.job(&buyer, |args| args.attempts = 1)).collect();
    for job in &jobs {
        w.bid(&owner, job, 1_000_000);
    }
    w.pass(12);
    let leases: Vec<_> = jobs.iter().map(|job| w.award(job)).collect();
    let keys: Vec<_> = leases.iter().map(|lease| w.keys(lease)).collect();
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.reserved), (20 * USDC, 20 * USDC), "bound to the last atom");
    late(&mut w);
    for keys in &keys {
        w.fail_start(keys);
    }
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.reserved), (20 * USDC - 200_000, 20 * USDC - 200_000));
    for keys in &keys {
        w.close_lease(keys);
    }
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
}

#[test]
fn a_frozen_vault_of_the_buyer_holds_up_no_fault_and_its_claim_stands() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    w.pass(100);
    w.freeze(&buyer.vault, true);
    w.abandon(&owner, &keys);
    let purse: Purse = w.read(&buyer.purse);
    assert_eq!((purse.balance, w.claimed(&keys.lease)), (10 * USDC, 50_000));
    assert_eq!((w.tokens(&buyer.vault), w.tokens(&w.insurance)), (10 * USDC, 670_000));
    w.close_lease(&keys);
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0, "the stake is free before the pay can move");
    w.freeze(&buyer.vault, false);
    w.settle(&keys);
    w.close_lease(&keys);
    assert_eq!(w.tokens(&owner.payout), 49_000);
}

#[test]
fn what_a_frozen_insurance_account_cannot_take_waits_in_the_bond_and_holds_up_no_fault() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let failed = w.starting(&buyer, &owner, 1_800_000, |_| {});
    let left = w.running(&buyer, &owner, 1_800_000, |_| {});
    let insurance = w.insurance;
    w.freeze(&insurance, true);
    late(&mut w);
    assert_eq!(w.fail_start(&failed).told(), ["LeaseEnded", "FaultSlashed", "Slashed"]);
    w.abandon(&owner, &left);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!(bond.slashed_total, bond.insurance_owed, "the fund's part waits");
    assert!(bond.insurance_owed > 0);
    let charged = metered_ms(141) / 2; // at 500 atoms a second
    assert_eq!((bond.claims_assets, w.claimed(&left.lease)), (charged, charged), "the buyer's is claimed");
    assert_eq!(w.read::<Record>(&owner.record).faulted, 2);
}

#[test]
fn a_frozen_vault_of_the_bond_holds_up_no_fault_and_what_it_owes_is_paid_once_it_thaws() {
    let mut w = World::new();
    let buyer = w.buyer(40 * USDC);
    let owner = w.provider(|supply| supply.units = 3);
    let failed = w.starting(&buyer, &owner, 1_800_000, |_| {});
    let left = w.running(&buyer, &owner, 1_800_000, |_| {});
    let gone = w.running(&buyer, &owner, 1_800_000, |_| {});
    let vault = address::bond_vault(&owner.bond);
    w.freeze(&vault, true);
    let (had, stake) = (w.tokens(&vault), w.read::<Bond>(&owner.bond).amount);
    late(&mut w);
    w.fail_start(&failed);
    w.abandon(&owner, &left);
    let asker = w.person();
    w.take_down(&asker, &gone);
    w.pass(600);
    w.declare_unreachable(&gone);
    let bond: Bond = w.read(&owner.bond);
    assert!(bond.slashed_total > 0 && bond.insurance_owed == bond.slashed_total, "all of it is the fund's, later");
    assert_eq!((bond.amount, w.tokens(&vault)), (stake - bond.slashed_total, had), "it is stake no more");
    assert!(bond.claims_assets > 0, "and what buyers claim is none of it");
    let pay = stake::pay_insurance(&owner.bond, &w.insurance);
    assert_eq!(w.refuse(pay.clone(), &[]), "token 17", "frozen still");
    for keys in [&failed, &left, &gone] {
        w.settle(keys);
        w.close_lease(keys);
    }
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
    w.freeze(&vault, false);
    w.ok(&[pay], &[]);
    assert_eq!(w.tokens(&w.insurance), bond.slashed_total);
}

#[test]
fn a_node_that_gives_up_early_lets_the_runner_up_start_at_once() {
    let mut w = World::new();
    let buyer = w.buyer(10 * USDC);
    let (first, second) = (w.provider(|_| {}), w.provider(|_| {}));
    let job = w.job(&buyer, |_| {});
    w.bid(&first, &job, 1_000_000);
    w.bid(&second, &job, 1_100_000);
    w.close_window(&job);
    let lease = w.award(&job);
    let keys = w.keys(&lease);
    w.ok(&[lease::fail_start(&first.node.pubkey(), &keys, &w.insurance)], &[&first.node]);
    assert_eq!(w.read::<Lease>(&lease).state(), Some(LeaseState::Failed));
    assert_eq!(w.read::<Bond>(&first.bond).slashed_total, 50_000);
    let next = w.award(&job);
    assert_eq!(w.keys(&next).provider, second.record);
}
