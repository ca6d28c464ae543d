//! Whole leases on the real engine, with the market played by the test: what the node does between award and finish.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::clock::Clock;
use gridlease_node::driver::fake::{FakeDriver, Script};
use gridlease_node::driver::{ContainerState, Driver, DriverError, RegistryPolicy};
use gridlease_node::for_buyer::ForBuyer as _;
use gridlease_node::inputs::{FetchPolicy, Fetcher};
use gridlease_node::lease::StageName;
use gridlease_node::lease::reconcile::{Action, ChainLease, ChainState, next};
use gridlease_node::lease::{Worker, WorkerConfig};
use gridlease_node::lease_board::LeaseBoard;
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::secrets::Keyring;
use gridlease_node::sold::Sold;
use gridlease_node::state_dir::StateDir;
use gridlease_node::store::{LeaseRecord, NewLease, Phase, StopReason, Store};
use gridlease_sdk::manifest::Manifest;
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use support::{Bench, with_bench, won};

const INPUT: &[u8] = b"seed 42";

/// The market as the node sees it: `ready` and `finish` are each accepted once.
struct Market {
    chain: ChainLease,
    readies: u32,
    finishes: u32,
    runway_s: i64,
}

impl Market {
    fn new(runway_s: i64) -> Self {
        let now = Clock::system().now();
        Self {
            chain: ChainLease {
                state: ChainState::Starting,
                start_deadline: now + 120,
                want_deadline: now + 60,
                runway_end: 0,
                seen_at: now,
            },
            readies: 0,
            finishes: 0,
            runway_s,
        }
    }

    fn post(&mut self, action: &Action) {
        let now = Clock::system().now();
        self.chain.seen_at = now;
        match (action, self.chain.state) {
            (Action::PostReady, ChainState::Starting) => {
                self.chain.state = ChainState::Running;
                self.chain.runway_end = now + self.runway_s;
                self.readies += 1;
            }
            (Action::PostFinish, ChainState::Running) => {
                self.chain.state = ChainState::Ended;
                self.finishes += 1;
            }
            (Action::PostFailed, ChainState::Starting) => self.chain.state = ChainState::Failed,
            _ => {}
        }
    }
}

/// A node without its main loop, which the test plays, too.
struct Node {
    store: Store,
    worker: Worker,
    board: LeaseBoard,
}

impl Node {
    fn start(state: &StateDir, node: Pubkey, driver: Arc<dyn Driver>) -> Self {
        let store = Store::open(&state.database()).unwrap();
        let logs = LogHub::new(state.clone(), LogLimits::default());
        let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
        let config = WorkerConfig { stop_grace: Duration::from_secs(1), ..WorkerConfig::new(node) };
        let worker = Worker::new(config, driver, store.clone(), state.clone(), logs.clone(), fetcher, Clock::system());
        let board = LeaseBoard::new(
            state.clone(),
            logs,
            worker.clone(),
            Arc::default(),
            Keyring::new(Arc::new(solana_keypair::Keypair::new())),
        );
        Self { store, worker, board }
    }

    /// One turn of the main loop. Returns what was done.
    async fn turn(&self, lease: &Pubkey, market: &mut Market) -> (LeaseRecord, Action) {
        let record = self.store.get(lease).unwrap().unwrap();
        let container = self.worker.observe(&record).await.unwrap();
        let local = self.worker.local(&record, false, false).await.unwrap();
        let action = next(&record, &container, &market.chain, &local, Clock::system().now());
        self.board.show(&record, &container, &market.chain).await;
        match &action {
            Action::PostReady | Action::PostFinish | Action::PostFailed | Action::RefreshChain => market.post(&action),
            Action::AwaitBuyer { .. } | Action::AwaitRestart { .. } | Action::Watch { .. } | Action::AwaitChain => {
                tokio::time::sleep(Duration::from_millis(50)).await
            }
            Action::Nothing => {}
            local => {
                self.worker.take(&record, local).await.unwrap();
            }
        }
        (record, action)
    }

    async fn until(&self, lease: &Pubkey, market: &mut Market, stop: impl Fn(&Action) -> bool) -> LeaseRecord {
        for _ in 0..500 {
            let (record, action) = self.turn(lease, market).await;
            if stop(&action) {
                return record;
            }
        }
        panic!("no end in sight: {:?}", self.store.get(lease));
    }
}

