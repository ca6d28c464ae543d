//! `prove`: has z3 prove what `core/proofs/*.smt2` claim of the rules' formulas. That the formulas are those of the code is a
//! test of `core` (`cargo test -p gridlease-core --test proofs`).

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::run;

/// Where the files are.
const PROOFS: &str = "core/proofs";
/// Milliseconds for one claim.
const LIMIT: u32 = 20_000;
/// Milliseconds for one question whether premises are possible; that one stays undecided is fine.
const SHORT: u32 = 2_000;

/// Runs every file and prints a table. `true` if every claim holds.
///
/// # Errors
/// z3 is missing, or a file cannot be read or says not what is claimed.
pub fn run(root: &Path) -> Result<bool> {
    let version = run::capture(Command::new("z3").arg("--version"))
        .context("z3 proves the formulas; install it, on Debian and Ubuntu with `apt-get install z3`")?;
    let folder = root.join(PROOFS);
    let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let files: BTreeSet<_> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    ensure!(!files.is_empty(), "{PROOFS} holds no proofs");
    println!("{:14} {:>6} {:>9} {:>8}", "file", "claims", "premises", "seconds");
    let (mut all, mut fine) = (0, true);
    for file in &files {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let start = Instant::now();
        let answers = answers(&text, LIMIT).with_context(|| format!("{PROOFS}/{name}"))?;
        let premises = self::answers(&without_claims(&text), SHORT).with_context(|| format!("{PROOFS}/{name}"))?;
        let seconds = start.elapsed().as_secs_f64();
        let claims = answers.iter().filter(|answer| answer.claim.starts_with("holds: ")).count();
        let possible = premises.iter().filter(|answer| answer.said == "sat").count();
        println!("{name:14} {claims:>6} {possible:>9} {seconds:>8.2}");
        for answer in answers.iter().filter(|answer| !answer.is_as_claimed()) {
            println!("  not shown: {} (z3 says {})", answer.claim, answer.said);
            fine = false;
        }
        for answer in premises.iter().filter(|answer| answer.said == "unsat") {
            println!("  says nothing, its premises contradict each other: {}", answer.claim);
            fine = false;
        }
        all += claims;
    }
    println!("{all} claims, {}", version.trim());
    Ok(fine)
}

/// What was claimed, and what z3 said to it.
#[derive(Debug, PartialEq)]
struct Answer {
    claim: String,
    said: String,
}

impl Answer {
    fn is_as_claimed(&self) -> bool {
        self.said == if self.claim.starts_with("possible: ") { "sat" } else { "unsat" }
    }
}

/// Has z3 answer every question of a file.
fn answers(text: &str, limit: u32) -> Result<Vec<Answer>> {
    let script = std::env::temp_dir().join(format!("gridlease-proof-{}.smt2", std::process::id()));
    fs::write(&script, text).with_context(|| format!("cannot write {}", script.display()))?;
    // z3 succeeds or not by its last answer, so only what it prints counts.
    let output = Command::new("z3").arg("-smt2").arg(format!("-t:{limit}")).arg(&script).output();
    let _ = fs::remove_file(&script);
    let printed = output.context("cannot start z3")?.stdout;
    read(&String::from_utf8_lossy(&printed))
}

/// Reads announcements and answers.
fn read(printed: &str) -> Result<Vec<Answer>> {
    let mut answers = Vec::new();
    let mut lines = printed.lines();
    while let Some(claim) = lines.next() {
        let announced = claim.starts_with("holds: ") || claim.starts_with("possible: ");
        let said = lines.next().unwrap_or_default();
        if !announced || !matches!(said, "sat" | "unsat" | "unknown" | "timeout") {
            bail!(
                "z3 printed `{claim}` and `{said}`: an announcement (\"holds: ...\" or \"possible: ...\") and one answer follow each other in a proof"
            );
        }
        answers.push(Answer { claim: claim.to_owned(), said: said.to_owned() });
    }
    ensure!(!answers.is_empty(), "it asks nothing");
    Ok(answers)
}

/// The same questions without what is claimed, which is the last assertion before each: what is left must be possible, or
/// anything would follow from it.
fn without_claims(text: &str) -> String {
    let mut out = String::new();
    for (at, block) in text.split("(check-sat)").enumerate() {
        if at > 0 {
            out.push_str("(check-sat)");
        }
        match (block.rfind("(assert "), block.contains("(echo \"holds: ")) {
            (Some(from), true) => {
                let rest = block.get(from..).unwrap_or_default();
                out.push_str(block.get(..from).unwrap_or_default());
                out.push_str(rest.get(length(rest)..).unwrap_or_default());
            }
            _ => out.push_str(block),
        }
    }
    out
}

/// Bytes of the expression at the beginning of `text`.
fn length(text: &str) -> usize {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_with_what_they_answer_and_nothing_else_is_taken_for_one() {
        let answers = read("possible: a\nsat\nholds: b\nunsat\nholds: c\nsat\nholds: d\nunknown\n").unwrap();
        assert_eq!(answers.iter().map(Answer::is_as_claimed).collect::<Vec<_>>(), [true, true, false, false]);
        assert_eq!(answers[1], Answer { claim: "holds: b".to_owned(), said: "unsat".to_owned() });
        for bad in ["", "(error \"line 3\")\nsat", "holds: a\nholds: b\nunsat", "holds: a"] {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn without_its_claim_a_question_is_left_with_its_premises() {
        let text = "(echo \"holds: x\")(push)(assert (> a (f b)))\n(assert (not (and a\n b))) (check-sat)(pop)\n\
                    (echo \"possible: y\")(assert c)(check-sat)";
        let left = "(echo \"holds: x\")(push)(assert (> a (f b)))\n (check-sat)(pop)\n\
                    (echo \"possible: y\")(assert c)(check-sat)";
        assert_eq!(without_claims(text), left);
    }
}
