//! When a job counts as ready, on the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use gridlease_node::disk::DiskKeeper;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::store::{Blame, Phase};
use serde_json::json;
use support::played::Node;
use support::{Bench, with_bench, with_bench_of};

const SIZE: &str = "resources: { cpu: 1, memory: 64MiB, disk: 64MiB }\n";

/// A node whose job runs `script`, or the image's own program where that is empty.
async fn node(bench: &Bench, script: &str, more: &str) -> Node {
    let command =
        if script.is_empty() { String::new() } else { format!("command: [\"/bin/sh\", \"-c\", {script:?}]\n") };
    Node::with_manifest(bench, &bench.state, DiskKeeper::measuring(), &format!("{command}{SIZE}{more}")).await
}

/// Goes on until this is done next; returns what the buyer was told meanwhile, each message once.
async fn told_until(node: &mut Node, stop: impl Fn(&Action) -> bool) -> Vec<String> {
    let mut told: Vec<String> = Vec::new();
    for _ in 0..600 {
        let action = node.turn().await;
        let message = node.record().message;
        if !message.is_empty() && told.last() != Some(&message) {
            told.push(message);
        }
        if stop(&action) {
            return told;
        }
    }
    panic!("no end in sight: {told:?}");
}

fn is_ready(action: &Action) -> bool {
    *action == Action::PostReady
}

#[tokio::test]
async fn a_job_is_ready_when_its_port_takes_a_connection_and_its_program_ends_with_0() {
    with_bench(|bench| async {
        let script =
            "sleep 1; /bin/busybox httpd -p 127.0.0.1:80 -h /tmp; sleep 1; touch /tmp/up; while true; do sleep 1; done";
        let more = "ports: [ { container: 80, probe: { tcp: true } } ]\n\
                    ready: { exec: [\"/bin/sh\", \"-c\", \"test -e /tmp/up || { echo not yet; exit 3; }\"] }\n";
        let mut node = node(&bench, script, more).await;
        let told = told_until(&mut node, is_ready).await;
        assert!(told.iter().any(|words| words.contains("port 80 of the container cannot be reached")), "{told:?}");
        assert!(told.iter().any(|words| words.ends_with("ended with exit code 3: not yet")), "{told:?}");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_service_that_names_no_probe_is_ready_when_its_image_s_healthcheck_says_so() {
    let config = json!({
        "Env": ["PATH=/bin"],
        "Cmd": ["/bin/sh", "-c", "sleep 2; touch /tmp/up; while true; do sleep 1; done"],
        "Healthcheck": { "Test": ["CMD-SHELL", "test -e /tmp/up || exit 1"], "Interval": 30_000_000_000u64 },
    });
    with_bench_of(config, |bench| async {
        let ports = "ports: [ { container: 80 } ]\n";
        let mut asked = node(&bench, "", ports).await;
        let told = told_until(&mut asked, is_ready).await;
        assert!(
            told.iter().any(|words| words.contains("the image's HEALTHCHECK `/bin/sh -c test -e /tmp/up")),
            "{told:?}"
        );
        asked.until(|action| matches!(action, Action::Watch { .. })).await;
        assert_eq!(asked.record().message, "", "what was waited for is not said any more");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_and_a_job_that_is_not_ready_in_its_own_time_ends_with_the_last_answer() {
    with_bench(|bench| async {
        let more = "ready: { exec: [\"/bin/sh\", \"-c\", \"echo still starting; exec sleep 77123\"], timeout: 1s, start_period: 4s }\n";
        let mut node = node(&bench, "while true; do sleep 1; done", more).await;
        told_until(&mut node, |action| *action == Action::PostFailed).await;
        let record = node.record();
        assert!(matches!(record.phase, Phase::Failed { .. }), "{record:?}");
        assert_eq!(record.blame, Blame::Engine { exit_code: 125 });
        assert!(record.message.ends_with("did not end within 1 s: still starting"), "{}", record.message);
        node.until(|action| *action == Action::Nothing).await;
        let left = std::process::Command::new("pgrep").args(["-f", "^sleep 77123"]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&left.stdout), "", "nothing of it is left");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_job_without_ports_and_probes_is_ready_at_once_and_one_that_ends_before_it_is_ready_keeps_its_exit_code() {
    with_bench(|bench| async {
        let mut small = node(&bench, "exit 0", "").await;
        assert_eq!(told_until(&mut small, is_ready).await, Vec::<String>::new());
        drop(small);
        let mut failed = node(&bench, "exit 3", "ports: [ { container: 80 } ]\n").await;
        let record = failed.finish().await;
        assert_eq!(record.ended.map(|ended| ended.code), Some(3));
        bench
    })
    .await;
}
