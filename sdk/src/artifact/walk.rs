//! Reading output folders.

use super::listing::check_path;
use super::{ArtifactError, Limits, OutputFile};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Most entries that [`Walked::skipped`] lists by name.
const MAX_SKIPPED: usize = 100;

/// What was found in the output folders.
#[derive(Debug, Default)]
pub struct Walked {
    /// Regular files, ordered by the bytes of their paths.
    pub files: Vec<OutputFile>,
    /// What is not part of the outputs, at most 100 entries: links, sockets, devices.
    pub skipped: Vec<Skipped>,
}

/// Something that cannot be an output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its path, as it would have been listed.
    pub path: String,
    /// What it is.
    pub kind: &'static str,
}

/// Lists and hashes the regular files under `dirs`: of one folder as they are, of several each under its
/// index. Links are never followed. The folders must not be written to any more; a file that changes
/// meanwhile is an error.
///
/// # Errors
/// The file system's, a limit, or a name that cannot be listed (not UTF-8, control characters).
pub fn walk(dirs: &[&Path], limits: &Limits) -> Result<Walked, ArtifactError> {
    let mut found = Walked::default();
    let mut bytes = 0;
    // Folders still to be read: where they are, what they are called in the listing, how deep.
    let mut open: Vec<(PathBuf, String, usize)> = Vec::new();
    for (index, dir) in dirs.iter().enumerate() {
        let kind = fs::symlink_metadata(dir).map_err(ArtifactError::io("read", dir))?;
        if !kind.is_dir() {
            return Err(ArtifactError::BadPath { path: dir.display().to_string(), reason: "is not a folder" });
        }
        let prefix = super::pack::prefix(dirs.len(), index);
        // The index folder counts, as it does for whoever unpacks the archive.
        let depth = usize::from(dirs.len() > 1);
        open.push(((*dir).to_owned(), prefix, depth));
    }
    let mut folders = 0usize;
    while let Some((dir, prefix, depth)) = open.pop() {
        if depth > limits.depth {
            return Err(ArtifactError::TooDeep(limits.depth));
        }
        for entry in fs::read_dir(&dir).map_err(ArtifactError::io("read", &dir))? {
            let entry = entry.map_err(ArtifactError::io("read", &dir))?;
            let path = entry.path();
            let name = listed_name(&prefix, &entry.file_name())?;
            let kind = fs::symlink_metadata(&path).map_err(ArtifactError::io("read", &path))?;
            if kind.is_dir() {
                folders += 1;
                if folders > limits.files {
                    return Err(ArtifactError::TooManyFiles(limits.files));
                }
                open.push((path, format!("{name}/"), depth + 1));
            } else if kind.is_file() {
                if found.files.len() >= limits.files {
                    return Err(ArtifactError::TooManyFiles(limits.files));
                }
                let left = limits.bytes.saturating_sub(bytes);
                if kind.len() > left {
                    return Err(ArtifactError::TooManyBytes(limits.bytes));
                }
                let file = list(&path, name, kind.len())?;
                bytes += file.size;
                found.files.push(file);
            } else if found.skipped.len() < MAX_SKIPPED {
                let kind = if kind.is_symlink() { "a link" } else { "a special file" };
                found.skipped.push(Skipped { path: name, kind });
            }
        }
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn listed_name(prefix: &str, name: &std::ffi::OsStr) -> Result<String, ArtifactError> {
    let Some(text) = name.to_str() else {
        return Err(ArtifactError::BadPath {
            path: format!("{prefix}{}", name.to_string_lossy()),
            reason: "is not UTF-8; rename the file",
        });
    };
    let path = format!("{prefix}{text}");
    check_path(&path)?;
    Ok(path)
}

fn list(path: &Path, name: String, size: u64) -> Result<OutputFile, ArtifactError> {
    let (read, sha256) = match hash_file(path, size) {
        Err(ArtifactError::TooManyBytes(_)) => return Err(ArtifactError::Changed { path: name }),
        other => other?,
    };
    if read != size {
        return Err(ArtifactError::Changed { path: name });
    }
    Ok(OutputFile { path: name, size, sha256: hex::encode(sha256) })
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
