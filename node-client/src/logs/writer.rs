//! The one who writes a log. There is one at a time, and what must be skipped because the log has it already belongs to
//! that one's reading: nobody else can disturb it.

use std::cmp::Ordering;
use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;

use super::file::LeaseLog;
use super::lines::{Line, Lines, PerStream};
use super::{LogError, LogHead, Runs};
use crate::driver::LogPiece;

/// The engine stamps the two streams separately, so lines can be this much out of order, milliseconds.
const SKEW_MS: u64 = 10_000;

/// How far a stream is: the latest time of its lines, and how many lines the log has of that time. The engine stamps
/// each stream in its order, so this says of any piece that it repeats whether the log has it: also where lines of one
/// millisecond are equal, and where older ones are gone by rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    ts_ms: u64,
    lines: u64,
}

impl Mark {
    /// Counts a line that the log now has. One that is older, because the machine's clock was set back, moves nothing.
    pub(super) fn pass(&mut self, ts_ms: u64) {
        match ts_ms.cmp(&self.ts_ms) {
            Ordering::Greater => *self = Self { ts_ms, lines: 1 },
            Ordering::Equal => self.lines += 1,
            Ordering::Less => {}
        }
    }
}

/// What of one stream is still to be skipped in one reading of the engine's record.
#[derive(Clone, Copy, Debug, Default)]
struct Skip {
    mark: Mark,
    over: bool,
    /// The reading has to come by the last line that the log has, or by an older one: the engine drops the oldest first.
    due: bool,
}

/// What is to be done with a line of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The log has it.
    Known,
    /// It follows on what the log has.
    New,
    /// It is new, and lines before it are gone.
    AfterGap,
}

/// What the log says where the engine had dropped lines before they were read.
const GAP: &str =
    "[gridlease] lines are missing here: the container engine had dropped them before the node could read them";

impl Skip {
    /// What a line is. After the first that the log has not, everything is new, whatever its time.
    fn find(&mut self, ts_ms: u64) -> Found {
        if self.over {
            return Found::New;
        }
        match ts_ms.cmp(&self.mark.ts_ms) {
            Ordering::Less => {
                self.due = false;
                return Found::Known;
            }
            Ordering::Equal => {
                self.due = false;
                if self.mark.lines > 0 {
                    self.mark.lines -= 1;
                    return Found::Known;
                }
            }
            Ordering::Greater => {}
        }
        self.over = true;
        if std::mem::take(&mut self.due) { Found::AfterGap } else { Found::New }
    }
}

/// The right to write a log, from [`LeaseLog::writer`]; whoever else asks for it waits until this is dropped.
#[derive(Debug)]
pub struct LogWriter {
    log: Arc<LeaseLog>,
    lines: Lines,
    skip: PerStream<Skip>,
    /// When each run of the container but the first began, Unix milliseconds of the engine's clock.
    runs: Vec<u64>,
    /// What is older is not in the engine's record, and nobody looks for it there.
    anew_ms: u64,
    _turn: OwnedMutexGuard<()>,
}

impl LeaseLog {
    /// Waits for the turn to write.
    pub async fn writer(self: &Arc<Self>) -> LogWriter {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let mut writer = LogWriter {
            log: Arc::clone(self),
            lines: Lines::new(self.limits.line_bytes),
            skip: PerStream::default(),
            runs: Vec::new(),
            anew_ms: 0,
            _turn: turn,
        };
        writer.begin();
        writer
    }
}

impl LogWriter {
    /// The same for a container that has these runs.
    #[must_use]
    pub fn of(mut self, runs: &Runs) -> Self {
        let ms = |ms: &i64| u64::try_from(*ms).ok();
        self.runs = runs.later_ms.iter().filter_map(ms).collect();
        self.anew_ms = runs.anew_ms.as_ref().and_then(ms).unwrap_or(0);
        self
    }

    /// Begins a reading of the engine's record anew and returns from when on (Unix seconds) it is needed; `None`: from its
    /// beginning. What the log has of it will be skipped.
    pub fn begin(&mut self) -> Option<i64> {
        let marks = self.log.marks();
        self.lines = Lines::of_runs(self.log.limits.line_bytes, self.runs.clone());
        let since_s = marks.latest_ms().saturating_sub(SKEW_MS) / 1000;
        let due = |mark: &Mark| mark.lines > 0 && mark.ts_ms / 1000 >= since_s && mark.ts_ms >= self.anew_ms;
        self.skip = marks.map(|mark| Skip { mark: *mark, over: false, due: due(mark) });
        i64::try_from(since_s).ok().filter(|since| *since > 0)
    }

    /// Adds pieces of output, but for those that the log has. `false` once the log takes no more. Blocks on the file system.
    ///
    /// # Errors
    /// [`LogError`]; begin anew then.
    pub fn append(&mut self, pieces: &[LogPiece]) -> Result<bool, LogError> {
        let mut lines = Vec::new();
        pieces.iter().for_each(|piece| self.lines.push(piece, &mut lines));
        self.add(lines)
    }

    /// The output is over: adds a last line that has no end. Blocks on the file system.
    ///
    /// # Errors
    /// [`LogError`]; begin anew then.
    pub fn flush(&mut self) -> Result<bool, LogError> {
        let mut lines = Vec::new();
        self.lines.flush(&mut lines);
        self.add(lines)
    }

    fn add(&mut self, lines: Vec<Line>) -> Result<bool, LogError> {
        let mut new = Vec::with_capacity(lines.len());
        for line in lines {
            let skip = self.skip.get_mut(line.stream);
            match skip.find(line.ts_ms) {
                Found::Known => continue,
                Found::New => {}
                Found::AfterGap => {
                    // Older than the stream's last line, so that it counts for none of the container's own.
                    let ts_ms = skip.mark.ts_ms.saturating_sub(1);
                    new.push(Line { ts_ms, stream: line.stream, text: GAP.to_owned() });
                }
            }
            new.push(line);
        }
        self.log.add(&new)
    }

    /// Ends the log: it is on disk, its hash will not change, followers come to an end. Blocks on the file system.
    ///
    /// # Errors
    /// [`LogError::Io`]; the log is then not closed.
    pub fn close(&self) -> Result<LogHead, LogError> {
        self.log.close()
    }
}

impl PerStream<Mark> {
    /// The latest time of both.
    pub(super) fn latest_ms(&self) -> u64 {
        use gridlease_sdk::node_api::LogStream::{Stderr, Stdout};
        self.get(Stdout).ts_ms.max(self.get(Stderr).ts_ms)
    }
}
