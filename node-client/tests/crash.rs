//! Row 14 of NODE-THREATS: a node that is killed before, within and after each step of a lease, as a process of its own.
//!
//! Each life of a lease is gone through once unharmed, which tells its steps and how long they take. Then the node is killed before each
//! step (which is when the one before it is done) and early, in the middle and late within it, and once more by chance all along. What
//! is looked at in the end is what the buyer, the chain and the machine have.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

#[path = "crash/node.rs"]
mod node;
mod support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gridlease_node::clock::Clock;
use gridlease_node::driver::{Driver as _, LABEL_LEASE};
use gridlease_node::lease::reconcile::ChainState;
use gridlease_node::outputs;
use gridlease_node::store::{LeaseRecord, Phase, StopReason, Store};
use gridlease_sdk::manifest::Manifest;
use gridlease_testkit::needed;
use node::{Chain, INPUT, Life};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use support::{Bench, with_bench, won};

/// Where the process that is killed finds what it is told.
const LIFE: &str = "GRIDLEASE_TESTS_LIFE";
/// Most steps until a lease has to be over.
const STEPS: usize = 3_000;

/// A lease, and how it is to end.
struct Case {
    script: &'static str,
    runway_s: i64,
    generous: bool,
    /// What its manifest says besides.
    more: &'static str,
}

const LINES: usize = 80;
const BY_ITSELF: Case = Case {
    script: "busybox wget -qO /out/row http://db:5432/ || exit 9; cat /in/seed > /out/copy; \
             i=0; while [ $i -lt 80 ]; do echo line $i; i=$((i+1)); sleep 0.1; done; exit 4",
    runway_s: 3_600,
    generous: true,
    more: "",
};
const BY_MONEY: Case = Case {
    script: "cat /in/seed > /out/copy; i=0; while true; do echo line $i; i=$((i+1)); sleep 0.1; done",
    runway_s: 8,
    generous: true,
    more: "",
};
const AGAIN: Case = Case {
    script: "n=$(cat $HOME/n 2>/dev/null || echo 0); echo $((n+1)) > $HOME/n; cat /in/seed > /out/copy; i=0; \
             while [ $i -lt 40 ]; do echo line $((40*n+i)); i=$((i+1)); sleep 0.1; done; test $n = 1 || exit 4",
    runway_s: 3_600,
    generous: true,
    more: "restart: { policy: on-failure, max: 3, delay: 1s }\n",
};
const NEVER: Case = Case { script: "true", runway_s: 3_600, generous: false, more: "" };

fn manifest(bench: &Bench, case: &Case) -> Manifest {
    let Case { script, more, .. } = case;
    let image = bench.registry.image.to_string();
    let db = "echo rows > $HOME/index.html; echo up; exec busybox httpd -f -p 5432 -h $HOME";
    let yaml = format!(
        "version: 1\nname: crash\nimage: {image}\ncommand: [\"/bin/sh\", \"-c\", {script:?}]\n\
         inputs: [{{ uri: \"https://example.com/seed\", sha256: {}, mount: /in/seed }}]\noutputs: [{{ path: /out }}]\n\
         network: egress\nsecrets: {{ OWN: {{ from: env, as: env }}, OF_DB: {{ from: env }} }}\n\
         services: {{ db: {{ image: {image}, memory: 48MiB, port: 5432, command: [\"/bin/sh\", \"-c\", {db:?}], secrets: [OF_DB] }} }}\n\
         ready: {{ exec: [\"/bin/cat\", \"/in/seed\"] }}\n\
         resources: {{ cpu: 1, memory: 128MiB, disk: 64MiB }}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n{more}",
        hex::encode(Sha256::digest(INPUT))
    );
    let mut manifest = Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    manifest.inputs[0].uri = gridlease_sdk::manifest::InputSource::Push;
    manifest
}

/// A node that lives, and that is gone with this value.
struct Process {
    child: Child,
    says: BufReader<ChildStdout>,
    hears: ChildStdin,
}

