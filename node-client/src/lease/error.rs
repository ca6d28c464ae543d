//! Why a step was not carried out, and by whose doing.

use std::path::PathBuf;

use crate::disk::DiskError;
use crate::driver::DriverError;
use crate::inputs::InputError;
use crate::logs::LogError;
use crate::net::NetError;
use crate::outputs::OutputsError;
use crate::pushes::PushError;
use crate::state_dir::StateDirError;
use crate::store::{Blame, StoreError};

/// Why an action was not carried out. All of these can be tried again, after a pause.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The container engine.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// An input.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The lease's files.
    #[error(transparent)]
    Files(#[from] StateDirError),
    /// What was pushed before.
    #[error("what was pushed before: {0}")]
    Push(#[from] PushError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The outputs.
    #[error(transparent)]
    Outputs(#[from] OutputsError),
    /// The room that is set aside for a lease's outputs.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The lease's network.
    #[error("the lease's network: {0}")]
    Net(#[from] NetError),
    /// The manifest on disk cannot be used.
    #[error("the manifest in {} cannot be used: {reason}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The secrets were here and are not any more.
    #[error("the lease's secrets are gone: they are kept in memory alone, and the machine was started again")]
    SecretsGone,
    /// The record does not say what was sold; the main loop asks the chain.
    #[error("what was sold is not known yet")]
    SoldUnknown,
    /// The action is the main loop's: it needs the chain, or is no work at all.
    #[error("{0} is not done by the worker")]
    NotLocal(String),
    /// A blocking task was cancelled, which only happens when the node shuts down.
    #[error("the node is shutting down")]
    Shutdown,
}

impl WorkError {
    /// By whose doing a start fails for good.
    pub(super) fn blame(&self) -> Blame {
        match self {
            Self::Manifest { .. } => Blame::Buyer,
            Self::Input(e) if !e.is_transient() => Blame::Buyer,
            Self::Push(e) if !e.is_transient() => Blame::Buyer,
            Self::Driver(DriverError::StartFailed { reason }) => {
                engine_exit_code(reason).map_or(Blame::Provider, |exit_code| Blame::Engine { exit_code })
            }
            // What the buyer names is not there, or is not what it said.
            Self::Driver(DriverError::ImageNotFound { .. } | DriverError::ImageTooLarge { .. }) => Blame::Buyer,
            Self::Driver(DriverError::ImageUnfit { .. } | DriverError::BadSpec { .. }) => Blame::Buyer,
            // Nobody's doing: it cannot be had in time, as an image that is not there, and that costs each a minute and no fault.
            Self::Driver(DriverError::RateLimited { .. }) => Blame::Buyer,
            _ => Blame::Provider,
        }
    }

    /// Whether trying again can help without anybody changing the job.
    pub(super) fn is_permanent(&self) -> bool {
        match self {
            Self::Driver(e) => !e.is_transient(),
            Self::Input(e) => !e.is_transient(),
            Self::Net(e) => !e.is_transient(),
            Self::Push(e) => !e.is_transient(),
            Self::Manifest { .. } | Self::SecretsGone => true,
            _ => false,
        }
    }
}

/// The exit code by which an engine's words are known where they speak of what the buyer asked for: 127 no such program, 126 one that
/// cannot be executed, 125 a mount or a path. `None` where this machine may be to blame.
fn engine_exit_code(reason: &str) -> Option<i32> {
    let says = |words: &str| reason.contains(words);
    // The engine's own parts, and devices, are the operator's.
    if says("docker-init") || says(crate::driver::INIT) || says("nvidia") || says("device") || says("no space left") {
        return None;
    }
    if says("executable file not found") || says("no such file or directory") {
        return Some(127);
    }
    if says("exec format error") || says("permission denied") {
        return Some(126);
    }
    (says("mount") || says("not a directory")).then_some(125)
}
