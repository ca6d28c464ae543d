//! Fetching single outputs from a node that is honest, one that breaks off, and one that lies.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

mod support;

use gridlease_sdk::artifact::{ArtifactError, OutputFile};
use gridlease_sdk::node_api::client::NodeError;
use solana_pubkey::Pubkey;
use std::path::Path;
use std::sync::atomic::Ordering;
use support::node::TestNode;

fn id() -> Pubkey {
    Pubkey::new_from_array([3; 32])
}

fn content() -> String {
    (0..100_000).map(|n| char::from(b'a' + u8::try_from(n % 26).unwrap())).collect()
}

async fn node() -> (TestNode, OutputFile) {
    let node = TestNode::start().await;
    node.write_output("deep/notes & more.txt", &content());
    node.write_output("empty", "");
    let file = node.true_listing().files.remove(0);
    (node, file)
}

fn entries(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn ranges(node: &TestNode) -> Vec<String> {
    std::mem::take(&mut *node.state.ranges.lock().unwrap())
}

#[tokio::test]
async fn one_output_is_fetched_by_its_path_once_and_an_empty_one_without_asking() {
    let (node, file) = node().await;
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("new/notes.txt");
    for _ in 0..2 {
        node.client().fetch_output(&id(), &file, &dest).await.unwrap();
        assert_eq!(std::fs::read_to_string(&dest).unwrap(), content());
    }
    assert_eq!(
        (ranges(&node), entries(dest.parent().unwrap())),
        (vec!["bytes=0-99999".to_owned()], vec!["notes.txt".into()])
    );
    let empty = node.true_listing().files.remove(1);
    node.client().fetch_output(&id(), &empty, &base.path().join("empty")).await.unwrap();
    assert_eq!((std::fs::read(base.path().join("empty")).unwrap(), ranges(&node).len()), (vec![], 0));
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_was_also_in_the_next_call() {
    let (node, file) = node().await;
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("notes");
    // It breaks off with something, then with nothing again and again.
    node.state.breaks.lock().unwrap().extend([30_000, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let error = node.client().fetch_output(&id(), &file, &dest).await.unwrap_err();
    assert!(error.is_transient(), "{error:?}");
    assert!(!dest.exists());
    assert!(entries(base.path())[0].ends_with(".gridlease-part"), "{:?}", entries(base.path()));
    let asked = ranges(&node);
    assert_eq!(asked[0], "bytes=0-99999");
    node.state.breaks.lock().unwrap().clear();
    node.client().fetch_output(&id(), &file, &dest).await.unwrap();
    let again = ranges(&node);
    assert_eq!(again.len(), 1);
    assert!(again[0] != "bytes=0-99999" && asked.contains(&again[0]), "{again:?} of {asked:?}");
    assert_eq!((std::fs::read_to_string(&dest).unwrap(), entries(base.path())), (content(), vec!["notes".to_owned()]));
}

#[tokio::test]
async fn what_is_not_the_listed_file_gets_no_name_and_a_part_from_before_that_is_damaged_is_loaded_anew() {
    let (node, file) = node().await;
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("notes");
    let wrong = OutputFile { sha256: "ab".repeat(32), ..file.clone() };
    let error = node.client().fetch_output(&id(), &wrong, &dest).await.unwrap_err();
    assert!(matches!(error, NodeError::Output(ArtifactError::WrongContent { .. })), "{error:?}");
    assert!(entries(base.path()).is_empty(), "nothing of it is kept");

    let part = base.path().join(format!(".{}.gridlease-part", &file.sha256[..16]));
    std::fs::write(&part, "damaged").unwrap();
    ranges(&node);
    node.client().fetch_output(&id(), &file, &dest).await.unwrap();
    assert_eq!(ranges(&node), ["bytes=7-99999", "bytes=0-99999"]);
    assert_eq!(std::fs::read_to_string(&dest).unwrap(), content());

    std::fs::remove_file(&dest).unwrap();
    node.state.shift.store(5, Ordering::SeqCst);
    let error = node.client().fetch_output(&id(), &file, &dest).await.unwrap_err();
    assert!(matches!(error, NodeError::BadAnswer { .. }), "{error:?}");
}

#[tokio::test]
async fn nothing_is_overwritten_and_two_do_not_write_the_same_part() {
    let (node, file) = node().await;
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("notes");
    std::fs::write(&dest, "precious").unwrap();
    let (client, range) = (node.client(), 0..=1);
    let one = client.fetch_output(&id(), &file, &dest).await.unwrap_err();
    let two = client.fetch_output_range(&id(), &file, &range, &dest).await.unwrap_err();
    assert!([&one, &two].iter().all(|e| matches!(e, NodeError::FileInUse { .. })), "{one:?} {two:?}");
    assert_eq!((std::fs::read(&dest).unwrap(), entries(base.path()).len()), (b"precious".to_vec(), 1));

    let part = std::fs::File::create(base.path().join(format!(".{}.gridlease-part", &file.sha256[..16]))).unwrap();
    part.lock().unwrap();
    let error = client.fetch_output(&id(), &file, &base.path().join("other")).await.unwrap_err();
    assert!(matches!(error, NodeError::UnderWay { .. }), "{error:?}");
}

#[tokio::test]
async fn a_range_is_fetched_and_one_that_is_not_within_the_file_is_refused_unasked() {
    let (node, file) = node().await;
    let base = tempfile::tempdir().unwrap();
    let dest = base.path().join("part");
    node.state.breaks.lock().unwrap().push_back(1_000);
    node.client().fetch_output_range(&id(), &file, &(10..=5_009), &dest).await.unwrap();
    assert_eq!(std::fs::read_to_string(&dest).unwrap(), content()[10..5_010]);
    assert_eq!(entries(base.path()), ["part"]);
    ranges(&node);
    let error =
        node.client().fetch_output_range(&id(), &file, &(0..=100_000), &base.path().join("x")).await.unwrap_err();
    assert!(matches!(error, NodeError::NoSuchRange { size: 100_000, .. }), "{error:?}");
    assert_eq!((ranges(&node).len(), entries(base.path()).len()), (0, 1));
}

#[tokio::test]
async fn a_list_in_parts_is_read_to_its_end_and_one_that_has_none_is_refused() {
    let (node, _) = node().await;
    for n in 0..5 {
        node.write_output(&format!("more-{n}"), "x");
    }
    let whole = node.client().outputs(&id()).await.unwrap();
    assert_eq!(whole, node.true_listing());
    let pages = |size, total| *node.state.pages.lock().unwrap() = Some((size, total));
    pages(3, 7);
    assert_eq!(node.client().outputs(&id()).await.unwrap(), whole);
    for (size, total) in [(3, 8), (4, 6), (0, 7)] {
        pages(size, total);
        let error = node.client().outputs(&id()).await.unwrap_err();
        assert!(matches!(error, NodeError::BadAnswer { .. }), "{size} {total}: {error:?}");
    }
    pages(3, 1_000_000_000);
    let error = node.client().outputs(&id()).await.unwrap_err();
    assert!(matches!(error, NodeError::Output(ArtifactError::TooManyFiles(_))), "{error:?}");
}