impl Process {
    fn start(life: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_node_that_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
            .env(LIFE, life)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (says, hears) = (BufReader::new(child.stdout.take().unwrap()), child.stdin.take().unwrap());
        Self { child, says, hears }
    }

    /// The next line that begins so; `None` when there is none any more.
    fn said(&mut self, word: &str) -> Option<String> {
        let mut line = String::new();
        while self.says.read_line(&mut line).unwrap() > 0 {
            if let Some((_, why)) = line.split_once("failed ") {
                println!("  {}", why.trim_end());
            }
            // The harness writes the test's name in front of the first one.
            if let Some((_, rest)) = line.trim_end().split_once(word) {
                return Some(rest.trim().to_owned());
            }
            line.clear();
        }
        None
    }

    fn go(&mut self) {
        self.hears.write_all(b"\n").unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SIGKILL: nothing is put in order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where the node dies: before a step, which is when the one before it is done, or within it, at this part of its usual time.
#[derive(Clone, Copy)]
enum Blow {
    Before,
    Within(f64),
}

/// Asked before each step, with its name; says how the node dies there, if it does.
type Fate = Box<dyn FnMut(&str) -> Option<Blow> + Send>;

/// Goes through a lease to its end. Returns how long the steps took that were not disturbed, and how often the node died.
fn go_through(life: &Path, took: &BTreeMap<String, Duration>, fate: &mut Fate) -> (BTreeMap<String, Duration>, usize) {
    let (mut seen, mut deaths) = (BTreeMap::new(), 0);
    let mut process = Process::start(life);
    for _ in 0..STEPS {
        let step = process.said("next ").expect("the node says what it does");
        if step == "Nothing" {
            process.go();
            assert!(process.child.wait().unwrap().success());
            return (seen, deaths);
        }
        let blow = fate(&step);
        if !matches!(blow, Some(Blow::Before)) {
            let begun = Instant::now();
            process.go();
            if let Some(Blow::Within(part)) = blow {
                let whole = took.get(&step).copied().unwrap_or(Duration::from_millis(20));
                std::thread::sleep(whole.mul_f64(part));
            } else {
                process.said("done").unwrap_or_else(|| panic!("the node ended within {step}"));
                let longest: &mut Duration = seen.entry(step).or_default();
                *longest = begun.elapsed().max(*longest);
            }
        }
        if blow.is_some() {
            deaths += 1;
            drop(process);
            process = Process::start(life);
        }
    }
    panic!("no end in sight");
}

/// A new lease of this case; the folder holds what its node is told.
fn begin(bench: &Bench, case: &Case, folder: &Path) -> (std::path::PathBuf, LeaseRecord) {
    let (bytes, lease) = won(&manifest(bench, case));
    let store = Store::open(&bench.state.database()).unwrap();
    let dir = bench.state.lease(&lease.lease);
    let now = Clock::system().now();
    let patience = if case.generous { 300 } else { 12 };
    let chain = Chain {
        state: ChainState::Starting,
        start_deadline: now + 600,
        want_deadline: now + patience,
        runway_s: case.runway_s,
        runway_end: 0,
        readies: 0,
        finishes: 0,
        failures: 0,
    };
    let life = Life {
        state: bench.state.root().to_owned(),
        node: bench.node.to_bytes(),
        lease: lease.lease.to_bytes(),
        manifest: bytes,
        generous: case.generous,
        chain: folder.join("chain.json"),
    };
    chain.write(&life.chain);
    let path = folder.join("life.json");
    std::fs::write(&path, serde_json::to_vec(&life).unwrap()).unwrap();
    store.insert(lease.clone(), Clock::system().now_ms()).unwrap();
    dir.create(1, gridlease_node::driver::RunAs::for_this_process()).unwrap();
    let record = store.get(&lease.lease).unwrap().unwrap();
    (path, record)
}

fn record(bench: &Bench, lease: &Pubkey) -> LeaseRecord {
    Store::open(&bench.state.database()).unwrap().get(lease).unwrap().unwrap()
}

/// Nothing of a lease that is over is left on this machine but what its buyer asks for.
async fn nothing_is_left(bench: &Bench, lease: &Pubkey) {
    assert_eq!(bench.driver.list_labelled(&bench.node).await.unwrap(), vec![], "containers");
    let networks = Command::new("docker")
        .args(["network", "ls", "--filter", &format!("label={LABEL_LEASE}={lease}"), "-q"])
        .output();
    assert_eq!(String::from_utf8_lossy(&networks.unwrap().stdout), "", "networks");
    let dir = bench.state.lease(lease);
    assert!(!dir.secrets().exists() && !dir.of_service("db").secrets().exists(), "secrets");
    assert!(!dir.inputs().exists(), "inputs");
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains(&dir.root().display().to_string()), "{mounts}");
}

/// The lines of the job's log, each with its text only.
fn lines(bench: &Bench, lease: &Pubkey, service: Option<&str>) -> Vec<String> {
    let dir = bench.state.lease(lease);
    let dir = service.map_or_else(|| dir.clone(), |name| dir.of_service(name));
    let text = std::fs::read_to_string(dir.log()).unwrap();
    let texts = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    texts.filter_map(|line| line["line"].as_str().map(str::to_owned)).collect()
}

/// Goes through this case unharmed, then with a death at each point of each step, then with deaths by chance.
async fn in_every_way(bench: Bench, case: &'static Case, check: fn(&Bench, &LeaseRecord, &Chain)) -> Bench {
    let run = |name: &'static str, took: BTreeMap<String, Duration>, mut fate: Fate| {
        let folder = tempfile::tempdir().unwrap();
        let image = bench.registry.image.to_string();
        let _ = Command::new("docker").args(["image", "rm", &image]).output().unwrap();
        let (life, begun) = begin(&bench, case, folder.path());
        let bench = &bench;
        async move {
            let (path, chance) = (life.clone(), took);
            let (took, deaths) =
                tokio::task::spawn_blocking(move || go_through(&path, &chance, &mut fate)).await.unwrap();
            let (record, chain) = (record(bench, &begun.lease), Chain::read(&folder.path().join("chain.json")));
            println!("{name}: {} kinds of steps, the node died {deaths} times", took.len());
            check(bench, &record, &chain);
            nothing_is_left(bench, &begun.lease).await;
            took
        }
    };
    let usual = run("unharmed", BTreeMap::new(), Box::new(|_| None)).await;
    let met = Arc::new(Mutex::new(BTreeMap::<String, usize>::new()));
    let blows = [Blow::Before, Blow::Within(0.1), Blow::Within(0.4), Blow::Within(0.8)];
    let counted = Arc::clone(&met);
    let every = move |step: &str| {
        let mut met = counted.lock().unwrap();
        let times = met.entry(step.to_owned()).or_default();
        *times += 1;
        blows.get(*times - 1).copied()
    };
    run("at every point", usual.clone(), Box::new(every)).await;
    for step in usual.keys() {
        let met = met.lock().unwrap().get(step).copied().unwrap_or_default();
        assert!(met >= 1, "{step} was met {met} times");
    }
    let mut chance = StdRng::seed_from_u64(14);
    let by_chance = move |_: &str| {
        use rand::Rng as _;
        chance.random_bool(0.4).then(|| Blow::Within(chance.random_range(0.0..1.2)))
    };
    run("by chance", usual, Box::new(by_chance)).await;
    bench
}

