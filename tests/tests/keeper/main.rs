//! The keeper against a real local network with the built programs: alone, cut off, in a race, and with a provider that
//! cannot be paid.
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests are tests

mod faults;
mod issue9;
mod proxy;
mod world;

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::GRACE;
use gridlease_keeper::audit::Violation;
use gridlease_keeper::{
    CancellationToken, Keeper, KeeperConfig, KeeperError, KeeperEvent, Mode, OutcomeKind, Summary, Verb,
};
use gridlease_localnet::{Localnet, LocalnetConfig};
use gridlease_sdk::account::{Bond, Job, Lease};
use gridlease_sdk::address;
use serde_json::json;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use self::proxy::Wire;
use self::world::{DEPOSIT, Provider, World, until, url};

fn count(summary: &Summary, verb: Verb, outcome: OutcomeKind) -> u64 {
    summary.steps.iter().filter(|step| step.verb == verb && step.outcome == outcome).map(|step| step.count).sum()
}

/// Every atom of the buyer's deposit is where it should be.
async fn balances(world: &World, payouts: &[&Provider]) {
    let purse = world.purse().await;
    assert_eq!((purse.reserved, purse.open_jobs), (0, 0));
    let (mut paid, mut slashed) = (0, 0);
    for provider in payouts {
        paid += world.tokens(&provider.payout).await;
        slashed += world.find::<Bond>(&provider.bond).await.unwrap().slashed_total;
    }
    let swept = world.tokens(&world.treasury).await + world.tokens(&world.insurance).await;
    assert!(paid > 0);
    assert_eq!(paid + swept + purse.balance, DEPOSIT + slashed, "what was slashed is in the purse or insured");
    assert_eq!(world.tokens(&purse.vault).await, purse.balance);
}

async fn leased(world: &World, job: &Pubkey) -> Pubkey {
    until("the job is awarded", async || world.job(job).await.current_lease(job)).await
}

