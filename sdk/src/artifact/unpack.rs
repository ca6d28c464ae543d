//! Reading the archive that a node serves. The node is not trusted: it gets to write regular files below one
//! fresh folder, within limits, and nothing else.

use super::listing::check_path;
use super::{ArtifactError, Limits, OutputFile};
use sha2::{Digest as _, Sha256};
use std::fs::{self, OpenOptions};
use std::io::{Read, Write as _};
use std::path::Path;
use tar::EntryType;

/// Longest path that is read from an archive's long-name entry, in bytes.
const MAX_LONG_NAME: u64 = 4096;

/// Unpacks a tar stream into `dest`, an empty folder that nobody else writes to, and returns what was written,
/// hashed on the way, in the order of the paths' bytes. On an error, `dest` holds a part of it: remove it.
///
/// Regular files and folders are accepted, in the plain and the GNU form of tar; links, devices, sparse files
/// and extension headers are not.
///
/// # Errors
/// A limit, a path that leaves `dest` or comes twice, another kind of entry, a damaged archive.
pub fn unpack(reader: impl Read, dest: &Path, limits: &Limits) -> Result<Vec<OutputFile>, ArtifactError> {
    let mut archive = tar::Archive::new(reader);
    let mut files: Vec<OutputFile> = Vec::new();
    let mut folders = 0usize;
    let mut bytes = 0u64;
    let mut long_name: Option<String> = None;
    // Raw: the library would otherwise read extension headers of any size into memory.
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let kind = entry.header().entry_type();
        let size = entry.header().entry_size().map_err(damaged)?;
        if kind == EntryType::GNULongName {
            long_name = Some(read_long_name(&mut entry, size)?);
            continue;
        }
        let path = match long_name.take() {
            Some(path) => path,
            None => text(&entry.header().path_bytes())?,
        };
        match kind {
            EntryType::Directory => {
                let path = path.trim_end_matches('/');
                if path.is_empty() || path == "." {
                    continue;
                }
                folders += 1;
                if folders > limits.files {
                    return Err(ArtifactError::TooManyFiles(limits.files));
                }
                make_folders(dest, path, limits)?;
            }
            EntryType::Regular => {
                if files.len() >= limits.files {
                    return Err(ArtifactError::TooManyFiles(limits.files));
                }
                if size > limits.bytes.saturating_sub(bytes) {
                    return Err(ArtifactError::TooManyBytes(limits.bytes));
                }
                bytes += size;
                files.push(write_file(&mut entry, dest, path, size, limits)?);
            }
            other => {
                return Err(ArtifactError::BadEntry { path: path.chars().take(128).collect(), kind: describe(other) });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn damaged(error: std::io::Error) -> ArtifactError {
    ArtifactError::BadArchive(error.to_string())
}

fn text(bytes: &[u8]) -> Result<String, ArtifactError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ArtifactError::BadPath {
        path: String::from_utf8_lossy(bytes).into_owned(),
        reason: "is not UTF-8",
    })
}

fn read_long_name(entry: &mut impl Read, size: u64) -> Result<String, ArtifactError> {
    if size > MAX_LONG_NAME {
        return Err(ArtifactError::BadArchive("a path of more than 4096 bytes".to_owned()));
    }
    let mut name = Vec::new();
    entry.read_to_end(&mut name).map_err(damaged)?;
    while name.last() == Some(&0) {
        name.pop();
    }
    text(&name)
}

fn make_folders(dest: &Path, path: &str, limits: &Limits) -> Result<(), ArtifactError> {
    check_path(path)?;
    if path.split('/').count() > limits.depth {
        return Err(ArtifactError::TooDeep(limits.depth));
    }
    let target = dest.join(path);
    fs::create_dir_all(&target).map_err(ArtifactError::io("create", &target))
}

fn write_file(
    entry: &mut impl Read,
    dest: &Path,
    path: String,
    size: u64,
    limits: &Limits,
) -> Result<OutputFile, ArtifactError> {
    check_path(&path)?;
    if let Some((parent, _)) = path.rsplit_once('/') {
        make_folders(dest, parent, limits)?;
    }
    let target = dest.join(&path);
    // Never over something that is there: a path that comes twice is an error.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&target).map_err(ArtifactError::io("create", &target))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    let mut written = 0u64;
    loop {
        let count = entry.read(&mut buffer).map_err(damaged)?;
        if count == 0 {
            break;
        }
        hasher.update(&buffer[..count]);
        file.write_all(&buffer[..count]).map_err(ArtifactError::io("write", &target))?;
        written += count as u64;
    }
    if written != size {
        return Err(ArtifactError::BadArchive(format!("it ends in the middle of {path:?}")));
    }
    Ok(OutputFile { path, size, sha256: hex::encode(hasher.finalize()) })
}

fn describe(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink | EntryType::Link => "a link",
        EntryType::Char | EntryType::Block => "a device",
        EntryType::Fifo => "a pipe",
        EntryType::XHeader | EntryType::XGlobalHeader => "an extension header",
        EntryType::GNUSparse => "a sparse file",
        _ => "an entry of unknown kind",
    }
}