async fn with_networks(test: impl AsyncFnOnce(Bench) -> Bench) {
    with_bench(|bench| async {
        let networks = node::networks(&bench.driver, bench.node);
        if needed(networks.probe().await.map_err(|error| error.to_string())).is_none() {
            return bench;
        }
        let bench = test(bench).await;
        networks.recover(&[]).await.unwrap();
        networks.dismantle().await.unwrap();
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_14_a_node_killed_at_every_point_of_a_job_ends_it_as_one_that_never_died() {
    with_networks(async |bench| {
        in_every_way(bench, &BY_ITSELF, |bench, record, chain| {
            assert_eq!((chain.readies, chain.finishes, chain.failures), (1, 1, 0));
            assert_eq!((&record.phase, record.stop), (&Phase::Done, None), "{record:?}");
            let ended = record.ended.as_ref().unwrap();
            assert_eq!((ended.code, ended.lost), (4, false), "{record:?}");
            // Eight seconds of sleep, and what the shell takes; billed from `ready`, which is later than the start.
            let ran = ended.at_ms - record.started_at_ms.unwrap();
            assert!((8_000..14_000).contains(&ran), "{ran} ms");
            assert_eq!(record.stood_ms, 0, "{record:?}");
            let expected: Vec<_> = (0..LINES).map(|n| format!("line {n}")).collect();
            assert_eq!(lines(bench, &record.lease, None), expected, "each line once and in order");
            assert_eq!(lines(bench, &record.lease, Some("db")).iter().filter(|line| *line == "up").count(), 1);
            whole(bench, record, &["copy", "row"]);
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn threat_14_a_node_killed_at_every_point_of_a_stop_ends_the_job_as_one_that_never_died() {
    with_networks(async |bench| {
        in_every_way(bench, &BY_MONEY, |bench, record, chain| {
            assert_eq!((chain.readies, chain.finishes, chain.failures), (1, 1, 0));
            assert_eq!((&record.phase, record.stop), (&Phase::Done, Some(StopReason::OutOfFunds)), "{record:?}");
            let told = lines(bench, &record.lease, None);
            let expected: Vec<_> = (0..told.len()).map(|n| format!("line {n}")).collect();
            assert!(told.len() > 60, "{told:?}");
            assert_eq!(told, expected, "each line once and in order");
            whole(bench, record, &["copy"]);
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn threat_14_a_node_killed_at_every_point_of_a_restart_gives_the_job_its_runs_and_no_more() {
    with_networks(async |bench| {
        in_every_way(bench, &AGAIN, |bench, record, chain| {
            assert_eq!((chain.readies, chain.finishes, chain.failures), (1, 1, 0));
            assert_eq!((&record.phase, record.stop), (&Phase::Done, None), "{record:?}");
            let ended = record.ended.as_ref().unwrap();
            assert_eq!((ended.code, ended.lost), (0, false), "{record:?}");
            assert_eq!(record.falls.iter().map(|fall| (fall.ended.code, fall.again)).collect::<Vec<_>>(), [(4, true)]);
            let late = record.ended_ms.unwrap() - ended.at_ms;
            assert!((-2_000..2_000).contains(&late), "{late} ms: the end of the last run");
            assert_eq!(record.stood_ms, 0, "a node that comes back at once was there: {record:?}");
            let expected: Vec<_> = (0..80).map(|n| format!("line {n}")).collect();
            assert_eq!(lines(bench, &record.lease, None), expected, "each run once, and each line once and in order");
            whole(bench, record, &["copy"]);
        })
        .await
    })
    .await;
}

#[tokio::test]
async fn threat_14_a_node_killed_while_its_buyer_brings_nothing_says_so_once() {
    with_networks(async |bench| {
        in_every_way(bench, &NEVER, |_, record, chain| {
            assert_eq!((chain.readies, chain.finishes, chain.failures), (0, 0, 1));
            let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
            assert_eq!(reason, "an input was not pushed in half of the time to start");
        })
        .await
    })
    .await;
}

/// The outputs are those of the record, and these files.
fn whole(bench: &Bench, record: &LeaseRecord, files: &[&str]) {
    let dir = bench.state.lease(&record.lease);
    let listing = outputs::load(&dir).unwrap().unwrap().listing;
    assert_eq!(listing.root, hex::encode(record.output_root.unwrap()));
    assert_eq!(listing.files.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), files);
    assert_eq!(listing.files[0].size, INPUT.len() as u64);
}

#[test]
#[ignore = "the process that the tests of this file start and kill"]
fn the_node_that_is_killed() {
    let Some(life) = std::env::var_os(LIFE) else { return };
    tokio::runtime::Runtime::new().unwrap().block_on(node::live(Path::new(&life)));
}
