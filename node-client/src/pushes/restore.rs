//! What an earlier attempt pushed is brought back before the container starts, verified file by file.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use backon::Retryable as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gridlease_sdk::artifact::{
    ArtifactError, Limits, MAX_OBJECT_BYTES, MAX_PUSHED_INDEX_BYTES, OutputFile, PUSHED_INDEX, PushedFile, PushedIndex,
    walk,
};
use gridlease_sdk::manifest::{Manifest, Output};
use gridlease_sdk::node_api::secrets::Secrets;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_RANGE, RANGE};
use sha2::{Digest as _, Sha256};

use super::store::{Bucket, patience};
use super::{AT_ONCE, PushError, shut_down};
use crate::inputs::{Fetcher, chain};
use crate::state_dir::{LeaseDir, StateDirError, at, make_dir, write_atomically};

/// For so long a store may say nothing.
const SILENCE: Duration = Duration::from_secs(30);

/// Whether something has to be brought back before the job can start. Blocks on the file system.
pub(crate) fn is_due(manifest: &Manifest, lease: &LeaseDir) -> bool {
    let mut outputs = manifest.outputs.iter().enumerate();
    outputs.any(|(index, output)| output.restore && !lease.restored(index).exists())
}

/// Brings one output back.
#[derive(Debug)]
pub(crate) struct Restoring {
    index: usize,
    lease: LeaseDir,
    bucket: Bucket,
    limits: Limits,
    pace: (u64, Duration),
}

/// What was brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Restored {
    /// The lease that had pushed it, as its list says.
    pub from: String,
    /// Number of the list.
    pub generation: u64,
    pub files: usize,
    pub bytes: u64,
}

impl Restoring {
    /// For output number `index`, which is restored. `limits` holds what the job's disk has room for.
    ///
    /// # Errors
    /// [`PushError::Address`].
    pub(crate) fn new(
        (index, output): (usize, &Output),
        lease: &LeaseDir,
        limits: Limits,
        secrets: &Secrets,
        fetcher: Fetcher,
    ) -> Result<Self, PushError> {
        let pace = fetcher.pace();
        let bucket = Bucket::of(output, secrets, fetcher)?;
        Ok(Self { index, lease: lease.clone(), bucket, limits, pace })
    }

    /// Fills the folder, which only the node knows yet, with what the store's list names; none where nothing was pushed. What came
    /// before a node was killed is not loaded again.
    ///
    /// # Errors
    /// [`PushError`].
    pub(crate) async fn restore(&self) -> Result<Option<Restored>, PushError> {
        let key = self.bucket.at.object(PUSHED_INDEX).key;
        let restored = match self.bucket.get(&key, MAX_PUSHED_INDEX_BYTES).await? {
            None => None,
            Some(bytes) => {
                let list: PushedIndex = serde_json::from_slice(&bytes)
                    .map_err(|e| ArtifactError::BadArchive(format!("its list cannot be read: {e}")))?;
                let (bytes, room) = (list.total_bytes(), self.limits.bytes);
                if bytes > room {
                    return Err(PushError::NoRoom { bytes, room });
                }
                list.check(&self.bucket.at.prefix, &self.limits)?;
                self.fill(&list).await?;
                let (from, generation, files) = (list.lease, list.generation, list.files.len());
                Some(Restored { from, generation, files, bytes })
            }
        };
        let marker = self.lease.restored(self.index);
        blocking(move || write_atomically(&marker, b"", 0o600)).await?;
        Ok(restored)
    }

    async fn fill(&self, list: &PushedIndex) -> Result<(), PushError> {
        let (target, parts) = (self.lease.output(self.index), self.lease.outputs().join("restored"));
        let here = {
            let (target, parts, wanted) = (target.clone(), parts.clone(), list.files.clone());
            blocking(move || {
                make_dir(&parts)?;
                keep_only(&target, &wanted)
            })
            .await?
        };
        let due = list.files.iter().filter(|file| !here.contains(&file.path));
        let (target, of) = (&target, &parts);
        stream::iter(due.map(Ok::<_, PushError>))
            .try_for_each_concurrent(AT_ONCE, |file| async move {
                let load = || self.load(file, of.join(part_name(file)), target.join(&file.path));
                load.retry(patience()).when(PushError::is_transient).await
            })
            .await?;
        blocking(move || std::fs::remove_dir_all(&parts).map_err(at("remove", &parts))).await
    }

