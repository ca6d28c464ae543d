//! Following a lease's log.

use super::{ANSWER_TIMEOUT, NodeApi, NodeError};
use crate::node_api::auth::empty_body_hash;
use crate::node_api::{LogChain, LogChainError, LogLine, MAX_LOG_LINE_BYTES, paths};
use backon::{BackoffBuilder as _, ExponentialBackoff};
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, Stream};
use reqwest::{Method, Response};
use solana_pubkey::Pubkey;
use std::time::Duration;

/// A line in JSON: a control character takes six bytes.
const MAX_JSON_LINE: usize = 6 * MAX_LOG_LINE_BYTES + 1024;
/// After this long without a byte the connection is made anew; the log resumes where it was.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// Where to begin reading a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStart {
    /// At the first line; the whole chain is verified.
    Beginning,
    /// At the line with this number; the chain is verified from there on, trusting the node for what came before.
    At(u64),
    /// After what was read and verified earlier.
    After(LogChain),
}

impl NodeApi {
    /// Reads a lease's log line by line. Every line is checked against the hash chain before it is passed on, and a
    /// broken connection is resumed after the last line that was. The `chain` of the last line is what the node has
    /// to post as `log_hash`.
    ///
    /// With `follow` the stream ends when the container has ended, else with the last line there is.
    ///
    /// The stream's errors are final: [`NodeError::Log`] for a log that was tampered with, or the call's after
    /// several attempts.
    pub fn logs(
        &self,
        lease: Pubkey,
        start: LogStart,
        follow: bool,
    ) -> impl Stream<Item = Result<LogLine, NodeError>> + Send + 'static {
        self.service_logs(lease, String::new(), start, follow)
    }

    /// The same for the log of a service of the lease's, which has a chain of its own that nobody posts; the job's own for an empty name.
    pub fn service_logs(
        &self,
        lease: Pubkey,
        service: String,
        start: LogStart,
        follow: bool,
    ) -> impl Stream<Item = Result<LogLine, NodeError>> + Send + 'static {
        let (chain, emit_from) = match start {
            LogStart::Beginning | LogStart::At(0) => (Some(LogChain::genesis()), 0),
            LogStart::At(seq) => (None, seq),
            LogStart::After(chain) => (Some(chain), chain.next_seq()),
        };
        let reader = LogReader {
            client: self.clone(),
            lease,
            service,
            follow,
            chain,
            emit_from,
            connection: None,
            buffer: LineBuffer::default(),
            pauses: self.log_retry.build(),
        };
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|line| (line, reader))) })
    }
}

struct LogReader {
    client: NodeApi,
    lease: Pubkey,
    service: String,
    follow: bool,
    /// None until the line before the first wanted one gave the chain a value to go on from.
    chain: Option<LogChain>,
    emit_from: u64,
    connection: Option<Response>,
    buffer: LineBuffer,
    pauses: ExponentialBackoff,
}

impl LogReader {
    async fn next(&mut self) -> Result<Option<LogLine>, NodeError> {
        loop {
            if let Some(text) = self.buffer.pop(&self.path())? {
                if let Some(line) = self.accept(&text)? {
                    return Ok(Some(line));
                }
                continue;
            }
            let Some(connection) = &mut self.connection else {
                match self.connect().await {
                    Ok(connection) => self.connection = Some(connection),
                    Err(error) => self.pause(error).await?,
                }
                continue;
            };
            match tokio::time::timeout(IDLE, connection.chunk()).await {
                Ok(Ok(Some(bytes))) => self.buffer.push(&bytes),
                // The end of the body, properly announced, and not in the middle of a line.
                Ok(Ok(None)) if self.buffer.is_empty() => return Ok(None),
                Ok(Ok(None)) => {
                    let error = self.broken("the log ended in the middle of a line".to_owned());
                    self.pause(error).await?;
                }
                Ok(Err(error)) => {
                    let error = self.client.failed(&error);
                    self.pause(error).await?;
                }
                // A quiet container is no fault; a dead connection looks the same, so make a new one.
                Err(_) if self.follow => self.drop_connection(),
                Err(_) => {
                    let error = self.broken(format!("nothing came for {} s", IDLE.as_secs()));
                    self.pause(error).await?;
                }
            }
        }
    }

