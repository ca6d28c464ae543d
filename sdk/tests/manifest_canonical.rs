//! The canonical form: one spelling for one content, and the way there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

use gridlease_sdk::image::ResolvedImage;
use gridlease_sdk::manifest::{CanonicalError, InputSource, Manifest, PinError};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use std::fs;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn manifest(more: &str) -> Manifest {
    let text = format!(
        "version: 1\nname: a\nimage: r.io/a@sha256:{DIGEST}\nprice: {{ max: 1.80 }}\nduration: {{ max: 2h }}\n{more}"
    );
    Manifest::from_yaml(&text, "job.yaml").unwrap()
}

#[test]
fn the_canonical_form_is_sorted_and_complete_and_never_changes() {
    let canonical = manifest("env: { B: \"2\", A: \"1\" }\n").canonical().unwrap();
    let expected = format!(
        r#"{{"array":null,"attempts":3,"command":[],"duration":{{"checkpoint_s":null,"max_s":7200}},"env":{{"A":"1","B":"2"}},"image":"r.io/a@sha256:{DIGEST}","inputs":[],"name":"a","network":"none","outputs":[],"placement":{{"exclude":[],"min_reputation_bps":0,"regions":[]}},"ports":[],"price":{{"max_atoms_per_hour":1800000,"mode":"auction","window_s":12}},"resources":{{"cpu_milli":1000,"disk_mib":1024,"gpu":null,"memory_mib":512}},"secrets":{{}},"verify":{{"class":"none","replicas":1}},"version":1}}"#
    );
    assert_eq!(String::from_utf8(canonical).unwrap(), expected);
    let hash: [u8; 32] = Sha256::digest(expected).into();
    assert_eq!(manifest("env: { A: '1', B: '2' }\n").hash().unwrap(), hash);
}

#[test]
fn only_the_canonical_spelling_is_accepted_back() {
    let canonical = String::from_utf8(manifest("").canonical().unwrap()).unwrap();
    let read = |text: &str| Manifest::from_canonical(text.as_bytes());
    assert_eq!(read(&canonical).unwrap(), manifest(""));
    let variants = [
        canonical.replace("\"attempts\":3", "\"attempts\": 3"),
        canonical.replace("{\"array\":null,", "{"),
        canonical.replace("\"name\":\"a\"", "\"name\":\"\\u0061\""),
        canonical
            .replace("\"attempts\":3,", "")
            .replace("{\"array\":null,", "{\"array\":null,\"zeal\":1,\"attempts\":3,"),
        canonical.replace("\"env\":{}", "\"env\":{\"A\":\"1\",\"A\":\"1\"}"),
        canonical.replace("\"attempts\":3", "\"attempts\":3.0"),
        canonical.replace("\"attempts\":3", "\"attempts\":3,\"attempts\":3"),
        canonical.clone() + "\n",
        canonical.replace("r.io/a@", "r.io/a:1@"),
        canonical.replace("\"window_s\":12", "\"wait_s\":86400,\"window_s\":12"), // the default has no spelling
        canonical.replace("{\"array\":null,", "{\"args\":[],\"array\":null,"),    // nor have no arguments
    ];
    for variant in variants {
        assert_ne!(variant, canonical);
        assert!(read(&variant).is_err(), "{variant}");
    }
}

#[test]
fn arguments_stand_in_the_canonical_form_where_there_are_any() {
    let with = manifest("args: [\"--frames\", \"24\"]\n");
    let canonical = with.canonical().unwrap();
    assert!(String::from_utf8_lossy(&canonical).starts_with("{\"args\":[\"--frames\",\"24\"],\"array\":null,"));
    assert_eq!(Manifest::from_canonical(&canonical).unwrap(), with);
    assert_ne!(with.hash(), manifest("").hash());
}

#[test]
fn what_a_manifest_could_not_say_before_stands_in_the_canonical_form_only_where_it_is_said() {
    let plain = String::from_utf8(manifest("").canonical().unwrap()).unwrap();
    for absent in ["scratch", "shm_mib"] {
        assert!(!plain.contains(absent), "{plain}");
    }
    for (text, part) in [
        ("scratch: [ { path: /root/.cache } ]\n", "\"scratch\":[{\"path\":\"/root/.cache\"}]"),
        ("resources: { memory: 1GiB, shm: 512MiB }\n", "\"shm_mib\":512"),
        ("secrets: { T: { from: env } }\n", "\"secrets\":{\"T\":{\"from\":\"env\"}}"),
        ("secrets: { T: { from: env, as: file } }\n", "\"secrets\":{\"T\":{\"from\":\"env\"}}"),
        ("secrets: { T: { from: env, as: env } }\n", "\"secrets\":{\"T\":{\"as\":\"env\",\"from\":\"env\"}}"),
    ] {
        let with = manifest(text);
        let canonical = with.canonical().unwrap();
        assert!(String::from_utf8_lossy(&canonical).contains(part), "{text}");
        assert_eq!(Manifest::from_canonical(&canonical).unwrap(), with);
    }
}

