//! What an account's transactions told, for accounts that are closed by now.

use std::future::Future;
use std::time::Duration;

use gridlease_core::PricePerHour;
use gridlease_core::job::{EndReason, JobState};
use gridlease_sdk::event::{Event, MarketEvent, decode};
use gridlease_sdk::rpc::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use solana_pubkey::Pubkey;
use solana_rpc_client_api::request::RpcRequest;

use crate::buyer::track::{Gone, Past};

/// Most transactions of one account that are read. A job or a lease has tens.
const MAX_TRANSACTIONS: usize = 400;
/// Time limit of one request.
const LIMIT: Duration = Duration::from_secs(15);
/// How often one request is tried.
const TRIES: u32 = 3;

/// Why the history cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The network gave no answer.
    #[error(
        "the history of {address} cannot be read from {cluster}: {reason}; try again, or choose an RPC that keeps transactions with --url"
    )]
    Unread {
        /// Of which account.
        address: Pubkey,
        /// Where.
        cluster: String,
        /// What went wrong.
        reason: &'static str,
    },
}

#[derive(Deserialize)]
struct Signature {
    signature: String,
    err: Option<Value>,
}

#[derive(Deserialize)]
struct Transaction {
    transaction: Body,
    meta: Option<Meta>,
}

#[derive(Deserialize)]
struct Body {
    message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    account_keys: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta {
    #[serde(default)]
    inner_instructions: Option<Vec<Inner>>,
    #[serde(default)]
    loaded_addresses: Option<Loaded>,
}

#[derive(Deserialize)]
struct Inner {
    instructions: Vec<Compiled>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Compiled {
    program_id_index: usize,
    data: String,
}

#[derive(Deserialize, Default)]
struct Loaded {
    #[serde(default)]
    writable: Vec<String>,
    #[serde(default)]
    readonly: Vec<String>,
}

/// The events of the transactions that touched `address` and succeeded, the oldest first.
///
/// # Errors
/// [`HistoryError`]. An RPC that keeps no history answers with nothing.
pub async fn events(client: &Client, address: &Pubkey) -> Result<Vec<Event>, HistoryError> {
    let unread = |reason| HistoryError::Unread { address: *address, cluster: client.url().shown_rpc(), reason };
    let commitment = client.config().commitment.commitment.to_string();
    let params = json!([address.to_string(), { "limit": MAX_TRANSACTIONS, "commitment": commitment }]);
    let mut signatures: Vec<Signature> =
        ask(client, RpcRequest::GetSignaturesForAddress, &params).await.map_err(unread)?;
    signatures.reverse();
    let mut events = Vec::new();
    for signature in signatures.into_iter().filter(|signature| signature.err.is_none()) {
        let options = json!({ "encoding": "json", "commitment": commitment, "maxSupportedTransactionVersion": 0 });
        let found: Option<Transaction> =
            ask(client, RpcRequest::GetTransaction, &json!([signature.signature, options])).await.map_err(unread)?;
        if let Some(transaction) = found {
            events.extend(events_of(transaction));
        }
    }
    Ok(events)
}

async fn ask<T: DeserializeOwned>(client: &Client, request: RpcRequest, params: &Value) -> Result<T, &'static str> {
    retried(|| client.inner().send(request, params.clone())).await
}

/// The errors of Solana's own client may show the whole address, with a key in it: none of their text is passed on.
async fn retried<T, E, F: Future<Output = Result<T, E>>>(mut request: impl FnMut() -> F) -> Result<T, &'static str> {
    let mut reason = "no answer";
    for attempt in 0..TRIES {
        match tokio::time::timeout(LIMIT, request()).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(_)) => reason = "the request failed",
            Err(_) => reason = "no answer in time",
        }
        tokio::time::sleep(Duration::from_millis(200) * 2u32.pow(attempt)).await;
    }
    Err(reason)
}

fn events_of(transaction: Transaction) -> Vec<Event> {
    let Some(meta) = transaction.meta else { return Vec::new() };
    let mut keys = transaction.transaction.message.account_keys;
    let loaded = meta.loaded_addresses.unwrap_or_default();
    keys.extend(loaded.writable);
    keys.extend(loaded.readonly);
    let inner = meta.inner_instructions.unwrap_or_default().into_iter().flat_map(|inner| inner.instructions);
    inner
        .filter_map(|instruction| {
            let program: Pubkey = keys.get(instruction.program_id_index)?.parse().ok()?;
            decode(&program, &bs58::decode(&instruction.data).into_vec().ok()?)
        })
        .collect()
}

