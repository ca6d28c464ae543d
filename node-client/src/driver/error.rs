//! What can go wrong with a container engine, and what to do about it.

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// No engine on this machine.
    #[error(
        "Docker is not installed (no {socket}, no `dockerd` on PATH); install it, for example `apt-get install docker.io`"
    )]
    NotInstalled {
        /// The socket that was looked for.
        socket: String,
    },
    /// The engine is installed but does not answer.
    #[error("Docker is not running ({socket}: {reason}); start it, for example `systemctl start docker`")]
    NotRunning {
        /// The socket.
        socket: String,
        /// What the system said.
        reason: String,
    },
    /// The socket is there but may not be used.
    #[error(
        "no permission to use Docker at {socket}; run as root, or add this user to the `docker` group and log in again"
    )]
    NoPermission {
        /// The socket.
        socket: String,
    },
    /// `DOCKER_HOST` names another machine.
    #[error(
        "DOCKER_HOST is `{host}`, but a node needs the engine of its own machine: unset it, or name a local socket as unix:///path"
    )]
    Remote {
        /// The variable's value.
        host: String,
    },
    /// Podman ignores requests for GPUs without saying so.
    #[error(
        "the engine at {socket} is Podman, which silently ignores requests for GPUs; use Docker to offer GPUs, or pass --cpu"
    )]
    PodmanWithGpu {
        /// The socket.
        socket: String,
    },
    /// The engine cannot give GPUs to containers.
    #[error(
        "Docker cannot give a GPU to a container: {reason}; install the NVIDIA Container Toolkit and run `nvidia-ctk runtime configure`"
    )]
    NoGpuRuntime {
        /// What the engine said.
        reason: String,
    },
    /// The registry does not have the image, or not for everybody.
    #[error(
        "image {image} cannot be had: {reason}; check its name and digest, and the job's `registry_auth` where its registry wants a login"
    )]
    ImageNotFound {
        /// The image.
        image: String,
        /// What the registry said.
        reason: String,
    },
    /// The registry could not be reached.
    #[error("the registry of {image} cannot be reached: {reason}")]
    RegistryUnreachable {
        /// The image.
        image: String,
        /// What went wrong.
        reason: String,
    },
    /// The registry is not on the public internet, or sends its clients elsewhere, and the owner does not allow it.
    #[error(
        "the registry of {image} is not asked: {reason}; if it is one of yours, name it with --allow-registry HOST[:PORT]"
    )]
    RegistryNotAllowed {
        /// The image.
        image: String,
        /// Where it leads.
        reason: String,
    },
    /// Docker Hub has had enough of this machine for a while.
    #[error(
        "Docker Hub wants fewer questions from this machine (asked for {image}): {reason}; a mirror (`registry-mirrors` of the engine) keeps it from that"
    )]
    RateLimited {
        /// The image.
        image: String,
        /// What it said.
        reason: String,
    },
    /// The engine's disk is full, or nearly.
    #[error("there is no room for {image} on the engine's disk: {reason}; `docker system df` shows what takes it")]
    NoSpace {
        /// The image.
        image: String,
        /// What was found.
        reason: String,
    },
    /// No byte came for too long.
    #[error("the pull of {image} stood still for {seconds} s")]
    PullStalled {
        /// The image.
        image: String,
        /// How long, seconds.
        seconds: u64,
    },
    /// What the engine holds is not what was asked for.
    #[error(
        "image {image} was pulled, but the engine does not list its digest (it has {found}); the registry or the engine is faulty"
    )]
    DigestMismatch {
        /// The image.
        image: String,
        /// The digests found.
        found: String,
    },
    /// The image is larger than declared.
    #[error("image {image} needs {bytes} bytes, {limit} are allowed; raise the job's disk")]
    ImageTooLarge {
        /// The image.
        image: String,
        /// Bytes known so far.
        bytes: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// The image asks for something that no container here gets.
    #[error("image {image} cannot be run: {reason}")]
    ImageUnfit {
        /// The image.
        image: String,
        /// What it asks for.
        reason: String,
    },
    /// The container description is not acceptable.
    #[error("the container cannot be made: {reason}")]
    BadSpec {
        /// What is wrong.
        reason: String,
    },
    /// The container could not be started.
    #[error("the container did not start: {reason}")]
    StartFailed {
        /// What the engine said.
        reason: String,
    },
    /// The container's name is taken by one of another lease.
    #[error("a container named {name} exists and is not this lease's; remove it with `docker rm -f {name}`")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// There is no such container.
    #[error("container {id} does not exist")]
    NoSuchContainer {
        /// The container.
        id: String,
    },
    /// The container was never started, so there is no end to wait for.
    #[error("container {id} was not started")]
    NotStarted {
        /// The container.
        id: String,
    },
    /// The container does not run, so nothing in it can be reached.
    #[error("container {id} does not run")]
    NotRunningContainer {
        /// The container.
        id: String,
    },
    /// Nothing in the container takes a connection.
    #[error("port {port} of the container cannot be reached: {reason}")]
    NotListening {
        /// The port.
        port: u16,
        /// In words of this crate or of the system about a socket.
        reason: String,
    },
    /// The container's network cannot be entered.
    #[error("the container's network cannot be reached: {reason}")]
    Unreachable {
        /// What was in the way.
        reason: String,
    },
    /// Anything else the engine said.
    #[error("Docker could not {what}: {reason}")]
    Engine {
        /// What was asked of it.
        what: &'static str,
        /// What it said.
        reason: String,
    },
}

impl DriverError {
    /// Whether the same call may succeed later without anybody changing anything about the job.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::NotRunning { .. } | Self::RegistryUnreachable { .. } | Self::PullStalled { .. } | Self::Engine { .. }
        )
    }
}
