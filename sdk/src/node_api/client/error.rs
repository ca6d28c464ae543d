//! What can go wrong between a buyer and a node.

use crate::artifact::ArtifactError;
use crate::node_api::auth::AuthError;
use crate::node_api::reach::{Closing, close_codes};
use crate::node_api::secrets::SecretsError;
use crate::node_api::{ErrorDetail, LogChainError, codes};
use std::path::PathBuf;

/// Why a call to a node failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The endpoint that the provider registered is not usable.
    #[error("the node's endpoint {endpoint:?} {reason}; the provider must register a correct one")]
    BadEndpoint {
        /// As recorded.
        endpoint: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// TLS cannot be set up on this machine.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
    /// Whoever answers does not hold the certificate that the provider registered.
    #[error(
        "{endpoint} does not show the certificate that the provider registered: this is not the provider's node, or its certificate was renewed without updating the record; nothing was sent"
    )]
    WrongCertificate {
        /// Where.
        endpoint: String,
    },
    /// No connection, or it broke.
    #[error("the node at {endpoint} cannot be reached: {reason}; try again later")]
    Unreachable {
        /// Where.
        endpoint: String,
        /// What the network said.
        reason: String,
    },
    /// No answer in time.
    #[error("the node at {endpoint} did not answer in time; try again later")]
    TimedOut {
        /// Where.
        endpoint: String,
    },
    /// The node refused.
    #[error("the node refused ({status} {}): {}{}", detail.code, detail.message, hint(detail))]
    Refused {
        /// HTTP status.
        status: u16,
        /// What it said.
        detail: ErrorDetail,
    },
    /// The node answered with something that is not what this version understands.
    #[error("the node's answer to {request} makes no sense: {reason}")]
    BadAnswer {
        /// Method and path.
        request: String,
        /// What is wrong.
        reason: String,
    },
    /// The answer is larger than accepted.
    #[error("the node's answer to {request} is larger than {limit} bytes and was dropped")]
    AnswerTooLarge {
        /// Method and path.
        request: String,
        /// Most that is accepted.
        limit: usize,
    },
    /// The request could not be signed.
    #[error(transparent)]
    Sign(AuthError),
    /// A local file is not what the manifest names.
    #[error(
        "{} hashes to {found}, but the manifest names {expected}: the file changed since the job was posted", path.display()
    )]
    InputMismatch {
        /// Local file.
        path: PathBuf,
        /// Hash in the manifest, hex.
        expected: String,
        /// Hash of the file, hex.
        found: String,
    },
    /// A local file cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The log does not verify.
    #[error("the node's log cannot be trusted: {0}")]
    Log(#[from] LogChainError),
    /// The outputs do not verify or cannot be stored.
    #[error(transparent)]
    Output(#[from] ArtifactError),
    /// The destination holds something else already.
    #[error("{} exists and is not empty; choose another folder", path.display())]
    DestinationInUse {
        /// The destination.
        path: PathBuf,
    },
    /// The file that an output would become is there and is another.
    #[error("{} exists and holds something else; choose another file", path.display())]
    FileInUse {
        /// The file.
        path: PathBuf,
    },
    /// Another process loads the same output to the same place.
    #[error("{} is being loaded already; wait for it, or choose another file", path.display())]
    UnderWay {
        /// The file.
        path: PathBuf,
    },
    /// Bytes are asked for that the file does not have.
    #[error("output {path:?} has {size} bytes; the range has to lie within them")]
    NoSuchRange {
        /// The output's path.
        path: String,
        /// Its size.
        size: u64,
    },
    /// Secrets cannot be sealed.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// The node ended a connection into the container.
    #[error("the node ended the connection: {}", closed(.0))]
    Closed(Closing),
    /// The program was not started in the container.
    #[error("{reason}")]
    NotStarted {
        /// With which exit code a shell tells of it: 126 or 127.
        exit_code: i64,
        /// Why.
        reason: String,
    },
    /// A task of the client was cancelled.
    #[error("the work was interrupted")]
    Interrupted,
}

fn closed(closing: &Closing) -> String {
    if closing.reason.is_empty() { format!("code {}", closing.code) } else { closing.reason.clone() }
}

fn hint(detail: &ErrorDetail) -> String {
    if detail.hint.is_empty() { String::new() } else { format!("; {}", detail.hint) }
}

impl NodeError {
    /// Whether the same call may succeed in a moment: no connection, no answer, or a fault of the server's.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::TimedOut { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            _ => false,
        }
    }

    /// Whether it says that the lease's container has ended, so that nothing can be reached in it any more.
    pub fn is_container_ended(&self) -> bool {
        match self {
            Self::Closed(closing) => closing.code == close_codes::CONTAINER_ENDED,
            Self::Refused { detail, .. } => detail.code == codes::CONTAINER_ENDED,
            _ => false,
        }
    }

    /// Whether the node found the moment of signing too far from the chain's time.
    pub(super) fn is_clock_drift(&self) -> bool {
        matches!(self, Self::Refused { detail, .. } if detail.code == codes::CLOCK_DRIFT)
    }

    pub(super) fn from_reqwest(endpoint: &str, error: &reqwest::Error) -> Self {
        let endpoint = endpoint.to_owned();
        if certificate_refused(error) {
            Self::WrongCertificate { endpoint }
        } else if error.is_timeout() {
            Self::TimedOut { endpoint }
        } else {
            let reason = root_cause(error);
            Self::Unreachable { endpoint, reason }
        }
    }
}

/// The innermost message: the outer ones say "error sending request", which helps nobody.
pub(crate) fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn certificate_refused(error: &reqwest::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return matches!(tls, rustls::Error::InvalidCertificate(_));
        }
        next = match current.downcast_ref::<std::io::Error>() {
            // An I/O error does not name what it wraps as its source, but only the source of that.
            Some(io) => io.get_ref().map(|wrapped| wrapped as &(dyn std::error::Error + 'static)),
            None => current.source(),
        };
    }
    false
}
