//! Runs of a job that fail and are followed by others in the same lease, on the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_core::job::EndReason;
use gridlease_node::api::{LeaseDirectory as _, Reachable};
use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::Driver as _;
use gridlease_node::lease::StageName;
use gridlease_node::lease::reconcile::{Action, ChainState};
use gridlease_node::store::{LeaseRecord, Phase, StopReason};
use gridlease_sdk::node_api::secrets::Secrets;
use gridlease_sdk::node_api::{LeaseEvent, LogLine};
use solana_signer::Signer as _;
use support::played::Node;
use support::{Bench, with_bench};
use zeroize::Zeroizing;

const SIZE: &str = "resources: { cpu: 1, memory: 128MiB, disk: 64MiB }\n";

async fn node(bench: &Bench, script: &str, more: &str) -> Node {
    let yaml = format!("command: [\"/bin/sh\", \"-c\", {script:?}]\n{SIZE}{more}");
    Node::with_manifest(bench, &bench.state, DiskKeeper::measuring(), &yaml).await
}

async fn events(node: &Node) -> Vec<(String, String)> {
    let pieces: Vec<_> = node.board.events(&node.lease, 0, false).unwrap().map(Result::unwrap).collect().await;
    let text = String::from_utf8(pieces.concat()).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<LeaseEvent>(line).unwrap());
    events.map(|event| (event.event, event.message)).collect()
}

fn lines(node: &Node) -> Vec<String> {
    node.log().lines().filter_map(|line| serde_json::from_str::<LogLine>(line).ok()).map(|line| line.line).collect()
}

/// Goes on to the lease's end, with the log followed as the node does it: from the start of each run, by one that is cut off at times.
async fn finish_followed(node: &mut Node) {
    let mut follower: Option<tokio::task::JoinHandle<()>> = None;
    for turn in 0..600 {
        let runs =
            node.board.status(&node.lease).and_then(|status| status.container_state) == Some("running".to_owned());
        if turn % 3 == 0 {
            follower.take().inspect(tokio::task::JoinHandle::abort);
        }
        if runs && follower.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            let (worker, record) = (node.worker.clone(), node.record());
            follower = Some(tokio::spawn(async move { worker.follow_log(&record).await.unwrap() }));
        }
        if node.turn().await == Action::Nothing {
            if let Some(follower) = follower {
                follower.abort();
                let _ = follower.await;
            }
            return;
        }
    }
    panic!("no end in sight: {:?}", node.record());
}

const COUNTS: &str = "n=$(cat $HOME/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > $HOME/n";

#[tokio::test]
async fn a_job_that_fails_by_code_signal_or_memory_runs_again_and_its_log_has_every_line_once() {
    with_bench(|bench| async {
        let script = format!(
            "{COUNTS}; test -e /tmp/here && echo stale; touch /tmp/here; echo run $n; echo err $n >&2; printf 'no end %s' $n; \
             case $n in 1) exit 4;; 2) kill -SEGV $$;; 3) exec /bin/busybox tail /dev/zero;; esac; echo; echo done > /out/result"
        );
        let restart = "restart: { policy: on-failure, max: 4, delay: 1s }\n";
        let mut node = node(&bench, &script, restart).await;
        finish_followed(&mut node).await;
        let record = node.record();
        assert_eq!((record.phase.clone(), node.finishes), (Phase::Done, 1));
        assert_eq!(record.ended.as_ref().unwrap().code, 0, "the last run's: {:?}", lines(&node));
        let told = lines(&node);
        let of = |begins: &str| told.iter().filter(|line| line.starts_with(begins)).cloned().collect::<Vec<_>>();
        assert_eq!(of("run"), ["run 1", "run 2", "run 3", "run 4"], "{told:?}");
        assert_eq!(of("err"), ["err 1", "err 2", "err 3", "err 4"], "{told:?}");
        assert_eq!(of("no end"), ["no end 1", "no end 2", "no end 3", "no end 4"], "no run's last is lost: {told:?}");
        assert_eq!(told.len(), 12, "{told:?}");
        assert_eq!(record.log_lines, 12);
        assert_eq!(node.collected().listing.files[0].path, "result");
        let events = events(&node).await;
        let of = |kind: &str| events.iter().filter(|(event, _)| event == kind).map(|(_, words)| words).collect::<Vec<_>>();
        let fell = of("fell");
        assert_eq!(fell.len(), 3, "{events:?}");
        assert_eq!(fell[0], "with code 4; is started again in 1 s");
        assert!(fell[1].starts_with("with code 139") && fell[1].contains("SIGSEGV"), "{fell:?}");
        assert!(fell[2].contains("memory limit") && fell[2].ends_with("is started again in 4 s"), "{fell:?}");
        assert_eq!(of("restarted"), ["restart 1 of 4", "restart 2 of 4", "restart 3 of 4"]);
        assert_eq!(of("ended"), ["with code 0"], "no earlier run's signal is told of the last");
        let status = node.board.status(&node.lease).unwrap();
        assert_eq!(status.restarts, 3);
        assert!(status.message.contains("started again 3 of 4 times"), "{}", status.message);
        bench
    })
    .await;
}

