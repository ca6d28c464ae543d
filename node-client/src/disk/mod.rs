//! What a lease may write to this machine's disk, and what holds it to that.
//!
//! Where the node is root and the system can mount one, a lease's outputs lie in a file system of their own: a sized image
//! (`out.img`) on a loop device, mounted at `out/` while the container runs. The kernel then counts everything that is
//! written there (also to files that were deleted and are still open), blocks as well as inodes, and refuses what is beyond.
//! The room is set aside when the image is made, so that what was sold is there. After the end the image is unmounted, and
//! mounted again only while a buyer reads from it.
//!
//! Elsewhere the node measures what there is once a second and stops the container when it is too much ([`usage`]).

mod image;
pub mod usage;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gridlease_sdk::manifest::Resources;

use crate::state_dir::{LeaseDir, StateDir, StateDirError};

pub use image::ImageError;

/// Kept free on the state directory's disk: the node needs room for its memory when a lease has filled the rest.
pub const KEEP_FREE: u64 = 16 * 1024 * 1024;
/// Outputs have at least this much, so that a file system can be made.
const LEAST_BYTES: u64 = 1024 * 1024;

/// What a lease may keep below its output folders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Bytes.
    pub bytes: u64,
    /// Files and folders.
    pub files: u64,
}

impl Quota {
    /// What a job may keep that has so many bytes of inputs; `None` where the inputs alone are too much.
    #[must_use]
    pub fn of(resources: &Resources, inputs: u64) -> Option<Self> {
        let bytes = resources.disk_parts().for_outputs(inputs)?.max(LEAST_BYTES);
        Some(Self { bytes, files: resources.most_files() })
    }
}

/// Why a lease's disk could not be made or reached.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The node's own files.
    #[error(transparent)]
    File(#[from] StateDirError),
    /// The image.
    #[error(transparent)]
    Image(#[from] ImageError),
}

/// Makes, mounts and unmounts the leases' images. Cheap to clone; all calls block.
#[derive(Clone, Debug)]
pub struct DiskKeeper {
    images: bool,
    // Also keeps two threads from mounting the same image.
    readers: Arc<Mutex<HashMap<PathBuf, usize>>>,
}

impl DiskKeeper {
    /// Makes no images: outputs are measured.
    #[must_use]
    pub fn measuring() -> Self {
        Self { images: false, readers: Arc::default() }
    }

    /// Makes images, whether or not this machine can mount them.
    #[must_use]
    pub fn with_images() -> Self {
        Self { images: true, readers: Arc::default() }
    }

    /// Makes images if this machine can: tries one.
    #[must_use]
    pub fn detect(state: &StateDir) -> Self {
        match image::probe(state.root()) {
            Ok(()) => Self::with_images(),
            Err(error) => {
                tracing::warn!(
                    "outputs are measured once a second instead of held back by the kernel, because no file system of \
                     their own can be mounted: {error}"
                );
                Self::measuring()
            }
        }
    }

    fn readers(&self) -> MutexGuard<'_, HashMap<PathBuf, usize>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets room aside for a lease's outputs and mounts it, before the first of them is written. Safe to call again.
    ///
    /// A machine that has no room for it is an error; one on which the image cannot be mounted goes without one.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn prepare(&self, lease: &LeaseDir, quota: Quota) -> Result<(), DiskError> {
        let guard = self.readers();
        if !self.images || lease.image().exists() || !is_empty(lease) {
            drop(guard);
            return self.attach(lease);
        }
        image::make(&lease.image(), quota)?;
        let mounted = image::mount(&lease.image(), &lease.outputs());
        if let Err(error) = &mounted {
            tracing::warn!(dir = %lease.root().display(), %error, "the outputs of this lease are measured, not held back");
            image::remove(&lease.image())?;
        }
        Ok(())
    }

    /// Mounts a lease's image where it has one that is not mounted, as after the machine was started again.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn attach(&self, lease: &LeaseDir) -> Result<(), DiskError> {
        let _guard = self.readers();
        if lease.image().exists() && !image::is_mounted(lease) {
            image::mount(&lease.image(), &lease.outputs())?;
        }
        Ok(())
    }

    /// Whether the kernel holds back what is written to the lease's outputs.
    #[must_use]
    pub fn is_held(lease: &LeaseDir) -> bool {
        image::is_mounted(lease)
    }

    /// Bytes of its disk that a lease has used, and has, as the kernel counts them; `None` where the kernel does not hold it back.
    #[must_use]
    pub fn counted(lease: &LeaseDir) -> Option<(u64, u64)> {
        if !image::is_mounted(lease) {
            return None;
        }
        let found = nix::sys::statvfs::statvfs(&lease.outputs()).ok()?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
        Some((bytes(found.blocks().saturating_sub(found.blocks_free())), bytes(found.blocks())))
    }

    /// Whether a lease's outputs have used up what they may have.
    #[must_use]
    pub fn is_full(&self, lease: &LeaseDir, quota: Quota, containers: &[String]) -> bool {
        if image::is_mounted(lease) {
            return image::is_full(&lease.outputs());
        }
        let used = usage::measure(lease, containers);
        used.bytes > quota.bytes || used.files > quota.files
    }

    /// Gives back what a lease set aside and does not need, and unmounts its image, now or as soon as no buyer reads it.
    /// Safe to call again.
    ///
    /// # Errors
    /// [`DiskError`] while something still uses it.
    pub fn release(&self, lease: &LeaseDir) -> Result<(), DiskError> {
        let readers = self.readers();
        if readers.contains_key(lease.root()) || !image::is_mounted(lease) {
            return Ok(());
        }
        Ok(image::unmount(&lease.outputs())?)
    }

    /// Makes a lease's outputs readable for as long as the answer is kept.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn read(&self, lease: &LeaseDir) -> Result<Reading, DiskError> {
        self.attach(lease)?;
        *self.readers().entry(lease.root().to_owned()).or_default() += 1;
        Ok(Reading(Some((self.clone(), lease.clone()))))
    }

    /// Unmounts what is below a lease's directory, whoever uses it: it is about to be removed.
    ///
    /// # Errors
    /// [`DiskError`].
    pub fn detach(lease: &LeaseDir) -> Result<(), DiskError> {
        if image::is_mounted(lease) { Ok(image::unmount_anyway(&lease.outputs())?) } else { Ok(()) }
    }
}

/// Somebody reads a lease's outputs.
#[derive(Debug, Default)]
pub struct Reading(Option<(DiskKeeper, LeaseDir)>);

impl Drop for Reading {
    fn drop(&mut self) {
        let Some((keeper, lease)) = self.0.take() else { return };
        let mut readers = keeper.readers();
        let left = readers.get(lease.root()).map_or(0, |count| count.saturating_sub(1));
        if left > 0 {
            readers.insert(lease.root().to_owned(), left);
            return;
        }
        readers.remove(lease.root());
        drop(readers);
        if let Err(error) = keeper.release(&lease) {
            tracing::warn!(dir = %lease.root().display(), %error, "outputs stay mounted");
        }
    }
}

fn is_empty(lease: &LeaseDir) -> bool {
    std::fs::read_dir(lease.outputs()).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests;
