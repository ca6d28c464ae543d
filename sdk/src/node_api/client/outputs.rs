//! Fetching outputs: checked before anything is put where the buyer looks for it.

use super::{NodeApi, NodeError};
use crate::artifact::{ArtifactError, Limits, OutputListing, output_root, unpack, walk};
use crate::node_api::auth::empty_body_hash;
use crate::node_api::paths;
use bytes::Bytes;
use reqwest::{Method, Response};
use solana_pubkey::Pubkey;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;

/// A transfer may be this slow: bytes per second.
const SLOWEST: u64 = 64 * 1024;
/// Pieces of the archive that wait for the disk.
const QUEUE: usize = 16;

impl NodeApi {
    /// Fetches a lease's outputs into the folder `dest`, which must not exist, be empty, or hold these very outputs
    /// already. `expected_root` is the result hash that the node posted on chain: the list is checked against it
    /// before anything is loaded, and what was loaded before it is moved into place, in one step. On an error
    /// `dest` is as it was.
    ///
    /// # Errors
    /// [`NodeError::Output`] if the outputs are not what was committed to or exceed `limits`,
    /// [`NodeError::DestinationInUse`], or the call's.
    pub async fn fetch_outputs(
        &self,
        lease: &Pubkey,
        dest: &Path,
        expected_root: [u8; 32],
        limits: Limits,
    ) -> Result<OutputListing, NodeError> {
        let listing = self.outputs(lease).await?;
        listing.verify(&expected_root, &limits)?;
        let there = dest.to_owned();
        let state = blocking(move || inspect(&there, &expected_root, &limits)).await?;
        if state == Destination::Complete {
            return Ok(listing);
        }
        let loaded = self.retrying(|| self.download(lease, dest, &listing, &expected_root)).await?;
        let target = dest.to_owned();
        blocking(move || put_in_place(loaded, &target)).await?;
        Ok(listing)
    }

    /// Loads the archive into a fresh folder beside `dest` and checks it; the folder vanishes on an error.
    async fn download(
        &self,
        lease: &Pubkey,
        dest: &Path,
        listing: &OutputListing,
        expected_root: &[u8; 32],
    ) -> Result<tempfile::TempDir, NodeError> {
        let parent = parent_of(dest);
        let folder = blocking(move || temporary_folder(&parent)).await?;
        let exact = Limits { files: listing.files.len(), bytes: listing.total_bytes(), depth: Limits::default().depth };
        let total = Duration::from_secs(60 + exact.bytes / SLOWEST);
        let request = self.signed(Method::GET, &paths::outputs_tar(lease), empty_body_hash())?.timeout(total);
        let response = self.dispatch(request).await?;

        let (sender, receiver) = mpsc::channel(QUEUE);
        let into = folder.path().to_owned();
        let unpacking = tokio::task::spawn_blocking(move || {
            let mut reader = ChunkReader::new(receiver);
            let files = unpack(&mut reader, &into, &exact);
            // The rest of the stream (padding) is of no interest; dropping the reader stops the transfer.
            (files, reader.broken)
        });
        let transfer = self.transfer(response, sender).await;
        let (files, broken) = unpacking.await.map_err(|_| NodeError::Interrupted)?;
        match (files, transfer) {
            (Ok(files), _) if !broken => {
                let found = output_root(&files)?;
                if found == *expected_root {
                    return Ok(folder);
                }
                Err(ArtifactError::RootMismatch { expected: hex::encode(expected_root), found: hex::encode(found) }
                    .into())
            }
            // A transfer that broke explains why the archive is damaged, and may be tried again.
            (_, Err(error)) => Err(error),
            (Err(error), Ok(())) => Err(error.into()),
            (Ok(_), Ok(())) => Err(NodeError::Interrupted),
        }
    }

    async fn transfer(&self, mut response: Response, sender: mpsc::Sender<io::Result<Bytes>>) -> Result<(), NodeError> {
        loop {
            match response.chunk().await {
                Ok(Some(bytes)) => {
                    if sender.send(Ok(bytes)).await.is_err() {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => {
                    // The reader may be gone already; then it knows all that it needs.
                    let _ = sender.send(Err(io::ErrorKind::ConnectionAborted.into())).await;
                    return Err(self.failed(&error));
                }
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    Free,
    Complete,
}

fn inspect(dest: &Path, root: &[u8; 32], limits: &Limits) -> Result<Destination, NodeError> {
    let mut entries = match std::fs::read_dir(dest) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Destination::Free),
        Err(source) => return Err(file_error("read", dest)(source)),
    };
    if entries.next().is_none() {
        return Ok(Destination::Free);
    }
    let same =
        walk(&[dest], limits).and_then(|found| Ok(found.left_out.is_empty() && output_root(&found.files)? == *root));
    if matches!(same, Ok(true)) {
        Ok(Destination::Complete)
    } else {
        Err(NodeError::DestinationInUse { path: dest.to_owned() })
    }
}

pub(super) fn parent_of(dest: &Path) -> PathBuf {
    match dest.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Beside the destination, so that moving it there is one step within one file system.
fn temporary_folder(parent: &Path) -> Result<tempfile::TempDir, NodeError> {
    std::fs::create_dir_all(parent).map_err(file_error("create", parent))?;
    tempfile::Builder::new()
        .prefix(".gridlease-outputs-")
        .tempdir_in(parent)
        .map_err(file_error("create a folder in", parent))
}

fn put_in_place(folder: tempfile::TempDir, dest: &Path) -> Result<(), NodeError> {
    open_to_others(folder.path())?;
    match std::fs::remove_dir(dest) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(file_error("replace", dest)(source)),
    }
    std::fs::rename(folder.path(), dest).map_err(file_error("create", dest))?;
    // It has moved: there is nothing left to remove.
    let _ = folder.keep();
    Ok(())
}

/// A temporary folder is for its owner alone; a result is an ordinary folder.
#[cfg(unix)]
fn open_to_others(folder: &Path) -> Result<(), NodeError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, mode).map_err(file_error("set the mode of", folder))
}

#[cfg(not(unix))]
fn open_to_others(_: &Path) -> Result<(), NodeError> {
    Ok(())
}

pub(super) fn file_error<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> NodeError + 'a {
    move |source| NodeError::File { action, path: path.to_owned(), source }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NodeError> + Send + 'static,
) -> Result<T, NodeError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| NodeError::Interrupted)?
}

/// What arrives, for a reader on a blocking thread.
struct ChunkReader {
    receiver: mpsc::Receiver<io::Result<Bytes>>,
    chunk: Bytes,
    broken: bool,
}

impl ChunkReader {
    fn new(receiver: mpsc::Receiver<io::Result<Bytes>>) -> Self {
        Self { receiver, chunk: Bytes::new(), broken: false }
    }
}

impl Read for ChunkReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            match self.receiver.blocking_recv() {
                Some(Ok(chunk)) => self.chunk = chunk,
                Some(Err(error)) => {
                    self.broken = true;
                    return Err(error);
                }
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.chunk.len());
        buffer[..count].copy_from_slice(&self.chunk.split_to(count));
        Ok(count)
    }
}
