//! The process that is killed: a node whose market, buyer and clock of steps the parent plays, one line for each step.
//!
//! It says `next STEP` and waits for a line before it goes on; then it says `done`. What it knows after its death is on disk, in the
//! engine, or in the file that stands for the chain.

use std::io::{BufRead as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::clock::Clock;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::RegistryPolicy;
use gridlease_node::driver::docker::DockerDriver;
use gridlease_node::inputs::{self, FetchPolicy, Fetcher};
use gridlease_node::lease::reconcile::{Action, ChainLease, ChainState, next};
use gridlease_node::lease::{Worker, WorkerConfig};
use gridlease_node::lease_board::LeaseBoard;
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::net::{Networks, Upstream};
use gridlease_node::secrets::Keyring;
use gridlease_node::state_dir::{StateDir, write_atomically};
use gridlease_node::store::{LeaseRecord, Store};
use gridlease_sdk::node_api::secrets::Secrets;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

pub const INPUT: &[u8] = b"seed 42";

/// What a node is told when it is started.
#[derive(Serialize, Deserialize)]
pub struct Life {
    pub state: PathBuf,
    pub node: [u8; 32],
    pub lease: [u8; 32],
    /// What the buyer brings when it is asked.
    pub manifest: Vec<u8>,
    /// Whether the buyer brings its input.
    pub generous: bool,
    /// The file that stands for the chain.
    pub chain: PathBuf,
}

/// The lease as the program keeps it: each step is accepted once.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Chain {
    pub state: ChainState,
    pub start_deadline: i64,
    pub want_deadline: i64,
    pub runway_s: i64,
    pub runway_end: i64,
    pub readies: u32,
    pub finishes: u32,
    pub failures: u32,
}

impl Chain {
    pub fn read(path: &Path) -> Self {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }

    pub fn write(&self, path: &Path) {
        write_atomically(path, &serde_json::to_vec(self).unwrap(), 0o600).unwrap();
    }

    fn accept(&mut self, action: &Action) {
        match (action, self.state) {
            (Action::PostReady, ChainState::Starting) => {
                self.state = ChainState::Running;
                self.runway_end = Clock::system().now() + self.runway_s;
                self.readies += 1;
            }
            (Action::PostFinish, ChainState::Running) => {
                self.state = ChainState::Ended;
                self.finishes += 1;
            }
            (Action::PostFailed, ChainState::Starting) => {
                self.state = ChainState::Failed;
                self.failures += 1;
            }
            _ => {}
        }
    }
}

pub fn networks(driver: &DockerDriver, node: Pubkey) -> Networks {
    Networks::new(driver.clone(), node, Upstream::new(&["127.0.0.1:9".parse().unwrap()]).unwrap())
}

struct Node {
    life: Life,
    state: StateDir,
    store: Store,
    worker: Worker,
    board: LeaseBoard,
    key: Arc<Keypair>,
    beside: Vec<JoinHandle<()>>,
}

/// Runs until nothing is left to do, or until it is killed.
pub async fn live(life: &Path) {
    let life: Life = serde_json::from_slice(&std::fs::read(life).unwrap()).unwrap();
    let driver = DockerDriver::connect(None).await.unwrap();
    let driver = driver.with_registries(RegistryPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]));
    let node = Pubkey::new_from_array(life.node);
    let state = StateDir::open(&life.state).unwrap();
    let store = Store::open(&state.database()).unwrap();
    let logs = LogHub::new(state.clone(), LogLimits::default());
    let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
    let config = WorkerConfig { stop_grace: Duration::from_secs(1), ..WorkerConfig::new(node) };
    let worker = Worker::new(
        config,
        Arc::new(driver.clone()),
        store.clone(),
        state.clone(),
        logs.clone(),
        fetcher,
        Clock::system(),
    );
    let worker = worker.with_disk(DiskKeeper::detect(&state)).with_networks(networks(&driver, node));
    // As the node does before it looks at its leases.
    worker.recover_networks().await.unwrap();
    worker.tidy_disks().await.unwrap();
    let key = Arc::new(Keypair::new());
    let board =
        LeaseBoard::new(state.clone(), logs, worker.clone(), Arc::default(), Keyring::new(Arc::clone(&key) as _));
    let mut node = Node { life, state, store, worker, board, key, beside: Vec::new() };
    while node.turn().await {}
}

