//! What happened to a lease on its node.

use serde::{Deserialize, Serialize};

/// Something that happened: a line of the answer of `GET /v1/leases/{lease}/events`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseEvent {
    /// Position among the lease's events, from 0 without gaps.
    pub seq: u64,
    /// When, unix milliseconds of the chain's clock.
    pub at_ms: u64,
    /// What, one of [`kinds`]. Text, not an enum: an older client must be able to show a newer node's events.
    pub event: String,
    /// Why or how, in one sentence; may be empty.
    #[serde(default)]
    pub message: String,
}

/// The words used in [`LeaseEvent::event`], in the order in which a lease usually comes to them.
pub mod kinds {
    /// The node was awarded the lease.
    pub const WON: &str = "won";
    /// Manifest, inputs and secrets are on the node, verified.
    pub const INPUTS_READY: &str = "inputs_ready";
    /// An output begins with what was pushed before.
    pub const RESTORED: &str = "restored";
    /// The image is being pulled.
    pub const PULLING: &str = "pulling";
    /// The image is there, verified.
    pub const PULLED: &str = "pulled";
    /// The container was made.
    pub const CREATED: &str = "created";
    /// The container was started.
    pub const STARTED: &str = "started";
    /// The chain knows that it runs: the meter runs.
    pub const READY: &str = "ready";
    /// The container was made to stand still from outside the node; not billed.
    pub const PAUSED: &str = "paused";
    /// It goes on.
    pub const RESUMED: &str = "resumed";
    /// The program failed, and the container is started again after a pause.
    pub const FELL: &str = "fell";
    /// The container was started again.
    pub const RESTARTED: &str = "restarted";
    /// An output is in its store: for the first time, again after it could not be pushed, or for the last time.
    pub const PUSHED: &str = "pushed";
    /// An output, or a file of it, is not in its store, and why.
    pub const NOT_PUSHED: &str = "not_pushed";
    /// The node is stopping the container.
    pub const STOPPING: &str = "stopping";
    /// The container ended.
    pub const ENDED: &str = "ended";
    /// The start was given up.
    pub const FAILED: &str = "failed";
    /// Log and outputs are complete and hashed.
    pub const COLLECTED: &str = "collected";
    /// The chain knows how it ended.
    pub const DELIVERED: &str = "delivered";
    /// What nobody will ask for was removed.
    pub const WIPED: &str = "wiped";
    /// The node has something to say.
    pub const MESSAGE: &str = "message";
    /// Later messages, pauses and pushes are left out: there were too many.
    pub const LEFT_OUT: &str = "left_out";
}
