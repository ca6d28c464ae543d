//! Row 15 of NODE-THREATS: an engine of the test's own that is killed, restarted and emptied under a job.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use gridlease_core::job::EndReason;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::docker::DockerDriver;
use gridlease_node::driver::{Driver as _, RegistryPolicy};
use gridlease_node::lease::reconcile::Action;
use gridlease_node::store::LeaseRecord;
use gridlease_testkit::needed;
use support::played::Node;
use support::{Bench, with_bench};

/// An engine beside the machine's own, with a bridge of its own: one that has none removes `docker0`, whosever that is. It is gone
/// with this value, and all that it ran.
struct Engine {
    child: Child,
    dir: tempfile::TempDir,
    bridge: String,
    keeps: bool,
}

fn ip(words: &[&str]) {
    assert!(Command::new("ip").args(words).status().unwrap().success(), "ip {words:?}");
}

impl Engine {
    /// `None` where none can be started; `keeps`: its containers outlive it.
    async fn start(keeps: bool) -> Option<(Self, DockerDriver)> {
        let root = nix::unistd::geteuid().is_root();
        needed(root.then_some(()).ok_or("a second engine needs root"))?;
        let dir = tempfile::tempdir().unwrap();
        let number: [u8; 3] = rand::random();
        let bridge = format!("gltest{}", hex::encode(number));
        ip(&["link", "add", &bridge, "type", "bridge"]);
        ip(&["addr", "add", &format!("10.{}.{}.1/24", number[0], number[1]), "dev", &bridge]);
        let child = Self::spawn(dir.path(), &bridge, keeps).map_err(|e| format!("dockerd cannot be started: {e}"));
        let engine = Self { child: needed(child)?, dir, bridge, keeps };
        let driver = engine.answers().await;
        Some((engine, driver.with_registries(RegistryPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]))))
    }

    fn spawn(dir: &Path, bridge: &str, keeps: bool) -> std::io::Result<Child> {
        let at = |name: &str| dir.join(name).display().to_string();
        let _ = std::fs::remove_file(at("pid"));
        let log = std::fs::File::options().create(true).append(true).open(at("log"))?;
        let mut engine = Command::new("dockerd");
        engine.args(["--data-root", &at("data"), "--exec-root", &at("exec"), "--pidfile", &at("pid")]);
        engine.args([
            "--host",
            &format!("unix://{}", at("socket")),
            &format!("--bridge={bridge}"),
            "--iptables=false",
            "--ip6tables=false",
        ]);
        if keeps {
            engine.arg("--live-restore");
        }
        engine.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn()
    }

    async fn answers(&self) -> DockerDriver {
        for _ in 0..300 {
            if let Ok(driver) = DockerDriver::connect(Some(self.dir.path().join("socket"))).await {
                return driver;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{}", std::fs::read_to_string(self.dir.path().join("log")).unwrap());
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        // Its helper dies with it, a moment later; a successor that finds it alive waits for it without end.
        let helper = std::fs::read_to_string(self.dir.path().join("exec/containerd/containerd.pid")).unwrap();
        let state = Path::new("/proc").join(helper.trim()).join("stat");
        while std::fs::read_to_string(&state).is_ok_and(|stat| !stat.contains(") Z ")) {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_file(self.dir.path().join("exec/containerd/containerd.pid")).unwrap();
    }

    async fn again(&mut self) {
        self.child = Self::spawn(self.dir.path(), &self.bridge, self.keeps).unwrap();
        self.answers().await;
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // What an engine keeps runs on without it.
        let all = format!("unix://{}", self.dir.path().join("socket").display());
        let script = format!("docker -H {all} ps -aq | xargs -r docker -H {all} rm -f");
        let _ = Command::new("sh").args(["-c", &script]).output();
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = Command::new("ip").args(["link", "del", &self.bridge]).status();
        for line in std::fs::read_to_string("/proc/self/mounts").unwrap_or_default().lines().rev() {
            let place = line.split(' ').nth(1).unwrap_or_default();
            if place.starts_with(&self.dir.path().display().to_string()) {
                let _ = Command::new("umount").args(["-l", place]).status();
            }
        }
    }
}

const SCRIPT: &str =
    "echo kept > /out/kept; i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 4";

/// Runs a job, does this to its engine while it runs, and goes on to the job's end.
async fn interrupted(
    keeps: bool,
    what: impl AsyncFnOnce(&mut Engine, &mut Node),
    check: impl FnOnce(&Node, &LeaseRecord),
) {
    let Some((mut engine, driver)) = Engine::start(keeps).await else { return };
    with_bench(|mut bench| async {
        bench.driver = driver.clone();
        let state = bench.state.clone();
        let mut node = Node::with_job(&bench, &state, DiskKeeper::detect(&state), "64MiB", SCRIPT).await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        let (worker, record) = (node.worker.clone(), node.record());
        let log = tokio::spawn(async move { worker.follow_log(&record).await });
        tokio::time::sleep(Duration::from_millis(700)).await;
        what(&mut engine, &mut node).await;
        let record = node.finish().await;
        log.await.unwrap().unwrap();
        check(&node, &record);
        assert_eq!(node.collected().listing.files[0].path, "kept", "the outputs are the buyer's");
        let told = lines(&node);
        let expected: Vec<_> = (0..told.len()).map(|n| format!("line {n}")).collect();
        assert_eq!(told, expected, "each line once and in order");
        nothing_is_left(&bench, &driver).await;
        bench
    })
    .await;
}

async fn nothing_is_left(bench: &Bench, driver: &DockerDriver) {
    assert_eq!(driver.list_labelled(&bench.node).await.unwrap(), vec![]);
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&bench.state.leases().display().to_string()), "{mounts}");
}

