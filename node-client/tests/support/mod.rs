//! A registry on loopback with one image made from busybox, and a lease to run it in.
#![allow(dead_code, reason = "each test file uses a part of this")]

pub mod node;
pub mod played;

use std::collections::HashMap;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::FutureExt as _;
use gridlease_node::driver::docker::DockerDriver;
use gridlease_node::driver::{
    ContainerId, ContainerSpec, Driver, DriverError, ImageRef, Limits, Mount, Net, Pull, RegistryPolicy, Role, RunAs,
};
use gridlease_node::sold::Sold;
use gridlease_node::state_dir::{LeaseDir, StateDir};
use gridlease_node::store::NewLease;
use gridlease_sdk::manifest::Manifest;
use gridlease_testkit::needed;
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

pub const BUSYBOX: &str = "/bin/busybox";
const NAME: &str = "gridlease-test/busybox";
const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

type Blobs = Arc<HashMap<String, (String, Vec<u8>)>>;

/// A read-only OCI registry: manifests and blobs by digest over plain HTTP, which engines accept from loopback.
pub struct Registry {
    pub address: std::net::SocketAddr,
    pub image: ImageRef,
    gate: Gate,
    server: tokio::task::JoinHandle<()>,
}

impl Registry {
    pub async fn start() -> Self {
        Self::serving(plain_config(), &[], false).await
    }

    /// One whose image has this configuration, and these files beside busybox.
    pub async fn with_image(config: serde_json::Value, files: &[(&str, &str)]) -> Self {
        Self::serving(config, files, false).await
    }

    /// One that sends another manifest than it was asked for.
    pub async fn lying() -> Self {
        Self::serving(plain_config(), &[], true).await
    }

    async fn serving(config: serde_json::Value, files: &[(&str, &str)], lie: bool) -> Self {
        let (blobs, manifest) = busybox_image(config, files);
        let mut blobs = blobs;
        if lie && let Some((_, bytes)) = blobs.get_mut(&manifest) {
            bytes.push(b'\n');
        }
        let app = Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route("/v2/gridlease-test/busybox/manifests/{digest}", get(serve))
            .route("/v2/gridlease-test/busybox/blobs/{digest}", get(serve))
            .with_state(Arc::new(blobs));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::default();
        let app = app.layer(axum::middleware::from_fn_with_state((gate.clone(), address), guard));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let image = ImageRef::parse(&format!("{address}/{NAME}@{manifest}")).unwrap();
        Self { address, image, gate, server }
    }

    /// From now on it wants this login: as it is, or at the place that gives its tokens.
    pub fn demand(&self, username: &str, password: &str, token: bool) {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"));
        *self.gate.lock().unwrap() = Some((format!("Basic {pair}"), token));
    }

    /// It shows everything to everybody again.
    pub fn open(&self) {
        *self.gate.lock().unwrap() = None;
    }

    pub async fn stop(&mut self) {
        self.server.abort();
        let _ = (&mut self.server).await;
    }

    pub fn with_digest(&self, hex: &str) -> ImageRef {
        ImageRef::parse(&format!("{}/{NAME}@sha256:{hex}", self.address)).unwrap()
    }
}

/// The login that a registry wants, and whether it is shown for a token.
type Gate = Arc<Mutex<Option<(String, bool)>>>;

async fn guard(
    State((gate, address)): State<(Gate, std::net::SocketAddr)>,
    request: axum::extract::Request,
    next: axum::middleware::Next,
) -> Response {
    const TOKEN: &str = "of-this-registry";
    let Some((login, token)) = gate.lock().unwrap().clone() else { return next.run(request).await };
    let shown = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    if request.uri().path() == "/token" && shown == Some(&login) {
        return axum::Json(serde_json::json!({ "token": TOKEN })).into_response();
    }
    let wanted = if token { format!("Bearer {TOKEN}") } else { login };
    if shown == Some(&wanted) {
        return next.run(request).await;
    }
    let how = if token {
        format!("Bearer realm=\"http://{address}/token\",service=\"test\"")
    } else {
        "Basic realm=\"test\"".to_owned()
    };
    let body = r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
    let headers = [(header::WWW_AUTHENTICATE, how), (header::CONTENT_TYPE, "application/json".to_owned())];
    (StatusCode::UNAUTHORIZED, headers, body).into_response()
}