fn job(image: &str, script: &str) -> (Vec<u8>, NewLease) {
    job_with(image, script, "")
}

fn job_with(image: &str, script: &str, more: &str) -> (Vec<u8>, NewLease) {
    let yaml = format!(
        "version: 1\nname: test\nimage: {image}\ncommand: [\"/bin/sh\", \"-c\", \"{script}\"]\n\
         inputs: [{{ uri: \"https://example.com/seed\", sha256: {}, mount: /in/seed }}]\noutputs: [{{ path: /out }}]\n\
         resources: {{ cpu: 1, memory: 64MiB, disk: 64MiB }}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n{more}",
        hex::encode(Sha256::digest(INPUT))
    );
    // What the buyer would push instead of having it fetched.
    let mut manifest = Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    manifest.inputs[0].uri = gridlease_sdk::manifest::InputSource::Push;
    won(&manifest)
}

/// What the interface does when the buyer pushes.
async fn push(node: &Node, state: &StateDir, lease: &NewLease, manifest: &[u8]) {
    let record = node.store.get(&lease.lease).unwrap().unwrap();
    node.worker.put_manifest(&record, manifest.to_vec()).await.unwrap();
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>(bytes::Bytes::from_static(INPUT))]);
    gridlease_node::inputs::place(
        &state.lease(&lease.lease),
        &Sha256::digest(INPUT).into(),
        "seed",
        100,
        &gridlease_node::inputs::Room::new(100),
        chunks,
    )
    .await
    .unwrap();
}

const SCRIPT: &str =
    "echo started; cat /in/seed > /out/copy; for n in 1 2 3 4 5 6 7 8; do echo step $n; sleep 0.2; done; exit 4";

#[tokio::test]
async fn a_lease_goes_from_award_to_finish_and_the_buyer_sees_every_step() {
    with_bench(|bench| async {
        let (manifest, lease) = job(&bench.registry.image.to_string(), SCRIPT);
        let id = lease.lease;
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        let mut market = Market::new(3600);
        node.worker.adopt(lease.clone()).await.unwrap();
        node.until(&id, &mut market, |a| matches!(a, Action::AwaitBuyer { .. })).await;
        assert_eq!(node.board.status(&id).unwrap().phase, "awaiting_manifest");
        push(&node, &bench.state, &lease, &manifest).await;
        node.until(&id, &mut market, |a| matches!(a, Action::Watch { .. })).await;
        assert_eq!(node.board.status(&id).unwrap().phase, "running");
        let access = node.board.job(&lease.job).unwrap();
        assert!(!access.open && access.inputs.is_some());

        let record = node.until(&id, &mut market, |a| *a == Action::Nothing).await;
        check(&bench, &node, &record, &market, 4).await;
        bench
    })
    .await;
}

/// Finished once, everything there for the buyer, nothing left on the engine.
async fn check(bench: &Bench, node: &Node, record: &LeaseRecord, market: &Market, code: i64) {
    assert_eq!((record.phase.clone(), market.readies, market.finishes), (Phase::Done, 1, 1));
    assert_eq!(record.ended.as_ref().map(|e| e.code), Some(code));
    let outputs = node.board.outputs(&record.lease).unwrap();
    assert_eq!(hex::encode(record.output_root.unwrap()), outputs.listing.root);
    assert_eq!(std::fs::read(outputs.dirs[0].join("copy")).unwrap(), INPUT);
    let log = node.board.log(&record.lease, "").unwrap().log;
    assert_eq!((log.head().hash, log.head().lines), (record.log_hash, record.log_lines));
    assert_eq!(bench.driver.list_labelled(&bench.node).await.unwrap(), vec![]);
    assert!(!bench.state.lease(&record.lease).inputs().exists());
}

/// A lease whose node dies after every turn; returns what is remembered of it in the end.
async fn dying(bench: &Bench, (manifest, lease): (Vec<u8>, NewLease)) -> LeaseRecord {
    let id = lease.lease;
    let mut market = Market::new(3600);
    {
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        node.worker.adopt(lease.clone()).await.unwrap();
        push(&node, &bench.state, &lease, &manifest).await;
    }
    // A new node for every turn: nothing is remembered but what is on disk, on the engine and on the chain.
    for _ in 0..400 {
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        let (seen, action) = node.turn(&id, &mut market).await;
        if action == Action::Nothing {
            check(bench, &node, &seen, &market, 4).await;
            return seen;
        }
    }
    panic!("no end in sight");
}

