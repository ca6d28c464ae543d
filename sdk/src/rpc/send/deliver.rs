//! Getting a signed transaction into a block, and finding out whether it is.

use std::time::Duration;

use serde_json::json;
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_rpc_client_api::{
    config::{RpcSendTransactionConfig, RpcTransactionConfig},
    request::RpcRequest,
    response::Response,
};
use solana_transaction_error::TransactionError;
use solana_transaction_status_client_types::{TransactionStatus, UiTransactionEncoding, UiTransactionStatusMeta};
use tokio::time::{Instant, sleep};

use super::{Landed, Prepared, ProgramFailure, SendError, SendOptions, bounded, jittered};
use crate::rpc::{Client, RpcError, fetch::AtSlot};

/// How often the block height is looked at.
const HEIGHT_EVERY: Duration = Duration::from_secs(1);
/// Longest that an RPC may be out of reach before the outcome is called unknown, whatever the options say.
const MAX_LOST: Duration = Duration::from_secs(60);
/// How often details of a landed transaction are asked for, and the pause in between.
const DETAIL_ATTEMPTS: u32 = 3;
const DETAIL_PAUSE: Duration = Duration::from_millis(250);
/// Codes with which an RPC says that it has not passed a transaction on: invalid parameters, and signatures that
/// do not verify or are not as many as needed.
const NEVER_PASSED_ON: [i64; 3] = [-32602, -32003, -32013];

/// What became of the sendings so far.
#[derive(Default)]
struct Sendings {
    /// One may have reached the network.
    maybe_out: bool,
    refusal: Option<RpcError>,
}

/// Where the chain is.
struct Height {
    block: u64,
    slot: u64,
}

impl Client {
    /// Sends a prepared transaction, the same bytes again and again, until it lands, fails or expires. May be called
    /// again for the same transaction, for instance after [`SendError::Unknown`].
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn deliver(&self, prepared: &Prepared, options: &SendOptions) -> Result<Landed, SendError> {
        let started = Instant::now();
        let lost_after = options.lost_after.min(MAX_LOST);
        let mut sendings = Sendings::default();
        let mut next_send = started;
        let mut next_height = started + HEIGHT_EVERY;
        let mut last_contact = started;
        loop {
            if Instant::now() >= next_send {
                self.broadcast(prepared, &mut sendings).await?;
                next_send = Instant::now() + jittered(options.rebroadcast);
            }
            sleep(jittered(options.poll)).await;
            // The height first: a transaction unseen by a node that knew a later block is not in the chain.
            let mut height = None;
            if Instant::now() >= next_height {
                height = self.height().await.ok();
                next_height = Instant::now() + HEIGHT_EVERY;
            }
            let trouble = match self.status(prepared, false).await {
                Ok(seen) => {
                    last_contact = Instant::now();
                    match seen.value {
                        Some(status) if status.satisfies_commitment(self.config.commitment) => {
                            return self.outcome(prepared, status, options).await;
                        }
                        // On its way to the commitment asked for, or to be forgotten with its fork.
                        Some(_) => {}
                        None => {
                            if let Some(height) = height
                                && self.has_expired(prepared, &height).await
                            {
                                return Err(SendError::Expired {
                                    signature: prepared.signature(),
                                    refusal: sendings.refusal.map(|error| error.to_string()),
                                });
                            }
                        }
                    }
                    None
                }
                Err(error) => Some(error),
            };
            let unknown = |reason: String| SendError::Unknown {
                signature: prepared.signature(),
                last_valid_block_height: prepared.last_valid_block_height(),
                reason,
            };
            if let Some(error) = &trouble
                && last_contact.elapsed() >= lost_after
            {
                return Err(unknown(error.to_string()));
            }
            if started.elapsed() >= options.max_wait {
                return Err(unknown(format!("neither landed nor expired within {} s", options.max_wait.as_secs())));
            }
        }
    }

    /// One sending. An error only if the transaction cannot have left and never will.
    async fn broadcast(&self, prepared: &Prepared, sendings: &mut Sendings) -> Result<(), SendError> {
        let config = RpcSendTransactionConfig {
            // Simulated already; and a preflight would refuse the repetition of what has just landed.
            skip_preflight: true,
            preflight_commitment: Some(CommitmentLevel::Confirmed),
            max_retries: Some(0),
            ..RpcSendTransactionConfig::default()
        };
        let sent = self
            .once(
                "sending a transaction",
                self.config.request_timeout,
                self.rpc.send_transaction_with_config(prepared.transaction(), config),
            )
            .await;
        match sent {
            Ok(_) => sendings.maybe_out = true,
            Err(error) if is_already_processed(&error) => sendings.maybe_out = true,
            Err(error @ RpcError::Refused { code, .. }) => {
                if !sendings.maybe_out && NEVER_PASSED_ON.contains(&code) {
                    return Err(error.into());
                }
                // Waiting for these bytes to expire would be waiting for nothing: with another blockhash they go through.
                if !sendings.maybe_out && error.is_unknown_blockhash() {
                    return Err(SendError::StaleBlockhash {
                        signature: prepared.signature(),
                        refusal: error.to_string(),
                    });
                }
                sendings.refusal = Some(error);
            }
            Err(error) => {
                // The answer may have been lost, not the request.
                tracing::debug!(%error, "a sending went unanswered");
                sendings.maybe_out = true;
            }
        }
        Ok(())
    }

