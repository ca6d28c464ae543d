//! A container engine that misbehaves on request. It runs nothing: it is for testing what the node does about
//! delays, failures, floods and exit codes, never for running a lease.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use gridlease_sdk::node_api::{LogStream, PullProgress};
use solana_pubkey::Pubkey;
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::{
    Attached, ContainerId, ContainerSpec, ContainerState, Driver, DriverError, EngineInfo, Exec, ExecSpec, Exit,
    ImageFacts, ImageRef, Listed, LogPiece, Process, Pull, Reach, Unpacked, Wanted,
};

/// What the engine and its containers do.
#[derive(Clone, Debug)]
pub struct Script {
    /// Every call takes this long.
    pub delay: Duration,
    /// The engine cannot be used.
    pub check: Option<DriverError>,
    /// So many pulls fail with this error before one succeeds.
    pub pull: Option<(u32, DriverError)>,
    /// Creation fails.
    pub create: Option<DriverError>,
    /// Starting fails.
    pub start: Option<DriverError>,
    /// What a container writes to standard output, all at once when it starts.
    pub output: Vec<String>,
    /// The log connection breaks after so many lines; 0: never.
    pub drop_log_every: usize,
    /// The container ends by itself this long after its start; `None`: only when it is stopped.
    pub runs_for: Option<Duration>,
    /// Its exit code when it ends by itself; one that is stopped ends with 137.
    pub exit_code: i64,
    /// Where its ports really are; nothing listens on any other.
    pub ports: HashMap<u16, SocketAddr>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            check: None,
            pull: None,
            create: None,
            start: None,
            output: Vec::new(),
            drop_log_every: 0,
            runs_for: Some(Duration::ZERO),
            exit_code: 0,
            ports: HashMap::new(),
        }
    }
}

#[derive(Debug)]
struct Container {
    spec: Option<ContainerSpec>,
    // Wakes those who wait; the state is what they read.
    state: watch::Sender<ContainerState>,
}

#[derive(Debug, Default)]
struct World {
    containers: HashMap<ContainerId, Container>,
    pulls: u32,
    log_connections: usize,
    log_pieces: usize,
    calls: Vec<String>,
}

/// The engine. Clones share their containers, as a restarted node shares the machine's.
#[derive(Clone, Debug)]
pub struct FakeDriver {
    script: Arc<Script>,
    world: Arc<Mutex<World>>,
}

/// Every line of a fake container is this much later than the one before, milliseconds.
const LINE_MS: i64 = 10;
/// When fake containers start, Unix milliseconds.
const START_MS: i64 = 1_000_000;

impl FakeDriver {
    /// An engine that follows `script`.
    #[must_use]
    pub fn new(script: Script) -> Self {
        Self { script: Arc::new(script), world: Arc::default() }
    }