async fn closed(world: &World, accounts: &[&Pubkey]) {
    until("the accounts are closed", async || {
        for account in accounts {
            if world.client.account(account).await.unwrap().is_some() {
                return None;
            }
        }
        Some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_alone_turns_the_crank_of_a_job_although_its_connection_breaks_on_the_way() {
    let world = World::new().await;
    let providers =
        [world.provider(3_000_000, 2_800_000, true).await, world.provider(3_200_000, 2_500_000, true).await];
    let (rpc, ws) = (Wire::to(world.net.rpc_url()).await, Wire::to(world.net.ws_url()).await);
    let cluster = url(&format!("http://127.0.0.1:{}", rpc.port), &format!("ws://127.0.0.1:{}", ws.port));
    let mut keeper = world.start(KeeperConfig { cluster, ..world.config() }).await;
    let connected = |event| matches!(event, KeeperEvent::Connected { .. }).then_some(());
    let disconnected = |event| matches!(event, KeeperEvent::Disconnected { .. }).then_some(());
    keeper.sees("the first connection", connected).await;

    let job = world.post(1).await;
    until("both offers are in the book", async || (world.job(&job).await.bids().len() == 2).then_some(())).await;

    // No wire at all while the award comes due.
    rpc.cut();
    ws.cut();
    keeper.sees("the loss of the connection", disconnected).await;
    let close = world.job(&job).await.close_ts;
    until("the window is over", async || (world.now().await > close + 2).then_some(())).await;
    assert_eq!(world.job(&job).await.state(), Some(JobState::Open));
    assert!(keeper.is_alive());
    rpc.mend();
    ws.mend();
    keeper.sees("the second connection", connected).await;
    let lease = leased(&world, &job).await;

    let record: Lease = world.find(&lease).await.unwrap();
    let winner = providers.iter().find(|provider| provider.record == record.provider).unwrap();
    world.ready(&lease, winner).await;
    let ready = world.now().await;
    world.pass(ready + 120).await;

    // And no subscription while it ends: the keeper reads what it is not told.
    ws.cut();
    keeper.sees("the loss of the subscription", disconnected).await;
    world.finish_for_review(&lease, winner).await;
    let review = world.find::<Lease>(&lease).await.unwrap();
    assert_eq!(review.state(), Some(LeaseState::Finished), "the buyer may still reopen it");
    // The buyer never looks at what was delivered.
    world.pass(review.review_end).await;
    closed(&world, &[&lease, &job]).await;
    until("the fees are swept", async || (world.purse().await.fees_owed == 0).then_some(())).await;
    assert!(keeper.is_alive());
    let summary = keeper.stop().await;

    assert_eq!(summary.disconnects, 2, "{summary:?}");
    assert!(summary.landed(Verb::EnterOffer) >= 2, "{summary:?}");
    for verb in [Verb::Award, Verb::Expire, Verb::Settle, Verb::CloseLease, Verb::CloseJob, Verb::SweepFees] {
        assert_eq!(summary.landed(verb), 1, "{verb}: {summary:?}");
        assert_eq!(count(&summary, verb, OutcomeKind::Refused), 0, "{verb}: {summary:?}");
    }
    // Ending it after the review, closing it and closing the job are one transaction; settling it is part of that where the
    // keeper, which reads only now and then, did not see it finished before.
    let alone = summary.landed(Verb::EnterOffer) + summary.landed(Verb::Award) + summary.landed(Verb::SweepFees);
    assert!((1..=2).contains(&(summary.transactions - alone)), "{summary:?}");
    assert!(summary.audits > 0 && summary.violations == 0, "{summary:?}");
    balances(&world, &[&providers[0], &providers[1]]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_payout_account_holds_up_its_own_lease_and_nothing_else_until_it_is_thawed() {
    let world = World::new().await;
    let frozen = world.provider(3_000_000, 3_000_000, false).await;
    let other = world.provider(3_000_000, 3_000_000, false).await;
    let keeper = world.start(world.config()).await;
    let jobs = [world.post(1).await, world.post(2).await];
    world.bid(&jobs[0], &frozen, 3_000_000).await;
    world.bid(&jobs[1], &other, 3_000_000).await;
    let leases = [leased(&world, &jobs[0]).await, leased(&world, &jobs[1]).await];
    world.ready(&leases[0], &frozen).await;
    world.ready(&leases[1], &other).await;
    world.freeze(&frozen.payout, true).await;
    world.pass(world.now().await + 60).await;
    world.finish(&leases[0], &frozen).await;
    world.finish(&leases[1], &other).await;

    closed(&world, &[&jobs[0], &jobs[1], &leases[1]]).await;
    let held: Lease = world.find(&leases[0]).await.unwrap();
    assert_eq!((held.state(), held.paid), (Some(LeaseState::Ended), 0));
    assert!(held.base > 0, "it waits for its pay");
    world.freeze(&frozen.payout, false).await;
    closed(&world, &[&leases[0]]).await;
    until("the fees are swept", async || (world.purse().await.fees_owed == 0).then_some(())).await;
    let summary = keeper.stop().await;
    assert!(count(&summary, Verb::Settle, OutcomeKind::Refused) >= 1, "{summary:?}");
    assert_eq!(summary.landed(Verb::Settle), 2, "{summary:?}");
    assert_eq!(summary.violations, 0);
    balances(&world, &[&frozen, &other]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keepers_that_race_for_the_same_work_do_each_step_once_and_take_no_harm() {
    let world = World::new().await;
    let providers =
        [world.provider(3_000_000, 2_900_000, true).await, world.provider(3_100_000, 2_800_000, true).await];
    let keepers = [world.start(world.config()).await, world.start(world.config()).await];
    let jobs = [world.post(1).await, world.post(2).await];
    for job in &jobs {
        let lease = leased(&world, job).await;
        let record: Lease = world.find(&lease).await.unwrap();
        let winner = providers.iter().find(|provider| provider.record == record.provider).unwrap();
        world.ready(&lease, winner).await;
        world.pass(world.now().await + 60).await;
        world.finish(&lease, winner).await;
        closed(&world, &[&lease, job]).await;
    }
    until("the fees are swept", async || (world.purse().await.fees_owed == 0).then_some(())).await;
    let [one, two] = keepers;
    let summaries = [one.stop().await, two.stop().await];
    // A step that lands after somebody else's is a no-op, so the accounts tell: nothing was paid twice.
    balances(&world, &[&providers[0], &providers[1]]).await;
    for summary in &summaries {
        for verb in Verb::ALL {
            assert_eq!(count(summary, verb, OutcomeKind::Refused), 0, "{verb}: {summaries:?}");
        }
        assert_eq!(summary.violations, 0);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passes_of_a_keeper_carry_a_job_through_a_failed_start_and_an_empty_purse_to_its_end() {
    let world = World::new().await;
    let providers =
        [world.provider(3_000_000, 2_900_000, true).await, world.provider(3_500_000, 3_400_000, true).await];
    let job = world.post(1).await;

    let dry = world.once(|config| config.dry_run = true).await;
    assert_eq!((dry.transactions, world.job(&job).await.bids().len()), (0, 0));
    let poor = world.once(|config| config.fee_budget = 0).await;
    assert_eq!((poor.transactions, world.job(&job).await.bids().len()), (0, 0));
    assert!(count(&poor, Verb::EnterOffer, OutcomeKind::OverBudget) >= 1, "{poor:?}");

    assert!(world.once(|_| {}).await.landed(Verb::EnterOffer) >= 2);
    assert_eq!(world.job(&job).await.bids().len(), 2);
    world.pass(world.job(&job).await.close_ts).await;
    assert_eq!(world.once(|_| {}).await.landed(Verb::Award), 1);

    // The cheaper one does not start; the other is next, at once.
    let first = leased(&world, &job).await;
    let record: Lease = world.find(&first).await.unwrap();
    assert_eq!(record.provider, providers[0].record);
    world.pass(record.start_deadline).await;
    let failed = world.once(|_| {}).await;
    for verb in [Verb::FailStart, Verb::CloseLease, Verb::Award] {
        assert_eq!(failed.landed(verb), 1, "{verb}: {failed:?}");
    }
    closed(&world, &[&first]).await;
    let second = leased(&world, &job).await;
    world.ready(&second, &providers[1]).await;

    // Nobody stops it: the reservation is used up, then the grace period.
    let running: Lease = world.find(&second).await.unwrap();
    assert_eq!(world.once(|_| {}).await.landed(Verb::Expire), 0);
    world.pass(running.runway_end).await;
    let paid = world.once(|_| {}).await;
    assert_eq!((paid.landed(Verb::Expire), paid.landed(Verb::Settle), paid.landed(Verb::SweepFees)), (1, 1, 1));
    let grace: Lease = world.find(&second).await.unwrap();
    assert_eq!((grace.state(), grace.grace_end), (Some(LeaseState::Grace), running.runway_end + GRACE.0));
    world.pass(grace.grace_end).await;
    let ended = world.once(|_| {}).await;
    for verb in [Verb::Expire, Verb::CloseLease, Verb::CloseJob] {
        assert_eq!(ended.landed(verb), 1, "{verb}: {ended:?}");
    }
    closed(&world, &[&second, &job]).await;
    assert_eq!(world.once(|_| {}).await.transactions, 0);
    balances(&world, &[&providers[0], &providers[1]]).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_raises_an_alarm_with_the_numbers_when_the_books_do_not_balance() {
    let world = World::new().await;
    let job = world.post(1).await;
    let mut keeper = world.start(KeeperConfig { dry_run: true, ..world.config() }).await;
    // What no instruction can do: the network's own cheat takes an atom from what the job holds.
    let mut account = world.client.account(&job).await.unwrap().unwrap();
    let mut record = world.job(&job).await;
    let held = record.reserved;
    record.reserved -= 1;
    account.data[8..8 + size_of::<Job>()].copy_from_slice(bytemuck::bytes_of(&record));
    let cheat = json!({
        "jsonrpc": "2.0", "id": 1, "method": "surfnet_setAccount",
        "params": [job.to_string(), { "data": hex::encode(&account.data) }],
    });
    let answer = reqwest::Client::new().post(world.net.rpc_url()).json(&cheat).send().await.unwrap();
    let answer: serde_json::Value = answer.json().await.unwrap();
    assert!(answer["error"].is_null(), "{answer}");
    let alarm = |event| match event {
        KeeperEvent::Audited { violations, .. } if !violations.is_empty() => Some(violations),
        _ => None,
    };
    let violations = keeper.sees("the alarm", alarm).await;
    let purse = address::purse(&world.buyer.pubkey());
    let expected = Violation::Reserved { purse, reserved: held, held: held - 1, jobs: 1, leases: 0 };
    assert_eq!(violations, [expected]);
    assert!(keeper.is_alive());
    assert!(keeper.stop().await.violations >= 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_without_a_market_and_one_that_does_not_answer_are_told_apart() {
    let net = Localnet::start(LocalnetConfig::default()).await.unwrap();
    let run = |cluster, mode| async move {
        let config = KeeperConfig { mode, ..KeeperConfig::new(cluster) };
        let signer = std::sync::Arc::new(Keypair::new());
        Keeper::new(config, signer).unwrap().run(CancellationToken::new()).await
    };
    let cluster = url(net.rpc_url(), net.ws_url());
    for mode in [Mode::Once, Mode::Follow] {
        let error = run(cluster.clone(), mode).await.unwrap_err();
        assert!(matches!(error, KeeperError::NoMarket { .. }), "{error}");
        assert!(error.to_string().contains("--url"), "{error}");
    }
    net.shutdown().await.unwrap();
    let error = run(cluster, Mode::Once).await.unwrap_err();
    assert!(matches!(&error, KeeperError::Rpc(rpc) if rpc.is_transient()), "{error}");
}