fn lines(node: &Node) -> Vec<String> {
    let log = node.log();
    let values = log.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    values.filter_map(|line| line["line"].as_str().map(str::to_owned)).collect()
}

/// The node looks, as it does all the time, while nobody answers.
async fn look_in_vain(node: &mut Node) {
    for _ in 0..3 {
        assert_eq!(node.turn().await, Action::AwaitChain);
    }
}

#[tokio::test]
async fn threat_15_a_job_outlives_an_engine_that_keeps_what_it_runs() {
    let what = async |engine: &mut Engine, node: &mut Node| {
        engine.kill();
        look_in_vain(node).await;
        engine.again().await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
    };
    interrupted(true, what, |node, record| {
        assert_eq!((record.ended.as_ref().unwrap().code, record.end_reason(false)), (4, EndReason::Completed));
        assert_eq!(record.ending(), None);
        assert_eq!(lines(node).len(), 60);
    })
    .await;
}

#[tokio::test]
async fn threat_15_a_job_that_its_engine_took_along_ends_once_and_is_not_accused() {
    let what = async |engine: &mut Engine, node: &mut Node| {
        engine.kill();
        look_in_vain(node).await;
        engine.again().await;
    };
    interrupted(false, what, |node, record| {
        let words = record.ending().unwrap();
        assert!(words.contains("its container engine was restarted") && words.contains("143"), "{words}");
        assert!(!words.contains("memory"), "{words}");
        assert!(lines(node).len() >= 5, "{}", node.log());
        // It ran for a second or two, whenever the engine was back.
        let ran = record.ended_ms.unwrap() - record.started_at_ms.unwrap();
        assert!((500..5_000).contains(&ran), "{ran} ms");
    })
    .await;
}

#[tokio::test]
async fn threat_15_a_job_that_its_engine_took_along_is_started_again_where_it_says_so_and_that_does_not_count() {
    let Some((mut engine, driver)) = Engine::start(false).await else { return };
    with_bench(|mut bench| async {
        bench.driver = driver.clone();
        let script = "n=$(cat $HOME/n 2>/dev/null || echo 0); n=$((n+1)); echo $n > $HOME/n; echo run $n; \
                      test $n = 1 && sleep 60; sleep 0.5; exit 4";
        let yaml = format!(
            "command: [\"/bin/sh\", \"-c\", {script:?}]\nresources: {{ cpu: 1, memory: 64MiB, disk: 64MiB }}\n\
             restart: {{ policy: on-failure, max: 1, delay: 1s }}\n"
        );
        let state = bench.state.clone();
        let mut node = Node::with_manifest(&bench, &state, DiskKeeper::detect(&state), &yaml).await;
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        engine.kill();
        look_in_vain(&mut node).await;
        assert!(node.record().unseen, "a node that is started again with its engine knows it, too");
        engine.again().await;
        node.until(|action| *action == Action::Restart).await;
        let record = node.record();
        assert!(record.falls[0].interrupted && !record.unseen, "{record:?}");
        assert!(record.falls[0].words().contains("engine was restarted"), "{}", record.falls[0].words());
        // Its next run falls by its own doing, and the engine goes away after that.
        node.until(|action| matches!(action, Action::AwaitRestart { .. })).await;
        engine.kill();
        look_in_vain(&mut node).await;
        engine.again().await;
        let record = node.finish().await;
        assert_eq!(
            record.falls.iter().map(|fall| (fall.interrupted, fall.again)).collect::<Vec<_>>(),
            [(true, true), (false, true)]
        );
        assert_eq!((record.ended.as_ref().unwrap().code, record.interrupted, record.ending()), (4, false, None));
        assert!(
            record.words().contains("started again 1 of 1 times and 1 more that do not count"),
            "{}",
            record.words()
        );
        assert_eq!(lines(&node), ["run 1", "run 2", "run 3"]);
        nothing_is_left(&bench, &driver).await;
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_15_a_container_that_somebody_removed_is_lost_and_its_job_ends_once() {
    let what = async |_: &mut Engine, node: &mut Node| {
        let id = node.record().container.unwrap();
        node.driver().remove(&id).await.unwrap();
    };
    interrupted(false, what, |_, record| {
        assert!(record.ended.as_ref().unwrap().lost);
        assert_eq!(record.end_reason(false), EndReason::Abandoned);
        assert!(record.ending().unwrap().contains("vanished"), "{:?}", record.ending());
    })
    .await;
}

#[tokio::test]
async fn threat_15_a_container_that_somebody_killed_ends_with_its_signal_in_words() {
    let what = async |engine: &mut Engine, node: &mut Node| {
        let id = node.record().container.unwrap();
        let host = format!("unix://{}", engine.dir.path().join("socket").display());
        assert!(Command::new("docker").args(["-H", &host, "kill", &id.0]).output().unwrap().status.success());
    };
    interrupted(false, what, |_, record| {
        assert_eq!((record.ended.as_ref().unwrap().code, record.end_reason(false)), (137, EndReason::Completed));
        assert!(record.ending().unwrap().contains("SIGKILL"), "{:?}", record.ending());
    })
    .await;
}
