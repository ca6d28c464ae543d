//! Loading one file over HTTP so that what came stays: a transfer that breaks off, and a node that is restarted, go on where it
//! was, and the hash is that of the whole.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{RequestBuilder, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;
use tokio::time::Instant;

use super::{InputError, Room, STALL, chain};
use crate::state_dir::{LeaseDir, StateDirError, at};

/// What a transfer is held to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits<'a> {
    /// Largest file in bytes.
    pub max_bytes: u64,
    /// A source that sends fewer bytes in so much time is left.
    pub pace: (u64, Duration),
    /// What all inputs have together; what is here of this one already is drawn from it.
    pub room: &'a Room,
}

/// What is here of a file.
struct Part {
    path: PathBuf,
    file: tokio::fs::File,
    hasher: Sha256,
    bytes: u64,
    /// Whether a part of it is from before.
    resumed: bool,
}

/// Loads the file with this hash by `request`, which begins at its first byte; what is here of it is not loaded again. What is
/// in place already is left.
pub(super) async fn load(
    lease: &LeaseDir,
    sha256: &[u8; 32],
    name: &str,
    limits: &Limits<'_>,
    request: RequestBuilder,
) -> Result<(), InputError> {
    let target = lease.input(sha256);
    if target.exists() {
        return Ok(());
    }
    let mut part = open(lease.inputs().join(format!(".part-{}", hex::encode(sha256))), name).await?;
    let outcome = receive(&mut part, name, limits, request).await;
    // What came is kept for the next time.
    part.file.flush().await.map_err(at("write", &part.path))?;
    if let Err(error) = outcome {
        if part.bytes == 0 || matches!(error, InputError::TooLarge { .. } | InputError::Bad { .. }) {
            discard(&part, limits.room)?;
        }
        return Err(error);
    }
    let found: [u8; 32] = part.hasher.clone().finalize().into();
    if found != *sha256 {
        discard(&part, limits.room)?;
        if part.resumed {
            // Its source may have changed in between, or lied about where it went on.
            let reason = "what came later does not fit what came first; it is loaded anew".to_owned();
            return Err(InputError::Transfer { name: name.to_owned(), reason });
        }
        let (expected, found) = (hex::encode(sha256), hex::encode(found));
        return Err(InputError::HashMismatch { name: name.to_owned(), expected, found });
    }
    let (lease, from) = (lease.clone(), part.path.clone());
    blocking(name, move || {
        lease.share_input(&from)?;
        let file = std::fs::File::open(&from).map_err(at("open", &from))?;
        file.sync_all().map_err(at("write", &from))?;
        std::fs::rename(&from, &target).map_err(at("rename", &from))
    })
    .await
}

/// Opens what is here of a file, and hashes it.
async fn open(path: PathBuf, name: &str) -> Result<Part, InputError> {
    let found = path.clone();
    let (file, hasher, bytes) = blocking(name, move || {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.read(true).append(true).create(true).open(&found).map_err(at("open", &found))?;
        let mut hasher = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut hasher).map_err(at("read", &found))?;
        Ok((file, hasher, bytes))
    })
    .await?;
    Ok(Part { path, file: tokio::fs::File::from_std(file), hasher, bytes, resumed: bytes > 0 })
}

fn discard(part: &Part, room: &Room) -> Result<(), InputError> {
    room.give_back(part.bytes);
    Ok(std::fs::remove_file(&part.path).map_err(at("remove", &part.path))?)
}

/// Receives what is missing.
async fn receive(part: &mut Part, name: &str, limits: &Limits<'_>, request: RequestBuilder) -> Result<(), InputError> {
    let transfer = |reason: String| InputError::Transfer { name: name.to_owned(), reason };
    let request = if part.bytes > 0 { request.header(RANGE, format!("bytes={}-", part.bytes)) } else { request };
    // An address may be signed: it is in no message.
    let answer = request.send().await.map_err(|e| transfer(chain(&e.without_url())))?;
    match answer.status() {
        StatusCode::PARTIAL_CONTENT if part.bytes > 0 && goes_on_at(&answer, part.bytes) => {}
        // There is nothing behind what is here: that was all, and its hash says whether it is right.
        StatusCode::RANGE_NOT_SATISFIABLE if part.bytes > 0 => return Ok(()),
        // It does not go on in the middle, so it begins again.
        StatusCode::OK => begin_anew(part, limits.room).await?,
        StatusCode::PARTIAL_CONTENT => {
            return Err(transfer("its server sends another part than was asked for".to_owned()));
        }
        status => return Err(refused(name, status)),
    }
    let whole = answer.content_length().map(|length| length.saturating_add(part.bytes));
    if whole.is_some_and(|whole| whole > limits.max_bytes) {
        return Err(InputError::TooLarge { name: name.to_owned(), limit: limits.max_bytes });
    }
    if answer.content_length().is_some_and(|length| length > limits.room.left()) {
        return Err(limits.room.none_for(answer.content_length().unwrap_or_default()));
    }
    let (least, window) = limits.pace;
    let (mut since, mut before) = (Instant::now(), part.bytes);
    let mut body = answer.bytes_stream();
    loop {
        let silent = || transfer(format!("nothing came for {} s", STALL.as_secs()));
        let Some(chunk) = tokio::time::timeout(STALL, body.next()).await.map_err(|_| silent())? else { break };
        let chunk = chunk.map_err(|e| transfer(chain(&e.without_url())))?;
        let size = chunk.len() as u64;
        if part.bytes.saturating_add(size) > limits.max_bytes {
            return Err(InputError::TooLarge { name: name.to_owned(), limit: limits.max_bytes });
        }
        if !limits.room.take(size) {
            return Err(limits.room.none_for(size));
        }
        part.file.write_all(&chunk).await.map_err(at("write", &part.path))?;
        part.hasher.update(&chunk);
        part.bytes = part.bytes.saturating_add(size);
        if since.elapsed() >= window {
            if part.bytes.saturating_sub(before) < least {
                return Err(transfer(format!("fewer than {least} bytes came in {} s", window.as_secs())));
            }
            (since, before) = (Instant::now(), part.bytes);
        }
    }
    Ok(())
}

/// Forgets what is here, because all of it comes again.
async fn begin_anew(part: &mut Part, room: &Room) -> Result<(), InputError> {
    if part.bytes > 0 {
        part.file.set_len(0).await.map_err(at("write", &part.path))?;
        room.give_back(part.bytes);
        (part.hasher, part.bytes) = (Sha256::new(), 0);
    }
    part.resumed = false;
    Ok(())
}

/// Whether an answer says that it begins at this byte.
fn goes_on_at(answer: &Response, byte: u64) -> bool {
    let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
    let first = range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse::<u64>().ok());
    first == Some(byte)
}

/// What a status means that is none of success.
pub(super) fn refused(name: &str, status: StatusCode) -> InputError {
    let (name, reason) = (name.to_owned(), format!("its server answers {status}"));
    let later = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS);
    if (status.is_client_error() || status.is_redirection()) && !later {
        InputError::Bad { name, reason }
    } else {
        InputError::Transfer { name, reason }
    }
}

async fn blocking<T: Send + 'static>(
    name: &str,
    task: impl FnOnce() -> Result<T, StateDirError> + Send + 'static,
) -> Result<T, InputError> {
    let ended = tokio::task::spawn_blocking(task).await;
    Ok(ended.map_err(|e| InputError::Transfer { name: name.to_owned(), reason: e.to_string() })??)
}
