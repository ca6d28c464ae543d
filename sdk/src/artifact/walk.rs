//! Reading output folders.

use super::left_out::{LeftOut, LeftOutReason, most_entries, unlistable};
use super::{ArtifactError, Limits, OutputFile};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

/// What was found in the output folders.
#[derive(Debug, Default)]
pub struct Walked {
    /// Regular files, ordered by the bytes of their paths.
    pub files: Vec<OutputFile>,
    /// What is not part of the outputs, and why.
    pub left_out: LeftOut,
}

/// What to do where the file system fails (a broken disk, no more file descriptors), which is not the job's doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    /// Stop with the error: another try may do better.
    Stop,
    /// Leave out what cannot be read and go on.
    LeaveOut,
}

/// Lists and hashes the regular files under `dirs`: of one folder as they are, of several each under its
/// index. Links are never followed. The folders must not be written to any more.
///
/// What cannot be listed is left out, and the rest is taken: an entry with a name that is no text, a link, a device, a folder
/// that may not be read, what lies too deep. Of more files than `limits` allows the first ones in order are taken, and each
/// of them only where it fits into the bytes that are left; nothing is read of those that are left out.
///
/// # Errors
/// The file system's, where it failed and another try may do better; a root that is no folder.
pub fn walk(dirs: &[&Path], limits: &Limits) -> Result<Walked, ArtifactError> {
    walk_with(dirs, limits, OnFailure::Stop)
}

/// [`walk`], with a choice of what to do where the file system fails.
///
/// # Errors
/// As [`walk`]; with [`OnFailure::LeaveOut`] only a root that is no folder.
pub fn walk_with(dirs: &[&Path], limits: &Limits, on_failure: OnFailure) -> Result<Walked, ArtifactError> {
    let mut search = Search { limits, on_failure, kept: BTreeMap::new(), seen: 0, left_out: LeftOut::default() };
    search.run(dirs)?;
    let mut found = Walked { files: Vec::new(), left_out: search.left_out };
    let mut bytes = 0u64;
    for (name, (path, size)) in search.kept {
        // The apparent size: a sparse file of 20 GB takes as long to read as a full one.
        if size > limits.bytes.saturating_sub(bytes) {
            found.left_out.add(name.as_bytes(), LeftOutReason::TooLarge);
            continue;
        }
        match list(&path, &name, size) {
            Ok(file) => {
                bytes += file.size;
                found.files.push(file);
            }
            Err(error) => found.left_out.add(name.as_bytes(), excuse(error, on_failure)?),
        }
    }
    Ok(found)
}

/// The search for files, before anything is read of them.
struct Search<'a> {
    limits: &'a Limits,
    on_failure: OnFailure,
    /// The first files in order: name in the listing, where it is, its size.
    kept: BTreeMap<String, (PathBuf, u64)>,
    seen: usize,
    left_out: LeftOut,
}

/// A folder still to be read.
struct Folder {
    path: PathBuf,
    /// What stands before the names in it.
    prefix: String,
    depth: usize,
}

impl Search<'_> {
    fn run(&mut self, dirs: &[&Path]) -> Result<(), ArtifactError> {
        let mut open = Vec::new();
        for (index, dir) in dirs.iter().enumerate() {
            let kind = fs::symlink_metadata(dir).map_err(ArtifactError::io("read", dir))?;
            if !kind.is_dir() {
                return Err(ArtifactError::BadPath { path: dir.display().to_string(), reason: "is not a folder" });
            }
            let prefix = super::pack::prefix(dirs.len(), index);
            // The index folder counts, as it does for whoever unpacks the archive.
            open.push(Folder { path: (*dir).to_owned(), prefix, depth: usize::from(dirs.len() > 1) });
        }
        while let Some(folder) = open.pop() {
            if let Err(error) = self.read(&folder, &mut open) {
                let name = if folder.prefix.is_empty() { "./" } else { &folder.prefix };
                self.left_out.add(name.as_bytes(), excuse(error, self.on_failure)?);
            }
        }
        Ok(())
    }

    fn read(&mut self, folder: &Folder, open: &mut Vec<Folder>) -> Result<(), ArtifactError> {
        let failed = || ArtifactError::io("read", &folder.path);
        for entry in fs::read_dir(&folder.path).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            self.seen += 1;
            if self.seen > most_entries(self.limits) {
                self.left_out.add(&raw_name(folder, &entry.file_name()), LeftOutReason::TooManyFiles);
                continue;
            }
            if let Err(reason) = self.take(folder, &entry, open)? {
                let mut name = raw_name(folder, &entry.file_name());
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    name.push(b'/');
                }
                self.left_out.add(&name, reason);
            }
        }
        Ok(())
    }

    /// Puts an entry where it belongs, or says why it belongs nowhere.
    fn take(
        &mut self,
        folder: &Folder,
        entry: &fs::DirEntry,
        open: &mut Vec<Folder>,
    ) -> Result<Result<(), LeftOutReason>, ArtifactError> {
        let path = entry.path();
        let kind = match fs::symlink_metadata(&path).map_err(ArtifactError::io("read", &path)) {
            Ok(kind) => kind,
            Err(error) => return excuse(error, self.on_failure).map(Err),
        };
        let name = entry.file_name();
        let Some(name) = name.to_str() else { return Ok(Err(LeftOutReason::NotUtf8)) };
        let name = format!("{}{name}", folder.prefix);
        if let Some(reason) = unlistable(&name) {
            return Ok(Err(reason));
        }
        if kind.is_dir() {
            if folder.depth >= self.limits.depth {
                return Ok(Err(LeftOutReason::TooDeep));
            }
            open.push(Folder { path, prefix: format!("{name}/"), depth: folder.depth + 1 });
        } else if kind.is_file() {
            self.keep(name, path, kind.len());
        } else if kind.is_symlink() {
            return Ok(Err(LeftOutReason::Link));
        } else {
            return Ok(Err(LeftOutReason::Special));
        }
        Ok(Ok(()))
    }

    /// Keeps a file if it is among the first ones.
    fn keep(&mut self, name: String, path: PathBuf, size: u64) {
        self.kept.insert(name, (path, size));
        if self.kept.len() > self.limits.files
            && let Some((last, _)) = self.kept.pop_last()
        {
            self.left_out.add(last.as_bytes(), LeftOutReason::TooManyFiles);
        }
    }
}