    /// Loads one file, behind what is here of it.
    async fn load(&self, file: &PushedFile, part: PathBuf, target: PathBuf) -> Result<(), PushError> {
        let (mut here, mut hasher, mut bytes) = {
            let (part, size) = (part.clone(), file.size);
            blocking(move || open(&part, size)).await?
        };
        let resumed = bytes > 0;
        while bytes < file.size {
            let number = bytes / MAX_OBJECT_BYTES;
            let (first, end) = (number * MAX_OBJECT_BYTES, ((number + 1) * MAX_OBJECT_BYTES).min(file.size));
            let object = usize::try_from(number).ok().and_then(|number| file.objects.get(number));
            let key = object.ok_or_else(|| ArtifactError::BadArchive("it names too few objects".to_owned()))?;
            let within = bytes - first;
            let mut request = self.bucket.read(key)?;
            if within > 0 {
                request = request.header(RANGE, format!("bytes={within}-"));
            }
            let answer = request.send().await.map_err(|e| PushError::Transfer(chain(&e.without_url())))?;
            let range = answer.headers().get(CONTENT_RANGE).and_then(|range| range.to_str().ok());
            match answer.status() {
                StatusCode::OK if within == 0 => {}
                StatusCode::PARTIAL_CONTENT if range.is_some_and(|r| r.starts_with(&format!("bytes {within}-"))) => {}
                status if status.is_success() || status == StatusCode::RANGE_NOT_SATISFIABLE => {
                    // It does not go on in the middle.
                    remove(part).await?;
                    return Err(PushError::Transfer("another part came than was asked for".to_owned()));
                }
                status if status.is_client_error() => return Err(PushError::Refused { status: status.as_u16() }),
                status => return Err(PushError::Transfer(format!("it answers {status}"))),
            }
            let mut body = answer.bytes_stream();
            let (mut since, mut before) = (tokio::time::Instant::now(), bytes);
            while bytes < end {
                let next = tokio::time::timeout(SILENCE, body.next()).await;
                let Some(chunk) = next.map_err(|_| PushError::Transfer("nothing came".to_owned()))? else { break };
                let chunk = chunk.map_err(|e| PushError::Transfer(chain(&e.without_url())))?;
                // More than belongs to it is not taken.
                let room = usize::try_from(end - bytes).unwrap_or(usize::MAX);
                let chunk = chunk.slice(..chunk.len().min(room));
                hasher.update(&chunk);
                let at_byte = bytes;
                bytes += chunk.len() as u64;
                let path = part.clone();
                here = blocking(move || here.write_all_at(&chunk, at_byte).map(|()| here).map_err(at("write", &path)))
                    .await?;
                if since.elapsed() >= self.pace.1 {
                    if bytes - before < self.pace.0 {
                        return Err(PushError::Transfer("it sends too little in too long a time".to_owned()));
                    }
                    (since, before) = (tokio::time::Instant::now(), bytes);
                }
            }
            if bytes < end {
                return Err(PushError::Transfer("it broke off".to_owned()));
            }
        }
        let found = hex::encode(hasher.finalize());
        if found != file.sha256 {
            remove(part).await?;
            if resumed {
                return Err(PushError::Transfer("what came later does not fit what came first".to_owned()));
            }
            let (path, expected) = (file.path.clone(), file.sha256.clone());
            return Err(ArtifactError::WrongContent { path, expected, found }.into());
        }
        let modified_ms = u64::try_from(file.modified_ms).unwrap_or(0);
        blocking(move || {
            here.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(modified_ms))
                .map_err(at("write", &part))?;
            if let Some(folder) = target.parent() {
                make_dir(folder)?;
            }
            std::fs::rename(&part, &target).map_err(at("rename", &part))
        })
        .await
    }
}

/// Where a file is until it is complete. Two files with the same content are two.
fn part_name(file: &PushedFile) -> String {
    hex::encode(Sha256::digest(format!("{} {}", file.sha256, file.path)))
}

/// Opens what is here of a file, and hashes it.
fn open(part: &Path, size: u64) -> Result<(File, Sha256, u64), StateDirError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false).open(part);
    let mut file = opened.map_err(at("open", part))?;
    let mut hasher = Sha256::new();
    let bytes = std::io::copy(&mut file, &mut hasher).map_err(at("read", part))?;
    if bytes <= size {
        return Ok((file, hasher, bytes));
    }
    file.set_len(0).map_err(at("write", part))?;
    Ok((file, Sha256::new(), 0))
}

/// Removes what is not wanted: of a list that was replaced since. Returns what is here already.
fn keep_only(folder: &Path, wanted: &[PushedFile]) -> Result<BTreeSet<String>, StateDirError> {
    let found = walk(&[folder], &Limits::default());
    let files: Vec<OutputFile> = found.map(|found| found.files).unwrap_or_default();
    let mut here = BTreeSet::new();
    for file in files {
        let found = wanted.binary_search_by(|one| one.path.as_bytes().cmp(file.path.as_bytes()));
        if found
            .ok()
            .and_then(|index| wanted.get(index))
            .is_some_and(|wanted| wanted.sha256 == file.sha256 && wanted.size == file.size)
        {
            here.insert(file.path);
        } else {
            let path = folder.join(&file.path);
            std::fs::remove_file(&path).map_err(at("remove", &path))?;
        }
    }
    Ok(here)
}

async fn remove(part: PathBuf) -> Result<(), PushError> {
    blocking(move || std::fs::remove_file(&part).map_err(at("remove", &part))).await
}

async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, StateDirError> + Send + 'static,
) -> Result<T, PushError> {
    Ok(tokio::task::spawn_blocking(task).await.map_err(shut_down)??)
}
