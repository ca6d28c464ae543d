//! Outputs on their way to a store of the buyer's, while the job runs and at its end, and back from there at the start of a later
//! attempt.
//!
//! The node does this, never the container. What a reader of the store is promised: `index.json` names a whole generation, that is all
//! files of the folder as they stood at one moment, each with its size and hash. It is written after everything that it names, and what
//! it named before stays until the list after it is written. A generation is whole because nothing in the folder changed from a look
//! before the first file was read to a look after the last; where something did, what changed is read again, a few times.

mod error;
mod known;
mod restore;
mod store;
mod tree;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use gridlease_sdk::artifact::{
    LeftOut, LeftOutReason, Limits, MAX_OBJECT_BYTES, PUSHED_INDEX, PushedFile, PushedIndex,
};
use gridlease_sdk::manifest::Output;
use gridlease_sdk::node_api::secrets::Secrets;
use gridlease_sdk::source::s3::MAX_KEY_BYTES;
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;

use crate::clock::Clock;
use crate::inputs::Fetcher;
use crate::state_dir::{LeaseDir, at};

pub use error::PushError;
pub(crate) use restore::{Restoring, is_due as is_restore_due};

use known::{Known, KnownFile};
use store::Bucket;
use tree::{Look, Stamp, Tree};

/// Files that are sent at the same time.
const AT_ONCE: usize = 4;
/// How often what changed meanwhile is read again.
const ROUNDS: usize = 4;
/// Between two looks that have to be the same: a file that is written to has another time then, however coarse the system's are.
const APART: Duration = Duration::from_millis(25);

/// Which lease pushes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Whose {
    pub job: Pubkey,
    pub lease: Pubkey,
    pub attempt: u8,
}

/// What came of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pushed {
    /// Number of the list that names it all.
    pub generation: u64,
    /// Files in it, and their bytes.
    pub files: usize,
    pub bytes: u64,
    /// Whether there was anything new.
    pub new: bool,
    /// What is not in it.
    pub left_out: LeftOut,
}

/// Pushes one output of a lease.
#[derive(Debug)]
pub(crate) struct Pusher {
    whose: Whose,
    /// Number of the output in the manifest.
    pub index: usize,
    output: Output,
    lease: LeaseDir,
    limits: Limits,
    bucket: Bucket,
    clock: Clock,
    known: Known,
}

impl Pusher {
    /// For output number `index`, which is pushed. Blocks on the file system.
    ///
    /// # Errors
    /// [`PushError::Address`].
    pub(crate) fn new(
        whose: Whose,
        (index, output): (usize, &Output),
        lease: &LeaseDir,
        limits: Limits,
        secrets: &Secrets,
        fetcher: Fetcher,
        clock: Clock,
    ) -> Result<Self, PushError> {
        let bucket = Bucket::of(output, secrets, fetcher)?;
        let known = Known::load(lease, index);
        Ok(Self { whose, index, output: output.clone(), lease: lease.clone(), limits, bucket, clock, known })
    }

    /// Brings the store up to date: what is in the folder now is there, and a list names it. With `last` nothing comes after it.
    ///
    /// # Errors
    /// [`PushError`]. What was pushed until then is not pushed again.
    pub(crate) async fn push(&mut self, last: bool) -> Result<Pushed, PushError> {
        let look = self.bring_all().await?;
        let new = !self.known.listed || self.known.generation == 0;
        if new || (last && !self.known.last) {
            self.list(&look, last).await?;
        }
        let (files, bytes) = (look.files.len(), look.files.values().map(|stamp| stamp.size).sum());
        Ok(Pushed { generation: self.known.generation, files, bytes, new, left_out: look.left_out })
    }

    /// Sends what is not in the store, until all of the folder is as it stands.
    async fn bring_all(&mut self) -> Result<Look, PushError> {
        let mut restless = String::new();
        for round in 0..ROUNDS {
            let before = self.look().await?;
            tokio::time::sleep(APART).await;
            let now = self.look().await?;
            match difference(&before, &now) {
                Some(path) => restless = path,
                None => {
                    let mut look = now;
                    self.bring(&mut look).await?;
                    match difference(&before, &self.look().await?) {
                        Some(path) => restless = path,
                        None => {
                            self.known.retain(&look.files);
                            return Ok(look);
                        }
                    }
                }
            }
            tokio::time::sleep(APART * 4 * u32::try_from(round + 1).unwrap_or(1)).await;
        }
        Err(PushError::Restless { path: restless })
    }