#[tokio::test]
async fn a_job_between_two_runs_is_told_as_such_cannot_be_reached_and_ends_at_once_when_its_buyer_stops_it() {
    with_bench(|bench| async {
        let restart = "restart: { policy: on-failure, delay: 5m }\nports: [ { container: 80 } ]\n";
        let mut node = node(&bench, "sleep 2.5; echo last; exit 9", restart).await;
        node.until(|action| matches!(action, Action::AwaitRestart { .. })).await;
        assert_eq!(node.chain.state, ChainState::Running, "it was ready, and is paid for on");
        let status = node.board.status(&node.lease).unwrap();
        assert_eq!((status.phase.as_str(), status.container_state.as_deref()), ("restarting", Some("restarting")));
        assert_eq!((status.exit_code, status.restarts), (None, 0));
        assert!(
            status.message.starts_with("its program ended with code 9; the container is started again at 2"),
            "{}",
            status.message
        );
        assert!(status.message.ends_with("(restart 1 of 5), and the lease goes on"), "{}", status.message);
        assert!(matches!(node.board.reach(&node.lease), Reachable::NotYet));
        // The log is open: its end has not come.
        node.worker.follow_log(&node.record()).await.unwrap();
        assert!(!node.board.log_head(&node.lease).unwrap().closed);
        let fall = node.record().falls[0].clone();
        node.chain.state = ChainState::Ended;
        let begun = std::time::Instant::now();
        node.until(|action| *action == Action::Nothing).await;
        assert!(begun.elapsed() < Duration::from_secs(30));
        let record = node.record();
        assert_eq!((record.stop, record.ended.as_ref().unwrap().code), (Some(StopReason::LeaseOver), 9));
        assert_eq!(record.ended_ms, Some(fall.ended_ms()), "no run has followed");
        assert_eq!(record.falls.iter().filter(|fall| fall.again).count(), 0, "nothing was started again");
        assert_eq!(lines(&node), ["last"]);
        assert!(node.board.log_head(&node.lease).unwrap().closed);
        bench
    })
    .await;
}

#[tokio::test]
async fn a_job_that_fails_before_it_is_ready_becomes_ready_in_a_later_run_and_is_asked_anew() {
    with_bench(|bench| async {
        let script = format!("{COUNTS}; test $n = 1 && exit 7; sleep 0.5; touch /tmp/up; sleep 3; exit $((n - 2))");
        let more = "restart: { policy: on-failure, max: 2, delay: 1s }\n\
                    ready: { exec: [\"/bin/sh\", \"-c\", \"test -e /tmp/up\"] }\n";
        let mut node = node(&bench, &script, more).await;
        node.until(|action| *action == Action::Restart).await;
        assert_eq!(node.chain.state, ChainState::Starting, "it never was what its buyer calls ready");
        node.until(|action| *action == Action::PostReady).await;
        let record = node.finish().await;
        assert_eq!((record.ended.unwrap().code, record.falls.len()), (0, 1));
        bench
    })
    .await;
}

