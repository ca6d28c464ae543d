//! Why an input that is elsewhere cannot be pinned.

/// Why an input that is elsewhere cannot be pinned.
#[derive(Debug, thiserror::Error)]
#[error("inputs[{index}]: {uri}: {fault}")]
pub struct RemoteError {
    /// Index in `inputs`, as the manifest has them.
    pub index: usize,
    /// As in the manifest.
    pub uri: String,
    /// What is wrong.
    #[source]
    pub fault: SourceFault,
}

/// What is wrong with a source. No secret's value is in it, nor a signed address.
#[derive(Debug, thiserror::Error)]
pub enum SourceFault {
    /// The address, or how its source is reached.
    #[error("{0}")]
    Address(String),
    /// It does not answer.
    #[error("{host} cannot be reached: {reason}; try again when it is up")]
    Unreachable {
        /// Who was asked.
        host: String,
        /// What the network said.
        reason: String,
    },
    /// It has no such thing.
    #[error("{host} has no such file; check the name, the revision and the path")]
    NotFound {
        /// Who was asked.
        host: String,
    },
    /// It does not show it.
    #[error("{host} does not show it ({status}); {advice}")]
    Refused {
        /// Who was asked.
        host: String,
        /// HTTP status.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// Another answer.
    #[error("{host} answered with status {status}; try again later")]
    Status {
        /// Who was asked.
        host: String,
        /// HTTP status.
        status: u16,
    },
    /// An answer that makes no sense.
    #[error("{host} answered what cannot be used: {reason}")]
    Unusable {
        /// Who was asked.
        host: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder with more files than a job has inputs.
    #[error("the folder would make more than {most} inputs; name the files that the job needs")]
    TooMany {
        /// Inputs allowed.
        most: usize,
    },
    /// Larger than is loaded only to be hashed.
    #[error(
        "it has more than {limit} bytes, which are not loaded only to be hashed; write its sha256 into the manifest"
    )]
    TooLarge {
        /// Bytes allowed.
        limit: u64,
    },
    /// Not the content that the manifest names.
    #[error("it hashes to {found}, but the manifest says {expected}; correct the sha256 or the revision")]
    Mismatch {
        /// As in the manifest, hex.
        expected: String,
        /// As its source has it, hex.
        found: String,
    },
}
