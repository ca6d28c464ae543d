//! Fetching one output: what came of it stays through a transfer that breaks off, and it has its name only when its hash is right.

use super::outputs::{blocking, file_error, parent_of};
use super::{NodeApi, NodeError};
use crate::artifact::{ArtifactError, OutputFile, hash_file};
use crate::node_api::auth::empty_body_hash;
use crate::node_api::paths;
use reqwest::header::{CONTENT_RANGE, RANGE};
use reqwest::{Method, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A transfer may be this slow: bytes per second.
const SLOWEST: u64 = 64 * 1024;

/// What is here of a file.
struct Part {
    path: PathBuf,
    /// Locked for as long as it is open.
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl NodeApi {
    /// Fetches one of a lease's outputs, as it stands in a listing that was verified, to `dest`, which must not exist or hold it
    /// already. What came before a transfer broke off lies beside `dest` under the name `.HASH.gridlease-part`, and the next call goes
    /// on behind it.
    ///
    /// # Errors
    /// [`NodeError::Output`] if it is not what the listing names, [`NodeError::FileInUse`], [`NodeError::UnderWay`], or the call's.
    pub async fn fetch_output(&self, lease: &Pubkey, file: &OutputFile, dest: &Path) -> Result<(), NodeError> {
        let (target, wanted) = (dest.to_owned(), file.clone());
        if blocking(move || is_there(&target, &wanted)).await? {
            return Ok(());
        }
        let (target, wanted) = (dest.to_owned(), file.clone());
        let mut part = blocking(move || open(&target, &wanted)).await?;
        let resumed = part.bytes > 0;
        let found = self.complete(lease, file, &mut part).await?;
        let right = found == file.sha256;
        let found = if right || !resumed {
            found
        } else {
            // What was here before may be damaged, or of another node.
            part.begin_anew()?;
            self.complete(lease, file, &mut part).await?
        };
        if found != file.sha256 {
            std::fs::remove_file(&part.path).map_err(file_error("remove", &part.path))?;
            let (path, expected) = (file.path.clone(), file.sha256.clone());
            return Err(ArtifactError::WrongContent { path, expected, found }.into());
        }
        let target = dest.to_owned();
        blocking(move || put_in_place(&part, &target)).await
    }

    /// Fetches the bytes of a range (first and last, counted from 0) of one of a lease's outputs to `dest`, which must not exist. What is
    /// on chain covers whole files only, so that nothing proves a part.
    ///
    /// # Errors
    /// [`NodeError::NoSuchRange`], [`NodeError::FileInUse`], or the call's; `dest` is not there then.
    pub async fn fetch_output_range(
        &self,
        lease: &Pubkey,
        file: &OutputFile,
        range: &RangeInclusive<u64>,
        dest: &Path,
    ) -> Result<(), NodeError> {
        if range.is_empty() || *range.end() >= file.size {
            return Err(NodeError::NoSuchRange { path: file.path.clone(), size: file.size });
        }
        let parent = parent_of(dest);
        std::fs::create_dir_all(&parent).map_err(file_error("create", &parent))?;
        // An ordinary file, which others may read; one that is not finished goes with its name.
        let temporary = tempfile::Builder::new()
            .prefix(".gridlease-range-")
            .permissions(ordinary())
            .tempfile_in(&parent)
            .map_err(file_error("create a file in", &parent))?;
        let (file_of, name) = temporary.into_parts();
        let mut part = Part { path: name.to_path_buf(), file: file_of, hasher: Sha256::new(), bytes: *range.start() };
        self.load_to(lease, file, &mut part, *range.end()).await?;
        match name.persist_noclobber(dest) {
            Ok(()) => Ok(()),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Err(NodeError::FileInUse { path: dest.to_owned() })
            }
            Err(error) => Err(file_error("create", dest)(error.error)),
        }
    }

    /// Loads what is missing of a file, and hashes the whole.
    async fn complete(&self, lease: &Pubkey, file: &OutputFile, part: &mut Part) -> Result<String, NodeError> {
        if file.size > 0 {
            self.load_to(lease, file, part, file.size - 1).await?;
        }
        Ok(hex::encode(part.hasher.clone().finalize()))
    }

    /// Loads up to the byte `last`. As long as something comes, a transfer that breaks off is taken up again.
    async fn load_to(&self, lease: &Pubkey, file: &OutputFile, part: &mut Part, last: u64) -> Result<(), NodeError> {
        let mut pauses = 0;
        while part.bytes <= last {
            let before = part.bytes;
            let answer = self.retrying(|| self.ask(lease, file, before, last)).await?;
            match self.receive(answer, part, last).await {
                Ok(()) if part.bytes > last => return Ok(()),
                Err(error) if !error.is_transient() => return Err(error),
                _ if part.bytes > before => pauses = 0,
                _ if pauses >= 4 => return Err(self.cut_short()),
                _ => pauses += 1,
            }
            tokio::time::sleep(Duration::from_millis(100 << pauses)).await;
        }
        Ok(())
    }

    async fn ask(&self, lease: &Pubkey, file: &OutputFile, from: u64, last: u64) -> Result<Response, NodeError> {
        let path = paths::output_file(lease, &file.path);
        let total = Duration::from_secs(60 + (last - from) / SLOWEST);
        let request = self.signed(Method::GET, &path, empty_body_hash())?.timeout(total);
        let answer = self.dispatch(request.header(RANGE, format!("bytes={from}-{last}"))).await?;
        let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
        let goes_on = range.is_some_and(|range| range == format!("bytes {from}-{last}/{}", file.size));
        if answer.status() == StatusCode::PARTIAL_CONTENT && goes_on {
            return Ok(answer);
        }
        let reason = format!("it is not the bytes {from} to {last} of {} that were asked for", file.size);
        Err(NodeError::BadAnswer { request: format!("GET {path}"), reason })
    }

    async fn receive(&self, mut answer: Response, part: &mut Part, last: u64) -> Result<(), NodeError> {
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failed(&error))? {
            // More than was asked for is not taken.
            let room = usize::try_from((last + 1).saturating_sub(part.bytes)).unwrap_or(usize::MAX);
            let chunk = chunk.slice(..chunk.len().min(room));
            part.file.write_all(&chunk).map_err(file_error("write", &part.path))?;
            part.hasher.update(&chunk);
            part.bytes += chunk.len() as u64;
        }
        Ok(())
    }

    fn cut_short(&self) -> NodeError {
        let reason = "it broke off again and again".to_owned();
        NodeError::Unreachable { endpoint: self.endpoint.to_string(), reason }
    }
}

