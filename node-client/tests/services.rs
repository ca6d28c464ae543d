//! Jobs of several containers on the real engine: one network, names, an order, and one end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::clock::Clock;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::gpu::GpuSource;
use gridlease_node::lease::StageName;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::lease_board::LeaseBoard;
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::secrets::Keyring;
use gridlease_node::stats::{Sampler, Stats};
use gridlease_node::store::{Blame, LeaseRecord, Phase, StopReason};
use gridlease_sdk::node_api::LeaseStats;
use support::played::Node;
use support::{Bench, with_bench};
use tokio_util::sync::CancellationToken;

const SIZES: &str = "resources: { cpu: 1, memory: 256MiB, disk: 128MiB }\n";

/// A service that serves what it says on this port.
fn serves(bench: &Bench, says: &str, port: u16, more: &str) -> String {
    let script =
        format!("echo serves {says}; echo {says} > $HOME/index.html; exec busybox httpd -f -p {port} -h $HOME");
    format!(
        "{{ image: {}, memory: 48MiB, command: [\"/bin/sh\", \"-c\", {script:?}], port: {port}{more} }}",
        bench.registry.image
    )
}

async fn node(bench: &Bench, script: &str, services: &str) -> Node {
    let yaml = format!("command: [\"/bin/sh\", \"-c\", {script:?}]\n{SIZES}services: {services}\n");
    Node::with_manifest(bench, &bench.state, DiskKeeper::detect(&bench.state), &yaml).await
}

/// Names of the lease's containers that the engine knows.
async fn containers(bench: &Bench) -> Vec<String> {
    use gridlease_node::driver::Driver as _;
    let mut names: Vec<_> =
        bench.driver.list_labelled(&bench.node).await.unwrap().into_iter().map(|of| of.name).collect();
    names.sort();
    names
}

async fn inspect(name: &str) -> bollard::models::ContainerInspectResponse {
    let docker = bollard::Docker::connect_with_unix_defaults().unwrap().negotiate_version().await.unwrap();
    docker.inspect_container(name, None::<bollard::query_parameters::InspectContainerOptions>).await.unwrap()
}

#[tokio::test]
async fn the_containers_of_a_job_find_each_other_by_name_on_a_network_of_their_own() {
    with_bench(|bench| async {
        // The first asks the second when it starts, so it has to come after it.
        let db = serves(&bench, "rows", 5432, "");
        let script = "busybox wget -qO $HOME/index.html http://db:5432/ || exit 9; exec busybox httpd -f -p 8080 -h $HOME";
        let app = format!(
            "{{ image: {}, memory: 48MiB, command: [\"/bin/sh\", \"-c\", {script:?}], port: 8080, depends_on: [db] }}",
            bench.registry.image
        );
        let own = "busybox wget -qO /out/result http://app:8080/ && busybox grep -c : /proc/net/dev && cat /out/result; \
                   (echo mine > $HOME/index.html; busybox httpd -p 9000 -h $HOME) && busybox wget -qO- http://job:9000/";
        let mut node = node(&bench, own, &format!("{{ app: {app}, db: {db} }}")).await;
        node.until(|action| *action == Action::Do(StageName::Start)).await;
        let names = containers(&bench).await;
        assert_eq!(names.len(), 4, "{names:?}");
        let mut memory = 0;
        for name in &names {
            let host = inspect(name.trim_start_matches('/')).await.host_config.unwrap();
            memory += host.memory.unwrap();
            assert_eq!(host.readonly_rootfs, Some(true), "{name}");
            assert_eq!(host.cap_drop.as_deref(), Some(&["ALL".to_owned()][..]), "{name}");
        }
        assert_eq!(memory, 256 << 20, "together they have what was sold, and no more");

        let record = node.finish().await;
        assert_eq!(record.ended.as_ref().unwrap().code, 0, "{}", node.log());
        let log = node.log();
        assert!(log.contains("\"rows\"") && log.contains("\"mine\""), "{log}");
        assert!(log.contains("\"1\""), "nothing but loopback: {log}");
        assert_eq!(node.collected().listing.files[0].path, "result");
        assert_eq!(containers(&bench).await, [""; 0], "they end with the job");
        let dir = bench.state.lease(&node.lease);
        assert!(dir.of_service("db").log().exists(), "their logs stay for the buyer");
        let disk = DiskKeeper::detect(&bench.state);
        disk.attach(&dir).unwrap();
        assert!(!dir.outputs().join("services").exists());
        bench
    })
    .await;
}

