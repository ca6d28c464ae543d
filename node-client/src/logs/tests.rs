//! A log loses and doubles no line.

use super::*;
use crate::driver::fake::{FakeDriver, Script};
use crate::driver::{ContainerId, Driver as _, LogPiece};
use bytes::Bytes;
use futures_util::StreamExt as _;
use gridlease_sdk::node_api::{LogChain, LogLine, LogStream};

/// A container that runs once.
static ONE: Runs = Runs { later_ms: Vec::new(), anew_ms: None, last: true };

fn piece(ts_ms: i64, text: &str) -> LogPiece {
    LogPiece { ts_ms, stream: LogStream::Stdout, bytes: Bytes::copy_from_slice(text.as_bytes()), ends_line: true }
}

/// As a reading of the engine's record from where the log is.
async fn append(log: &Arc<LeaseLog>, pieces: &[LogPiece]) -> bool {
    log.writer().await.append(pieces).unwrap()
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
    assert!(append(&log, &pieces).await);
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
    let mut writer = log.writer().await;
    writer.append(&[piece(1, "before")]).unwrap();
    let reader = tokio::spawn({
        let log = Arc::clone(&log);
        async move { lines(&log, 2, true).await }
    });
    let mut early = log.stream(0, true);
    assert!(early.next().await.is_some());
    for n in 0..3 {
        writer.append(&[piece(2, &format!("later {n}"))]).unwrap();
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
    append(&open(&dir, LogLimits::default()), &[piece(15_000, "one"), piece(15_001, "two")]).await;
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 7]).unwrap();

    let log = open(&dir, LogLimits::default());
    assert_eq!(log.head().lines, 1);
    assert_eq!(log.writer().await.begin(), Some(5), "ten seconds before the last line");
    append(&log, &[piece(15_000, "one"), piece(15_001, "two"), piece(15_002, "three")]).await;
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
    append(&log, &[piece(9_000, "a"), piece(9_000, "a"), piece(9_001, "b"), piece(9_002, "c")]).await;
    // The first two were rotated away; "c" comes again as a new line later.
    append(&log, &[piece(9_001, "b"), piece(9_002, "c"), piece(9_003, "c"), piece(9_003, "d")]).await;
    assert_eq!(texts(&lines(&log, 0, false).await), ["a", "a", "b", "c", "c", "d"]);
}

#[tokio::test]
async fn report28_lines_that_the_engine_dropped_before_they_were_read_are_said_to_be_missing_once() {
    let dir = tempfile::tempdir().unwrap();
    let stderr = |ts_ms, text| LogPiece { stream: LogStream::Stderr, ..piece(ts_ms, text) };
    for times in 0..3 {
        // A restarted node reads the same again.
        let log = open(&dir, LogLimits::default());
        if times == 0 {
            append(&log, &[stderr(1_000, "once"), piece(90_000, "a"), piece(90_001, "b")]).await;
        }
        // All that the log has is rotated away, and more. Of the other stream nothing was due since then.
        append(&log, &[piece(90_009, "y"), stderr(90_009, "x"), piece(90_009, "z")]).await;
        let all = lines(&log, 0, false).await;
        let [once, a, b, gap, y, x, z] = texts(&all).try_into().unwrap();
        assert_eq!([once, a, b, y, x, z], ["once", "a", "b", "y", "x", "z"]);
        assert!(gap.starts_with("[gridlease] lines are missing here"), "{gap}");
        let mut chain = LogChain::genesis();
        all.iter().for_each(|line| chain.verify(line).unwrap());
    }
}

#[tokio::test]
async fn issue9_01_equal_lines_of_one_millisecond_are_each_written_once_wherever_a_restart_falls() {
    let said: Vec<_> = (0..1_000).map(|_| piece(20_000, "y")).chain([piece(20_001, "end")]).collect();
    for cut in [1, 2, 499, 999, 1_000, 1_001] {
        let dir = tempfile::tempdir().unwrap();
        append(&open(&dir, LogLimits::default()), &said[..cut]).await;
        let log = open(&dir, LogLimits::default());
        append(&log, &said).await;
        append(&log, &said).await;
        assert_eq!(log.head().lines, 1_001, "cut after {cut}");
    }
}