impl Part {
    fn begin_anew(&mut self) -> Result<(), NodeError> {
        self.file.set_len(0).map_err(file_error("write", &self.path))?;
        (self.hasher, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }
}

#[cfg(unix)]
fn ordinary() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

/// Whether the file is there already.
fn is_there(dest: &Path, file: &OutputFile) -> Result<bool, NodeError> {
    if std::fs::symlink_metadata(dest).is_err() {
        return Ok(false);
    }
    match hash_file(dest, file.size) {
        Ok((size, sha256)) if size == file.size && hex::encode(sha256) == file.sha256 => Ok(true),
        _ => Err(NodeError::FileInUse { path: dest.to_owned() }),
    }
}

/// Opens what is here of a file, and hashes it.
fn open(dest: &Path, file: &OutputFile) -> Result<Part, NodeError> {
    let parent = parent_of(dest);
    std::fs::create_dir_all(&parent).map_err(file_error("create", &parent))?;
    let path = parent.join(format!(".{}.gridlease-part", file.sha256.get(..16).unwrap_or_default()));
    let mut options = OpenOptions::new();
    let mut here = options.read(true).append(true).create(true).open(&path).map_err(file_error("open", &path))?;
    match here.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(NodeError::UnderWay { path: dest.to_owned() }),
        Err(TryLockError::Error(source)) => return Err(file_error("lock", &path)(source)),
    }
    let mut hasher = Sha256::new();
    let bytes = io::copy(&mut here, &mut hasher).map_err(file_error("read", &path))?;
    let mut part = Part { path, file: here, hasher, bytes };
    if bytes > file.size {
        part.begin_anew()?;
    }
    Ok(part)
}

fn put_in_place(part: &Part, dest: &Path) -> Result<(), NodeError> {
    part.file.sync_all().map_err(file_error("write", &part.path))?;
    place_new(&part.path, dest)
}

/// Gives a file its name, where nothing has it.
fn place_new(from: &Path, dest: &Path) -> Result<(), NodeError> {
    if std::fs::symlink_metadata(dest).is_ok() {
        return Err(NodeError::FileInUse { path: dest.to_owned() });
    }
    std::fs::rename(from, dest).map_err(file_error("create", dest))
}
