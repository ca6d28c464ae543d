//! Docker through its local socket.

mod attach;
mod connect;
mod create;
mod exec;
mod inherited;
mod inside;
mod logs;
mod look;
mod network;
mod pull;
mod reaches;
mod troubled;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error as BollardError;
use bollard::models::ContainerStateStatusEnum;
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder, StartContainerOptions,
    StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, StreamExt as _};
use gridlease_sdk::node_api::PullProgress;
use solana_pubkey::Pubkey;
use tokio::net::TcpStream;
use tokio::sync::watch;

pub(crate) use network::Subnet;

use super::{
    Attached, ContainerId, ContainerSpec, ContainerState, Driver, DriverError, EngineInfo, Exec, ExecSpec, Exit,
    ImageFacts, ImageRef, LABEL_LEASE, LABEL_NODE, Listed, LogPiece, Process, Pull, Reach, RegistryPolicy, Unpacked,
    Wanted,
};
use crate::for_buyer::plain;

/// Longest time between asking a container to end and killing it.
const MAX_GRACE: Duration = Duration::from_secs(60);
/// Most containers that a listing returns.
const MAX_LISTED: i32 = 4_096;

/// The Docker engine of this machine. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DockerDriver {
    docker: Docker,
    socket: PathBuf,
    registries: RegistryPolicy,
    facts: Arc<Mutex<HashMap<String, ImageFacts>>>,
    /// Threads that may be connecting to containers' ports at a time.
    reaches: Arc<reaches::Reaches>,
    troubled: Arc<troubled::Troubled>,
}

impl DockerDriver {
    /// Connects to the engine's socket: `socket`, else `DOCKER_HOST` where it names a local one, else `/var/run/docker.sock`.
    ///
    /// # Errors
    /// [`DriverError`] that tells a missing installation, a stopped engine and a missing permission apart.
    pub async fn connect(socket: Option<PathBuf>) -> Result<Self, DriverError> {
        connect::connect(socket).await
    }

    /// The same engine, sent to the registries that `registries` allows; before this, to public ones only.
    #[must_use]
    pub fn with_registries(self, registries: RegistryPolicy) -> Self {
        Self { registries, ..self }
    }

    /// What is known of images, by their digests.
    fn facts(&self) -> MutexGuard<'_, HashMap<String, ImageFacts>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A timestamp of the engine as Unix milliseconds; 0 where there is none (Docker prints the year 1 then).
fn timestamp_ms(text: Option<&str>) -> i64 {
    text.and_then(logs::parse_timestamp_ms).filter(|&ms| ms > 0).unwrap_or(0)
}

fn is_missing(error: &BollardError) -> bool {
    matches!(error, BollardError::DockerResponseServerError { status_code: 404, .. })
}

/// Removal that is already under way answers 409.
fn is_conflict(error: &BollardError) -> bool {
    matches!(error, BollardError::DockerResponseServerError { status_code: 409, .. })
}

/// Most characters of the engine's own words that are kept; a registry's answer can be among them.
const MAX_REASON: usize = 512;

/// The engine's own words for the operator, without the client's wrapping and without control characters.
fn reason(error: &BollardError) -> String {
    let text = match error {
        BollardError::DockerResponseServerError { message, .. } => message.as_str(),
        BollardError::DockerStreamError { error } => error.as_str(),
        other => return plain(&other.to_string(), MAX_REASON),
    };
    plain(text, MAX_REASON)
}

fn engine(what: &'static str, error: &BollardError) -> DriverError {
    DriverError::Engine { what, reason: reason(error) }
}

impl DockerDriver {
    async fn state(&self, id: &ContainerId) -> Result<ContainerState, DriverError> {
        let found = match self.docker.inspect_container(&id.0, None::<InspectContainerOptions>).await {
            Ok(found) => found,
            Err(e) if is_missing(&e) => return Ok(ContainerState::Missing),
            Err(e) => return Err(engine("look at a container", &e)),
        };
        let Some(state) = found.state else {
            return Err(DriverError::Engine { what: "look at a container", reason: "it reports no state".to_owned() });
        };
        let started_at_ms = timestamp_ms(state.started_at.as_deref());
        Ok(match state.status {
            Some(ContainerStateStatusEnum::CREATED) if started_at_ms == 0 => ContainerState::Created,
            Some(ContainerStateStatusEnum::PAUSED) => ContainerState::Running { started_at_ms, paused: true },
            Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::RESTARTING) => {
                ContainerState::Running { started_at_ms, paused: false }
            }
            Some(ContainerStateStatusEnum::REMOVING) => ContainerState::Missing,
            _ => ContainerState::Exited(Exit {
                code: state.exit_code.unwrap_or(-1),
                oom_killed: state.oom_killed.unwrap_or(false),
                started_at_ms,
                finished_at_ms: timestamp_ms(state.finished_at.as_deref()),
            }),
        })
    }

    async fn start_container(&self, id: &ContainerId) -> Result<(), DriverError> {
        match self.docker.start_container(&id.0, None::<StartContainerOptions>).await {
            Ok(()) => Ok(()),
            Err(e) if is_missing(&e) && reason(&e).contains("No such container") => {
                Err(DriverError::NoSuchContainer { id: id.0.clone() })
            }
            Err(e @ BollardError::DockerResponseServerError { .. }) => {
                let reason = reason(&e);
                if reason.contains("device driver") || reason.contains("nvidia-container") {
                    return Err(DriverError::NoGpuRuntime { reason });
                }
                Err(DriverError::StartFailed { reason })
            }
            Err(e) => Err(engine("start a container", &e)),
        }
    }