fn raw_name(folder: &Folder, name: &OsStr) -> Vec<u8> {
    [folder.prefix.as_bytes(), name.as_encoded_bytes()].concat()
}

/// The reason to leave something out for which an error was met; where the error may pass, the error.
fn excuse(error: ArtifactError, on_failure: OnFailure) -> Result<LeftOutReason, ArtifactError> {
    match error {
        // What the job itself can bring about: it took away the permission, or made a path that is too long for the system.
        ArtifactError::Io { ref source, .. }
            if matches!(
                source.kind(),
                ErrorKind::PermissionDenied | ErrorKind::InvalidFilename | ErrorKind::InvalidInput
            ) =>
        {
            Ok(LeftOutReason::Unreadable)
        }
        ArtifactError::Io { ref source, .. } if source.kind() == ErrorKind::NotFound => Ok(LeftOutReason::Changed),
        ArtifactError::Io { .. } if on_failure == OnFailure::Stop => Err(error),
        ArtifactError::Io { .. } => Ok(LeftOutReason::Unreadable),
        _ => Ok(LeftOutReason::Changed),
    }
}

fn list(path: &Path, name: &str, size: u64) -> Result<OutputFile, ArtifactError> {
    let (read, sha256) = hash_file(path, size)?;
    if read != size {
        return Err(ArtifactError::Changed { path: name.to_owned() });
    }
    Ok(OutputFile { path: name.to_owned(), size, sha256: hex::encode(sha256) })
}

/// Size and SHA-256 of a regular file of at most `max_bytes`, read in pieces; a link is refused.
///
/// # Errors
/// The file system's, or [`ArtifactError::TooManyBytes`].
pub fn hash_file(path: &Path, max_bytes: u64) -> Result<(u64, [u8; 32]), ArtifactError> {
    let mut file = open_regular(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut size = 0u64;
    loop {
        let count = file.read(&mut buffer).map_err(ArtifactError::io("read", path))?;
        if count == 0 {
            break;
        }
        size = size.saturating_add(count as u64);
        if size > max_bytes {
            return Err(ArtifactError::TooManyBytes(max_bytes));
        }
        hasher.update(&buffer[..count]);
    }
    Ok((size, hasher.finalize().into()))
}

/// Opens a regular file and makes sure that it is the one that stood there a moment ago, so that a link put
/// in its place is not followed, and that opening it cannot block as a pipe's would.
pub(super) fn open_regular(path: &Path) -> Result<File, ArtifactError> {
    let before = fs::symlink_metadata(path).map_err(ArtifactError::io("read", path))?;
    let refuse = |reason| Err(ArtifactError::BadPath { path: path.display().to_string(), reason });
    if !before.is_file() {
        return refuse("is not a regular file");
    }
    let file = File::open(path).map_err(ArtifactError::io("open", path))?;
    let after = file.metadata().map_err(ArtifactError::io("read", path))?;
    if !same_file(&before, &after) {
        return refuse("was replaced while it was opened");
    }
    Ok(file)
}

#[cfg(unix)]
fn same_file(left: &fs::Metadata, right: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    right.is_file() && left.dev() == right.dev() && left.ino() == right.ino()
}

#[cfg(not(unix))]
fn same_file(_: &fs::Metadata, right: &fs::Metadata) -> bool {
    right.is_file()
}
