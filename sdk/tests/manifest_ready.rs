//! `ready` and the probes of ports: what is read, what is refused with its place, and what the canonical form leaves out.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use gridlease_sdk::manifest::{Manifest, Probe, Ready};

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn read(more: &str) -> Result<Manifest, String> {
    let yaml = format!(
        "version: 1\nname: j\nimage: a.example/b@sha256:{DIGEST}\nresources: {{ cpu: 1 }}\n\
         price: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n{more}"
    );
    Manifest::from_yaml(&yaml, "job.yaml").map_err(|errors| errors.to_string())
}

fn canonical(more: &str) -> String {
    String::from_utf8(read(more).unwrap().canonical().unwrap()).unwrap()
}

#[test]
fn each_kind_of_probe_and_its_times_are_read_and_survive_the_canonical_form() {
    let manifest = read(
        "ports: [ { container: 80, probe: { http: /up } }, { container: 81, probe: { tcp: true } }, { container: 82, probe: { tcp: {} } } ]\n\
         ready: { exec: [pg_isready, -q], healthcheck: true, start_period: 1m30s, interval: 2s, timeout: 5s }\n",
    )
    .unwrap();
    let probes: Vec<_> = manifest.ports.iter().map(|port| port.probe.clone().unwrap()).collect();
    assert_eq!(probes, [Probe::Http("/up".to_owned()), Probe::Tcp, Probe::Tcp]);
    let ready = Ready {
        exec: vec!["pg_isready".to_owned(), "-q".to_owned()],
        healthcheck: Some(true),
        start_period_s: Some(90),
        interval_s: Some(2),
        timeout_s: Some(5),
    };
    assert_eq!(manifest.ready, ready);
    let bytes = manifest.canonical().unwrap();
    assert_eq!(Manifest::from_canonical(&bytes).unwrap(), manifest);
}

#[test]
fn a_manifest_that_says_nothing_of_them_has_the_canonical_form_that_it_had_before_there_were_the_keys() {
    let plain = canonical("");
    assert!(!plain.contains("ready"), "{plain}");
    let probed = canonical("ports: [ { container: 80, probe: { http: / } } ]\n");
    assert!(probed.contains(r#""ports":[{"container":80,"probe":{"http":"/"}}]"#), "{probed}");
    // Said as it is by default, it would be a second spelling of the same job.
    let spelled = plain.replace(r#""resources""#, r#""ready":{},"resources""#);
    assert!(Manifest::from_canonical(spelled.as_bytes()).is_err());
}

#[test]
fn what_is_wrong_with_them_is_said_with_its_place_and_what_is_allowed() {
    for (more, told) in [
        (
            "ports: [ { container: 80, probe: { http: /, tcp: true } } ]\n",
            "job.yaml:7:34: ports[0].probe: is given twice; write { http: /healthz } or { tcp: true }",
        ),
        (
            "ports: [ { container: 80, probe: {} } ]\n",
            "job.yaml:7:34: ports[0].probe: says nothing; write { http: /healthz } or { tcp: true }",
        ),
        (
            "ports: [ { container: 80, probe: { tcp: false } } ]\n",
            "job.yaml:7:41: ports[0].probe.tcp: is neither true nor {}; write { tcp: true }, or leave the probe out",
        ),
        ("ready: { interval: 61s }\n", "job.yaml:7:20: ready.interval: is 61s; allowed: 1s to 1m"),
        ("ready: { timeout: 31s }\n", "job.yaml:7:19: ready.timeout: is 31s; allowed: 1s to 30s"),
        ("ready: { start_period: 16m }\n", "job.yaml:7:24: ready.start_period: is 16m; allowed: 1s to 15m"),
        (
            "ready: { healthcheck: maybe }\n",
            "job.yaml:7:23: ready.healthcheck: \"maybe\" is not known; allowed: true, false",
        ),
        (
            "ready: { healthcheck: false, timeout: 3s }\n",
            "job.yaml:7:8: ready: has times for a probe that there is not; name one: exec here, or probe: { http: /path } or \
             { tcp: true } beside a port; or leave the times out",
        ),
    ] {
        assert_eq!(read(more).unwrap_err(), told, "{more}");
    }
    for (more, told) in [
        ("ready: { exec: pg_isready }\n", "job.yaml:7:16: ready.exec: is a single value; write program and arguments"),
        ("ready: { exec: [] }\n", "job.yaml:7:16: ready.exec: is empty; write program and arguments"),
        ("ready: { exec: [\"\"] }\n", "job.yaml:7:17: ready.exec[0]: is empty; write the program's name"),
        ("ready: { intervall: 2s }\n", "ready.intervall: unknown key; did you mean `interval`?"),
    ] {
        let found = read(more).unwrap_err();
        assert!(found.contains(told), "{more}: {found}");
    }
}