    async fn wait_for_end(&self, id: &ContainerId) -> Result<Exit, DriverError> {
        // Docker answers at once, with code 0, when it is asked to wait for a container that was never started.
        match self.state(id).await? {
            ContainerState::Missing => return Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            ContainerState::Created => return Err(DriverError::NotStarted { id: id.0.clone() }),
            ContainerState::Exited(exit) => return Ok(exit),
            ContainerState::Running { .. } => {}
        }
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        match self.docker.wait_container(&id.0, Some(options)).next().await {
            // A non-zero exit code comes as an error of the client; it is none.
            Some(Ok(_) | Err(BollardError::DockerContainerWaitError { .. })) => {}
            Some(Err(e)) if is_missing(&e) => return Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            Some(Err(e)) => return Err(engine("wait for a container", &e)),
            None => {
                return Err(DriverError::Engine {
                    what: "wait for a container",
                    reason: "the connection ended".to_owned(),
                });
            }
        }
        match self.state(id).await? {
            ContainerState::Exited(exit) => Ok(exit),
            ContainerState::Missing => Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            other => Err(DriverError::Engine {
                what: "wait for a container",
                reason: format!("it is {other:?} after its end"),
            }),
        }
    }

    async fn stop_container(&self, id: &ContainerId, grace: Duration) -> Result<(), DriverError> {
        let seconds = i32::try_from(grace.min(MAX_GRACE).as_secs()).unwrap_or(10);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        match self.docker.stop_container(&id.0, Some(options)).await {
            Ok(()) => Ok(()),
            Err(e) if is_missing(&e) => Ok(()),
            Err(e) => Err(engine("stop a container", &e)),
        }
    }

    async fn remove_container(&self, id: &ContainerId) -> Result<(), DriverError> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self.docker.remove_container(&id.0, Some(options)).await {
            Ok(()) => Ok(()),
            Err(e) if is_missing(&e) || is_conflict(&e) => Ok(()),
            Err(e) => Err(engine("remove a container", &e)),
        }
    }

    async fn labelled(&self, node: &Pubkey) -> Result<Vec<Listed>, DriverError> {
        let filters = HashMap::from([("label".to_owned(), vec![format!("{LABEL_NODE}={node}")])]);
        let options = ListContainersOptionsBuilder::default().all(true).limit(MAX_LISTED).filters(&filters).build();
        let found = self.docker.list_containers(Some(options)).await.map_err(|e| engine("list containers", &e))?;
        Ok(found
            .into_iter()
            .filter_map(|c| {
                let name = c.names.unwrap_or_default().into_iter().next().unwrap_or_default();
                let lease = c.labels.as_ref().and_then(|l| l.get(LABEL_LEASE)).and_then(|l| l.parse().ok());
                Some(Listed { id: ContainerId(c.id?), name: name.trim_start_matches('/').to_owned(), lease })
            })
            .collect())
    }
}

impl Driver for DockerDriver {
    fn check(&self, gpu: bool) -> BoxFuture<'_, Result<EngineInfo, DriverError>> {
        self.check_engine(gpu).boxed()
    }

    fn pull<'a>(
        &'a self,
        image: &'a ImageRef,
        pull: Pull<'a>,
        progress: &'a watch::Sender<PullProgress>,
    ) -> BoxFuture<'a, Result<u64, DriverError>> {
        self.pull_image(image, pull, progress).boxed()
    }

    fn look<'a>(&'a self, image: &'a ImageRef) -> BoxFuture<'a, Result<ImageFacts, DriverError>> {
        self.look_at(image).boxed()
    }

    fn unpack<'a>(
        &'a self,
        image: &'a ImageRef,
        wanted: &'a [Wanted],
    ) -> BoxFuture<'a, Result<Vec<Unpacked>, DriverError>> {
        self.unpack_from(image, wanted).boxed()
    }

    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<ContainerId, DriverError>> {
        self.create_container(spec).boxed()
    }

    fn start<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), DriverError>> {
        self.start_container(id).boxed()
    }

    fn trouble(&self) -> Option<String> {
        self.pull_trouble()
    }

    fn inspect<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<ContainerState, DriverError>> {
        self.state(id).boxed()
    }

    fn wait<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Exit, DriverError>> {
        self.wait_for_end(id).boxed()
    }

    fn logs(
        &self,
        id: &ContainerId,
        since_s: Option<i64>,
        follow: bool,
    ) -> BoxStream<'static, Result<LogPiece, DriverError>> {
        logs::follow(self.docker.clone(), id.clone(), since_s, follow)
    }

    fn stop<'a>(&'a self, id: &'a ContainerId, grace: Duration) -> BoxFuture<'a, Result<(), DriverError>> {
        self.stop_container(id, grace).boxed()
    }

    fn remove<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), DriverError>> {
        self.remove_container(id).boxed()
    }

    fn list_labelled<'a>(&'a self, node: &'a Pubkey) -> BoxFuture<'a, Result<Vec<Listed>, DriverError>> {
        self.labelled(node).boxed()
    }
}

impl Reach for DockerDriver {
    fn process<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Process, DriverError>> {
        self.process_of(id).boxed()
    }

    fn sockets<'a>(
        &'a self,
        id: &'a ContainerId,
        count: usize,
    ) -> BoxFuture<'a, Result<Vec<tokio::net::TcpSocket>, DriverError>> {
        Box::pin(self.sockets_inside(id, count))
    }

    fn connect<'a>(&'a self, id: &'a ContainerId, port: u16) -> BoxFuture<'a, Result<TcpStream, DriverError>> {
        self.connect_inside(id, port).boxed()
    }

    fn exec<'a>(&'a self, id: &'a ContainerId, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Exec, DriverError>> {
        self.start_exec(id, spec).boxed()
    }

    fn attach<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Attached, DriverError>> {
        self.attach_to(id).boxed()
    }
}