/// What the events tell of the job at `job` and its leases.
pub fn past(job: &Pubkey, events: &[Event]) -> Past {
    let mut past = Past::default();
    let mut leases: Vec<(Pubkey, Gone)> = Vec::new();
    for event in events {
        let Event::Market(event) = event else { continue };
        match event {
            MarketEvent::JobPosted(event) if event.job == *job => past.posted = true,
            // The lease's own history has it too.
            MarketEvent::JobAwarded(event) if leases.iter().any(|(known, _)| *known == event.lease) => {}
            MarketEvent::JobAwarded(event) if event.job == *job => leases.push((
                event.lease,
                Gone {
                    provider: event.provider,
                    price: PricePerHour(event.price),
                    stake: event.stake,
                    start_deadline: event.start_deadline,
                    runway_end: 0,
                    reason: EndReason::None,
                    exit_code: None,
                    result_hash: [0; 32],
                    log_hash: [0; 32],
                    amounts: [event.reserved, 0, 0, 0, 0],
                },
            )),
            MarketEvent::JobEnded(event) if event.job == *job => past.reason = EndReason::from_byte(event.reason).ok(),
            MarketEvent::LeaseEnded(event) if event.job == *job && event.job_state == JobState::Ended as u8 => {
                past.reason = EndReason::from_byte(event.reason).ok();
            }
            MarketEvent::JobClosed(event) if event.job == *job => past.closed = true,
            _ => {}
        }
        let touched = lease_of(event).and_then(|lease| leases.iter_mut().find(|(address, _)| *address == lease));
        let Some((_, gone)) = touched else { continue };
        let [reserved, accrued, paid, fee, refunded] = &mut gone.amounts;
        match event {
            MarketEvent::LeaseReady(event) => gone.runway_end = event.runway_end,
            MarketEvent::ToppedUp(event) => {
                *reserved = reserved.saturating_add(event.amount);
                gone.runway_end = event.runway_end;
            }
            MarketEvent::Settled(event) => (*paid, *fee) = (event.paid, event.fees),
            MarketEvent::LeaseFinished(event) => {
                gone.reason = EndReason::from_byte(event.reason).unwrap_or(EndReason::None);
                gone.exit_code = event.exit_code;
                gone.result_hash = event.result_hash;
                gone.log_hash = event.log_hash;
                (*accrued, *refunded) = (event.gross, event.refunded);
            }
            MarketEvent::LeaseEnded(event) => {
                gone.reason = EndReason::from_byte(event.reason).unwrap_or(EndReason::None);
                gone.exit_code = event.exit_code;
                gone.result_hash = event.result_hash;
                gone.log_hash = event.log_hash;
                // What a finished lease returned was told when it was finished.
                (*accrued, *refunded) = (event.gross, refunded.saturating_add(event.refunded));
            }
            // The sums, of what was settled in a batch too.
            MarketEvent::LeaseClosed(event) => (*paid, *fee, *refunded) = (event.paid, event.fee, event.refunded),
            _ => {}
        }
    }
    past.leases = leases.into_iter().map(|(_, gone)| gone).collect();
    past
}

fn lease_of(event: &MarketEvent) -> Option<Pubkey> {
    match event {
        MarketEvent::LeaseReady(event) => Some(event.lease),
        MarketEvent::Settled(event) => Some(event.lease),
        MarketEvent::ToppedUp(event) => Some(event.lease),
        MarketEvent::LeaseFinished(event) => Some(event.lease),
        MarketEvent::LeaseEnded(event) => Some(event.lease),
        MarketEvent::LeaseClosed(event) => Some(event.lease),
        _ => None,
    }
}

/// Everything that the history tells of a job, its leases' own transactions included: a settlement does not name the job.
///
/// # Errors
/// [`HistoryError`].
pub async fn of_job(client: &Client, job: &Pubkey) -> Result<Past, HistoryError> {
    let mut all = events(client, job).await?;
    let leases: Vec<Pubkey> = all
        .iter()
        .filter_map(|event| match event {
            Event::Market(MarketEvent::JobAwarded(event)) if event.job == *job => Some(event.lease),
            _ => None,
        })
        .collect();
    for lease in leases {
        all.extend(events(client, &lease).await?);
    }
    Ok(past(job, &all))
}
