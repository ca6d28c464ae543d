//! How a job ended and what it is billed for reach the buyer as they were.

use std::time::{Duration, Instant};

use gridlease_cli::buyer::JobEvent;
use gridlease_core::job::EndReason;
use gridlease_node::driver::container_name;
use gridlease_sdk::node_api::LogStream;
use solana_pubkey::Pubkey;

use crate::world::{Story, World, alone, world};

/// Atoms in a second at 0.30 USDC an hour, rounded up.
const SECOND: u64 = 84;

async fn one() -> Option<World> {
    world(alone("solo")).await
}

async fn started(story: &mut Story) -> Pubkey {
    match story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await {
        JobEvent::Ready { lease, .. } => lease,
        other => panic!("{other:?}"),
    }
}

fn finished(story: &Story) -> (EndReason, Option<i32>) {
    let told = story.told.iter().find_map(|event| match event {
        JobEvent::Finished { reason, exit_code, .. } => Some((*reason, *exit_code)),
        _ => None,
    });
    told.expect("it finished")
}

/// Seconds that the lease was billed, rounded up.
fn billed(story: &Story) -> u64 {
    story.accrued().div_ceil(SECOND)
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_01_the_buyer_reads_three_hundred_lines_once_and_in_order() {
    let Some(world) = one().await else { return };
    let job = world.post("seq 1 300; sleep 1; seq 1 100 >&2", "10m").await;
    let mut story = world.follow(job);
    story.until_the_end().await;
    for (of, to) in [(LogStream::Stdout, 300), (LogStream::Stderr, 100)] {
        let lines: Vec<&str> = story
            .told
            .iter()
            .filter_map(|event| match event {
                JobEvent::LogLine { stream, line, .. } if *stream == of => Some(line.as_str()),
                _ => None,
            })
            .collect();
        assert!(lines.iter().zip(1..).all(|(line, n)| **line == n.to_string()), "{of:?}: {lines:?}");
        assert_eq!(lines.len(), to, "{of:?}");
    }
    assert_eq!(story.count(|event| matches!(event, JobEvent::LogVerified { lines: 400, .. })), 1);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_10_a_job_that_fills_its_disk_ends_as_that_and_says_so_wherever_it_is_asked() {
    let Some(world) = one().await else { return };
    let script = "dd if=/dev/zero of=/out/big bs=1M count=300 || exit 7; while true; do sleep 0.1; done";
    let job = world.post(script, "10m").await;
    let mut story = world.follow(job);
    story.until("the end", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    assert_eq!(finished(&story).0, EndReason::DiskFull);
    let shown = world.buyer.show(&job).await.unwrap();
    assert_eq!(shown.reason, "disk full");
    let said = shown.node_message.unwrap_or_default();
    assert!(said.contains("disk"), "{said}");
    story.until_the_end().await;
    let told = story.count(|event| matches!(event, JobEvent::NodeStatus { message, .. } if message.contains("disk")));
    assert!(told > 0, "the live view has the reason in words: {:#?}", story.told);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_10_a_job_killed_by_its_memory_limit_says_so_in_the_live_view_and_later() {
    let Some(world) = one().await else { return };
    let job = world.post("echo up; exec dd if=/dev/zero of=/dev/null bs=300M count=1", "10m").await;
    let mut story = world.follow(job);
    story.until("the end", |event| matches!(event, JobEvent::JobEnded { .. })).await;
    assert_eq!(finished(&story), (EndReason::Completed, Some(137)));
    let said = world.buyer.show(&job).await.unwrap().node_message.unwrap_or_default();
    assert!(said.contains("killed by its memory limit"), "{said}");
    story.until_the_end().await;
    let told = |event: &JobEvent| matches!(event, JobEvent::NodeStatus { message, .. } if *message == said);
    assert!(story.count(told) > 0, "{:#?}", story.told);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_11_a_container_that_is_paused_from_outside_is_not_billed_meanwhile() {
    let Some(world) = one().await else { return };
    let job = world.post("echo up; for n in 1 2 3 4 5 6; do sleep 1; done", "10m").await;
    let mut story = world.follow(job);
    let lease = started(&mut story).await;
    let docker = gridlease_demo::image::docker().await.unwrap();
    docker.pause_container(&container_name(&lease)).await.unwrap();
    let began = Instant::now();
    let told =
        |event: &JobEvent| matches!(event, JobEvent::NodeStatus { message, .. } if message.contains("docker unpause"));
    story.until("the node's word", told).await;
    tokio::time::sleep(Duration::from_secs(30).saturating_sub(began.elapsed())).await;
    docker.unpause_container(&container_name(&lease)).await.unwrap();
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    // Six seconds of work, half a minute of pause: with everything around it, well under what both are together.
    assert!((1..20).contains(&billed(&story)), "{} s", billed(&story));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_11_a_job_whose_end_is_told_late_is_billed_for_what_it_ran() {
    let Some(mut world) = one().await else { return };
    let job = world.post("echo up; sleep 6", "10m").await;
    let mut story = world.follow(job);
    started(&mut story).await;
    story.until_a_line().await;
    // What an RPC that is gone does to the finish, and more: nobody is there to send it.
    world.market.kill_node(0).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    world.market.start_node(0).unwrap();
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    assert_eq!(finished(&story), (EndReason::Completed, Some(0)));
    assert!((1..20).contains(&billed(&story)), "{} s", billed(&story));
    world.stop().await;
}
