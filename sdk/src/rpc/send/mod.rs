//! Sending a transaction: from instructions to one of four outcomes.
//!
//! * [`Landed`]: it is in a block with the commitment asked for, and succeeded.
//! * [`SendError::Failed`]: a program (or the network) refused it. In nearly all cases the simulation says so and
//!   nothing is sent; otherwise it landed as failed, and its fee was paid.
//! * [`SendError::Expired`]: it did not land and never can. Sending the same instructions again is safe.
//! * [`SendError::Unknown`]: it may or may not land. Look at the signature before doing it again.
//!
//! The remaining errors mean that nothing was sent. [`Client::send`] answers [`SendError::StaleBlockhash`] by itself with a
//! fresh blockhash, at once, a few times.
//!
//! A transaction is simulated first for its compute units, gets a limit with some room and a bounded priority fee,
//! is signed with a fresh blockhash, and is sent again, the same bytes, until it lands or its blockhash expires.
//! Two equal calls are two transactions: the compute limit differs by a few units from call to call, because
//! otherwise both would have the same signature within one blockhash and the second would only seem to happen.

mod deliver;
mod failure;
mod many;
mod prepare;

use std::time::Duration;

use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_signer::Signer;

pub use self::{
    failure::ProgramFailure,
    many::{HandedOver, room_for_data},
    prepare::Prepared,
};
use super::{Client, RpcError};

/// Largest transaction that the network carries, in bytes.
pub const MAX_TRANSACTION_BYTES: usize = 1_232;
/// Most compute units that a transaction may ask for.
pub const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// Most log lines of a transaction that are kept.
const MAX_LOGS: usize = 512;
/// How often a transaction is made with another blockhash because the RPC does not know the one that it gave, and the
/// pause before each time but the first.
const FRESH_ATTEMPTS: u32 = 4;
const FRESH_PAUSE: Duration = Duration::from_millis(250);
/// Most attempts of [`Client::send_with_retry`].
const MAX_ATTEMPTS: u32 = 10;

/// Names the error `code` of a program, where it is known.
pub type ErrorNamer = fn(&Pubkey, u32) -> Option<String>;

/// A key that signs. `Sync`, so that a sending future can be spawned.
pub type AnySigner = dyn Signer + Sync;

/// How to send. `Default` is right for people and for daemons.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions {
    /// Most that may be paid for priority, in lamports for the whole transaction. Default 100,000 (0.0001 SOL);
    /// 0 pays none and does not ask what others pay.
    pub max_priority_fee: u64,
    /// Names program errors for messages. The default knows the market's and staking's.
    pub error_namer: ErrorNamer,
    /// Pause between two sendings of the same bytes, before jitter. Default 800 ms.
    pub rebroadcast: Duration,
    /// Pause between two looks at the status, before jitter. Default 300 ms.
    pub poll: Duration,
    /// For how long the RPC may be unreachable before the outcome is called unknown. Default 30 s, at most 60 s,
    /// because a node forgets the status of old transactions.
    pub lost_after: Duration,
    /// Longest wait for an outcome. Default 150 s; a blockhash lives 60 to 90 s.
    pub max_wait: Duration,
    /// Whether to ask for fee and compute units of what landed, one request more. Default true.
    pub details: bool,
}

impl Default for SendOptions {
    fn default() -> Self {
        Self {
            max_priority_fee: 100_000,
            error_namer: crate::error::name,
            rebroadcast: Duration::from_millis(800),
            poll: Duration::from_millis(300),
            lost_after: Duration::from_secs(30),
            max_wait: Duration::from_secs(150),
            details: true,
        }
    }
}

/// A transaction that landed and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Landed {
    /// Its first signature, by which it is known.
    pub signature: Signature,
    /// The slot of its block.
    pub slot: u64,
    /// Compute units that it consumed. `None` if not asked for or not told.
    pub units_consumed: Option<u64>,
    /// Fee in lamports, priority included. `None` if not asked for or not told.
    pub fee: Option<u64>,
    /// What the programs logged, at most 512 lines. `None` if not asked for or not told.
    pub logs: Option<Vec<String>>,
}

