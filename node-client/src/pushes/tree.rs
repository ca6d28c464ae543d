//! An output folder while its container writes to it: looked at and read so that nothing in it can lead out of it.
//!
//! The container can put a link where a folder was a moment ago. So every name is resolved by the kernel, from the folder's own
//! descriptor on and without following any link.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use gridlease_sdk::artifact::{LeftOut, LeftOutReason, Limits, unlistable};
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{FileStat, SFlag, fstatat};
use serde::{Deserialize, Serialize};

/// By what a file is known not to have changed. The container cannot set the time of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub size: u64,
    inode: u64,
    /// Seconds and nanoseconds, Unix time of this machine.
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(found: &FileStat) -> Self {
        Self {
            size: u64::try_from(found.st_size).unwrap_or(0),
            inode: found.st_ino,
            modified: (found.st_mtime, found.st_mtime_nsec),
            changed: (found.st_ctime, found.st_ctime_nsec),
        }
    }

    /// That of an open file.
    pub(super) fn of_file(file: &File) -> Result<Self> {
        let found = file.metadata()?;
        Ok(Self {
            size: found.len(),
            inode: found.ino(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
        })
    }

    /// When its content was changed last, Unix milliseconds.
    pub(super) fn modified_ms(&self) -> i64 {
        self.modified.0.saturating_mul(1_000).saturating_add(self.modified.1 / 1_000_000)
    }
}

/// What a look found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Look {
    /// Regular files by path, as many and as large as the limits allow.
    pub files: BTreeMap<String, Stamp>,
    /// What cannot be pushed.
    pub left_out: LeftOut,
}

/// The folder.
#[derive(Debug)]
pub(super) struct Tree(OwnedFd);

impl Tree {
    /// Opens it. Its own path is the node's.
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let flags = (OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits();
        Ok(Self(std::fs::OpenOptions::new().read(true).custom_flags(flags).open(dir)?.into()))
    }

    fn resolve(&self, path: &str, flags: OFlag) -> Result<OwnedFd> {
        let resolve = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV;
        // A pipe that was put in a file's place must not block.
        let how = OpenHow::new().flags(flags | OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC).resolve(resolve);
        Ok(openat2(&self.0, path, how)?)
    }

    /// Opens a regular file in it.
    ///
    /// # Errors
    /// The file system's; [`ErrorKind::InvalidInput`] for what is no regular file.
    pub(super) fn file(&self, path: &str) -> Result<File> {
        let file = File::from(self.resolve(path, OFlag::O_NOFOLLOW)?);
        if file.metadata()?.is_file() { Ok(file) } else { Err(ErrorKind::InvalidInput.into()) }
    }

    /// Looks at all that is in it; reads no file. What vanishes meanwhile was not there.
    ///
    /// # Errors
    /// The file system's, where it is not the container's doing.
    pub(super) fn look(&self, limits: &Limits) -> Result<Look> {
        let mut found = Look::default();
        let mut open = vec![(String::new(), 0usize)];
        let mut seen = 0usize;
        while let Some((prefix, depth)) = open.pop() {
            let path = if prefix.is_empty() { "." } else { prefix.trim_end_matches('/') };
            let folder = match self.resolve(path, OFlag::O_DIRECTORY) {
                Ok(folder) => folder,
                Err(error) if is_gone(&error) => continue,
                Err(error) if is_the_containers(&error) => {
                    let name = if prefix.is_empty() { "./" } else { &prefix };
                    found.left_out.add(name.as_bytes(), LeftOutReason::Unreadable);
                    continue;
                }
                Err(error) => return Err(error),
            };
            for entry in std::fs::read_dir(format!("/proc/self/fd/{}", folder.as_raw_fd()))? {
                let name = entry?.file_name();
                let mut raw = [prefix.as_bytes(), name.as_bytes()].concat();
                seen += 1;
                if seen > limits.files.saturating_mul(100).max(1_000) {
                    found.left_out.add(&raw, LeftOutReason::TooManyFiles);
                    continue;
                }
                let stat = match fstatat(&folder, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                    Ok(stat) => stat,
                    Err(nix::Error::ENOENT) => continue,
                    Err(error) => return Err(error.into()),
                };
                let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
                let reason = match (std::str::from_utf8(&raw), kind) {
                    (Err(_), _) => Some(LeftOutReason::NotUtf8),
                    (Ok(path), _) if unlistable(path).is_some() => unlistable(path),
                    (Ok(_), SFlag::S_IFDIR) if depth >= limits.depth => Some(LeftOutReason::TooDeep),
                    (Ok(path), SFlag::S_IFDIR) => {
                        open.push((format!("{path}/"), depth + 1));
                        None
                    }
                    (Ok(path), SFlag::S_IFREG) => {
                        found.files.insert(path.to_owned(), Stamp::of(&stat));
                        None
                    }
                    (Ok(_), SFlag::S_IFLNK) => Some(LeftOutReason::Link),
                    (Ok(_), _) => Some(LeftOutReason::Special),
                };
                if let Some(reason) = reason {
                    if kind == SFlag::S_IFDIR {
                        raw.push(b'/');
                    }
                    found.left_out.add(&raw, reason);
                }
                if found.files.len() > limits.files
                    && let Some((last, _)) = found.files.pop_last()
                {
                    found.left_out.add(last.as_bytes(), LeftOutReason::TooManyFiles);
                }
            }
        }
        let mut bytes = 0u64;
        let Look { files, left_out } = &mut found;
        files.retain(|path, stamp| {
            let fits = stamp.size <= limits.bytes.saturating_sub(bytes);
            if fits {
                bytes += stamp.size;
            } else {
                left_out.add(path.as_bytes(), LeftOutReason::TooLarge);
            }
            fits
        });
        Ok(found)
    }
}

