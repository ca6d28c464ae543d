//! A file system in a file: made, mounted, unmounted. The tools are the system's own (`mkfs.ext4`, `mount`, `umount`,
//! `fstrim`); `mount` finds a free loop device and lets go of it when the file system is unmounted.

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::sys::statvfs::statvfs;

use super::{Quota, usage};
use crate::state_dir::LeaseDir;

const MIB: u64 = 1024 * 1024;
/// Of a journal, which makes an image whole again after a power cut.
const JOURNAL: u64 = 4 * MIB;
/// A file system below this size has no journal: it would be most of it.
const JOURNAL_FROM: u64 = 16 * MIB;
const INODE_BYTES: u64 = 256;
/// What an image has above what was sold, at least: so it is seen that a job wanted more. The kernel refuses a large write as
/// a whole, so a megabyte or two may be left where it refused one.
const SPARE: u64 = 4 * MIB;
/// Of that, what folders take beside the files in them.
const FOLDERS: u64 = MIB / 2;
/// Nothing in an image may act as a device or with another user's rights, and a damaged one is not written to.
const OPTIONS: &str = "loop,nosuid,nodev,noatime,noinit_itable,errors=remount-ro";

/// Why an image could not be made or mounted.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// There is no room for it.
    #[error("there is no room for {bytes} bytes at {}; free some, or lower --disk", path.display())]
    NoRoom {
        /// The image.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A tool of the system failed.
    #[error("`{tool}` failed: {reason}")]
    Tool {
        /// Its name.
        tool: &'static str,
        /// What it said.
        reason: String,
    },
    /// What is mounted here is not seen by the container engine.
    #[error("this process has mounts of its own, which the container engine does not see")]
    OwnMounts,
}

fn io<'p>(what: &'static str, path: &'p Path) -> impl FnOnce(std::io::Error) -> ImageError + 'p {
    move |source| ImageError::Io { what, path: path.to_owned(), source }
}

/// Tries whether an image can be mounted below `dir`.
pub(super) fn probe(dir: &Path) -> Result<(), ImageError> {
    let own = std::fs::read_link("/proc/self/ns/mnt");
    let first = std::fs::read_link("/proc/1/ns/mnt");
    if let (Ok(own), Ok(first)) = (own, first)
        && own != first
    {
        return Err(ImageError::OwnMounts);
    }
    let trial = tempfile::Builder::new().prefix(".disk-").tempdir_in(dir).map_err(io("create a folder in", dir))?;
    let (file, target) = (trial.path().join("img"), trial.path().join("mnt"));
    std::fs::create_dir(&target).map_err(io("create directory", &target))?;
    make(&file, Quota { bytes: MIB, files: 16 })?;
    mount(&file, &target)?;
    unmount(&target)
}

/// Makes an image with room for `quota`. It has its name only when it is complete.
pub(super) fn make(path: &Path, quota: Quota) -> Result<(), ImageError> {
    let unfinished = path.with_extension("img.new");
    let made = make_at(&unfinished, quota)
        .and_then(|()| std::fs::rename(&unfinished, path).map_err(io("rename", &unfinished)));
    if made.is_err() {
        remove(&unfinished)?;
    }
    made
}

fn make_at(path: &Path, quota: Quota) -> Result<(), ImageError> {
    // A few inodes are the file system's own.
    let inodes = quota.files.saturating_add(16);
    let journal = if quota.bytes < JOURNAL_FROM { 0 } else { JOURNAL };
    let tables = inodes.saturating_mul(INODE_BYTES);
    let content = quota.bytes.saturating_add(journal).saturating_add(tables);
    // Of the rest ext4 keeps a fiftieth to itself, at most 16 MiB, and needs some for its own books.
    let books = (content / 50).min(16 * MIB).saturating_add(content / 512).saturating_add(SPARE);
    let size = content.saturating_add(books).next_multiple_of(MIB);
    let file = File::create(path).map_err(io("create", path))?;
    set_aside(&file, path, size)?;
    drop(file);
    let features = if journal == 0 { "^resize_inode,^has_journal" } else { "^resize_inode" };
    let mut mkfs = Command::new("mkfs.ext4");
    mkfs.args(["-q", "-F", "-m", "0", "-b", "4096", "-I", "256", "-N", &inodes.to_string(), "-O", features]);
    // The room was set aside: it is not given back by clearing it.
    mkfs.args(["-E", "nodiscard,lazy_itable_init=1,lazy_journal_init=1"]);
    if journal > 0 {
        mkfs.args(["-J", "size=4"]);
    }
    run("mkfs.ext4", mkfs.arg(path))
}

/// Takes the room from the disk at once, so that nobody else can; not from memory, and not where the file system cannot. More than
/// there is is not even tried: until it has failed, a file system gives it all that is left, and others find the disk full.
fn set_aside(file: &File, path: &Path, size: u64) -> Result<(), ImageError> {
    let in_memory = statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
    if !in_memory && usage::free(path).is_some_and(|free| size > free) {
        return Err(ImageError::NoRoom { path: path.to_owned(), bytes: size });
    }
    let length = i64::try_from(size).unwrap_or(i64::MAX);
    let taken = if in_memory { Err(Errno::EOPNOTSUPP) } else { fallocate(file, FallocateFlags::empty(), 0, length) };
    match taken {
        Ok(()) => Ok(()),
        Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => file.set_len(size).map_err(io("create", path)),
        Err(Errno::ENOSPC | Errno::EDQUOT | Errno::EFBIG) => {
            Err(ImageError::NoRoom { path: path.to_owned(), bytes: size })
        }
        Err(errno) => Err(io("create", path)(errno.into())),
    }
}

pub(super) fn mount(image: &Path, target: &Path) -> Result<(), ImageError> {
    run("mount", Command::new("mount").args(["-t", "ext4", "-o", OPTIONS]).arg(image).arg(target))
}

/// Gives back the blocks that are free, and unmounts.
pub(super) fn unmount(target: &Path) -> Result<(), ImageError> {
    // Only saves room on the disk below.
    if let Err(error) = run("fstrim", Command::new("fstrim").arg(target)) {
        tracing::debug!(%error, "blocks that outputs do not use are not given back");
    }
    run("umount", Command::new("umount").arg(target))
}

/// Unmounts although something still uses it; that keeps what it has open.
pub(super) fn unmount_anyway(target: &Path) -> Result<(), ImageError> {
    run("umount", Command::new("umount").arg("-l").arg(target))
}

pub(super) fn remove(image: &Path) -> Result<(), ImageError> {
    match std::fs::remove_file(image) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(io("remove", image)(error)),
        _ => Ok(()),
    }
}

/// Whether something is mounted at the lease's outputs: they are on another device than the directory around them.
pub(super) fn is_mounted(lease: &LeaseDir) -> bool {
    let device = |path: &Path| std::fs::symlink_metadata(path).map(|found| found.dev());
    matches!((device(lease.root()), device(&lease.outputs())), (Ok(around), Ok(outputs)) if around != outputs)
}

/// Whether more was wanted than was sold: no inode is left, or the spare room is used.
pub(super) fn is_full(target: &Path) -> bool {
    statvfs(target).is_ok_and(|found| {
        let left = found.blocks_available().saturating_mul(found.fragment_size());
        found.files_free() == 0 || left < SPARE - FOLDERS
    })
}

fn run(tool: &'static str, command: &mut Command) -> Result<(), ImageError> {
    let failed = |reason: String| ImageError::Tool { tool, reason };
    let ended = command
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| failed(format!("it cannot be started: {error}")))?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let line = said.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it said nothing");
    Err(failed(format!("{line} ({})", ended.status)))
}
