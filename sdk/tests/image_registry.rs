//! Pinning images against a real registry.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test shall stop where it fails")]

mod support;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use gridlease_sdk::image::{
    Credentials, ImageError, ImageReference, ResolvedImage, examine, http_client, prove, resolve_digest,
};
use serde_json::json;
use support::registry::{DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Registry};

async fn resolve(text: &str) -> Result<ResolvedImage, ImageError> {
    let reference: ImageReference = text.parse().unwrap();
    resolve_digest(&reference, &http_client(&reference).unwrap(), None).await
}

#[tokio::test]
async fn a_tag_resolves_to_the_digest_of_its_manifest_and_the_size_of_its_parts() {
    let registry = Registry::start().await;
    let host = registry.host();
    for kind in [OCI_MANIFEST, DOCKER_MANIFEST] {
        let (digest, size, _) = registry.push_image("org/app", "v1", kind, b"a layer").await;
        let resolved = resolve(&format!("{host}/org/app:v1")).await.unwrap();
        assert_eq!(resolved.reference_with_digest, format!("{host}/org/app@{digest}"));
        assert_eq!(format!("sha256:{}", hex::encode(resolved.digest)), digest);
        assert_eq!(resolved.size_bytes, size);
        // And by that digest, with or without a tag beside it, to itself.
        let again = resolve(&resolved.reference_with_digest).await.unwrap();
        assert_eq!(again, resolved);
        let both = format!("{host}/org/app:gone@{digest}");
        assert_eq!(resolve(&both).await.unwrap(), resolved);
    }
}

#[tokio::test]
async fn an_index_is_pinned_as_a_whole_and_measured_for_linux_amd64() {
    let registry = Registry::start().await;
    let (amd, amd_size, amd_own) = registry.push_image("app", "", OCI_MANIFEST, b"for amd64").await;
    let (arm, _, arm_own) = registry.push_image("app", "", OCI_MANIFEST, &[7; 9000]).await;
    let entry = |digest: &str, size: u64, architecture: &str| json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": size, "platform": {"os": "linux", "architecture": architecture}});
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(&arm, arm_own, "arm64"), entry(&amd, amd_own, "amd64")]});
    let digest = registry.push_document("app", "multi", OCI_INDEX, &index).await;
    let resolved = resolve(&format!("{}/app:multi", registry.host())).await.unwrap();
    assert_eq!(format!("sha256:{}", hex::encode(resolved.digest)), digest);
    assert_eq!(resolved.size_bytes, amd_size);

    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(&arm, arm_own, "arm64")]});
    registry.push_document("app", "arm", OCI_INDEX, &index).await;
    assert_eq!(
        resolve(&format!("{}/app:arm", registry.host())).await.unwrap_err().to_string(),
        "app:arm is not built for linux/amd64 (it is for: linux/arm64); build it with `docker build --platform linux/amd64`"
    );
}

#[tokio::test]
async fn an_image_that_stands_alone_and_is_built_for_other_machines_is_refused_before_anything_is_posted() {
    let registry = Registry::start().await;
    let (digest, ..) = registry.push_image_for("arm64", "app", "arm", DOCKER_MANIFEST, b"a layer").await;
    for wanted in ["app:arm".to_owned(), format!("app@{digest}")] {
        let told = resolve(&format!("{}/{wanted}", registry.host())).await.unwrap_err().to_string();
        assert!(told.starts_with(&format!("{wanted} is not built for linux/amd64 (it is for: linux/arm64)")), "{told}");
    }
}

#[tokio::test]
async fn an_image_that_is_not_there_is_told_as_such() {
    let registry = Registry::start().await;
    let host = registry.host();
    assert_eq!(
        resolve(&format!("{host}/app:v1")).await.unwrap_err().to_string(),
        format!("{host} has no image app:v1; check the name, or push the image first")
    );
    let digest = format!("sha256:{}", "ab".repeat(32));
    assert_eq!(
        resolve(&format!("{host}/app@{digest}")).await.unwrap_err().to_string(),
        format!("{host} has no image app@{digest}; check the name, or push the image first")
    );
}

#[tokio::test]
async fn a_registry_that_is_down_is_told_with_what_to_do() {
    let port = support::free_port();
    let told = resolve(&format!("127.0.0.1:{port}/app:v1")).await.unwrap_err().to_string();
    assert!(told.starts_with(&format!("registry 127.0.0.1:{port} cannot be reached: ")), "{told}");
    assert!(told.ends_with("try again when it is up, or name the image by digest (name@sha256:…)"), "{told}");
}

/// What stands between client and registry in the tests below.
#[derive(Clone)]
struct Gate {
    registry: String,
    behaviour: Behaviour,
    token_url: String,
}

