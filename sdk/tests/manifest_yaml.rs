//! Reading manifests: what a person writes, and what a person is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

use gridlease_sdk::image::ImageReference;
use gridlease_sdk::manifest::{InputSource, Manifest, Network, PriceMode, Probe, Public, VerifyClass, Vocabulary};

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The smallest job, with `more` behind it.
fn job(more: &str) -> String {
    format!(
        "version: 1\nname: a\nimage: r.io/a@sha256:{DIGEST}\nprice: {{ max: 1.80 }}\nduration: {{ max: 2h }}\n{more}"
    )
}

fn errors(text: &str) -> String {
    match Manifest::from_yaml(text, "job.yaml") {
        Ok(_) => "accepted".to_owned(),
        Err(errors) => errors.to_string(),
    }
}

fn check(cases: &[(&str, &str)], text: impl Fn(&str) -> String) {
    for (written, told) in cases {
        assert_eq!(errors(&text(written)), *told, "{written}");
    }
}

#[test]
fn a_text_that_is_no_manifest_is_refused_at_the_place_where_reading_stops() {
    check(
        &[
            ("", "job.yaml:1:1: the manifest is empty; start from `gridlease job init`"),
            (
                "- 1\n",
                "job.yaml:1:1: the manifest is a list; write a mapping such as { version: … }; known here: version, name, image, registry_auth, command, args, env, secrets, inputs, outputs, scratch, resources, placement, price, duration, attempts, ports, ready, restart, stdin, tty, array, verify, network, services",
            ),
            (
                "version: 1\n",
                "job.yaml:1:1: name: is missing; write a short name for the job\njob.yaml:1:1: image: is missing; write registry/name:tag or registry/name@sha256:…\njob.yaml:1:1: price: is missing; write US dollars per hour, such as { max: 1.80 }\njob.yaml:1:1: duration: is missing; write how long the job may run at most, such as { max: 2h }",
            ),
            ("a: [1, 2\n", "job.yaml:2:1: this is not YAML: while parsing a flow sequence, expected ',' or ']'"),
            (
                "a: &x 1\nb: *x\n",
                "job.yaml:1:7: anchors (&name) are not accepted; write the value out where it is needed",
            ),
            ("version: !!int 1\n", "job.yaml:1:16: tags (!name) are not accepted; leave it out"),
            ("version: 1\n---\nversion: 1\n", "job.yaml:3:1: a second document begins here; one file holds one job"),
        ],
        str::to_owned,
    );
}