    fn path(&self) -> String {
        let from = match &self.chain {
            Some(chain) => chain.next_seq(),
            None => self.emit_from.saturating_sub(1),
        };
        paths::logs(&self.lease, &self.service, self.follow, from)
    }

    async fn connect(&self) -> Result<Response, NodeError> {
        match self.ask().await {
            Err(error) if error.is_clock_drift() && self.client.correct_clock().await => self.ask().await,
            outcome => outcome,
        }
    }

    async fn ask(&self) -> Result<Response, NodeError> {
        let request = self.client.signed(Method::GET, &self.path(), empty_body_hash())?;
        // Not the request's own timeout: that would limit the whole body.
        tokio::time::timeout(ANSWER_TIMEOUT, self.client.dispatch(request))
            .await
            .unwrap_or_else(|_| Err(NodeError::TimedOut { endpoint: self.client.endpoint.to_string() }))
    }

    fn broken(&self, reason: String) -> NodeError {
        NodeError::Unreachable { endpoint: self.client.endpoint.to_string(), reason }
    }

    fn drop_connection(&mut self) {
        self.connection = None;
        self.buffer = LineBuffer::default();
    }

    /// Waits before the next attempt, or gives the error back where there shall be none.
    async fn pause(&mut self, error: NodeError) -> Result<(), NodeError> {
        self.drop_connection();
        if !error.is_transient() {
            return Err(error);
        }
        let Some(pause) = self.pauses.next() else {
            return Err(error);
        };
        tracing::debug!(%error, ?pause, "the log broke off, resuming");
        tokio::time::sleep(pause).await;
        Ok(())
    }

    fn accept(&mut self, text: &[u8]) -> Result<Option<LogLine>, NodeError> {
        let bad = |reason: String| NodeError::BadAnswer { request: "GET logs".to_owned(), reason };
        let line: LogLine = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
        match &mut self.chain {
            Some(chain) => chain.verify(&line)?,
            None => {
                let expected = self.emit_from.saturating_sub(1);
                if line.seq != expected {
                    let found = line.seq;
                    return Err(LogChainError::Gap { expected, found }.into());
                }
                let mut value = [0u8; 32];
                hex::decode_to_slice(&line.chain, &mut value)
                    .map_err(|_| bad("a chain value is not 32 bytes in hex".to_owned()))?;
                self.chain = Some(LogChain::resume(self.emit_from, value));
            }
        }
        // Progress: the next break has all attempts again.
        self.pauses = self.client.log_retry.build();
        Ok((line.seq >= self.emit_from).then_some(line))
    }
}

/// Splits what arrives into lines of bounded length.
#[derive(Default)]
pub(super) struct LineBuffer {
    bytes: BytesMut,
    /// Bytes at the front that are known to hold no line end.
    searched: usize,
}

impl LineBuffer {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn pop(&mut self, request: &str) -> Result<Option<Bytes>, NodeError> {
        let end =
            self.bytes[self.searched..].iter().position(|byte| *byte == b'\n').map(|offset| self.searched + offset);
        if end.unwrap_or(self.bytes.len()) > MAX_JSON_LINE {
            return Err(NodeError::AnswerTooLarge { request: format!("GET {request}"), limit: MAX_JSON_LINE });
        }
        let Some(end) = end else {
            self.searched = self.bytes.len();
            return Ok(None);
        };
        self.searched = 0;
        let mut line = self.bytes.split_to(end + 1);
        line.truncate(end);
        Ok(Some(line.freeze()))
    }
}
