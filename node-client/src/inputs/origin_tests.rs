//! Inputs are loaded from a hub and a store, whatever these do.

use super::*;
use crate::driver::RunAs;
use crate::state_dir::StateDir;
use gridlease_sdk::manifest::InputSource;
use gridlease_testkit::origin::hub::{COMMIT, Hub};
use gridlease_testkit::origin::ipfs::{Gateway, block, car, folder, import};
use gridlease_testkit::origin::store::{KEY, KEY_ID, OPEN_BUCKET, REGION, Store};
use gridlease_testkit::origin::{Fault, Seen};
use solana_pubkey::Pubkey;
use zeroize::Zeroizing;

const WEIGHTS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

struct Place {
    _dir: tempfile::TempDir,
    lease: LeaseDir,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lease = StateDir::open(dir.path()).unwrap().lease(&Pubkey::new_unique());
        lease.create(0, RunAs::for_this_process()).unwrap();
        Self { _dir: dir, lease }
    }

    fn keep(&self, manifest: &Manifest, pairs: &[(&str, &str)]) {
        let secrets = pairs.iter().map(|(n, v)| ((*n).to_owned(), Zeroizing::new(v.as_bytes().to_vec()))).collect();
        crate::secrets::keep(manifest, &self.lease, &secrets).unwrap();
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(self.lease.inputs()).unwrap().flatten();
        entries.map(|e| (e.file_name().into_string().unwrap(), std::fs::read(e.path()).unwrap())).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        crate::secrets::remove(&self.lease).unwrap();
        let _ = std::fs::remove_dir(self.lease.secrets().parent().unwrap());
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// A fetcher of a node whose operator has a mirror at `hub`; every other private address is refused.
fn mirrored(hub: &str) -> Fetcher {
    Fetcher::new(FetchPolicy { hub: Some(hub.parse().unwrap()), ..FetchPolicy::default() }).unwrap()
}

/// One for which loopback is as good as the public internet.
fn open(hub: &str) -> Fetcher {
    let pace = (1_000, std::time::Duration::from_secs(1));
    let policy = FetchPolicy { allow_private: true, hub: Some(hub.parse().unwrap()), pace, ..FetchPolicy::default() };
    Fetcher::new(policy).unwrap()
}

fn on_hub(path: &str) -> Missing {
    let uri = InputSource::Hub(format!("hf://org/model@{COMMIT}/{path}"));
    Missing { sha256: hash(WEIGHTS), from: Some(uri.into()) }
}

fn at(path: &str) -> String {
    format!("/org/model/resolve/{COMMIT}/{path}")
}

async fn hub(token: Option<&str>) -> Hub {
    Hub::start("org/model", token, &[("small", WEIGHTS, false), ("large", WEIGHTS, true)]).await
}

fn ranges(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(|seen| seen.header("range").unwrap_or("all")).collect()
}

fn manifest(rest: &str) -> Manifest {
    let digest = "ab".repeat(32);
    let yaml = format!(
        "version: 1\nname: j\nimage: a.example/b@sha256:{digest}\nprice: {{ max: 1 }}\nduration: {{ max: 1h }}\n{rest}\n"
    );
    Manifest::from_yaml(&yaml, "job.yaml").unwrap_or_else(|errors| panic!("{errors}"))
}

#[tokio::test]
async fn a_file_of_a_hub_is_loaded_from_the_operators_mirror_and_where_that_sends_the_token_does_not_follow() {
    let (place, hub) = (Place::new(), hub(Some("hf_secret")).await);
    let text = format!(
        "secrets: {{ HF_TOKEN: {{ from: env }} }}\ninputs: [ {{ uri: hf://org/model@{COMMIT}/large, mount: /m, sha256: {} }} ]",
        hex::encode(hash(WEIGHTS))
    );
    let job = manifest(&text);
    let wanted = missing(&job, &place.lease).unwrap();
    assert!(!wanted[0].is_fetchable(&place.lease), "its token is not here yet");
    let fetcher = open(&hub.url);
    let error = fetcher.fetch(&place.lease, &wanted[0]).await.unwrap_err();
    assert!(error.to_string().contains("401") && !error.is_transient(), "{error}");
    place.keep(&job, &[("HF_TOKEN", "hf_secret\n")]);
    assert!(wanted[0].is_fetchable(&place.lease));
    fetcher.fetch(&place.lease, &wanted[0]).await.unwrap();
    assert_eq!(place.files(), [(hex::encode(hash(WEIGHTS)), WEIGHTS.to_vec())]);
    assert_eq!(missing(&job, &place.lease).unwrap(), []);
    assert!(hub.large.seen().iter().all(|seen| seen.header("authorization").is_none()), "the token stays with the hub");
}

#[tokio::test]
async fn threat_10_an_operators_mirror_leads_nowhere_else_in_its_network() {
    let (place, hub) = (Place::new(), hub(None).await);
    let fetcher = mirrored(&hub.url);
    fetcher.fetch(&place.lease, &on_hub("small")).await.unwrap();
    std::fs::remove_file(place.lease.input(&hash(WEIGHTS))).unwrap();
    // The hub itself sends on for large files: to another port of this machine.
    let error = fetcher.fetch(&place.lease, &on_hub("large")).await.unwrap_err();
    assert!(matches!(error, InputError::Transfer { .. }), "{error}");
    assert_eq!(hub.large.seen().len(), 0, "it was not followed");
    for to in [
        "http://169.254.169.254/latest/meta-data",
        "http://127.0.0.1:1/x",
        "https://127.0.0.1:1/x",
        "http://localhost:1/x",
        "file:///etc/passwd",
    ] {
        hub.book.fail(&at("small"), [Fault::SendOn(to.to_owned())]);
        let error = fetcher.fetch(&place.lease, &on_hub("small")).await.unwrap_err().to_string();
        assert!(
            ["another service", "only https", "not on the public internet", "answers 302"]
                .iter()
                .any(|words| error.contains(words)),
            "{to}: {error}"
        );
    }
    // An address that a buyer writes does not lead to the mirror.
    let direct = InputSource::Https(format!("{}{}", hub.url, at("small")));
    let error =
        fetcher.fetch(&place.lease, &Missing { sha256: hash(WEIGHTS), from: Some(direct.into()) }).await.unwrap_err();
    assert!(matches!(error, InputError::Bad { .. }), "{error}");
    assert_eq!(place.files(), []);
}

#[tokio::test]
async fn a_transfer_that_breaks_off_goes_on_where_it_was_also_after_the_node_was_restarted() {
    let (place, hub) = (Place::new(), hub(None).await);
    let path = format!("/{}", hex::encode(hash(WEIGHTS)));
    hub.large.fail(&path, [Fault::Cut(10), Fault::Cut(5)]);
    for have in [10, 15] {
        let error = open(&hub.url).fetch(&place.lease, &on_hub("large")).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
        assert_eq!(place.files()[0].1, &WEIGHTS[..have]);
    }
    // As much as is left, and no more, is room enough.
    let room = Room::new(WEIGHTS.len() as u64 - 15);
    open(&hub.url).fetch_within(&place.lease, &on_hub("large"), &room).await.unwrap();
    assert_eq!(ranges(&hub.large.seen()), ["all", "bytes=10-", "bytes=15-"]);
    assert_eq!((place.files(), room.left()), (vec![(hex::encode(hash(WEIGHTS)), WEIGHTS.to_vec())], 0));
}

#[tokio::test]
async fn a_source_that_cannot_go_on_in_the_middle_begins_again_and_one_that_lies_there_is_loaded_anew() {
    for fault in [Fault::Whole, Fault::LieBehind, Fault::Longer(3)] {
        let (place, hub) = (Place::new(), hub(None).await);
        let fetcher = open(&hub.url);
        hub.book.fail(&at("small"), [Fault::Cut(10), fault.clone()]);
        assert!(fetcher.fetch(&place.lease, &on_hub("small")).await.unwrap_err().is_transient());
        let second = fetcher.fetch(&place.lease, &on_hub("small")).await;
        if matches!(fault, Fault::Whole) {
            second.unwrap();
        } else {
            assert!(second.unwrap_err().is_transient(), "{fault:?}: whose fault it is, is not known yet");
            assert_eq!(place.files(), [], "{fault:?}");
            fetcher.fetch(&place.lease, &on_hub("small")).await.unwrap();
        }
        assert_eq!(place.files()[0].1, WEIGHTS, "{fault:?}");
    }
}

#[tokio::test]
async fn a_source_that_lies_is_refused_for_good_and_one_that_fails_or_trickles_is_asked_again() {
    let (place, hub) = (Place::new(), hub(None).await);
    let fetcher = open(&hub.url);
    for (fault, transient) in [
        (Fault::Lie, false),
        (Fault::Longer(3), false),
        (Fault::Shorter(3), false),
        (Fault::Status(404), false),
        (Fault::Status(429), true),
        (Fault::Status(503), true),
        (Fault::Trickle(std::time::Duration::from_millis(200)), true),
    ] {
        hub.book.fail(&at("small"), [fault.clone()]);
        let error = fetcher.fetch(&place.lease, &on_hub("small")).await.unwrap_err();
        assert_eq!(error.is_transient(), transient, "{fault:?}: {error}");
        assert!(!place.lease.input(&hash(WEIGHTS)).exists(), "{fault:?}");
    }
    fetcher.fetch(&place.lease, &on_hub("small")).await.unwrap();
    assert_eq!(place.files(), [(hex::encode(hash(WEIGHTS)), WEIGHTS.to_vec())]);
}

#[tokio::test]
async fn inputs_that_are_loaded_at_the_same_time_have_their_room_together() {
    let (place, hub) = (Place::new(), hub(None).await);
    let fetcher = open(&hub.url);
    let room = Room::new(WEIGHTS.len() as u64 + 4);
    let other = Missing { sha256: [7; 32], ..on_hub("small") };
    let (small, large) = (on_hub("small"), on_hub("large"));
    let both = tokio::join!(
        fetcher.fetch_within(&place.lease, &small, &room),
        fetcher.fetch_within(&place.lease, &other, &room),
    );
    let errors: Vec<_> = [both.0, both.1].into_iter().filter_map(Result::err).collect();
    assert!(
        errors.iter().any(|e| matches!(e, InputError::NoRoom { .. } | InputError::HashMismatch { .. })),
        "{errors:?}"
    );
    assert!(present_bytes(&place.lease) <= WEIGHTS.len() as u64 + 4);
    drop(large);
}

fn in_store(store: &Store, uri: &str, keys: &str) -> Manifest {
    let secrets = "secrets: { ID: { from: env }, KEY: { from: env } }";
    let sha256 = hex::encode(hash(WEIGHTS));
    let s3 = format!("{{ region: {REGION}, path_style: true{keys} }}");
    let mut job = manifest(&format!("{secrets}\ninputs: [ {{ uri: {uri}, mount: /m, sha256: {sha256}, s3: {s3} }} ]"));
    // A text could name it by https alone.
    if let Some(s3) = &mut job.inputs[0].s3 {
        s3.endpoint = Some(store.url.clone());
    }
    job
}

#[tokio::test]
async fn an_object_is_loaded_with_the_leases_secrets_and_goes_on_where_it_broke_off() {
    let store = Store::start(None).await;
    store.put("data", "a dir/x+y", WEIGHTS, false);
    store.put(OPEN_BUCKET, "x", WEIGHTS, false);
    let place = Place::new();
    let job = in_store(&store, "s3://data/a dir/x+y", ", access_key: ID, secret_key: KEY");
    let wanted = missing(&job, &place.lease).unwrap();
    assert!(!wanted[0].is_fetchable(&place.lease));
    place.keep(&job, &[("ID", KEY_ID), ("KEY", KEY)]);
    store.book.fail("/data/a%20dir/x%2By", [Fault::Cut(4)]);
    let fetcher = open("http://127.0.0.1:1");
    let error = fetcher.fetch(&place.lease, &wanted[0]).await.unwrap_err();
    assert!(error.is_transient() && !error.to_string().contains("X-Amz"), "{error}");
    fetcher.fetch(&place.lease, &wanted[0]).await.unwrap();
    assert_eq!(ranges(&store.book.seen()), ["all", "bytes=4-"]);
    assert_eq!(place.files(), [(hex::encode(hash(WEIGHTS)), WEIGHTS.to_vec())]);

    let everybody = Place::new();
    let wanted = missing(&in_store(&store, "s3://open/x", ""), &everybody.lease).unwrap();
    assert!(wanted[0].is_fetchable(&everybody.lease));
    fetcher.fetch(&everybody.lease, &wanted[0]).await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_are_the_buyers_fault_and_a_store_in_the_providers_network_is_not_asked() {
    let store = Store::start(None).await;
    store.put("data", "x", WEIGHTS, false);
    let place = Place::new();
    let job = in_store(&store, "s3://data/x", ", access_key: ID, secret_key: KEY");
    place.keep(&job, &[("ID", KEY_ID), ("KEY", "another key")]);
    let wanted = missing(&job, &place.lease).unwrap();
    let error = open("http://127.0.0.1:1").fetch(&place.lease, &wanted[0]).await.unwrap_err();
    assert!(error.to_string().contains("403") && !error.is_transient(), "{error}");
    assert!(!error.to_string().contains("X-Amz") && !error.to_string().contains("another key"), "{error}");
    store.book.forget();
    let error = mirrored("http://127.0.0.1:1").fetch(&place.lease, &wanted[0]).await.unwrap_err();
    assert!(matches!(error, InputError::Bad { .. }) && store.book.seen().is_empty(), "{error}");
}

#[tokio::test]
async fn a_file_of_ipfs_comes_from_the_operators_gateways_in_order_or_from_the_manifests() {
    let tree = import(WEIGHTS, 10, 2);
    let along = folder(&[("w", &tree)]);
    let (cid, root) = (tree.cid(), along.cid());
    let deep = format!("{root}/w");
    let gateway = Gateway::start(&[(&cid, tree.car()), (&deep, along.car())]).await;
    let named = |uri: String, gateway: Option<String>| Missing {
        sha256: hash(WEIGHTS),
        from: Some(Origin { gateway, ..InputSource::Ipfs(uri).into() }),
    };
    let down: url::Url = "http://127.0.0.1:1".parse().unwrap();
    let policy = FetchPolicy { gateways: vec![down, gateway.url.parse().unwrap()], ..FetchPolicy::default() };
    let fetcher = Fetcher::new(policy).unwrap();
    for uri in [format!("ipfs://{cid}"), format!("ipfs://{deep}")] {
        let place = Place::new();
        let room = Room::new(WEIGHTS.len() as u64);
        fetcher.fetch_within(&place.lease, &named(uri, None), &room).await.unwrap();
        assert_eq!((place.files(), room.left()), (vec![(hex::encode(hash(WEIGHTS)), WEIGHTS.to_vec())], 0));
    }
    // A gateway that the buyer names is an address as any other.
    let place = Place::new();
    let by_buyer = named(format!("ipfs://{cid}"), Some(gateway.url.clone()));
    let error = fetcher.fetch(&place.lease, &by_buyer).await.unwrap_err();
    assert!(matches!(error, InputError::Bad { .. }), "{error}");
    open("http://127.0.0.1:1").fetch(&place.lease, &by_buyer).await.unwrap();
    let nowhere = Place::new();
    let by_nobody = named(format!("ipfs://{cid}"), None);
    let error = open("http://127.0.0.1:1").fetch(&nowhere.lease, &by_nobody).await.unwrap_err();
    assert!(error.to_string().contains("names no gateway") && !error.is_transient(), "{error}");
}

#[tokio::test]
async fn threat_10_a_gateway_that_lies_or_breaks_off_leaves_nothing_behind_and_takes_no_room() {
    let tree = import(WEIGHTS, 10, 2);
    let mut foreign = tree.blocks.clone();
    foreign[2] = block(0x55, b"foreign".to_vec());
    let (cid, place) = (tree.cid(), Place::new());
    let wanted = Missing { sha256: hash(WEIGHTS), from: Some(InputSource::Ipfs(format!("ipfs://{cid}")).into()) };
    let fetcher = |gateway: &Gateway| {
        let gateways = vec![gateway.url.parse().unwrap()];
        Fetcher::new(FetchPolicy { gateways, ..FetchPolicy::default() }).unwrap()
    };
    let liar = Gateway::start(&[(&cid, car(&foreign))]).await;
    let error = fetcher(&liar).fetch(&place.lease, &wanted).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("a block is missing"), "{error}");
    let gateway = Gateway::start(&[(&cid, tree.car())]).await;
    let metadata = Fault::SendOn("http://169.254.169.254/".to_owned());
    for fault in [Fault::Cut(90), Fault::Lie, Fault::Shorter(9), Fault::Status(404), metadata] {
        gateway.book.fail(&format!("/ipfs/{cid}"), [fault.clone()]);
        let error = fetcher(&gateway).fetch(&place.lease, &wanted).await.unwrap_err();
        assert!(error.is_transient(), "{fault:?}: {error}");
        assert_eq!(place.files(), [], "{fault:?}");
    }
    let room = Room::new(WEIGHTS.len() as u64 - 1);
    let error = fetcher(&gateway).fetch_within(&place.lease, &wanted, &room).await.unwrap_err();
    assert!(matches!(error, InputError::NoRoom { .. }), "{error}");
    assert_eq!((place.files(), room.left()), (vec![], WEIGHTS.len() as u64 - 1));
    let other = Missing { sha256: [7; 32], ..wanted.clone() };
    let error = fetcher(&gateway).fetch(&place.lease, &other).await.unwrap_err();
    assert!(matches!(error, InputError::HashMismatch { .. }), "{error}");

    let inside = folder(&[("w", &tree)]);
    let gateway = Gateway::start(&[(&inside.cid(), inside.car())]).await;
    let whole = Missing { from: Some(InputSource::Ipfs(format!("ipfs://{}", inside.cid())).into()), ..wanted };
    let error = fetcher(&gateway).fetch(&place.lease, &whole).await.unwrap_err();
    assert!(error.to_string().contains("it is a folder") && !error.is_transient(), "{error}");
}