#[test]
fn every_fault_is_told_with_its_place_its_key_and_what_is_allowed() {
    check(
        &[
            (
                "imagee: x\n",
                "job.yaml:6:1: imagee: unknown key; did you mean `image`? known here: version, name, image, registry_auth, command, args, env, secrets, inputs, outputs, scratch, resources, placement, price, duration, attempts, ports, ready, restart, stdin, tty, array, verify, network, services",
            ),
            (
                "resources: { gpu: { vrm: 24GiB } }\n",
                "job.yaml:6:21: resources.gpu.vrm: unknown key; did you mean `vram`? known here: model, count, vram, cuda",
            ),
            (
                "resources: { gpu: { vram: 24 } }\n",
                "job.yaml:6:27: resources.gpu.vram: \"24\" has no unit; did you mean 24GiB? write a size with a unit, such as 512MiB, 24GiB or 1.5TiB",
            ),
            (
                "resources:\n  memory: 16Gi\n  cpu: half\n",
                "job.yaml:7:11: resources.memory: \"16Gi\" is not a size; did you mean 16GiB?\njob.yaml:8:8: resources.cpu: \"half\" is not a number of cores; write cores, such as 4 or 0.5",
            ),
            (
                "resources:\n",
                "job.yaml:6:10: resources: is empty; write a mapping such as { gpu: … }; known here: gpu, cpu, memory, disk, shm, network",
            ),
            ("name: b\n", "job.yaml:6:1: name: is given twice; keep one of them"),
            ("env: { A: 1, A: 2 }\n", "job.yaml:6:14: env.A: is given twice; keep one of them"),
            (
                "env: { 1A: x, B: ~, C: [1] }\n",
                "job.yaml:6:12: env.1A: \"1A\" is not the name of a variable; write up to 128 letters, digits and `_`, not beginning with a digit\njob.yaml:6:18: env.B: is empty; write a text; for an empty one write \"\"\njob.yaml:6:24: env.C: is a list; write a text; for an empty one write \"\"",
            ),
            (
                "env: { LD_PRELOAD: x }\n",
                "job.yaml:6:20: env.LD_PRELOAD: steers a loader, a runtime or a proxy outside the container; set it within the command, such as [\"/usr/bin/env\", \"LD_PRELOAD=…\", \"/app\"]",
            ),
            (
                "env: { GRIDLEASE_X: x }\n",
                "job.yaml:6:21: env.GRIDLEASE_X: begins with GRIDLEASE_; these variables are set by the node",
            ),
            (
                "command: python render.py\n",
                "job.yaml:6:10: command: is a single value; write a list such as [\"python\", \"render.py\"]",
            ),
            (
                "command: [a, {b: c}]\n",
                "job.yaml:6:14: command[1]: is a mapping; write a list such as [\"python\", \"render.py\"]",
            ),
            (
                "inputs: [ { uri: ./a.json, mount: in/a.json } ]\n",
                "job.yaml:6:35: inputs[0].mount: \"in/a.json\" is not an absolute path; write an absolute path such as /data/scene.json",
            ),
            (
                "inputs: [ { uri: ./a.json, mount: /in/../etc } ]\n",
                "job.yaml:6:35: inputs[0].mount: \"/in/../etc\" is not written in its shortest form; leave out empty parts, `.` and `..`",
            ),
            (
                "inputs: [ { uri: ./a.json, mount: /proc/a } ]\n",
                "job.yaml:6:35: inputs[0].mount: \"/proc/a\" is under /proc, which belongs to the system; choose another folder",
            ),
            (
                "inputs: [ { uri: ./a.json, mount: /in/a }, { uri: ./b.json, mount: /in/a/b } ]\n",
                "job.yaml:6:68: inputs[1].mount: \"/in/a/b\" and \"/in/a\" (inputs[0].mount) lie within each other; give each its own place",
            ),
            (
                "inputs: [ { uri: ./a.json, mount: /out/a } ]\noutputs: [ { path: /out } ]\n",
                "job.yaml:7:20: outputs[0].path: \"/out\" and \"/out/a\" (inputs[0].mount) lie within each other; give each its own place",
            ),
            (
                "outputs: [ { path: / } ]\n",
                "job.yaml:6:20: outputs[0].path: \"/\" is the root of the container; write an absolute path such as /data/scene.json",
            ),
            (
                "inputs: [ { uri: push, mount: /in/ } ]\n",
                "job.yaml:6:31: inputs[0].mount: \"/in/\" is a folder, and the uri names no file; write the file's whole path in the container",
            ),
            (
                "inputs: [ { uri: \"http://x/y\", mount: /in/y } ]\n",
                "job.yaml:6:11: inputs[0].sha256: is missing; what is pushed, or loaded from an https:// address, cannot be hashed for you; write what sha256sum prints\njob.yaml:6:18: inputs[0].uri: \"http://x/y\" cannot be loaded; write an https://, hf://, s3:// or ipfs:// address without credentials, a path on this machine, or push",
            ),
            (
                "inputs: [ { uri: \"https://x/y\", mount: /in/y, sha256: ABC } ]\n",
                "job.yaml:6:55: inputs[0].sha256: \"ABC\" is not a SHA-256; write the 64 lower-case hex digits that sha256sum prints",
            ),
            (
                "inputs: [ { url: ./a } ]\n",
                "job.yaml:6:11: inputs[0].uri: is missing; write an https://, hf://, s3:// or ipfs:// address, a path on this machine, or push\njob.yaml:6:11: inputs[0].mount: is missing; write where the file shall be in the container, such as /in/scene.json\njob.yaml:6:13: inputs[0].url: unknown key; did you mean `uri`? known here: uri, sha256, mount, s3, gateway",
            ),
            (
                "scratch: [ { path: /dev/shm }, { path: /w }, { path: /w/x } ]\noutputs: [ { path: /w/out }, { path: /o } ]\n",
                "job.yaml:6:20: scratch[0].path: \"/dev/shm\" is under /dev, which belongs to the system; choose another folder\njob.yaml:6:54: scratch[2].path: \"/w/x\" and \"/w\" (scratch[1].path) lie within each other; give each its own place",
            ),
            (
                "scratch: [ { path: /o/x } ]\noutputs: [ { path: /o } ]\n",
                "job.yaml:6:20: scratch[0].path: \"/o/x\" and \"/o\" (outputs[0].path) lie within each other; give each its own place",
            ),
            (
                "resources: { memory: 1GiB, shm: 2GiB }\n",
                "job.yaml:6:33: resources.shm: is 2GiB; allowed: 1MiB to 1GiB",
            ),
            (
                "placement: { min_reputation: 80 }\n",
                "job.yaml:6:30: placement.min_reputation: \"80\" is not between 0 and 1; write a number with at most 4 decimals, such as 0.8",
            ),
            (
                "placement: { exclude: [me] }\n",
                "job.yaml:6:24: placement.exclude[0]: \"me\" is not an address; write a provider's address as `gridlease provider show` prints it",
            ),
            (
                "ports: [ { container: 0 }, { container: 99999 } ]\n",
                "job.yaml:6:23: ports[0].container: is 0; allowed: 1 to 65535\njob.yaml:6:41: ports[1].container: 99999 is not a port; write the port's number in the container, 1 to 65535",
            ),
            (
                "ports: [ { container: 80, name: Web }, { container: 81, name: \"81\", public: yes } ]\n",
                "job.yaml:6:33: ports[0].name: \"Web\" is not a name; write up to 32 of a-z, 0-9 and `-`, beginning and ending with a letter or digit, not only digits\njob.yaml:6:63: ports[1].name: \"81\" is not a name; write up to 32 of a-z, 0-9 and `-`, beginning and ending with a letter or digit, not only digits\njob.yaml:6:77: ports[1].public: \"yes\" is not known; allowed: off, token, open",
            ),
            (
                "ports: [ { container: 80, name: web }, { container: 81, name: web } ]\n",
                "job.yaml:6:63: ports[1].name: \"web\" is given twice; give each port a name of its own",
            ),
            (
                "verify: { class: hsh }\n",
                "job.yaml:6:18: verify.class: \"hsh\" is not known; did you mean `hash`? allowed: none, hash, fingerprint, attested, service",
            ),
            ("verify: { class: hash, replicas: 1 }\n", "job.yaml:6:34: verify.replicas: is 1; allowed: 2 to 8"),
            ("array: { count: 0 }\n", "job.yaml:6:17: array.count: is 0; allowed: 1 to 10000"),
            ("attempts: 9\n", "job.yaml:6:11: attempts: is 9; allowed: 1 to 8"),
            (
                "resources: { memory: 1MiB, cpu: 0, disk: 65TiB }\n",
                "job.yaml:6:22: resources.memory: is 1MiB; allowed: 16MiB to 16TiB\njob.yaml:6:33: resources.cpu: is 0; allowed: 0.05 to 1024\njob.yaml:6:42: resources.disk: is 65TiB; allowed: 16MiB to 64TiB",
            ),
            (
                "ports: [ {}, { container: 1, probe: { http: x } }, { container: 1 } ]\n",
                "job.yaml:6:10: ports[0].container: is missing; write the port's number in the container, 1 to 65535\njob.yaml:6:45: ports[1].probe.http: \"x\" is not a path; write a path such as /healthz\njob.yaml:6:65: ports[2].container: 1 is given twice; keep one of them",
            ),
            (
                "resources: { gpu: { count: 0, cuda: 12.4 } }\n",
                "job.yaml:6:28: resources.gpu.count: is 0; allowed: 1 to 64\njob.yaml:6:37: resources.gpu.cuda: \"12.4\" is not a CUDA version; write the lowest version, such as \">=12.4\"",
            ),
            (
                "resources: { gpu: { model: [h100, h100] } }\n",
                "job.yaml:6:35: resources.gpu.model[1]: \"h100\" is given twice; keep one of them",
            ),
            (
                "network: eggress\n",
                "job.yaml:6:10: network: \"eggress\" is not known; did you mean `egress`? allowed: none, egress, or { allow: [hub.example, \"*.hub.example:443\"] }",
            ),
            (
                "secrets: { HF_TOKEN: abc }\nenv: { T: x }\n",
                "job.yaml:6:22: secrets.HF_TOKEN: is a single value; a secret's value must not stand in the manifest; write { from: env }",
            ),
            (
                "secrets: { T: { from: env } }\nenv: { T: x }\n",
                "job.yaml:6:15: secrets.T: is in env, too; a secret must not stand in env; remove it there",
            ),
            (
                "secrets: { T: { from: env, as: variable } }\n",
                "job.yaml:6:32: secrets.T.as: \"variable\" is not known; allowed: file, env",
            ),
        ],
        job,
    );
}

