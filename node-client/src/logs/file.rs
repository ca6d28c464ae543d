//! Writing the file, and finding the way back into it after a crash.

use std::cmp::Ordering;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridlease_sdk::node_api::{LogChain, LogLine, LogStream};
use tokio::sync::watch;

use super::lines::{Line, PerStream};
use super::writer::Mark;
use super::{LogError, LogHead, LogLimits};
use crate::state_dir::write_atomically;

/// The offset of every line whose number is a multiple of this is remembered.
pub(super) const INDEX_EVERY: u64 = 256;
/// Kept free below the size limit for the line that says that it was reached.
const RESERVE: u64 = 1024;

/// One lease's log.
#[derive(Debug)]
pub struct LeaseLog {
    path: PathBuf,
    pub(super) limits: LogLimits,
    pub(super) reading: Arc<File>,
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    state: Mutex<State>,
    head: watch::Sender<LogHead>,
}

#[derive(Debug)]
struct State {
    file: File,
    at: Position,
    index: Vec<u64>,
    full: bool,
    closed: bool,
}

/// How far the file is.
#[derive(Clone, Copy, Debug)]
struct Position {
    chain: LogChain,
    bytes: u64,
    marks: PerStream<Mark>,
}

impl LeaseLog {
    /// Opens the log, creating it where it is missing. A line that a crash left incomplete is cut off, with all after it.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn open(path: &Path, limits: LogLimits) -> Result<Self, LogError> {
        let io = |what| move |source| LogError::Io { what, path: path.to_owned(), source };
        let file =
            OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(path).map_err(io("open"))?;
        let reading = Arc::new(File::open(path).map_err(io("open"))?);
        let (at, index) = scan(&reading).map_err(io("read"))?;
        let length = file.metadata().map_err(io("read"))?.len();
        if length > at.bytes {
            tracing::warn!(path = %path.display(), kept = at.bytes, dropped = length - at.bytes, "the log ended in an incomplete line");
            file.set_len(at.bytes).map_err(io("shorten"))?;
        }
        let state = State { file, at, index, full: false, closed: false };
        let turn = Arc::default();
        let log = Self {
            path: path.to_owned(),
            limits,
            reading,
            turn,
            state: Mutex::new(state),
            head: watch::Sender::new(LogHead::of(&at, false)),
        };
        log.recall_limit()?;
        Ok(log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn io(&self, what: &'static str) -> impl FnOnce(std::io::Error) -> LogError + '_ {
        move |source| LogError::Io { what, path: self.path.clone(), source }
    }

    /// How far the log is.
    #[must_use]
    pub fn head(&self) -> LogHead {
        *self.head.borrow()
    }

    /// How far the log is, on disk: what is said of it still holds after a power cut. Blocks on the file system.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn lasting_head(&self) -> Result<LogHead, LogError> {
        let head = self.head();
        if !head.closed {
            self.reading.sync_data().map_err(self.io("write"))?;
        }
        Ok(head)
    }

    /// How far each stream is.
    pub(super) fn marks(&self) -> PerStream<Mark> {
        self.state().at.marks
    }

    /// Tells when the log grows or is closed.
    pub(super) fn changes(&self) -> watch::Receiver<LogHead> {
        self.head.subscribe()
    }

    /// The offset of the last indexed line at or before `seq`, and that line's number.
    pub(super) fn indexed(&self, seq: u64) -> (u64, u64) {
        let state = self.state();
        let slot = usize::try_from(seq / INDEX_EVERY).unwrap_or(usize::MAX).min(state.index.len().saturating_sub(1));
        state.index.get(slot).map_or((0, 0), |&offset| (slot as u64 * INDEX_EVERY, offset))
    }

    /// Adds lines in one write. `false` once the log takes no more: it is full or closed.
    pub(super) fn add(&self, lines: &[Line]) -> Result<bool, LogError> {
        let mut state = self.state();
        if state.closed || state.full {
            return Ok(false);
        }
        if let Some(line) = lines.first()
            && !has_room(&self.path)
        {
            self.fill(&mut state, line.ts_ms)?;
            return Ok(false);
        }
        let mut batch = Batch::after(state.at);
        let mut beyond = None;
        for line in lines {
            let before = batch.at.bytes;
            let encoded = self.encode(batch.at.chain, line)?;
            if before + encoded.1.len() as u64 + RESERVE > self.limits.file_bytes {
                beyond = Some(line);
                break;
            }
            batch.push(line, encoded);
        }
        self.write(&mut state, batch)?;
        if let Some(line) = beyond {
            self.fill(&mut state, line.ts_ms)?;
        }
        Ok(!state.full)
    }

    fn encode(&self, mut chain: LogChain, line: &Line) -> Result<(LogChain, Vec<u8>), LogError> {
        let refuse = |reason: String| LogError::Line { path: self.path.clone(), reason };
        let line = chain.append(line.ts_ms, line.stream, line.text.clone()).map_err(|e| refuse(e.to_string()))?;
        let mut bytes = serde_json::to_vec(&line).map_err(|e| refuse(e.to_string()))?;
        bytes.push(b'\n');
        Ok((chain, bytes))
    }

    fn write(&self, state: &mut State, batch: Batch) -> Result<(), LogError> {
        if batch.bytes.is_empty() {
            return Ok(());
        }
        if let Err(e) = state.file.write_all(&batch.bytes) {
            // A part of a line must not stay in front of the next one.
            let _ = state.file.set_len(state.at.bytes);
            return Err(self.io("write")(e));
        }
        state.index.extend(batch.index);
        state.at = batch.at;
        self.publish(state);
        Ok(())
    }

    fn publish(&self, state: &State) {
        self.head.send_replace(LogHead::of(&state.at, state.closed));
    }

    /// Where it stands, beside the log, that the limit was reached: a file with the bytes of the log before the line that
    /// says so. A line alone would prove nothing: a job can print it, too.
    fn limit_path(&self) -> PathBuf {
        self.path.with_extension("full")
    }

    /// The limit is reached: keeps that, and says it in a last line.
    fn fill(&self, state: &mut State, ts_ms: u64) -> Result<(), LogError> {
        let path = self.limit_path();
        write_atomically(&path, state.at.bytes.to_string().as_bytes(), 0o600).map_err(|e| LogError::Io {
            what: "write",
            path,
            source: e.source,
        })?;
        self.say_full(state, ts_ms)
    }

    fn say_full(&self, state: &mut State, ts_ms: u64) -> Result<(), LogError> {
        let limit = self.limits.file_bytes;
        let text = format!("[gridlease] the log reached its limit of {limit} bytes; later output is not kept");
        self.say(state, ts_ms, text)?;
        state.full = true;
        Ok(())
    }

    /// A line of the node's own.
    fn say(&self, state: &mut State, ts_ms: u64, text: String) -> Result<(), LogError> {
        let line = Line { ts_ms, stream: LogStream::Stderr, text };
        let mut batch = Batch::after(state.at);
        batch.push(&line, self.encode(state.at.chain, &line)?);
        self.write(state, batch)
    }

    /// After a restart: was the limit reached?
    fn recall_limit(&self) -> Result<(), LogError> {
        let kept = match std::fs::read_to_string(self.limit_path()) {
            Ok(text) => text.parse::<u64>().unwrap_or(0),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(self.io("read")(e)),
        };
        let mut state = self.state();
        match state.at.bytes.cmp(&kept) {
            // A power cut took lines from the end: the engine repeats them.
            Ordering::Less => std::fs::remove_file(self.limit_path()).map_err(self.io("shorten")),
            // Killed between the two.
            Ordering::Equal => {
                let ts_ms = state.at.marks.latest_ms();
                self.say_full(&mut state, ts_ms)
            }
            Ordering::Greater => {
                state.full = true;
                Ok(())
            }
        }
    }

    /// Whether nothing is added any more because the limit is reached.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.state().full
    }