#[test]
fn the_network_has_the_spelling_it_always_had_and_an_allow_list_has_one() {
    let canonical =
        |network: &str| String::from_utf8(manifest(&format!("network: {network}\n")).canonical().unwrap()).unwrap();
    assert!(canonical("none").contains("\"network\":\"none\""));
    assert!(canonical("egress").contains("\"network\":\"egress\""));
    let fast = canonical("egress\nresources: { network: { down: 100 } }");
    assert!(fast.contains("\"network\":{\"down_mbit\":100,\"up_mbit\":0}"), "{fast}");
    assert!(!canonical("egress").contains("down_mbit"));
    let allow = canonical("{ allow: [Hub.example, \"*.hf.co:443\"] }");
    assert!(allow.contains("\"network\":{\"allow\":[\"hub.example\",\"*.hf.co:443\"]}"), "{allow}");
    let read = |text: &str| Manifest::from_canonical(text.as_bytes());
    assert_eq!(read(&allow).unwrap().canonical().unwrap(), allow.as_bytes());
    for other in ["Hub.example", "hub.example.", "hub.example:0443", "localhost", "10.0.0.1", "hub.example:25"] {
        assert!(read(&allow.replace("hub.example", other)).is_err(), "{other}");
    }
    assert!(read(&allow.replace("\"hub.example\",\"*.hf.co:443\"", "")).is_err(), "an empty list is none");
}

#[test]
fn a_wait_that_is_not_the_default_stands_in_the_canonical_form() {
    let mut patient = manifest("");
    patient.price.wait_s = 3_600;
    let canonical = patient.canonical().unwrap();
    assert!(String::from_utf8_lossy(&canonical).contains("\"wait_s\":3600,\"window_s\":12"));
    assert_eq!(Manifest::from_canonical(&canonical).unwrap(), patient);
}

#[test]
fn bounds_hold_for_the_canonical_form_as_well() {
    let canonical = String::from_utf8(manifest("").canonical().unwrap()).unwrap();
    let told = |text: String| Manifest::from_canonical(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(
        told(canonical.replace("1800000", "0")),
        "manifest: price.max: is zero; nobody works for nothing; write the most that you pay an hour"
    );
    assert_eq!(
        told(canonical.replace(
            "\"inputs\":[]",
            &format!("\"inputs\":[{{\"mount\":\"/in/../a\",\"sha256\":\"{DIGEST}\",\"uri\":\"push\"}}]")
        )),
        "manifest: inputs[0].mount: \"/in/../a\" is not written in its shortest form; leave out empty parts, `.` and `..`"
    );
    assert_eq!(
        told(canonical.replace(
            "\"inputs\":[]",
            &format!("\"inputs\":[{{\"mount\":\"/in/a\",\"sha256\":\"{DIGEST}\",\"uri\":\"./a\"}}]")
        )),
        "inputs[0] (./a) is not pinned; hash the file, or ask its source, before posting"
    );
    assert!(told(" ".repeat(70_000)).contains("70000 bytes long, at most 65536"));
}

#[test]
fn a_manifest_larger_than_the_limit_is_told_to_use_input_files() {
    let env: String = (0..20).map(|n| format!("  A{n}: \"{}\"\n", "x".repeat(4000))).collect();
    let error = manifest(&format!("env:\n{env}")).canonical().unwrap_err();
    assert!(matches!(error, CanonicalError::TooLarge { bytes } if bytes > 80_000), "{error}");
}

#[test]
fn an_image_named_by_tag_has_no_canonical_form_until_it_is_pinned() {
    let text = "version: 1\nname: a\nimage: python:3\nprice: { max: 1 }\nduration: { max: 2h }\n";
    let mut manifest = Manifest::from_yaml(text, "job.yaml").unwrap();
    assert_eq!(
        manifest.canonical().unwrap_err().to_string(),
        "image docker.io/library/python:3 is not pinned; resolve it to its digest before posting"
    );
    manifest.pin_image(&ResolvedImage {
        reference_with_digest: format!("docker.io/library/python@sha256:{DIGEST}"),
        digest: [0; 32],
        size_bytes: 1,
        layers: 1,
    });
    manifest.canonical().unwrap();
}

#[test]
fn local_inputs_are_hashed_and_become_pushed_ones() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("scene.json"), "{}").unwrap();
    let mut manifest = manifest("inputs: [ { uri: ./scene.json, mount: /in/ } ]\n");
    assert!(matches!(manifest.canonical(), Err(CanonicalError::InputNotPinned { index: 0, .. })));
    let files = manifest.pin_local_inputs(dir.path()).unwrap();
    assert_eq!(files.len(), 1);
    assert_eq!(files[0].sha256, <[u8; 32]>::from(Sha256::digest("{}")));
    assert_eq!(files[0].size, 2);
    assert_eq!(manifest.inputs[0].uri, InputSource::Push);
    let canonical = manifest.canonical().unwrap();
    assert_eq!(Manifest::from_canonical(&canonical).unwrap(), manifest);
}

