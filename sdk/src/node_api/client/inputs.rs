//! Handing over input files.

use super::{NodeApi, NodeError};
use crate::artifact::{ArtifactError, hash_file};
use crate::node_api::{MAX_INPUT_BYTES, paths};
use reqwest::Method;
use reqwest::header::CONTENT_LENGTH;
use solana_pubkey::Pubkey;
use std::path::Path;
use std::time::Duration;

/// A transfer may be this slow: bytes per second.
const SLOWEST: u64 = 128 * 1024;

impl NodeApi {
    /// Hands over the local file `path` as the job's input with the given SHA-256. The file is hashed first, and
    /// nothing is sent if it is not the one that the manifest names. A node that has it already says so.
    ///
    /// # Errors
    /// [`NodeError::InputMismatch`], [`NodeError::Output`] if the file cannot be read or is larger than
    /// [`MAX_INPUT_BYTES`], or the call's.
    pub async fn push_input(&self, job: &Pubkey, path: &Path, sha256: [u8; 32]) -> Result<(), NodeError> {
        let owned = path.to_owned();
        let (size, found) = tokio::task::spawn_blocking(move || hash_file(&owned, MAX_INPUT_BYTES))
            .await
            .map_err(|_| NodeError::Interrupted)?
            .map_err(|error| match error {
                ArtifactError::Io { action, path, source } => NodeError::File { action, path, source },
                other => NodeError::Output(other),
            })?;
        if found != sha256 {
            return Err(NodeError::InputMismatch {
                path: path.to_owned(),
                expected: hex::encode(sha256),
                found: hex::encode(found),
            });
        }
        let url_path = paths::input(job, &sha256);
        self.retrying(|| async {
            let file = tokio::fs::File::open(path).await.map_err(|source| NodeError::File {
                action: "open",
                path: path.to_owned(),
                source,
            })?;
            let request = self
                .signed(Method::PUT, &url_path, sha256)?
                .header("content-type", "application/octet-stream")
                .header(CONTENT_LENGTH, size)
                .timeout(Duration::from_secs(60 + size / SLOWEST))
                .body(reqwest::Body::from(file));
            self.dispatch(request).await.map(drop)
        })
        .await
    }
}
