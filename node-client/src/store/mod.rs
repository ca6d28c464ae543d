//! What the node must not forget: one record per lease, each change on disk before its effect.
//!
//! All calls block for as long as the disk takes (milliseconds): use a blocking thread where that matters.

mod ending;
mod events;
mod falls;
mod meter;
mod record;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use solana_pubkey::Pubkey;
use tokio::sync::watch;

use crate::clock::Clock;
use events::EVENTS;

pub use falls::{Fall, Times};
pub(crate) use record::hex32;
pub use record::{Blame, Ended, LeaseRecord, NewLease, OfService, Phase, Step, StopReason, Unwell};

const LEASES: TableDefinition<&[u8], &[u8]> = TableDefinition::new("leases");
const NOTES: TableDefinition<&str, &[u8]> = TableDefinition::new("notes");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
/// Beginning of the notes' names of images that not everybody is shown; their digests follow.
const GUARDED: &str = "guarded-image/";
const SCHEMA: &str = "schema";
const SCHEMA_VERSION: u64 = 1;

/// Finished leases are forgotten after this long, in milliseconds: 7 days.
pub const KEEP_FINISHED_MS: i64 = 7 * 24 * 3600 * 1000;
/// Most leases in the store; more cannot be taken on until some are pruned.
pub const MAX_LEASES: u64 = 10_000;

/// Why the store did not do what was asked. After any error the record is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error("another node is running on {}: stop it, or choose another directory with --state-dir", path.display())]
    InUse {
        /// The store's file.
        path: PathBuf,
    },
    /// Written by another version.
    #[error("{} was written by another version of the node (schema {found}, this one reads {SCHEMA_VERSION}): run that version, or move the directory away once its leases are closed", path.display())]
    Schema {
        /// The store's file.
        path: PathBuf,
        /// The schema found.
        found: u64,
    },
    /// The file cannot be opened or read.
    #[error("the store {} cannot be used: {reason}; check the disk and the file's permissions", path.display())]
    Broken {
        /// The store's file.
        path: PathBuf,
        /// What the database said.
        reason: String,
    },
    /// No such lease.
    #[error("lease {0} is not in the store")]
    Unknown(Pubkey),
    /// Too many leases.
    #[error("the store holds {MAX_LEASES} leases; none can be added before old ones are pruned")]
    Full,
    /// A phase would go back.
    #[error("lease {lease} cannot go back from {from} to {to}")]
    Backwards {
        /// The lease.
        lease: Pubkey,
        /// Where it is.
        from: &'static str,
        /// Where it was to go.
        to: &'static str,
    },
}

/// Room on the disk that the store takes at once. The database cannot be used any more after one write that found no room,
/// and without it no lease could be ended.
const ROOM: i64 = 8 * 1024 * 1024;

/// Not every file system can do it; then the store lives from what is free.
fn set_room_aside(path: &Path) {
    use nix::fcntl::{FallocateFlags, fallocate};
    let taken = std::fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|file| Ok(fallocate(&file, FallocateFlags::FALLOC_FL_KEEP_SIZE, 0, ROOM)?));
    if let Err(error) = taken {
        tracing::warn!(%error, "no room is set aside for the node's memory; keep the state directory's disk from filling up");
    }
}

/// The store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    db: Arc<Database>,
    path: Arc<PathBuf>,
    clock: Clock,
    happened: watch::Sender<u64>,
}

