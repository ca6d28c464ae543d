//! The websocket of one watch: connect, subscribe, pass on, and begin again whenever it ends.

use std::{convert::Infallible, future::pending, time::Duration};

use backon::{BackoffBuilder as _, ExponentialBuilder};
use futures_util::{Stream, StreamExt as _};
use solana_account::Account;
use solana_account_decoder_client_types::UiAccount;
use solana_pubkey::Pubkey;
use solana_pubsub_client::nonblocking::pubsub_client::{PubsubClient, PubsubClientError};
use solana_rpc_client_api::response::{Response, RpcKeyedAccount};
use tokio::{
    sync::{Notify, mpsc},
    time::{Instant, sleep, timeout},
};

use super::{Target, WatchConfig};
use crate::rpc::{Client, error::redact, fetch::account_config};

/// A connection that held this long was a good one: the pauses begin anew.
const STABLE: Duration = Duration::from_secs(5);

/// What the socket has to say.
pub(super) enum Signal {
    /// Subscribed.
    Up,
    /// No longer, or not at all.
    Down(String),
    /// An account as it is now.
    Change { slot: u64, key: Pubkey, account: Account },
}

/// Keeps the subscription up for ever. `renew` asks for another connection in place of one that seems dead.
pub(super) async fn run(
    client: &Client,
    target: &Target,
    config: WatchConfig,
    renew: &Notify,
    signals: mpsc::Sender<Signal>,
) -> Infallible {
    let pauses = ExponentialBuilder::default()
        .with_min_delay(config.reconnect)
        .with_max_delay(config.max_reconnect)
        .without_max_times()
        .with_jitter();
    let mut backoff = pauses.build();
    loop {
        let started = Instant::now();
        let reason = session(client, target, renew, &signals).await;
        tracing::debug!(url = client.url.shown_ws(), reason, "no subscription");
        if signals.send(Signal::Down(reason)).await.is_err() {
            // Nobody listens any more; the watch is about to be dropped.
            return pending().await;
        }
        if started.elapsed() >= STABLE {
            backoff = pauses.build();
        }
        sleep(backoff.next().unwrap_or(config.max_reconnect)).await;
    }
}

/// One connection from beginning to end; returns why it ended.
async fn session(client: &Client, target: &Target, renew: &Notify, signals: &mpsc::Sender<Signal>) -> String {
    let at = client.url.shown_ws();
    let limit = client.config.connect_timeout;
    let late = |doing: &str| {
        let ms = limit.as_millis();
        format!("{at} did not {doing} within {ms} ms")
    };
    let failed =
        |doing: &str, error: PubsubClientError| format!("cannot {doing} {at}: {}", redact(&cause(error), &client.url));
    choose_cryptography();
    let socket = match timeout(limit, PubsubClient::new(client.url.ws())).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return failed("connect to", error),
        Err(_) => return late("connect"),
    };
    match target {
        Target::Account(key) => {
            let config = account_config(client.config.commitment);
            let subscription = socket.account_subscribe(key, Some(config));
            let notifications = match timeout(limit, subscription).await {
                Ok(Ok((notifications, _))) => notifications,
                Ok(Err(error)) => return failed("subscribe at", error),
                Err(_) => return late("subscribe"),
            };
            let changes = notifications.map(|Response { context, value }| change(context.slot, Some(*key), &value));
            pass_on(changes, renew, signals).await
        }
        Target::Program(query) => {
            let config = match query.config("watching a program", client.config.commitment) {
                Ok(config) => config,
                Err(error) => return error.to_string(),
            };
            let subscription = socket.program_subscribe(&query.program, Some(config));
            let notifications = match timeout(limit, subscription).await {
                Ok(Ok((notifications, _))) => notifications,
                Ok(Err(error)) => return failed("subscribe at", error),
                Err(_) => return late("subscribe"),
            };
            let changes = notifications.map(|Response { context, value }| {
                let RpcKeyedAccount { pubkey, account } = value;
                let mut change = change(context.slot, pubkey.parse().ok(), &account);
                if let Some(Signal::Change { account, .. }) = &mut change {
                    query.cut(&mut account.data);
                }
                change
            });
            pass_on(changes, renew, signals).await
        }
    }
}

/// Passes on what comes. The receiving end merges at once and never waits for the consumer, so nothing piles up in
/// the socket's own queue, which has no bound.
async fn pass_on(
    changes: impl Stream<Item = Option<Signal>>,
    renew: &Notify,
    signals: &mpsc::Sender<Signal>,
) -> String {
    const CLOSED: &str = "the server closed the subscription";
    let mut changes = std::pin::pin!(changes);
    if signals.send(Signal::Up).await.is_err() {
        return CLOSED.to_owned();
    }
    loop {
        tokio::select! {
            change = changes.next() => match change {
                Some(Some(change)) => {
                    if signals.send(change).await.is_err() {
                        return CLOSED.to_owned();
                    }
                }
                Some(None) => return "the server sent an account that cannot be decoded".to_owned(),
                None => return CLOSED.to_owned(),
            },
            () = renew.notified() => {
                return "the subscription is silent although accounts change".to_owned();
            }
        }
    }
}

fn change(slot: u64, key: Option<Pubkey>, account: &UiAccount) -> Option<Signal> {
    Some(Signal::Change { slot, key: key?, account: account.to_account()? })
}

/// The innermost words of a websocket error.
fn cause(error: PubsubClientError) -> String {
    match error {
        PubsubClientError::ConnectionError(error) | PubsubClientError::WsError(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The websocket client panics on `wss` if more than one cryptography library is linked and none was chosen.
fn choose_cryptography() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error means that another thread has just chosen.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    }
}
