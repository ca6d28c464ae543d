//! `docs/THREATS.md` is honest: every test that it names is there, every attack that anybody thought of has a row, and no row
//! is without a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The attacks that this market was built against, each by words that its row holds.
const ATTACKS: [&str; 42] = [
    "missing signer",
    "substituted vault",
    "foreign owner",
    "type cosplay",
    "re-initialisation",
    "fake token program",
    "fake staking program",
    "duplicate accounts",
    "seed collisions",
    "close and revive",
    "overflow at 0, 1 and the maximum",
    "splitting a settlement into thousands",
    "rates of an atom",
    "Token-2022 mints",
    "frozen vault, payout, wallet or fund",
    "effect before check",
    "clock that stands still",
    "clock that jumps",
    "clock that runs backward",
    "slots of 200 to 800 ms",
    "every deadline at t − 1, t and t + 1",
    "settlement against top-up",
    "bid changed under an award",
    "junk bids filling the book",
    "unstaking around a fault",
    "slash larger than a reservation",
    "challenge griefing",
    "self-dealing",
    "dust",
    "unvalidated rent recipient",
    "authority capture",
    "pause misuse",
    "hot-account load",
    "keeper front-running",
    "replayed liveness answers",
    "node key trying to withdraw",
    "first depositor's share inflation",
    "donation to a vault",
    "stake of delegators taken by their operator",
    "another lease's reservation",
    "one GPU offered twice",
    "replicas at one operator",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn document() -> String {
    fs::read_to_string(root().join("docs/THREATS.md")).unwrap()
}

/// The names of all test functions below a folder.
fn tests_below(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests_below(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let functions = text.split("fn ").skip(1).filter_map(|rest| rest.split_once('(').map(|(name, _)| name));
            names.extend(functions.map(str::to_owned));
        }
    }
}

/// What stands in backticks and looks like the name of a test: words joined by at least two underscores.
fn named(text: &str) -> BTreeSet<String> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.matches('_').count() >= 2 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    quoted.filter(is_name).map(str::to_owned).collect()
}

#[test]
fn every_test_that_the_document_names_is_in_the_sources() {
    let mut there = BTreeSet::new();
    for folder in [
        "core/tests",
        "core/src",
        "tests/tests",
        "programs",
        "keeper/src",
        "node-client/src",
        "node-client/tests",
        "sdk/src",
        "sdk/tests",
        "cli/src",
    ] {
        tests_below(&root().join(folder), &mut there);
    }
    let named = named(&document());
    assert!(named.len() >= 40, "{} tests are named", named.len());
    let missing: Vec<_> = named.difference(&there).collect();
    assert!(missing.is_empty(), "docs/THREATS.md names tests that are not there: {missing:#?}");
}

#[test]
fn every_attack_has_a_row_and_every_row_of_attacks_names_a_test() {
    let document = document();
    let section = document.split("## Attacks").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ") && !line.contains("---")).skip(1).collect();
    let missing: Vec<_> = ATTACKS.iter().filter(|attack| !rows.iter().any(|row| row.contains(*attack))).collect();
    assert!(missing.is_empty(), "attacks without a row in docs/THREATS.md: {missing:#?}");
    for row in rows {
        assert!(!named(row).is_empty(), "this row names no test: {row}");
    }
}

#[test]
fn every_file_that_an_auditor_is_sent_to_is_there() {
    let document = document();
    let paths = document.split('`').skip(1).step_by(2).filter(|word| word.contains('/') && !word.contains(' '));
    let missing: Vec<_> = paths.filter(|path| !root().join(path.trim_end_matches('*')).exists()).collect();
    assert!(missing.is_empty(), "docs/THREATS.md names files that are not there: {missing:?}");
}
