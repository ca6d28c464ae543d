//! What happens to a lease on the real engine is told to who follows it, each once, to its end and after a restart.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use futures_util::StreamExt as _;
use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::lease_events::stream;
use gridlease_node::stats::Feed;
use gridlease_node::store::Store;
use gridlease_sdk::node_api::LeaseEvent;
use solana_signer::Signer as _;
use support::played::Node;
use support::with_bench;

async fn told(feed: Feed) -> Vec<LeaseEvent> {
    let pieces: Vec<_> = feed.map(Result::unwrap).collect().await;
    let text = String::from_utf8(pieces.concat()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn names(events: &[LeaseEvent]) -> Vec<&str> {
    events.iter().map(|event| event.event.as_str()).collect()
}

#[tokio::test]
async fn who_follows_a_lease_s_events_gets_each_once_until_nothing_is_left_to_do() {
    with_bench(|bench| async {
        let state = bench.state.clone();
        let mut node = Node::with_job(&bench, &state, DiskKeeper::measuring(), "64MiB", "echo hi; exit 3").await;
        let lease = node.lease;
        let follower = tokio::spawn(told(node.board.events(&lease, 0, true).unwrap()));
        node.finish().await;
        let events = follower.await.unwrap();
        // The words to the chain are its task's, which the test plays.
        let life = ["won", "inputs_ready", "pulling", "pulled", "created", "started", "ended", "collected", "wiped"];
        let seen: Vec<_> = names(&events).into_iter().filter(|name| !["message", "ready"].contains(name)).collect();
        assert_eq!(seen, life);
        let of = |name: &str| events.iter().find(|event| event.event == name).unwrap().message.as_str();
        assert!(of("pulled").ends_with("unpacked"), "{events:?}");
        assert_eq!((of("ended"), of("collected")), ("with code 3", "1 log lines"));
        assert!(events.windows(2).all(|pair| pair[0].at_ms <= pair[1].at_ms && pair[0].seq + 1 == pair[1].seq));

        // The log's head, as it will stand on chain, is the node's signed word.
        let (head, record) = (node.board.log_head(&lease).unwrap(), node.record());
        head.verify(&lease, &node.key.pubkey()).unwrap();
        head.compare(record.log_hash).unwrap();
        assert_eq!((head.lines, head.closed), (1, true));

        // A node that is started again tells the same, and who was cut off goes on where that was.
        drop(node);
        let store = Store::open(&state.database()).unwrap();
        assert_eq!(told(stream(store.clone(), lease, 0, true)).await, events);
        assert_eq!(told(stream(store, lease, 4, false)).await, events[4..]);
        bench
    })
    .await;
}
