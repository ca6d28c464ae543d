//! Inputs are fetched, checked and refused.

use super::*;
use crate::driver::RunAs;
use crate::state_dir::StateDir;
use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use futures_util::stream;
use solana_pubkey::Pubkey;
use std::os::unix::fs::PermissionsExt as _;

const DATA: &[u8] = b"a scene";

fn lease(dir: &tempfile::TempDir) -> LeaseDir {
    let lease = StateDir::open(dir.path()).unwrap().lease(&Pubkey::new_from_array([3; 32]));
    lease.create(0, RunAs::for_this_process()).unwrap();
    lease
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn chunks(bytes: &'static [u8]) -> impl Stream<Item = Result<Bytes, std::io::Error>> {
    stream::iter(bytes.chunks(2).map(|c| Ok(Bytes::from_static(c))))
}

fn https(sha256: [u8; 32], uri: String) -> Missing {
    Missing { sha256, from: Some(InputSource::Https(uri).into()) }
}

fn leftovers(lease: &LeaseDir) -> usize {
    std::fs::read_dir(lease.inputs()).unwrap().count()
}

#[tokio::test]
async fn a_pushed_input_is_in_place_once_its_hash_is_right_and_readable_for_the_container() {
    let dir = tempfile::tempdir().unwrap();
    let lease = lease(&dir);
    let path = place(&lease, &hash(DATA), "in", 100, &Room::new(100), chunks(DATA)).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), DATA);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
    place(&lease, &hash(DATA), "in", 100, &Room::new(100), chunks(b"ignored")).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), DATA, "what is there is never overwritten");
}

#[tokio::test]
async fn a_wrong_hash_a_large_file_and_a_broken_transfer_leave_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let lease = lease(&dir);
    let error = place(&lease, &hash(b"other"), "in", 100, &Room::new(100), chunks(DATA)).await.unwrap_err();
    assert!(matches!(error, InputError::HashMismatch { .. }) && !error.is_transient(), "{error}");
    let error = place(&lease, &hash(DATA), "in", 6, &Room::new(100), chunks(DATA)).await.unwrap_err();
    assert!(matches!(error, InputError::TooLarge { limit: 6, .. }), "{error}");
    let broken = chunks(DATA).chain(stream::iter([Err(std::io::Error::other("cut"))]));
    let error = place(&lease, &hash(DATA), "in", 100, &Room::new(100), broken).await.unwrap_err();
    assert!(matches!(error, InputError::Transfer { .. }) && error.is_transient(), "{error}");
    assert_eq!(leftovers(&lease), 0);
}

#[tokio::test]
async fn threat_07_inputs_that_come_at_the_same_time_draw_from_one_room_and_give_back_what_comes_to_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let lease = lease(&dir);
    let room = Room::of(&lease);
    assert!(std::sync::Arc::ptr_eq(&room, &Room::of(&lease)), "whoever asks while it is drawn from");
    let size = DATA.len() as u64;
    let small = Room::new(size + 1);
    // One is half here and waits; what it has, another does not get.
    let (half, rest) = DATA.split_at(DATA.len() / 2);
    let (sender, receiver) = tokio::sync::oneshot::channel::<()>();
    let slow = chunks(half).chain(stream::once(async move {
        receiver.await.unwrap();
        Ok::<_, std::io::Error>(Bytes::copy_from_slice(rest))
    }));
    let (sha, other) = (hash(DATA), b"another".as_slice());
    let first = place(&lease, &sha, "first", 100, &small, slow);
    let second = async {
        while small.left() > size + 1 - half.len() as u64 {
            tokio::task::yield_now().await;
        }
        let error = place(&lease, &hash(other), "second", 100, &small, chunks(other)).await.unwrap_err();
        assert!(matches!(error, InputError::NoRoom { .. }), "{error}");
        sender.send(()).unwrap();
    };
    let (first, ()) = tokio::join!(first, second);
    first.unwrap();
    assert_eq!(small.left(), 1);
    let third = hash(b"x");
    let dropped = place(&lease, &third, "third", 100, &small, chunks(b"x").chain(stream::pending()));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(50), dropped).await.is_err());
    assert_eq!((small.left(), leftovers(&lease)), (1, 1));
}

