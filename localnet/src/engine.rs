//! The threads behind the network: surfpool's run loop in a runtime of its own, and a drain for its events.
//!
//! surfpool takes its lock with `block_in_place`, which panics on a single-threaded runtime; in a thread with its
//! own multi-threaded runtime the caller may use any runtime it likes.

use std::{
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use solana_pubkey::Pubkey;
use surfpool_core::{
    runloops::start_local_surfnet_runloop,
    surfnet::{
        GeyserEvent,
        locker::SurfnetSvmLocker,
        svm::{SurfnetSvm, SurfnetSvmConfig},
    },
};
use surfpool_types::{
    BlockProductionMode, RpcConfig, SerialVmMutationResult, SerialVmMutationTask, SimnetCommand, SimnetConfig,
    SimnetEvent, SurfpoolConfig,
};
use tokio::sync::oneshot;

use crate::LocalnetError;

/// Commands that may wait for the run loop. JSON-RPC has six threads that each wait for their own transaction, so
/// this is never reached by requests alone; a full queue makes senders wait.
const COMMAND_QUEUE: usize = 1_024;
/// surfpool's own clock thread never ends, not even with its network. Blocks are produced by [`crate::ticker`], so
/// it is told to sleep, for 49 days at a time.
const UNUSED_CLOCK_MS: u64 = u32::MAX as u64;
/// The program loader and the interpreter are deep in debug builds.
const STACK_BYTES: usize = 16 * 1024 * 1024;
/// How long tasks of the engine's runtime may go on after the run loop has ended.
const RUNTIME_END: Duration = Duration::from_secs(2);

/// What the engine is started with.
pub(crate) struct EngineConfig {
    pub(crate) rpc_port: u16,
    pub(crate) ws_port: u16,
    pub(crate) slot_ms: u64,
    pub(crate) genesis_airdrops: Vec<(Pubkey, u64)>,
}

/// A running engine.
pub(crate) struct Engine {
    commands: Sender<SimnetCommand>,
    svm: SurfnetSvmLocker,
    runtime: tokio::runtime::Handle,
    origin: Instant,
    /// `None` once it has been read.
    ended: Option<oneshot::Receiver<Result<(), String>>>,
    thread: JoinHandle<()>,
    events: JoinHandle<()>,
    stop_events: Sender<()>,
}

/// What the engine's thread reports once the chain exists.
struct Born {
    svm: SurfnetSvmLocker,
    runtime: tokio::runtime::Handle,
    origin: Instant,
    events: Receiver<SimnetEvent>,
}

impl Engine {
    /// Creates the chain and starts its run loop and servers. They answer a moment later.
    pub(crate) async fn start(config: EngineConfig) -> Result<Self, LocalnetError> {
        let failed = |reason: String| LocalnetError::Start { reason };
        let (commands, inbox) = bounded(COMMAND_QUEUE);
        let (born_tx, born) = oneshot::channel();
        let (ended_tx, ended) = oneshot::channel();
        let own_commands = commands.clone();
        let thread = thread::Builder::new()
            .name("localnet-engine".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || {
                let result = live(config, own_commands, inbox, born_tx);
                // Nobody listens any more when the network was dropped rather than shut down.
                let _ = ended_tx.send(result);
            })
            .map_err(|error| failed(format!("cannot start a thread: {error}")))?;
        let Ok(born) = born.await else {
            let reason = match ended.await {
                Ok(Err(reason)) => reason,
                _ => "its thread ended at once".to_owned(),
            };
            return Err(failed(reason));
        };
        let (stop_events, stop) = bounded(1);
        let events = thread::Builder::new()
            .name("localnet-events".to_owned())
            .spawn(move || drain(&born.events, &stop))
            .map_err(|error| {
                // The engine must not go on unseen. A new queue has room.
                let _ = commands.try_send(SimnetCommand::Terminate(None));
                failed(format!("cannot start a thread: {error}"))
            })?;
        Ok(Self {
            commands,
            svm: born.svm,
            runtime: born.runtime,
            origin: born.origin,
            ended: Some(ended),
            thread,
            events,
            stop_events,
        })
    }

    /// Where slots are asked for.
    pub(crate) fn commands(&self) -> &Sender<SimnetCommand> {
        &self.commands
    }

    /// The instant at which the chain's clock was set to the wall clock.
    pub(crate) fn origin(&self) -> Instant {
        self.origin
    }

    /// Why the run loop has ended, if it has.
    pub(crate) fn end_reason(&mut self) -> Option<String> {
        let reason = match self.ended.as_mut()?.try_recv() {
            Ok(Ok(())) => "it stopped by itself".to_owned(),
            Ok(Err(reason)) => reason,
            Err(oneshot::error::TryRecvError::Empty) => return None,
            Err(oneshot::error::TryRecvError::Closed) => "its thread died".to_owned(),
        };
        self.ended = None;
        Some(reason)
    }

    /// Runs `work` on the chain in the engine's own runtime.
    pub(crate) async fn with_svm<T, F, W>(&self, doing: &'static str, work: W) -> Result<T, LocalnetError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
        W: FnOnce(SurfnetSvmLocker) -> F,
    {
        self.runtime.spawn(work(self.svm.clone())).await.map_err(|_| LocalnetError::Stopped { doing })
    }

    /// Asks for `slots` blocks and waits until the run loop has worked off everything asked for before.
    pub(crate) async fn produce(&self, slots: u64) -> Result<(), LocalnetError> {
        const DOING: &str = "producing slots";
        let stopped = || LocalnetError::Stopped { doing: DOING };
        let (done_tx, done) = oneshot::channel();
        let barrier = SerialVmMutationTask::new(move || {
            Box::pin(async move {
                // The waiter may have been cancelled.
                let _ = done_tx.send(());
                SerialVmMutationResult::NoBlock
            })
        });
        let commands = self.commands.clone();
        // A full queue blocks, which a task must not.
        tokio::task::spawn_blocking(move || {
            for _ in 0..slots {
                commands.send(SimnetCommand::SlotForward(None)).map_err(|_| stopped())?;
            }
            commands.send(SimnetCommand::ProcessSerialVmMutation(barrier)).map_err(|_| stopped())
        })
        .await
        .map_err(|_| stopped())??;
        done.await.map_err(|_| stopped())
    }

    /// Tells the engine to end, without waiting.
    pub(crate) fn terminate(&self) {
        // Full: the run loop is stuck, or disconnected: it has ended. Neither can be helped here.
        let _ = self.commands.try_send(SimnetCommand::Terminate(None));
    }

    /// Ends the engine and waits for its threads, for `limit` at most.
    pub(crate) async fn stop(self, limit: Duration) -> Result<(), LocalnetError> {
        self.terminate();
        let Self { commands, svm, ended, thread, events, stop_events, .. } = self;
        drop((commands, svm));
        let failed = |reason: &str| LocalnetError::Stop { reason: reason.to_owned() };
        let join = async {
            // Known already when the engine ended by itself.
            let outcome = match ended {
                Some(ended) => ended.await.unwrap_or(Ok(())),
                None => Ok(()),
            };
            let _ = stop_events.send(());
            tokio::task::spawn_blocking(move || thread.join().is_ok() & events.join().is_ok())
                .await
                .map_err(|_| failed("its threads could not be waited for"))?
                .then_some(())
                .ok_or_else(|| failed("one of its threads panicked"))?;
            outcome.map_err(|reason| failed(&reason))
        };
        tokio::time::timeout(limit, join).await.unwrap_or_else(|_| Err(failed("its run loop did not end in time")))
    }
}

/// The life of the engine's thread.
fn live(
    config: EngineConfig,
    commands: Sender<SimnetCommand>,
    inbox: Receiver<SimnetCommand>,
    born: oneshot::Sender<Born>,
) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("localnet-engine-worker")
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start a runtime: {error}"))?;
    let (mut svm, events, geyser): (_, _, Receiver<GeyserEvent>) = SurfnetSvm::new(SurfnetSvmConfig {
        slot_time: config.slot_ms,
        // Profiling copies the chain for every instruction: 25-50 transactions a second instead of thousands.
        instruction_profiling_enabled: false,
        max_profiles: 1,
        ..SurfnetSvmConfig::default()
    })
    .map_err(|error| error.to_string())?;
    let origin = Instant::now();
    for (account, lamports) in &config.genesis_airdrops {
        svm.airdrop(account, *lamports)
            .map_err(|error| format!("genesis airdrop of {lamports} lamports to {account}: {error:?}"))?
            .map_err(|failed| format!("genesis airdrop of {lamports} lamports to {account}: {}", failed.err))?;
    }
    let svm = SurfnetSvmLocker::new(svm);
    let handle = runtime.handle().clone();
    if born.send(Born { svm: svm.clone(), runtime: handle, origin, events }).is_err() {
        return Ok(());
    }
    let result = runtime
        .block_on(start_local_surfnet_runloop(svm, surfpool_config(&config), commands, inbox, geyser))
        .map_err(|error| error.to_string());
    runtime.shutdown_timeout(RUNTIME_END);
    result
}

fn surfpool_config(config: &EngineConfig) -> SurfpoolConfig {
    SurfpoolConfig {
        simnets: vec![SimnetConfig {
            // Both: the default asks mainnet for every account that is not here.
            offline_mode: true,
            remote_rpc_url: None,
            slot_time: UNUSED_CLOCK_MS,
            block_production_mode: BlockProductionMode::Manual,
            instruction_profiling_enabled: false,
            max_profiles: 1,
            ..SimnetConfig::default()
        }],
        rpc: RpcConfig {
            bind_host: "127.0.0.1".to_owned(),
            bind_port: config.rpc_port,
            ws_port: config.ws_port,
            ..RpcConfig::default()
        },
        ..SurfpoolConfig::default()
    }
}

/// Reads surfpool's events, which would otherwise block it, and hands the telling ones to the log.
fn drain(events: &Receiver<SimnetEvent>, stop: &Receiver<()>) {
    loop {
        select! {
            recv(events) -> event => match event {
                Ok(SimnetEvent::ErrorLog(_, message)) => tracing::debug!(%message, "local network error"),
                Ok(SimnetEvent::WarnLog(_, message)) => tracing::debug!(%message, "local network warning"),
                Ok(SimnetEvent::Aborted(message)) => tracing::warn!(%message, "local network aborted"),
                Ok(_) => {}
                Err(_) => return,
            },
            recv(stop) -> _ => return,
        }
    }
}
