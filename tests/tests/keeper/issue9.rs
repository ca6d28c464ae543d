//! What a keeper behind a bad RPC, beside a second keeper, or in too large a market used to do wrong (issue 9).

use std::time::Duration;

use axum::http::StatusCode;
use gridlease_core::job::JobState;
use gridlease_keeper::{Cause, Keeper, KeeperConfig, KeeperEvent, Mode, Outcome, OutcomeKind, Summary, Verb};
use gridlease_sdk::account::Lease;
use gridlease_sdk::rpc::{ClusterUrl, WatchConfig};
use serde_json::{Value, json};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::faults::{Rpc, Said};
use crate::world::{Provider, Running, World, until, url};
use crate::{closed, count, leased};

/// A websocket that nobody answers.
const NO_WS: &str = "ws://127.0.0.1:1";
/// For how long a job waits that nobody bids for, in seconds.
const WAIT: u32 = 30;

fn behind(rpc: &Rpc, ws: &str) -> ClusterUrl {
    url(&rpc.url, ws)
}

/// Changes the list in an answer of `getProgramAccounts`.
fn lists(change: impl Fn(&mut Vec<Value>) + Send + 'static) -> impl Fn(&Value, &mut Value) + Send + 'static {
    move |request, answer| {
        if request["method"] == "getProgramAccounts"
            && let Some(list) = answer["result"]["value"].as_array_mut()
        {
            change(list);
        }
    }
}

async fn audits(keeper: &mut Running, times: usize) {
    for _ in 0..times {
        let violations = keeper
            .sees("an audit", |event| match event {
                KeeperEvent::Audited { violations, .. } => Some(violations),
                _ => None,
            })
            .await;
        assert_eq!(violations, [], "nothing is wrong with the books");
    }
}

/// Runs a leased job to its end, as its node does.
async fn run(world: &World, lease: &Pubkey, providers: &[&Provider]) {
    let record: Lease = world.find(lease).await.unwrap();
    let winner = providers.iter().find(|provider| provider.record == record.provider).unwrap();
    world.ready(lease, winner).await;
    world.pass(world.now().await + 60).await;
    world.finish(lease, winner).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_15_lists_that_are_empty_short_or_of_one_page_wipe_nothing_and_raise_no_alarm() {
    let world = World::new().await;
    let provider = world.provider(3_000_000, 2_800_000, true).await;
    let rpc = Rpc::before(world.net.rpc_url()).await;
    let cluster = behind(&rpc, world.net.ws_url());
    let watch = WatchConfig { rescan: Duration::from_millis(300), ..world.config().watch };
    let mut keeper = world.start(KeeperConfig { cluster, watch, ..world.config() }).await;
    keeper.sees("the first connection", |event| matches!(event, KeeperEvent::Connected { .. }).then_some(())).await;
    let job = world.post(1).await;
    until("the offer is in the book", async || (world.job(&job).await.bids().len() == 1).then_some(())).await;

    // Empty, a page of two, and every second one: each for a while, with a purse that has something reserved.
    rpc.edit(lists(Vec::clear));
    audits(&mut keeper, 2).await;
    rpc.edit(lists(|list| list.truncate(2)));
    audits(&mut keeper, 2).await;
    rpc.edit(lists(|list| {
        let mut at = 0;
        list.retain(|_| {
            at += 1;
            at % 2 == 0
        });
    }));
    audits(&mut keeper, 2).await;

    // A keeper that begins with such a list, and so knows of the purse and not of its job.
    let unlisted = job.to_string();
    rpc.edit(lists(move |list| list.retain(|account| account["pubkey"] != unlisted.as_str())));
    let mut other = world.start(KeeperConfig { cluster: behind(&rpc, NO_WS), dry_run: true, ..world.config() }).await;
    audits(&mut other, 2).await;
    assert_eq!(other.stop().await.violations, 0);

    // What was known before goes on, although no list shows it any more.
    rpc.edit(lists(Vec::clear));
    let lease = leased(&world, &job).await;
    audits(&mut keeper, 2).await;
    run(&world, &lease, &[&provider]).await;
    closed(&world, &[&lease, &job]).await;
    let summary = keeper.stop().await;
    assert_eq!(summary.violations, 0, "{summary:?}");
    assert_eq!((summary.landed(Verb::Award), summary.landed(Verb::CloseJob)), (1, 1), "{summary:?}");
    world.end().await;
}

/// The number of transactions that `payer` has paid for, and what they cost it.
async fn paid(world: &World, payer: &Pubkey) -> usize {
    let request =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "getSignaturesForAddress", "params": [payer.to_string()] });
    let answer = reqwest::Client::new().post(world.net.rpc_url()).json(&request).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    // What is left is the gift with which it began.
    answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).len()
}

