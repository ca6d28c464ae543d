//! A log loses and doubles no line.

use super::*;
use crate::driver::fake::{FakeDriver, Script};
use crate::driver::{ContainerId, Driver as _, LogPiece};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gridlease_sdk::node_api::{LogChain, LogLine, LogStream};

fn piece(ts_ms: i64, text: &str) -> LogPiece {
    LogPiece { ts_ms, stream: LogStream::Stdout, bytes: Bytes::copy_from_slice(text.as_bytes()) }
}

fn open(dir: &tempfile::TempDir, limits: LogLimits) -> Arc<LeaseLog> {
    Arc::new(LeaseLog::open(&dir.path().join("log.ndjson"), limits).unwrap())
}

/// Reads to the end and checks the hash chain on the way.
async fn lines(log: &Arc<LeaseLog>, from: u64, follow: bool) -> Vec<LogLine> {
    let mut bytes = Vec::new();
    let mut stream = log.stream(from, follow);
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(bytes).unwrap().lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|l| l.line.as_str()).collect()
}

#[tokio::test]
async fn lines_are_numbered_chained_and_served_from_any_number() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, LogLimits::default());
    let pieces: Vec<_> = (0..600).map(|n| piece(1_000 + n, &format!("line {n}"))).collect();
    assert_eq!(log.append(&pieces).unwrap(), 600);
    let head = log.close().unwrap();

    let all = lines(&log, 0, false).await;
    let mut chain = LogChain::genesis();
    for line in &all {
        chain.verify(line).unwrap();
    }
    assert_eq!((head.lines, head.hash), (600, chain.last()));
    for from in [1u64, 255, 256, 257, 599] {
        let rest = lines(&log, from, true).await;
        assert_eq!(rest.first().map(|l| l.seq), Some(from));
        assert_eq!(rest.len() as u64, 600 - from);
    }
    assert!(lines(&log, 600, true).await.is_empty(), "a closed log has no more");
}

#[tokio::test]
async fn a_follower_gets_what_comes_later_and_ends_when_the_log_is_closed() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, LogLimits::default());
    log.append(&[piece(1, "before")]).unwrap();
    let reader = tokio::spawn({
        let log = Arc::clone(&log);
        async move { lines(&log, 2, true).await }
    });
    let mut early = log.stream(0, true);
    assert!(early.next().await.is_some());
    for n in 0..3 {
        log.append(&[piece(2, &format!("later {n}"))]).unwrap();
        assert!(early.next().await.unwrap().unwrap().ends_with(b"\n"));
    }
    log.close().unwrap();
    assert_eq!(texts(&reader.await.unwrap()), ["later 1", "later 2"], "a reader may wait for a line to come");
    assert!(early.next().await.is_none());
}

#[tokio::test]
async fn a_log_that_a_crash_cut_in_the_middle_of_a_line_goes_on_from_the_last_whole_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.ndjson");
    open(&dir, LogLimits::default()).append(&[piece(5_000, "one"), piece(5_001, "two")]).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();

    let log = open(&dir, LogLimits::default());
    assert_eq!(log.head().lines, 1);
    assert_eq!(log.begin_replay().unwrap(), Some(3), "two seconds before the last line");
    log.append(&[piece(5_000, "one"), piece(5_001, "two"), piece(5_002, "three")]).unwrap();
    log.close().unwrap();
    let all = lines(&log, 0, false).await;
    assert_eq!(texts(&all), ["one", "two", "three"]);
    let mut chain = LogChain::genesis();
    all.iter().for_each(|line| chain.verify(line).unwrap());
}

#[tokio::test]
async fn what_the_engine_repeats_is_skipped_even_when_its_oldest_lines_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, LogLimits::default());
    log.append(&[piece(9_000, "a"), piece(9_000, "a"), piece(9_001, "b"), piece(9_002, "c")]).unwrap();
    log.begin_replay().unwrap();
    // The first two were rotated away; "c" comes again as a new line later.
    log.append(&[piece(9_001, "b"), piece(9_002, "c"), piece(9_003, "c"), piece(9_003, "d")]).unwrap();
    assert_eq!(texts(&lines(&log, 0, false).await), ["a", "a", "b", "c", "c", "d"]);
}

#[tokio::test]
async fn a_log_that_is_full_says_so_once_and_stays_so_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let limits = LogLimits { file_bytes: 4_096, line_bytes: 64 };
    let log = open(&dir, limits);
    let flood: Vec<_> = (0..100).map(|n| piece(n, "xxxxxxxxxxxxxxxxxxxxxxxx")).collect();
    log.append(&flood).unwrap();
    let head = log.head();
    assert!(head.bytes <= 4_096 && head.lines < 100);
    drop(log);

    let log = open(&dir, limits);
    log.begin_replay().unwrap();
    log.append(&flood).unwrap();
    assert_eq!(log.head(), head, "nothing is added to a full log");
    let all = lines(&log, 0, false).await;
    let last = all.last().unwrap();
    assert!(last.stream == LogStream::Stderr && last.line.contains("limit of 4096 bytes"), "{last:?}");
    assert_eq!(all.iter().filter(|l| l.line.contains("limit of")).count(), 1);
}

#[tokio::test]
async fn a_line_that_is_too_long_becomes_several_cut_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, LogLimits { file_bytes: 1 << 20, line_bytes: 10 });
    log.append(&[piece(1, "größergrößer"), piece(1, "")]).unwrap();
    log.append(&[LogPiece { ts_ms: 2, stream: LogStream::Stderr, bytes: Bytes::from_static(b"bad \xff byte") }])
        .unwrap();
    assert_eq!(texts(&lines(&log, 0, false).await), ["größergr", "ößer", "", "bad \u{fffd} by", "te"]);
}

#[tokio::test]
async fn a_collector_that_is_cut_off_and_restarted_loses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let expected: Vec<String> = (0..1_000).map(|n| format!("out {n}")).collect();
    let driver = FakeDriver::new(Script { output: expected.clone(), drop_log_every: 137, ..Script::default() });
    let id = ContainerId("c".to_owned());
    driver.start(&id).await.unwrap();
    // The first node dies somewhere in the middle.
    let log = open(&dir, LogLimits::default());
    let _ = tokio::time::timeout(std::time::Duration::from_millis(150), collect(&driver, &id, &log)).await;
    drop(log);
    let log = open(&dir, LogLimits::default());
    let head = collect(&driver, &id, &log).await.unwrap();
    assert!(head.closed && head.lines == 1_000, "{head:?}");
    assert_eq!(texts(&lines(&log, 0, true).await), expected);
}

#[test]
fn issue9_02_complete_logs_that_nobody_reads_do_not_keep_their_files_open() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let hub = LogHub::new(state.clone(), LogLimits::default());
    let lease = |n: u8| {
        let lease = Pubkey::new_from_array([n; 32]);
        state.lease(&lease).create(0, crate::driver::RunAs::for_this_process()).unwrap();
        hub.open(&lease).unwrap()
    };
    let (growing, read) = (lease(0), lease(1));
    read.append(&[piece(1, "kept")]).unwrap();
    read.close().unwrap();
    for n in 2..200 {
        lease(n).close().unwrap();
    }
    assert!(hub.open.lock().unwrap().len() <= MAX_IDLE);
    for held in [growing, read] {
        assert!(hub.open.lock().unwrap().values().any(|log| Arc::ptr_eq(log, &held)), "it is in use");
    }
    assert_eq!(lease(7).head().lines, 0, "what was let go of is opened again");
}
