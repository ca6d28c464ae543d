//! A node with one lease, and the market played by the test.

use std::sync::Arc;
use std::time::Duration;

use gridlease_node::clock::Clock;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::docker::DockerDriver;
use gridlease_node::for_buyer::ForBuyer as _;
use gridlease_node::inputs::{FetchPolicy, Fetcher};
use gridlease_node::lease::reconcile::{Action, ChainLease, ChainState, next};
use gridlease_node::lease::{WorkError, Worker, WorkerConfig};
use gridlease_node::lease_board::LeaseBoard;
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::outputs;
use gridlease_node::secrets::Keyring;
use gridlease_node::state_dir::StateDir;
use gridlease_node::store::{LeaseRecord, NewLease, Phase, Store};
use gridlease_sdk::manifest::Manifest;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

use super::{Bench, won};

/// Most turns of the main loop until a lease has to be over.
const TURNS: usize = 600;

/// A node that was given one lease, and the chain as it sees it.
pub struct Node {
    pub store: Store,
    pub worker: Worker,
    pub board: LeaseBoard,
    pub key: Arc<Keypair>,
    pub state: StateDir,
    pub chain: ChainLease,
    pub lease: Pubkey,
    pub finishes: u32,
    /// What a buyer was told of failures.
    pub told: Vec<String>,
    driver: DockerDriver,
}

impl Node {
    pub async fn with_job(bench: &Bench, state: &StateDir, disk: DiskKeeper, size: &str, script: &str) -> Self {
        let yaml = format!(
            "command: [\"/bin/sh\", \"-c\", {script:?}]\nresources: {{ cpu: 1, memory: 64MiB, disk: {size} }}\n"
        );
        Self::with_manifest(bench, state, disk, &yaml).await
    }

    /// One whose manifest says so beside name, image, outputs and terms.
    pub async fn with_manifest(bench: &Bench, state: &StateDir, disk: DiskKeeper, yaml: &str) -> Self {
        Self::with_policy(bench, state, disk, yaml, FetchPolicy::default(), |_| ()).await
    }

    /// The same with what it may load, and with a lease that is changed before it is won.
    pub async fn with_policy(
        bench: &Bench,
        state: &StateDir,
        disk: DiskKeeper,
        yaml: &str,
        policy: FetchPolicy,
        change: impl FnOnce(&mut NewLease),
    ) -> Self {
        let store = Store::open(&state.database()).unwrap();
        let logs = LogHub::new(state.clone(), LogLimits::default());
        let fetcher = Fetcher::new(policy).unwrap();
        let config = WorkerConfig { stop_grace: Duration::from_secs(1), ..WorkerConfig::new(bench.node) };
        let driver = Arc::new(bench.driver.clone());
        let clock = Clock::system();
        let worker =
            Worker::new(config, driver, store.clone(), state.clone(), logs.clone(), fetcher, clock).with_disk(disk);
        let key = Arc::new(Keypair::new());
        let board =
            LeaseBoard::new(state.clone(), logs, worker.clone(), Arc::default(), Keyring::new(Arc::clone(&key) as _));
        let (manifest, mut lease) = job(&bench.registry.image.to_string(), yaml);
        change(&mut lease);
        let record = worker.adopt(lease).await.unwrap();
        worker.put_manifest(&record, manifest).await.unwrap();
        let now = Clock::system().now();
        let chain = ChainLease {
            state: ChainState::Starting,
            start_deadline: now + 120,
            want_deadline: now + 60,
            runway_end: now + 3600,
            seen_at: now,
        };
        Self {
            store,
            worker,
            board,
            key,
            state: state.clone(),
            chain,
            lease: record.lease,
            finishes: 0,
            told: Vec::new(),
            driver: bench.driver.clone(),
        }
    }

    /// One turn of the main loop. What fails is tried again, as there.
    pub async fn turn(&mut self) -> Action {
        let record = self.record();
        let seen = async { Ok((self.worker.observe(&record).await?, self.worker.local(&record, false, false).await?)) };
        let (container, local) = match seen.await {
            Ok(seen) => seen,
            Err(error) => {
                let error: WorkError = error;
                self.told.push(error.for_buyer());
                tokio::time::sleep(Duration::from_millis(100)).await;
                return Action::AwaitChain;
            }
        };
        self.chain.seen_at = Clock::system().now();
        self.board.show(&record, &container, &self.chain).await;
        let action = next(&record, &container, &self.chain, &local, self.chain.seen_at);
        match &action {
            Action::PostReady => self.chain.state = ChainState::Running,
            Action::PostFinish => {
                self.chain.state = ChainState::Ended;
                self.finishes += 1;
            }
            Action::PostFailed => self.chain.state = ChainState::Failed,
            Action::Watch { .. } | Action::AwaitRestart { .. } | Action::AwaitChain => {
                tokio::time::sleep(Duration::from_millis(50)).await
            }
            Action::Nothing | Action::RefreshChain | Action::AwaitBuyer { .. } => {}
            local => {
                if let Err(error) = self.worker.take(&record, local).await {
                    self.told.push(error.for_buyer());
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        action
    }

    pub async fn until(&mut self, stop: impl Fn(&Action) -> bool) {
        for _ in 0..TURNS {
            if stop(&self.turn().await) {
                return;
            }
        }
        panic!("no end in sight: {:?} {:?}", self.record(), self.told);
    }

    /// Runs the lease to its end and returns what is remembered of it.
    pub async fn finish(&mut self) -> LeaseRecord {
        self.until(|action| *action == Action::Nothing).await;
        let record = self.record();
        assert_eq!((record.phase.clone(), self.finishes), (Phase::Done, 1), "{record:?} {:?}", self.told);
        for told in self.told.iter().chain([&record.message]) {
            assert!(!told.contains(&self.state.root().display().to_string()), "a path of the host: {told}");
        }
        record
    }

    pub fn driver(&self) -> &DockerDriver {
        &self.driver
    }

    pub fn record(&self) -> LeaseRecord {
        self.store.get(&self.lease).unwrap().unwrap()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.state.lease(&self.lease).log()).unwrap()
    }

    pub fn collected(&self) -> outputs::Collected {
        outputs::load(&self.state.lease(&self.lease)).unwrap().unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Also after a failed test nothing stays mounted.
        let _ = DiskKeeper::detach(&self.state.lease(&self.lease));
    }
}

fn job(image: &str, yaml: &str) -> (Vec<u8>, NewLease) {
    let outputs = if yaml.contains("outputs:") { "" } else { "outputs: [ { path: /out } ]\n" };
    let yaml = format!(
        "version: 1\nname: test\nimage: {image}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n{outputs}{yaml}"
    );
    let manifest = Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    won(&manifest)
}
