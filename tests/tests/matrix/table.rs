//! The table of expected refusals, and the list of what may succeed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use crate::mutate::Row;

/// How the table is written anew.
pub const COMMAND: &str = "GRIDLEASE_WRITE_MATRIX=1 cargo test -p gridlease-tests --test matrix";

/// The table of `program`.
pub fn path(program: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/matrix/expected/{program}.txt"))
}

/// The rows as they stand in the file.
pub fn text(program: &str, rows: &[Row]) -> String {
    let mut out = format!(
        "# What the {program} program answers where one thing is wrong with one account: instruction | account | what is wrong\n\
         # | answer. Written by `{COMMAND}`; what is \"ok\" must be in `allowed.txt`, with the reason.\n"
    );
    for row in rows {
        let _ = writeln!(out, "{} | {} | {} | {}", row.fixture, row.account, row.mutation, row.result);
    }
    out
}

/// The lines that differ, both ways; at most twenty.
pub fn differences(expected: &str, found: &str) -> String {
    let count = |text: &str| {
        let mut lines: BTreeMap<String, i64> = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            *lines.entry(line.to_owned()).or_default() += 1;
        }
        lines
    };
    let (expected, found) = (count(expected), count(found));
    let missing = expected.keys().filter(|line| !found.contains_key(*line)).map(|line| format!("- {line}"));
    let new = found.keys().filter(|line| !expected.contains_key(*line)).map(|line| format!("+ {line}"));
    missing.chain(new).take(20).collect::<Vec<_>>().join("\n")
}

/// One entry of the hand-written list: rows that may succeed, and why that harms nobody.
pub struct Allowed {
    /// Instruction, account and mutation; `*` at the end or alone stands for anything.
    pub fields: [String; 3],
    /// The line in the file.
    pub line: String,
}

/// The hand-written list.
pub fn allowed(program: &str) -> Vec<Allowed> {
    let lines = include_str!("allowed.txt").lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let entries = lines.map(|line| {
        let fields: Vec<_> = line.split('|').map(str::trim).collect();
        let [of, instruction, account, mutation, reason] = fields[..] else {
            panic!("allowed.txt: `{line}` has not five fields")
        };
        assert!(reason.len() > 10, "allowed.txt: `{line}` gives no reason");
        let entry = Allowed { fields: [instruction, account, mutation].map(str::to_owned), line: line.to_owned() };
        (of.to_owned(), entry)
    });
    entries.filter(|(of, _)| of == program).map(|(_, entry)| entry).collect()
}

impl Allowed {
    /// Is it about this row?
    pub fn covers(&self, row: &Row) -> bool {
        let values = [&row.fixture, &row.account, &row.mutation];
        self.fields.iter().zip(values).all(|(pattern, value)| match pattern.strip_suffix('*') {
            Some(start) => value.starts_with(start),
            None => pattern == value,
        })
    }
}