async fn serve(State(blobs): State<Blobs>, Path(digest): Path<String>) -> Response {
    match blobs.get(&digest) {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, kind.clone())], bytes.clone()).into_response(),
        None => {
            let body = r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#;
            (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    }
}

fn plain_config() -> serde_json::Value {
    serde_json::json!({ "Env": ["PATH=/bin"], "Cmd": ["/bin/true"] })
}

/// An image from scratch: one layer with busybox and a shell, a configuration, and the manifest's digest.
fn busybox_image(config: serde_json::Value, files: &[(&str, &str)]) -> (HashMap<String, (String, Vec<u8>)>, String) {
    let mut layer = tar::Builder::new(Vec::new());
    for dir in ["bin/", "proc/", "sys/", "dev/", "tmp/"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        layer.append_data(&mut header, dir, std::io::empty()).unwrap();
    }
    let program = std::fs::read(BUSYBOX).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    layer.append_data(&mut header, "bin/busybox", program.as_slice()).unwrap();
    for applet in [
        "sh", "env", "tr", "touch", "dd", "sleep", "ls", "grep", "seq", "id", "cat", "true", "mount", "ping", "df",
        "tail", "head", "yes", "printf", "stat", "mkdir",
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{applet}"), "busybox").unwrap();
    }
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(if path.starts_with("etc/") { 0o644 } else { 0o600 });
        header.set_size(content.len() as u64);
        layer.append_data(&mut header, path, content.as_bytes()).unwrap();
    }
    // Engines remember contents, not names: an image of its own for every test.
    let unique: [u8; 16] = rand::random();
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(16);
    layer.append_data(&mut header, "unique", unique.as_slice()).unwrap();
    let layer = layer.into_inner().unwrap();
    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = serde_json::to_vec(&serde_json::json!({
        "architecture": arch, "os": "linux",
        "config": config,
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    }))
    .unwrap();
    let manifest = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": MANIFEST_TYPE,
        "config": { "mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest(&config) },
        "layers": [{ "mediaType": "application/vnd.docker.image.rootfs.diff.tar", "size": layer.len(), "digest": digest(&layer) }],
    }))
    .unwrap();
    let name = digest(&manifest);
    let plain = "application/octet-stream".to_owned();
    let blobs = HashMap::from([
        (digest(&layer), (plain.clone(), layer)),
        (digest(&config), (plain, config)),
        (name.clone(), (MANIFEST_TYPE.to_owned(), manifest)),
    ]);
    (blobs, name)
}

/// A real engine, a registry, a state directory and a node of its own, all gone when the test is over.
pub struct Bench {
    pub driver: DockerDriver,
    pub registry: Registry,
    pub state: StateDir,
    pub node: Pubkey,
    dir: tempfile::TempDir,
}

impl Bench {
    /// A description of a container for lease number `n` that runs `script` in a shell, with one input and one output.
    pub fn spec(&self, n: u8, script: &str) -> ContainerSpec {
        let lease = Pubkey::new_from_array(std::array::from_fn(|i| self.node.to_bytes()[i] ^ n));
        let dir = self.state.lease(&lease);
        dir.create(1, RunAs::for_this_process()).unwrap();
        let input = dir.inputs().join("input");
        if !input.exists() {
            std::fs::write(&input, "the input").unwrap();
            dir.share_input(&input).unwrap();
        }
        ContainerSpec {
            node: self.node,
            lease,
            job: Pubkey::new_from_array([9; 32]),
            image: self.registry.image.clone(),
            command: vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()],
            args: Vec::new(),
            env: vec![("GREETING".to_owned(), "hello".to_owned())],
            lease_dir: dir.root().to_owned(),
            mounts: vec![
                Mount { source: input, target: "/in/data".to_owned(), read_only: true },
                Mount { source: dir.output(0), target: "/out".to_owned(), read_only: false },
            ],
            secrets: None,
            init: None,
            limits: Limits { pids: 40, ..Limits::new(64 * 1024 * 1024, 1_000) },
            gpus: Vec::new(),
            run_as: RunAs::for_this_process(),
            net: Net::None,
            role: Role::Own,
            stdin: false,
            tty: false,
        }
    }

    pub fn lease_dir(&self, spec: &ContainerSpec) -> LeaseDir {
        self.state.lease(&spec.lease)
    }

    pub async fn pull(&self) -> Result<u64, DriverError> {
        self.driver.pull(&self.registry.image, Pull::public(100 << 20), &watch::Sender::default()).await
    }

    /// Pulls, creates and starts.
    pub async fn launch(&self, spec: &ContainerSpec) -> ContainerId {
        self.pull().await.unwrap();
        let id = self.driver.create(spec).await.unwrap();
        self.driver.start(&id).await.unwrap();
        id
    }

    /// What the container wrote, both streams.
    pub async fn output(&self, id: &ContainerId) -> Vec<String> {
        use futures_util::StreamExt as _;
        let pieces: Vec<_> = self.driver.logs(id, None, true).collect().await;
        pieces.into_iter().map(|p| String::from_utf8_lossy(&p.unwrap().bytes).into_owned()).collect()
    }
}

