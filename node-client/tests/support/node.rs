//! A node without chain and main loop, which the tests play.

use std::sync::Arc;

use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::clock::Clock;
use gridlease_node::driver::ContainerState;
use gridlease_node::inputs::{FetchPolicy, Fetcher};
use gridlease_node::lease::StageName;
use gridlease_node::lease::reconcile::{Action, ChainLease, ChainState, Note};
use gridlease_node::lease::{Worker, WorkerConfig};
use gridlease_node::lease_board::LeaseBoard;
use gridlease_node::logs::{LogHub, LogLimits};
use gridlease_node::secrets::Keyring;
use gridlease_node::sold::Sold;
use gridlease_node::stats::Stats;
use gridlease_node::store::{Ended, LeaseRecord, NewLease, Phase, Store};
use gridlease_sdk::node_api::LeaseStatus;
use solana_pubkey::Pubkey;

use super::Bench;

/// A node at the point where its container has just been started.
pub struct Node {
    pub store: Store,
    pub worker: Worker,
    pub board: Arc<LeaseBoard>,
    pub stats: Stats,
}

impl Node {
    pub fn start(bench: &Bench) -> Self {
        Self::with_limits(bench, LogLimits::default())
    }

    pub fn with_limits(bench: &Bench, limits: LogLimits) -> Self {
        let store = Store::open(&bench.state.database()).unwrap();
        let logs = LogHub::new(bench.state.clone(), limits);
        let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
        let driver = Arc::new(bench.driver.clone());
        let config = WorkerConfig::new(bench.node);
        let stats = Stats::default();
        let worker =
            Worker::new(config, driver, store.clone(), bench.state.clone(), logs.clone(), fetcher, Clock::system())
                .with_stats(stats.clone());
        let board = LeaseBoard::new(
            bench.state.clone(),
            logs,
            worker.clone(),
            Arc::default(),
            Keyring::new(Arc::new(solana_keypair::Keypair::new())),
        );
        let board = Arc::new(board.with_stats(stats.clone()));
        Self { store, worker, board, stats }
    }

    pub async fn launch(&self, bench: &Bench, number: u8, script: &str) -> LeaseRecord {
        let spec = bench.spec(number, script);
        let id = bench.launch(&spec).await;
        let key = Pubkey::new_from_array([number; 32]);
        let new = NewLease {
            lease: spec.lease,
            job: spec.job,
            attempt: 1,
            buyer: key,
            poster: key,
            guardian: key,
            manifest_hash: [0; 32],
            gpus: vec![],
            sold: Sold::default(),
        };
        self.store.insert(new, 0).unwrap();
        self.store
            .update(&spec.lease, |record| {
                record.container = Some(id);
                record.reach(Phase::Started);
                Ok(())
            })
            .unwrap()
    }

    /// As the main loop does it: the log is followed beside, and collected once the container has ended.
    pub async fn to_the_end(&self, record: &LeaseRecord) -> LeaseRecord {
        let follower = tokio::spawn({
            let (worker, record) = (self.worker.clone(), record.clone());
            async move { worker.follow_log(&record).await }
        });
        self.worker.wait(record).await.unwrap();
        let ContainerState::Exited(exit) = self.worker.observe(record).await.unwrap() else { panic!("it has ended") };
        let note = Action::Record(Note::Ended(Ended::from(&exit)));
        let record = self.worker.take(record, &note).await.unwrap();
        let record = self.worker.take(&record, &Action::Do(StageName::Collect)).await.unwrap();
        follower.await.unwrap().unwrap();
        record
    }

    /// What a buyer is told.
    pub async fn status(&self, lease: &Pubkey) -> LeaseStatus {
        let record = self.store.get(lease).unwrap().unwrap();
        let container = self.worker.observe(&record).await.unwrap();
        let chain =
            ChainLease { state: ChainState::Running, start_deadline: 0, want_deadline: 0, runway_end: 0, seen_at: 0 };
        self.board.show(&record, &container, &chain).await;
        self.board.status(lease).unwrap()
    }
}
