//! What a buyer brings: the manifest and the inputs.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use gridlease_sdk::manifest::Manifest;
use gridlease_sdk::node_api::MAX_MANIFEST_BYTES;
use sha2::{Digest as _, Sha256};

use super::access::{address, authorise};
use super::{ApiError, Arrival, Context, JobAccess};
use crate::inputs::{InputError, place};
use crate::layout::write_atomically;

/// For the body of a manifest to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(15);

/// `PUT /v1/jobs/{job}/manifest`
pub(super) async fn put_manifest(
    State(context): State<Arc<Context>>,
    Path(job): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let job = address(&job)?;
    let (parts, body) = request.into_parts();
    let read = tokio::time::timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_MANIFEST_BYTES));
    let bytes = match read.await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(_)) => return Err(ApiError::too_large(MAX_MANIFEST_BYTES as u64)),
        Err(_) => return Err(ApiError::bad_body("the body did not arrive in time")),
    };
    let hash: [u8; 32] = Sha256::digest(&bytes).into();
    let access = context.directory.job(&job);
    authorise(&context, &parts, hash, access.as_ref().map(|a| a.owners), "job")?;
    let access = known(access)?;
    if hash != access.manifest_hash {
        return Err(ApiError::hash_mismatch(format!(
            "the manifest has SHA-256 {}, the job says {}",
            hex::encode(hash),
            hex::encode(access.manifest_hash)
        )));
    }
    let path = access.dir.manifest();
    if path.exists() {
        return Ok(StatusCode::NO_CONTENT);
    }
    still_open(&access)?;
    // The right hash of something that is no manifest is the poster's mistake, better told now than after the start's deadline.
    Manifest::from_canonical(&bytes).map_err(|e| ApiError::bad_body(format!("the manifest cannot be used: {e}")))?;
    blocking(move || write_atomically(&path, &bytes, 0o600)).await?.map_err(|e| ApiError::internal(&e))?;
    context.directory.arrived(&job, Arrival::Manifest);
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /v1/jobs/{job}/inputs/{sha256}`
pub(super) async fn put_input(
    State(context): State<Arc<Context>>,
    Path((job, sha256)): Path<(String, String)>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let job = address(&job)?;
    let mut hash = [0u8; 32];
    if hex::decode_to_slice(&sha256, &mut hash).is_err() || hex::encode(hash) != sha256 {
        return Err(ApiError::not_found("the path does not end in a SHA-256 in lower-case hex", ""));
    }
    let (parts, body) = request.into_parts();
    // The signature is over the hash that the path announces; the body is held to it while it comes in.
    let access = context.directory.job(&job);
    authorise(&context, &parts, hash, access.as_ref().map(|a| a.owners), "job")?;
    let access = known(access)?;
    match &access.inputs {
        None => return Err(ApiError::wrong_state("the manifest is not here yet", "send the manifest first")),
        Some(inputs) if !inputs.contains(&hash) => {
            return Err(ApiError::not_found("the manifest names no input with this hash", ""));
        }
        Some(_) => {}
    }
    if access.dir.input(&hash).exists() {
        return Ok(StatusCode::NO_CONTENT);
    }
    still_open(&access)?;
    let limit = context.limits.input_bytes;
    if announced_length(&parts).is_some_and(|length| length > limit) {
        return Err(ApiError::too_large(limit));
    }
    let dir = access.dir.clone();
    let room = blocking(move || crate::inputs::room(&dir)).await?;
    if announced_length(&parts).is_some_and(|length| length > room) {
        return Err(ApiError::no_room(room));
    }
    receive(&access, &hash, &sha256, limit.min(room), body).await?;
    context.directory.arrived(&job, Arrival::Input(hash));
    Ok(StatusCode::NO_CONTENT)
}

async fn receive(access: &JobAccess, hash: &[u8; 32], name: &str, limit: u64, body: Body) -> Result<(), ApiError> {
    match place(&access.dir, hash, name, limit, body.into_data_stream()).await {
        Ok(_) => Ok(()),
        Err(InputError::TooLarge { limit, .. }) => Err(ApiError::too_large(limit)),
        Err(e @ InputError::HashMismatch { .. }) => Err(ApiError::hash_mismatch(e.to_string())),
        Err(InputError::Transfer { reason, .. }) => Err(ApiError::bad_body(format!("the body broke off: {reason}"))),
        Err(e) => Err(ApiError::internal(&e)),
    }
}

fn known(access: Option<JobAccess>) -> Result<JobAccess, ApiError> {
    access.ok_or_else(|| ApiError::not_found("this node has no such job", ""))
}

fn still_open(access: &JobAccess) -> Result<(), ApiError> {
    if access.open {
        return Ok(());
    }
    Err(ApiError::wrong_state("the lease has started or is over; nothing can be brought any more", ""))
}

fn announced_length(parts: &Parts) -> Option<u64> {
    parts.headers.get(axum::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

pub(super) async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(task).await.map_err(|e| ApiError::internal(&e))
}