#[test]
fn a_price_that_is_zero_inexact_or_beyond_the_market_is_refused() {
    check(
        &[
            (
                "{ max: 0 }",
                "job.yaml:4:15: price.max: is zero; nobody works for nothing; write the most that you pay an hour",
            ),
            (
                "{ max: 1.1234567 }",
                "job.yaml:4:15: price.max: \"1.1234567\" has more than 6 decimals; the smallest price is 0.000001",
            ),
            (
                "{ max: $2 }",
                "job.yaml:4:15: price.max: \"$2\" names a currency; prices are in US dollars; write US dollars per hour as a plain number, such as 1.80",
            ),
            (
                "{ max: 100001 }",
                "job.yaml:4:15: price.max: is above 100000 USD an hour; prices are in US dollars per hour",
            ),
            (
                "{ max: 1, mode: action }",
                "job.yaml:4:24: price.mode: \"action\" is not known; did you mean `auction`? allowed: auction, instant, sealed",
            ),
            ("{ max: 1, window: 5s }", "job.yaml:4:26: price.window: is 5s; allowed: 6s to 1h"),
            ("{ max: 1, window: 20s, wait: 10s }", "job.yaml:4:37: price.wait: is 10s; allowed: 20s to 30d"),
            (
                "{ max: 1, mode: instant, window: 12s }",
                "job.yaml:4:41: price.window: is given, but only an auction has a window that can be chosen; leave it out",
            ),
            (
                "1.80",
                "job.yaml:4:8: price: is a single value; write a mapping such as { max: … }; known here: max, mode, window, wait",
            ),
        ],
        |price| job("").replace("{ max: 1.80 }", price),
    );
}