#[tokio::test]
async fn a_service_that_ends_before_the_job_begins_is_the_buyer_s_doing_and_named() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let db = format!(
            "{{ image: {image}, memory: 32MiB, command: [\"/bin/sh\", \"-c\", \"sleep 0.3; exit 3\"], port: 5432 }}"
        );
        let mut node = node(&bench, "true", &format!("{{ db: {db} }}")).await;
        node.until(|action| *action == Action::Nothing).await;
        let record = node.record();
        let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
        assert_eq!(reason, "service db ended with exit code 3 before the job began");
        assert_eq!(record.blame, Blame::Engine { exit_code: 125 });
        assert_eq!(containers(&bench).await, [""; 0]);
        bench
    })
    .await;
}

#[tokio::test]
async fn a_service_that_never_listens_is_given_up_shortly_before_the_deadline_and_told() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let db = format!("{{ image: {image}, memory: 32MiB, command: [\"sleep\", \"600\"], port: 5432 }}");
        let mut node = node(&bench, "true", &format!("{{ db: {db} }}")).await;
        node.until(|action| *action == Action::AwaitProbe).await;
        node.chain.start_deadline = node.chain.seen_at + 16;
        node.until(|action| *action == Action::Nothing).await;
        let record = node.record();
        let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
        assert!(
            reason.starts_with("a service of the job did not come up in its time to start: service db: "),
            "{reason}"
        );
        assert!(reason.contains("5432"), "{reason}");
        assert_eq!(containers(&bench).await, [""; 0]);
        bench
    })
    .await;
}

#[tokio::test]
async fn a_service_that_ends_while_the_job_runs_is_told_and_the_job_goes_on() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let script = "echo to be read; sleep 1.5; echo last words; exit 7";
        let db = format!("{{ image: {image}, memory: 32MiB, command: [\"/bin/sh\", \"-c\", {script:?}] }}");
        let mut node = node(&bench, "sleep 5; echo done", &format!("{{ db: {db} }}")).await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        let (worker, record) = (node.worker.clone(), node.record());
        let watched = tokio::spawn({
            let (worker, record) = (worker.clone(), record.clone());
            async move { worker.watch_services(&record).await }
        });
        let told = async {
            while !node.record().message.contains("service db") {
                node.turn().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
        assert_eq!(node.record().message, "service db ended with exit code 7; the job goes on without it");
        // A node that was started again does not tell it again, and nobody's word is written over.
        let another = |record: &mut LeaseRecord| {
            record.message = "another word".to_owned();
            Ok(())
        };
        node.store.update(&node.lease, another).unwrap();
        let again = worker.watch_services(&record);
        assert!(tokio::time::timeout(Duration::from_secs(2), again).await.is_err(), "the job's network is watched on");
        assert_eq!(node.record().message, "another word");
        watched.abort();
        let record = node.finish().await;
        assert_eq!(record.ended.unwrap().code, 0);
        let log = std::fs::read_to_string(bench.state.lease(&node.lease).of_service("db").log()).unwrap();
        assert!(log.contains("to be read") && log.contains("last words"), "{log}");
        assert!(!node.log().contains("last words"), "each has its own");
        bench
    })
    .await;
}

