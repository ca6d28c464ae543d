//! Jobs of several containers on the real engine: one network, names, an order, and one end.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::time::Duration;

use gridlease_node::disk::DiskKeeper;
use gridlease_node::lease::StageName;
use gridlease_node::lease::reconcile::Action;
use gridlease_node::store::{Blame, Phase};
use support::played::Node;
use support::{Bench, with_bench};

const SIZES: &str = "resources: { cpu: 1, memory: 256MiB, disk: 128MiB }\n";

/// A service that serves what it says on this port.
fn serves(bench: &Bench, says: &str, port: u16, more: &str) -> String {
    let script = format!("echo {says} > $HOME/index.html; exec busybox httpd -f -p {port} -h $HOME");
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
        let watched = tokio::spawn(async move { worker.watch_services(&record).await });
        let told = async {
            while !node.record().message.contains("service db") {
                node.turn().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), told).await.unwrap();
        assert_eq!(node.record().message, "service db ended with exit code 7; the job goes on without it");
        watched.await.unwrap().unwrap();
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
        let mut node = node(&bench, "busybox wget -qO- http://db:5432/", &format!("{{ db: {db} }}")).await;
        node.until(|action| *action == Action::Do(StageName::Services)).await;
        let record = node.record();
        for _ in 0..3 {
            // Whatever it was that it did not write down, it does again.
            node.worker.take(&record, &Action::Do(StageName::Services)).await.unwrap();
        }
        node.until(|action| *action == Action::Do(StageName::Container)).await;
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
