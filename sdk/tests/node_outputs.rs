//! Fetching outputs from a node that is honest, one that breaks off, and one that lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

mod support;

use gridlease_sdk::artifact::{ArtifactError, Limits, OutputListing, output_root};
use gridlease_sdk::node_api::client::NodeError;
use solana_pubkey::Pubkey;
use std::path::Path;
use support::node::TestNode;

fn id() -> Pubkey {
    Pubkey::new_from_array([3; 32])
}

async fn node() -> (TestNode, [u8; 32]) {
    let node = TestNode::start().await;
    node.write_output("frame.png", "pixels");
    node.write_output("deep/er/notes.txt", &"n".repeat(100_000));
    let root = output_root(&node.true_listing().files).unwrap();
    (node, root)
}

async fn fetch(node: &TestNode, dest: &Path, root: [u8; 32]) -> Result<OutputListing, NodeError> {
    node.client().fetch_outputs(&id(), dest, root, Limits::default()).await
}

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn outputs_are_put_in_place_whole_and_fetching_them_again_changes_nothing() {
    let (node, root) = node().await;
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("new/results");
    let listing = fetch(&node, &dest, root).await.unwrap();
    assert_eq!(listing, node.true_listing());
    assert_eq!(std::fs::read(dest.join("frame.png")).unwrap(), b"pixels");
    assert_eq!(entries(&base.path().join("new")), ["results"]);
    let before = node.requests();
    fetch(&node, &dest, root).await.unwrap();
    assert_eq!(node.requests(), before + 1, "the list, and no archive");
}

#[tokio::test]
async fn an_empty_folder_is_filled_and_no_outputs_make_an_empty_one() {
    let (node, root) = node().await;
    let base = tempfile::tempdir().unwrap();
    fetch(&node, base.path(), root).await.unwrap();
    assert_eq!(entries(base.path()), ["deep", "frame.png"]);

    let node = TestNode::start().await;
    let root = output_root(&[]).unwrap();
    let dest = base.path().join("none");
    fetch(&node, &dest, root).await.unwrap();
    assert!(entries(&dest).is_empty());
}

#[tokio::test]
async fn a_folder_that_holds_something_else_is_left_alone() {
    let (node, root) = node().await;
    let base = tempfile::tempdir().unwrap();
    std::fs::write(base.path().join("mine"), "precious").unwrap();
    let error = fetch(&node, base.path(), root).await.unwrap_err();
    assert!(matches!(error, NodeError::DestinationInUse { .. }), "{error:?}");
    assert_eq!(entries(base.path()), ["mine"]);
}

#[tokio::test]
async fn a_transfer_that_breaks_off_is_made_again() {
    let (node, root) = node().await;
    node.state.breaks.lock().unwrap().extend([0, 50_000]);
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("results");
    fetch(&node, &dest, root).await.unwrap();
    assert_eq!(entries(base.path()), ["results"]);
}

#[tokio::test]
async fn outputs_that_differ_from_what_is_on_chain_are_refused_before_anything_is_loaded() {
    let (node, _) = node().await;
    let base = tempfile::tempdir().unwrap();
    let error = fetch(&node, &base.path().join("results"), [5; 32]).await.unwrap_err();
    assert!(matches!(error, NodeError::Output(ArtifactError::RootMismatch { .. })), "{error:?}");
    assert_eq!(node.requests(), 1);
    assert!(entries(base.path()).is_empty());
}

#[tokio::test]
async fn an_archive_that_differs_from_the_list_is_refused_and_leaves_nothing() {
    let tricks: [fn(&TestNode); 4] = [
        |node| node.write_output("frame.png", "pixelz"),
        |node| node.write_output("frame.png", "pixels and more"),
        |node| node.write_output("extra", ""),
        |node| std::fs::remove_file(node.state.outputs.path().join("frame.png")).unwrap(),
    ];
    for (number, trick) in tricks.into_iter().enumerate() {
        let (node, root) = node().await;
        *node.state.listing.lock().unwrap() = Some(node.true_listing());
        trick(&node);
        let base = tempfile::tempdir().unwrap();
        let error = fetch(&node, &base.path().join("results"), root).await.unwrap_err();
        assert!(matches!(error, NodeError::Output(_)), "{number}: {error:?}");
        assert!(entries(base.path()).is_empty(), "{number}");
    }
}

#[tokio::test]
async fn outputs_beyond_the_buyers_limits_are_refused() {
    let (node, root) = node().await;
    let base = tempfile::tempdir().unwrap();
    let limits = Limits { bytes: 1000, ..Limits::default() };
    let dest = base.path().join("results");
    let error = node.client().fetch_outputs(&id(), &dest, root, limits).await.unwrap_err();
    assert_eq!(error.to_string(), "outputs of more than 1000 bytes");
    assert!(entries(base.path()).is_empty());
}

#[cfg(unix)]
#[tokio::test]
async fn issue9_09_the_rest_is_fetched_and_what_was_left_out_is_told_each_time() {
    let node = TestNode::start().await;
    node.write_output("good", "1");
    node.write_output("a\nb", "2");
    std::os::unix::fs::symlink("/etc/passwd", node.state.outputs.path().join("link")).unwrap();
    let root = output_root(&node.true_listing().files).unwrap();
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("results");
    for _ in 0..2 {
        let listing = fetch(&node, &dest, root).await.unwrap();
        assert_eq!(entries(&dest), ["good"]);
        let left_out: Vec<_> = listing.left_out.entries.iter().map(ToString::to_string).collect();
        assert_eq!(left_out, ["a\\nb (its name has a control character; rename it)", "link (it is a link)"]);
    }
}
