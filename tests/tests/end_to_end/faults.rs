//! What happens when a part fails in the middle.

use std::time::Duration;

use gridlease_cli::buyer::JobEvent;
use gridlease_core::job::EndReason;
use gridlease_demo::market::{MarketOptions, ProviderOptions};
use gridlease_sdk::address;
use solana_signer::Signer as _;

use crate::world::{alone, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_never_starts_is_slashed_and_the_runner_up_takes_over() {
    let options = MarketOptions {
        providers: vec![
            ProviderOptions::new("absent", 200_000, 150_000, true),
            ProviderOptions::new("steady", 400_000, 350_000, true),
        ],
        ..MarketOptions::default()
    };
    let Some(mut world) = world(options).await else { return };
    world.market.kill_node(0).await.unwrap();
    let job = world.post("echo here", "10m").await;
    let mut story = world.follow(job);
    let absent = world.market.providers[0].record;
    story.until("the award", |event| matches!(event, JobEvent::Awarded { provider, .. } if *provider == absent)).await;
    let stake_before = stake(&world, 0).await;
    world.market.localnet.advance_time(Duration::from_secs(150)).await.unwrap();
    story
        .until("the slash", |event| matches!(event, JobEvent::StartFailed { provider, .. } if *provider == absent))
        .await;
    let steady = world.market.providers[1].record;
    story
        .until(
            "the runner-up",
            |event| matches!(event, JobEvent::Awarded { provider, runner_up: true, .. } if *provider == steady),
        )
        .await;
    story.until_the_end().await;
    assert_eq!(stake_before - stake(&world, 0).await, 50_000, "one per cent of the five USDC behind the lease");
    let books = world.books().await;
    let insurance = world.market.client.token_balance(&world.market.insurance).await.unwrap().unwrap();
    assert!(insurance >= 50_000, "insurance got it: {insurance}");
    assert_eq!(books.held_atoms, 0);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_14_a_node_killed_in_the_middle_of_a_job_finishes_it_after_its_restart_and_is_paid_once() {
    let Some(mut world) = world(alone("phoenix")).await else { return };
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $i; sleep 1; done; echo done > /out/file";
    let job = world.post(script, "10m").await;
    let mut story = world.follow(job);
    story.until("the third line", |event| matches!(event, JobEvent::LogLine { seq: 2, .. })).await;
    world.market.kill_node(0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.market.start_node(0).unwrap();
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    let finished = story.told.iter().find(|event| matches!(event, JobEvent::Finished { .. })).unwrap();
    assert!(
        matches!(finished, JobEvent::Finished { reason: EndReason::Completed, exit_code: Some(0), .. }),
        "{finished:?}"
    );
    story.until("the verified outputs", |event| matches!(event, JobEvent::OutputsVerified { .. })).await;
    // What was not used comes back when the buyer has accepted the result.
    story.until("the end of the job", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    let mut lines = story.told.iter().filter_map(|event| match event {
        JobEvent::LogLine { line, .. } => Some(line.clone()),
        _ => None,
    });
    for number in 1..=12 {
        assert_eq!(lines.next(), Some(format!("line {number}")), "no line is lost or doubled");
    }
    assert_eq!(story.count(|event| matches!(event, JobEvent::Finished { .. })), 1, "finished once");
    let books = world.books().await;
    let (gross, held) = (books.paid_atoms + books.fee_atoms, books.held_atoms);
    assert_eq!((gross, held), (story.accrued(), 0), "paid once");
    // Twelve seconds, of which the first may pass before `ready` is on chain; none of those without a node after the end.
    assert!((8 * 83..=14 * 84).contains(&gross), "twelve lines are about twelve seconds: {gross}");
    assert_eq!(books.fee_atoms, gross.div_ceil(50));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_costs_the_buyer_nothing_and_the_job_is_refunded() {
    let Some(mut world) = world(alone("thirsty")).await else { return };
    let job = world.post("echo never", "10m").await;
    world.market.stop_registry().await;
    let engine = gridlease_demo::image::docker().await.unwrap();
    gridlease_demo::image::forget(&engine, &world.image).await;
    let mut story = world.follow(job);
    story.until("the award", |event| matches!(event, JobEvent::Awarded { .. })).await;
    world.market.localnet.advance_time(Duration::from_secs(150)).await.unwrap();
    // The job waits for another provider; a day later it ends.
    story.until("the failed start", |event| matches!(event, JobEvent::StartFailed { .. })).await;
    world.market.localnet.advance_time(Duration::from_secs(86_401)).await.unwrap();
    story.until("the end", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    let books = world.books().await;
    assert_eq!((books.paid_atoms, books.fee_atoms, books.held_atoms), (0, 0, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_is_told_why_its_job_was_declined_and_the_automatic_offer_is_soon_back_on_the_market() {
    let Some(mut world) = world(alone("strict")).await else { return };
    // The same registry under a name that the node was not told to trust.
    let allowed = std::mem::take(&mut world.image);
    world.image = allowed.replace("localhost:", "127.0.0.1:");
    assert_ne!(world.image, allowed);
    let job = world.post("echo never", "10m").await;
    let mut story = world.follow(job);
    let failed = story.until("the decline", |event| matches!(event, JobEvent::StartFailed { .. })).await;
    let JobEvent::StartFailed { reason, node_message, money, attempts_left, .. } = failed else { unreachable!() };
    assert_eq!((reason, money.forfeited.0, attempts_left), (EndReason::Declined, 0, 3));
    let why = node_message.expect("the node says why");
    assert!(why.contains("127.0.0.1") && why.contains("is not on the public internet"), "{why}");
    let last = |kind: fn(&JobEvent) -> bool| story.told.iter().rposition(kind);
    let waiting = last(|event| matches!(event, JobEvent::Waiting { .. }));
    assert!(waiting.is_none_or(|at| Some(at) < last(|event| matches!(event, JobEvent::StartFailed { .. }))));
    // Who comes later sees the same.
    let shown = world.buyer.show(&job).await.unwrap();
    assert_eq!((shown.state, shown.node_message.as_deref()), ("waiting", Some(why.as_str())));
    assert!(shown.expires_ts.is_some_and(|ts| ts > shown.posted_ts.unwrap()) && shown.close_ts.is_none());
    // A keeper may have closed the lease by now, or not.
    let reasons = shown.past_leases.iter().map(|lease| lease.reason).chain(shown.lease.map(|lease| lease.reason));
    assert_eq!(reasons.collect::<Vec<_>>(), ["declined by the node"]);
    // A third of the offer's life would be five minutes; the next job is not made to wait for that.
    world.image = allowed;
    let job = world.post("echo here", "10m").await;
    let mut story = world.follow(job);
    story.until_a_line().await;
    story.until("the end of the job", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    world.books().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_18_a_node_whose_machine_is_a_day_off_serves_its_buyer_and_says_so_once() {
    let ahead = ProviderOptions::new("ahead", 300_000, 200_000, true);
    let options = MarketOptions {
        providers: vec![ProviderOptions { clock_offset: Some("+1d".to_owned()), ..ahead }],
        ..MarketOptions::default()
    };
    let Some(world) = world(options).await else { return };
    let job = world.post("echo here; echo there > /out/file; sleep 3", "10m").await;
    let mut story = world.follow(job);
    story.until_a_line().await;
    story.until("the verified outputs", |event| matches!(event, JobEvent::OutputsVerified { .. })).await;
    let finished = story.told.iter().find(|event| matches!(event, JobEvent::Finished { .. })).unwrap();
    assert!(matches!(finished, JobEvent::Finished { exit_code: Some(0), .. }), "{finished:?}");
    assert_eq!(story.count(|event| matches!(event, JobEvent::Awarded { .. })), 1, "no start was lost");
    let log = std::fs::read_to_string(world.market.dir().join("node-ahead.log")).unwrap();
    assert_eq!(log.matches("this machine's clock is 86").count(), 1, "{log}");
    // The engine's clock is right, the node's is not, and the bill is still of what ran.
    let seconds = story.accrued() / 83; // atoms a second at 0.30 USDC an hour
    assert!((2..10).contains(&seconds), "{seconds} s billed");
    world.stop().await;
}

async fn stake(world: &crate::world::World, at: usize) -> u64 {
    let authority = world.market.providers[at].authority.pubkey();
    let bond = address::bond_vault(&address::bond(&authority));
    world.market.client.token_balance(&bond).await.unwrap().unwrap()
}