#[tokio::test]
async fn issue9_01_a_second_reader_waits_for_the_first_and_disturbs_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let runs_for = Some(std::time::Duration::from_millis(200));
    let driver = FakeDriver::new(Script { output: expected.clone(), runs_for, ..Script::default() });
    let id = ContainerId("c".to_owned());
    driver.start(&id).await.unwrap();
    let log = open(&dir, LogLimits::default());
    let (first, second, third) = tokio::join!(
        collect(&driver, &id, &log, &ONE),
        collect(&driver, &id, &log, &ONE),
        collect(&driver, &id, &log, &ONE)
    );
    let head = first.unwrap();
    assert!(head.closed && head == second.unwrap() && head == third.unwrap());
    assert_eq!(texts(&lines(&log, 0, true).await), expected);
}

#[tokio::test]
async fn issue9_01_a_reader_that_is_dropped_leaves_its_place_to_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let expected: Vec<String> = (0..300).map(|n| n.to_string()).collect();
    let runs_for = Some(std::time::Duration::from_millis(400));
    let driver = FakeDriver::new(Script { output: expected.clone(), runs_for, ..Script::default() });
    let id = ContainerId("c".to_owned());
    driver.start(&id).await.unwrap();
    let log = open(&dir, LogLimits::default());
    let follower = tokio::spawn({
        let (driver, id, log) = (driver.clone(), id.clone(), Arc::clone(&log));
        async move { collect(&driver, &id, &log, &ONE).await }
    });
    while log.head().lines < 300 {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    follower.abort();
    assert!(collect(&driver, &id, &log, &ONE).await.unwrap().closed);
    assert_eq!(texts(&lines(&log, 0, true).await), expected);
}

#[tokio::test]
async fn threat_18_a_clock_that_is_set_back_doubles_nothing_and_loses_nothing_in_one_reading() {
    let dir = tempfile::tempdir().unwrap();
    let said = [piece(50_000, "a"), piece(20_000, "b"), piece(20_001, "c")];
    append(&open(&dir, LogLimits::default()), &said).await;
    let log = open(&dir, LogLimits::default());
    append(&log, &said).await;
    assert_eq!(texts(&lines(&log, 0, false).await), ["a", "b", "c"]);
}

#[tokio::test]
async fn the_two_streams_are_told_apart_when_they_say_the_same_at_the_same_time() {
    let err = |ts_ms, text| LogPiece { stream: LogStream::Stderr, ..piece(ts_ms, text) };
    let said = [piece(5, "x"), err(5, "x"), err(5, "x"), piece(6, "x"), err(4, "late")];
    for cut in 0..=said.len() {
        let dir = tempfile::tempdir().unwrap();
        append(&open(&dir, LogLimits::default()), &said[..cut]).await;
        let log = open(&dir, LogLimits::default());
        append(&log, &said[..4]).await;
        assert_eq!(log.head().lines, cut.max(4) as u64, "cut after {cut}");
    }
}

fn small() -> LogLimits {
    LogLimits { file_bytes: 4_096, line_bytes: 64 }
}

#[tokio::test]
async fn a_log_that_is_full_says_so_once_and_stays_so_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, small());
    let flood: Vec<_> = (0..100).map(|n| piece(n, "xxxxxxxxxxxxxxxxxxxxxxxx")).collect();
    assert!(!append(&log, &flood).await && log.is_full());
    let head = log.head();
    assert!(head.bytes <= 4_096 && head.lines < 100);
    drop(log);

    let log = open(&dir, small());
    assert!(!append(&log, &flood).await && log.is_full());
    assert_eq!(log.head(), head, "nothing is added to a full log");
    let all = lines(&log, 0, false).await;
    let last = all.last().unwrap();
    assert!(last.stream == LogStream::Stderr && last.line.contains("limit of 4096 bytes"), "{last:?}");
    assert_eq!(all.iter().filter(|l| l.line.contains("limit of")).count(), 1);
}

