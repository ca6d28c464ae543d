//! Inputs on a hub and in a store are pinned before a job is posted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use gridlease_sdk::manifest::{InputSource, Manifest};
use gridlease_sdk::node_api::secrets::Secrets;
use gridlease_sdk::source::{MAX_INPUTS, RemoteError, SourceFault, Sources};
use gridlease_testkit::origin::hub::{COMMIT, Hub};
use gridlease_testkit::origin::ipfs::{Gateway, import};
use gridlease_testkit::origin::store::{KEY, KEY_ID, OPEN_BUCKET, REGION, Store};
use gridlease_testkit::origin::{Book, Fault};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

const WEIGHTS: &[u8] = b"many numbers";
const CONFIG: &[u8] = b"{}";

fn manifest(rest: &str) -> Manifest {
    let digest = "ab".repeat(32);
    let text = format!(
        "version: 1\nname: j\nimage: a.example/b@sha256:{digest}\nprice: {{ max: 1 }}\nduration: {{ max: 1h }}\n{rest}\n"
    );
    Manifest::from_yaml(&text, "job.yaml").unwrap_or_else(|errors| panic!("{errors}"))
}

fn hash(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

fn secrets(pairs: &[(&str, &str)]) -> Secrets {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new(value.as_bytes().to_vec()))).collect()
}

async fn pinned(manifest: &Manifest, hub: &str, secrets: &Secrets) -> Result<(Manifest, u64), RemoteError> {
    let mut manifest = manifest.clone();
    let bytes = manifest.pin_remote_inputs(&Sources::new(Some(hub)).unwrap(), secrets).await?;
    Ok((manifest, bytes))
}

fn told(manifest: &Manifest) -> Vec<(String, String, String)> {
    let inputs = manifest.inputs.iter();
    inputs.map(|i| (i.mount.clone(), i.uri.clone().into(), i.sha256.clone().unwrap_or_default())).collect()
}

fn asked(book: &Book) -> Vec<String> {
    book.seen().iter().map(|seen| format!("{} {}", seen.method, seen.uri)).collect()
}

async fn hub(token: Option<&str>) -> Hub {
    let files: &[(&str, &[u8], bool)] = &[
        (".gitattributes", b"*", false),
        ("config.json", CONFIG, false),
        ("onnx/model.onnx", b"another", true),
        ("weights/a b.bin", WEIGHTS, true),
        ("weights/part/2.bin", b"more numbers", true),
        ("weights-old/1.bin", b"old", true),
    ];
    Hub::start("org/model", token, files).await
}

#[tokio::test]
async fn a_hubs_file_is_pinned_to_its_commit_and_hash_and_a_large_one_is_not_loaded_for_that() {
    let hub = hub(None).await;
    let job = manifest(
        "inputs:\n - { uri: hf://org/model/weights/a b.bin, mount: /in/w }\n - { uri: hf://org/model@main/config.json, mount: /in/ }\n \
         - { uri: push, mount: /in/p, sha256: 00000000000000000000000000000000000000000000000000000000000000aa }",
    );
    assert!(
        job.canonical().unwrap_err().to_string().contains("inputs[0] (hf://org/model/weights/a b.bin) is not pinned")
    );
    let (found, bytes) = pinned(&job, &hub.url, &Secrets::new()).await.unwrap();
    let expected = [
        ("/in/w".to_owned(), format!("hf://org/model@{COMMIT}/weights/a b.bin"), hash(WEIGHTS)),
        ("/in/config.json".to_owned(), format!("hf://org/model@{COMMIT}/config.json"), hash(CONFIG)),
    ];
    assert_eq!(told(&found)[..2], expected);
    assert_eq!((found.inputs.len(), bytes), (3, (WEIGHTS.len() + CONFIG.len()) as u64));
    assert_eq!(hub.large.seen().len(), 0, "the large file was not loaded");
    let canonical = found.canonical().unwrap();
    assert_eq!(Manifest::from_canonical(&canonical).unwrap(), found);
    // Once pinned, nobody is asked again.
    hub.book.forget();
    assert_eq!(pinned(&found, &hub.url, &Secrets::new()).await.unwrap().0, found);
    assert_eq!(asked(&hub.book), [""; 0]);
}

