//! From the engine's pieces to lines: what the engine cut is joined, what is too long is cut where a character ends.

use gridlease_sdk::node_api::LogStream;

use crate::driver::LogPiece;

/// One value for each of the two streams.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PerStream<T> {
    stdout: T,
    stderr: T,
}

impl<T> PerStream<T> {
    pub(super) fn get(&self, stream: LogStream) -> &T {
        match stream {
            LogStream::Stdout => &self.stdout,
            LogStream::Stderr => &self.stderr,
        }
    }

    pub(super) fn get_mut(&mut self, stream: LogStream) -> &mut T {
        match stream {
            LogStream::Stdout => &mut self.stdout,
            LogStream::Stderr => &mut self.stderr,
        }
    }

    pub(super) fn map<U>(&self, each: impl Fn(&T) -> U) -> PerStream<U> {
        PerStream { stdout: each(&self.stdout), stderr: each(&self.stderr) }
    }
}

/// One line as it will stand in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub ts_ms: u64,
    pub stream: LogStream,
    pub text: String,
}

/// Makes lines of at most `max` bytes. The same pieces always give the same lines: what was written before a restart is
/// found again by counting lines.
#[derive(Debug)]
pub(super) struct Lines {
    max: usize,
    /// When the container was started again, Unix milliseconds.
    runs: Vec<u64>,
    open: PerStream<Open>,
}

/// A line of which the end has not come.
#[derive(Debug, Default)]
struct Open {
    bytes: Vec<u8>,
    // Of its first piece, so that all of its parts have one time.
    ts_ms: Option<u64>,
    cut: bool,
}

impl Lines {
    /// Nothing is open. `max` is at least 4, the longest character.
    pub(super) fn new(max: usize) -> Self {
        Self::of_runs(max, Vec::new())
    }

    /// The same of a container that was started again at these times: no line reaches from one run into the next.
    pub(super) fn of_runs(max: usize, runs: Vec<u64>) -> Self {
        Self { max: max.max(4), runs, open: PerStream::default() }
    }

    /// Takes a piece and adds the lines that it completes to `to`. Holds back less than a piece and a line.
    pub(super) fn push(&mut self, piece: &LogPiece, to: &mut Vec<Line>) {
        let (max, stream) = (self.max, piece.stream);
        let (open, ts_ms) = (self.open.get_mut(stream), u64::try_from(piece.ts_ms).unwrap_or(0));
        if open.ts_ms.is_some_and(|opened| self.runs.iter().any(|run| opened < *run && *run <= ts_ms)) {
            open.finish(stream, max, to);
        }
        open.ts_ms.get_or_insert(ts_ms);
        open.bytes.extend_from_slice(&piece.bytes);
        while open.bytes.len() > max {
            let rest = open.bytes.split_off(boundary(&open.bytes, max));
            open.emit(stream, max, to);
            (open.bytes, open.cut) = (rest, true);
        }
        if piece.ends_line {
            open.finish(stream, max, to);
        }
    }

    /// The output is over: a last line without an end is a line, too.
    pub(super) fn flush(&mut self, to: &mut Vec<Line>) {
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let open = self.open.get_mut(stream);
            if open.ts_ms.is_some() {
                open.finish(stream, self.max, to);
            }
        }
    }
}

impl Open {
    fn finish(&mut self, stream: LogStream, max: usize, to: &mut Vec<Line>) {
        // A line that was cut exactly at its end has no empty rest.
        if !(self.cut && self.bytes.is_empty()) {
            self.emit(stream, max, to);
        }
        *self = Self::default();
    }

    fn emit(&self, stream: LogStream, max: usize, to: &mut Vec<Line>) {
        // Bytes that are no text become longer by their replacement, so it is measured again.
        let text = String::from_utf8_lossy(&self.bytes);
        let ts_ms = self.ts_ms.unwrap_or(0);
        to.extend(split(&text, max).into_iter().map(|part| Line { ts_ms, stream, text: part.to_owned() }));
    }
}

