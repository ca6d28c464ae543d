//! What happens to a job, as it is told to whoever follows it.

use std::path::PathBuf;

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_sdk::artifact::LeftOut;
use gridlease_sdk::node_api::{LogStream, PullProgress};
use serde::{Serialize, Serializer};
use solana_pubkey::Pubkey;

use crate::amount::Usdc;

/// Serialises anything by its text.
pub(crate) fn as_text<T: std::fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

pub(crate) fn as_texts<T: std::fmt::Display, S: Serializer>(values: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(ToString::to_string))
}

pub(crate) fn as_hex<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&hex::encode(bytes))
}

pub(crate) fn as_reason<S: Serializer>(reason: &EndReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.name())
}

pub(crate) fn as_state<S: Serializer>(state: &LeaseState, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(lease_state_name(*state))
}

/// The word for a lease's state.
pub fn lease_state_name(state: LeaseState) -> &'static str {
    match state {
        LeaseState::Starting => "starting",
        LeaseState::Running => "running",
        LeaseState::Paused => "paused",
        LeaseState::Grace => "grace",
        LeaseState::Ended => "ended",
        LeaseState::Failed => "failed",
        LeaseState::Finished => "finished",
    }
}

/// The money of one lease at one moment. `paid + fee + refunded + forfeited + held = reserved`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Money {
    /// Ever handed to the lease.
    pub reserved: Usdc,
    /// What it owes for its life so far, fee included, paid or not.
    pub accrued: Usdc,
    /// Paid to the provider.
    pub paid: Usdc,
    /// Recorded as fee.
    pub fee: Usdc,
    /// Gone back to the purse.
    pub refunded: Usdc,
    /// Gone to the insurance fund: what the buyer pays for a start that failed through nobody's provable fault, or that it
    /// rejected.
    pub forfeited: Usdc,
    /// When the reservation is used up, Unix seconds; 0 before the start.
    pub runway_end: u64,
}

