//! A training loop that writes checkpoints, on the real engine: its machine dies, and it goes on at another provider. The market is
//! played by the test.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::time::Duration;

use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::driver::Driver as _;
use gridlease_node::inputs::FetchPolicy;
use gridlease_node::lease::reconcile::{Action, Note};
use gridlease_node::state_dir::StateDir;
use gridlease_node::store::{Blame, Phase};
use gridlease_sdk::artifact::PushedIndex;
use gridlease_sdk::node_api::events::kinds;
use gridlease_testkit::origin::store::{KEY, KEY_ID, REGION, Store};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use support::played::Node;
use support::{Bench, with_bench};
use zeroize::Zeroizing;

const INDEX: &str = "run/index.json";

/// Counts on from where its last checkpoint is, `steps` further.
fn training(steps: u32) -> String {
    format!(
        "n=$(cat /ckpt/step 2>/dev/null || echo 0); echo from $n; end=$((n + {steps})); \
         while [ $n -lt $end ]; do n=$((n + 1)); echo $n > /tmp/step; /bin/busybox cp /tmp/step /ckpt/.new; \
         /bin/busybox mv /ckpt/.new /ckpt/step; sleep 0.4; done; echo done at $n"
    )
}

async fn attempt(bench: &Bench, state: &StateDir, store: &Store, number: u8, every: &str, script: &str) -> Node {
    let s3 = format!("{{ endpoint: \"{}\", region: {REGION}, access_key: ID, secret_key: KEY }}", store.url);
    let yaml = format!(
        "command: [\"/bin/sh\", \"-c\", {script:?}]\nresources: {{ cpu: 1, memory: 64MiB, disk: 32MiB }}\n\
         secrets: {{ ID: {{ from: env }}, KEY: {{ from: env }} }}\n\
         outputs: [ {{ path: /ckpt, push: s3://bucket/run, s3: {s3}, {every} restore: true }} ]\n"
    );
    let policy = FetchPolicy { allow_private: true, pace: (1_000, Duration::from_secs(5)), ..FetchPolicy::default() };
    let disk = DiskKeeper::detect(state);
    let change = |lease: &mut gridlease_node::store::NewLease| {
        (lease.job, lease.attempt) = (Pubkey::new_from_array([5; 32]), number);
    };
    let mut node = Node::with_policy(bench, state, disk, &yaml, policy, change).await;
    node.until(|action| matches!(action, Action::AwaitBuyer { .. })).await;
    let key = node.board.lease_key(&node.lease).unwrap();
    let pairs = [("ID", KEY_ID), ("KEY", KEY)];
    let secrets = pairs.iter().map(|(n, v)| ((*n).to_owned(), Zeroizing::new(v.as_bytes().to_vec()))).collect();
    let sealed = key.seal(&node.lease, &node.key.pubkey(), &secrets).unwrap();
    node.board.take_secrets(&node.lease, &sealed).unwrap();
    node
}

/// The store's list, and the step that it names.
fn listed(store: &Store) -> Option<(PushedIndex, u32)> {
    let objects = store.objects("bucket");
    let list: PushedIndex = serde_json::from_slice(objects.get(INDEX)?).unwrap();
    let file = list.files.iter().find(|file| file.path == "step")?;
    let step = String::from_utf8(objects[&file.objects[0]].clone()).unwrap();
    Some((list, step.trim().parse().unwrap()))
}

async fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..400 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{what}");
}

fn events(node: &Node) -> Vec<String> {
    let events = node.store.events(&node.lease, 0, 200).unwrap();
    events.into_iter().map(|event| format!("{} {}", event.event, event.message)).collect()
}

#[tokio::test]
async fn a_training_loop_whose_machine_dies_goes_on_from_its_last_checkpoint_at_another_provider() {
    with_bench(|bench| async {
        let store = Store::start(None).await;
        let dir = tempfile::tempdir().unwrap();
        let (one, two) =
            (StateDir::open(&dir.path().join("one")).unwrap(), StateDir::open(&dir.path().join("two")).unwrap());
        let reached = {
            let mut node = attempt(&bench, &one, &store, 1, "every: 10s,", &training(1_000)).await;
            node.until(|action| matches!(action, Action::Watch { .. })).await;
            let (worker, record) = (node.worker.clone(), node.record());
            let beside = tokio::spawn(async move { worker.push_while_running(&record).await });
            let (_, reached) = soon("a checkpoint is pushed", || listed(&store)).await;
            soon("it is told", || events(&node).iter().any(|event| event.starts_with("pushed ")).then_some(())).await;
            // The power goes.
            beside.abort();
            let _ = beside.await;
            bench.driver.remove(&node.record().container.unwrap()).await.unwrap();
            reached
        };
        assert!(reached > 0);

        let mut node = attempt(&bench, &two, &store, 2, "", &training(3)).await;
        let record = node.finish().await;
        assert_eq!(record.ended.as_ref().unwrap().code, 0, "{}", node.log());
        let (list, _) = listed(&store).unwrap();
        for line in [format!("from {reached}"), format!("done at {}", reached + 3)] {
            assert!(node.log().contains(&line), "{line} of {list:?} is missing in {}", node.log());
        }
        // The end of the lease did not wait for it.
        let last = soon("the end is pushed", || listed(&store).filter(|(list, _)| list.last)).await;
        assert_eq!((last.0.attempt, last.1), (2, reached + 3));
        soon("nothing is due any more", || (!node.record().push_due).then_some(())).await;
        let told = events(&node);
        let at = |kind: &str| told.iter().position(|event| event.starts_with(&format!("{kind} ")));
        assert!(at(kinds::RESTORED).unwrap() < at("pulling").unwrap(), "{told:?}");
        assert!(at(kinds::PUSHED).is_some() && at(kinds::NOT_PUSHED).is_none(), "{told:?}");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_store_that_is_gone_at_the_end_holds_up_nothing_and_what_is_not_there_is_named() {
    with_bench(|bench| async {
        let store = Store::start(None).await;
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("one")).unwrap();
        let script = "echo x > /ckpt/weights; /bin/busybox ln -s /etc/passwd /ckpt/link";
        let mut node = attempt(&bench, &state, &store, 1, "", script).await;
        node.until(|action| matches!(action, Action::Watch { .. } | Action::Do(_) if store.book.seen().len() == 1))
            .await;
        // From now on it says no to everything.
        store.deny();
        let record = node.finish().await;
        assert_eq!(record.ended.unwrap().code, 0);
        soon("nothing is due any more", || (!node.record().push_due).then_some(())).await;
        let told: Vec<_> = events(&node).into_iter().filter(|event| event.starts_with("not_pushed ")).collect();
        assert!(told[0].contains("the store answers 403"), "{told:?}");
        assert_eq!(told[1..], ["not_pushed outputs[0]: weights", "not_pushed outputs[0]: link (it is a link)"]);
        assert_eq!(node.collected().listing.files.len(), 1, "the node has it");
        bench
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_restored_ends_the_start_in_words_and_is_not_the_provider_s_fault() {
    with_bench(|bench| async {
        let store = Store::start(None).await;
        store.put("bucket", INDEX, b"no list", false);
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("one")).unwrap();
        let mut node = attempt(&bench, &state, &store, 1, "", "true").await;
        node.until(|action| matches!(action, Action::PostFailed | Action::Record(Note::Failed(..)))).await;
        let record = node.record();
        let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
        assert!(reason.contains("what was pushed before cannot be restored"), "{reason}");
        assert_eq!(record.blame, Blame::Buyer);
        bench
    })
    .await;
}
