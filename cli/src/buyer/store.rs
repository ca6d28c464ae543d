//! What this machine remembers of the jobs posted from it: enough to go on from a fresh process.
//!
//! A record is written before its job is sent, with the number that the job will have. So a post that was cut off is
//! found again and not made twice, and a manifest can be pushed by whoever finds the record.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;

/// Format of the records.
const VERSION: u32 = 1;
/// Largest record that is read: a canonical manifest of 64 KiB, escaped, and the inputs.
const MAX_RECORD: u64 = 1024 * 1024;
/// Most records that are looked at.
const MAX_RECORDS: usize = 10_000;

/// A local file that the job needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputFile {
    /// Where it is.
    pub path: PathBuf,
    /// SHA-256 of its content, lower-case hex.
    pub sha256: String,
    /// Size in bytes.
    pub size: u64,
}

/// How far the posting came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum Posting {
    /// Written down; nobody knows yet whether it was sent.
    Intended,
    /// On chain.
    Posted {
        /// Signature of the transaction, base58; empty where somebody else's process sent it.
        signature: String,
    },
}

/// How a job ended, as far as it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The lease that ended, base58; none where there was none.
    pub lease: Option<String>,
    /// The provider record, base58.
    pub provider: Option<String>,
    /// Number of `gridlease_core::job::EndReason`.
    pub reason: u8,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// Root over the outputs, lower-case hex.
    pub result_hash: String,
    /// Last link of the log's chain, lower-case hex.
    pub log_hash: String,
}

/// What is remembered of one job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    /// Format, 1.
    pub version: u32,
    /// Address of the job, base58.
    pub job: String,
    /// Owner of the purse, base58.
    pub owner: String,
    /// The job's number in its purse.
    pub number: u64,
    /// The network, as it may be shown.
    pub cluster: String,
    /// Name from the manifest.
    pub name: String,
    /// When the record was made, Unix milliseconds.
    pub created_ms: u64,
    /// The canonical manifest.
    pub manifest: String,
    /// SHA-256 of the canonical manifest, lower-case hex.
    pub manifest_hash: String,
    /// The files to push to the winner.
    pub inputs: Vec<InputFile>,
    /// How far the posting came.
    pub posting: Posting,
    /// How it ended.
    pub ending: Option<Ending>,
}

/// Why nothing can be remembered or found.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}; name another folder with --state-dir", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A record cannot be used.
    #[error("{} is not a job record: {reason}; move it away", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The folder of the records.
#[derive(Clone, Debug)]
pub struct JobStore {
    folder: PathBuf,
}

/// Held while a post is under way, so that another process does not take it for one that was cut off. The lock goes with
/// the process, however that ends.
#[derive(Debug)]
pub struct PostLock {
    file: File,
    path: PathBuf,
}

impl Drop for PostLock {
    fn drop(&mut self) {
        // The record says everything; what cannot be removed is an empty file.
        let _ = fs::remove_file(&self.path);
        let _ = self.file.unlock();
    }
}

impl JobStore {
    /// The records under `state_dir`.
    pub fn new(state_dir: &Path) -> Self {
        Self { folder: state_dir.join("jobs") }
    }

    /// The record of `job`; none where it was not posted from here.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn find(&self, job: &Pubkey) -> Result<Option<JobRecord>, StoreError> {
        read(&self.file(&job.to_string()))
    }

    /// Writes a record, in one step.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn save(&self, record: &JobRecord) -> Result<(), StoreError> {
        let path = self.file(&record.job);
        let bytes = serde_json::to_vec_pretty(record)
            .map_err(|error| StoreError::Malformed { path: path.clone(), reason: error.to_string() })?;
        write_atomically(&path, &bytes).map_err(|source| StoreError::Io { action: "write", path, source })
    }

    /// Removes the record of a job that was never posted.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn forget(&self, job: &Pubkey) -> Result<(), StoreError> {
        let path = self.file(&job.to_string());
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(StoreError::Io { action: "remove", path, source: error })
            }
            _ => Ok(()),
        }
    }

    /// All records, the newest first. What is no record is left out with a warning.
    ///
    /// # Errors
    /// [`StoreError::Io`] where the folder cannot be read.
    pub fn list(&self) -> Result<Vec<JobRecord>, StoreError> {
        let failed = |source| StoreError::Io { action: "read", path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut records = Vec::new();
        for entry in entries.take(MAX_RECORDS) {
            let path = entry.map_err(failed)?.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&path) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => {}
                Err(error) => tracing::warn!("{error}"),
            }
        }
        records.sort_by_key(|record| std::cmp::Reverse((record.created_ms, record.number)));
        Ok(records)
    }

    /// Marks `job` as being posted by this process; none where another process is at it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn lock(&self, job: &Pubkey) -> Result<Option<PostLock>, StoreError> {
        let path = self.folder.join(format!("{job}.lock"));
        let failed = |source| StoreError::Io { action: "lock", path: path.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(PostLock { file, path })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    fn file(&self, job: &str) -> PathBuf {
        self.folder.join(format!("{job}.json"))
    }
}

