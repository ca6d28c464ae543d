//! The log is what the container wrote: each line once and in order, whoever else reads it and whatever happens to the node.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::time::Duration;

use gridlease_node::driver::ContainerState;
use gridlease_node::logs::LogLimits;
use gridlease_node::store::LeaseRecord;
use gridlease_sdk::node_api::{LogChain, LogLine, LogStream};
use support::node::Node;
use support::{Bench, with_bench};

/// The log's file, its hash chain checked.
fn lines(bench: &Bench, record: &LeaseRecord) -> Vec<LogLine> {
    let text = std::fs::read_to_string(bench.state.lease(&record.lease).log()).unwrap();
    let lines: Vec<LogLine> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut chain = LogChain::genesis();
    lines.iter().for_each(|line| chain.verify(line).unwrap());
    if record.output_root.is_some() {
        assert_eq!((record.log_lines, record.log_hash), (lines.len() as u64, chain.last()));
    }
    lines
}

/// Compares line by line, and says where they differ instead of printing thousands.
fn assert_lines(got: &[LogLine], stream: LogStream, expected: impl IntoIterator<Item = impl AsRef<str>>) {
    let got: Vec<&str> = got.iter().filter(|line| line.stream == stream).map(|line| line.line.as_str()).collect();
    let expected: Vec<_> = expected.into_iter().collect();
    for (at, (got, expected)) in got.iter().zip(&expected).enumerate() {
        assert!(
            *got == expected.as_ref(),
            "{stream:?} line {at} is {got:?}, the container wrote {:?}",
            expected.as_ref()
        );
    }
    assert_eq!(got.len(), expected.len(), "lines of {stream:?}");
}

fn counted(to: u32) -> Vec<String> {
    (1..=to).map(|n| n.to_string()).collect()
}

#[tokio::test]
async fn issue9_01_three_hundred_lines_arrive_once_and_in_order_ten_jobs_in_a_row() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        for number in 1..=10 {
            let record = node.launch(&bench, number, "seq 1 300; sleep 1").await;
            let record = node.to_the_end(&record).await;
            assert_lines(&lines(&bench, &record), LogStream::Stdout, counted(300));
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_01_two_jobs_at_once_each_have_their_own_lines() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let first = node.launch(&bench, 1, "seq 1 300; sleep 1; seq 301 600").await;
        let second = node.launch(&bench, 2, "seq 1 200; sleep 0.5; seq 201 400 >&2").await;
        let (first, second) = tokio::join!(node.to_the_end(&first), node.to_the_end(&second));
        assert_lines(&lines(&bench, &first), LogStream::Stdout, counted(600));
        let second = lines(&bench, &second);
        assert_lines(&second, LogStream::Stdout, counted(200));
        assert_lines(&second, LogStream::Stderr, (201..=400).map(|n| n.to_string()));
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_01_a_node_that_restarts_in_the_middle_loses_and_doubles_nothing() {
    with_bench(|bench| async {
        let script = "for n in $(seq 1 20); do seq 1 100; sleep 0.1; done";
        let record = {
            let node = Node::start(&bench);
            let record = node.launch(&bench, 1, script).await;
            let log = node.worker.log(&record.lease).await.unwrap();
            let follower = node.worker.clone();
            let enough = async {
                while log.head().lines < 450 {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                () = enough => {}
                _ = follower.follow_log(&record) => panic!("the container outlives the first node"),
            }
            record
        };
        let node = Node::start(&bench);
        assert!(matches!(node.worker.observe(&record).await.unwrap(), ContainerState::Running { .. }));
        let record = node.to_the_end(&record).await;
        let expected: Vec<String> = (0..20).flat_map(|_| counted(100)).collect();
        assert_lines(&lines(&bench, &record), LogStream::Stdout, expected);
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_01_five_thousand_fast_lines_a_thousand_equal_ones_and_both_streams_are_what_was_written() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        let script = "seq 1 5000; yes same | head -1000; seq 1 2000 >&2; echo end; printf tail";
        let record = node.launch(&bench, 1, script).await;
        let record = node.to_the_end(&record).await;
        let got = lines(&bench, &record);
        let mut expected = counted(5_000);
        expected.extend((0..1_000).map(|_| "same".to_owned()));
        expected.extend(["end".to_owned(), "tail".to_owned()]);
        assert_lines(&got, LogStream::Stdout, expected);
        assert_lines(&got, LogStream::Stderr, counted(2_000));
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_01_a_long_line_comes_in_parts_of_sixteen_kibibytes_and_nothing_else() {
    with_bench(|bench| async {
        let node = Node::start(&bench);
        // Of 40,000 bytes, of just the longest length, and of one byte more, each between two short ones.
        let line = |bytes: usize| format!("head -c {bytes} /dev/zero | tr '\\0' x; echo; echo short;");
        let script = format!("echo short; {} {} {}", line(40_000), line(16_384), line(16_385));
        let record = node.launch(&bench, 1, &script).await;
        let record = node.to_the_end(&record).await;
        let x = |bytes: usize| "x".repeat(bytes);
        let short = || "short".to_owned();
        let expected = [short(), x(16_384), x(16_384), x(7_232), short(), x(16_384), short(), x(16_384), x(1), short()];
        assert_lines(&lines(&bench, &record), LogStream::Stdout, expected);
        bench
    })
    .await;
}

#[tokio::test]
async fn issue9_01_a_job_that_prints_the_nodes_own_mark_keeps_its_log_also_over_a_restart() {
    with_bench(|bench| async {
        let mark = format!(
            "[gridlease] the log reached its limit of {} bytes; later output is not kept",
            LogLimits::default().file_bytes
        );
        let script =
            format!("echo one >&2; echo '{mark}' >&2; sleep 1; echo two >&2; echo '{mark}' >&2; echo three >&2");
        let record = {
            let node = Node::start(&bench);
            let record = node.launch(&bench, 1, &script).await;
            let follower = node.worker.clone();
            let _ = tokio::time::timeout(Duration::from_millis(500), follower.follow_log(&record)).await;
            record
        };
        let node = Node::start(&bench);
        let record = node.to_the_end(&record).await;
        let expected = ["one", &mark, "two", &mark, "three"];
        assert_lines(&lines(&bench, &record), LogStream::Stderr, expected);
        bench
    })
    .await;
}