    /// What was called, in order, for example `start c1`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.world().calls.clone()
    }

    /// How many log connections there were, and how many pieces were taken from them.
    #[must_use]
    pub fn logs_read(&self) -> (usize, usize) {
        let world = self.world();
        (world.log_connections, world.log_pieces)
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn called(&self, call: String) {
        self.world().calls.push(call);
        tokio::time::sleep(self.script.delay).await;
    }

    fn state_of(&self, id: &ContainerId) -> ContainerState {
        self.world().containers.get(id).map_or(ContainerState::Missing, |c| c.state.borrow().clone())
    }

    fn end(&self, id: &ContainerId, code: i64) {
        if let Some(container) = self.world().containers.get(id) {
            container.state.send_if_modified(|state| {
                let running = matches!(state, ContainerState::Running { .. });
                if running {
                    *state = ContainerState::Exited(Exit {
                        code,
                        oom_killed: false,
                        started_at_ms: START_MS,
                        finished_at_ms: START_MS + 1,
                    });
                }
                running
            });
        }
    }

    /// Puts a container there without creating it.
    fn ensure(&self, id: &ContainerId, spec: Option<ContainerSpec>) {
        self.world()
            .containers
            .entry(id.clone())
            .or_insert_with(|| Container { spec, state: watch::Sender::new(ContainerState::Created) });
    }

    fn run(&self, id: &ContainerId) {
        if let Some(container) = self.world().containers.get(id) {
            container.state.send_if_modified(|state| {
                let created = *state == ContainerState::Created;
                if created {
                    *state = ContainerState::Running { started_at_ms: START_MS, paused: false };
                }
                created
            });
        }
        if let Some(runs_for) = self.script.runs_for {
            let (engine, id) = (self.clone(), id.clone());
            tokio::spawn(async move {
                tokio::time::sleep(runs_for).await;
                engine.end(&id, engine.script.exit_code);
            });
        }
    }

    async fn ended(&self, id: &ContainerId) -> Result<Exit, DriverError> {
        let missing = || DriverError::NoSuchContainer { id: id.0.clone() };
        let mut state = self.world().containers.get(id).ok_or_else(missing)?.state.subscribe();
        if *state.borrow() == ContainerState::Created {
            return Err(DriverError::NotStarted { id: id.0.clone() });
        }
        let end = state.wait_for(|s| matches!(s, ContainerState::Exited(_))).await.map_err(|_| missing())?;
        match &*end {
            ContainerState::Exited(exit) => Ok(exit.clone()),
            _ => Err(missing()),
        }
    }

    fn lines(&self, since_s: Option<i64>) -> Vec<Result<LogPiece, DriverError>> {
        let since_ms = since_s.unwrap_or(0).saturating_mul(1000);
        let all = (0i64..).zip(&self.script.output).map(|(n, text)| LogPiece {
            ts_ms: START_MS + n * LINE_MS,
            stream: LogStream::Stdout,
            bytes: Bytes::copy_from_slice(text.as_bytes()),
            ends_line: true,
        });
        all.filter(|piece| piece.ts_ms >= since_ms).map(Ok).collect()
    }
}

