//! Writing the file, and finding the way back into it after a crash.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridlease_sdk::node_api::{LogChain, LogLine, LogStream};
use tokio::sync::watch;

use super::{LogError, LogHead, LogLimits};
use crate::driver::LogPiece;

/// The offset of every line whose number is a multiple of this is remembered.
pub(super) const INDEX_EVERY: u64 = 256;
/// Kept free below the size limit for the line that says that it was reached.
const RESERVE: u64 = 1024;
/// Docker stamps the two streams separately, so lines can be this much out of order around a restart, seconds.
const REPLAY_MARGIN_S: i64 = 2;

/// One lease's log.
#[derive(Debug)]
pub struct LeaseLog {
    path: PathBuf,
    limits: LogLimits,
    pub(super) reading: Arc<File>,
    state: Mutex<State>,
    head: watch::Sender<LogHead>,
}

#[derive(Debug)]
struct State {
    file: File,
    chain: LogChain,
    bytes: u64,
    index: Vec<u64>,
    full: bool,
    closed: bool,
    // What the engine will repeat after a reconnect, in its order; hashes, because a busy second can be long.
    replay: VecDeque<u64>,
}

/// What a scan of the file found.
struct Scan {
    chain: LogChain,
    bytes: u64,
    index: Vec<u64>,
    full: bool,
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
        let scan = scan(&reading, &limits, |_| {}).map_err(io("read"))?;
        let length = file.metadata().map_err(io("read"))?.len();
        if length > scan.bytes {
            tracing::warn!(path = %path.display(), kept = scan.bytes, dropped = length - scan.bytes, "the log ended in an incomplete line");
            file.set_len(scan.bytes).map_err(io("shorten"))?;
        }
        let head = LogHead { lines: scan.chain.next_seq(), hash: scan.chain.last(), bytes: scan.bytes, closed: false };
        let state = State {
            file,
            chain: scan.chain,
            bytes: scan.bytes,
            index: scan.index,
            full: scan.full,
            closed: false,
            replay: VecDeque::new(),
        };
        Ok(Self { path: path.to_owned(), limits, reading, state: Mutex::new(state), head: watch::Sender::new(head) })
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

    /// Says from when on (Unix seconds) the engine has to repeat its output, and makes the log skip what it has
    /// of that. `None`: from the beginning. Reads the file.
    ///
    /// # Errors
    /// [`LogError::Io`].
    pub fn begin_replay(&self) -> Result<Option<i64>, LogError> {
        let mut state = self.state();
        let mut latest = i64::MIN;
        scan(&self.reading, &self.limits, |line| latest = latest.max(seconds(line))).map_err(self.io("read"))?;
        let since = latest.saturating_sub(REPLAY_MARGIN_S);
        let mut replay = VecDeque::new();
        scan(&self.reading, &self.limits, |line| {
            if seconds(line) >= since && !is_full_mark(&self.limits, line) {
                replay.push_back(fingerprint(line.ts_ms, line.stream, &line.line));
            }
        })
        .map_err(self.io("read"))?;
        state.replay = replay;
        Ok((since > 0).then_some(since))
    }

    /// Adds pieces of output, but for those that are repetitions, and returns how many lines were added.
    ///
    /// # Errors
    /// [`LogError`]; what was added before stays.
    pub fn append(&self, pieces: &[LogPiece]) -> Result<u64, LogError> {
        let mut state = self.state();
        let before = state.chain.next_seq();
        let outcome = pieces.iter().try_for_each(|piece| self.append_piece(&mut state, piece));
        self.publish(&state);
        outcome.map(|()| state.chain.next_seq() - before)
    }

    fn append_piece(&self, state: &mut State, piece: &LogPiece) -> Result<(), LogError> {
        let text = String::from_utf8_lossy(&piece.bytes);
        let ts_ms = u64::try_from(piece.ts_ms).unwrap_or(0);
        for part in split(&text, self.limits.line_bytes) {
            if state.closed || state.full || is_repeated(state, fingerprint(ts_ms, piece.stream, part)) {
                continue;
            }
            let next = self.encode(state.chain, ts_ms, piece.stream, part)?;
            if state.bytes + next.1.len() as u64 + RESERVE > self.limits.file_bytes || !has_room(&self.path) {
                let mark = self.encode(state.chain, ts_ms, LogStream::Stderr, &full_mark(&self.limits))?;
                self.write(state, mark)?;
                state.full = true;
            } else {
                self.write(state, next)?;
            }
        }
        Ok(())
    }

