//! The keypair file, in the format of Solana's own tools: a JSON array of 64 numbers.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use solana_keypair::Keypair;

/// Largest file that is read: 64 numbers with blanks are far below it.
const MAX_BYTES: u64 = 4 * 1024;

/// Why there is no key to sign with. No message shows any of the file's content.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// There is no such file.
    #[error("there is no keypair file at {}; make one with `solana-keygen new -o {}`, or name another with --keypair", path.display(), path.display())]
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
    #[error("{} is not a keypair file: {reason}; it has to be a JSON array of 64 numbers, as `solana-keygen` writes it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
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
    use solana_signer::Signer as _;

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
        assert!(missing.contains("solana-keygen new") && missing.contains("id.json"), "{missing}");
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