/// A keeper that enters an offer into a job, one step at a time. The transaction was simulated while that was possible, and
/// arrives when `meanwhile` is over. Returns what came of it, and the keeper's books, which tell what it has really spent.
async fn enters_late(meanwhile: impl AsyncFnOnce(&World, &Pubkey)) -> (Outcome, Summary) {
    let world = World::new().await;
    let _provider = world.provider(3_000_000, 2_800_000, true).await;
    let rpc = Rpc::before(world.net.rpc_url()).await;
    let signer = world.signer().await;
    let before = world.client.lamports(&signer.pubkey()).await.unwrap();
    let config = KeeperConfig { cluster: behind(&rpc, world.net.ws_url()), concurrency: 1, ..world.config() };
    rpc.hold_sendings(true);
    let mut keeper = world.start_as(config, signer.clone()).await;
    let job = world.post(1).await;
    let about_to = async || (!rpc.requests("sendTransaction").is_empty()).then_some(());
    until("an offer is about to be entered", about_to).await;
    meanwhile(&world, &job).await;
    rpc.hold_sendings(false);
    let outcome = keeper
        .sees("the end of the step", |event| match event {
            KeeperEvent::Step { step, outcome } if step.verb() == Verb::EnterOffer => Some(outcome),
            _ => None,
        })
        .await;
    let summary = keeper.stop().await;
    let spent = before - world.client.lamports(&signer.pubkey()).await.unwrap();
    assert_eq!(summary.fees_lamports, spent, "{summary:?}");
    world.end().await;
    (outcome, summary)
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_16_a_transaction_that_lands_as_failed_is_in_the_books_with_its_fee() {
    let (outcome, summary) = enters_late(async |world, job| {
        // The job is gone when the offer comes.
        let owner = world.buyer.pubkey();
        world.send(&[gridlease_sdk::instruction::job::cancel(&owner, job)], &world.buyer, &[]).await;
        assert_eq!(world.once(|_| {}).await.landed(Verb::CloseJob), 1);
    })
    .await;
    assert!(matches!(&outcome, Outcome::LostRace { reason } if reason.contains("landed as failed")), "{outcome:?}");
    assert_eq!((summary.failed, summary.landed(Verb::EnterOffer)), (1, 0), "{summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_16_a_transaction_that_changes_nothing_is_no_success_and_in_the_books_with_its_fee() {
    let (outcome, summary) = enters_late(async |world, _| {
        let other = world.once(|_| {}).await;
        assert_eq!(other.landed(Verb::EnterOffer), 1, "{other:?}");
    })
    .await;
    assert!(matches!(outcome, Outcome::NoEffect { .. }), "{outcome:?}");
    assert_eq!((summary.without_effect, summary.landed(Verb::EnterOffer)), (1, 0), "{summary:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_16_two_keepers_count_as_done_what_they_did_and_nothing_twice() {
    let world = World::new().await;
    let providers =
        [world.provider(3_000_000, 2_900_000, true).await, world.provider(3_100_000, 2_800_000, true).await];
    let signers = [world.signer().await, world.signer().await];
    let before = [paid(&world, &signers[0].pubkey()).await, paid(&world, &signers[1].pubkey()).await];
    let keepers = [
        world.start_as(world.config(), signers[0].clone()).await,
        world.start_as(world.config(), signers[1].clone()).await,
    ];
    let jobs = [world.post(1).await, world.post(2).await];
    for job in &jobs {
        let lease = leased(&world, job).await;
        run(&world, &lease, &[&providers[0], &providers[1]]).await;
        closed(&world, &[&lease, job]).await;
    }
    until("the fees are swept", async || (world.purse().await.fees_owed == 0).then_some(())).await;
    let [one, two] = keepers;
    let summaries = [one.stop().await, two.stop().await];
    let landed = |verb| summaries.iter().map(|summary| summary.landed(verb)).sum::<u64>();
    for verb in [Verb::Award, Verb::Settle, Verb::CloseLease, Verb::CloseJob] {
        assert_eq!(landed(verb), 2, "{verb}: {summaries:#?}");
    }
    for (at, summary) in summaries.iter().enumerate() {
        let on_chain = paid(&world, &signers[at].pubkey()).await - before[at];
        assert_eq!(u64::try_from(on_chain).unwrap(), summary.transactions, "{summaries:#?}");
        let of = |kind| Verb::ALL.into_iter().map(|verb| count(summary, verb, kind)).sum::<u64>();
        assert!(summary.without_effect <= of(OutcomeKind::NoEffect), "{summary:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_16_a_keeper_whose_subscription_is_dead_does_not_repeat_what_it_has_done() {
    let world = World::new().await;
    let providers =
        [world.provider(3_000_000, 2_900_000, true).await, world.provider(3_100_000, 2_800_000, true).await];
    // It hears nothing, and reads everything only every few seconds: far less often than it may try a step again.
    let watch = WatchConfig { rescan: Duration::from_secs(6), ..world.config().watch };
    let config = KeeperConfig { cluster: url(world.net.rpc_url(), NO_WS), watch, ..world.config() };
    let keeper = world.start(config).await;
    let job = world.post(1).await;
    let lease = leased(&world, &job).await;
    run(&world, &lease, &[&providers[0], &providers[1]]).await;
    closed(&world, &[&lease, &job]).await;
    until("the fees are swept", async || (world.purse().await.fees_owed == 0).then_some(())).await;
    let summary = keeper.stop().await;
    assert_eq!((summary.without_effect, summary.failed), (0, 0), "{summary:?}");
    for verb in [Verb::Settle, Verb::CloseLease, Verb::CloseJob, Verb::SweepFees] {
        assert_eq!(summary.landed(verb), 1, "{verb}: {summary:?}");
    }
    // A window in which it heard of no bid is opened again, which is an award, too; and one that a late bid extended, which it
    // did not hear of either, is simulated once in vain.
    for verb in [Verb::Settle, Verb::CloseLease, Verb::CloseJob, Verb::SweepFees] {
        assert_eq!(count(&summary, verb, OutcomeKind::LostRace), 0, "{verb}: {summary:?}");
    }
    world.end().await;
}

/// The answers of an endpoint that fails.
fn bad_answers() -> [(&'static str, Said); 4] {
    let internal = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32_603, "message": "Internal error" } });
    [
        ("a status of 403", Said(StatusCode::FORBIDDEN, String::new())),
        ("a web page", Said(StatusCode::OK, "<html><body>Sign in to the hotel's network</body></html>".to_owned())),
        ("half of an answer", Said(StatusCode::OK, "{\"jsonrpc\":\"2.0\",\"id\":1,\"resu".to_owned())),
        ("an internal error", Said(StatusCode::OK, internal.to_string())),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_17_what_is_no_program_error_pauses_the_endpoint_once_and_no_step() {
    let world = World::new().await;
    let rpc = Rpc::before(world.net.rpc_url()).await;
    let config = KeeperConfig { cluster: behind(&rpc, world.net.ws_url()), ..world.config() };
    let mut keeper = world.start(config).await;
    keeper.sees("the first connection", |event| matches!(event, KeeperEvent::Connected { .. }).then_some(())).await;
    for (name, said) in bad_answers() {
        // Several at once, so that several workers run into it.
        let mut jobs = [Pubkey::default(); 4];
        for job in &mut jobs {
            *job = world.post_for(1, WAIT).await;
        }
        rpc.judge(move |request| {
            let method = request["method"].as_str().unwrap_or_default();
            ["simulateTransaction", "sendTransaction", "getLatestBlockhash"].contains(&method).then(|| said.clone())
        });
        world.pass(world.job(&jobs[3]).await.expires_at).await;
        let due = keeper
            .sees(name, |event| match event {
                KeeperEvent::EndpointFails { due, .. } => Some(due),
                _ => None,
            })
            .await;
        assert!(due.contains("end job") && due.contains("s ago"), "{name}: {due}");
        // The outage goes on for several rounds, and is told no more.
        for _ in 0..8 {
            let told = |event| match event {
                KeeperEvent::Step { step, outcome } if jobs.contains(&step.entity()) => Some(outcome),
                KeeperEvent::EndpointFails { .. } => panic!("{name} is told a second time"),
                _ => None,
            };
            let outcome = keeper.sees(name, told).await;
            assert_eq!(outcome.kind(), OutcomeKind::Unreachable, "{name}: {outcome}");
        }
        rpc.mend();
        keeper.sees(name, |event| matches!(event, KeeperEvent::EndpointAnswers { .. }).then_some(())).await;
        // Nobody bid, so each has waited for long enough.
        closed(&world, &jobs.each_ref()).await;
    }
    let summary = keeper.stop().await;
    for verb in Verb::ALL {
        assert_eq!(count(&summary, verb, OutcomeKind::Refused), 0, "{verb}: {summary:?}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_17_a_blockhash_that_is_not_found_is_replaced_at_once() {
    let world = World::new().await;
    let rpc = Rpc::before(world.net.rpc_url()).await;
    let config = KeeperConfig { cluster: behind(&rpc, world.net.ws_url()), ..world.config() };
    let job = world.post_for(1, WAIT).await;
    let first = std::sync::atomic::AtomicBool::new(true);
    rpc.judge(move |request| {
        let refused = request["method"] == "sendTransaction" && first.swap(false, std::sync::atomic::Ordering::SeqCst);
        let error = json!({ "code": -32_002, "message": "Transaction simulation failed: Blockhash not found" });
        refused.then(|| Said(StatusCode::OK, json!({ "jsonrpc": "2.0", "id": 1, "error": error }).to_string()))
    });
    world.pass(world.job(&job).await.expires_at).await;
    let keeper = world.start(config).await;
    closed(&world, &[&job]).await;
    let summary = keeper.stop().await;
    let sent = rpc.requests("sendTransaction");
    assert!(sent.len() >= 2 && sent[0][0] != sent[1][0], "the second sending is another transaction");
    assert_eq!(count(&summary, Verb::ExpireJob, OutcomeKind::Expired), 0, "{summary:?}");
    assert_eq!(summary.landed(Verb::ExpireJob), 1, "{summary:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_18_above_its_bound_a_keeper_does_what_is_urgent_and_takes_in_the_rest_when_there_is_room() {
    let world = World::new().await;
    let providers =
        [world.provider(3_000_000, 2_900_000, true).await, world.provider(3_100_000, 2_800_000, true).await];
    // Two records, bonds and offers, and the purse: there is room for no job.
    let mut keeper = world.start(KeeperConfig { max_accounts: 7, ..world.config() }).await;
    keeper.sees("the first connection", |event| matches!(event, KeeperEvent::Connected { .. }).then_some(())).await;
    let job = world.post(1).await;
    let lease = leased(&world, &job).await;
    run(&world, &lease, &[&providers[0], &providers[1]]).await;
    closed(&world, &[&lease, &job]).await;
    // For that it needs the purse, which had to make room.
    until("the fees are swept", async || (world.purse().await.fees_owed == 0).then_some(())).await;
    assert!(keeper.is_alive());
    keeper.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_18_a_single_pass_says_what_it_could_not_do_and_why() {
    let world = World::new().await;
    let job = world.post_for(1, WAIT).await;
    world.pass(world.job(&job).await.expires_at).await;
    let once = |cluster, signer: std::sync::Arc<Keypair>| {
        let config = KeeperConfig { cluster, mode: Mode::Once, audit_every: None, ..world.config() };
        Keeper::new(config, signer).unwrap().run(gridlease_keeper::CancellationToken::new())
    };
    let direct = || url(world.net.rpc_url(), world.net.ws_url());
    let undone = |summary: Summary| summary.undone.unwrap();

    let poor = undone(once(direct(), std::sync::Arc::new(Keypair::new())).await.unwrap());
    assert_eq!((poor.steps, poor.cause), (1, Cause::Funds), "{poor:?}");
    assert!(poor.to_string().contains("end job") && poor.to_string().contains("SOL"), "{poor}");

    let rpc = Rpc::before(world.net.rpc_url()).await;
    rpc.judge(|request| {
        (request["method"] == "simulateTransaction").then(|| Said(StatusCode::FORBIDDEN, String::new()))
    });
    let cut_off = undone(once(behind(&rpc, world.net.ws_url()), world.signer().await).await.unwrap());
    assert_eq!((cut_off.steps, cut_off.cause), (1, Cause::Endpoint), "{cut_off:?}");
    assert_eq!(world.job(&job).await.state(), Some(JobState::Waiting));

    let done = once(direct(), world.signer().await).await.unwrap();
    assert_eq!((done.landed(Verb::ExpireJob), done.undone), (1, None));
    world.end().await;
}
