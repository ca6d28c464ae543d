//! What was run, told: as a document, as a table, as JSON, line by line.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::lines::{Count, Lines};

/// The crates, by the folder of their sources, and how they are counted.
const CRATES: [(&str, &str, &str); 6] = [
    ("core", "core/src/", "its own tests"),
    ("market", "programs/market/src/", "the built program, in the tests `svm` and `matrix`"),
    ("staking", "programs/staking/src/", "the built program, in the tests `svm` and `matrix`"),
    ("common", "programs/common/src/", "either built program, in the same tests"),
    ("market-interface", "interface/market/src/", "either built program; what only clients call is not counted"),
    ("staking-interface", "interface/staking/src/", "either built program; what only clients call is not counted"),
];

/// What stands above the figures.
const PREFACE: &str = "# Coverage

Written by `cargo xtask coverage`; `--json` gives the same as one object, `--uncovered PATH` prints the lines that were not run.
The error codes are counted elsewhere: `tests/tests/svm/error_codes` provokes every one of them and fails by name where one is not.

**Rules** (`core`): lines with code, counted by the compiler's own counters (`-Cinstrument-coverage`) while the crate's own tests
run; its unit tests' lines are left out. What the programs run of the rules beside that is not added.

**Programs**: the bytecode is built from the same sources with line tables, run in the test VM with register tracing, and every
instruction that was executed counts for the line that it comes from and for those into which that was inlined. So a line counts
as run where any of its instructions was. Not counted are lines of which the optimiser left no instruction: constants, types,
attributes that expand to nothing, branches that it proved impossible. Lines of derived code (`#[derive(Accounts)]`,
`#[account(…)]`) count where they stand; such a line has many checks in it, of which one that was run suffices. The negative
matrix (`tests/tests/matrix`) is what shows that each of them refuses. The lockstep and the fuzz targets are not among the tests
that are counted.
";

/// The document.
pub fn document(lines: &Lines) -> String {
    let mut out = format!("{PREFACE}\n| crate | by | lines | run | |\n|---|---|---:|---:|---:|\n");
    let counts: BTreeMap<&str, Count> = lines.files().collect();
    // Writing to a string cannot fail.
    for (name, folder, by) in CRATES {
        let count = sum(&counts, folder);
        let _ = writeln!(out, "| `{name}` | {by} | {} | {} | {} |", count.lines, count.run, percent(count));
    }
    for (name, folder, _) in CRATES {
        let _ = writeln!(out, "\n## {name}\n\n| file | lines | run | | not run |\n|---|---:|---:|---:|---|");
        for (file, count) in counts.iter().filter(|(file, _)| file.starts_with(folder)) {
            let short = file.strip_prefix(folder).unwrap_or(file);
            let missed: Vec<_> = lines.missed(file).iter().map(range).collect();
            let (all, run) = (count.lines, count.run);
            let _ = writeln!(out, "| `{short}` | {all} | {run} | {} | {} |", percent(*count), missed.join(", "));
        }
    }
    out
}

/// A table of the crates.
pub fn summary(lines: &Lines) -> String {
    let counts: BTreeMap<&str, Count> = lines.files().collect();
    let mut out = String::new();
    for (name, folder, _) in CRATES {
        let count = sum(&counts, folder);
        if count.lines > 0 {
            // Writing to a string cannot fail.
            let _ = writeln!(out, "{name:18} {:>6} of {:>6} lines  {:>7}", count.run, count.lines, percent(count));
        }
    }
    out
}

/// File → lines, lines run, and those that were not.
pub fn json(lines: &Lines) -> Value {
    let files = lines.files().map(|(file, count)| {
        (file.to_owned(), json!({ "lines": count.lines, "run": count.run, "not_run": lines.not_run(file) }))
    });
    Value::Object(files.collect())
}

/// The lines that were not run in files whose path contains `part`, with their text.
///
/// # Errors
/// A file cannot be read.
pub fn uncovered(lines: &Lines, root: &Path, part: &str) -> Result<String> {
    let mut out = String::new();
    for (file, _) in lines.files().filter(|(file, _)| file.contains(part)) {
        let path = root.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        for missed in lines.missed(file) {
            let (first, last) = (*missed.start() as usize, *missed.end() as usize);
            for (at, line) in text.lines().enumerate().map(|(at, line)| (at + 1, line)) {
                if (first..=last).contains(&at) {
                    // Writing to a string cannot fail.
                    let _ = writeln!(out, "{file}:{at}: {line}");
                }
            }
        }
    }
    Ok(out)
}

fn sum(counts: &BTreeMap<&str, Count>, folder: &str) -> Count {
    let own = counts.iter().filter(|(file, _)| file.starts_with(folder));
    own.fold(Count::default(), |sum, (_, count)| sum.plus(*count))
}

fn percent(count: Count) -> String {
    let permille = count.permille();
    format!("{}.{} %", permille / 10, permille % 10)
}

fn range(lines: &RangeInclusive<u32>) -> String {
    if lines.start() == lines.end() {
        lines.start().to_string()
    } else {
        format!("{}–{}", lines.start(), lines.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        let mut lines = Lines::default();
        for (file, line, run) in [
            ("core/src/bond.rs", 3, true),
            ("core/src/bond.rs", 4, false),
            ("core/src/bond.rs", 6, false),
            ("programs/market/src/replicas.rs", 1, true),
        ] {
            lines.note(file, line, run);
        }
        lines
    }

    #[test]
    fn the_document_has_a_row_for_each_crate_and_file() {
        let text = document(&lines());
        assert!(text.contains("| `core` | its own tests | 3 | 1 | 33.3 % |"), "{text}");
        assert!(text.contains("| `bond.rs` | 3 | 1 | 33.3 % | 4–6 |"), "{text}");
        assert!(text.contains("| `replicas.rs` | 1 | 1 | 100.0 % |  |"), "{text}");
    }

    #[test]
    fn the_summary_leaves_out_what_was_not_measured() {
        let text = summary(&lines());
        assert_eq!(text.lines().count(), 2);
        assert!(text.starts_with("core "), "{text}");
    }

    #[test]
    fn uncovered_lines_are_told_with_their_text() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("core/src")).unwrap();
        fs::write(root.path().join("core/src/bond.rs"), "1\n2\n3\nfour\n5\n6\n").unwrap();
        let text = uncovered(&lines(), root.path(), "bond").unwrap();
        assert_eq!(text, "core/src/bond.rs:4: four\ncore/src/bond.rs:5: 5\ncore/src/bond.rs:6: 6\n");
    }
}
