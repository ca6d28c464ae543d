//! How a job can end without anybody's fault.

use std::time::Duration;

use gridlease_cli::buyer::JobEvent;
use gridlease_cli::steps;
use gridlease_core::job::EndReason;
use gridlease_demo::market::{MarketOptions, USDC};
use gridlease_testkit::needed;

use crate::world::{alone, world};

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_bids_for_is_refunded_to_the_last_atom() {
    let options = MarketOptions { providers: Vec::new(), ..MarketOptions::default() };
    let Some(world) = world(options).await else { return };
    let job = world.post("true", "10m").await;
    let held = world.books().await.held_atoms;
    assert_eq!(held, 100_000, "0.60 USDC/h for 10 minutes");
    let mut story = world.follow(job);
    story.until("waiting", |event| matches!(event, JobEvent::Waiting { attempts_left: 3, .. })).await;
    world.market.localnet.advance_time(Duration::from_secs(86_401)).await.unwrap();
    story.until("the end", |event| matches!(event, JobEvent::JobEnded { reason: EndReason::NoBids, .. })).await;
    assert_eq!(
        story.count(|event| matches!(event, JobEvent::Waiting { .. })),
        1,
        "it waits once, whatever its attempts"
    );
    let books = world.books().await;
    assert_eq!((books.held_atoms, books.refunded_atoms), (0, 10 * USDC));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_runs_to_its_end_with_its_exit_code_log_and_outputs() {
    let Some(world) = world(alone("solo")).await else { return };
    let script = "echo one; echo two >&2; echo result > /out/file; exit 3";
    let job = world.post(script, "10m").await;
    let mut story = world.follow(job);
    story.until_the_end().await;
    let lines = story.count(|event| matches!(event, JobEvent::LogLine { .. }));
    assert_eq!(lines, 2);
    let finished = story.told.iter().find(|event| matches!(event, JobEvent::Finished { .. })).unwrap();
    assert!(
        matches!(finished, JobEvent::Finished { reason: EndReason::Completed, exit_code: Some(3), .. }),
        "{finished:?}"
    );
    assert_eq!(story.count(|event| matches!(event, JobEvent::LogVerified { lines: 2, .. })), 1);
    assert_eq!(story.count(|event| matches!(event, JobEvent::OutputsVerified { files: 1, .. })), 1);
    // And one by one, by path and in part, once nothing of it is on chain any more.
    let list = world.buyer.output_list(&job).await.unwrap();
    assert_eq!((list.files.len(), list.files[0].path.as_str(), list.bytes), (1, "file", 7));
    let (whole, part) = (world.market.dir().join("whole"), world.market.dir().join("part"));
    let fetched = world.buyer.fetch_output(&job, "file", None, &whole).await.unwrap();
    assert!(fetched.verified && std::fs::read(&whole).unwrap() == b"result\n", "{fetched:?}");
    let fetched = world.buyer.fetch_output(&job, "file", Some(3..=5), &part).await.unwrap();
    assert!(!fetched.verified && std::fs::read(&part).unwrap() == b"ult", "{fetched:?}");
    let again = world.buyer.outputs(&job, &world.market.dir().join("again")).await.unwrap().with_cid().await.unwrap();
    // As IPFS' own program names a folder with this one file.
    assert!(again.cid.as_ref().is_some_and(|cid| cid.starts_with("bafybei")), "{again:?}");
    let missing = world.buyer.fetch_output(&job, "files", None, &part).await.unwrap_err();
    assert!(missing.to_string().contains("gridlease job outputs"), "{missing}");
    let books = world.books().await;
    // Some seconds at 0.30 USDC an hour: a job that completes is charged to the second, without a minimum.
    let gross = books.paid_atoms + books.fee_atoms;
    assert_eq!((gross, books.fee_atoms, books.held_atoms), (story.accrued(), gross.div_ceil(50), 0));
    assert!(gross < 5_000, "{gross}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn threat_05_a_job_with_egress_finds_a_machine_that_gives_it_and_has_a_network_until_it_ends() {
    let root = nix::unistd::geteuid().is_root().then_some(()).ok_or("only root can fence a lease's network");
    if needed(root).is_none() {
        return;
    }
    let Some(world) = world(alone("solo")).await else { return };
    let routes = "/busybox grep -qv -e Iface /proc/net/route";
    for (network, code) in [("network: egress\n", 0), ("network: { allow: [hub.example] }\n", 0), ("", 1)] {
        let job = world.post_asking(&format!("{routes}; exit $?"), "10m", network).await;
        let mut story = world.follow(job);
        story.until_the_end().await;
        let finished = story.told.iter().find(|event| matches!(event, JobEvent::Finished { .. })).unwrap();
        assert!(
            matches!(finished, JobEvent::Finished { exit_code: Some(ended), .. } if *ended == code),
            "{network}: {finished:?}"
        );
    }
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_who_stops_early_pays_for_what_ran_and_gets_the_rest_back() {
    let Some(world) = world(alone("solo")).await else { return };
    let job = world.post("echo so far > /out/file; echo up; sleep 600", "10m").await;
    let mut story = world.follow(job);
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    story.until_a_line().await;
    steps::stop(world.buyer.chain(), world.buyer.key(), &job).await.unwrap();
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    assert_eq!(story.count(|event| matches!(event, JobEvent::Finished { reason: EndReason::Stopped, .. })), 1);
    // What it had written comes back, though nothing on chain proves it.
    story.until_told("the outputs", |event| matches!(event, JobEvent::OutputsFetched { files: 1, .. })).await;
    let again = world.market.dir().join("again");
    let fetched = world.buyer.outputs(&job, &again).await.unwrap();
    assert_eq!((fetched.files, fetched.verified), (1, false));
    assert_eq!(std::fs::read_to_string(again.join("file")).unwrap(), "so far\n");
    let books = world.books().await;
    // One minute at 0.30 USDC an hour, the least that a buyer who stops is charged.
    assert_eq!((books.paid_atoms, books.fee_atoms, books.held_atoms), (4_900, 100, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_escrow_runs_out_is_stopped_and_paid_to_the_last_second() {
    let Some(world) = world(alone("solo")).await else { return };
    let job = world.post("echo up; sleep 600", "60s").await;
    let mut story = world.follow(job);
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    world.market.localnet.advance_time(Duration::from_secs(61)).await.unwrap();
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    assert_eq!(story.count(|event| matches!(event, JobEvent::Finished { reason: EndReason::OutOfFunds, .. })), 1);
    let books = world.books().await;
    // The whole reservation: one minute at 0.30 USDC an hour.
    assert_eq!((books.paid_atoms, books.fee_atoms, books.held_atoms), (4_900, 100, 0));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_keeper_the_parties_take_every_step_themselves() {
    let options = MarketOptions { keeper: false, ..alone("solo") };
    let Some(world) = world(options).await else { return };
    let job = world.post("echo alone", "10m").await;
    let mut story = world.follow(job);
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    story.until("the closed lease", |event| matches!(event, JobEvent::LeaseClosed { .. })).await;
    // With the lease it closes the job, which is over.
    story.until("the closed job", |event| matches!(event, JobEvent::JobClosed)).await;
    let books = world.books().await;
    assert_eq!((books.paid_atoms + books.fee_atoms, books.held_atoms), (story.accrued(), 0));
    world.stop().await;
}
