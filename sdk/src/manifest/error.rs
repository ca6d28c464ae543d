//! Errors of a manifest: every one with its place, collected.

use std::fmt::{self, Write as _};

/// Most errors that are listed; a text with more has one cause.
const MAX_LISTED: usize = 32;
/// Most characters of a key that are shown.
const MAX_SHOWN_KEY: usize = 160;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestError {
    /// Path of the key, such as `resources.gpu.vram` or `inputs[1].mount`; empty for the whole text.
    pub key: String,
    /// Line in the YAML text, from 1; 0 where there is no text.
    pub line: usize,
    /// Column in characters, from 1; 0 where there is no text.
    pub column: usize,
    /// What is wrong.
    pub problem: String,
    /// What is allowed, or what to do.
    pub advice: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            // Keys are the buyer's own words; a terminal gets them without control characters.
            for c in self.key.chars().take(MAX_SHOWN_KEY) {
                formatter.write_char(if c.is_control() { '?' } else { c })?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.problem)?;
        if !self.advice.is_empty() {
            write!(formatter, "; {}", self.advice)?;
        }
        Ok(())
    }
}

/// Everything that is wrong with a manifest, in the order of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestErrors {
    /// Name of the file, for the messages.
    pub file: String,
    /// The errors; at least one.
    pub errors: Vec<ManifestError>,
}

impl std::error::Error for ManifestErrors {}

impl fmt::Display for ManifestErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.errors.iter().take(MAX_LISTED).enumerate() {
            if index > 0 {
                writeln!(formatter)?;
            }
            if error.line == 0 {
                write!(formatter, "{}: {error}", self.file)?;
            } else {
                let (line, column) = (error.line, error.column);
                write!(formatter, "{}:{line}:{column}: {error}", self.file)?;
            }
        }
        match self.errors.len().saturating_sub(MAX_LISTED) {
            0 => Ok(()),
            more => write!(formatter, "\n{}: and {more} more", self.file),
        }
    }
}

/// Something that is wrong with a typed manifest, found without knowledge of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub key: String,
    pub problem: String,
    pub advice: String,
}