/// A job with a secret that fails and waits for its next run.
async fn between_runs_with_a_secret(bench: &Bench) -> Node {
    let more = "restart: { policy: on-failure, delay: 2s }\nsecrets: { TOKEN: { from: env, as: env } }\n";
    let mut node = node(bench, "sleep 0.5; exit 6", more).await;
    node.until(|action| matches!(action, Action::AwaitBuyer { .. })).await;
    let secrets: Secrets = [("TOKEN".to_owned(), Zeroizing::new(b"never to be seen".to_vec()))].into();
    let sealed = node.board.lease_key(&node.lease).unwrap().seal(&node.lease, &node.key.pubkey(), &secrets).unwrap();
    node.board.take_secrets(&node.lease, &sealed).unwrap();
    node.until(|action| matches!(action, Action::AwaitRestart { .. })).await;
    node
}

#[tokio::test]
async fn a_restart_that_can_never_succeed_ends_the_lease_with_the_reason_in_words_and_what_it_waited_is_not_paid() {
    with_bench(|bench| async {
        for (gone, tries, words) in [(true, 0, "secrets are gone"), (false, 3, "its own files")] {
            let mut node = between_runs_with_a_secret(&bench).await;
            let dir = bench.state.lease(&node.lease);
            if gone {
                // As after a restart of the machine, where the secrets were in memory.
                std::fs::remove_dir_all(dir.secrets()).unwrap();
            } else {
                // As where a file of the node's own cannot be written.
                std::fs::remove_file(dir.init()).unwrap();
                std::fs::create_dir_all(dir.init().join("in the way")).unwrap();
            }
            let record = node.finish().await;
            assert_eq!((record.ended.as_ref().unwrap().code, record.stop), (6, None));
            assert_eq!(node.told.len(), tries, "{:?}", node.told);
            let told = record.ending().unwrap();
            assert!(told.starts_with("the container could not be started again: ") && told.contains(words), "{told}");
            let events = events(&node).await;
            assert!(events.iter().any(|(event, words)| event == "ended" && words.contains(&told)), "{events:?}");
            let fall = &record.falls[0];
            assert!(!fall.again);
            assert_eq!((record.ended_ms, record.stood_s()), (Some(fall.ended_ms()), 0));
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn a_pause_in_which_services_run_on_is_paid_to_its_end_and_a_container_removed_in_one_ended_with_its_fall() {
    with_bench(|bench| async {
        let service = |script: &str| {
            let image = bench.registry.image.to_string();
            format!(
                "restart: {{ policy: on-failure, delay: 5m }}\nservices: {{ w: {{ image: {image}, memory: 32MiB, \
                 command: [\"/bin/sh\", \"-c\", {script:?}] }} }}\n"
            )
        };
        let fills = "sleep 6; dd if=/dev/zero of=$HOME/big bs=1M count=80; sleep 600";
        let mut full = node(&bench, "sleep 1; exit 1", &service(fills)).await;
        let record = full.finish().await;
        assert_eq!(record.stop, Some(StopReason::DiskFull));
        let fall = &record.falls[0];
        let pause_ms = record.ended_ms.unwrap() - fall.ended_ms();
        assert!(!fall.again && (2_000..60_000).contains(&pause_ms), "{pause_ms} ms of service are paid: {record:?}");
        assert_eq!(record.stood_s(), 0);
        drop(full);
        let mut removed = node(&bench, "sleep 1; exit 1", "restart: { policy: on-failure, delay: 5m }\n").await;
        removed.until(|action| matches!(action, Action::AwaitRestart { .. })).await;
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        removed.driver().remove(&removed.record().container.unwrap()).await.unwrap();
        let record = removed.finish().await;
        assert!(record.ended.as_ref().unwrap().lost);
        assert_eq!(record.ended_ms, Some(record.falls[0].ended_ms()), "not when it was missed");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_job_whose_node_died_before_it_wrote_its_first_start_down_is_started_again_all_the_same() {
    with_bench(|bench| async {
        let script = format!("{COUNTS}; exit $((2 - n))");
        let mut node = node(&bench, &script, "restart: { policy: on-failure, delay: 1s }\n").await;
        node.until(|action| *action == Action::Do(StageName::Start)).await;
        let forgotten = |record: &mut LeaseRecord| {
            record.started_at_ms = None;
            record.phase = Phase::Created;
            Ok(())
        };
        node.store.update(&node.lease, forgotten).unwrap();
        node.worker.wait(&node.record()).await.unwrap();
        let record = node.finish().await;
        assert_eq!((record.ended.as_ref().unwrap().code, record.falls.len()), (0, 1), "{record:?}");
        bench
    })
    .await;
}

fn docker(args: &[&str]) {
    let done = std::process::Command::new("docker").args(args).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test]
async fn services_that_are_paused_between_two_runs_are_not_billed_and_an_engine_that_took_them_along_is_no_abandonment()
{
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let more = format!(
            "restart: {{ policy: on-failure, delay: 5m }}\n\
             services: {{ w: {{ image: {image}, memory: 32MiB, command: [\"sleep\", \"600\"] }} }}\n"
        );
        let mut node = node(&bench, "sleep 1; exit 1", &more).await;
        node.until(|action| matches!(action, Action::AwaitRestart { .. })).await;
        let names: Vec<_> =
            bench.driver.list_labelled(&bench.node).await.unwrap().into_iter().map(|of| of.name).collect();
        let named =
            |end: &str| names.iter().find(|name| name.ends_with(end)).unwrap().trim_start_matches('/').to_owned();
        let (service, pod) = (named("-w"), named("_pod"));
        let (worker, record) = (node.worker.clone(), node.record());
        let watched = tokio::spawn(async move { worker.watch_pauses(&record).await });
        docker(&["pause", &service]);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(node.record().paused_since_ms.is_some(), "{:?}", node.record());
        docker(&["unpause", &service]);
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        assert!(node.record().paused_since_ms.is_none() && node.record().stood_ms > 500, "{:?}", node.record());
        docker(&["kill", &pod]);
        let record = node.finish().await;
        watched.await.unwrap().unwrap();
        assert_eq!((record.stop, record.end_reason(false)), (None, EndReason::Completed));
        let told = record.ending().unwrap();
        assert!(told.contains("network of the job's containers ended"), "{told}");
        let fall = &record.falls[0];
        assert_eq!((fall.again, record.ended_ms, record.stood_s()), (false, Some(fall.ended_ms()), 0));
        bench
    })
    .await;
}

#[tokio::test]
async fn time_in_which_no_node_was_there_to_see_the_fall_or_to_start_the_next_run_is_not_billed() {
    with_bench(|bench| async {
        let script = format!("{COUNTS}; sleep 1; exit $((2 - n))");
        let mut node = node(&bench, &script, "restart: { policy: on-failure, delay: 1s }\n").await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        tokio::time::sleep(Duration::from_secs(12)).await;
        node.until(|action| matches!(action, Action::AwaitRestart { .. })).await;
        assert_eq!(node.record().stood_s(), 0, "it counts with the run that follows");
        tokio::time::sleep(Duration::from_secs(9)).await;
        let record = node.finish().await;
        assert_eq!((record.ended.as_ref().unwrap().code, record.falls.len()), (0, 1));
        // Some ten seconds and some eight, of which a node that is there may need five each.
        assert!((5..=14).contains(&record.stood_s()), "{} s", record.stood_s());
        bench
    })
    .await;
}

#[tokio::test]
async fn a_job_that_never_says_so_is_not_started_again_and_one_whose_disk_is_full_neither() {
    with_bench(|bench| async {
        let mut once = node(&bench, "exit 3", "").await;
        let record = once.finish().await;
        assert_eq!((record.ended.unwrap().code, record.falls.len()), (3, 0));
        drop(once);
        let script = "busybox dd if=/dev/zero of=/out/big bs=1M count=80; sleep 0.1; exit 1";
        let mut full = node(&bench, script, "restart: on-failure\n").await;
        full.until(|action| *action == Action::Do(StageName::Start)).await;
        let record = full.finish().await;
        assert_eq!(
            (record.stop, record.falls.iter().filter(|fall| fall.again).count()),
            (Some(StopReason::DiskFull), 0)
        );
        bench
    })
    .await;
}
