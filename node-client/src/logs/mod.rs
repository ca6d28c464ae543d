//! A lease's log: one hash-chained line per piece of output, kept in a file and served from it.
//!
//! The file is the truth. Followers read it, each at its own pace, so a slow one costs nothing and loses
//! nothing; and a node that was killed reads it to learn where to go on. One writes it at a time ([`LogWriter`]).

mod collect;
mod file;
mod lines;
mod reader;
mod writer;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use solana_pubkey::Pubkey;

pub use collect::{Runs, collect};
pub use file::LeaseLog;
pub use writer::LogWriter;

use crate::state_dir::StateDir;

/// Bounds of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Largest file in bytes. After that one more line says so, and what follows is not kept.
    pub file_bytes: u64,
    /// Longest line in bytes; a longer one becomes several.
    pub line_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self { file_bytes: 64 * 1024 * 1024, line_bytes: gridlease_sdk::node_api::MAX_LOG_LINE_BYTES }
    }
}

/// How far a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogHead {
    /// Lines so far; the next one has this number.
    pub lines: u64,
    /// Last value of the hash chain.
    pub hash: [u8; 32],
    /// Bytes of the file.
    pub bytes: u64,
    /// Whether no more lines will come.
    pub closed: bool,
}

/// Why a log cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot {what} log {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line could not be added.
    #[error("cannot add a line to log {}: {reason}", path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The container's output could not be read.
    #[error(transparent)]
    Driver(#[from] crate::driver::DriverError),
    /// A blocking task was cancelled, which only happens when the node shuts down.
    #[error("the node is shutting down")]
    Shutdown,
}

/// Logs that stay open: each costs two file descriptors, and finished leases are kept for seven days.
const MAX_IDLE: usize = 64;

/// By lease and service; the job's own has no name.
type OpenLogs = HashMap<(Pubkey, String), Arc<LeaseLog>>;

/// The logs that are open, one per container.
#[derive(Clone, Debug)]
pub struct LogHub {
    state: StateDir,
    limits: LogLimits,
    open: Arc<Mutex<OpenLogs>>,
}

impl LogHub {
    /// No log is open yet.
    #[must_use]
    pub fn new(state: StateDir, limits: LogLimits) -> Self {
        Self { state, limits, open: Arc::default() }
    }

    /// The lease's log, opened (and created) on first use. Blocks on the file system then.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn open(&self, lease: &Pubkey) -> Result<Arc<LeaseLog>, LogError> {
        self.open_at_most(lease, u64::MAX)
    }

    /// The same for a log whose file gets at most so many bytes, where that is less than is usual.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn open_at_most(&self, lease: &Pubkey, file_bytes: u64) -> Result<Arc<LeaseLog>, LogError> {
        self.open_service(lease, "", file_bytes)
    }

    /// The log of a service of the lease's, likewise.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn open_service(&self, lease: &Pubkey, service: &str, file_bytes: u64) -> Result<Arc<LeaseLog>, LogError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (*lease, service.to_owned());
        if let Some(log) = open.get(&key) {
            return Ok(Arc::clone(log));
        }
        if open.len() >= MAX_IDLE {
            // What is complete and read by nobody can be opened again when somebody asks.
            open.retain(|_, log| Arc::strong_count(log) > 1 || !log.head().closed);
        }
        let limits = LogLimits { file_bytes: self.limits.file_bytes.min(file_bytes), ..self.limits };
        let dir = self.state.lease(lease);
        let dir = if service.is_empty() { dir } else { dir.of_service(service) };
        let log = Arc::new(LeaseLog::open(&dir.log(), limits)?);
        open.insert(key, Arc::clone(&log));
        Ok(log)
    }

    /// The lease's log if it is open.
    #[must_use]
    pub fn get(&self, lease: &Pubkey) -> Option<Arc<LeaseLog>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&(*lease, String::new())).cloned()
    }

    /// Lets go of a lease's logs, which was wiped. Those who read it still can.
    pub fn forget(&self, lease: &Pubkey) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(of, _), _| of != lease);
    }
}

#[cfg(test)]
mod tests;