#[tokio::test]
async fn services_are_brought_up_again_by_a_node_that_died_in_between_and_after_the_engine_lost_them() {
    with_bench(|bench| async {
        let db = serves(&bench, "rows", 5432, "");
        let once = format!(
            "{{ image: {}, memory: 32MiB, once: true, command: [\"/bin/sh\", \"-c\", \"echo sets up\"] }}",
            bench.registry.image
        );
        let services = format!("{{ db: {db}, once: {once} }}");
        let mut node = node(&bench, "busybox wget -qO- http://db:5432/", &services).await;
        node.until(|action| *action == Action::Do(StageName::Services)).await;
        let record = node.record();
        for _ in 0..3 {
            // Whatever it was that it did not write down, it does again.
            node.worker.take(&record, &Action::Do(StageName::Services)).await.unwrap();
        }
        // What a service writes before the job begins is read then.
        let watched = tokio::spawn({
            let (worker, record) = (node.worker.clone(), node.record());
            async move { worker.watch_services(&record).await }
        });
        let log = || std::fs::read_to_string(bench.state.lease(&node.lease).of_service("db").log()).unwrap_or_default();
        let once_name = containers(&bench).await.into_iter().find(|name| name.ends_with("-once")).unwrap();
        let once_name = once_name.trim_start_matches('/').to_owned();
        let read = async {
            while !log().contains("serves rows") || inspect(&once_name).await.state.unwrap().running == Some(true) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), read).await.unwrap();
        // As after a restart of the engine: nothing of it runs any more, and that is not the buyer's doing.
        let runs = |name: &String| name.ends_with("_pod") || name.ends_with("-db");
        let lost: Vec<_> = containers(&bench).await.into_iter().filter(runs).collect();
        assert_eq!(lost.len(), 2, "{lost:?}");
        let docker = bollard::Docker::connect_with_unix_defaults().unwrap().negotiate_version().await.unwrap();
        for name in &lost {
            let options = None::<bollard::query_parameters::KillContainerOptions>;
            docker.kill_container(name.trim_start_matches('/'), options).await.unwrap();
        }
        let record = node.finish().await;
        assert_eq!(record.ended.as_ref().unwrap().code, 0, "{} {:?}", node.log(), node.told);
        assert!(node.log().contains("rows"));
        watched.abort();
        let log = std::fs::read_to_string(bench.state.lease(&node.lease).of_service("db").log()).unwrap();
        assert_eq!(log.matches("serves rows").count(), 2, "of both that there were: {log}");
        assert!(!log.contains("missing"), "{log}");
        let once = std::fs::read_to_string(bench.state.lease(&node.lease).of_service("once").log()).unwrap();
        assert_eq!(once.matches("sets up").count(), 1, "what is done once is not done again: {once}");
        bench
    })
    .await;
}

#[tokio::test]
async fn an_image_of_a_job_with_services_that_cannot_be_made_a_container_of_is_told_in_the_word_that_is_never_too_late()
{
    with_bench(|bench| async {
        let db = serves(&bench, "rows", 5432, "");
        let yaml = format!(
            "command: [\"/bin/true\"]\n{SIZES}services: {{ db: {db} }}\nscratch: [ {{ path: /bin/busybox }} ]\n"
        );
        let mut node = Node::with_manifest(&bench, &bench.state, DiskKeeper::detect(&bench.state), &yaml).await;
        node.until(|action| *action == Action::Nothing).await;
        let record = node.record();
        assert!(matches!(&record.phase, Phase::Failed { reason } if reason.contains("/bin/busybox")), "{record:?}");
        assert_eq!(record.blame, Blame::Engine { exit_code: 125 });
        assert_eq!(containers(&bench).await, [""; 0]);
        bench
    })
    .await;
}

