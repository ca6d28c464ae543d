//! What goes over the wire. Addresses are base58 text and hashes lower-case hex, so that the JSON
//! reads the same in every language.

use super::public::PublicPort;
use crate::artifact::{LeftOut, OutputFile};
use serde::{Deserialize, Serialize};

/// Answer of `GET /v1/health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Address of the machine whose node this is, base58: of the provider record for a provider's first one.
    pub provider: String,
    /// Version of the node client.
    pub version: String,
    /// The chain's time as the node reckons it, unix seconds; a client whose clock is off signs with this.
    pub now: u64,
}

/// Answer of `GET /v1/leases/{lease}/status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStatus {
    /// Address of the lease, base58.
    pub lease: String,
    /// Step at which the node is, in snake case (`awaiting_inputs`, `pulling`, `running`, …). Text, not an enum:
    /// an older client must be able to show a newer node's step.
    pub phase: String,
    /// State of the container as the container engine names it; none before it is created.
    pub container_state: Option<String>,
    /// When the container started, unix milliseconds.
    pub started_at_ms: Option<u64>,
    /// Exit code of the container, once it has ended.
    pub exit_code: Option<i64>,
    /// When the reserved money is used up, unix seconds; 0 while the lease is not running.
    pub runway_end: u64,
    /// SHA-256 (hex) of every input that the node still waits for.
    pub missing_inputs: Vec<String>,
    /// Names of the secrets that the node still waits for.
    #[serde(default)]
    pub missing_secrets: Vec<String>,
    /// How often the container was started again after it failed.
    #[serde(default)]
    pub restarts: u32,
    /// What a person should know, in one sentence; empty when there is nothing to say.
    pub message: String,
    /// Lines of its log until now.
    #[serde(default)]
    pub log_lines: u64,
    /// How far the image pull is, while there is one.
    pub pull: Option<PullProgress>,
    /// The ports that the manifest names, and who may visit them.
    #[serde(default)]
    pub ports: Vec<PublicPort>,
}

/// Answer of `GET /v1/leases/{lease}/outputs?from=&most=`: a part of the list of outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPage {
    /// Root over all of them, lower-case hex.
    pub root: String,
    /// Those of this part, in the order of the list.
    pub files: Vec<OutputFile>,
    /// What is not among them, in every part.
    #[serde(default)]
    pub left_out: LeftOut,
    /// How many files there are in all; a node that knows no parts sends the whole list without it.
    #[serde(default)]
    pub total: Option<usize>,
}

/// Most files in one [`OutputPage`].
pub const MAX_OUTPUT_PAGE: usize = 1_000;

/// How far an image pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullProgress {
    /// Layers that are complete.
    pub layers_done: u32,
    /// Layers in all, as far as they are known.
    pub layers_total: u32,
    /// Bytes received.
    pub bytes_done: u64,
    /// Bytes in all, as far as they are known.
    pub bytes_total: u64,
}

/// Which of its two streams the container wrote a line to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl LogStream {
    /// The byte that stands for the stream in the hash chain.
    pub const fn chain_byte(self) -> u8 {
        match self {
            Self::Stdout => 1,
            Self::Stderr => 2,
        }
    }
}

/// One line of a lease's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// Position in the log, from 0 without gaps.
    pub seq: u64,
    /// When the node read the line, unix milliseconds. Not covered by the chain.
    pub ts_ms: u64,
    /// Stream on which it came.
    pub stream: LogStream,
    /// The text without its line end; bytes that are not UTF-8 are replaced before hashing.
    pub line: String,
    /// Hash chain up to and including this line, lower-case hex ([`LogChain`](super::LogChain)).
    pub chain: String,
}

/// Body of every refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The refusal.
    pub error: ErrorDetail,
}

/// What was refused and what to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorDetail {
    /// Stable word for programs, one of [`codes`].
    pub code: String,
    /// What was wrong, for people.
    pub message: String,
    /// What to do about it; may be empty.
    #[serde(default)]
    pub hint: String,
}

impl ErrorBody {
    /// Builds a refusal.
    pub fn new(code: &str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { error: ErrorDetail { code: code.to_owned(), message: message.into(), hint: hint.into() } }
    }
}

/// The words used in [`ErrorDetail::code`], each with the HTTP status it travels with.
pub mod codes {
    /// 401: a signature header is missing or malformed, or the signature does not verify.
    pub const BAD_SIGNATURE: &str = "bad_signature";
    /// 401: the moment of signing is too far from the chain's time.
    pub const CLOCK_DRIFT: &str = "clock_drift";
    /// 401: the nonce was seen before.
    pub const REPLAYED: &str = "replayed";
    /// 403: the key is neither the buyer nor the spender or guardian of its purse.
    pub const NOT_YOUR_LEASE: &str = "not_your_lease";
    /// 403: the key may look, but not reach into the container: only the buyer and its spender may.
    pub const NOT_YOURS_TO_REACH: &str = "not_yours_to_reach";
    /// 404: there is no such path, or the manifest names no such input or port.
    pub const NOT_FOUND: &str = "not_found";
    /// 404: the node has no job or lease of that address. It hears of its awards a moment after everybody else, so ask
    /// again for some seconds after an award; later the address is wrong.
    pub const NOT_KNOWN_YET: &str = "not_known_yet";
    /// 409: the lease is not in a state in which this can be done.
    pub const WRONG_STATE: &str = "wrong_state";
    /// 413: the body is larger than allowed.
    pub const TOO_LARGE: &str = "too_large";
    /// 422: the body's hash is not the one announced.
    pub const HASH_MISMATCH: &str = "hash_mismatch";
    /// 422: the body is not what this path takes.
    pub const BAD_BODY: &str = "bad_body";
    /// 422: the node does not run a job that is written so; the message names the keys.
    pub const NOT_RUNNABLE: &str = "not_runnable";
    /// 429: too many requests, of everybody or of this key.
    pub const BUSY: &str = "busy";
    /// 409: the lease's container has ended.
    pub const CONTAINER_ENDED: &str = "container_ended";
    /// 426: this path takes a websocket's handshake over HTTP/1.1 only.
    pub const UPGRADE_REQUIRED: &str = "upgrade_required";
    /// 502: nothing in the container listens on that port.
    pub const NOT_LISTENING: &str = "not_listening";
    /// 401: a public port wants its token; 403: a page of another site used a visitor's.
    pub const TOKEN_REQUIRED: &str = "token_required";
    /// 502 or 504: what a container answers on a public port cannot be handed on.
    pub const BAD_ANSWER: &str = "bad_answer";
    /// 500: the node failed.
    pub const INTERNAL: &str = "internal";
}