/// The last place at or before `max` where a character begins; `max` where there is none near, in what is no text.
fn boundary(bytes: &[u8], max: usize) -> usize {
    let begins = |at: &usize| bytes.get(*at).is_none_or(|byte| byte & 0b1100_0000 != 0b1000_0000);
    (max.saturating_sub(3)..=max).rev().find(begins).unwrap_or(max)
}

/// Parts of at most `max` bytes, cut between characters; one empty part for an empty text.
fn split(text: &str, max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > max {
        let (part, tail) = rest.split_at(rest.floor_char_boundary(max));
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn piece(ts_ms: i64, stream: LogStream, text: &str, ends_line: bool) -> LogPiece {
        LogPiece { ts_ms, stream, bytes: Bytes::copy_from_slice(text.as_bytes()), ends_line }
    }

    fn texts(lines: &[Line]) -> Vec<(u64, &str)> {
        lines.iter().map(|line| (line.ts_ms, line.text.as_str())).collect()
    }

    #[test]
    fn what_the_engine_cut_is_one_line_again_also_with_the_other_stream_in_between() {
        let (mut lines, mut got) = (Lines::new(100), Vec::new());
        lines.push(&piece(1, LogStream::Stdout, "one ", false), &mut got);
        lines.push(&piece(2, LogStream::Stderr, "other", true), &mut got);
        lines.push(&piece(3, LogStream::Stdout, "line", true), &mut got);
        lines.push(&piece(4, LogStream::Stdout, "", true), &mut got);
        assert_eq!(texts(&got), [(2, "other"), (1, "one line"), (4, "")]);
    }

    #[test]
    fn a_line_of_just_the_longest_length_has_no_empty_rest() {
        let (mut lines, mut got) = (Lines::new(8), Vec::new());
        // So Docker breaks it: a piece of its own buffer's length, then an end with nothing before it.
        lines.push(&piece(1, LogStream::Stdout, "12345678", false), &mut got);
        lines.push(&piece(1, LogStream::Stdout, "", true), &mut got);
        lines.push(&piece(2, LogStream::Stdout, "1234567890123456", false), &mut got);
        lines.push(&piece(2, LogStream::Stdout, "", true), &mut got);
        assert_eq!(texts(&got), [(1, "12345678"), (2, "12345678"), (2, "90123456")]);
    }

    #[test]
    fn a_character_is_never_cut_and_bytes_that_are_no_text_stay_within_the_length() {
        let (mut lines, mut got) = (Lines::new(10), Vec::new());
        lines.push(&piece(1, LogStream::Stdout, "größergrößer", true), &mut got);
        let noise = LogPiece { bytes: Bytes::from_static(&[0x80; 25]), ..piece(2, LogStream::Stdout, "", true) };
        lines.push(&noise, &mut got);
        assert_eq!(texts(&got)[..2], [(1, "größergr"), (1, "ößer")]);
        assert!(got.iter().all(|line| line.text.len() <= 10), "{got:?}");
        assert_eq!(got.iter().skip(2).map(|line| line.text.chars().count()).sum::<usize>(), 25);
    }

    #[test]
    fn a_line_that_one_run_leaves_open_is_not_joined_by_the_first_of_the_next() {
        let (mut lines, mut got) = (Lines::of_runs(100, vec![10, 20]), Vec::new());
        lines.push(&piece(5, LogStream::Stdout, "no end", false), &mut got);
        lines.push(&piece(20, LogStream::Stdout, "first", true), &mut got);
        lines.push(&piece(21, LogStream::Stdout, "one ", false), &mut got);
        lines.push(&piece(22, LogStream::Stdout, "line", true), &mut got);
        assert_eq!(texts(&got), [(5, "no end"), (20, "first"), (21, "one line")]);
    }

    #[test]
    fn a_last_line_without_an_end_comes_when_the_output_is_over() {
        let (mut lines, mut got) = (Lines::new(10), Vec::new());
        lines.push(&piece(1, LogStream::Stderr, "tail", false), &mut got);
        assert!(got.is_empty());
        lines.flush(&mut got);
        lines.flush(&mut got);
        assert_eq!(texts(&got), [(1, "tail")]);
    }
}
