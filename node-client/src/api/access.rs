//! Who asks, and may they?

use std::net::SocketAddr;
use std::sync::PoisonError;

use axum::extract::ConnectInfo;
use axum::http::Method;
use axum::http::request::Parts;
use gridlease_sdk::node_api::auth::{AuthError, AuthHeaders, BODY_HEADER, SignedRequest, verify};
use gridlease_sdk::node_api::codes;
use solana_pubkey::Pubkey;

use super::connections::Busy;
use super::{ApiError, Context, Owners};

/// An owner whose request is being answered.
#[derive(Debug)]
pub(super) struct Caller {
    /// The key that signed.
    pub key: Pubkey,
    /// SHA-256 that the body is to have, as it was signed.
    pub body_sha256: [u8; 32],
    /// Keeps the connection from giving way: a caller is to be held until its answer is complete.
    busy: Option<Busy>,
}

impl Caller {
    /// What is sent on this connection may from now on wait long for the client to take it: its user may be reading.
    pub fn be_patient(&self) {
        if let Some(busy) = &self.busy {
            busy.be_patient();
        }
    }
}

/// Accepts a request if it is signed by one of `owners` (`None`: there is no such thing here, which only a signed
/// request gets to know) and was not seen before. All of this comes before any of the body is read.
pub(super) fn authorise(
    context: &Context,
    parts: &Parts,
    owners: Option<Owners>,
    what: &str,
) -> Result<Caller, ApiError> {
    let headers = AuthHeaders::read(|name| parts.headers.get(name).and_then(|value| value.to_str().ok()))?;
    if parts.method == Method::PUT && !parts.headers.contains_key(BODY_HEADER) {
        return Err(AuthError::Missing(BODY_HEADER).into());
    }
    let request = SignedRequest {
        method: parts.method.as_str(),
        path_and_query: parts.uri.path_and_query().map_or("/", |p| p.as_str()),
        body_sha256: headers.body_sha256,
        provider: &context.provider,
    };
    let now = u64::try_from(context.clock.now()).unwrap_or(0);
    let key = verify(&headers, &request, now)?;
    let owners = owners.ok_or_else(|| ApiError::not_known_yet(what))?;
    if !owners.include(&key) {
        return Err(ApiError::new(
            axum::http::StatusCode::FORBIDDEN,
            codes::NOT_YOUR_LEASE,
            format!("{key} is neither the buyer of this {what} nor the spender or guardian of its purse"),
            "sign with the key that owns the purse, or with its spender or guardian as they were when the lease was won",
        ));
    }
    // Last, so that only those who may ask use up room among the nonces.
    context.nonces.lock().unwrap_or_else(PoisonError::into_inner).record(&headers, now)?;
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let connection = peer.and_then(|ConnectInfo(peer)| context.connections.of(*peer));
    Ok(Caller { key, body_sha256: headers.body_sha256, busy: connection.map(super::connections::Connection::busy) })
}

/// An address out of a path.
pub(super) fn address(text: &str) -> Result<Pubkey, ApiError> {
    text.parse().map_err(|_| {
        ApiError::not_found(format!("`{}` is not an address", text.chars().take(64).collect::<String>()), "")
    })
}
