//! What a container uses, as the kernel counts it, reaches the buyer while it runs and the record at its end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::clock::Clock;
use gridlease_node::gpu::GpuSource;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::stats::Sampler;
use gridlease_node::store::{LeaseRecord, StopReason};
use gridlease_sdk::node_api::LeaseStats;
use support::node::Node;
use support::{Bench, with_bench};
use tokio_util::sync::CancellationToken;

fn sample(bench: &Bench, node: &Node) -> CancellationToken {
    let (driver, stop) = (Arc::new(bench.driver.clone()), CancellationToken::new());
    let sampler = Sampler::new(node.stats.clone(), Arc::clone(&node.board), driver, GpuSource::Cpu, Clock::system());
    tokio::spawn(sampler.run(stop.clone()));
    stop
}

async fn until_measured(node: &Node, record: &LeaseRecord) -> Vec<LeaseStats> {
    for _ in 0..200 {
        if let Some(feed) = node.board.stats(&record.lease, Some(0), false) {
            let pieces: Vec<_> = feed.map(Result::unwrap).collect().await;
            let text = String::from_utf8(pieces.concat()).unwrap();
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{} is never measured", record.lease);
}

#[tokio::test]
async fn what_two_containers_use_is_measured_apart_and_who_follows_comes_to_an_end_with_his() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let busy =
            "dd if=/dev/zero of=/tmp/x bs=1M count=20; dd if=/dev/zero of=/out/y bs=1M count=3; while true; do :; done";
        let busy = node.launch(&bench, 1, busy).await;
        let idle = node.launch(&bench, 2, "sleep 300 & sleep 301 & sleep 302").await;
        for record in [&busy, &idle] {
            node.status(&record.lease).await;
            assert!(node.board.stats(&record.lease, None, true).is_none(), "nothing was measured yet");
        }
        let stop = sample(&bench, &node);
        let found = until_measured(&node, &busy).await;
        let [first] = found.as_slice() else { panic!("{found:?}") };
        let quiet = until_measured(&node, &idle).await[0].clone();
        let LeaseStats { cpu, memory, pids, network, disk, .. } = first;
        assert!(cpu.used_millicores.unwrap() > 100, "it computes without a pause: {first:?}");
        assert_eq!((cpu.limit_millicores, memory.limit_bytes, pids.limit), (Some(1_000), Some(64 << 20), Some(40)));
        assert!(memory.used_bytes.unwrap() >= 20 << 20, "what lies in /tmp is memory: {first:?}");
        assert!(memory.peak_bytes.unwrap() >= memory.used_bytes.unwrap());
        assert_eq!((network.rx_bytes, network.tx_bytes), (Some(0), Some(0)), "it has no network");
        assert!(disk.used_bytes.is_none_or(|used| used >= 3 << 20), "{first:?}");
        assert!(quiet.cpu.used_millicores.unwrap() < 100, "{quiet:?}");
        assert!(quiet.pids.now.unwrap() >= 3 && quiet.memory.used_bytes.unwrap() < 20 << 20, "{quiet:?}");

        let follower = tokio::spawn(node.board.stats(&idle.lease, None, true).unwrap().collect::<Vec<_>>());
        for record in [&busy, &idle] {
            node.worker.take(record, &Action::Stop(StopReason::Operator)).await.unwrap();
            node.status(&record.lease).await;
        }
        tokio::time::timeout(Duration::from_secs(10), follower).await.expect("it comes to an end").unwrap();
        stop.cancel();
        bench
    })
    .await;
}

#[tokio::test]
async fn report12_a_kill_is_told_with_the_peak_of_its_memory_in_the_record() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let stop = sample(&bench, &node);
        // Given back before anybody looks: the kernel remembers.
        let full = "dd if=/dev/zero of=/dev/null bs=59M count=1; sleep 3; kill -9 $$";
        let (full, little) = (node.launch(&bench, 1, full).await, node.launch(&bench, 2, "sleep 3; kill -9 $$").await);
        for record in [&full, &little] {
            node.status(&record.lease).await;
        }
        for record in [&full, &little] {
            node.to_the_end(record).await;
        }
        let told = node.status(&full.lease).await.message;
        assert!(told.contains("(SIGKILL), perhaps for memory: peak "), "{told}");
        assert!(told.contains(" of 64 MiB"), "{told}");
        let told = node.status(&little.lease).await.message;
        assert!(told.contains("where nothing in the job sent it, that was the memory limit"), "{told}");
        let memory = node.store.get(&little.lease).unwrap().unwrap().memory.unwrap();
        assert!(memory.peak < 32 << 20 && memory.limit == Some(64 << 20) && memory.kills == 0, "{memory:?}");
        stop.cancel();
        bench
    })
    .await;
}
