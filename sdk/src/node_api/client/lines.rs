//! Lines of text that a node sends for as long as a lease goes on, over a connection that is made again where it breaks off.

use super::{ANSWER_TIMEOUT, NodeApi, NodeError};
use crate::node_api::MAX_LOG_LINE_BYTES;
use crate::node_api::auth::empty_body_hash;
use backon::{BackoffBuilder as _, ExponentialBackoff};
use bytes::{Bytes, BytesMut};
use reqwest::{Method, Response};
use std::time::Duration;

/// A line in JSON: a control character takes six bytes.
const MAX_JSON_LINE: usize = 6 * MAX_LOG_LINE_BYTES + 1024;
/// After this long without a byte the connection is made anew; what is read resumes where it was.
const IDLE: Duration = Duration::from_secs(60);

/// Reads lines, each once and whole.
pub(super) struct Lines {
    client: NodeApi,
    follow: bool,
    connection: Option<Response>,
    buffer: LineBuffer,
    pauses: ExponentialBackoff,
}

impl Lines {
    /// With `follow`, that nothing comes for a while is no fault.
    pub(super) fn new(client: &NodeApi, follow: bool) -> Self {
        let pauses = client.log_retry.build();
        Self { client: client.clone(), follow, connection: None, buffer: LineBuffer::default(), pauses }
    }

    /// The next line; `None` at the end. `path` asks for what comes after the lines that were taken: it is asked anew where the
    /// connection broke off.
    ///
    /// # Errors
    /// [`NodeError`], after several attempts, or one that no attempt helps.
    pub(super) async fn next(&mut self, path: &str) -> Result<Option<Bytes>, NodeError> {
        loop {
            if let Some(text) = self.buffer.pop(path)? {
                return Ok(Some(text));
            }
            let Some(connection) = &mut self.connection else {
                match self.connect(path).await {
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
                    let error = self.broken("it ended in the middle of a line".to_owned());
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

    /// What came is of use: the next break has all attempts again.
    pub(super) fn progress(&mut self) {
        self.pauses = self.client.log_retry.build();
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
        tracing::debug!(%error, ?pause, "what a node tells broke off, resuming");
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

/// Splits what arrives into lines of bounded length.
#[derive(Default)]
struct LineBuffer {
    bytes: BytesMut,
    /// Bytes at the front that are known to hold no line end.
    searched: usize,
}

impl LineBuffer {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    fn pop(&mut self, request: &str) -> Result<Option<Bytes>, NodeError> {
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