#[tokio::test]
async fn a_folder_becomes_an_input_for_each_file_below_it_over_all_pages_and_no_other() {
    let hub = hub(None).await;
    let (found, _) =
        pinned(&manifest("inputs: [ { uri: hf://org/model/weights/, mount: /m/ } ]"), &hub.url, &Secrets::new())
            .await
            .unwrap();
    let at = |path: &str| format!("hf://org/model@{COMMIT}/{path}");
    let expected = [
        ("/m/a b.bin".to_owned(), at("weights/a b.bin"), hash(WEIGHTS)),
        ("/m/part/2.bin".to_owned(), at("weights/part/2.bin"), hash(b"more numbers")),
    ];
    assert_eq!(told(&found), expected);
    let (found, _) =
        pinned(&manifest("inputs: [ { uri: hf://org/model, mount: /m } ]"), &hub.url, &Secrets::new()).await.unwrap();
    assert_eq!(found.inputs.len(), 6);
    assert!(found.inputs.iter().any(|input| input.mount == "/m/weights-old/1.bin"));
    assert!(found.canonical().is_ok());
    let error =
        pinned(&manifest("inputs: [ { uri: hf://org/model/none/, mount: /m } ]"), &hub.url, &Secrets::new()).await;
    assert!(matches!(error.unwrap_err().fault, SourceFault::NotFound { .. }));
}

#[tokio::test]
async fn a_folder_of_more_files_than_a_job_has_inputs_is_refused() {
    let names: Vec<String> = (0..=MAX_INPUTS).map(|n| format!("{n:04}.bin")).collect();
    let files: Vec<(&str, &[u8], bool)> = names.iter().map(|name| (name.as_str(), name.as_bytes(), true)).collect();
    let hub = Hub::start("datasets/org/set", None, &files[..40]).await;
    let one = "{ uri: push, mount: /in/p, sha256: 00000000000000000000000000000000000000000000000000000000000000aa }";
    let job = manifest(&format!("inputs: [ {{ uri: hf://datasets/org/set, mount: /m }}, {one} ]"));
    assert_eq!(pinned(&job, &hub.url, &Secrets::new()).await.unwrap().0.inputs.len(), 41);
    let hub = Hub::start("datasets/org/set", None, &files[..45]).await;
    let job = manifest(
        "inputs:\n - { uri: hf://datasets/org/set, mount: /a }\n - { uri: hf://datasets/org/set, mount: /b }\n \
         - { uri: hf://datasets/org/set, mount: /c }",
    );
    let error = pinned(&job, &hub.url, &Secrets::new()).await.unwrap_err();
    assert!(matches!(error.fault, SourceFault::TooMany { most: 38 }) && error.index == 2, "{error}");
}

#[tokio::test]
async fn a_private_repository_takes_the_token_which_goes_to_the_hub_alone() {
    let hub = hub(Some("hf_secret")).await;
    let job = manifest("secrets: { HF_TOKEN: { from: env } }\ninputs: [ { uri: hf://org/model, mount: /m } ]");
    let error = pinned(&job, &hub.url, &Secrets::new()).await.unwrap_err().to_string();
    assert!(error.contains("inputs[0]: hf://org/model:") && error.contains("HF_TOKEN: { from: env }"), "{error}");
    let found = pinned(&job, &hub.url, &secrets(&[("HF_TOKEN", "hf_secret\n")])).await.unwrap().0;
    assert_eq!(found.inputs.len(), 6);
    assert!(!String::from_utf8(found.canonical().unwrap()).unwrap().contains("hf_secret"));
    assert!(hub.large.seen().iter().all(|seen| seen.header("authorization").is_none()));
}

