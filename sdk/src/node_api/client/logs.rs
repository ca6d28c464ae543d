//! Following a lease's log.

use super::lines::Lines;
use super::{NodeApi, NodeError};
use crate::node_api::{LogChain, LogChainError, LogLine, paths};
use futures_util::stream::{self, Stream};
use solana_pubkey::Pubkey;

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
        let reader = LogReader { lines: Lines::new(self, follow), lease, service, follow, chain, emit_from };
        stream::try_unfold(reader, |mut reader| async move { Ok(reader.next().await?.map(|line| (line, reader))) })
    }
}

struct LogReader {
    lines: Lines,
    lease: Pubkey,
    service: String,
    follow: bool,
    /// None until the line before the first wanted one gave the chain a value to go on from.
    chain: Option<LogChain>,
    emit_from: u64,
}

impl LogReader {
    async fn next(&mut self) -> Result<Option<LogLine>, NodeError> {
        while let Some(text) = self.lines.next(&self.path()).await? {
            if let Some(line) = self.accept(&text)? {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    fn path(&self) -> String {
        let from = match &self.chain {
            Some(chain) => chain.next_seq(),
            None => self.emit_from.saturating_sub(1),
        };
        paths::logs(&self.lease, &self.service, self.follow, from)
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
        self.lines.progress();
        Ok((line.seq >= self.emit_from).then_some(line))
    }
}