#[test]
fn a_duration_without_unit_or_beyond_the_market_is_refused() {
    check(
        &[
            (
                "2h",
                "job.yaml:5:11: duration: is a single value; write a mapping such as { max: … }; known here: max, checkpoint",
            ),
            (
                "{ max: 2 }",
                "job.yaml:5:18: duration.max: \"2\" has no unit; did you mean 2s or 2m? write a duration with a unit, such as 12s, 15m, 2h or 1h30m",
            ),
            ("{ max: 10s }", "job.yaml:5:18: duration.max: is 10s; allowed: 1m to 30d"),
            ("{ max: 31days }", "job.yaml:5:18: duration.max: is 31d; allowed: 1m to 30d"),
            (
                "{ max: 1h, checkpoint: 2h }",
                "job.yaml:5:34: duration.checkpoint: is 2h; allowed: 10s up to duration.max",
            ),
        ],
        |duration| job("").replace("{ max: 2h }", duration),
    );
}

#[test]
fn an_image_that_is_no_reference_is_refused() {
    check(
        &[
            (
                "Org/App",
                "job.yaml:3:8: image: \"Org/App\" is not an image reference: repository names are written in lower case; write registry/name:tag or registry/name@sha256:…",
            ),
            (
                "https://r.io/a",
                "job.yaml:3:8: image: \"https://r.io/a\" is not an image reference: it is a URL; leave out the scheme; write registry/name:tag or registry/name@sha256:…",
            ),
            (
                "r.io/a@sha256:12",
                "job.yaml:3:8: image: \"r.io/a@sha256:12\" is not an image reference: its digest is not 64 lower-case hex digits; write registry/name:tag or registry/name@sha256:…",
            ),
        ],
        |image| job("").replace(&format!("r.io/a@sha256:{DIGEST}"), image),
    );
}

#[test]
fn many_faults_are_told_at_once_in_the_order_of_the_text() {
    let text = "name: A\nversion: 2\nimage: r.io/a\nprice: { max: 0 }\nduration: { max: 1 }\nx: 1\n";
    let told = Manifest::from_yaml(text, "job.yaml").unwrap_err();
    let places: Vec<_> = told.errors.iter().map(|e| (e.line, e.key.as_str())).collect();
    assert_eq!(places, [(1, "name"), (2, "version"), (4, "price.max"), (5, "duration.max"), (6, "x")]);
}

