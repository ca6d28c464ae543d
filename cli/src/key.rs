//! The keypair file, in the format of Solana's own tools: a JSON array of 64 numbers.

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

/// Largest file that is read: 64 numbers with blanks are far below it.
const MAX_BYTES: u64 = 4 * 1024;

/// Why a keypair file cannot be read or made. No message shows any of the file's content.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no keypair file at {}; make one with `gridlease key new --out {}`, or name another with --keypair", path.display(), path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("the keypair file {} cannot be read: {source}; check its owner and mode", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is something else.
    #[error("{} is not a keypair file: {reason}; it has to be a JSON array of 64 numbers, as `gridlease key new` and `solana-keygen` write it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A new one would replace it.
    #[error("{} exists already, and whatever its key owns would be lost with it; name another file with --out, or replace it with --force", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A new one cannot be written.
    #[error("the keypair file {} cannot be written: {source}; nothing was changed", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Makes a key and writes it to `path`, readable by this user only, in one step: the file is there whole or not at all. One
/// that exists is replaced only with `force`.
///
/// # Errors
/// [`KeyError::Exists`], [`KeyError::Unwritable`].
pub fn create(path: &Path, force: bool) -> Result<Pubkey, KeyError> {
    let unwritable = |source| KeyError::Unwritable { path: path.to_owned(), source };
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    create_private_folder(folder).map_err(unwritable)?;
    let pair = Keypair::new();
    let numbers = serde_json::to_vec(pair.to_bytes().as_slice()).map_err(|error| unwritable(error.into()))?;
    // Such a file is readable by its owner only from the beginning.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(unwritable)?;
    file.write_all(&numbers).and_then(|()| file.as_file().sync_all()).map_err(unwritable)?;
    let written = if force { file.persist(path) } else { file.persist_noclobber(path) };
    match written {
        Ok(_) => {}
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KeyError::Exists { path: path.to_owned() });
        }
        Err(error) => return Err(unwritable(error.error)),
    }
    if let Ok(folder) = std::fs::File::open(folder) {
        // Some file systems cannot do this; the file is whole all the same.
        let _ = folder.sync_all();
    }
    Ok(pair.pubkey())
}

#[cfg(unix)]
fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)
}

/// Reads a keypair file.
///
/// # Errors
/// [`KeyError`].
pub fn read(path: &Path) -> Result<Arc<Keypair>, KeyError> {
    let unreadable = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => KeyError::Missing { path: path.to_owned() },
        _ => KeyError::Unreadable { path: path.to_owned(), source },
    };
    let malformed = |reason| KeyError::Malformed { path: path.to_owned(), reason };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    warn_if_open_to_others(path, &file);
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(malformed("it is too large"));
    }
    let numbers: Vec<u8> = serde_json::from_slice(&bytes).map_err(|_| malformed("it is not an array of bytes"))?;
    if numbers.len() != 64 {
        return Err(malformed("it does not hold 64 numbers"));
    }
    let pair = Keypair::try_from(numbers.as_slice()).map_err(|_| malformed("its two halves do not belong together"))?;
    Ok(Arc::new(pair))
}

#[cfg(unix)]
fn warn_if_open_to_others(path: &Path, file: &std::fs::File) {
    use std::os::unix::fs::PermissionsExt as _;
    if file.metadata().is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0) {
        tracing::warn!("{} can be read by other users of this machine; run `chmod 600` on it", path.display());
    }
}

#[cfg(not(unix))]
fn warn_if_open_to_others(_: &Path, _: &std::fs::File) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_readable_by_its_owner_only_and_is_never_replaced_by_accident() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("new folder/id.json");
        let first = create(&path, false).unwrap();
        assert_eq!(read(&path).unwrap().pubkey(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        }
        let again = create(&path, false).unwrap_err().to_string();
        assert!(again.contains("id.json exists already") && again.contains("--force"), "{again}");
        assert_eq!(read(&path).unwrap().pubkey(), first);
        let second = create(&path, true).unwrap();
        assert_ne!(second, first);
        assert_eq!(read(&path).unwrap().pubkey(), second);
        let left = std::fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "nothing is left beside it");
    }

    #[test]
    fn a_key_that_cannot_be_written_is_told_with_its_place() {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("file"), "").unwrap();
        let error = create(&home.path().join("file/id.json"), false).unwrap_err();
        assert!(matches!(error, KeyError::Unwritable { .. }) && error.to_string().contains("file/id.json"), "{error}");
    }

    #[test]
    fn a_keypair_file_of_solanas_tools_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id.json");
        let pair = Keypair::new();
        std::fs::write(&path, serde_json::to_string(&pair.to_bytes().to_vec()).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap().pubkey(), pair.pubkey());
    }

    #[test]
    fn a_missing_or_broken_file_is_named_with_what_to_do_and_without_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("id.json");
        let missing = read(&path).unwrap_err().to_string();
        assert!(missing.contains("gridlease key new --out") && missing.contains("id.json"), "{missing}");
        let mut wrong_half = Keypair::new().to_bytes().to_vec();
        wrong_half[40] ^= 1;
        for (content, reason) in [
            ("secret words".to_owned(), "not an array"),
            ("[1,2,3]".to_owned(), "64 numbers"),
            (serde_json::to_string(&wrong_half).unwrap(), "halves"),
            (" ".repeat(5_000), "too large"),
        ] {
            std::fs::write(&path, &content).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