    fn encode(
        &self,
        mut chain: LogChain,
        ts_ms: u64,
        stream: LogStream,
        text: &str,
    ) -> Result<(LogChain, Vec<u8>), LogError> {
        let refuse = |reason: String| LogError::Line { path: self.path.clone(), reason };
        let line = chain.append(ts_ms, stream, text.to_owned()).map_err(|e| refuse(e.to_string()))?;
        let mut bytes = serde_json::to_vec(&line).map_err(|e| refuse(e.to_string()))?;
        bytes.push(b'\n');
        Ok((chain, bytes))
    }

    fn write(&self, state: &mut State, (chain, bytes): (LogChain, Vec<u8>)) -> Result<(), LogError> {
        if let Err(e) = state.file.write_all(&bytes) {
            // A part of a line must not stay in front of the next one.
            let _ = state.file.set_len(state.bytes);
            return Err(self.io("write")(e));
        }
        if state.chain.next_seq().is_multiple_of(INDEX_EVERY) {
            let offset = state.bytes;
            state.index.push(offset);
        }
        state.bytes += bytes.len() as u64;
        state.chain = chain;
        Ok(())
    }

    fn publish(&self, state: &State) {
        self.head.send_replace(LogHead {
            lines: state.chain.next_seq(),
            hash: state.chain.last(),
            bytes: state.bytes,
            closed: state.closed,
        });
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

/// Is this what the engine said before? Its record loses lines only at the front (by rotation), so a match
/// further on means that those before it are gone, and no match that the repetition is over.
fn is_repeated(state: &mut State, fingerprint: u64) -> bool {
    match state.replay.iter().position(|&known| known == fingerprint) {
        Some(at) => {
            state.replay.drain(..=at);
            true
        }
        None => {
            state.replay.clear();
            false
        }
    }
}

fn fingerprint(ts_ms: u64, stream: LogStream, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (ts_ms, stream, text).hash(&mut hasher);
    hasher.finish()
}

fn seconds(line: &LogLine) -> i64 {
    i64::try_from(line.ts_ms / 1000).unwrap_or(0)
}

fn full_mark(limits: &LogLimits) -> String {
    format!("[gridlease] the log reached its limit of {} bytes; later output is not kept", limits.file_bytes)
}

fn is_full_mark(limits: &LogLimits, line: &LogLine) -> bool {
    line.stream == LogStream::Stderr && line.line == full_mark(limits)
}

/// Parts of at most `max` bytes, cut between characters; one empty part for an empty text.
fn split(text: &str, max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > max.max(4) {
        let mut at = max.max(4);
        while !rest.is_char_boundary(at) {
            at -= 1;
        }
        let (part, tail) = rest.split_at(at);
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    parts
}

/// Reads lines as long as they continue the chain.
fn scan(file: &File, limits: &LogLimits, mut each: impl FnMut(&LogLine)) -> std::io::Result<Scan> {
    let mut scan = Scan { chain: LogChain::genesis(), bytes: 0, index: Vec::new(), full: false };
    let mut reader = BufReader::new(super::reader::At { file, offset: 0 });
    let mut raw = Vec::new();
    loop {
        raw.clear();
        let count = reader.read_until(b'\n', &mut raw)?;
        if count == 0 || raw.last() != Some(&b'\n') {
            return Ok(scan);
        }
        let Ok(line) = serde_json::from_slice::<LogLine>(&raw) else { return Ok(scan) };
        if scan.chain.verify(&line).is_err() {
            return Ok(scan);
        }
        if line.seq % INDEX_EVERY == 0 {
            scan.index.push(scan.bytes);
        }
        scan.bytes += count as u64;
        scan.full = is_full_mark(limits, &line);
        each(&line);
    }
}