#[tokio::test]
async fn issue9_01_a_job_that_prints_the_nodes_own_mark_is_no_full_log() {
    let dir = tempfile::tempdir().unwrap();
    let mark = "[gridlease] the log reached its limit of 1048576 bytes; later output is not kept";
    let limits = LogLimits { file_bytes: 1 << 20, line_bytes: 1024 };
    let said: Vec<_> = ["one", mark, mark, "two"]
        .iter()
        .map(|text| LogPiece { stream: LogStream::Stderr, ..piece(9_000, text) })
        .collect();
    for cut in 1..=4 {
        let dir = tempfile::tempdir_in(&dir).unwrap();
        append(&open(&dir, limits), &said[..cut]).await;
        let log = open(&dir, limits);
        assert!(!log.is_full() && append(&log, &said).await, "cut after {cut}");
        assert_eq!(texts(&lines(&log, 0, false).await), ["one", mark, mark, "two"], "cut after {cut}");
    }
}

#[tokio::test]
async fn a_node_that_dies_while_its_log_becomes_full_says_so_once_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log.ndjson");
    let flood: Vec<_> = (0..100).map(|n| piece(n, "xxxxxxxxxxxxxxxxxxxxxxxx")).collect();
    append(&open(&dir, small()), &flood).await;
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let (marked, before) = (lines.len(), lines.len() - 1);
    // Killed before the last line was written; then, after a power cut, with two more lines lost.
    for (kept, full) in [(before, true), (before - 2, false)] {
        std::fs::write(&path, lines[..kept].concat()).unwrap();
        let log = open(&dir, small());
        assert_eq!(log.is_full(), full);
        append(&log, &flood).await;
        assert!(log.is_full());
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!((text.lines().count(), text.matches("limit of").count()), (marked, 1));
    }
}

#[tokio::test]
async fn issue9_11_a_full_log_is_not_read_on_and_closed_when_the_container_ends() {
    let dir = tempfile::tempdir().unwrap();
    let output: Vec<String> = (0..50_000).map(|n| format!("flood {n}")).collect();
    let runs_for = Some(std::time::Duration::from_millis(300));
    let driver = FakeDriver::new(Script { output, runs_for, ..Script::default() });
    let id = ContainerId("c".to_owned());
    driver.start(&id).await.unwrap();
    let log = open(&dir, LogLimits { file_bytes: 100_000, line_bytes: 64 });
    assert!(collect(&driver, &id, &log, &ONE).await.unwrap().closed);
    let (connections, pieces) = driver.logs_read();
    assert!(connections == 1 && pieces < 2_000, "{connections} connections, {pieces} pieces of 50,000");
}

#[tokio::test]
async fn a_line_that_is_too_long_becomes_several_cut_between_characters() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, LogLimits { file_bytes: 1 << 20, line_bytes: 10 });
    let bad = LogPiece { stream: LogStream::Stderr, bytes: Bytes::from_static(b"bad \xff byte"), ..piece(2, "") };
    append(&log, &[piece(1, "größergrößer"), piece(1, ""), bad]).await;
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
    let _ = tokio::time::timeout(std::time::Duration::from_millis(150), collect(&driver, &id, &log, &ONE)).await;
    drop(log);
    let log = open(&dir, LogLimits::default());
    let head = collect(&driver, &id, &log, &ONE).await.unwrap();
    assert!(head.closed && head.lines == 1_000, "{head:?}");
    assert_eq!(texts(&lines(&log, 0, true).await), expected);
}

#[tokio::test]
async fn issue9_11_a_log_that_the_engine_does_not_hand_over_is_closed_with_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let log = open(&dir, LogLimits::default());
    let mut stuck = log.writer().await;
    stuck.append(&[piece(1, "one")]).unwrap();
    let head = log.cut_short().unwrap();
    assert!(head.closed && head.lines == 2);
    assert!(!stuck.append(&[piece(2, "late")]).unwrap(), "a closed log takes no more");
    assert_eq!(log.cut_short().unwrap(), head);
    assert!(lines(&log, 0, true).await[1].line.contains("did not hand over the rest"));
}

#[tokio::test]
async fn issue9_02_complete_logs_that_nobody_reads_do_not_keep_their_files_open() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let hub = LogHub::new(state.clone(), LogLimits::default());
    let lease = |n: u8| {
        let lease = Pubkey::new_from_array([n; 32]);
        state.lease(&lease).create(0, crate::driver::RunAs::for_this_process()).unwrap();
        hub.open(&lease).unwrap()
    };
    let (growing, read) = (lease(0), lease(1));
    append(&read, &[piece(1, "kept")]).await;
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
