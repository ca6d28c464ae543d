//! A container's output, one piece at a time with its time.

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::query_parameters::LogsOptionsBuilder;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use gridlease_sdk::node_api::LogStream;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{engine, is_missing};
use crate::driver::{ContainerId, DriverError, LogPiece};

pub(super) fn follow(
    docker: Docker,
    id: ContainerId,
    since_s: Option<i64>,
    follow: bool,
) -> BoxStream<'static, Result<LogPiece, DriverError>> {
    let options = LogsOptionsBuilder::default()
        .follow(follow)
        .stdout(true)
        .stderr(true)
        .timestamps(true)
        .since(since_s.and_then(|s| i32::try_from(s).ok()).unwrap_or(0))
        .build();
    docker
        .logs(&id.0, Some(options))
        .map(move |item| match item {
            Ok(output) => Ok(piece(output)),
            Err(e) if is_missing(&e) => Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            Err(e) => Err(engine("read a container's output", &e)),
        })
        .boxed()
}

/// Splits `2026-01-02T03:04:05.678901234Z text\n`. What Docker broke off at 16 KiB has no line end; all parts of a line
/// carry the time of the first.
fn piece(output: LogOutput) -> LogPiece {
    let stream = if matches!(output, LogOutput::StdErr { .. }) { LogStream::Stderr } else { LogStream::Stdout };
    let message = output.into_bytes();
    let (ts_ms, mut bytes) = match message.iter().position(|&b| b == b' ') {
        Some(space) => {
            match std::str::from_utf8(message.get(..space).unwrap_or_default()).ok().and_then(parse_timestamp_ms) {
                Some(ts_ms) => (ts_ms, message.slice(space + 1..)),
                None => (0, message),
            }
        }
        None => (0, message),
    };
    let ends_line = bytes.last() == Some(&b'\n');
    if ends_line {
        bytes.truncate(bytes.len() - 1);
        if bytes.last() == Some(&b'\r') {
            bytes.truncate(bytes.len() - 1);
        }
    }
    LogPiece { ts_ms, stream, bytes, ends_line }
}

/// RFC 3339 with nanoseconds to Unix milliseconds.
pub(super) fn parse_timestamp_ms(text: &str) -> Option<i64> {
    let at = OffsetDateTime::parse(text, &Rfc3339).ok()?;
    i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn a_line_is_split_into_its_time_and_its_text() {
        let message = Bytes::from_static(b"2026-01-02T03:04:05.678901234Z hello world\r\n");
        let got = piece(LogOutput::StdErr { message });
        assert_eq!(got.stream, LogStream::Stderr);
        assert_eq!(got.bytes, "hello world");
        assert_eq!(got.ts_ms, 1_767_323_045_678);
    }

    #[test]
    fn an_empty_line_and_a_broken_line_keep_their_bytes() {
        let empty = piece(LogOutput::StdOut { message: Bytes::from_static(b"2026-01-02T03:04:05Z \n") });
        assert_eq!((empty.bytes.len(), empty.ts_ms, empty.ends_line), (0, 1_767_323_045_000, true));
        let part = piece(LogOutput::StdOut { message: Bytes::from_static(b"2026-01-02T03:04:05Z no end\r") });
        assert_eq!((part.bytes.as_ref(), part.ends_line), (b"no end\r".as_slice(), false));
    }
}
