//! Bringing a job's input files here: fetched from where the manifest says, or pushed by the buyer; verified, and only then in place.
//!
//! A file is written to another name and hashed on the way; it gets its final name (its hash) when the hash is
//! right. So what has the name has the content, however often the node was killed.

mod fetch;
mod ipfs;
mod load;
mod room;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use gridlease_sdk::manifest::{Input, InputSource, Manifest};
use gridlease_sdk::source::hub;
use gridlease_sdk::source::s3::S3Access;
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::state_dir::{LeaseDir, StateDirError, at, persist};

pub use fetch::{FetchPolicy, Fetcher};
pub(crate) use fetch::{chain, leads_outside, public_client};
pub use gridlease_sdk::public_address::is_public;
pub use room::Room;

/// With what the name of a file begins that is being written.
const UNFINISHED: &str = ".tmp-";
/// A transfer in which no byte comes for so long is given up.
const STALL: Duration = Duration::from_secs(30);

/// An input that is not here yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// SHA-256 of its content.
    pub sha256: [u8; 32],
    /// Where the node fetches it; `None`: the buyer pushes it.
    pub from: Option<Origin>,
}

impl Missing {
    /// Whether the node can fetch it: it says where it is, and the secrets that this takes are here. Blocks on the file system.
    #[must_use]
    pub fn is_fetchable(&self, lease: &LeaseDir) -> bool {
        self.from.as_ref().is_some_and(|origin| origin.secrets.is_empty() || lease.secrets().is_dir())
    }
}

/// Where the node fetches an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Its address.
    pub uri: InputSource,
    /// The gateway that the manifest names for an `ipfs://` address.
    pub gateway: Option<String>,
    /// How the store of an `s3://` address is reached.
    pub s3: Option<S3Access>,
    /// Names of the lease's secrets that it takes.
    pub secrets: Vec<String>,
}

impl From<InputSource> for Origin {
    fn from(uri: InputSource) -> Self {
        Self { uri, gateway: None, s3: None, secrets: Vec::new() }
    }
}

impl Origin {
    /// Of an input; `None` where the buyer pushes it.
    fn of(input: &Input, manifest: &Manifest) -> Option<Self> {
        let secrets = match &input.uri {
            InputSource::Push | InputSource::Local(_) => return None,
            InputSource::Https(_) | InputSource::Ipfs(_) => Vec::new(),
            // Whoever gives a job this secret means it for the hub.
            InputSource::Hub(_) => {
                manifest.secrets.contains_key(hub::TOKEN).then(|| hub::TOKEN.to_owned()).into_iter().collect()
            }
            InputSource::S3(_) => input.s3.iter().flat_map(S3Access::secrets).map(str::to_owned).collect(),
        };
        let (uri, gateway, s3) = (input.uri.clone(), input.gateway.clone(), input.s3.clone());
        Some(Self { uri, gateway, s3, secrets })
    }
}

/// Why an input could not be brought here.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// The node's own files.
    #[error(transparent)]
    File(#[from] StateDirError),
    /// The manifest names something that is no input.
    #[error("input {name}: {reason}")]
    Bad {
        /// Its address or hash.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// Larger than allowed.
    #[error("input {name} has more than {limit} bytes")]
    TooLarge {
        /// Its address or hash.
        name: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// There is no room for them.
    #[error("the inputs have {bytes} bytes or more, and the job's disk has room for {room}; raise resources.disk")]
    NoRoom {
        /// Bytes so far.
        bytes: u64,
        /// Bytes that there is room for.
        room: u64,
    },
    /// Not the content that was announced.
    #[error("input {name} has SHA-256 {found}, the manifest says {expected}")]
    HashMismatch {
        /// Its address or hash.
        name: String,
        /// Announced, hex.
        expected: String,
        /// Found, hex.
        found: String,
    },
    /// The transfer failed.
    #[error("input {name} could not be fetched: {reason}")]
    Transfer {
        /// Its address or hash.
        name: String,
        /// What went wrong.
        reason: String,
    },
}

impl InputError {
    /// Whether the same transfer may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Transfer { .. } | Self::File(_))
    }
}

/// The inputs of `manifest` that are not in the lease's directory yet, each hash once. Blocks on the file system.
///
/// # Errors
/// [`InputError::Bad`] where the manifest is not in its canonical form.
pub fn missing(manifest: &Manifest, lease: &LeaseDir) -> Result<Vec<Missing>, InputError> {
    let mut found: BTreeMap<[u8; 32], Option<Origin>> = BTreeMap::new();
    for input in &manifest.inputs {
        let bad = |reason: &str| InputError::Bad { name: input.mount.clone(), reason: reason.to_owned() };
        let hex_hash = input.sha256.as_deref().ok_or_else(|| bad("it has no hash"))?;
        let mut sha256 = [0; 32];
        hex::decode_to_slice(hex_hash, &mut sha256).map_err(|_| bad("its hash is not SHA-256 in hex"))?;
        if matches!(input.uri, InputSource::Local(_)) {
            return Err(bad("it is a file on another machine"));
        }
        if !lease.input(&sha256).exists() {
            let known = found.entry(sha256).or_default();
            *known = known.take().or_else(|| Origin::of(input, manifest));
        }
    }
    Ok(found.into_iter().map(|(sha256, from)| Missing { sha256, from }).collect())
}

/// Removes what a node that was killed was writing: nobody goes on with it, and it would count. To be called before anything is written.
/// Blocks on the file system.
pub fn clear_unfinished(lease: &LeaseDir) {
    for entry in std::fs::read_dir(lease.inputs()).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(file = %entry.path().display(), %error, "what a node that was killed left cannot be removed");
        }
    }
}