#[test]
fn a_text_full_of_faults_lists_32_and_counts_the_rest() {
    let wrong: String = (0..100).map(|n| format!("x{n}: 1\n")).collect();
    let told = errors(&job(&wrong));
    assert_eq!(told.lines().count(), 33);
    assert!(told.ends_with("job.yaml: and 68 more"), "{told}");
}

#[test]
fn keys_are_shown_without_control_characters() {
    assert!(errors(&job("\"\\e[31mred\": 1\n")).contains("job.yaml:6:1: ?[31mred: unknown key"));
}

#[test]
fn an_alias_bomb_a_deep_nest_and_a_long_text_are_refused() {
    let mut bomb = "a0: &a0 [x, x]\n".to_owned();
    for level in 1..40 {
        let below = level - 1;
        bomb += &format!("a{level}: &a{level} [*a{below}, *a{below}]\n");
    }
    assert!(errors(&bomb).contains("anchors (&name) are not accepted"));
    assert!(errors(&("[".repeat(200) + &"]".repeat(200))).contains("nested more than 16 deep"));
    assert!(errors(&"- ".repeat(5000)).contains("nested more than 16 deep"));
    let wide = format!("command: [{}]", "a, ".repeat(20_000));
    assert!(errors(&wide).contains("more than 10000 values"));
    assert!(errors(&" ".repeat(300_000)).contains("is 300000 bytes long; at most 262144"));
    let longest = job(&format!("env: {{ A: \"{}\" }}", "x".repeat(4097)));
    assert!(errors(&longest).contains("env.A: is 4097 bytes long; at most 4096 are allowed"));
}

#[test]
fn a_short_manifest_gets_the_defaults() {
    let manifest = Manifest::from_yaml(&job(""), "job.yaml").unwrap();
    assert_eq!(manifest.price.max_atoms_per_hour, 1_800_000);
    assert_eq!(manifest.price.mode, PriceMode::Auction);
    assert_eq!((manifest.price.window_s, manifest.price.wait_s), (12, 86_400));
    assert_eq!(manifest.duration.max_s, 7_200);
    assert_eq!(manifest.attempts, 3);
    assert_eq!(manifest.resources.cpu_milli, 1000);
    assert_eq!(manifest.resources.memory_mib, 512);
    assert_eq!(manifest.resources.disk_mib, 1024);
    assert_eq!(manifest.resources.gpu, None);
    assert_eq!(manifest.verify.class, VerifyClass::None);
    assert_eq!(manifest.network, Network::None);
    assert!(manifest.command.is_empty() && manifest.env.is_empty());
    assert!(manifest.unsupported().is_empty());
}

/// The example of the protocol, with real hashes.
fn full() -> String {
    format!(
        r#"
version: 1
name: sdxl-batch
image: registry.example/org/sdxl:3@sha256:{DIGEST}
command: ["python", "render.py"]
env: {{ STEPS: 30, RATIO: 1.80, FLAG: yes }}
secrets: {{ HF_TOKEN: {{ from: env }} }}
inputs:
  - {{ uri: "https://example.org/data/prompts.json?v=1", sha256: {DIGEST}, mount: /in/ }}
  - {{ uri: ./scenes/one.json, mount: /in/ }}
outputs: [ {{ path: /out }} ]
resources: {{ gpu: {{ model: [H100, a100], count: 1, vram: 24GiB, cuda: ">=12.4" }}, cpu: 4, memory: 16GiB, disk: 50GiB }}
placement: {{ regions: [eu, us], min_reputation: 0.8, exclude: [] }}
price: {{ max: 1.80, mode: auction, window: 12s }}   # USD per hour
duration: {{ max: 2h, checkpoint: 15m }}
attempts: 3
ports: [ {{ container: 8080, name: web, public: token, probe: {{ http: /healthz }} }} ]
array: {{ count: 100, parameters: params.csv }}
verify: {{ class: hash, replicas: 2 }}
network: egress
"#
    )
}

