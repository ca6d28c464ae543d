//! Why a migration stops. Whatever the reason, what was done stays done, and a second run goes on from there.

use gridlease_sdk::market::ReadError;
use gridlease_sdk::rpc::{RpcError, SendError};
use solana_pubkey::Pubkey;

use crate::journal::JournalError;
use crate::program::ProgramError;

/// Why a migration stops.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// Something that the step needs was not given.
    #[error("{step}: {reason}")]
    Argument {
        /// The step.
        step: String,
        /// What is missing, and how it is given.
        reason: String,
    },
    /// The chain is not in a state that the step can start from.
    #[error("{step}: {reason}")]
    Precondition {
        /// The step.
        step: String,
        /// What was found, what was expected, and what to do.
        reason: String,
    },
    /// The signer cannot pay what is due.
    #[error("{key} has {have} lamports, what is due needs about {need}: send it {missing} more", missing = need.saturating_sub(*have))]
    ShortOfLamports {
        /// The signer.
        key: Pubkey,
        /// What it has.
        have: u64,
        /// Rent and fees of what is due.
        need: u64,
    },
    /// There is no migration of this number.
    #[error("there is no migration {number}; the last one is {last}")]
    NoSuchMigration {
        /// What was asked for.
        number: u32,
        /// The highest number there is.
        last: u32,
    },
    /// A built program is missing or is not the one that its record describes.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The network did not answer, or an account is not what was expected.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A transaction came to nothing.
    #[error("{step}: {error}")]
    Send {
        /// The step.
        step: String,
        /// What became of it.
        error: Box<SendError>,
    },
    /// The network takes none of the transactions that are left.
    #[error(
        "{step}: {left} transactions are left and none of them lands: {reason}; run it again, it goes on from there"
    )]
    Stuck {
        /// The step.
        step: String,
        /// How many are left.
        left: usize,
        /// What the network said last.
        reason: String,
    },
    /// The step's effect is not what it should be.
    #[error("{step} was applied, and its check fails: {reason}")]
    Check {
        /// The step.
        step: String,
        /// What differs.
        reason: String,
    },
    /// The journal cannot be written or read. Nothing is done without it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl From<RpcError> for MigrateError {
    fn from(error: RpcError) -> Self {
        Self::Read(ReadError::Rpc(error))
    }
}

impl MigrateError {
    /// A transaction of `step` that came to nothing.
    pub fn send(step: &str) -> impl FnOnce(SendError) -> Self {
        let step = step.to_owned();
        move |error| Self::Send { step, error: Box::new(error) }
    }

    /// Whether it is the step's start that is refused, rather than something that may pass.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Argument { .. } | Self::Precondition { .. } | Self::Program(_))
    }
}
