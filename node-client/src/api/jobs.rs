//! What a buyer brings: the manifest and the inputs.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use gridlease_sdk::node_api::MAX_MANIFEST_BYTES;
use sha2::{Digest as _, Sha256};

use super::access::{Caller, address, authorise};
use super::body::{pieces, whole};
use super::places::Place;
use super::{ApiError, Arrival, Context, JobAccess};
use crate::inputs::{InputError, Room, place};
use crate::runnable;
use crate::state_dir::write_atomically;

/// `PUT /v1/jobs/{job}/manifest`
pub(super) async fn put_manifest(
    State(context): State<Arc<Context>>,
    Path(job): Path<String>,
    request: Request,
) -> Result<StatusCode, ApiError> {
    let job = address(&job)?;
    let (parts, body) = request.into_parts();
    let access = context.directory.job(&job);
    let caller = authorise(&context, &parts, access.as_ref().map(|a| a.owners), "job")?;
    let access = known(access)?;
    if caller.body_sha256 != access.manifest_hash {
        return Err(ApiError::hash_mismatch(format!(
            "the manifest has SHA-256 {}, the job says {}",
            hex::encode(caller.body_sha256),
            hex::encode(access.manifest_hash)
        )));
    }
    let path = access.dir.manifest();
    if path.exists() {
        return Ok(StatusCode::NO_CONTENT);
    }
    still_open(&access)?;
    check_length(&parts, MAX_MANIFEST_BYTES as u64)?;
    let place = context.places.take(caller.key)?;
    let bytes = whole(pieces(body, context.limits.body_grace, place.taken_back()), MAX_MANIFEST_BYTES).await?;
    let found: [u8; 32] = Sha256::digest(&bytes).into();
    if found != access.manifest_hash {
        return Err(ApiError::hash_mismatch(format!(
            "the body has SHA-256 {}, not the one that was signed",
            hex::encode(found)
        )));
    }
    // What cannot be run is the poster's mistake, better told now than after the start's deadline.
    runnable::read(&bytes, access.sold.as_ref()).map_err(|error| ApiError::not_runnable(&error))?;
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
    if hex::decode_to_slice(&sha256, &mut hash).is_err() {
        return Err(ApiError::not_found("the path does not end in a SHA-256 in hex", ""));
    }
    let (parts, body) = request.into_parts();
    let access = context.directory.job(&job);
    let caller = authorise(&context, &parts, access.as_ref().map(|a| a.owners), "job")?;
    let access = known(access)?;
    match &access.inputs {
        None => return Err(ApiError::wrong_state("the manifest is not here yet", "send the manifest first")),
        Some(inputs) if !inputs.contains(&hash) => {
            return Err(ApiError::not_found("the manifest names no input with this hash", ""));
        }
        Some(_) => {}
    }
    if caller.body_sha256 != hash {
        return Err(ApiError::hash_mismatch(format!(
            "a body with SHA-256 {} was signed for a path that says {}",
            hex::encode(caller.body_sha256),
            hex::encode(hash)
        )));
    }
    if access.dir.input(&hash).exists() {
        return Ok(StatusCode::NO_CONTENT);
    }
    still_open(&access)?;
    check_length(&parts, context.limits.input_bytes)?;
    let dir = access.dir.clone();
    let room = blocking(move || Room::of(&dir)).await?;
    if announced_length(&parts).is_some_and(|length| length > room.left()) {
        return Err(ApiError::no_room(room.left()));
    }
    receive(&context, &caller, &access, &hash, &room, body).await?;
    context.directory.arrived(&job, Arrival::Input(hash));
    Ok(StatusCode::NO_CONTENT)
}

async fn receive(
    context: &Context,
    caller: &Caller,
    access: &JobAccess,
    hash: &[u8; 32],
    room: &Room,
    body: Body,
) -> Result<(), ApiError> {
    let held: Place = context.places.take(caller.key)?;
    let body = pieces(body, context.limits.body_grace, held.taken_back());
    match place(&access.dir, hash, &hex::encode(hash), context.limits.input_bytes, room, body).await {
        Ok(_) => Ok(()),
        Err(InputError::TooLarge { limit, .. }) => Err(ApiError::too_large(limit)),
        Err(InputError::NoRoom { room, .. }) => Err(ApiError::no_room(room)),
        Err(e @ InputError::HashMismatch { .. }) => Err(ApiError::hash_mismatch(e.to_string())),
        Err(InputError::Transfer { reason, .. }) if held.taken_back().is_cancelled() => Err(ApiError::busy(&reason)),
        Err(InputError::Transfer { reason, .. }) => {
            Err(ApiError::bad_body(format!("the body is not complete: {reason}")))
        }
        Err(e) => Err(ApiError::internal(&e)),
    }
}

fn known(access: Option<JobAccess>) -> Result<JobAccess, ApiError> {
    access.ok_or_else(|| ApiError::not_known_yet("job"))
}

fn still_open(access: &JobAccess) -> Result<(), ApiError> {
    if access.open {
        return Ok(());
    }
    Err(ApiError::wrong_state("the lease has started or is over; nothing can be brought any more", ""))
}

/// How long a body says that it is.
fn announced_length(parts: &Parts) -> Option<u64> {
    parts.headers.get(axum::http::header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Refuses a body that says itself that it is too long.
pub(super) fn check_length(parts: &Parts, limit: u64) -> Result<(), ApiError> {
    if announced_length(parts).is_some_and(|length| length > limit) { Err(ApiError::too_large(limit)) } else { Ok(()) }
}

pub(super) async fn blocking<T: Send + 'static>(task: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(task).await.map_err(|e| ApiError::internal(&e))
}
