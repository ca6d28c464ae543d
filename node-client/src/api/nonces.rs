//! The nonces that were used, in memory and in a file, so that a restarted node refuses what the one before it accepted.
//!
//! The file is only appended to, and left to the system to bring to the disk: it survives the end of the process, however
//! that comes, and after a power cut it may lack the last seconds. When it has as many entries as the window holds, a new
//! one is begun and only the one before is kept: what is older has expired.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use gridlease_sdk::node_api::UsedNonce;
use gridlease_sdk::node_api::auth::{AuthError, AuthHeaders, NonceWindow};
use solana_pubkey::Pubkey;

/// Bytes of an entry: last second, key, nonce.
const ENTRY: usize = 8 + 32 + 16;

/// The window and its file.
#[derive(Debug)]
pub(super) struct Nonces {
    window: NonceWindow,
    journal: Journal,
    warned: bool,
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: Option<File>,
    entries: usize,
    capacity: usize,
}

impl Nonces {
    /// A window with what the file at `path` holds of an earlier run. A file that cannot be read or written is told to
    /// the operator and done without: the window then begins empty, or is lost with the process.
    pub(super) fn open(path: &Path, capacity: usize, share: usize) -> Self {
        let mut window = NonceWindow::new(capacity).with_share(share);
        for file in [before(path), path.to_owned()] {
            match load(&file) {
                Ok(entries) => entries.into_iter().for_each(|used| window.restore(used)),
                Err(error) => tracing::warn!(path = %file.display(), %error, "used nonces cannot be read"),
            }
        }
        let journal = Journal { path: path.to_owned(), file: None, entries: 0, capacity };
        Self { window, journal, warned: false }
    }

    /// Takes a request's nonce, once.
    pub(super) fn record(&mut self, headers: &AuthHeaders, now: u64) -> Result<(), AuthError> {
        let used = self.window.record(headers, now)?;
        // What a buyer asks can all be asked twice without harm, so a full disk is no reason to answer nobody.
        if let Err(error) = self.journal.append(&used)
            && !self.warned
        {
            self.warned = true;
            tracing::warn!(
                path = %self.journal.path.display(), %error,
                "used nonces cannot be written down; until they can, a restart forgets them"
            );
        }
        Ok(())
    }
}

impl Journal {
    fn append(&mut self, used: &UsedNonce) -> io::Result<()> {
        if self.entries >= self.capacity {
            self.file = None;
            std::fs::rename(&self.path, before(&self.path))?;
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
                // What a crash or a full disk left of an entry must not stand in front of the next one.
                let whole = file.metadata()?.len() / ENTRY as u64;
                file.set_len(whole * ENTRY as u64)?;
                self.entries = usize::try_from(whole).unwrap_or(usize::MAX);
                self.file.insert(file)
            }
        };
        let mut entry = [0u8; ENTRY];
        entry[..8].copy_from_slice(&used.until.to_le_bytes());
        entry[8..40].copy_from_slice(used.key.as_ref());
        entry[40..].copy_from_slice(&used.nonce);
        if let Err(error) = file.write_all(&entry) {
            self.file = None; // opened again, and cut to whole entries, by the next
            return Err(error);
        }
        self.entries += 1;
        Ok(())
    }
}

fn before(path: &Path) -> PathBuf {
    path.with_extension("before")
}

fn load(path: &Path) -> io::Result<Vec<UsedNonce>> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        read => read?,
    };
    let entry = |entry: &[u8; ENTRY]| {
        let (mut until, mut key, mut nonce) = ([0; 8], [0; 32], [0; 16]);
        until.copy_from_slice(&entry[..8]);
        key.copy_from_slice(&entry[8..40]);
        nonce.copy_from_slice(&entry[40..]);
        UsedNonce { until: u64::from_le_bytes(until), key: Pubkey::new_from_array(key), nonce }
    };
    Ok(bytes.as_chunks::<ENTRY>().0.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use gridlease_sdk::node_api::auth::{SignedRequest, empty_body_hash, sign};
    use solana_keypair::Keypair;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn ask(key: &Keypair, nonce: u8) -> AuthHeaders {
        let provider = Pubkey::new_from_array([1; 32]);
        let request =
            SignedRequest { method: "GET", path_and_query: "/", body_sha256: empty_body_hash(), provider: &provider };
        sign(key, &request, NOW, [nonce; 16]).unwrap()
    }

    #[test]
    fn issue9_13_nonces_are_known_after_a_restart_also_from_a_file_with_half_an_entry() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join("nonces"), Keypair::new());
        Nonces::open(&path, 8, 8).record(&ask(&key, 1), NOW).unwrap();
        let half = [std::fs::read(&path).unwrap(), vec![7; ENTRY / 2]].concat();
        std::fs::write(&path, half).unwrap();
        let mut second = Nonces::open(&path, 8, 8);
        assert_eq!(second.record(&ask(&key, 1), NOW), Err(AuthError::Replayed));
        second.record(&ask(&key, 2), NOW).unwrap();
        drop(second);
        let mut third = Nonces::open(&path, 8, 8);
        for nonce in [1, 2] {
            assert_eq!(third.record(&ask(&key, nonce), NOW), Err(AuthError::Replayed), "{nonce}");
        }
    }

    #[test]
    fn the_file_is_bounded_and_forgets_only_what_has_expired() {
        let dir = tempfile::tempdir().unwrap();
        let (path, key) = (dir.path().join("nonces"), Keypair::new());
        let mut nonces = Nonces::open(&path, 3, 3);
        for nonce in 0..50u8 {
            // Three are live at a time.
            nonces.record(&ask(&key, nonce), NOW + 41 * u64::from(nonce)).unwrap();
        }
        let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
        assert!(bytes(&path) + bytes(&before(&path)) <= 6 * ENTRY as u64);
        let mut again = Nonces::open(&path, 3, 3);
        for nonce in 47..50 {
            assert_eq!(again.record(&ask(&key, nonce), NOW + 41 * 49), Err(AuthError::Replayed), "{nonce}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_stops_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let key = Keypair::new();
        let mut nonces = Nonces::open(&dir.path().join("missing/nonces"), 8, 8);
        nonces.record(&ask(&key, 1), NOW).unwrap();
        assert_eq!(nonces.record(&ask(&key, 1), NOW), Err(AuthError::Replayed));
    }
}
