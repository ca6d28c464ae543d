//! What ends a keeper. A lost connection is not among it.

use gridlease_sdk::rpc::RpcError;
use solana_pubkey::Pubkey;

/// Why a keeper could not start, or a single pass could not be finished.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// A setting is out of bounds.
    #[error("the keeper's setting `{field}` cannot be used: {reason}")]
    Config {
        /// The setting.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The keypair does not tell its address.
    #[error("the keeper's key cannot be used: {reason}")]
    Signer {
        /// What it said.
        reason: String,
    },
    /// The network answers, and there is no market on it.
    #[error("there is no Gridlease market on {url} (no account {config}); is it the right network? Choose with --url")]
    NoMarket {
        /// The network.
        url: String,
        /// Where the configuration should be.
        config: Pubkey,
    },
    /// The network gave no answer, in a mode that does not wait for it.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The tasks that the keeper consists of were ended from outside.
    #[error("the keeper's runtime is shutting down")]
    Runtime,
}
