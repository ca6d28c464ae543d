//! Images that a registry shows with a login only, on the real engine.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::path::{Path, PathBuf};

use gridlease_node::api::LeaseDirectory as _;
use gridlease_node::disk::DiskKeeper;
use gridlease_node::lease::reconcile::{Action, Note};
use gridlease_node::secrets::NotTaken;
use gridlease_node::store::{Blame, Phase};
use gridlease_sdk::node_api::secrets::Secrets;
use solana_signer::Signer as _;
use support::played::Node;
use support::{Bench, with_bench};
use zeroize::Zeroizing;

const PASSWORD: &str = "pull-9b7d-never-to-be-seen";

/// A job of somebody's that runs for a second, with a login or without.
async fn job(bench: &Bench, login: bool) -> Node {
    let auth = if login { "registry_auth: { username: ci, password: { secret: REGISTRY_TOKEN } }" } else { "" };
    let command = "command: [\"/bin/sh\", \"-c\", \"ls /run; env; sleep 1\"]";
    let yaml = format!("{command}\nresources: {{ cpu: 1, memory: 64MiB, disk: 32MiB }}\n{auth}\n");
    Node::with_manifest(bench, &bench.state, DiskKeeper::detect(&bench.state), &yaml).await
}

/// As a buyer's client does it.
fn bring(node: &Node, password: &str) -> Result<(), NotTaken> {
    let key = node.board.lease_key(&node.lease)?;
    let value = Zeroizing::new(password.as_bytes().to_vec());
    let secrets = Secrets::from([("REGISTRY_TOKEN".to_owned(), value)]);
    let sealed = key.seal(&node.lease, &node.key.pubkey(), &secrets).unwrap();
    node.board.take_secrets(&node.lease, &sealed)
}

/// The job with this login, as far as it gets.
async fn with_login(bench: &Bench, password: &str) -> Node {
    let mut node = job(bench, true).await;
    node.until(|action| matches!(action, Action::AwaitBuyer { .. })).await;
    bring(&node, password).unwrap();
    node
}

/// Files below `dir` in which the password stands.
fn found_below(dir: &Path) -> Vec<PathBuf> {
    let (mut found, mut open) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if std::fs::read(&path).is_ok_and(|b| b.windows(PASSWORD.len()).any(|w| w == PASSWORD.as_bytes())) {
            found.push(path);
        }
    }
    found
}

async fn is_refused(mut node: Node) {
    node.until(|action| matches!(action, Action::Record(Note::Failed(..)) | Action::PostFailed)).await;
    let record = node.record();
    let Phase::Failed { reason } = &record.phase else { panic!("{record:?}") };
    assert!(reason.contains("does not show image") && !reason.contains("never-to-be-seen"), "{reason}");
    assert_eq!(record.blame, Blame::Buyer);
    node.until(|action| *action == Action::Nothing).await;
}

#[tokio::test]
async fn report_25_a_private_image_is_pulled_with_the_job_s_login_which_is_kept_nowhere_and_opens_nothing_to_others() {
    with_bench(|bench| async {
        bench.registry.demand("ci", PASSWORD, false);
        is_refused(job(&bench, false).await).await;

        let mut node = with_login(&bench, PASSWORD).await;
        let memory = bench.state.secrets().to_owned();
        assert_eq!(found_below(&memory).len(), 1, "in memory until the pull is over");
        node.until(|action| matches!(action, Action::Watch { .. })).await;
        assert!(found_below(&memory).is_empty(), "{:?}", found_below(&memory));
        let id = node.record().container.unwrap().0;
        let shown = std::process::Command::new("docker").args(["inspect", &id]).output().unwrap().stdout;
        assert!(shown.len() > 500 && !String::from_utf8_lossy(&shown).contains(PASSWORD));
        assert_eq!(node.finish().await.ended.unwrap().code, 0);
        assert!(!node.log().contains("REGISTRY_TOKEN") && !node.log().contains("secrets"), "{}", node.log());
        assert!(found_below(bench.state.root()).is_empty());
        drop(node);

        // The image is here now. That is nobody's way in, also after the node was started again.
        is_refused(job(&bench, false).await).await;
        is_refused(with_login(&bench, "another").await).await;
        let mut again = with_login(&bench, PASSWORD).await;
        assert_eq!(again.finish().await.ended.unwrap().code, 0);
        drop(again);

        // Once its registry shows it to everybody, so does this machine.
        bench.registry.open();
        let mut public = job(&bench, false).await;
        assert_eq!(public.finish().await.ended.unwrap().code, 0);
        drop(public);
        std::fs::remove_dir(&memory).unwrap();
        bench
    })
    .await;
}

#[tokio::test]
async fn report_25_a_registry_that_gives_tokens_for_a_login_is_pulled_from() {
    with_bench(|bench| async {
        bench.registry.demand("ci", PASSWORD, true);
        is_refused(with_login(&bench, "another").await).await;
        let mut node = with_login(&bench, PASSWORD).await;
        assert!(matches!(bring(&node, PASSWORD), Ok(())), "brought a second time");
        assert_eq!(node.finish().await.ended.unwrap().code, 0);
        drop(node);
        std::fs::remove_dir(bench.state.secrets()).unwrap();
        bench
    })
    .await;
}
