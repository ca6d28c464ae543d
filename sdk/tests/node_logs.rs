//! Following a log over a real connection that breaks, and from a node that lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

mod support;

use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use gridlease_sdk::node_api::client::{LogStart, NodeError};
use gridlease_sdk::node_api::{LogChain, LogChainError, LogLine};
use solana_pubkey::Pubkey;
use support::node::TestNode;

fn id() -> Pubkey {
    Pubkey::new_from_array([3; 32])
}

async fn texts(stream: impl Stream<Item = Result<LogLine, NodeError>>) -> Result<Vec<String>, NodeError> {
    stream.map_ok(|line| line.line).try_collect().await
}

#[tokio::test]
async fn a_log_is_read_from_the_beginning_to_its_end_and_its_last_value_is_the_log_hash() {
    let node = TestNode::start().await;
    node.write_log(&["one", "!two", "", "größer \u{1}\""]);
    let lines: Vec<LogLine> = node.client().logs(id(), LogStart::Beginning, false).try_collect().await.unwrap();
    assert_eq!(lines, *node.state.log.lock().unwrap());
    let mut chain = LogChain::genesis();
    for line in &lines {
        chain.verify(line).unwrap();
    }
    assert_eq!(hex::encode(chain.last()), lines[3].chain);
}

#[tokio::test]
async fn an_empty_log_ends_at_once() {
    let node = TestNode::start().await;
    for start in [LogStart::Beginning, LogStart::At(5)] {
        assert!(texts(node.client().logs(id(), start, false)).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn a_log_is_read_from_a_number_or_after_what_was_read_before() {
    let node = TestNode::start().await;
    node.write_log(&["0", "1", "2", "3"]);
    let read = texts(node.client().logs(id(), LogStart::At(2), false)).await.unwrap();
    assert_eq!(read, ["2", "3"]);
    let mut chain = LogChain::genesis();
    for line in &node.state.log.lock().unwrap()[..3] {
        chain.verify(line).unwrap();
    }
    let read = texts(node.client().logs(id(), LogStart::After(chain), false)).await.unwrap();
    assert_eq!(read, ["3"]);
}

#[tokio::test]
async fn a_log_that_is_followed_brings_later_lines_and_ends_with_the_container() {
    let node = TestNode::start().await;
    *node.state.log_ended.lock().unwrap() = false;
    node.write_log(&["early"]);
    let mut stream = Box::pin(node.client().logs(id(), LogStart::Beginning, true));
    assert_eq!(stream.next().await.unwrap().unwrap().line, "early");
    node.write_log(&["late"]);
    assert_eq!(stream.next().await.unwrap().unwrap().line, "late");
    *node.state.log_ended.lock().unwrap() = true;
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_broken_connection_is_resumed_after_the_last_line_without_loss_or_repetition() {
    let node = TestNode::start().await;
    let written: Vec<String> = (0..50).map(|n| format!("line {n}")).collect();
    node.write_log(&written.iter().map(String::as_str).collect::<Vec<_>>());
    // At odd places, in the middle of lines, and twice before the first line is complete.
    node.state.breaks.lock().unwrap().extend([0, 10, 500, 1, 3000]);
    let read = texts(node.client().logs(id(), LogStart::Beginning, true)).await.unwrap();
    assert_eq!(read, written);
    let starts = node.state.log_starts.lock().unwrap().clone();
    assert_eq!(starts.len(), 6, "{starts:?}");
    assert!(starts.is_sorted() && starts[5] > 0, "{starts:?}");
}

#[tokio::test]
async fn a_connection_that_never_gets_anywhere_is_given_up() {
    let node = TestNode::start().await;
    node.write_log(&["one"]);
    node.state.breaks.lock().unwrap().extend([3; 100]);
    let error = texts(node.client().logs(id(), LogStart::Beginning, true)).await.unwrap_err();
    assert!(matches!(error, NodeError::Unreachable { .. }), "{error:?}");
    assert_eq!(node.state.log_starts.lock().unwrap().len(), 5);
}

#[tokio::test]
async fn an_altered_line_is_an_error_after_the_lines_that_are_good() {
    let node = TestNode::start().await;
    node.write_log(&["good", "evidence", "more"]);
    node.state.log.lock().unwrap()[1].line = "nothing to see".to_owned();
    let mut stream = Box::pin(node.client().logs(id(), LogStart::Beginning, true));
    assert_eq!(stream.next().await.unwrap().unwrap().line, "good");
    let error = stream.next().await.unwrap().unwrap_err();
    assert!(matches!(error, NodeError::Log(LogChainError::Altered { seq: 1 })), "{error:?}");
    assert!(stream.next().await.is_none());
}

#[tokio::test]
async fn a_dropped_line_is_an_error() {
    let node = TestNode::start().await;
    node.write_log(&["good", "evidence", "more"]);
    node.state.log.lock().unwrap().remove(1);
    let error = texts(node.client().logs(id(), LogStart::Beginning, false)).await.unwrap_err();
    assert!(matches!(error, NodeError::Log(LogChainError::Gap { expected: 1, found: 2 })), "{error:?}");
}

#[tokio::test]
async fn a_line_without_end_is_cut_off() {
    let node = TestNode::start().await;
    node.write_log(&[&"x".repeat(200_000)]);
    let error = texts(node.client().logs(id(), LogStart::Beginning, false)).await.unwrap_err();
    assert!(matches!(error, NodeError::AnswerTooLarge { .. }), "{error:?}");
}
