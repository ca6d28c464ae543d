//! The container engine behind a trait, so that everything above it can be tried with faults.
//!
//! [`docker::DockerDriver`] is the real one. [`fake::FakeDriver`] misbehaves on request and is for tests of
//! what the node does about it. Every call is idempotent: creating what exists, starting what runs, stopping
//! what is stopped and removing what is gone all succeed.

pub mod docker;
mod error;
pub(crate) mod facts;
pub mod fake;
pub(crate) mod healthcheck;
mod image;
mod reach;
mod registry;
mod spec;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use gridlease_sdk::image::Credentials;
use gridlease_sdk::node_api::{LogStream, PullProgress};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

pub use error::DriverError;
pub use facts::{ImageFacts, NoSuchUser};
pub use healthcheck::HealthCheck;
pub use image::{BadImage, ImageRef};
pub use reach::{Attached, Exec, ExecControl, ExecSpec, ExecState, Process, Reach, can_enter_networks};
pub use registry::{AllowedRegistry, BadRegistry, RegistryPolicy};
pub use spec::{
    ContainerSpec, INIT, LABEL_JOB, LABEL_LEASE, LABEL_NODE, Limits, Mount, Net, Role, RunAs, SecretFiles,
    container_name, role_name,
};

/// The engine's identifier of a container.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct ContainerId(pub String);

impl std::fmt::Display for ContainerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known about the engine after [`Driver::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineInfo {
    /// Name and version, for example `Docker 20.10.24`.
    pub name: String,
    /// Whether it is Podman behind Docker's API (which ignores GPU requests).
    pub podman: bool,
    /// Whether the engine names an NVIDIA runtime. Informative: without it a GPU container may still start.
    pub nvidia_runtime: bool,
}

/// Where a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerState {
    /// There is no such container.
    Missing,
    /// Created, never started.
    Created,
    /// Runs.
    Running {
        /// When it was started, Unix milliseconds.
        started_at_ms: i64,
        /// Whether somebody made it stand still (`docker pause`).
        paused: bool,
    },
    /// Ran and ended.
    Exited(Exit),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Exit code of its first process; 128 + n after signal n.
    pub code: i64,
    /// Whether the memory limit killed one of its processes.
    pub oom_killed: bool,
    /// When it was started, Unix milliseconds; 0 where it never was.
    pub started_at_ms: i64,
    /// When it ended, Unix milliseconds.
    pub finished_at_ms: i64,
}

/// A container that carries this node's label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its identifier.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The lease on its label; `None` where the label cannot be read.
    pub lease: Option<Pubkey>,
}

/// One piece of output: a line, or a part of one that was too long for the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPiece {
    /// When the engine read it, Unix milliseconds.
    pub ts_ms: i64,
    /// Stream on which it came.
    pub stream: LogStream,
    /// Its bytes without the line end.
    pub bytes: bytes::Bytes,
    /// Whether the line ends here.
    pub ends_line: bool,
}

/// A folder of an image that is wanted on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Where the image has it: an absolute path.
    pub path: String,
    /// As what it is to be copied; must not exist, the folder around it must.
    pub into: PathBuf,
    /// Most bytes of it.
    pub most_bytes: u64,
    /// Most files, folders and links.
    pub most_files: u64,
}

/// What came of a folder that was wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unpacked {
    /// It is there, with its files, folders and links.
    Copied {
        /// Bytes of its files.
        bytes: u64,
        /// Files, folders and links.
        files: u64,
    },
    /// The image has nothing at that path, or a link.
    Nothing,
    /// The image has something else than a folder there.
    NotAFolder,
    /// It is more than was allowed, or than the disk holds; nothing of it was kept.
    TooMuch,
    /// It holds something that cannot be made here, in these words; nothing of it was kept.
    CannotCopy(String),
}

/// How an image is to be had.
#[derive(Clone, Copy, Debug)]
pub struct Pull<'a> {
    /// Most bytes, unpacked.
    pub max_bytes: u64,
    /// The job's own login at the image's registry.
    pub login: Option<&'a Credentials>,
    /// Whether some job needed a login for it: what of it is on this machine is then used only where the registry shows the image to
    /// this job, too.
    pub guarded: bool,
}

impl Pull<'_> {
    /// An image that its registry shows to everybody.
    #[must_use]
    pub fn public(max_bytes: u64) -> Self {
        Self { max_bytes, login: None, guarded: false }
    }
}

/// What is needed of a container engine.
pub trait Driver: Reach + Send + Sync + std::fmt::Debug {
    /// Is the engine there and usable? With `gpu`, also: can it give GPUs to containers?
    fn check(&self, gpu: bool) -> BoxFuture<'_, Result<EngineInfo, DriverError>>;

    /// Why this machine cannot pull images for a while, in words for its operator; `None` where nothing is known against it.
    fn trouble(&self) -> Option<String> {
        None
    }

    /// Makes the image available and verifies that what is there has the digest that was asked for and is at
    /// most as large as it may be. Returns its unpacked size in bytes. An image that is present is not pulled.
    /// Dropping the future stops the pull.
    fn pull<'a>(
        &'a self,
        image: &'a ImageRef,
        pull: Pull<'a>,
        progress: &'a watch::Sender<PullProgress>,
    ) -> BoxFuture<'a, Result<u64, DriverError>>;

    /// What an image that is here says of how it wants to be run.
    fn look<'a>(&'a self, image: &'a ImageRef) -> BoxFuture<'a, Result<ImageFacts, DriverError>>;

    /// Copies folders of an image that is here to the host, and says of each what came of it. All of them together are never more
    /// than the most that is allowed of one. Nothing of the image runs.
    fn unpack<'a>(
        &'a self,
        image: &'a ImageRef,
        wanted: &'a [Wanted],
    ) -> BoxFuture<'a, Result<Vec<Unpacked>, DriverError>>;

    /// Creates the container. One that exists under this lease's name and label is returned as it is.
    fn create<'a>(&'a self, spec: &'a ContainerSpec) -> BoxFuture<'a, Result<ContainerId, DriverError>>;

    /// Starts a created container.
    fn start<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), DriverError>>;

    /// Looks at a container.
    fn inspect<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<ContainerState, DriverError>>;

    /// Waits until a started container has ended.
    fn wait<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Exit, DriverError>>;

    /// The container's output from `since_s` (Unix seconds, inclusive) on, in the order of the engine's record.
    /// With `follow` the stream ends when the container does.
    fn logs(
        &self,
        id: &ContainerId,
        since_s: Option<i64>,
        follow: bool,
    ) -> BoxStream<'static, Result<LogPiece, DriverError>>;

    /// Asks the container to end, and kills it after `grace` (at most 60 s).
    fn stop<'a>(&'a self, id: &'a ContainerId, grace: Duration) -> BoxFuture<'a, Result<(), DriverError>>;

    /// Removes the container, killing it where it runs.
    fn remove<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<(), DriverError>>;

    /// Every container, in whatever state, that carries the label of this node (its machine).
    fn list_labelled<'a>(&'a self, node: &'a Pubkey) -> BoxFuture<'a, Result<Vec<Listed>, DriverError>>;
}
