//! Reading the file while it grows.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _, try_unfold};
use tokio::sync::watch;

use super::file::LeaseLog;
use super::{LogError, LogHead};

/// Most bytes that one step of a reader holds.
const CHUNK: u64 = 64 * 1024;

/// A position in a file of its own: many readers share one descriptor.
pub(super) struct At<'f> {
    pub file: &'f File,
    pub offset: u64,
}

impl Read for At<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read_at(into, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

struct Position {
    log: Arc<LeaseLog>,
    head: watch::Receiver<LogHead>,
    from: u64,
    follow: bool,
    offset: Option<u64>,
}

impl LeaseLog {
    /// The log from line `from` on, as the bytes of the file (one JSON object a line, cut anywhere). With `follow`
    /// it goes on until the log is closed, else it ends with the last line there is.
    #[must_use]
    pub fn stream(self: &Arc<Self>, from: u64, follow: bool) -> BoxStream<'static, Result<Bytes, LogError>> {
        let position = Position { log: Arc::clone(self), head: self.changes(), from, follow, offset: None };
        try_unfold(position, next).boxed()
    }
}

async fn next(mut at: Position) -> Result<Option<(Bytes, Position)>, LogError> {
    loop {
        let head = *at.head.borrow_and_update();
        if at.offset.is_none() && head.lines > at.from {
            let (log, from) = (Arc::clone(&at.log), at.from);
            at.offset = Some(blocking(move || log.offset_of(from)).await?);
        }
        if let Some(offset) = at.offset.filter(|&offset| offset < head.bytes) {
            let log = Arc::clone(&at.log);
            let length = (head.bytes - offset).min(CHUNK);
            let bytes = blocking(move || log.read_range(offset, length)).await?;
            at.offset = Some(offset + bytes.len() as u64);
            return Ok(Some((bytes, at)));
        }
        // The sender lives in the log, which this position keeps alive, so waiting fails only in theory.
        if !at.follow || head.closed || at.head.changed().await.is_err() {
            return Ok(None);
        }
    }
}

async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(task).await.map_err(|_| LogError::Shutdown)?
}

impl LeaseLog {
    fn offset_of(&self, seq: u64) -> Result<u64, LogError> {
        let (mut line, mut offset) = self.indexed(seq);
        let mut reader = BufReader::new(At { file: &self.reading, offset });
        while line < seq {
            let count = reader.skip_until(b'\n').map_err(self.io("read"))?;
            if count == 0 {
                break;
            }
            offset += count as u64;
            line += 1;
        }
        Ok(offset)
    }

    fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, LogError> {
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        self.reading.read_exact_at(&mut bytes, offset).map_err(self.io("read"))?;
        Ok(Bytes::from(bytes))
    }
}
