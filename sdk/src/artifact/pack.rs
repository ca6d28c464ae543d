//! Writing the archive that a node serves.

use super::walk::open_regular;
use super::{ArtifactError, OutputFile};
use std::fs::File;
use std::io::{Read as _, Write};
use std::path::Path;

/// What stands before the paths of folder `index` out of `folders` in the listing.
pub(super) fn prefix(folders: usize, index: usize) -> String {
    if folders == 1 { String::new() } else { format!("{index}/") }
}

/// Writes the listed files of `dirs` (as [`walk`](super::walk) listed them) as a tar archive: regular files
/// only, in the order of the listing, with fixed owner, mode and time, so that equal outputs give equal bytes.
///
/// # Errors
/// The file system's or the writer's, or [`ArtifactError::Changed`].
pub fn pack(dirs: &[&Path], files: &[OutputFile], writer: impl Write) -> Result<(), ArtifactError> {
    let mut archive = tar::Builder::new(writer);
    for file in files {
        let path = Path::new(&file.path);
        let content = open_listed(dirs, file)?;
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(file.size);
        archive
            .append_data(&mut header, &file.path, content.take(file.size))
            .map_err(ArtifactError::io("pack", path))?;
    }
    archive
        .into_inner()
        .and_then(|mut writer| writer.flush())
        .map_err(ArtifactError::io("pack", Path::new("the archive")))
}

/// Opens a listed file of `dirs` (as [`walk`](super::walk) listed it), which has to have the size that the listing says.
///
/// # Errors
/// The file system's, or [`ArtifactError::Changed`].
pub fn open_listed(dirs: &[&Path], file: &OutputFile) -> Result<File, ArtifactError> {
    super::listing::check_path(&file.path)?;
    let changed = || ArtifactError::Changed { path: file.path.clone() };
    let path = locate(dirs, &file.path).ok_or_else(changed)?;
    let content = open_regular(&path)?;
    let length = content.metadata().map_err(ArtifactError::io("read", &path))?.len();
    if length == file.size { Ok(content) } else { Err(changed()) }
}

fn locate(dirs: &[&Path], listed: &str) -> Option<std::path::PathBuf> {
    if let [only] = dirs {
        return Some(only.join(listed));
    }
    let (index, rest) = listed.split_once('/')?;
    let dir = dirs.get(index.parse::<usize>().ok()?)?;
    Some(dir.join(rest))
}