impl Store {
    /// Opens the store, creating it where it is missing. One process at a time.
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::Schema`] or [`StoreError::Broken`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let db = match Database::create(path) {
            Ok(db) => db,
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse { path: path.to_owned() }),
            Err(e) => return Err(StoreError::Broken { path: path.to_owned(), reason: e.to_string() }),
        };
        set_room_aside(path);
        let happened = watch::Sender::new(0);
        let store = Self { db: Arc::new(db), path: Arc::new(path.to_owned()), clock: Clock::system(), happened };
        store.check_schema()?;
        Ok(store)
    }

    /// The same store, which tells the time of events by this clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    fn check_schema(&self) -> Result<(), StoreError> {
        let found = self.write(|tx| {
            tx.open_table(LEASES)?;
            tx.open_table(NOTES)?;
            tx.open_table(EVENTS)?;
            let mut meta = tx.open_table(META)?;
            let found = meta.get(SCHEMA)?.map(|v| v.value());
            if found.is_none() {
                meta.insert(SCHEMA, SCHEMA_VERSION)?;
            }
            Ok(Ok(found.unwrap_or(SCHEMA_VERSION)))
        })?;
        if found == SCHEMA_VERSION { Ok(()) } else { Err(StoreError::Schema { path: (*self.path).clone(), found }) }
    }

    fn broken(&self, reason: impl ToString) -> StoreError {
        StoreError::Broken { path: (*self.path).clone(), reason: reason.to_string() }
    }

    /// One durable transaction: committed and synced when `change` is `Ok`, without a trace otherwise.
    fn write<T>(
        &self,
        change: impl FnOnce(&redb::WriteTransaction) -> Result<Result<T, StoreError>, redb::Error>,
    ) -> Result<T, StoreError> {
        // A transaction commits with redb's default durability, which is on disk.
        let tx = self.db.begin_write().map_err(|e| self.broken(e))?;
        match change(&tx) {
            Ok(Ok(value)) => {
                tx.commit().map_err(|e| self.broken(e))?;
                Ok(value)
            }
            Ok(Err(e)) => {
                tx.abort().map_err(|e| self.broken(e))?;
                Err(e)
            }
            Err(e) => Err(self.broken(e)),
        }
    }

    fn decode(&self, bytes: &[u8]) -> Result<LeaseRecord, StoreError> {
        serde_json::from_slice(bytes).map_err(|e| self.broken(format!("a lease's record cannot be read: {e}")))
    }

    fn encode(&self, record: &LeaseRecord) -> Result<Vec<u8>, StoreError> {
        serde_json::to_vec(record).map_err(|e| self.broken(format!("a lease's record cannot be written: {e}")))
    }

    /// Adds a won lease. One that is there already is left as it is; returns the record in the store.
    ///
    /// # Errors
    /// [`StoreError::Full`] or [`StoreError::Broken`].
    pub fn insert(&self, lease: NewLease, now_ms: i64) -> Result<LeaseRecord, StoreError> {
        let record = LeaseRecord::won(lease, now_ms);
        let mut news = false;
        let inserted = self.write(|tx| {
            let mut table = tx.open_table(LEASES)?;
            let key = record.lease.to_bytes();
            if let Some(present) = table.get(key.as_slice())? {
                return Ok(self.decode(present.value()));
            }
            if redb::ReadableTableMetadata::len(&table)? >= MAX_LEASES {
                return Ok(Err(StoreError::Full));
            }
            match self.encode(&record) {
                Err(e) => Ok(Err(e)),
                Ok(bytes) => {
                    table.insert(key.as_slice(), bytes.as_slice())?;
                    news = events::append(&mut tx.open_table(EVENTS)?, None, &record, self.clock.now_ms())?;
                    Ok(Ok(record))
                }
            }
        })?;
        self.tell(news);
        Ok(inserted)
    }

    /// Wakes those who wait for events.
    fn tell(&self, news: bool) {
        if news {
            self.happened.send_modify(|count| *count = count.wrapping_add(1));
        }
    }

    /// A lease's record.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn get(&self, lease: &Pubkey) -> Result<Option<LeaseRecord>, StoreError> {
        let tx = self.db.begin_read().map_err(|e| self.broken(e))?;
        let table = tx.open_table(LEASES).map_err(|e| self.broken(e))?;
        let found = table.get(lease.to_bytes().as_slice()).map_err(|e| self.broken(e))?;
        found.map(|bytes| self.decode(bytes.value())).transpose()
    }

    /// Every record.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn all(&self) -> Result<Vec<LeaseRecord>, StoreError> {
        let tx = self.db.begin_read().map_err(|e| self.broken(e))?;
        let table = tx.open_table(LEASES).map_err(|e| self.broken(e))?;
        table
            .iter()
            .map_err(|e| self.broken(e))?
            .map(|row| row.map_err(|e| self.broken(e)).and_then(|(_, bytes)| self.decode(bytes.value())))
            .collect()
    }

    /// Writes down that `step` is about to be taken. Call it before the step's effect.
    ///
    /// # Errors
    /// [`StoreError::Unknown`] or [`StoreError::Broken`].
    pub fn intend(&self, lease: &Pubkey, step: Step) -> Result<LeaseRecord, StoreError> {
        self.update(lease, |record| {
            record.intent = Some(step);
            Ok(())
        })
    }

    /// Writes down that the intended step was taken and what came of it. Call it after the step's effect.
    ///
    /// # Errors
    /// What `outcome` returns, [`StoreError::Unknown`] or [`StoreError::Broken`].
    pub fn done(
        &self,
        lease: &Pubkey,
        outcome: impl FnOnce(&mut LeaseRecord) -> Result<(), StoreError>,
    ) -> Result<LeaseRecord, StoreError> {
        self.update(lease, |record| {
            outcome(record)?;
            record.intent = None;
            Ok(())
        })
    }

    /// Changes a record in one durable transaction, together with the [events](Self::events) that this means, and returns it as it
    /// then is.
    ///
    /// # Errors
    /// What `change` returns, [`StoreError::Unknown`] or [`StoreError::Broken`].
    pub fn update(
        &self,
        lease: &Pubkey,
        change: impl FnOnce(&mut LeaseRecord) -> Result<(), StoreError>,
    ) -> Result<LeaseRecord, StoreError> {
        let mut news = false;
        let updated = self.write(|tx| {
            let mut table = tx.open_table(LEASES)?;
            let key = lease.to_bytes();
            let changed = match table.get(key.as_slice())? {
                None => Err(StoreError::Unknown(*lease)),
                Some(bytes) => self.decode(bytes.value()).and_then(|before| {
                    let mut record = before.clone();
                    change(&mut record)?;
                    Ok((self.encode(&record)?, before, record))
                }),
            };
            match changed {
                Err(e) => Ok(Err(e)),
                Ok((bytes, before, record)) => {
                    table.insert(key.as_slice(), bytes.as_slice())?;
                    news = events::append(&mut tx.open_table(EVENTS)?, Some(&before), &record, self.clock.now_ms())?;
                    Ok(Ok(record))
                }
            }
        })?;
        self.tell(news);
        Ok(updated)
    }

    /// Leases that were finished (or failed and cleared up) at least [`KEEP_FINISHED_MS`] before `now_ms`. Remove
    /// their directories, then [`forget`](Self::forget) them.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn expired(&self, now_ms: i64) -> Result<Vec<Pubkey>, StoreError> {
        let old = |r: &LeaseRecord| r.done_at_ms.is_some_and(|done| now_ms.saturating_sub(done) >= KEEP_FINISHED_MS);
        Ok(self.all()?.into_iter().filter(old).map(|r| r.lease).collect())
    }

    /// Removes a record and its events. Succeeds where there is none.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn forget(&self, lease: &Pubkey) -> Result<(), StoreError> {
        self.write(|tx| {
            tx.open_table(LEASES)?.remove(lease.to_bytes().as_slice())?;
            events::remove(tx, lease)?;
            Ok(Ok(()))
        })
    }

    /// Remembers that some job needed a login for the image of this digest.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn guard_image(&self, digest: &str) -> Result<(), StoreError> {
        self.set_note(&format!("{GUARDED}{digest}"), &[])
    }

    /// Whether some job needed a login for the image of this digest.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn is_image_guarded(&self, digest: &str) -> Result<bool, StoreError> {
        Ok(self.note(&format!("{GUARDED}{digest}"))?.is_some())
    }

    /// Keeps a small piece of the node's own state (at most 64 KiB) under a name.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn set_note(&self, name: &str, value: &[u8]) -> Result<(), StoreError> {
        if value.len() > 64 * 1024 {
            return Err(self.broken(format!("note `{name}` has {} bytes", value.len())));
        }
        self.write(|tx| {
            tx.open_table(NOTES)?.insert(name, value)?;
            Ok(Ok(()))
        })
    }

    /// What was kept under a name.
    ///
    /// # Errors
    /// [`StoreError::Broken`].
    pub fn note(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let tx = self.db.begin_read().map_err(|e| self.broken(e))?;
        let table = tx.open_table(NOTES).map_err(|e| self.broken(e))?;
        Ok(table.get(name).map_err(|e| self.broken(e))?.map(|v| v.value().to_vec()))
    }
}

#[cfg(test)]
mod tests;