#[tokio::test]
async fn services_that_fill_the_disk_before_the_job_begins_end_its_start() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let script = "dd if=/dev/zero of=$HOME/big bs=1M count=400; sleep 600";
        let db = format!("{{ image: {image}, memory: 32MiB, command: [\"/bin/sh\", \"-c\", {script:?}], port: 5432 }}");
        let mut node = node(&bench, "true", &format!("{{ db: {db} }}")).await;
        node.until(|action| *action == Action::Nothing).await;
        let record = node.record();
        assert!(
            matches!(&record.phase, Phase::Failed { reason } if reason == "its services filled the job's disk"),
            "{record:?}"
        );
        assert_eq!(containers(&bench).await, [""; 0]);
        bench
    })
    .await;
}

/// What the lease's task does beside its turns.
async fn beside<T>(node: &mut Node, what: impl Future<Output = T>) -> T {
    let mut what = std::pin::pin!(what);
    loop {
        tokio::select! {
            biased;
            done = &mut what => return done,
            _ = node.turn() => {}
        }
    }
}

fn docker() -> bollard::Docker {
    bollard::Docker::connect_with_unix_defaults().unwrap()
}

#[tokio::test]
async fn all_containers_are_made_before_a_service_is_waited_for_and_one_that_does_its_work_once_comes_before_the_job() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let db = serves(&bench, "rows", 5432, "");
        let script = "busybox sleep 2; busybox wget -qO- http://db:5432/ > $HOME/rows && busybox grep rows $HOME/rows";
        let fill = format!(
            "{{ image: {image}, memory: 32MiB, command: [\"/bin/sh\", \"-c\", {script:?}], once: true, depends_on: [db] }}"
        );
        let mut node = node(&bench, "echo own", &format!("{{ db: {db}, fill: {fill} }}")).await;
        node.until(|action| *action == Action::AwaitProbe).await;
        assert_eq!(containers(&bench).await.len(), 4, "the job's own needs no time any more when they are up");
        node.until(|action| *action == Action::Do(StageName::Start)).await;
        let fill = containers(&bench).await.into_iter().find(|name| name.ends_with("-fill")).unwrap();
        let state = inspect(fill.trim_start_matches('/')).await.state.unwrap();
        assert_eq!((state.running, state.exit_code), (Some(false), Some(0)), "it has ended before the job begins");
        let (worker, record) = (node.worker.clone(), node.record());
        let watched = tokio::time::timeout(Duration::from_secs(2), worker.watch_services(&record));
        let _ = beside(&mut node, watched).await;
        assert_eq!(node.record().message, "", "that it ended is no news");
        let record = node.finish().await;
        assert_eq!(record.ended.unwrap().code, 0);
        let log = std::fs::read_to_string(bench.state.lease(&node.lease).of_service("fill").log()).unwrap();
        assert!(log.contains("\"rows\""), "{log}");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_service_that_stands_still_is_time_that_is_not_billed_and_a_network_s_container_that_ends_is_told() {
    with_bench(|bench| async {
        let db = serves(&bench, "rows", 5432, "");
        let script = "busybox sleep 8; busybox wget -qO- http://db:5432/";
        let mut node = node(&bench, script, &format!("{{ db: {db} }}")).await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        let (worker, record) = (node.worker.clone(), node.record());
        let pauses = tokio::spawn({
            let (worker, record) = (worker.clone(), record.clone());
            async move { worker.watch_pauses(&record).await }
        });
        let watched = tokio::spawn(async move { worker.watch_services(&record).await });
        let names = containers(&bench).await;
        let of =
            |ends: &str| names.iter().find(|name| name.ends_with(ends)).unwrap().trim_start_matches('/').to_owned();
        docker().pause_container(&of("-db")).await.unwrap();
        let store = node.store.clone();
        let lease = node.lease;
        let seen = async {
            while store.get(&lease).unwrap().unwrap().paused_since_ms.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            tokio::time::sleep(Duration::from_millis(1_200)).await;
        };
        tokio::time::timeout(Duration::from_secs(10), beside(&mut node, seen)).await.unwrap();
        docker().unpause_container(&of("-db")).await.unwrap();
        docker().kill_container(&of("_pod"), None::<bollard::query_parameters::KillContainerOptions>).await.unwrap();
        let told = async {
            while !store.get(&lease).unwrap().unwrap().message.contains("network") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), beside(&mut node, told)).await.unwrap();
        let record = node.finish().await;
        watched.abort();
        pauses.await.unwrap().unwrap();
        assert_eq!(record.ended.unwrap().code, 0, "they still reach each other: {}", node.log());
        assert!(record.stood_ms >= 1_000, "{}", record.stood_ms);
        bench
    })
    .await;
}

