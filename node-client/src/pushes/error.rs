//! Why something was not pushed, or could not be restored, in words that a buyer may read.

use gridlease_sdk::artifact::ArtifactError;

use crate::state_dir::StateDirError;

/// Why something was not pushed, or could not be restored. No secret's value is in it, nor a signed address.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The store's address, or its credentials.
    #[error("{0}")]
    Address(String),
    /// The store says no.
    #[error(
        "the store answers {status}{}; check the bucket, the region and what the credentials may do there",
        if *status == 403 { " (so it does for what is not there, too, where the credentials may not list the bucket)" } else { "" }
    )]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The store cannot be reached, fails, breaks off or is too slow.
    #[error("the store cannot be reached, fails, breaks off or is too slow")]
    Transfer(String),
    /// A file changed while it was read.
    #[error(
        "{path:?} changes all the time, so that the folder is never whole; write elsewhere what is not to be pushed"
    )]
    Restless {
        /// Its path.
        path: String,
    },
    /// A later attempt at the same job pushes there.
    #[error("attempt {attempt} at the same job pushes there")]
    Superseded {
        /// Which.
        attempt: u8,
    },
    /// What is in the store is not what its list says, or the list is none.
    #[error("what was pushed cannot be used: {0}")]
    Unusable(#[from] ArtifactError),
    /// It does not fit.
    #[error("what was pushed has {bytes} bytes, and the job's disk has room for {room}; raise resources.disk")]
    NoRoom {
        /// Bytes.
        bytes: u64,
        /// Bytes that there is room for.
        room: u64,
    },
    /// The node's own files.
    #[error("the node could not use its own files")]
    Files(#[from] StateDirError),
    /// The time for it is over.
    #[error("it took longer than the node waits after a job's end")]
    TooLate,
    /// The node was restarted after the job's end, and the credentials are gone.
    #[error("the node was started again, and the secrets are gone")]
    SecretsGone,
}

impl PushError {
    /// Whether the same may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transfer(_) | Self::Files(_) | Self::Restless { .. })
    }
}