/// Whether something is not there any more, or something else is in its place.
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput)
        || matches!(error.raw_os_error().map(nix::Error::from_raw), Some(nix::Error::ELOOP | nix::Error::ENXIO))
}

/// Whether the container brought it about: it took the permission away, made a path too long, or mounted something.
pub(super) fn is_the_containers(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::InvalidFilename | ErrorKind::CrossesDevices)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn names(look: &Look) -> (Vec<&str>, Vec<String>) {
        let left_out = look.left_out.entries.iter().map(|entry| format!("{} {:?}", entry.path, entry.reason)).collect();
        (look.files.keys().map(String::as_str).collect(), left_out)
    }

    #[test]
    fn a_folder_is_looked_at_and_what_cannot_be_pushed_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/deep"), "12345").unwrap();
        std::fs::write(at("a.txt"), "1").unwrap();
        std::fs::write(at("big"), "0123456789").unwrap();
        std::fs::write(at("bad\nname"), "x").unwrap();
        symlink("/etc", at("link")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let look = tree.look(&Limits { files: 10, bytes: 8, depth: 2 }).unwrap();
        let (files, left_out) = names(&look);
        assert_eq!(files, ["a.txt", "a/b/deep"]);
        assert_eq!(
            left_out,
            ["bad\\nname ControlCharacter", "big TooLarge", "link Link", "pipe Special", "socket Special"]
        );
        let (few, left_out) = {
            let look = tree.look(&Limits { files: 1, bytes: 100, depth: 1 }).unwrap();
            (look.files.into_keys().collect::<Vec<_>>(), look.left_out.count)
        };
        assert_eq!((few, left_out), (vec!["a.txt".to_owned()], 6));
        assert!(tree.file("pipe").is_err() && tree.file("link").is_err() && tree.file("socket").is_err());
    }

    #[test]
    fn threat_10_a_link_in_the_place_of_a_folder_or_a_file_leads_nowhere() {
        let (dir, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(secret.path().join("key"), "host's").unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("sub/key"), "own").unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        assert!(tree.file("sub/key").is_ok());
        // What a container does between a look and the reading.
        std::fs::remove_dir_all(dir.path().join("sub")).unwrap();
        symlink(secret.path(), dir.path().join("sub")).unwrap();
        for path in ["sub/key", "../x", "/etc/passwd", "sub/../sub/key"] {
            assert!(tree.file(path).is_err(), "{path}");
        }
        assert!(is_gone(&tree.file("sub/key").unwrap_err()));
        assert_eq!(names(&tree.look(&Limits::default()).unwrap()), (vec![], vec!["sub Link".to_owned()]));
    }

    #[test]
    fn threat_10_folders_that_turn_into_links_all_the_time_show_nothing_of_the_host() {
        let (dir, secret) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::write(secret.path().join("host"), "host's").unwrap();
        let (sub, aside) = (dir.path().join("sub"), dir.path().join("aside"));
        std::fs::create_dir(&sub).unwrap();
        symlink(secret.path(), &aside).unwrap();
        let tree = Tree::open(dir.path()).unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let swap = || {
                    let at = nix::fcntl::AT_FDCWD;
                    let flags = nix::fcntl::RenameFlags::RENAME_EXCHANGE;
                    nix::fcntl::renameat2(at, &sub, at, &aside, flags).unwrap();
                };
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    swap();
                }
            });
            for _ in 0..2_000 {
                let look = tree.look(&Limits::default()).unwrap();
                assert!(look.files.is_empty(), "{look:?}");
                assert!(tree.file("sub/host").is_err());
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
