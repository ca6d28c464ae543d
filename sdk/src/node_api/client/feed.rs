//! What a node tells line by line as long as a lease goes on, but for its log: measurements and events.

use super::logs::{IDLE, LineBuffer};
use super::{ANSWER_TIMEOUT, NodeApi, NodeError};
use crate::node_api::auth::empty_body_hash;
use crate::node_api::{LeaseEvent, LeaseStats, paths};
use backon::{BackoffBuilder as _, ExponentialBackoff};
use futures_util::stream::{self, Stream};
use reqwest::{Method, Response};
use serde::de::DeserializeOwned;
use solana_pubkey::Pubkey;

/// Something that is told line by line.
trait Told: DeserializeOwned + Send + 'static {
    /// Where it stands among the others; what comes later has a greater place.
    fn place(&self) -> u64;

    /// The path for what comes after `after`.
    fn path(lease: &Pubkey, follow: bool, after: Option<u64>) -> String;
}

impl Told for LeaseStats {
    fn place(&self) -> u64 {
        self.at_ms
    }

    fn path(lease: &Pubkey, follow: bool, after: Option<u64>) -> String {
        paths::stats(lease, follow, after)
    }
}

impl Told for LeaseEvent {
    fn place(&self) -> u64 {
        self.seq
    }

    fn path(lease: &Pubkey, follow: bool, after: Option<u64>) -> String {
        paths::events(lease, follow, after.map_or(0, |seq| seq.saturating_add(1)))
    }
}

/// Lines in a row that were told before, until the node is not listened to any more.
const MAX_STALE: u32 = 64;

impl NodeApi {
    /// What happened to the lease on its node, from event `from` on. With `follow` also what will, until nothing is left to do
    /// for it; a broken connection is resumed where it was.
    ///
    /// The stream's errors are final.
    pub fn events(
        &self,
        lease: Pubkey,
        from: u64,
        follow: bool,
    ) -> impl Stream<Item = Result<LeaseEvent, NodeError>> + Send + 'static {
        self.feed(lease, from.checked_sub(1), follow)
    }

    /// What the lease's container uses: the measurements after `since_ms` (unix milliseconds), or the last one there is. With
    /// `follow` also those to come, until the container's end; a broken connection is resumed where it was.
    ///
    /// The stream's errors are final.
    pub fn stats(
        &self,
        lease: Pubkey,
        since_ms: Option<u64>,
        follow: bool,
    ) -> impl Stream<Item = Result<LeaseStats, NodeError>> + Send + 'static {
        self.feed(lease, since_ms, follow)
    }

    fn feed<T: Told>(
        &self,
        lease: Pubkey,
        after: Option<u64>,
        follow: bool,
    ) -> impl Stream<Item = Result<T, NodeError>> + Send + 'static {
        let reader = Reader {
            client: self.clone(),
            lease,
            follow,
            after,
            connection: None,
            buffer: LineBuffer::default(),
            pauses: self.log_retry.build(),
            stale: 0,
        };
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next::<T>().await?.map(|it| (it, reader))) })
    }
}

struct Reader {
    client: NodeApi,
    lease: Pubkey,
    follow: bool,
    after: Option<u64>,
    connection: Option<Response>,
    buffer: LineBuffer,
    pauses: ExponentialBackoff,
    /// Lines in a row that were told before.
    stale: u32,
}

impl Reader {
    async fn next<T: Told>(&mut self) -> Result<Option<T>, NodeError> {
        loop {
            let path = T::path(&self.lease, self.follow, self.after);
            if let Some(text) = self.buffer.pop(&path)? {
                let told: T = serde_json::from_slice(&text).map_err(|error| NodeError::BadAnswer {
                    request: format!("GET {path}"),
                    reason: error.to_string(),
                })?;
                // A node that goes back would be listened to for ever.
                if self.after.is_some_and(|after| told.place() <= after) {
                    self.stale += 1;
                    if self.stale > MAX_STALE {
                        let reason = "the node tells the same again and again".to_owned();
                        return Err(NodeError::BadAnswer { request: format!("GET {path}"), reason });
                    }
                    continue;
                }
                self.stale = 0;
                self.after = Some(told.place());
                self.pauses = self.client.log_retry.build();
                return Ok(Some(told));
            }
            let Some(connection) = &mut self.connection else {
                match self.connect(&path).await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => self.pause(error).await?,
                }
                continue;
            };
            match tokio::time::timeout(IDLE, connection.chunk()).await {
                Ok(Ok(Some(bytes))) => self.buffer.push(&bytes),
                Ok(Ok(None)) if self.buffer.is_empty() => return Ok(None),
                Ok(Ok(None)) => {
                    let error = self.broken("the answer ended in the middle of a line");
                    self.pause(error).await?;
                }
                Ok(Err(error)) => {
                    let error = self.client.failed(&error);
                    self.pause(error).await?;
                }
                // That nothing happens is no fault; a dead connection looks the same, so make a new one.
                Err(_) if self.follow => self.drop_connection(),
                Err(_) => {
                    let error = self.broken("nothing came for too long");
                    self.pause(error).await?;
                }
            }
        }
    }

    async fn connect(&self, path: &str) -> Result<Response, NodeError> {
        match self.ask(path).await {
            Err(error) if error.is_clock_drift() && self.client.correct_clock().await => self.ask(path).await,
            outcome => outcome,
        }
    }

    async fn ask(&self, path: &str) -> Result<Response, NodeError> {
        let request = self.client.signed(Method::GET, path, empty_body_hash())?;
        // Not the request's own timeout: that would limit the whole body.
        tokio::time::timeout(ANSWER_TIMEOUT, self.client.dispatch(request))
            .await
            .unwrap_or_else(|_| Err(NodeError::TimedOut { endpoint: self.client.endpoint.to_string() }))
    }

    fn broken(&self, reason: &str) -> NodeError {
        NodeError::Unreachable { endpoint: self.client.endpoint.to_string(), reason: reason.to_owned() }
    }

    fn drop_connection(&mut self) {
        self.connection = None;
        self.buffer = LineBuffer::default();
    }

    /// Waits before the next attempt, or gives the error back where there shall be none.
    async fn pause(&mut self, error: NodeError) -> Result<(), NodeError> {
        self.drop_connection();
        let pause = self.pauses.next().filter(|_| error.is_transient()).ok_or(error)?;
        tokio::time::sleep(pause).await;
        Ok(())
    }
}