#[tokio::test]
async fn a_hub_that_is_down_lies_or_sends_on_is_told_as_it_is() {
    let hub = hub(None).await;
    let job = manifest("inputs: [ { uri: hf://org/model/config.json, mount: /m } ]");
    let path = "/org/model/resolve/main/config.json";
    let elsewhere = hub.url.replace("127.0.0.1", "localhost");
    for (fault, words) in [
        (Fault::Status(503), "answered with status 503"),
        (Fault::Status(404), "has no such file"),
        (Fault::SendOn(format!("{elsewhere}{path}")), "it sends on to another host"),
        (Fault::Whole, "does not say of which commit"),
    ] {
        hub.book.fail(path, [fault]);
        let error = pinned(&job, &hub.url, &Secrets::new()).await.unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // A repository that was renamed is found where it is now.
    hub.book.fail("/org/model/resolve/main/config.json", [Fault::SendOn(path.to_owned())]);
    assert!(pinned(&job, &hub.url, &Secrets::new()).await.is_ok());
    hub.book.fail(path, vec![Fault::SendOn(path.to_owned()); 9]);
    let error = pinned(&job, &hub.url, &Secrets::new()).await.unwrap_err().to_string();
    assert!(error.contains("sends in circles"), "{error}");

    let stated = manifest(&format!(
        "inputs: [ {{ uri: hf://org/model/weights/a b.bin, mount: /m, sha256: {} }} ]",
        "ab".repeat(32)
    ));
    let error = pinned(&stated, &hub.url, &Secrets::new()).await.unwrap_err();
    assert!(matches!(error.fault, SourceFault::Mismatch { .. }), "{error}");
    let error = pinned(&job, "http://127.0.0.1:1", &Secrets::new()).await.unwrap_err();
    assert!(matches!(error.fault, SourceFault::Unreachable { .. }), "{error}");
}

/// A manifest with an object, whose store is at `url`; a text could name it by https alone.
fn in_store(uri: &str, url: &str, keys: &str) -> Manifest {
    let more = format!("region: {REGION}, path_style: true{keys}");
    let secrets = "secrets: { ID: { from: env }, KEY: { from: env }, TOKEN: { from: env } }";
    let mut job = manifest(&format!("{secrets}\ninputs: [ {{ uri: {uri}, mount: /m, s3: {{ {more} }} }} ]"));
    if let Some(s3) = &mut job.inputs[0].s3 {
        s3.endpoint = Some(url.to_owned());
    }
    job
}

#[tokio::test]
async fn an_object_is_hashed_by_its_stores_word_or_by_loading_it_and_every_request_is_signed() {
    let store = Store::start(None).await;
    store.put("data", "a dir/x+y.bin", WEIGHTS, true);
    store.put("data", "plain", CONFIG, false);
    store.put(OPEN_BUCKET, "public", b"for all", false);
    let keys = ", access_key: ID, secret_key: KEY";
    let good = secrets(&[("ID", KEY_ID), ("KEY", KEY), ("TOKEN", "t")]);
    for (uri, keys, content) in [
        ("s3://data/a dir/x+y.bin", keys, WEIGHTS),
        ("s3://data/plain", keys, CONFIG),
        ("s3://open/public", "", b"for all"),
    ] {
        let (found, bytes) = pinned(&in_store(uri, &store.url, keys), "http://127.0.0.1:1", &good).await.unwrap();
        assert_eq!(told(&found), [("/m".to_owned(), uri.to_owned(), hash(content))]);
        assert_eq!(bytes, content.len() as u64);
    }
    let wrong = secrets(&[("ID", KEY_ID), ("KEY", "another key"), ("TOKEN", "t")]);
    for (uri, keys, secrets) in [
        ("s3://data/plain", keys, &wrong),
        ("s3://data/plain", "", &good),
        ("s3://data/plain", ", access_key: ID, secret_key: KEY, session_token: TOKEN", &good),
    ] {
        let error = pinned(&in_store(uri, &store.url, keys), "http://127.0.0.1:1", secrets).await.unwrap_err();
        assert!(matches!(error.fault, SourceFault::Refused { status: 403, .. }), "{keys}: {error}");
        let error = error.to_string();
        assert!(!error.contains("another key") && !error.contains("X-Amz"), "{error}");
    }
    let session = Store::start(Some("t")).await;
    session.put("data", "plain", CONFIG, false);
    let keys = ", access_key: ID, secret_key: KEY, session_token: TOKEN";
    assert!(pinned(&in_store("s3://data/plain", &session.url, keys), "http://127.0.0.1:1", &good).await.is_ok());
}

#[test]
fn what_a_manifest_says_of_a_hub_or_a_store_is_checked_with_key_and_line() {
    let digest = "ab".repeat(32);
    let refused = |input: &str| {
        let text = format!(
            "version: 1\nname: j\nimage: a.example/b@sha256:{digest}\nprice: {{ max: 1 }}\nduration: {{ max: 1h }}\n\
             secrets: {{ KEY: {{ from: env }} }}\ninputs: [ {input} ]\n"
        );
        Manifest::from_yaml(&text, "job.yaml").unwrap_err().to_string()
    };
    for (input, words) in [
        (
            "{ uri: hf://org, mount: /m }",
            "job.yaml:7:18: inputs[0].uri: \"hf://org\" is no file of a hub; write hf://OWNER/REPO",
        ),
        (
            &format!("{{ uri: hf://org/model/, mount: /m, sha256: {digest} }}"),
            "inputs[0].sha256: is given for a folder",
        ),
        ("{ uri: s3://b/x, mount: /m }", "inputs[0].uri: \"s3://b/x\" is no object of a store"),
        ("{ uri: s3://bucket/x, mount: /m, s3: { key: x } }", "inputs[0].s3.key: unknown key"),
        ("{ uri: s3://bucket/x, mount: /m, s3: {} }", "inputs[0].s3: says nothing"),
        (
            "{ uri: s3://bucket/x, mount: /m, s3: { endpoint: \"http://x.example\" } }",
            "inputs[0].s3.endpoint: is not https",
        ),
        ("{ uri: s3://bucket/x, mount: /m, s3: { endpoint: x } }", "inputs[0].s3: its endpoint is no address"),
        (
            "{ uri: s3://bucket/x, mount: /m, s3: { access_key: KEY } }",
            "inputs[0].s3: names only a part of the credentials",
        ),
        (
            "{ uri: s3://bucket/x, mount: /m, s3: { access_key: ID, secret_key: KEY } }",
            "inputs[0].s3.access_key: \"ID\" is not among secrets",
        ),
        (
            "{ uri: s3://bucket/x, mount: /m, s3: { path_style: maybe } }",
            "inputs[0].s3.path_style: \"maybe\" is not known",
        ),
        ("{ uri: ipfs://Qm, mount: /m }", "inputs[0].uri: \"ipfs://Qm\" is no file of IPFS"),
        (
            "{ uri: s3://bucket/x, mount: /m, gateway: \"https://x.example\" }",
            "inputs[0].gateway: is given for an input that is not on IPFS",
        ),
        (
            "{ uri: ipfs://bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e, mount: /m, gateway: \"http://x.example\" }",
            "inputs[0].gateway: is not an https:// address",
        ),
        (
            "{ uri: hf://org/model/x, mount: /m, s3: { region: a } }",
            "inputs[0].s3: is given for an input that is in no store",
        ),
    ] {
        let told = refused(input);
        assert!(told.contains(words), "{input}: {told}");
    }
}

#[test]
fn a_pinned_address_that_is_not_pinned_is_no_canonical_form() {
    let mut job =
        manifest(&format!("inputs: [ {{ uri: hf://org/model@{COMMIT}/x, mount: /m, sha256: {} }} ]", "ab".repeat(32)));
    assert!(job.canonical().is_ok());
    job.inputs[0].uri = InputSource::Hub("hf://org/model@main/x".to_owned());
    assert!(job.canonical().unwrap_err().to_string().contains("is not pinned"));
}

#[tokio::test]
async fn a_file_of_ipfs_is_hashed_by_its_name_or_by_verifying_it_and_the_gateway_is_written_down() {
    let (whole, tree) = (import(WEIGHTS, 100, 2), import(WEIGHTS, 5, 2));
    let gateway = Gateway::start(&[(&tree.cid(), tree.car())]).await;
    let nobody = "http://127.0.0.1:1";
    let job = manifest(&format!("inputs: [ {{ uri: ipfs://{}, mount: /m }} ]", whole.cid()));
    let (found, _) = pinned(&job, nobody, &Secrets::new()).await.unwrap();
    assert_eq!(found.inputs[0].sha256, Some(hash(WEIGHTS)), "its name says it");
    let mut job = manifest(&format!("inputs: [ {{ uri: ipfs://{}, mount: /m }} ]", tree.cid()));
    let error = pinned(&job, nobody, &Secrets::new()).await.unwrap_err().to_string();
    assert!(error.contains("gateway: https://"), "{error}");
    job.inputs[0].gateway = Some(gateway.url.clone());
    let (found, bytes) = pinned(&job, nobody, &Secrets::new()).await.unwrap();
    assert_eq!((&found.inputs[0].sha256, bytes), (&Some(hash(WEIGHTS)), WEIGHTS.len() as u64));
    gateway.book.fail(&format!("/ipfs/{}", tree.cid()), [Fault::Lie]);
    let error = pinned(&job, nobody, &Secrets::new()).await.unwrap_err();
    assert!(matches!(error.fault, SourceFault::Unusable { .. }), "{error}");

    let sources = Sources::new(Some(nobody)).unwrap().with_gateway("https://gateway.example").unwrap();
    let mut job = manifest(&format!("inputs: [ {{ uri: ipfs://{}, mount: /m }} ]", whole.cid()));
    job.pin_remote_inputs(&sources, &Secrets::new()).await.unwrap();
    assert_eq!(job.inputs[0].gateway.as_deref(), Some("https://gateway.example/"));
    assert_eq!(Manifest::from_canonical(&job.canonical().unwrap()).unwrap(), job);
    assert!(Sources::new(None).unwrap().with_gateway("http://127.0.0.1:8080").is_err());
}
