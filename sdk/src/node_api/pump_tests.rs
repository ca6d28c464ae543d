//! Both ends of a tunnel over a real websocket: bytes arrive, ends arrive, and whoever does not read holds nobody's memory.

use super::*;
use crate::node_api::client::socket::{Socket, framed, limits};
use std::future::pending;
use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::Role;

const LONG: Duration = Duration::from_secs(600);

async fn sockets() -> (impl Socket + use<>, impl Socket + use<>) {
    let (near, far) = duplex(16 * 1024);
    let near = WebSocketStream::from_raw_socket(near, Role::Client, Some(limits())).await;
    let far = WebSocketStream::from_raw_socket(far, Role::Server, Some(limits())).await;
    (framed(near), framed(far))
}

/// A tunnel: what its client holds, what its server holds, and how each of its sides ended. `stop` is the server's.
async fn tunnel(
    stop: impl Future<Output = Closing> + Send + 'static,
) -> (DuplexStream, DuplexStream, JoinHandle<Closing>, JoinHandle<Closing>) {
    let (near, far) = sockets().await;
    let ((client, local), (server, remote)) = (duplex(8 * 1024), duplex(8 * 1024));
    let near = tokio::spawn(pump(near, local, LONG, pending()));
    let far = tokio::spawn(pump(far, remote, LONG, stop));
    (client, server, near, far)
}

#[tokio::test]
async fn each_direction_ends_by_itself_and_both_together_are_the_end() {
    let (mut client, mut server, near, far) = tunnel(pending()).await;
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut text = String::new();
    server.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "question");
    server.write_all(b"answer").await.unwrap();
    server.shutdown().await.unwrap();
    text.clear();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "answer");
    assert_eq!((near.await.unwrap(), far.await.unwrap()), (Closing::done(), Closing::done()));
}

#[tokio::test]
async fn a_connection_that_nobody_reads_stops_its_sender_and_loses_nothing() {
    let (mut client, mut server, near, far) = tunnel(pending()).await;
    let sent = tokio::spawn(async move {
        let mut sent = 0u64;
        for _ in 0..100 {
            server.write_all(&[7; 10_000]).await.unwrap();
            sent += 10_000;
        }
        drop(server);
        sent
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!sent.is_finished(), "a megabyte would lie in memory");
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.len() as u64, sent.await.unwrap());
    drop(client);
    assert_eq!(near.await.unwrap(), Closing::done());
    assert_eq!(far.await.unwrap(), Closing::done());
}

#[tokio::test]
async fn whoever_stops_it_says_why_and_what_was_written_before_arrives() {
    let (stop, stopped) = oneshot::channel::<()>();
    let (mut client, mut server, near, far) = tunnel(async move {
        let _ = stopped.await;
        Closing::container_ended()
    })
    .await;
    server.write_all(b"last words").await.unwrap();
    stop.send(()).unwrap();
    drop(server);
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    assert_eq!(text, "last words");
    assert_eq!(near.await.unwrap(), Closing::container_ended());
    assert_eq!(far.await.unwrap(), Closing::container_ended());
}

#[tokio::test]
async fn a_side_that_is_gone_ends_the_other_and_so_does_a_word_that_makes_no_sense() {
    let (near, far) = sockets().await;
    let (_held, remote) = duplex(64);
    drop(near);
    assert_eq!(pump(far, remote, LONG, pending()).await.code, close_codes::LOST);

    let (near, far) = sockets().await;
    let (_held, remote) = duplex(64);
    let far = tokio::spawn(pump(far, remote, LONG, pending()));
    let mut near = Box::pin(near);
    near.send(Frame::Text("what".to_owned())).await.unwrap();
    while let Some(Ok(frame)) = near.next().await {
        if let Frame::Close(closing) = frame {
            assert_eq!(closing.code, close_codes::BAD_FRAME);
        }
    }
    assert_eq!(far.await.unwrap().code, close_codes::BAD_FRAME);
}

#[tokio::test]
async fn a_side_of_which_nothing_is_heard_is_given_up() {
    let (near, far) = sockets().await;
    let (_held, remote) = duplex(64);
    // It takes what is sent and never answers.
    let closing = pump(far, remote, Duration::from_millis(200), pending()).await;
    assert_eq!(closing.code, close_codes::SILENT);
    drop(near);
}