/// One thing that happened. Times are Unix seconds of the chain's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum JobEvent {
    /// A bid entered the book, or one in it was improved.
    BidSeen {
        /// The provider record.
        #[serde(serialize_with = "as_text")]
        provider: Pubkey,
        /// Number of the offer behind it.
        offer: u32,
        /// Price per hour.
        price: Usdc,
        /// Score in 10⁻⁸ of the scale.
        score: u32,
        /// Rank in the book, 1 the best.
        rank: usize,
        /// It improved an earlier bid of the same provider.
        improved: bool,
    },
    /// A late improvement extended the window.
    WindowExtended {
        /// New end.
        close_ts: u64,
        /// How often so far.
        extensions: u8,
    },
    /// The job has no lease and no bids: it waits for the first one.
    Waiting {
        /// Until when.
        expires_at: u64,
        /// Attempts left.
        attempts_left: u8,
    },
    /// A lease was opened.
    Awarded {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// The provider record.
        #[serde(serialize_with = "as_text")]
        provider: Pubkey,
        /// Price per hour.
        price: Usdc,
        /// Handed to the lease.
        reserved: Usdc,
        /// Stake of the provider that is reserved for it.
        stake: Usdc,
        /// Last moment for its start.
        start_deadline: u64,
        /// It takes over from a provider that failed.
        runner_up: bool,
    },
    /// The node has the manifest.
    ManifestPushed {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
    },
    /// The node has an input.
    InputPushed {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// The file.
        path: PathBuf,
        /// Its SHA-256, hex.
        sha256: String,
        /// Its size in bytes.
        bytes: u64,
    },
    /// The node has the secrets, sealed to its key for this lease.
    SecretsPushed {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Their names; never their values.
        names: Vec<String>,
    },
    /// The node went a step further, or the image pull did.
    NodeStatus {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// The step, as the node names it.
        phase: String,
        /// The image pull, while there is one.
        pull: Option<PullProgress>,
        /// What the node has to say; may be empty.
        message: String,
    },
    /// The container runs; the meter started.
    Ready {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Since when.
        ready_ts: u64,
        /// When the reservation is used up.
        runway_end: u64,
    },
    /// A line of the container's log, its hash chain verified.
    LogLine {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Position in the log, from 0.
        seq: u64,
        /// When the node read it, Unix milliseconds.
        ts_ms: u64,
        /// Which stream.
        stream: LogStream,
        /// The text.
        line: String,
    },
    /// The money moved. Between two looks at the chain it is computed by the chain's own rule.
    Money {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Its state.
        #[serde(serialize_with = "as_state")]
        state: LeaseState,
        /// The amounts.
        #[serde(flatten)]
        money: Money,
    },
    /// The reservation is used up; a top-up until then resumes the lease.
    Grace {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// When it ends without one.
        grace_end: u64,
    },
    /// The reservation was topped up.
    ToppedUp {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Added.
        amount: Usdc,
        /// When the reservation is used up now.
        runway_end: u64,
    },
    /// The lease ended before its container ran. Stake is slashed where the provider is to blame: it did not start in time.
    StartFailed {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// The provider record.
        #[serde(serialize_with = "as_text")]
        provider: Pubkey,
        /// Whose doing it was: no start in time, declined, not given what it needs, or an error of the buyer's.
        #[serde(serialize_with = "as_reason")]
        reason: EndReason,
        /// Why, in the node's words; none where it says nothing or cannot be asked.
        node_message: Option<String>,
        /// The amounts.
        #[serde(flatten)]
        money: Money,
        /// Attempts left.
        attempts_left: u8,
    },
    /// The lease ended.
    Finished {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// The provider record.
        #[serde(serialize_with = "as_text")]
        provider: Pubkey,
        /// Why.
        #[serde(serialize_with = "as_reason")]
        reason: EndReason,
        /// Exit code of the container, where one was reported.
        exit_code: Option<i32>,
        /// Root over the outputs; zeros for none.
        #[serde(serialize_with = "as_hex")]
        result_hash: [u8; 32],
        /// Last link of the log's chain; zeros for none.
        #[serde(serialize_with = "as_hex")]
        log_hash: [u8; 32],
        /// The amounts.
        #[serde(flatten)]
        money: Money,
    },
    /// The whole log was read and ends in the hash that stands on chain.
    LogVerified {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Lines.
        lines: u64,
    },
    /// The outputs were fetched and hash to what stands on chain.
    OutputsVerified {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Their root.
        #[serde(serialize_with = "as_hex")]
        root: [u8; 32],
        /// How many files.
        files: usize,
        /// Bytes in all of them.
        bytes: u64,
        /// Where they are.
        folder: PathBuf,
        /// What the job wrote and the node left out of them; nothing on chain proves this list.
        left_out: LeftOut,
    },
    /// The outputs of a job that was broken off (stopped, out of funds) were fetched. No hash of them stands on chain: they are what
    /// its node says.
    OutputsFetched {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// Their root.
        #[serde(serialize_with = "as_hex")]
        root: [u8; 32],
        /// How many files.
        files: usize,
        /// Bytes in all of them.
        bytes: u64,
        /// Where they are.
        folder: PathBuf,
        /// What the job wrote and the node left out of them.
        left_out: LeftOut,
    },
    /// The provider is paid; nothing is owed any more.
    Settled {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
        /// The amounts.
        #[serde(flatten)]
        money: Money,
    },
    /// The lease's account is gone.
    LeaseClosed {
        /// The lease.
        #[serde(serialize_with = "as_text")]
        lease: Pubkey,
    },
    /// The job is over.
    JobEnded {
        /// Why.
        #[serde(serialize_with = "as_reason")]
        reason: EndReason,
        /// Exit code of the container, where one was reported.
        exit_code: Option<i32>,
    },
    /// The job's account is gone, its rent returned.
    JobClosed,
    /// Something does not verify: log or outputs are not what the chain says, or somebody else answers for the node.
    Unverified {
        /// What, and what to do.
        what: String,
    },
    /// Something is in the way; it is tried again unless said otherwise.
    Trouble {
        /// What, and what to do.
        what: String,
        /// It will not be tried again.
        last: bool,
    },
}