/// Why a transaction did not land, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Refused by a program or by the network's rules.
    #[error(transparent)]
    Failed(Box<ProgramFailure>),
    /// Did not land, and never can.
    #[error("transaction {signature} did not land before it expired and never will: it is safe to send it again{}", said(.refusal.as_deref()))]
    Expired {
        /// The transaction.
        signature: Signature,
        /// What the RPC said the last time that it refused to take it, if it did.
        refusal: Option<String>,
    },
    /// The RPC does not know the blockhash, and did not pass the transaction on. Nothing was sent.
    #[error("transaction {signature} was not sent: {refusal}; with a fresh blockhash it is safe to send it again")]
    StaleBlockhash {
        /// The transaction.
        signature: Signature,
        /// What the RPC said.
        refusal: String,
    },
    /// May land, or have landed.
    #[error(
        "it is not known whether transaction {signature} landed: {reason}; look it up (`solana confirm {signature}`) before doing it again, it cannot land after block height {last_valid_block_height}"
    )]
    Unknown {
        /// The transaction.
        signature: Signature,
        /// The last block height at which it can land.
        last_valid_block_height: u64,
        /// Why it is not known.
        reason: String,
    },
    /// Too many bytes for one transaction. Nothing was sent.
    #[error(
        "the transaction has {bytes} bytes, at most {MAX_TRANSACTION_BYTES} fit: use fewer instructions or accounts, or split it"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The instructions cannot make a transaction. Nothing was sent.
    #[error("no transaction can be made of this: {reason}")]
    Invalid {
        /// Why.
        reason: String,
    },
    /// A key did not sign. Nothing was sent.
    #[error("{key} did not sign: {reason}")]
    Sign {
        /// The key.
        key: Pubkey,
        /// Why.
        reason: String,
    },
    /// The network could not be asked, or did not take the transaction. Nothing was sent.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

fn said(refusal: Option<&str>) -> String {
    refusal.map_or_else(String::new, |text| format!(" (the RPC said: {text})"))
}

impl SendError {
    /// Whether the same instructions may be sent again without the risk that both take effect.
    pub fn is_safe_to_retry(&self) -> bool {
        !matches!(self, Self::Unknown { .. })
    }

    /// What a program said, if one failed.
    pub fn failure(&self) -> Option<&ProgramFailure> {
        match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        }
    }
}

impl Client {
    /// Sends `instructions` in one transaction, paid by `payer` and signed by it and those of `signers` that are
    /// needed, and returns once it has landed with this client's commitment.
    ///
    /// Compute limit and price are set here and must not be among `instructions`. If the future is dropped, the
    /// transaction may still land.
    ///
    /// # Errors
    /// See [`SendError`]; [`SendError::is_safe_to_retry`] tells what may be done next.
    pub async fn send(
        &self,
        instructions: &[Instruction],
        payer: &AnySigner,
        signers: &[&AnySigner],
        options: &SendOptions,
    ) -> Result<Landed, SendError> {
        let mut fresh = Fresh::default();
        loop {
            let prepared = self.prepare(instructions, payer, signers, options).await?;
            match self.deliver(&prepared, options).await {
                Err(SendError::StaleBlockhash { .. }) if fresh.again().await => {}
                outcome => return outcome,
            }
        }
    }

    /// As [`Client::send`], but an expired transaction is made anew and sent again, `attempts` times in all (at
    /// least once, at most 10 times). Other errors are returned at once.
    ///
    /// # Errors
    /// See [`SendError`]; the last one if all attempts expire.
    pub async fn send_with_retry(
        &self,
        instructions: &[Instruction],
        payer: &AnySigner,
        signers: &[&AnySigner],
        options: &SendOptions,
        attempts: u32,
    ) -> Result<Landed, SendError> {
        let attempts = attempts.clamp(1, MAX_ATTEMPTS);
        let mut attempt = 1;
        loop {
            match self.send(instructions, payer, signers, options).await {
                Err(SendError::Expired { signature, .. }) if attempt < attempts => {
                    tracing::debug!(%signature, attempt, "a transaction expired and is made anew");
                    attempt += 1;
                }
                outcome => return outcome,
            }
        }
    }
}

/// Attempts with a fresh blockhash each.
#[derive(Debug, Default)]
pub struct Fresh {
    attempts: u32,
}

impl Fresh {
    /// Whether to try once more after [`SendError::StaleBlockhash`]: at once the first time, a little later the next, then
    /// not any more.
    pub async fn again(&mut self) -> bool {
        self.attempts += 1;
        if self.attempts >= FRESH_ATTEMPTS {
            return false;
        }
        tokio::time::sleep(jittered(FRESH_PAUSE * (self.attempts - 1))).await;
        true
    }
}

/// At most [`MAX_LOGS`] lines of `logs`.
fn bounded(mut logs: Vec<String>) -> Vec<String> {
    logs.truncate(MAX_LOGS);
    logs
}

/// `pause`, a quarter more or less, so that many clients do not move in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::Rng::random_range(&mut rand::rng(), 0.75..1.25))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small_enough_to_be_returned_everywhere() {
        assert!(size_of::<SendError>() < 160, "{}", size_of::<SendError>());
    }

    #[test]
    fn only_an_unknown_outcome_is_unsafe_to_repeat_and_says_how_to_look() {
        let unknown = SendError::Unknown {
            signature: Signature::default(),
            last_valid_block_height: 7,
            reason: "gone".to_owned(),
        };
        assert!(!unknown.is_safe_to_retry());
        let text = unknown.to_string();
        assert!(text.contains("solana confirm") && text.contains("height 7"));
        let expired = SendError::Expired { signature: Signature::default(), refusal: Some("no".to_owned()) };
        assert!(expired.is_safe_to_retry());
        assert!(expired.to_string().contains("the RPC said: no"));
    }
}
