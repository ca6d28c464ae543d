//! Who asks, and may they?

use std::sync::PoisonError;

use axum::http::request::Parts;
use gridlease_sdk::node_api::auth::{AuthHeaders, SignedRequest, verify};
use gridlease_sdk::node_api::codes;
use solana_pubkey::Pubkey;

use super::{ApiError, Context, Owners};

/// Accepts a request whose body has `body_sha256`, if it is signed by one of `owners` (`None`: there is no such
/// thing here, which only a signed request gets to know) and was not seen before.
pub(super) fn authorise(
    context: &Context,
    parts: &Parts,
    body_sha256: [u8; 32],
    owners: Option<Owners>,
    what: &str,
) -> Result<(), ApiError> {
    let headers = AuthHeaders::read(|name| parts.headers.get(name).and_then(|value| value.to_str().ok()))?;
    let path_and_query = parts.uri.path_and_query().map_or("/", |p| p.as_str());
    let request =
        SignedRequest { method: parts.method.as_str(), path_and_query, body_sha256, provider: &context.provider };
    let now = u64::try_from(context.clock.now()).unwrap_or(0);
    let key = verify(&headers, &request, now)?;
    let owners = owners.ok_or_else(|| {
        ApiError::not_found(
            format!("this node has no {what} of that address"),
            "ask the chain which provider has the lease",
        )
    })?;
    if key != owners.buyer && key != owners.poster {
        return Err(ApiError::new(
            axum::http::StatusCode::FORBIDDEN,
            codes::NOT_YOUR_LEASE,
            format!("{key} is neither the buyer of this {what} nor the poster of its job"),
            "sign with the key that owns the purse, or the one that posted the job",
        ));
    }
    // Last, so that only those who may ask use up room among the nonces.
    let mut nonces = context.nonces.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(nonces.record(&headers, now)?)
}

/// An address out of a path.
pub(super) fn address(text: &str) -> Result<Pubkey, ApiError> {
    text.parse().map_err(|_| {
        ApiError::not_found(format!("`{}` is not an address", text.chars().take(64).collect::<String>()), "")
    })
}