#[test]
fn every_key_of_the_protocol_is_read() {
    let manifest = Manifest::from_yaml(&full(), "job.yaml").unwrap();
    assert_eq!(manifest.image, format!("registry.example/org/sdxl@sha256:{DIGEST}"));
    assert_eq!(manifest.env["STEPS"], "30");
    assert_eq!(manifest.env["RATIO"], "1.80", "as written, not as a number");
    assert_eq!(manifest.env["FLAG"], "yes");
    assert_eq!(manifest.inputs[0].mount, "/in/prompts.json");
    assert_eq!(manifest.inputs[1].mount, "/in/one.json");
    assert_eq!(manifest.inputs[1].uri, InputSource::Local("./scenes/one.json".to_owned()));
    let gpu = manifest.resources.gpu.as_ref().unwrap();
    assert_eq!(gpu.models, ["h100", "a100"]);
    assert_eq!((gpu.count, gpu.vram_mib, gpu.cuda_min), (1, 24 * 1024, 1204));
    assert_eq!(manifest.placement.min_reputation_bps, 8_000);
    assert_eq!(manifest.duration.checkpoint_s, Some(900));
    assert_eq!((manifest.ports[0].label().as_str(), manifest.ports[0].public), ("web", Public::Token));
    assert_eq!(manifest.ports[0].probe, Some(Probe::Http("/healthz".to_owned())));
    assert_eq!(manifest.array.as_ref().unwrap().count, 100);
    assert_eq!(manifest.verify.replicas, 2);
}

#[test]
fn what_the_market_cannot_do_yet_is_named_so_that_posting_can_refuse_it() {
    let manifest = Manifest::from_yaml(&full(), "job.yaml").unwrap();
    let keys: Vec<_> = manifest.unsupported().iter().map(|u| u.key).collect();
    assert_eq!(keys, ["array", "verify.class"]);
    assert_eq!(
        manifest.unsupported()[0].to_string(),
        "array: arrays are not run by the market yet; post one job for each task"
    );
}

#[test]
fn the_hosts_that_a_job_may_reach_are_read_or_refused_each_with_its_place() {
    let manifest =
        Manifest::from_yaml(&job("network: { allow: [Hub.example, \"*.hf.co:443\", 9.9.9.9] }\n"), "job.yaml").unwrap();
    let Network::Allow(hosts) = &manifest.network else { panic!("{:?}", manifest.network) };
    assert_eq!(hosts.iter().map(ToString::to_string).collect::<Vec<_>>(), ["hub.example", "*.hf.co:443", "9.9.9.9"]);
    let told = |network: &str| {
        Manifest::from_yaml(&job(&format!("network: {network}\n")), "job.yaml").unwrap_err().to_string()
    };
    let both = told("{ allow: [localhost, hub.example, 10.0.0.1] }");
    assert!(both.contains("job.yaml:6:20: network.allow[0]: \"localhost\" is not the name of a host"), "{both}");
    assert!(both.contains("network.allow[2]: \"10.0.0.1\" is not on the public internet"), "{both}");
    assert!(told("{ allow: [] }").contains("network.allow: is empty"));
    assert!(told("{ allow: [a.b, A.b] }").contains("network.allow[1]: \"a.b\" is given twice"));
    assert!(told("{ allows: [a.b] }").contains("did you mean `allow`?"));
    assert!(told("[a.b]").contains("network: is a list; allowed: none, egress, or {"));
    let many: Vec<String> = (0..33).map(|n| format!("h{n}.example")).collect();
    assert!(told(&format!("{{ allow: [{}] }}", many.join(", "))).contains("network.allow: has 33 hosts; at most 32"));
}

#[test]
fn bandwidth_is_for_a_job_with_a_network_and_within_bounds() {
    let told = |text: &str| Manifest::from_yaml(&job(text), "job.yaml").unwrap_err().to_string();
    assert!(
        told("resources: { network: { down: 9 } }\n")
            .contains("resources.network: is bandwidth for a job without a network")
    );
    assert!(told("resources: { network: {} }\nnetwork: egress\n").contains("resources.network: names no bandwidth"));
    let wide = told("resources: { network: { up: 100001 } }\nnetwork: egress\n");
    assert!(wide.contains("resources.network.up: is 100001; allowed: 0 to 100000"), "{wide}");
    assert!(told("resources: { network: { upp: 1 } }\nnetwork: egress\n").contains("did you mean `up`?"));
}

#[test]
fn words_that_the_market_does_not_know_are_refused_where_it_says_which_it_knows() {
    let vocabulary = Vocabulary { gpu_models: Some(&["a100", "h100", "rtx4090"]), regions: Some(&["eu", "us"]) };
    let text = job("resources: { gpu: { model: rtx-4090 } }\nplacement: { regions: [mars] }\n");
    let told = Manifest::from_yaml_with(&text, "job.yaml", &vocabulary).unwrap_err();
    assert_eq!(
        told.to_string(),
        "job.yaml:6:28: resources.gpu.model[0]: \"rtx-4090\" is not known; did you mean `rtx4090`? allowed: a100, h100, rtx4090\n\
         job.yaml:7:24: placement.regions[0]: \"mars\" is not known; allowed: eu, us"
    );
}

