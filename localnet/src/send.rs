//! Sends the network's own few transactions (mint, token accounts) and waits for what became of them.

use std::{sync::atomic::Ordering, time::Duration};

use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_rpc_client_api::config::RpcSendTransactionConfig;
use solana_signature::Signature;
use solana_signer::{Signer, SignerError};
use solana_transaction::versioned::VersionedTransaction;
use tokio::time::Instant;

use crate::{Localnet, LocalnetError};

/// How long a transaction may take to be confirmed. It takes a slot.
const CONFIRM_LIMIT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(25);

impl Localnet {
    /// Sends `instructions`, paid by the faucet and signed by it and `signers`; returns once confirmed.
    pub(crate) async fn send(
        &self,
        doing: &str,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Signature, LocalnetError> {
        // Two equal requests in one slot would be one transaction, and the second would seem to have happened.
        // A different price makes them two.
        let price = self.sent.fetch_add(1, Ordering::Relaxed);
        let mut all = vec![ComputeBudgetInstruction::set_compute_unit_price(price)];
        all.extend_from_slice(instructions);
        let blockhash = self.rpc.get_latest_blockhash().await.map_err(|error| LocalnetError::rpc(doing, error))?;
        let message = Message::new_with_blockhash(&all, Some(&self.faucet.pubkey()), &blockhash);
        let mut keys = vec![&self.faucet];
        keys.extend_from_slice(signers);
        let transaction = VersionedTransaction::try_new(VersionedMessage::Legacy(message), &keys)
            .map_err(|error: SignerError| LocalnetError::Sign { doing: doing.to_owned(), reason: error.to_string() })?;
        let signature = self
            .rpc
            .send_transaction_with_config(
                &transaction,
                RpcSendTransactionConfig {
                    preflight_commitment: Some(CommitmentLevel::Processed),
                    ..RpcSendTransactionConfig::default()
                },
            )
            .await
            .map_err(|error| LocalnetError::rpc(doing, error))?;
        self.confirm(doing, signature).await
    }

    async fn confirm(&self, doing: &str, signature: Signature) -> Result<Signature, LocalnetError> {
        let deadline = Instant::now() + CONFIRM_LIMIT;
        loop {
            let statuses = self
                .rpc
                .get_signature_statuses(&[signature])
                .await
                .map_err(|error| LocalnetError::rpc(doing, error))?;
            if let Some(Some(status)) = statuses.value.first() {
                if let Some(error) = &status.err {
                    return Err(LocalnetError::TransactionFailed {
                        doing: doing.to_owned(),
                        signature,
                        error: error.clone(),
                    });
                }
                if status.satisfies_commitment(CommitmentConfig::confirmed()) {
                    return Ok(signature);
                }
            }
            if Instant::now() >= deadline {
                return Err(LocalnetError::TransactionUnseen {
                    doing: doing.to_owned(),
                    signature,
                    seconds: CONFIRM_LIMIT.as_secs(),
                });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}
