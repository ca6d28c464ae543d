//! What was intended and what came of it, one JSON object a line.
//!
//! An intent is on disk before its effect, and the outcome after it. So after a kill the last line is either an outcome,
//! or an intent of which the chain alone knows whether it happened: the next run looks, and writes down what it found. The
//! chain decides what is due; the journal says who did what, when, and by which transactions.
//!
//! Each line is added by writing the whole file anew and renaming it, so no line is ever torn. A lock, which goes with the
//! process, keeps two runs apart.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::clock;

/// Largest journal that is read: some ten thousand lines.
const MAX_BYTES: u64 = 8 * 1024 * 1024;

/// What a line says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
pub enum Entry {
    /// A run begins.
    Run {
        /// The network, as it may be shown.
        cluster: String,
        /// Who signs, base58.
        signer: String,
        /// Version of the software.
        version: String,
    },
    /// A step is about to be applied.
    Intent {
        /// Number of the migration.
        migration: u32,
        /// The step.
        step: String,
        /// What it is going to do.
        what: String,
    },
    /// What came of the last intent.
    Outcome {
        /// Number of the migration.
        migration: u32,
        /// The step.
        step: String,
        /// How it ended.
        outcome: Outcome,
    },
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "snake_case")]
pub enum Outcome {
    /// It was applied, and its check passed.
    Done {
        /// Signatures of its transactions, base58. Of thousands of equal ones (the bytes of a program) none are kept.
        signatures: Vec<String>,
    },
    /// A run was cut off after the intent; a later one found the effect on the chain.
    FoundDone {
        /// What it found.
        why: String,
    },
    /// It was not applied, or not wholly.
    Failed {
        /// Why.
        reason: String,
    },
}

/// A line: when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Unix seconds.
    pub at: u64,
    /// What.
    #[serde(flatten)]
    pub entry: Entry,
}

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("cannot {action} the journal {}: {source}; name another folder with --state-dir", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another run is at it.
    #[error("another run is at work with the journal {}; wait for its end", path.display())]
    Busy {
        /// The journal.
        path: PathBuf,
    },
    /// A line says nothing.
    #[error("line {line} of the journal {} cannot be read ({reason}); move the file away and run it again: the chain itself says what is done", path.display())]
    Malformed {
        /// The journal.
        path: PathBuf,
        /// The line, from 1; 0 for the file as a whole.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

/// A journal that this process alone writes.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    lines: Vec<Line>,
    /// Held for as long as the journal is open.
    _lock: File,
}

impl Journal {
    /// Opens the journal at `path`, and begins one where there is none.
    ///
    /// # Errors
    /// [`JournalError`].
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |action| move |source| JournalError::Io { action, path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed("create"))?;
        }
        // A file beside it, because the journal itself is replaced by each line.
        let lock = path.with_extension("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(lock).map_err(failed("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(JournalError::Busy { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        Ok(Self { path: path.to_owned(), lines: read(path)?, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it says.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds a line. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`JournalError::Io`]; the journal is as it was then.
    pub fn add(&mut self, entry: Entry) -> Result<(), JournalError> {
        let failed = |source| JournalError::Io { action: "write", path: self.path.clone(), source };
        let line = Line { at: clock::unix_now(), entry };
        let mut text = Vec::new();
        for line in self.lines.iter().chain([&line]) {
            serde_json::to_writer(&mut text, line).map_err(|error| failed(error.into()))?;
            text.push(b'\n');
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&self.path).map_err(|error| failed(error.error))?;
        // Without this, a power cut may bring the old file back. Some file systems cannot do it.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
        self.lines.push(line);
        Ok(())
    }

    /// Whether the last thing written of this step is an intent: nobody wrote down what came of it.
    pub fn is_open(&self, migration: u32, step: &str) -> bool {
        let last = self.lines.iter().rev().find_map(|line| match &line.entry {
            Entry::Intent { migration: of, step: name, .. } if *of == migration && name == step => Some(true),
            Entry::Outcome { migration: of, step: name, .. } if *of == migration && name == step => Some(false),
            _ => None,
        });
        last.unwrap_or(false)
    }
}

fn read(path: &Path) -> Result<Vec<Line>, JournalError> {
    let failed = |source| JournalError::Io { action: "read", path: path.to_owned(), source };
    let malformed = |line, reason| JournalError::Malformed { path: path.to_owned(), line, reason };
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if metadata.len() > MAX_BYTES => {
            return Err(malformed(0, format!("the file is larger than {MAX_BYTES} bytes")));
        }
        Ok(_) => {}
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let lines = text.lines().enumerate();
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|error| malformed(at + 1, error.to_string()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn intent(step: &str) -> Entry {
        Entry::Intent { migration: 1, step: step.to_owned(), what: "something".to_owned() }
    }

    fn outcome(step: &str) -> Entry {
        let outcome = Outcome::Done { signatures: vec!["a".to_owned()] };
        Entry::Outcome { migration: 1, step: step.to_owned(), outcome }
    }

    #[test]
    fn what_was_written_is_read_again_and_an_intent_without_outcome_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("journal.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        for entry in [intent("one"), outcome("one"), intent("two")] {
            journal.add(entry).unwrap();
        }
        let before = journal.lines().to_vec();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        assert_eq!(journal.lines(), before);
        assert_eq!((journal.is_open(1, "one"), journal.is_open(1, "two")), (false, true));
        assert_eq!((journal.is_open(2, "two"), journal.is_open(1, "three")), (false, false));
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().next().unwrap().contains(r#""entry":"intent","migration":1,"step":"one""#), "{text}");
    }

    #[test]
    fn two_runs_never_write_one_journal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let first = Journal::open(&path).unwrap();
        assert!(matches!(Journal::open(&path), Err(JournalError::Busy { .. })));
        drop(first);
        Journal::open(&path).unwrap();
    }

    #[test]
    fn a_damaged_line_is_named_and_nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        journal.add(intent("one")).unwrap();
        drop(journal);
        let text = fs::read_to_string(&path).unwrap() + "{\"at\": 1, \"entry\": \"nothing\"}\n";
        fs::write(&path, &text).unwrap();
        let error = Journal::open(&path).unwrap_err().to_string();
        assert!(error.contains("line 2") && error.contains("move the file away"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}
