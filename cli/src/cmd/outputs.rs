//! `gridlease job outputs` and `gridlease job fetch`, for people.

use std::ops::RangeInclusive;

use super::describe::{missing, size};
use super::report::count;
use crate::buyer::output::{OutputFetched, OutputList};
use crate::output::{Report, rows};
use crate::printable::printable;

/// What is said of outputs of a job that was broken off.
const UNPROVED: &str = "NOT VERIFIED: no hash of them stands on chain, for the job did not end by itself";

/// Reads `FIRST-LAST`: bytes, counted from 0.
pub(super) fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |text: &str| text.parse::<u64>().ok();
    let parts = text.split_once('-').and_then(|(first, last)| Some((number(first)?, number(last)?)));
    match parts {
        Some((first, last)) if first <= last => Ok(first..=last),
        _ => Err("write the first and the last byte, counted from 0, such as 0-1023".to_owned()),
    }
}

impl Report for OutputList {
    fn human(&self) -> String {
        let files: Vec<_> = self.files.iter().map(|file| vec![size(file.size), printable(&file.path)]).collect();
        let (count, root) = (count(self.files.len(), "file"), hex::encode(self.root));
        let proof = if self.verified { format!("verified: {root}") } else { UNPROVED.to_owned() };
        let mut parts = Vec::new();
        if !files.is_empty() {
            parts.push(rows(&["size", "path"], files));
        }
        parts.push(format!("{count} ({}), {proof}", size(self.bytes)));
        if !self.left_out.is_empty() {
            parts.push(missing(&self.left_out));
        }
        parts.join("\n")
    }
}

impl Report for OutputFetched {
    fn human(&self) -> String {
        let (path, file) = (printable(&self.path), self.file.display());
        match self.range {
            None if self.verified => format!("{path} ({}) in {file}, verified: {}", size(self.size), self.sha256),
            None => format!("{path} ({}) in {file}, {UNPROVED}", size(self.size)),
            Some((first, last)) => format!(
                "bytes {first} to {last} of {path} ({}) in {file}; NOT VERIFIED: what stands on chain proves whole files only",
                size(self.size)
            ),
        }
    }
}
