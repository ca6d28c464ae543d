//! The operator's word that the machine leaves the market, kept in a file of the node's folder: it holds for a node that runs, for its
//! next start, and until it is taken back.

use std::io::{self, Write as _};
use std::path::PathBuf;

use crate::market::Leaving;
use crate::state_dir::StateDir;

/// Longest file that is read.
const MOST: u64 = 4_096;

/// The file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LeavingFile {
    path: PathBuf,
}

impl LeavingFile {
    /// The file of a node's folder.
    #[must_use]
    pub fn of(state: &StateDir) -> Self {
        Self { path: state.root().join("leaving.json") }
    }

    /// What it says. One that cannot be read or understood takes the machine off the market all the same, and ends no lease: it was
    /// written to say so.
    #[must_use]
    pub fn read(&self) -> Option<Leaving> {
        match self.try_read() {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(path = %self.path.display(), %error, "what the operator said cannot be read");
                Some(Leaving { gone_from: None })
            }
        }
    }

    /// As [`LeavingFile::read`].
    ///
    /// # Errors
    /// What cannot be read or understood.
    pub fn try_read(&self) -> io::Result<Option<Leaving>> {
        let size = match std::fs::metadata(&self.path) {
            Ok(file) => file.len(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if size > MOST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too long"));
        }
        Ok(Some(serde_json::from_slice(&std::fs::read(&self.path)?)?))
    }

    /// Says it, in the place of what was said before.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn write(&self, leaving: Leaving) -> io::Result<()> {
        let next = self.path.with_extension("json.new");
        let mut file = std::fs::File::create(&next)?;
        file.write_all(&serde_json::to_vec(&leaving)?)?;
        file.sync_all()?;
        std::fs::rename(&next, &self.path)
    }

    /// Takes it back; whether there was anything.
    ///
    /// # Errors
    /// What the system says of the file.
    pub fn clear(&self) -> io::Result<bool> {
        match std::fs::remove_file(&self.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_s_word_holds_until_it_is_taken_back_and_one_that_is_damaged_ends_no_lease() {
        let dir = tempfile::tempdir().unwrap();
        let file = LeavingFile::of(&StateDir::open(dir.path()).unwrap());
        assert_eq!(file.read(), None);
        for leaving in [Leaving { gone_from: Some(7) }, Leaving { gone_from: None }] {
            file.write(leaving).unwrap();
            assert_eq!(file.read(), Some(leaving), "the last word holds");
        }
        for damaged in ["", "{", "{\"gone_from\": 7, \"more\": 1}", &" ".repeat(5_000)] {
            std::fs::write(&file.path, damaged).unwrap();
            assert_eq!(file.read(), Some(Leaving { gone_from: None }), "{damaged:?}");
            assert!(file.try_read().is_err());
        }
        assert!(file.clear().unwrap());
        assert!(!file.clear().unwrap(), "once more changes nothing");
        assert_eq!(file.read(), None);
    }
}