#[tokio::test]
async fn a_file_that_a_service_deleted_and_keeps_open_counts_where_the_disk_is_measured() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let script =
            "exec 3> $HOME/big; rm $HOME/big; busybox dd if=/dev/zero bs=1M count=120 >&3; exec busybox sleep 600";
        let db = format!("{{ image: {image}, memory: 64MiB, command: [\"/bin/sh\", \"-c\", {script:?}] }}");
        let yaml =
            format!("command: [\"/bin/sh\", \"-c\", \"exec busybox sleep 600\"]\n{SIZES}services: {{ db: {db} }}\n");
        let mut node = Node::with_manifest(&bench, &bench.state, DiskKeeper::measuring(), &yaml).await;
        node.until(|action| *action == Action::Stop(StopReason::DiskFull)).await;
        let record = node.finish().await;
        assert_eq!(record.stop, Some(StopReason::DiskFull));
        bench
    })
    .await;
}

#[tokio::test]
async fn what_each_container_of_a_job_uses_is_measured_under_its_name() {
    with_bench(|bench| async {
        let image = bench.registry.image.to_string();
        let script = "while true; do :; done";
        let db = format!("{{ image: {image}, memory: 32MiB, command: [\"/bin/sh\", \"-c\", {script:?}] }}");
        let mut node = node(&bench, "exec busybox sleep 600", &format!("{{ db: {db} }}")).await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        let (stats, key) = (Stats::default(), Keyring::new(Arc::clone(&node.key) as _));
        let logs = LogHub::new(node.state.clone(), LogLimits::default());
        let board = LeaseBoard::new(node.state.clone(), logs, node.worker.clone(), Arc::default(), key);
        let board = Arc::new(board.with_stats(stats.clone()));
        let (record, stop) = (node.record(), CancellationToken::new());
        board.show(&record, &node.worker.observe(&record).await.unwrap(), &node.chain).await;
        let driver = Arc::new(bench.driver.clone());
        let sampler = Sampler::new(stats, Arc::clone(&board), driver, GpuSource::Cpu, Clock::system());
        tokio::spawn(sampler.run(stop.clone()));
        let measured = async {
            loop {
                if let Some(feed) = board.stats(&record.lease, None, false) {
                    let pieces: Vec<_> = feed.map(Result::unwrap).collect().await;
                    let last: LeaseStats = serde_json::from_slice(&pieces.concat()).unwrap();
                    if last.services.iter().any(|service| service.cpu.used_millicores.is_some()) {
                        return last;
                    }
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        let last = tokio::time::timeout(Duration::from_secs(30), measured).await.unwrap();
        stop.cancel();
        let [db] = last.services.as_slice() else { panic!("{last:?}") };
        assert_eq!(
            (db.name.as_str(), db.cpu.limit_millicores, db.memory.limit_bytes),
            ("db", Some(250), Some(32 << 20))
        );
        assert!(db.cpu.used_millicores.unwrap() > 30 && db.pids.now.unwrap() >= 1, "{last:?}");
        assert!(last.cpu.used_millicores.unwrap() < 30, "the job's own is told apart: {last:?}");
        assert!(last.together().0 >= db.cpu.used_millicores, "{last:?}");
        node.worker.take(&record, &Action::Stop(StopReason::Operator)).await.unwrap();
        node.finish().await;
        bench
    })
    .await;
}