fn read(path: &Path) -> Result<Option<JobRecord>, StoreError> {
    let failed = |source| StoreError::Io { action: "read", path: path.to_owned(), source };
    let malformed = |reason: String| StoreError::Malformed { path: path.to_owned(), reason };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if metadata.len() > MAX_RECORD => return Err(malformed("it is too large".to_owned())),
        Ok(_) => {}
    }
    let bytes = fs::read(path).map_err(failed)?;
    let record: JobRecord = serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    if record.version != VERSION {
        return Err(malformed(format!("its version is {}, this program reads {VERSION}", record.version)));
    }
    Ok(Some(record))
}

impl JobRecord {
    /// A record of a job about to be posted.
    pub fn intended(job: &Pubkey, owner: &Pubkey, number: u64, cluster: String, created_ms: u64) -> Self {
        Self {
            version: VERSION,
            job: job.to_string(),
            owner: owner.to_string(),
            number,
            cluster,
            name: String::new(),
            created_ms,
            manifest: String::new(),
            manifest_hash: String::new(),
            inputs: Vec::new(),
            posting: Posting::Intended,
            ending: None,
        }
    }

    /// The job's address.
    ///
    /// # Errors
    /// [`StoreError::Malformed`] where the record holds none.
    pub fn address(&self) -> Result<Pubkey, StoreError> {
        self.job.parse().map_err(|_| StoreError::Malformed {
            path: PathBuf::from(format!("{}.json", self.job)),
            reason: "it names no address".to_owned(),
        })
    }
}

/// Writes a file so that it has either its old content or the new, and tells the disk. Readable by this user only.
///
/// # Errors
/// What the system said; a temporary file is removed.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    } else if let Ok(folder) = File::open(folder) {
        // Some file systems cannot do this; the rename is atomic all the same.
        let _ = folder.sync_all();
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.create(true).truncate(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(created_ms: u64) -> JobRecord {
        JobRecord::intended(&Pubkey::new_unique(), &Pubkey::new_unique(), 7, "http://a:1".to_owned(), created_ms)
    }

    #[test]
    fn a_record_is_found_by_its_job_and_listed_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let store = JobStore::new(folder.path());
        assert!(store.list().unwrap().is_empty());
        let (old, new) = (record(1), record(2));
        store.save(&old).unwrap();
        store.save(&new).unwrap();
        assert_eq!(store.find(&old.address().unwrap()).unwrap(), Some(old.clone()));
        assert_eq!(store.list().unwrap(), [new.clone(), old]);
        store.forget(&new.address().unwrap()).unwrap();
        store.forget(&new.address().unwrap()).unwrap();
        assert_eq!(store.list().unwrap().len(), 1);
    }

    #[test]
    fn something_that_is_no_record_is_named_and_does_not_hide_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let store = JobStore::new(folder.path());
        let good = record(1);
        store.save(&good).unwrap();
        let bad = Pubkey::new_unique();
        std::fs::write(folder.path().join("jobs").join(format!("{bad}.json")), "{").unwrap();
        assert!(store.find(&bad).unwrap_err().to_string().contains("not a job record"));
        assert_eq!(store.list().unwrap(), [good]);
    }

    #[test]
    fn a_post_under_way_is_seen_by_others_until_it_is_over() {
        let folder = tempfile::tempdir().unwrap();
        let store = JobStore::new(folder.path());
        let job = Pubkey::new_unique();
        let lock = store.lock(&job).unwrap().unwrap();
        assert!(store.lock(&job).unwrap().is_none());
        drop(lock);
        assert!(store.lock(&job).unwrap().is_some());
    }
}
