//! The buyer's switch: who may visit a port.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use gridlease_sdk::node_api::codes;
use gridlease_sdk::node_api::public::{Expose, Public, PublicPort, prefix};
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;

use super::names::Names;
use crate::api::access::{address, authorise};
use crate::api::body::{pieces, whole};
use crate::api::jobs::{blocking, check_length};
use crate::api::{ApiError, Context};
use crate::doors::{Door, DoorError};

/// Longest request, in bytes.
const MAX_ASKED: usize = 1_024;

/// `PUT /v1/leases/{lease}/ports/{port}/public`
pub(in crate::api) async fn put(
    State(context): State<Arc<Context>>,
    Path((lease, port)): Path<(String, String)>,
    request: Request,
) -> Result<Json<PublicPort>, ApiError> {
    let lease = address(&lease)?;
    let (parts, body) = request.into_parts();
    let owners = context.directory.lease(&lease);
    let caller = authorise(&context, &parts, owners, "lease")?;
    if !owners.is_some_and(|owners| owners.may_reach_in(&caller.key)) {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            codes::NOT_YOURS_TO_REACH,
            format!("{} may watch this lease, but not open its ports", caller.key),
            "sign with the key that owns the purse, or with its spender",
        ));
    }
    check_length(&parts, MAX_ASKED as u64)?;
    let place = context.places.take(caller.key)?;
    let body = whole(pieces(body, context.limits.body_grace, place.taken_back()), MAX_ASKED).await?;
    if <[u8; 32]>::from(Sha256::digest(&body)) != caller.body_sha256 {
        return Err(ApiError::hash_mismatch("the body has another SHA-256 than was signed".to_owned()));
    }
    let asked: Expose = serde_json::from_slice(&body).map_err(|e| ApiError::bad_body(e.to_string()))?;
    let token = token_of(&asked)?;
    let Some(port) = port.parse::<u16>().ok().filter(|number| number.to_string() == port) else {
        return Err(not_named());
    };
    let directory = Arc::clone(&context.directory);
    let changed = blocking(move || directory.change_door(&lease, port, asked.public, token)).await?;
    let door = changed.map_err(|error| match error {
        DoorError::NotNamed => not_named(),
        DoorError::Over => ApiError::container_ended(),
        DoorError::Files(error) => ApiError::internal(&error),
    })?;
    tracing::info!(%lease, port, public = asked.public.word(), "the buyer decided who may visit a port");
    Ok(Json(told(&lease, &door, context.names.as_deref())))
}

fn token_of(asked: &Expose) -> Result<Option<[u8; 32]>, ApiError> {
    let bad = |reason: &str| ApiError::bad_body(format!("token_sha256 {reason}"));
    match (asked.public, &asked.token_sha256) {
        (Public::Token, None) => Err(bad("is missing: it is what opens the port")),
        (Public::Token, Some(text)) => {
            let mut hash = [0; 32];
            hex::decode_to_slice(text, &mut hash).map_err(|_| bad("is no SHA-256 in hex"))?;
            Ok(Some(hash))
        }
        (_, None) => Ok(None),
        (_, Some(_)) => Err(bad("is for a port that a token opens")),
    }
}

fn not_named() -> ApiError {
    ApiError::not_found(
        "the manifest names no such port, or is not here yet",
        "name it under ports; a node has the manifest some seconds after its award",
    )
}

/// A port as its owner is told of it.
pub(in crate::api) fn told(lease: &Pubkey, door: &Door, names: Option<&Names>) -> PublicPort {
    PublicPort {
        port: door.port,
        name: door.name.clone(),
        public: door.public,
        token_set: door.token.is_some(),
        path: format!("{}/", prefix(lease, &door.name)),
        url: names.map(|names| names.url(lease, &door.name)),
    }
}