/// Bytes of the inputs that are here, also of those that are still coming in. Blocks on the file system.
#[must_use]
pub fn present_bytes(lease: &LeaseDir) -> u64 {
    let entries = std::fs::read_dir(lease.inputs()).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.metadata().ok()).fold(0, |sum, found| sum.saturating_add(found.len()))
}

/// Bytes of inputs that the job's disk still has room for; without a manifest nothing is known of that. Blocks on the file
/// system.
#[must_use]
pub fn room(lease: &LeaseDir) -> u64 {
    let manifest = std::fs::read(lease.manifest()).ok().and_then(|bytes| Manifest::from_canonical(&bytes).ok());
    manifest.map_or(u64::MAX, |manifest| {
        manifest.resources.disk_parts().for_outputs(present_bytes(lease)).unwrap_or_default()
    })
}

/// Writes a stream of bytes, which are drawn from `room`, as the input with this hash. What is there already under the hash is left, and
/// the stream unread.
///
/// # Errors
/// [`InputError`]; the temporary file is gone then, and the room free again.
pub async fn place<E: std::fmt::Display>(
    lease: &LeaseDir,
    sha256: &[u8; 32],
    name: &str,
    max_bytes: u64,
    room: &Room,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<PathBuf, InputError> {
    let path = lease.input(sha256);
    if path.exists() {
        return Ok(path);
    }
    let mut drawn = Drawn { room, bytes: 0 };
    receive(lease, (sha256, path.clone()), name, max_bytes, &mut drawn, body).await?;
    // It is here now, and stays drawn.
    drawn.bytes = 0;
    Ok(path)
}

/// What a transfer has of the room, given back where it comes to nothing, also where it is dropped.
struct Drawn<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Drop for Drawn<'_> {
    fn drop(&mut self) {
        self.room.give_back(self.bytes);
    }
}

async fn receive<E: std::fmt::Display>(
    lease: &LeaseDir,
    (sha256, path): (&[u8; 32], PathBuf),
    name: &str,
    max_bytes: u64,
    drawn: &mut Drawn<'_>,
    body: impl Stream<Item = Result<Bytes, E>>,
) -> Result<(), InputError> {
    let dir = lease.inputs();
    let temporary =
        tempfile::Builder::new().prefix(UNFINISHED).tempfile_in(&dir).map_err(at("create a file in", &dir))?;
    let handle = temporary.reopen().map_err(at("open", temporary.path()))?;
    let mut file = tokio::fs::File::from_std(handle);
    let mut body = std::pin::pin!(body);
    let (mut hasher, mut size) = (Sha256::new(), 0u64);
    let transfer = |reason: String| InputError::Transfer { name: name.to_owned(), reason };
    loop {
        let chunk = tokio::time::timeout(STALL, body.next())
            .await
            .map_err(|_| transfer(format!("nothing came for {} s", STALL.as_secs())))?;
        let Some(chunk) = chunk else { break };
        let chunk = chunk.map_err(|e| transfer(e.to_string()))?;
        size = size.saturating_add(chunk.len() as u64);
        if size > max_bytes {
            return Err(InputError::TooLarge { name: name.to_owned(), limit: max_bytes });
        }
        let bytes = chunk.len() as u64;
        if !drawn.room.take(bytes) {
            return Err(drawn.room.none_for(bytes));
        }
        drawn.bytes += bytes;
        hasher.update(&chunk);
        file.write_all(&chunk).await.map_err(at("write", &path))?;
    }
    file.flush().await.map_err(at("write", &path))?;
    drop(file);
    let found: [u8; 32] = hasher.finalize().into();
    if found != *sha256 {
        return Err(InputError::HashMismatch {
            name: name.to_owned(),
            expected: hex::encode(sha256),
            found: hex::encode(found),
        });
    }
    let (lease, target) = (lease.clone(), path.clone());
    tokio::task::spawn_blocking(move || {
        lease.share_input(temporary.path())?;
        persist(temporary, &target)
    })
    .await
    .map_err(|e| InputError::Transfer { name: name.to_owned(), reason: e.to_string() })??;
    Ok(())
}

#[cfg(test)]
mod origin_tests;
#[cfg(test)]
mod tests;
