//! Row 9 of NODE-THREATS: registries that promise, lie and flood. What they serve is refused before a layer of it is pulled.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use gridlease_node::driver::{Driver as _, DriverError, ImageRef, Pull};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use support::{Bench, with_bench};
use tokio::sync::watch;

const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// By digest: type and bytes.
type Documents = HashMap<String, (&'static str, Vec<u8>)>;

/// A registry that serves these documents, and counts what else it is asked for.
#[derive(Clone, Default)]
struct Served {
    documents: Arc<Mutex<Documents>>,
    layers: Arc<AtomicUsize>,
    busy: Arc<Mutex<Option<&'static str>>>,
}

async fn manifest(State(served): State<Served>, Path(digest): Path<String>) -> Response {
    if let Some(after) = *served.busy.lock().unwrap() {
        let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit"}]}"#;
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, after)], body).into_response();
    }
    match served.documents.lock().unwrap().get(&digest) {
        Some((kind, bytes)) => ([(header::CONTENT_TYPE, *kind)], bytes.clone()).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn blob(State(served): State<Served>, Path(digest): Path<String>) -> Response {
    match served.documents.lock().unwrap().get(&digest) {
        Some((_, bytes)) => bytes.clone().into_response(),
        None => {
            served.layers.fetch_add(1, Ordering::SeqCst);
            StatusCode::NOT_FOUND.into_response()
        }
    }
}

impl Served {
    async fn start() -> (Self, std::net::SocketAddr) {
        let served = Self::default();
        let app = Router::new()
            .route("/v2/", get(|| async { "{}" }))
            .route("/v2/x/y/manifests/{digest}", get(manifest))
            .route("/v2/x/y/blobs/{digest}", get(blob))
            .with_state(served.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (served, address)
    }

    fn add(&self, kind: &'static str, document: &Value) -> (String, usize) {
        let bytes = serde_json::to_vec(document).unwrap();
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(&bytes)));
        let size = bytes.len();
        self.documents.lock().unwrap().insert(digest.clone(), (kind, bytes));
        (digest, size)
    }

    /// An image of these layers for this machine, or for another architecture.
    fn image(&self, architecture: &str, layers: &[Value]) -> (String, usize) {
        let config = json!({ "architecture": architecture, "os": "linux", "config": {},
            "rootfs": { "type": "layers", "diff_ids": [] } });
        let (digest, size) = self.add("application/vnd.oci.image.config.v1+json", &config);
        let config = json!({ "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest, "size": size });
        self.add(
            OCI_MANIFEST,
            &json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers }),
        )
    }
}

fn layer(size: u64) -> Value {
    json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": format!("sha256:{}", "ab".repeat(32)), "size": size })
}

fn here() -> &'static str {
    if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
}

async fn refused(bench: &Bench, address: std::net::SocketAddr, digest: &str) -> DriverError {
    let image = ImageRef::parse(&format!("{address}/x/y@{digest}")).unwrap();
    bench.driver.pull(&image, Pull::public(1 << 30), &watch::Sender::default()).await.unwrap_err()
}

#[tokio::test]
async fn threat_09_what_a_registry_promises_is_refused_before_a_layer_is_pulled() {
    with_bench(|bench| async {
        let (served, address) = Served::start().await;
        let (large, _) = served.image(here(), &[layer(1 << 40)]);
        let error = refused(&bench, address, &large).await;
        assert!(matches!(error, DriverError::ImageTooLarge { limit, .. } if limit == 1 << 30), "{error}");

        let (endless, _) = served.image(here(), &vec![layer(1); 5_000]);
        let error = refused(&bench, address, &endless).await;
        assert!(matches!(&error, DriverError::ImageUnfit { reason, .. } if reason.contains("5000 layers")), "{error}");

        let elsewhere = json!({ "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "digest": format!("sha256:{}", "ab".repeat(32)), "size": 1, "urls": ["http://169.254.169.254/latest"] });
        let (foreign, _) = served.image(here(), &[elsewhere]);
        let error = refused(&bench, address, &foreign).await;
        assert!(matches!(&error, DriverError::ImageUnfit { reason, .. } if reason.contains("elsewhere")), "{error}");

        // A single image and an index for machines of another kind.
        let (other, size) = served.image("riscv64", &[layer(1)]);
        let error = refused(&bench, address, &other).await;
        assert!(matches!(&error, DriverError::ImageUnfit { reason, .. } if reason.contains("riscv64")), "{error}");
        let entry = json!({ "mediaType": OCI_MANIFEST, "digest": other, "size": size,
            "platform": { "os": "linux", "architecture": "riscv64" } });
        let many = vec![entry; 10_000];
        let (index, _) =
            served.add(OCI_INDEX, &json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": many }));
        let error = refused(&bench, address, &index).await;
        assert!(matches!(&error, DriverError::ImageUnfit { reason, .. } if reason.contains("riscv64")), "{error}");
        assert!(!error.is_transient() && error.to_string().len() < 1_000, "{error}");
        assert_eq!(served.layers.load(Ordering::SeqCst), 0, "no layer was asked for");
        assert_eq!(bench.driver.trouble(), None, "none of that is this machine's trouble");
        bench
    })
    .await;
}

#[tokio::test]
async fn report_10_a_buyer_s_registry_that_wants_quiet_is_asked_again_and_takes_no_machine_off_the_market() {
    with_bench(|bench| async {
        let (served, address) = Served::start().await;
        let (digest, _) = served.image(here(), &[layer(1)]);
        *served.busy.lock().unwrap() = Some("1");
        let error = refused(&bench, address, &digest).await;
        assert!(matches!(error, DriverError::RegistryUnreachable { .. }) && error.is_transient(), "{error}");
        assert_eq!(bench.driver.trouble(), None);
        bench
    })
    .await;
}