#[derive(Clone, Copy, PartialEq)]
enum Behaviour {
    /// Wants a token that anybody may have.
    Token,
    /// Wants a password.
    Password,
    /// Changes one byte of every manifest.
    Alter,
    /// As before, and announces the digest of what it sends.
    AlterAndAnnounce,
    /// Fails the first two times.
    Stumble,
    /// Sends without end.
    Flood,
}

static STUMBLES: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);

async fn gate(State(gate): State<Gate>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    if path.starts_with("/token") {
        assert_eq!(path, "/token?service=here&scope=repository%3Aapp%3Apull");
        return json!({"token": "for-anybody"}).to_string().into_response();
    }
    let challenge = |value: String| (StatusCode::UNAUTHORIZED, [("www-authenticate", value)]).into_response();
    let token = request.headers().get("authorization");
    match gate.behaviour {
        Behaviour::Password => return challenge("Basic realm=\"here\"".to_owned()),
        Behaviour::Token if token.is_none_or(|t| t != "Bearer for-anybody") => {
            return challenge(format!(
                "Bearer realm=\"{}\",service=\"here\",scope=\"repository:app:pull\"",
                gate.token_url
            ));
        }
        Behaviour::Stumble if STUMBLES.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2 => {
            return StatusCode::SERVICE_UNAVAILABLE.into_response();
        }
        Behaviour::Flood => {
            let piece = bytes::Bytes::from(vec![b' '; 1 << 20]);
            let pieces = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone()));
            return Body::from_stream(pieces).into_response();
        }
        _ => {}
    }
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut forwarded = http.get(format!("http://{}{path}", gate.registry));
    if let Some(accept) = request.headers().get("accept") {
        forwarded = forwarded.header("accept", accept);
    }
    let answer = forwarded.send().await.unwrap();
    let status = answer.status();
    let mut headers = HeaderMap::new();
    for name in ["content-type", "docker-content-digest"] {
        if let Some(value) = answer.headers().get(name) {
            headers.insert(name, value.clone());
        }
    }
    let mut body = answer.bytes().await.unwrap().to_vec();
    if matches!(gate.behaviour, Behaviour::Alter | Behaviour::AlterAndAnnounce) {
        body.push(b' ');
    }
    if gate.behaviour == Behaviour::AlterAndAnnounce {
        let digest = support::registry::digest_of(&body).parse().unwrap();
        headers.insert("docker-content-digest", digest);
    }
    (status, headers, body).into_response()
}

async fn gated(registry: &Registry, behaviour: Behaviour) -> String {
    gated_with_tokens_at(registry, behaviour, None).await
}

/// As `gated`, with its tokens elsewhere.
async fn gated_with_tokens_at(registry: &Registry, behaviour: Behaviour, tokens: Option<String>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let token_url = format!("http://{}/token", tokens.as_ref().unwrap_or(&host));
    let state = Gate { registry: registry.host(), behaviour, token_url };
    let app = axum::Router::new().fallback(gate).with_state(state);
    tokio::spawn(async move { axum::serve(listener, app).await });
    host
}

#[tokio::test]
async fn a_token_that_anybody_may_have_is_fetched_and_a_password_is_not_asked_for() {
    let registry = Registry::start().await;
    let (digest, _, _) = registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    let host = gated(&registry, Behaviour::Token).await;
    let resolved = resolve(&format!("{host}/app:v1")).await.unwrap();
    assert_eq!(resolved.reference_with_digest, format!("{host}/app@{digest}"));
    let host = gated(&registry, Behaviour::Password).await;
    assert!(matches!(resolve(&format!("{host}/app:v1")).await, Err(ImageError::Private { .. })));
}

#[tokio::test]
async fn a_manifest_that_does_not_hash_to_its_digest_is_refused() {
    let registry = Registry::start().await;
    let (digest, _, _) = registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    let host = gated(&registry, Behaviour::Alter).await;
    let by_tag = resolve(&format!("{host}/app:v1")).await;
    assert!(matches!(by_tag, Err(ImageError::DigestMismatch { .. })), "{by_tag:?}");
    let host = gated(&registry, Behaviour::AlterAndAnnounce).await;
    let by_digest = resolve(&format!("{host}/app@{digest}")).await;
    assert!(matches!(by_digest, Err(ImageError::DigestMismatch { .. })), "{by_digest:?}");
}

#[tokio::test]
async fn a_registry_that_stumbles_is_asked_again_and_one_that_floods_is_cut_off() {
    let registry = Registry::start().await;
    registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    let host = gated(&registry, Behaviour::Stumble).await;
    resolve(&format!("{host}/app:v1")).await.unwrap();
    let host = gated(&registry, Behaviour::Flood).await;
    let told = resolve(&format!("{host}/app:v1")).await.unwrap_err().to_string();
    assert!(told.contains("it is larger than 4194304 bytes"), "{told}");
}