impl Node {
    async fn turn(&mut self) -> bool {
        let lease = Pubkey::new_from_array(self.life.lease);
        let record = self.store.get(&lease).unwrap().unwrap();
        let container = self.worker.observe(&record).await.unwrap();
        let local = self.worker.local(&record, false, false).await.unwrap();
        let mut chain = Chain::read(&self.life.chain);
        let now = Clock::system().now();
        let seen = ChainLease {
            state: chain.state,
            start_deadline: chain.start_deadline,
            want_deadline: chain.want_deadline,
            runway_end: chain.runway_end,
            seen_at: now,
        };
        self.board.show(&record, &container, &seen).await;
        let action = next(&record, &container, &seen, &local, now);
        told(&format!("next {}", name(&action)));
        let mut go = String::new();
        std::io::stdin().lock().read_line(&mut go).unwrap();
        match &action {
            Action::Nothing => return false,
            Action::PostReady | Action::PostFinish | Action::PostFailed => {
                // On its way, there, and not yet known.
                tokio::time::sleep(Duration::from_millis(20)).await;
                chain.accept(&action);
                chain.write(&self.life.chain);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Action::Watch { .. } => {
                self.keep_up(&record);
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            Action::AwaitBuyer { .. } => self.buyer(&record).await,
            Action::AwaitChain | Action::RefreshChain | Action::AwaitProbe | Action::AwaitRestart { .. } => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            local => {
                if let Err(error) = self.worker.take(&record, local).await {
                    told(&format!("failed {error}"));
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
        told("done");
        true
    }

    /// What goes on beside the steps while the container runs.
    fn keep_up(&mut self, record: &LeaseRecord) {
        // The log's follower ends with each run.
        if self.beside.first().is_none_or(JoinHandle::is_finished) {
            self.beside.drain(..).for_each(|task| task.abort());
            let (worker, of) = (self.worker.clone(), record.clone());
            self.beside.push(tokio::spawn(async move { worker.follow_log(&of).await.unwrap() }));
            let (worker, of) = (self.worker.clone(), record.clone());
            self.beside.push(tokio::spawn(async move { worker.watch_services(&of).await.unwrap() }));
            let (worker, of) = (self.worker.clone(), record.clone());
            self.beside.push(tokio::spawn(async move { worker.watch_pauses(&of).await.unwrap() }));
        }
    }

    /// Brings one thing after the other, again wherever it is not there.
    async fn buyer(&self, record: &LeaseRecord) {
        if self.worker.manifest(&record.lease).await.unwrap().is_none() {
            return self.worker.put_manifest(record, self.life.manifest.clone()).await.unwrap();
        }
        if !self.life.generous {
            return tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let dir = self.state.lease(&record.lease);
        let hash = Sha256::digest(INPUT).into();
        if !self.worker.missing_inputs(&record.lease).await.unwrap().is_empty() {
            let bytes = futures_util::stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(INPUT))]);
            inputs::place(&dir, &hash, "seed", 100, &gridlease_node::inputs::Room::new(100), bytes).await.unwrap();
            return;
        }
        let key = self.board.lease_key(&record.lease).unwrap();
        let secrets: Secrets =
            ["OWN", "OF_DB"].map(|of| (of.to_owned(), Zeroizing::new(b"never to be seen".to_vec()))).into();
        let sealed = key.seal(&record.lease, &self.key.pubkey(), &secrets).unwrap();
        self.board.take_secrets(&record.lease, &sealed).unwrap();
    }
}

/// The step without what it carries.
fn name(action: &Action) -> String {
    let text = format!("{action:?}");
    let end = |at: usize| text.get(..at).unwrap_or(&text).to_owned();
    match action {
        Action::Watch { .. } | Action::AwaitBuyer { .. } | Action::AwaitRestart { .. } => {
            end(text.find(' ').unwrap_or(text.len()))
        }
        Action::Record(_) => {
            end(text.get(7..).and_then(|note| note.find(['(', ')', ' '])).map_or(text.len(), |at| at + 7))
        }
        _ => text,
    }
}

fn told(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}