/// The canonical manifest of a job with these ports, which runs nothing.
pub fn manifest(ports: &str) -> Vec<u8> {
    let yaml = format!(
        "version: 1\nname: test\nimage: 127.0.0.1:5000/x@sha256:{}\ncommand: [\"/bin/true\"]\n{ports}\
         resources: {{ cpu: 1, memory: 1GiB, disk: 1GiB }}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n",
        "ab".repeat(32),
    );
    gridlease_sdk::manifest::Manifest::from_yaml(&yaml, "job.yaml").unwrap().canonical().unwrap()
}

/// A manifest as its buyer pushes it, and a lease of made-up keys that was won with it.
pub fn won(manifest: &Manifest) -> (Vec<u8>, NewLease) {
    let bytes = manifest.canonical().unwrap();
    let key = || Pubkey::new_from_array(rand::random());
    let lease = NewLease {
        lease: key(),
        job: key(),
        attempt: 1,
        buyer: key(),
        poster: key(),
        guardian: key(),
        manifest_hash: Sha256::digest(&bytes).into(),
        gpus: vec![],
        sold: Sold::as_written(manifest).unwrap(),
    };
    (bytes, lease)
}

/// Runs a test with a bench, where there are Docker and busybox ([`needed`]); cleans up also after a panic.
pub async fn with_bench<F: Future<Output = Bench>>(test: impl FnOnce(Bench) -> F) {
    with_bench_of(plain_config(), test).await;
}

/// The same with an image of this configuration.
pub async fn with_bench_of<F: Future<Output = Bench>>(config: serde_json::Value, test: impl FnOnce(Bench) -> F) {
    with_bench_from(config, &[], test).await;
}

/// The same with these files in the image; but for those in /etc, only their owner, root, can read them.
pub async fn with_bench_from<F: Future<Output = Bench>>(
    config: serde_json::Value,
    files: &[(&str, &str)],
    test: impl FnOnce(Bench) -> F,
) {
    let shell = std::fs::metadata(BUSYBOX).map_err(|error| {
        format!("{BUSYBOX} cannot be read ({error}); install it with `apt-get install busybox-static`")
    });
    let (Some(_), Some(driver)) = (needed(shell), needed(DockerDriver::connect(None).await)) else { return };
    // The registry of the tests is on this machine.
    let driver = driver.with_registries(RegistryPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]));
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(&dir.path().join("state")).unwrap();
    let node = Pubkey::new_from_array(rand::random());
    let registry = Registry::with_image(config, files).await;
    let (cleaner, image) = (driver.clone(), registry.image.clone());
    let bench = Bench { driver, registry, state, node, dir };
    let outcome = AssertUnwindSafe(test(bench)).catch_unwind().await;
    for left in cleaner.list_labelled(&node).await.unwrap() {
        cleaner.remove(&left.id).await.unwrap();
    }
    let docker = bollard::Docker::connect_with_unix_defaults().unwrap().negotiate_version().await.unwrap();
    let _ = docker.remove_image(&image.to_string(), None::<bollard::query_parameters::RemoveImageOptions>, None).await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}