    async fn height(&self) -> Result<Height, RpcError> {
        // Confirmed whatever else was asked for: blocks of a fork prove nothing.
        let info = self
            .once(
                "getting the block height",
                self.config.request_timeout,
                self.rpc.get_epoch_info_with_commitment(CommitmentConfig::confirmed()),
            )
            .await?;
        Ok(Height { block: info.block_height, slot: info.absolute_slot })
    }

    async fn status(&self, prepared: &Prepared, history: bool) -> Result<AtSlot<Option<TransactionStatus>>, RpcError> {
        let answer: Response<Vec<Option<TransactionStatus>>> = self
            .once(
                "getting the status of a transaction",
                self.config.request_timeout,
                self.rpc.send(
                    RpcRequest::GetSignatureStatuses,
                    json!([
                        [prepared.signature().to_string()],
                        { "searchTransactionHistory": history }
                    ]),
                ),
            )
            .await?;
        Ok(AtSlot { slot: Some(answer.context.slot), value: answer.value.into_iter().next().flatten() })
    }

    /// Whether the transaction is not in the chain at `height` and can no longer get into it. `false` if that cannot
    /// be told now.
    async fn has_expired(&self, prepared: &Prepared, height: &Height) -> bool {
        if height.block <= prepared.last_valid_block_height() {
            return false;
        }
        // Behind one address there may be many nodes: the one that knows no status must be as far as the one that
        // gave the height.
        match self.status(prepared, true).await {
            Ok(seen) => seen.value.is_none() && seen.slot.is_some_and(|slot| slot >= height.slot),
            Err(_) => false,
        }
    }

    async fn outcome(
        &self,
        prepared: &Prepared,
        status: TransactionStatus,
        options: &SendOptions,
    ) -> Result<Landed, SendError> {
        if let Some(error) = status.err {
            let details = self.details(prepared).await;
            let fee = details.as_ref().map(|details| details.fee);
            let logs = details.and_then(|details| details.log_messages.into());
            return Err(failed(error, logs, fee, prepared, options));
        }
        let details = if options.details { self.details(prepared).await } else { None };
        Ok(Landed {
            signature: prepared.signature(),
            slot: status.slot,
            fee: details.as_ref().map(|details| details.fee),
            units_consumed: details.as_ref().and_then(|details| details.compute_units_consumed.clone().into()),
            logs: details.and_then(|details| details.log_messages.into()).map(bounded),
        })
    }

    /// What the ledger says about a landed transaction. It may know a moment later than the status does.
    async fn details(&self, prepared: &Prepared) -> Option<UiTransactionStatusMeta> {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(CommitmentConfig::confirmed()),
            max_supported_transaction_version: Some(0),
        };
        for attempt in 1..=DETAIL_ATTEMPTS {
            let signature = prepared.signature();
            let answer = self
                .once(
                    "getting a transaction",
                    self.config.request_timeout,
                    self.rpc.get_transaction_with_config(&signature, config),
                )
                .await;
            match answer {
                Ok(found) => return found.transaction.meta,
                Err(error) => tracing::debug!(%error, attempt, "no details of a transaction"),
            }
            if attempt < DETAIL_ATTEMPTS {
                sleep(jittered(DETAIL_PAUSE)).await;
            }
        }
        None
    }
}

fn failed(
    error: TransactionError,
    logs: Option<Vec<String>>,
    fee: Option<u64>,
    prepared: &Prepared,
    options: &SendOptions,
) -> SendError {
    let failure = ProgramFailure::new(error, logs.unwrap_or_default(), prepared, true, options.error_namer);
    SendError::Failed(Box::new(ProgramFailure { fee, ..failure }))
}

/// Nodes that look before they pass on refuse what has landed; so it has been sent.
fn is_already_processed(error: &RpcError) -> bool {
    let RpcError::Refused { message, .. } = error else {
        return false;
    };
    message.contains("already been processed") || message.contains("AlreadyProcessed")
}
