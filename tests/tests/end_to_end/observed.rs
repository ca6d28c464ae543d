//! What a buyer sees of a running lease, as its user does: with the built program.

use std::time::Duration;

use gridlease_cli::buyer::JobEvent;
use gridlease_cli::steps;
use gridlease_sdk::node_api::{LeaseEvent, LeaseStats};

use crate::reach::{gridlease, run, text};
use crate::world::{alone, world};

const SCRIPT: &str = "echo begun; while true; do :; done";

#[tokio::test(flavor = "multi_thread")]
async fn a_buyer_sees_what_a_job_uses_what_happens_to_it_and_has_its_log_signed() {
    let Some(world) = world(alone("solo")).await else { return };
    let job = world.post(SCRIPT, "10m").await;
    let id = job.to_string();
    let early = run(gridlease(&world, &["job", "stats", &id]), "").await;
    assert!(!early.status.success() && !early.stderr.is_empty(), "{early:?}");
    let mut story = world.follow(job);
    story.until("ready", |event| matches!(event, JobEvent::Ready { .. })).await;
    story.until_told("the log", |event| matches!(event, JobEvent::LogLine { line, .. } if line == "begun")).await;

    let mut following = gridlease(&world, &["job", "stats", &id, "--follow"]);
    following.stdout(std::process::Stdio::piped());
    let following = following.spawn().unwrap();
    let mut now = run(gridlease(&world, &["job", "stats", &id, "--json"]), "").await;
    for _ in 0..40 {
        if now.status.success() {
            break;
        }
        assert!(text(&now.stderr).contains("nothing was measured yet"), "{now:?}");
        tokio::time::sleep(Duration::from_millis(500)).await;
        now = run(gridlease(&world, &["job", "stats", &id, "--json"]), "").await;
    }
    let stats: LeaseStats = serde_json::from_slice(&now.stdout).unwrap();
    assert!(stats.cpu.used_millicores.unwrap() > 0 && stats.memory.used_bytes.unwrap() > 0, "{stats:?}");
    assert!(stats.memory.limit_bytes.is_some() && stats.pids.now.unwrap() >= 1, "{stats:?}");
    let series = run(gridlease(&world, &["job", "stats", &id, "--since", "10m"]), "").await;
    assert!(text(&series.stdout).lines().count() >= 2, "{series:?}");

    let so_far = run(gridlease(&world, &["job", "events", &id]), "").await;
    assert!(text(&so_far.stdout).contains("  started") && text(&so_far.stdout).contains("  ready"), "{so_far:?}");
    let signed = run(gridlease(&world, &["job", "logs", &id, "--verify"]), "").await;
    assert_eq!(text(&signed.stdout), "begun\n", "{signed:?}");
    assert!(text(&signed.stderr).contains("1 of them signed for by node key"), "{signed:?}");

    steps::stop(world.buyer.chain(), world.buyer.key(), &job).await.unwrap();
    let events = run(gridlease(&world, &["job", "events", &id, "--follow", "--json"]), "").await;
    let events: Vec<LeaseEvent> =
        text(&events.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|event| event.event.as_str()).filter(|name| *name != "message").collect();
    let life =
        ["won", "inputs_ready", "pulling", "pulled", "created", "started", "ready", "stopping", "ended", "collected"];
    assert_eq!(names[..life.len()], life, "{events:?}");
    assert_eq!(names.last(), Some(&"wiped"), "{events:?}");
    assert!(events.iter().zip(0..).all(|(event, seq)| event.seq == seq), "{events:?}");
    let rows = tokio::task::spawn_blocking(|| following.wait_with_output().unwrap()).await.unwrap();
    assert!(rows.status.success() && text(&rows.stdout).lines().count() >= 2, "{rows:?}");
    story.until("the settlement", |event| matches!(event, JobEvent::Settled { .. })).await;
    let signed = run(gridlease(&world, &["job", "logs", &id, "--verify", "--json"]), "").await;
    let last = text(&signed.stdout).lines().last().unwrap().to_owned();
    assert!(last.contains(r#""closed":true"#) && last.contains(r#""lines":1"#), "{signed:?}");
    world.books().await;
    world.stop().await;
}