async fn server() -> String {
    let app = Router::new()
        .route("/data", get(|| async { DATA }))
        .route("/away", get(|| async { Redirect::temporary("/data") }))
        .route("/loop", get(|| async { Redirect::temporary("/loop") }))
        .route("/file", get(|| async { Redirect::temporary("file:///etc/passwd") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    format!("http://{address}")
}

#[tokio::test]
async fn an_input_is_fetched_verified_and_refused_when_it_is_missing_or_different() {
    let dir = tempfile::tempdir().unwrap();
    let lease = lease(&dir);
    let base = server().await;
    let fetcher = Fetcher::new(FetchPolicy { allow_private: true, ..FetchPolicy::default() }).unwrap();
    let input = |path: &str, sha256| https(sha256, format!("{base}{path}"));

    let error = fetcher.fetch(&lease, &input("/data", hash(b"other"))).await.unwrap_err();
    assert!(matches!(error, InputError::HashMismatch { .. }), "{error}");
    let error = fetcher.fetch(&lease, &input("/none", hash(DATA))).await.unwrap_err();
    assert!(matches!(error, InputError::Bad { .. }) && error.to_string().contains("404"), "{error}");
    for path in ["/loop", "/file"] {
        let error = fetcher.fetch(&lease, &input(path, hash(DATA))).await.unwrap_err();
        assert_eq!(error.is_transient(), path == "/loop", "{path}: {error}");
    }
    assert_eq!(leftovers(&lease), 0);
    fetcher.fetch(&lease, &input("/away", hash(DATA))).await.unwrap();
    assert_eq!(std::fs::read(lease.input(&hash(DATA))).unwrap(), DATA);

    let small = Fetcher::new(FetchPolicy { allow_private: true, max_bytes: 3, ..FetchPolicy::default() }).unwrap();
    std::fs::remove_file(lease.input(&hash(DATA))).unwrap();
    let error = small.fetch(&lease, &input("/data", hash(DATA))).await.unwrap_err();
    assert!(matches!(error, InputError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn threat_07_inputs_have_the_room_that_the_jobs_disk_leaves_and_not_a_byte_more() {
    let dir = tempfile::tempdir().unwrap();
    let lease = lease(&dir);
    assert_eq!(room(&lease), u64::MAX, "nothing is known without a manifest");
    let yaml = format!(
        "version: 1\nname: test\nimage: r.example/x@sha256:{}\nresources: {{ disk: 16MiB }}\nprice: {{ max: 1.00 }}\n\
         duration: {{ max: 1h }}\n",
        "ab".repeat(32)
    );
    let manifest = Manifest::from_yaml(&yaml, "job.yaml").unwrap();
    std::fs::write(lease.manifest(), manifest.canonical().unwrap()).unwrap();
    assert_eq!(room(&lease), 14 * 1024 * 1024);
    std::fs::write(lease.inputs().join("other"), vec![0; 14 * 1024 * 1024 - 4]).unwrap();
    assert_eq!((present_bytes(&lease), room(&lease)), (14 * 1024 * 1024 - 4, 4));

    let fetcher = Fetcher::new(FetchPolicy { allow_private: true, ..FetchPolicy::default() }).unwrap();
    let input = https(hash(DATA), format!("{}/data", server().await));
    let error = fetcher.fetch_within(&lease, &input, &Room::new(room(&lease))).await.unwrap_err();
    assert!(matches!(error, InputError::NoRoom { room: 4, .. }) && !error.is_transient(), "{error}");
    fetcher.fetch_within(&lease, &input, &Room::new(DATA.len() as u64)).await.unwrap();
    assert_eq!(room(&lease), 0);
}

#[tokio::test]
async fn a_buyers_address_never_leads_into_the_providers_network() {
    let dir = tempfile::tempdir().unwrap();
    let lease = lease(&dir);
    let fetcher = Fetcher::new(FetchPolicy::default()).unwrap();
    for uri in [
        "http://example.com/plain",
        "https://127.0.0.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://user:secret@example.com/x",
        "file:///etc/passwd",
        "no address",
    ] {
        let error = fetcher.fetch(&lease, &https([0; 32], uri.to_owned())).await.unwrap_err();
        assert!(matches!(error, InputError::Bad { .. }), "{uri}: {error}");
    }
    let error = fetcher.fetch(&lease, &https([0; 32], "https://localhost:1/x".to_owned())).await.unwrap_err();
    assert!(error.to_string().contains("no address on the public internet"), "{error}");
}
