//! What is not part of the outputs although the job wrote it, and why.

use super::{ArtifactError, Limits};
use serde::{Deserialize, Serialize};

/// Most entries that are listed by name; the others are only counted.
pub const MAX_LEFT_OUT_NAMES: usize = 100;
/// Longest name that is shown, in characters after escaping.
const MAX_NAME_CHARS: usize = 256;

/// Why something is not part of the outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeftOutReason {
    /// Its name is not UTF-8.
    NotUtf8,
    /// Its name has a control character, which could forge a line of the listing.
    ControlCharacter,
    /// Its path is longer than a listing allows.
    PathTooLong,
    /// It lies deeper than the folders that are read.
    TooDeep,
    /// The number of files was reached before it.
    TooManyFiles,
    /// It does not fit into the bytes that are taken.
    TooLarge,
    /// It is a symbolic link; links are never followed.
    Link,
    /// It is a device, a pipe or a socket.
    Special,
    /// The node could not read it.
    Unreadable,
    /// It changed while it was read.
    Changed,
    /// A reason that this version does not know.
    #[serde(other)]
    Other,
}

impl LeftOutReason {
    /// The reason in words, to follow the name.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NotUtf8 => "its name is not UTF-8; rename it",
            Self::ControlCharacter => "its name has a control character; rename it",
            Self::PathTooLong => "its path is longer than 1024 bytes",
            Self::TooDeep => "it lies too many folders deep",
            Self::TooManyFiles => "too many files; pack them into an archive",
            Self::TooLarge => "it does not fit into the job's disk; raise resources.disk",
            Self::Link => "it is a link",
            Self::Special => "it is a device, a pipe or a socket",
            Self::Unreadable => "it cannot be read",
            Self::Changed => "it changed while it was read",
            Self::Other => "for another reason",
        }
    }
}

impl std::fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.words())
    }
}

/// Something that the job wrote and that is not part of the outputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOutEntry {
    /// Its path as it would have been listed, escaped and shortened for reading; a folder ends in `/` and stands for
    /// all that is in it.
    pub path: String,
    /// Why.
    pub reason: LeftOutReason,
}

impl std::fmt::Display for LeftOutEntry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.path, self.reason)
    }
}

/// All that is not part of the outputs: how much, and the first [`MAX_LEFT_OUT_NAMES`] by name. The output root does not
/// cover it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// How many entries.
    pub count: u64,
    /// The first of them, ordered by path.
    pub entries: Vec<LeftOutEntry>,
}

impl LeftOut {
    /// Whether everything was taken.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds an entry; keeps the first ones by path.
    pub fn add(&mut self, raw_path: &[u8], reason: LeftOutReason) {
        self.count = self.count.saturating_add(1);
        let path = escape(raw_path);
        let at = self.entries.partition_point(|entry| entry.path <= path);
        if at < MAX_LEFT_OUT_NAMES {
            self.entries.insert(at, LeftOutEntry { path, reason });
            self.entries.truncate(MAX_LEFT_OUT_NAMES);
        }
    }

    /// As it may be shown: a node's list is neither longer nor wilder than one that this library made.
    #[must_use]
    pub fn tamed(mut self) -> Self {
        self.entries.truncate(MAX_LEFT_OUT_NAMES);
        for entry in &mut self.entries {
            let unruly = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if entry.path.chars().any(unruly) || entry.path.chars().count() > MAX_NAME_CHARS {
                entry.path = escape(entry.path.as_bytes());
            }
        }
        self.count = self.count.max(self.entries.len() as u64);
        self
    }

    /// One sentence for people; empty where nothing was left out.
    #[must_use]
    pub fn summary(&self) -> String {
        match (self.count, self.entries.first()) {
            (0, _) => String::new(),
            (count, Some(first)) => format!("{count} left out of the outputs, first {first}"),
            (count, None) => format!("{count} left out of the outputs"),
        }
    }
}

/// Why an entry with this path cannot be listed, if it cannot.
#[must_use]
pub fn unlistable(path: &str) -> Option<LeftOutReason> {
    match super::listing::check_path(path) {
        Ok(()) => None,
        Err(_) if path.chars().any(char::is_control) => Some(LeftOutReason::ControlCharacter),
        Err(ArtifactError::BadPath { .. }) => Some(LeftOutReason::PathTooLong),
        Err(_) => Some(LeftOutReason::Other),
    }
}

/// Bytes as text in one line: what is no UTF-8 and what does not print is escaped.
fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\'' | '"' => text.push(c),
                _ => text.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    if text.chars().count() > MAX_NAME_CHARS {
        text = text.chars().take(MAX_NAME_CHARS - 1).chain(['…']).collect();
    }
    text
}

/// Most entries that a walk looks at.
pub(super) fn most_entries(limits: &Limits) -> usize {
    limits.files.saturating_mul(100).max(1_000)
}
