//! The key to which a lease's secrets are sealed, and what was sealed to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use gridlease_sdk::node_api::secrets::{LeaseKey, MAX_SEALED_BYTES};
use sha2::{Digest as _, Sha256};

use super::access::{address, authorise};
use super::body::{pieces, whole};
use super::jobs::{blocking, check_length};
use super::{ApiError, Context};
use crate::secrets::NotTaken;

/// `GET /v1/leases/{lease}/key`
pub(super) async fn key(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<Json<LeaseKey>, ApiError> {
    let lease = address(&lease)?;
    let (parts, _) = request.into_parts();
    authorise(&context, &parts, context.directory.lease(&lease), "lease")?;
    context.directory.lease_key(&lease).map(Json).map_err(|e| refused(&e))
}

/// `PUT /v1/leases/{lease}/secrets`
pub(super) async fn put(
    State(context): State<Arc<Context>>,
    Path(lease): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let lease = address(&lease)?;
    let (parts, body) = request.into_parts();
    let caller = authorise(&context, &parts, context.directory.lease(&lease), "lease")?;
    check_length(&parts, MAX_SEALED_BYTES as u64)?;
    let place = context.places.take(caller.key)?;
    let sealed = whole(pieces(body, context.limits.body_grace, place.taken_back()), MAX_SEALED_BYTES).await?;
    let found: [u8; 32] = Sha256::digest(&sealed).into();
    if found != caller.body_sha256 {
        return Err(ApiError::hash_mismatch("the body has another SHA-256 than was signed".to_owned()));
    }
    let directory = Arc::clone(&context.directory);
    blocking(move || directory.take_secrets(&lease, &sealed)).await?.map_err(|e| refused(&e))?;
    Ok(StatusCode::NO_CONTENT)
}

fn refused(error: &NotTaken) -> ApiError {
    match error {
        NotTaken::Files(error) => ApiError::internal(error),
        NotTaken::NoKey => ApiError::wrong_state(error.to_string(), "ask for the key again"),
        NotTaken::WrongState(_) => ApiError::wrong_state(error.to_string(), ""),
        NotTaken::Sealed(_) | NotTaken::Password(_) | NotTaken::Names { .. } | NotTaken::ZeroByte(_) => {
            ApiError::bad_body(error.to_string())
        }
    }
}