    /// Ends the log although more was written, and says so in it.
    ///
    /// # Errors
    /// [`LogError`]; the log is then not closed.
    pub fn cut_short(&self) -> Result<LogHead, LogError> {
        let mut state = self.state();
        if !state.closed && !state.full {
            let ts_ms = state.at.marks.latest_ms();
            self.say(
                &mut state,
                ts_ms,
                "[gridlease] the container engine did not hand over the rest in time".to_owned(),
            )?;
        }
        drop(state);
        self.close()
    }

    /// Ends the log: it is on disk, its hash will not change, followers come to an end.
    ///
    /// # Errors
    /// [`LogError::Io`]; the log is then not closed.
    pub fn close(&self) -> Result<LogHead, LogError> {
        let mut state = self.state();
        if !state.closed {
            state.file.sync_all().map_err(self.io("write"))?;
            state.closed = true;
            self.publish(&state);
        }
        Ok(self.head())
    }
}

/// Whether the disk has room for more than the node itself needs: a log that takes the last of it keeps its own lease from
/// ending.
fn has_room(path: &Path) -> bool {
    crate::disk::usage::free(path).is_none_or(|free| free > crate::disk::KEEP_FREE)
}

impl LogHead {
    fn of(at: &Position, closed: bool) -> Self {
        Self { lines: at.chain.next_seq(), hash: at.chain.last(), bytes: at.bytes, closed }
    }
}

impl Position {
    /// The position after one more line.
    fn pass(&mut self, ts_ms: u64, stream: LogStream, chain: LogChain, bytes: u64) {
        self.marks.get_mut(stream).pass(ts_ms);
        self.chain = chain;
        self.bytes += bytes;
    }
}

/// Lines that are written together.
struct Batch {
    at: Position,
    bytes: Vec<u8>,
    index: Vec<u64>,
}

impl Batch {
    fn after(at: Position) -> Self {
        Self { at, bytes: Vec::new(), index: Vec::new() }
    }

    fn push(&mut self, line: &Line, (chain, bytes): (LogChain, Vec<u8>)) {
        if self.at.chain.next_seq().is_multiple_of(INDEX_EVERY) {
            self.index.push(self.at.bytes);
        }
        self.at.pass(line.ts_ms, line.stream, chain, bytes.len() as u64);
        self.bytes.extend_from_slice(&bytes);
    }
}

/// Reads lines as long as they continue the chain: where the file ends then, and its index.
fn scan(file: &File) -> std::io::Result<(Position, Vec<u64>)> {
    let mut at = Position { chain: LogChain::genesis(), bytes: 0, marks: PerStream::default() };
    let mut index = Vec::new();
    let mut reader = BufReader::new(super::reader::At { file, offset: 0 });
    let mut raw = Vec::new();
    loop {
        raw.clear();
        let count = reader.read_until(b'\n', &mut raw)?;
        if count == 0 || raw.last() != Some(&b'\n') {
            return Ok((at, index));
        }
        let Ok(line) = serde_json::from_slice::<LogLine>(&raw) else { return Ok((at, index)) };
        let mut chain = at.chain;
        if chain.verify(&line).is_err() {
            return Ok((at, index));
        }
        if line.seq % INDEX_EVERY == 0 {
            index.push(at.bytes);
        }
        at.pass(line.ts_ms, line.stream, chain, count as u64);
    }
}