#[test]
fn a_local_input_that_is_missing_or_not_the_one_named_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a"), "a").unwrap();
    let text = format!("inputs: [ {{ uri: ./a, mount: /in/a }}, {{ uri: ./a, mount: /in/b, sha256: {DIGEST} }} ]\n");
    let mut wrong = manifest(&text);
    let before = wrong.clone();
    let error = wrong.pin_local_inputs(dir.path()).unwrap_err();
    assert!(matches!(error, PinError::Mismatch { index: 1, .. }), "{error}");
    assert_eq!(wrong, before);
    let mut missing = manifest("inputs: [ { uri: ./b, mount: /in/b } ]\n");
    let error = missing.pin_local_inputs(dir.path()).unwrap_err().to_string();
    assert!(error.starts_with("inputs[0]: cannot read "), "{error}");
    let mut folder = manifest("inputs: [ { uri: ., mount: /in/b } ]\n");
    assert!(folder.pin_local_inputs(dir.path()).unwrap_err().to_string().contains("is not a regular file"));
}

/// A valid manifest's YAML, from random parts.
fn yaml() -> impl Strategy<Value = String> {
    let env = prop::collection::btree_map("[A-F][A-Z0-9_]{0,8}", "\\PC{0,30}", 0..6);
    let command = prop::collection::vec("\\PC{1,30}", 0..6);
    let models = prop::collection::btree_set(prop::sample::select(&gridlease_core::gpu::MODELS[..]), 0..4);
    (
        "[a-z0-9][a-z0-9._-]{0,63}",
        env,
        command,
        prop::option::of((models, 1u32..9, 0u64..200_000, 1u32..99)),
        1u64..100_000_000_000,
        60u32..2_592_000,
        prop_oneof![Just("auction"), Just("instant"), Just("sealed")],
        1u32..=8,
        0usize..4,
        0usize..4,
    )
        .prop_map(|(name, env, command, gpu, price, duration, mode, attempts, inputs, outputs)| {
            let gpu = gpu.map(|(models, count, vram, cuda)| {
                serde_json::json!({"model": models, "count": count, "vram": format!("{vram}MiB"), "cuda": format!(">={cuda}.4")})
            });
            let mut resources = serde_json::json!({"cpu": attempts, "memory": "1.5GiB"});
            if let Some(gpu) = gpu {
                resources["gpu"] = gpu;
            }
            let inputs: Vec<_> = (0..inputs)
                .map(|n| serde_json::json!({"uri": "push", "sha256": DIGEST, "mount": format!("/in/{n}")}))
                .collect();
            let outputs: Vec<_> = (0..outputs).map(|n| serde_json::json!({"path": format!("/out/{n}")})).collect();
            // JSON is YAML: quoting is not this test's subject.
            serde_json::json!({
                "version": 1, "name": name, "image": format!("r.io/a@sha256:{DIGEST}"),
                "env": env, "args": if attempts % 2 == 0 { command.clone() } else { Vec::new() }, "command": command,
                "resources": resources,
                "inputs": inputs, "outputs": outputs,
                "price": {"max": format!("{}.{:06}", price / 1_000_000, price % 1_000_000), "mode": mode},
                "duration": {"max": format!("{duration}s")},
                "attempts": attempts,
            })
            .to_string()
        })
}

proptest! {
    #[test]
    fn what_is_read_from_yaml_survives_the_canonical_form_byte_for_byte(text in yaml()) {
        let manifest = Manifest::from_yaml(&text, "job.yaml").map_err(|e| TestCaseError::fail(e.to_string()))?;
        let canonical = manifest.canonical().unwrap();
        let again = Manifest::from_canonical(&canonical).unwrap();
        prop_assert_eq!(&again, &manifest);
        prop_assert_eq!(again.canonical().unwrap(), canonical);
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_what_is_accepted_is_canonical(bytes: Vec<u8>, place: u16, value: u8) {
        let _ = Manifest::from_canonical(&bytes);
        let mut near = manifest("env: { A: x }\n").canonical().unwrap();
        let place = usize::from(place) % near.len();
        near[place] = value;
        if let Ok(read) = Manifest::from_canonical(&near) {
            prop_assert_eq!(read.canonical().unwrap(), near);
        }
    }
}

#[test]
fn a_port_that_is_not_public_and_has_no_name_is_written_as_before_there_were_such() {
    let canonical =
        |ports: &str| String::from_utf8(manifest(&format!("ports: [ {ports} ]\n")).canonical().unwrap()).unwrap();
    let plain = canonical("{ container: 80 }");
    assert!(plain.contains(r#""ports":[{"container":80,"probe":null}]"#), "{plain}");
    assert_eq!(canonical("{ container: 80, public: off }"), plain);
    let public = canonical("{ container: 80, name: web, public: open }");
    assert!(public.contains(r#""ports":[{"container":80,"name":"web","probe":null,"public":"open"}]"#), "{public}");
    assert_eq!(Manifest::from_canonical(public.as_bytes()).unwrap().ports[0].label(), "web");
}
