//! Everything that can go wrong with the local network, and what to do about it.

use std::io;

use solana_pubkey::Pubkey;
use solana_rpc_client_api::client_error::Error as ClientError;
use solana_signature::Signature;
use solana_transaction_error::TransactionError;
use thiserror::Error;

/// An error of the local network. The message says what was wrong, where, and what to do.
#[derive(Debug, Error)]
pub enum LocalnetError {
    /// A setting that cannot work.
    #[error("invalid local network setting: {reason}")]
    Config {
        /// The field and the bound it breaks.
        reason: String,
    },
    /// A port that was asked for belongs to someone else.
    #[error("the {service} port {port} on 127.0.0.1 is already in use; stop what listens there or choose another port")]
    PortInUse {
        /// The port, as asked for.
        port: u16,
        /// `JSON-RPC` or `websocket`.
        service: &'static str,
    },
    /// Loopback ports could not be had for another reason.
    #[error("cannot take a port on 127.0.0.1 for the local network: {source}")]
    Port {
        /// What the system said.
        source: io::Error,
    },
    /// The network did not come up.
    #[error("the local network did not start: {reason}")]
    Start {
        /// What the engine said.
        reason: String,
    },
    /// The network came up but did not answer in time.
    #[error("the local network did not answer at {url} within {seconds} s (last answer: {last})")]
    NotReady {
        /// The endpoint that was asked.
        url: String,
        /// How long it was waited for.
        seconds: u64,
        /// The last error seen.
        last: String,
    },
    /// The network has ended or does not react any more.
    #[error("the local network is not running any more ({doing}); start a new one")]
    Stopped {
        /// What was being done.
        doing: &'static str,
    },
    /// The network did not stop in time; its threads end with the process.
    #[error("the local network did not stop cleanly: {reason}")]
    Stop {
        /// What was still alive.
        reason: String,
    },
    /// A JSON-RPC call failed.
    #[error("{doing} failed: {source}")]
    Rpc {
        /// What was being done.
        doing: String,
        /// What the client said.
        source: Box<ClientError>,
    },
    /// A transaction reached the chain and failed.
    #[error("{doing}: transaction {signature} failed: {error}")]
    TransactionFailed {
        /// What was being done.
        doing: String,
        /// The failed transaction.
        signature: Signature,
        /// Why it failed.
        error: TransactionError,
    },
    /// A transaction was sent and never seen on the chain. Is the clock paused for long, or the machine overloaded?
    #[error("{doing}: transaction {signature} was not processed within {seconds} s")]
    TransactionUnseen {
        /// What was being done.
        doing: String,
        /// The transaction.
        signature: Signature,
        /// How long it was waited for.
        seconds: u64,
    },
    /// A transaction could not be signed.
    #[error("{doing}: cannot sign the transaction: {reason}")]
    Sign {
        /// What was being done.
        doing: String,
        /// What the signer said.
        reason: String,
    },
    /// An instruction could not be built.
    #[error("{doing}: cannot build the instruction: {reason}")]
    Instruction {
        /// What was being done.
        doing: String,
        /// What the builder said.
        reason: String,
    },
    /// USDC was asked for before there was a mint.
    #[error("this local network has no USDC mint yet; call create_usdc_mint first")]
    NoMint,
    /// There is a mint already; a network has one USDC.
    #[error("this local network already has the USDC mint {mint}")]
    MintExists {
        /// The mint that exists.
        mint: Pubkey,
    },
    /// A program could not be deployed.
    #[error("cannot deploy program {program}: {reason}")]
    Deploy {
        /// The program's address.
        program: Pubkey,
        /// Why not.
        reason: String,
    },
    /// The clock was asked for something that it cannot do.
    #[error("cannot move the clock: {reason}")]
    Clock {
        /// Why not.
        reason: String,
    },
}

impl LocalnetError {
    pub(crate) fn rpc(doing: impl Into<String>, source: ClientError) -> Self {
        Self::Rpc { doing: doing.into(), source: Box::new(source) }
    }
}