    async fn look(&self) -> Result<Look, PushError> {
        let (dir, limits) = (self.dir(), self.limits);
        blocking(&self.dir(), move || Tree::open(&dir)?.look(&limits)).await
    }

    fn dir(&self) -> PathBuf {
        self.lease.output(self.index)
    }

    /// Sends the files that are not in the store as they are. One that changes meanwhile is for the next round.
    async fn bring(&mut self, look: &mut Look) -> Result<(), PushError> {
        // Each round has its own names, so that no object is ever another than a list says.
        let mark = format!("{}{}/{}", self.bucket.at.prefix, self.whose.lease, self.clock.now_ms());
        let fits = |path: &str, size: u64| mark.len() + path.len() + 1 + suffix(size, 0).len() <= MAX_KEY_BYTES;
        let left_out = &mut look.left_out;
        look.files.retain(|path, stamp| {
            let fits = fits(path, stamp.size);
            if !fits {
                left_out.add(path.as_bytes(), LeftOutReason::PathTooLong);
            }
            fits
        });
        let known = &self.known.files;
        let due: Vec<(String, Stamp)> = look
            .files
            .iter()
            .filter(|(path, stamp)| known.get(*path).is_none_or(|known| known.stamp != **stamp))
            .map(|(path, stamp)| (path.clone(), *stamp))
            .collect();
        let mut failed = None;
        let results = {
            let this = &*self;
            let mark = &mark;
            let sending = stream::iter(due).map(|(path, stamp)| async move { this.send(mark, path, stamp).await });
            let mut sending = std::pin::pin!(sending.buffer_unordered(AT_ONCE));
            let mut results = Vec::new();
            while let Some(result) = sending.next().await {
                match result {
                    Ok(sent) => results.push(sent),
                    // What is under way may still be of use; the rest is not begun.
                    Err(error) => {
                        failed = Some(error);
                        break;
                    }
                }
            }
            results
        };
        for sent in results {
            match sent {
                Sent::Whole(file) => self.known.came(file),
                Sent::Changed(objects) => self.known.dead.extend(objects),
                Sent::Unreadable(path) => {
                    look.files.remove(&path);
                    look.left_out.add(path.as_bytes(), LeftOutReason::Unreadable);
                }
            }
        }
        self.keep().await?;
        failed.map_or(Ok(()), Err)
    }

    /// Sends one file.
    async fn send(&self, mark: &str, path: String, stamp: Stamp) -> Result<Sent, PushError> {
        let (dir, name) = (self.dir(), path.clone());
        let opened = tokio::task::spawn_blocking(move || Tree::open(&dir)?.file(&name)).await.map_err(shut_down)?;
        let file = match opened {
            Ok(file) => Arc::new(file),
            Err(error) if tree::is_gone(&error) => return Ok(Sent::Changed(Vec::new())),
            Err(error) if tree::is_the_containers(&error) => return Ok(Sent::Unreadable(path)),
            Err(error) => return Err(at("read", &self.dir())(error).into()),
        };
        let unchanged = || Stamp::of_file(&file).is_ok_and(|now| now == stamp);
        let (mut hasher, mut objects) = (Sha256::new(), Vec::new());
        for part in 0..stamp.size.div_ceil(MAX_OBJECT_BYTES) {
            if !unchanged() {
                return Ok(Sent::Changed(objects));
            }
            let from = part * MAX_OBJECT_BYTES;
            let length = MAX_OBJECT_BYTES.min(stamp.size - from);
            let key = format!("{mark}/{path}{}", suffix(stamp.size, part));
            match self.bucket.put_part(&key, &file, from, length, &hasher).await {
                Ok(with_it) => hasher = with_it,
                Err(_) if !unchanged() => return Ok(Sent::Changed(objects)),
                Err(error) => return Err(error),
            }
            objects.push(key);
        }
        if !unchanged() {
            return Ok(Sent::Changed(objects));
        }
        let sha256 = hex::encode(hasher.finalize());
        let pushed = PushedFile { path, size: stamp.size, sha256, modified_ms: stamp.modified_ms(), objects };
        Ok(Sent::Whole(KnownFile { stamp, pushed }))
    }