impl Driver for FakeDriver {
    fn check(&self, _gpu: bool) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        async move {
            self.called("check".to_owned()).await;
            match &self.script.check {
                Some(e) => Err(e.clone()),
                None => Ok(EngineInfo { name: "fake".to_owned(), podman: false, nvidia_runtime: true }),
            }
        }
        .boxed()
    }

    fn pull<'a>(
        &'a self,
        image: &'a ImageRef,
        _pull: Pull<'a>,
        progress: &'a watch::Sender<PullProgress>,
    ) -> BoxFuture<'a, Result<u64, DriverError>> {
        async move {
            self.called(format!("pull {image}")).await;
            let pulls = {
                let mut world = self.world();
                world.pulls += 1;
                world.pulls
            };
            match &self.script.pull {
                Some((failures, e)) if pulls <= *failures => Err(e.clone()),
                _ => {
                    progress.send_replace(PullProgress {
                        layers_done: 1,
                        layers_total: 1,
                        bytes_done: 1,
                        bytes_total: 1,
                    });
                    Ok(1)
                }
            }
        }
        .boxed()
    }

    fn look<'a>(&'a self, _image: &'a ImageRef) -> BoxFuture<'a, Result<ImageFacts, DriverError>> {
        async { Ok(ImageFacts::default()) }.boxed()
    }

    fn unpack<'a>(
        &'a self,
        _image: &'a ImageRef,
        wanted: &'a [Wanted],
    ) -> BoxFuture<'a, Result<Vec<Unpacked>, DriverError>> {
        async { Ok(vec![Unpacked::Nothing; wanted.len()]) }.boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<ContainerId, DriverError>> {
        async move {
            let id = ContainerId(spec.name());
            self.called(format!("create {id}")).await;
            if let Some(e) = &self.script.create {
                return Err(e.clone());
            }
            self.ensure(&id, Some(spec.clone()));
            Ok(id)
        }
        .boxed()
    }

    fn start<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), DriverError>> {
        async move {
            self.called(format!("start {id}")).await;
            if let Some(e) = &self.script.start {
                return Err(e.clone());
            }
            self.ensure(id, None);
            self.run(id);
            Ok(())
        }
        .boxed()
    }

    fn inspect<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<ContainerState, DriverError>> {
        async move { Ok(self.state_of(id)) }.boxed()
    }

    fn wait<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Exit, DriverError>> {
        self.ended(id).boxed()
    }

    fn logs(
        &self,
        id: &ContainerId,
        since_s: Option<i64>,
        follow: bool,
    ) -> BoxStream<'static, Result<LogPiece, DriverError>> {
        let connection = {
            let mut world = self.world();
            world.log_connections += 1;
            world.log_connections
        };
        let mut lines = self.lines(since_s);
        let every = self.script.drop_log_every;
        // Each connection gets further than the one before, as one that breaks after a time does.
        let breaks = follow && every > 0 && lines.len() > every * connection;
        if breaks {
            lines.truncate(every * connection);
            lines.push(Err(DriverError::Engine { what: "read a container's output", reason: "scripted".to_owned() }));
        }
        let (engine, id) = (self.clone(), id.clone());
        let until_end = stream::once(async move {
            if follow && !breaks {
                let _ = engine.ended(&id).await;
            }
        })
        .filter_map(|()| async { None });
        let counter = self.clone();
        let counted = stream::iter(lines).inspect(move |_| counter.world().log_pieces += 1);
        counted.chain(until_end).boxed()
    }

    fn stop<'a>(&'a self, id: &'a ContainerId, _grace: Duration) -> BoxFuture<'a, Result<(), DriverError>> {
        async move {
            self.called(format!("stop {id}")).await;
            self.end(id, 137);
            Ok(())
        }
        .boxed()
    }

    fn remove<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), DriverError>> {
        async move {
            self.called(format!("remove {id}")).await;
            self.world().containers.remove(id);
            Ok(())
        }
        .boxed()
    }

    fn list_labelled<'a>(&'a self, node: &'a Pubkey) -> BoxFuture<'a, Result<Vec<Listed>, DriverError>> {
        async move {
            let world = self.world();
            let ours = |c: &&ContainerSpec| c.node == *node;
            Ok(world
                .containers
                .iter()
                .filter_map(|(id, c)| {
                    let spec = c.spec.as_ref().filter(ours)?;
                    Some(Listed { id: id.clone(), name: spec.name(), lease: Some(spec.lease) })
                })
                .collect())
        }
        .boxed()
    }
}

impl Reach for FakeDriver {
    fn process<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Process, DriverError>> {
        // It has none.
        async move { Err(DriverError::NotRunningContainer { id: id.0.clone() }) }.boxed()
    }

    fn connect<'a>(&'a self, id: &'a ContainerId, port: u16) -> BoxFuture<'a, Result<TcpStream, DriverError>> {
        async move {
            if !matches!(self.state_of(id), ContainerState::Running { .. }) {
                return Err(DriverError::NotRunningContainer { id: id.0.clone() });
            }
            let refused = |reason: String| DriverError::NotListening { port, reason };
            let address = self.script.ports.get(&port).ok_or_else(|| refused("nothing listens there".to_owned()))?;
            TcpStream::connect(address).await.map_err(|e| refused(e.to_string()))
        }
        .boxed()
    }

    fn exec<'a>(&'a self, id: &'a ContainerId, _spec: &'a ExecSpec) -> BoxFuture<'a, Result<Exec, DriverError>> {
        async move {
            // It runs nothing.
            let what = "run a program in a container";
            Err(DriverError::Engine { what, reason: format!("{id} is not a real container") })
        }
        .boxed()
    }

    fn attach<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Attached, DriverError>> {
        // It runs nothing.
        async move { Err(DriverError::NotRunningContainer { id: id.0.clone() }) }.boxed()
    }
}
