//! How a container ended and how long it ran reaches the record and the buyer, as it was on the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::time::{Duration, Instant};

use bollard::Docker;
use gridlease_node::driver::{ContainerId, ContainerState, Driver as _};
use gridlease_node::lease::reconcile::Action;
use gridlease_node::logs::LogLimits;
use gridlease_node::store::{LeaseRecord, StopReason};
use support::node::Node;
use support::with_bench;

#[tokio::test]
async fn issue9_10_a_container_that_wrote_too_much_ends_with_that_reason_in_words() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let record = node.launch(&bench, 1, "trap 'exit 143' TERM; while true; do sleep 0.1; done").await;
        let record = node.worker.take(&record, &Action::Stop(StopReason::DiskFull)).await.unwrap();
        node.to_the_end(&record).await;
        let status = node.status(&record.lease).await;
        assert_eq!(status.exit_code, Some(143));
        assert!(status.message.contains("the job filled its disk"), "{}", status.message);
        assert!(status.message.contains("ended with code 143"), "{}", status.message);
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_10_a_container_killed_by_its_memory_limit_says_so_and_a_child_is_told_apart() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let hog = "dd if=/dev/zero of=/dev/null bs=200M count=1";
        let killed = node.launch(&bench, 1, &format!("exec {hog}")).await;
        let survived = node.launch(&bench, 2, &format!("{hog}; echo the shell lives; exit 0")).await;
        for (record, code, words) in [
            (killed, 137, "the container was killed by its memory limit"),
            (survived, 0, "a process in the container was killed by the memory limit"),
        ] {
            node.to_the_end(&record).await;
            let status = node.status(&record.lease).await;
            assert_eq!(status.exit_code, Some(code));
            assert!(status.message.contains(words), "{code}: {}", status.message);
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn an_ordinary_end_needs_no_words() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let record = node.launch(&bench, 1, "exit 3").await;
        node.to_the_end(&record).await;
        let status = node.status(&record.lease).await;
        assert_eq!((status.exit_code, status.message.as_str()), (Some(3), ""));
        bench
    })
    .await;
}

async fn docker() -> Docker {
    Docker::connect_with_unix_defaults().unwrap().negotiate_version().await.unwrap()
}

/// Waits until the record says what the engine shows.
async fn until_known(node: &Node, record: &LeaseRecord, paused: bool) -> LeaseRecord {
    for _ in 0..200 {
        let record = node.store.get(&record.lease).unwrap().unwrap();
        if record.paused_since_ms.is_some() == paused {
            return record;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("paused={paused} is never noticed");
}

fn watch(node: &Node, record: &LeaseRecord) -> tokio::task::JoinHandle<()> {
    let (worker, record) = (node.worker.clone(), record.clone());
    tokio::spawn(async move { worker.watch_pauses(&record).await.unwrap() })
}

#[tokio::test]
async fn issue9_11_time_in_which_the_container_was_paused_from_outside_is_known_over_a_restart_and_told() {
    with_bench(|bench| async {
        let docker = docker().await;
        let script = "trap 'exit 0' TERM; while true; do sleep 0.1; done";
        let (record, began) = {
            let node = Node::start(&bench);
            let record = node.launch(&bench, 1, script).await;
            let name = record.container.as_ref().unwrap().0.clone();
            let watcher = watch(&node, &record);
            docker.pause_container(&name).await.unwrap();
            let began = Instant::now();
            until_known(&node, &record, true).await;
            let status = node.status(&record.lease).await;
            assert_eq!(status.container_state.as_deref(), Some("paused"));
            assert!(
                status.message.contains("not billed") && status.message.contains("docker unpause"),
                "{}",
                status.message
            );
            watcher.abort();
            let _ = watcher.await;
            (record, began)
        };
        let node = Node::start(&bench);
        let name = record.container.as_ref().unwrap().0.clone();
        let watcher = watch(&node, &record);
        tokio::time::sleep(Duration::from_secs(3)).await;
        docker.unpause_container(&name).await.unwrap();
        let stood = began.elapsed();
        let known = until_known(&node, &record, false).await;
        // Each edge is seen within a look of half a second; the looks themselves take their time on a busy machine.
        let difference = (i64::from(known.stood_s()) - i64::try_from(stood.as_secs()).unwrap()).abs();
        assert!(known.stood_s() >= 2 && difference <= 2, "{} s on record, {stood:?} on the watch", known.stood_s());
        assert_eq!(node.status(&record.lease).await.message, "");
        bench.driver.stop(&ContainerId(name), Duration::from_secs(5)).await.unwrap();
        watcher.await.unwrap();
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_11_a_paused_container_can_be_stopped_and_its_pause_ends_with_it() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let record = node.launch(&bench, 1, "while true; do sleep 0.1; done").await;
        let watcher = watch(&node, &record);
        docker().await.pause_container(&record.container.as_ref().unwrap().0).await.unwrap();
        until_known(&node, &record, true).await;
        let record = node.worker.take(&record, &Action::Stop(StopReason::LeaseOver)).await.unwrap();
        let record = node.to_the_end(&record).await;
        watcher.await.unwrap();
        assert!(record.paused_since_ms.is_none() && record.ended_at() > 0, "{record:?}");
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_08_a_flood_of_output_is_kept_to_the_limit_and_does_not_hold_up_the_end() {
    with_bench(|bench| async {
        let node = Node::with_limits(&bench, LogLimits { file_bytes: 1 << 20, line_bytes: 16 * 1024 });
        let record = node.launch(&bench, 1, "yes flood | head -c 20000000").await;
        let record = node.to_the_end(&record).await;
        let log = node.worker.log(&record.lease).await.unwrap();
        assert!(log.is_full() && log.head().closed && log.head().bytes <= 1 << 20);
        let text = std::fs::read_to_string(bench.state.lease(&record.lease).log()).unwrap();
        assert_eq!(text.matches("the log reached its limit").count(), 1);
        assert!(text.lines().last().unwrap().contains("the log reached its limit"));
        let state = node.worker.observe(&record).await.unwrap();
        assert!(
            matches!(state, ContainerState::Exited(exit) if exit.code == 0),
            "read to the end or not, it ran to its end"
        );
        bench
    })
    .await;
}