    /// What is in the folder and not in the store as it is, by path, and how much that is.
    ///
    /// # Errors
    /// [`PushError::Files`].
    pub(crate) async fn missing(&self) -> Result<(Vec<String>, u64), PushError> {
        let look = self.look().await?;
        let there =
            |path: &String, stamp: &Stamp| self.known.files.get(path).is_some_and(|known| known.stamp == *stamp);
        let mut names: Vec<String> =
            look.files.iter().filter(|(path, stamp)| !there(path, stamp)).map(|(path, _)| path.clone()).collect();
        let all = (names.len() as u64).saturating_add(look.left_out.count);
        names.extend(look.left_out.entries.iter().map(ToString::to_string));
        Ok((names, all))
    }

    /// Writes the list of what is in the store, and removes what none names any more.
    async fn list(&mut self, look: &Look, last: bool) -> Result<(), PushError> {
        let key = self.bucket.at.object(PUSHED_INDEX).key;
        self.yields_to_a_later_attempt(&key).await?;
        let index = PushedIndex {
            version: 1,
            job: self.whose.job.to_string(),
            lease: self.whose.lease.to_string(),
            attempt: self.whose.attempt,
            output: self.output.path.clone(),
            generation: self.known.generation + 1,
            at_ms: u64::try_from(self.clock.now_ms()).unwrap_or(0),
            last,
            files: self.known.files.values().map(|known| known.pushed.clone()).collect(),
            left_out: look.left_out.clone(),
        };
        let bytes = serde_json::to_vec(&index).unwrap_or_default();
        self.bucket.put(&key, Bytes::from(bytes)).await?;
        let known = &mut self.known;
        (known.generation, known.listed, known.last) = (index.generation, true, last);
        let dead = std::mem::take(&mut known.dead);
        known.dead.append(&mut known.fading);
        self.keep().await?;
        // Best effort: what stays costs its owner some room, and holds up nothing.
        let bucket = &self.bucket;
        let removing = stream::iter(dead).map(|key| async move { bucket.remove(&key).await }).buffer_unordered(AT_ONCE);
        let failed = removing.filter(|removed| std::future::ready(removed.is_err())).count().await;
        if failed > 0 {
            tracing::info!(lease = %self.whose.lease, failed, "objects that nobody needs could not be removed from a store");
        }
        Ok(())
    }

    /// A node that was cut off, or is slow, does not write over what a later attempt pushed.
    async fn yields_to_a_later_attempt(&mut self, key: &str) -> Result<(), PushError> {
        let present = match self.bucket.get(key, gridlease_sdk::artifact::MAX_PUSHED_INDEX_BYTES).await {
            // Credentials that only write are fine.
            Err(PushError::Refused { .. }) | Ok(None) => return Ok(()),
            Err(error) => return Err(error),
            Ok(Some(bytes)) => serde_json::from_slice::<PushedIndex>(&bytes),
        };
        match present {
            Ok(list) if list.job != self.whose.job.to_string() => Ok(()),
            Ok(list) if list.attempt > self.whose.attempt => Err(PushError::Superseded { attempt: list.attempt }),
            // What an earlier attempt pushed is needed until the list after this one is written.
            Ok(list) if self.known.generation == 0 => {
                self.known.fading.extend(list.files.into_iter().flat_map(|file| file.objects));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    async fn keep(&self) -> Result<(), PushError> {
        let (known, lease, index) = (self.known.clone(), self.lease.clone(), self.index);
        Ok(tokio::task::spawn_blocking(move || known.keep(&lease, index)).await.map_err(shut_down)??)
    }
}

/// What came of sending a file.
enum Sent {
    Whole(KnownFile),
    /// It is not what it was; these objects were begun.
    Changed(Vec<String>),
    Unreadable(String),
}

/// What tells the objects of a file apart that takes more than one.
fn suffix(size: u64, part: u64) -> String {
    if size > MAX_OBJECT_BYTES { format!(".part-{part:04}") } else { String::new() }
}

/// A file in which two looks differ.
fn difference(before: &Look, after: &Look) -> Option<String> {
    let changed = before.files.iter().find(|(path, stamp)| after.files.get(*path) != Some(stamp));
    let new = || after.files.keys().find(|path| !before.files.contains_key(*path));
    changed.map(|(path, _)| path).or_else(new).cloned()
}

fn shut_down(_: tokio::task::JoinError) -> PushError {
    PushError::Transfer("the node is shutting down".to_owned())
}

async fn blocking<T: Send + 'static>(
    path: &std::path::Path,
    task: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, PushError> {
    let done = tokio::task::spawn_blocking(task).await.map_err(shut_down)?;
    Ok(done.map_err(at("read", path))?)
}

#[cfg(test)]
mod tests;