#[tokio::test]
async fn an_image_is_examined_before_it_is_pulled_and_one_that_is_hidden_or_gone_is_told() {
    let registry = Registry::start().await;
    let (digest, _, _) = registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    let ask = async |text: String| {
        let reference: ImageReference = text.parse().unwrap();
        examine(&reference, &http_client(&reference).unwrap(), |_| true, None, "linux/amd64").await
    };
    ask(format!("{}/app@{digest}", registry.host())).await.unwrap();
    ask(format!("{}/app@{digest}", gated(&registry, Behaviour::Token).await)).await.unwrap();
    let hidden = ask(format!("{}/app@{digest}", gated(&registry, Behaviour::Password).await)).await;
    assert!(matches!(hidden, Err(ImageError::Private { .. })), "{hidden:?}");
    let gone = ask(format!("{}/app@sha256:{}", registry.host(), "ab".repeat(32))).await;
    assert!(matches!(gone, Err(ImageError::NotFound { .. })), "{gone:?}");
}

#[tokio::test]
async fn issue9_03_a_registry_cannot_send_its_clients_for_a_token_to_an_address_that_may_not_be_asked() {
    let registry = Registry::start().await;
    let (digest, _, _) = registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    let inside = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    inside.set_nonblocking(true).unwrap();
    let tokens = inside.local_addr().unwrap().to_string();
    let host = gated_with_tokens_at(&registry, Behaviour::Token, Some(tokens)).await;
    let reference: ImageReference = format!("{host}/app@{digest}").parse().unwrap();
    let told = examine(&reference, &http_client(&reference).unwrap(), |_| false, None, "linux/amd64").await;
    assert!(matches!(told, Err(ImageError::Forbidden { .. })), "{told:?}");
    assert_eq!(inside.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "it was not even connected to");
}

/// Of "hunter2-7c1e".
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu8K40Rax4FJ6GAihLIcQcb8t0eBBo1W6";

async fn resolve_as(text: &str, login: Option<&Credentials>) -> Result<ResolvedImage, ImageError> {
    let reference: ImageReference = text.parse().unwrap();
    resolve_digest(&reference, &http_client(&reference).unwrap(), login).await
}

#[tokio::test]
async fn report_25_a_private_image_is_pinned_with_its_login_and_not_with_another_or_none() {
    let registry = Registry::private("ci", "hunter2-7c1e", BCRYPT).await;
    let (digest, size, _) = registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    let image = format!("{}/app:v1", registry.host());
    let right = Credentials::new("ci", b"hunter2-7c1e").unwrap();
    let resolved = resolve_as(&image, Some(&right)).await.unwrap();
    assert_eq!((format!("sha256:{}", hex::encode(resolved.digest)), resolved.size_bytes), (digest.clone(), size));
    let none = resolve_as(&image, None).await.unwrap_err();
    assert!(matches!(none, ImageError::Private { .. }) && none.to_string().contains("registry_auth"), "{none}");
    for (user, password) in [("ci", &b"hunter3"[..]), ("other", b"hunter2-7c1e")] {
        let wrong = Credentials::new(user, password).unwrap();
        let told = resolve_as(&image, Some(&wrong)).await.unwrap_err();
        assert!(matches!(told, ImageError::Denied { .. }) && !told.to_string().contains("hunter"), "{told}");
    }
    let reference: ImageReference = format!("{}/app@{digest}", registry.host()).parse().unwrap();
    let http = http_client(&reference).unwrap();
    prove(&reference, &http, |_| true, Some(&right)).await.unwrap();
    assert!(matches!(prove(&reference, &http, |_| true, None).await, Err(ImageError::Private { .. })));
}

#[tokio::test]
async fn report_25_a_registry_of_somebody_else_cannot_claim_to_have_an_image() {
    let registry = Registry::start().await;
    let (digest, _, _) = registry.push_image("app", "v1", OCI_MANIFEST, b"x").await;
    // It says yes to everything, and sends what it likes.
    let host = gated(&registry, Behaviour::AlterAndAnnounce).await;
    let reference: ImageReference = format!("{host}/app@{digest}").parse().unwrap();
    let http = http_client(&reference).unwrap();
    let examined = examine(&reference, &http, |_| true, None, "linux/amd64").await;
    assert!(matches!(examined, Err(ImageError::DigestMismatch { .. })), "{examined:?}");
    let told = prove(&reference, &http, |_| true, None).await;
    assert!(matches!(told, Err(ImageError::DigestMismatch { .. })), "{told:?}");
}