#[tokio::test]
async fn threat_14_a_node_that_dies_at_any_turn_finishes_the_same_lease_once() {
    with_bench(|bench| async {
        let record = dying(&bench, job(&bench.registry.image.to_string(), SCRIPT)).await;
        assert_eq!(record.log_lines, 9);
        bench
    })
    .await;
}

#[tokio::test]
async fn a_node_that_dies_at_any_turn_of_a_job_that_fails_gives_it_its_runs_and_no_other() {
    with_bench(|bench| async {
        let restart = "restart: { policy: on-failure, max: 1, delay: 1s }\n";
        let record = dying(&bench, job_with(&bench.registry.image.to_string(), SCRIPT, restart)).await;
        assert_eq!((record.falls.len(), record.log_lines), (1, 18), "two runs, and each line of both once");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_container_is_stopped_when_the_money_is_used_up_and_its_outputs_are_kept() {
    with_bench(|bench| async {
        let (manifest, lease) =
            job(&bench.registry.image.to_string(), "cat /in/seed > /out/copy; while true; do sleep 0.1; done");
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        let mut market = Market::new(2);
        node.worker.adopt(lease.clone()).await.unwrap();
        push(&node, &bench.state, &lease, &manifest).await;
        let record = node.until(&lease.lease, &mut market, |a| *a == Action::Nothing).await;
        assert_eq!(record.stop, Some(StopReason::OutOfFunds));
        check(&bench, &node, &record, &market, record.ended.as_ref().unwrap().code).await;
        bench
    })
    .await;
}

#[tokio::test]
async fn outputs_that_outgrow_the_jobs_disk_end_the_container() {
    with_bench(|bench| async {
        let script =
            "cat /in/seed > /out/copy; dd if=/dev/zero of=/out/big bs=1M count=80; while true; do sleep 0.1; done";
        let (manifest, lease) = job(&bench.registry.image.to_string(), script);
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        let mut market = Market::new(3600);
        node.worker.adopt(lease.clone()).await.unwrap();
        push(&node, &bench.state, &lease, &manifest).await;
        let record = node.until(&lease.lease, &mut market, |a| *a == Action::Nothing).await;
        assert_eq!(record.stop, Some(StopReason::DiskFull));
        assert_eq!(market.finishes, 1);
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_13_who_asks_for_the_log_right_after_the_exit_gets_all_of_it() {
    with_bench(|bench| async {
        let (manifest, lease) = job(&bench.registry.image.to_string(), "cat /in/seed > /out/copy; echo one; echo two");
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        let mut market = Market::new(3600);
        node.worker.adopt(lease.clone()).await.unwrap();
        push(&node, &bench.state, &lease, &manifest).await;
        let record = node.until(&lease.lease, &mut market, |a| *a == Action::PostReady).await;
        while !matches!(node.worker.observe(&record).await.unwrap(), ContainerState::Exited(_)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // Ended, seen, and not collected.
        let (record, container) =
            (node.store.get(&lease.lease).unwrap().unwrap(), node.worker.observe(&record).await.unwrap());
        assert_eq!(record.output_root, None);
        node.board.show(&record, &container, &market.chain).await;
        let access = node.board.log(&lease.lease, "").unwrap();
        assert!(access.ending);
        let asked = tokio::spawn(access.log.stream(0, access.ending).collect::<Vec<_>>());
        let record = node.until(&lease.lease, &mut market, |a| *a == Action::Nothing).await;
        let sent: Vec<u8> = asked.await.unwrap().into_iter().flat_map(|chunk| chunk.unwrap()).collect();
        assert_eq!(sent.iter().filter(|byte| **byte == b'\n').count(), 2, "{}", String::from_utf8_lossy(&sent));
        assert!(!node.board.log(&lease.lease, "").unwrap().ending);
        check(&bench, &node, &record, &market, 0).await;
        bench
    })
    .await;
}

/// A lease on an engine that misbehaves.
async fn with_faults(script: Script) -> (LeaseRecord, Market, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let driver = FakeDriver::new(script);
    let node = Node::start(&state, Pubkey::new_from_array([1; 32]), Arc::new(driver.clone()));
    let (manifest, lease) = job(&format!("127.0.0.1:5000/x@sha256:{}", "ab".repeat(32)), "true");
    let mut market = Market::new(3600);
    node.worker.adopt(lease.clone()).await.unwrap();
    push(&node, &state, &lease, &manifest).await;
    let record = node.until(&lease.lease, &mut market, |a| *a == Action::Nothing).await;
    (record, market, driver.calls())
}

#[tokio::test]
async fn a_start_that_no_trying_helps_is_given_up_with_its_reason_and_cleared() {
    let secret = || "the router's password is hunter2: no such file or directory".to_owned();
    let no_image = DriverError::ImageNotFound { image: "x".to_owned(), reason: secret() };
    let no_start = DriverError::StartFailed { reason: secret() };
    for (script, reason) in [
        (Script { pull: Some((9, no_image)), ..Script::default() }, "does not show image x to this job"),
        (Script { start: Some(no_start), ..Script::default() }, "does not have the program"),
    ] {
        let (record, market, calls) = with_faults(script).await;
        assert!(matches!(&record.phase, Phase::Failed { reason: r } if r.contains(reason)), "{record:?}");
        assert!(record.is_cleared() && record.message.contains(reason));
        assert!(!record.message.contains("hunter2"), "the engine's words are the operator's: {}", record.message);
        assert_eq!((market.readies, market.finishes, market.chain.state), (0, 0, ChainState::Failed));
        assert!(calls.last().unwrap().starts_with("remove"), "{calls:?}");
    }
}

#[tokio::test]
async fn a_flood_of_output_and_a_failing_program_end_like_any_other_lease() {
    let output: Vec<String> = (0..20_000).map(|n| format!("noise {n}")).collect();
    let script = Script { output, exit_code: 3, runs_for: Some(Duration::from_millis(100)), ..Script::default() };
    let (record, market, _) = with_faults(script).await;
    assert_eq!((record.phase, record.log_lines, market.finishes), (Phase::Done, 20_000, 1));
    assert_eq!(record.ended.unwrap().code, 3);
}

#[tokio::test]
async fn a_registry_that_is_down_for_a_while_is_tried_again() {
    let down = DriverError::RegistryUnreachable { image: "x".to_owned(), reason: "connection refused".to_owned() };
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let driver = FakeDriver::new(Script { pull: Some((2, down)), ..Script::default() });
    let node = Node::start(&state, Pubkey::new_from_array([1; 32]), Arc::new(driver));
    let (manifest, lease) = job(&format!("127.0.0.1:5000/x@sha256:{}", "ab".repeat(32)), "true");
    node.worker.adopt(lease.clone()).await.unwrap();
    push(&node, &state, &lease, &manifest).await;
    for _ in 0..2 {
        let record = node.store.get(&lease.lease).unwrap().unwrap();
        assert!(node.worker.take(&record, &Action::Do(StageName::Image)).await.is_err());
        let record = node.store.get(&lease.lease).unwrap().unwrap();
        assert_eq!(record.phase, Phase::Pulling, "not given up");
    }
    let record = node.store.get(&lease.lease).unwrap().unwrap();
    assert_eq!(node.worker.take(&record, &Action::Do(StageName::Image)).await.unwrap().phase, Phase::Pulled);
    assert_eq!(node.worker.observe(&record).await.unwrap(), ContainerState::Missing);
}

/// Takes a lease on that was sold as `sold` says, and has its buyer push `manifest`.
async fn with_sold(change: impl FnOnce(&mut Sold)) -> (LeaseRecord, Market, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let driver = FakeDriver::new(Script::default());
    let node = Node::start(&state, Pubkey::new_from_array([1; 32]), Arc::new(driver.clone()));
    let (manifest, mut lease) = job(&format!("127.0.0.1:5000/x@sha256:{}", "ab".repeat(32)), "true");
    change(&mut lease.sold);
    let mut market = Market::new(3600);
    node.worker.adopt(lease.clone()).await.unwrap();
    // The manifest alone: a job that is refused does not wait for its inputs.
    let record = node.store.get(&lease.lease).unwrap().unwrap();
    node.worker.put_manifest(&record, manifest).await.unwrap();
    let record =
        node.until(&lease.lease, &mut market, |a| matches!(a, Action::Nothing | Action::AwaitBuyer { .. })).await;
    (record, market, driver.calls())
}

#[tokio::test]
async fn issue9_04_a_manifest_that_asks_for_what_was_not_sold_is_refused_before_anything_is_pulled() {
    let small = with_sold(|sold| *sold = smaller(sold)).await;
    let other = with_sold(|sold| sold.image_digest = [0x11; 32]).await;
    for ((record, market, calls), key) in [(small, "resources.cpu"), (other, "image: the manifest says sha256:abab")] {
        assert!(matches!(&record.phase, Phase::Failed { reason } if reason.contains(key)), "{record:?}");
        assert_eq!((market.readies, market.chain.state), (0, ChainState::Failed));
        assert!(!calls.iter().any(|call| call.starts_with("pull") || call.starts_with("create")), "{calls:?}");
    }
    let (honest, _, _) = with_sold(|_| ()).await;
    assert_eq!(honest.phase, Phase::Won, "an honest one waits for its inputs: {honest:?}");
}

/// The same job, posted for 50 millicores and 16 MiB.
fn smaller(sold: &Sold) -> Sold {
    let yaml = format!(
        "version: 1\nname: small\nimage: 127.0.0.1:5000/x@sha256:{}\nresources: {{ cpu: 0.05, memory: 16MiB, disk: 64MiB }}\n\
         price: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n",
        hex::encode(sold.image_digest)
    );
    Sold::as_written(&Manifest::from_yaml(&yaml, "job.yaml").unwrap()).unwrap()
}

#[tokio::test]
async fn issue9_04_ready_names_the_image_that_ran() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let node = Node::start(&state, Pubkey::new_from_array([1; 32]), Arc::new(FakeDriver::new(Script::default())));
    let (manifest, lease) = job(&format!("127.0.0.1:5000/x@sha256:{}", "ab".repeat(32)), "true");
    node.worker.adopt(lease.clone()).await.unwrap();
    assert!(node.worker.image_digest(&lease.lease).await.is_err(), "nothing ran yet");
    push(&node, &state, &lease, &manifest).await;
    assert_eq!(node.worker.image_digest(&lease.lease).await.unwrap(), [0xab; 32]);
}

/// Something in the owner's network that answers whoever asks, and counts them.
async fn inside() -> (String, Arc<std::sync::atomic::AtomicU32>) {
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let counter = Arc::clone(&asked);
    let answer = move || {
        counter.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        async { (axum::http::StatusCode::BAD_REQUEST, "the router's password is hunter2") }
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await.unwrap() });
    (host, asked)
}

#[tokio::test]
async fn issue9_03_a_job_cannot_read_the_owners_network_through_its_image() {
    with_bench(|bench| async {
        let (host, asked) = inside().await;
        let image = format!("{host}/x/y@sha256:{}", "ab".repeat(32));
        let (manifest, lease) = job(&image, "true");
        let asked = || asked.load(std::sync::atomic::Ordering::SeqCst);

        // Where the owner allows nothing of its network, nobody there is asked.
        let strict = bench.driver.clone().with_registries(RegistryPolicy::default());
        let node = Node::start(&bench.state, bench.node, Arc::new(strict));
        let mut market = Market::new(3600);
        node.worker.adopt(lease.clone()).await.unwrap();
        push(&node, &bench.state, &lease, &manifest).await;
        let record = node.until(&lease.lease, &mut market, |a| *a == Action::Nothing).await;
        assert!(matches!(&record.phase, Phase::Failed { reason } if reason.contains("not on the public internet")));
        assert_eq!(asked(), 0, "no connection was made: {record:?}");
        drop(node);

        // Where the owner does, its words still go to the owner alone.
        let (manifest, lease) = job(&image, "true");
        let node = Node::start(&bench.state, bench.node, Arc::new(bench.driver.clone()));
        node.worker.adopt(lease.clone()).await.unwrap();
        push(&node, &bench.state, &lease, &manifest).await;
        let record = node.store.get(&lease.lease).unwrap().unwrap();
        let error = node.worker.take(&record, &Action::Do(StageName::Image)).await.unwrap_err();
        assert!(asked() > 0 && error.to_string().contains("hunter2"), "the operator is told: {error}");
        assert!(!error.for_buyer().contains("hunter2"), "{}", error.for_buyer());
        bench
    })
    .await;
}