#[test]
fn an_open_vocabulary_accepts_new_words_of_the_right_form() {
    let read = |model: &str| {
        let text = job(&format!("resources: {{ gpu: {{ model: {model} }} }}\n"));
        Manifest::from_yaml_with(&text, "job.yaml", &Vocabulary::open()).map_err(|told| told.to_string())
    };
    assert!(read("z9000").is_ok());
    assert_eq!(
        read("z9000!").unwrap_err(),
        "job.yaml:6:28: resources.gpu.model[0]: \"z9000!\" is not a name; write up to 24 of a-z, 0-9 and -"
    );
    let future = job("resources: { gpu: { model: z9000 } }\n");
    assert!(errors(&future).starts_with("job.yaml:6:28: resources.gpu.model[0]: \"z9000\" is not known"));
}

#[test]
fn the_template_is_a_manifest_that_can_be_posted() {
    let manifest = Manifest::from_yaml(Manifest::template(), "job.yaml").unwrap();
    assert!(manifest.unsupported().is_empty());
}

#[test]
fn issue9_20_the_template_names_no_file_that_the_buyer_would_have_to_write_first() {
    let folder = tempfile::tempdir().unwrap();
    let mut manifest = Manifest::from_yaml(Manifest::template(), "job.yaml").unwrap();
    assert_eq!(manifest.pin_local_inputs(folder.path()).unwrap().len(), 0);
}

#[test]
fn the_template_for_an_image_of_ones_own_runs_that_image_with_its_own_command() {
    for image in ["127.0.0.1:5000/team/app:2", "[::1]:5000/team/app", "ghcr.io/a/b", "python"] {
        let image: ImageReference = image.parse().unwrap();
        let manifest = Manifest::from_yaml(&Manifest::template_for(&image), "job.yaml").unwrap();
        assert_eq!(manifest.image_reference().unwrap(), image);
        assert!(manifest.command.is_empty(), "{:?}", manifest.command);
    }
}

#[test]
fn the_keys_that_the_template_shows_commented_out_are_accepted_too() {
    let text: String = Manifest::template()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key)
                if ["env:", "inputs:", "  - {", "placement:", "network: { allow"]
                    .iter()
                    .any(|k| key.starts_with(k)) =>
            {
                format!("{}\n", key.replace("<64 hex digits>", DIGEST))
            }
            Some(key) if key.starts_with("gpu:") || key.starts_with("network: { down") => format!("  {key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let manifest = Manifest::from_yaml(&text, "job.yaml").unwrap();
    assert!(manifest.resources.gpu.is_some());
    assert_eq!(manifest.inputs.len(), 3);
    assert_eq!(manifest.placement.regions, ["eu", "us"]);
    assert!(matches!(manifest.network, Network::Allow(hosts) if hosts.len() == 3));
    assert!(manifest.resources.network.is_some());
}

#[test]
fn nothing_is_ignored_after_a_zero_byte() {
    let text = job("attempts: 1\n\0\nattempts: 9\n");
    assert_eq!(errors(&text), "job.yaml:7:1: the line contains a zero byte; save the file as UTF-8 text");
}

proptest::proptest! {
    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,200}|[a-z0-9:{}\\[\\], \n&*!|>\"'#%@-]{0,200}") {
        let _ = Manifest::from_yaml(&text, "job.yaml");
    }

    #[test]
    fn arbitrary_characters_never_panic(text: String) {
        let _ = Manifest::from_yaml(&text, "job.yaml");
    }

    #[test]
    fn a_manifest_with_bytes_changed_never_panics(
        place in 0usize..900,
        length in 0usize..8,
        put in "[\\PC\n\t]{0,8}",
    ) {
        let mut text: Vec<char> = full().chars().collect();
        let start = place.min(text.len());
        let end = (start + length).min(text.len());
        text.splice(start..end, put.chars());
        let text: String = text.into_iter().collect();
        match Manifest::from_yaml(&text, "job.yaml") {
            Ok(_) => {}
            Err(told) => proptest::prop_assert!(!told.errors.is_empty() && !told.to_string().is_empty()),
        }
    }
}
