//! `idl`: the programs' interface descriptions, printed by the programs' own code on this machine.
//!
//! With the feature `idl-build` Anchor adds tests that print a program's parts between marker lines. This module runs
//! them, puts the parts together and writes one JSON file for each program, in the order that Anchor's own tool has.

mod assemble;
mod document;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::programs::PROGRAMS;
use crate::run;
use crate::workspace::Workspace;

/// Writes the description of every program to `idl/`.
///
/// # Errors
/// A program does not compile, prints something unexpected, or the file cannot be written.
pub fn write(workspace: &Workspace) -> Result<()> {
    for program in PROGRAMS {
        let text = generate(workspace, program)?;
        let path = path(workspace, program);
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
        }
        let changed = fs::read_to_string(&path).ok().as_deref() != Some(text.as_str());
        if changed {
            fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let outcome = if changed { "written" } else { "no difference" };
        eprintln!("idl/{program}.json: {outcome}");
    }
    Ok(())
}

/// Compares the committed descriptions with what the programs print. `true` if there is no difference.
///
/// # Errors
/// A program does not compile or prints something unexpected.
pub fn check(workspace: &Workspace) -> Result<bool> {
    let mut same = true;
    for program in PROGRAMS {
        let fresh = generate(workspace, program)?;
        let committed = fs::read_to_string(path(workspace, program)).unwrap_or_default();
        if fresh == committed {
            println!("idl/{program}.json: up to date");
        } else {
            same = false;
            println!("idl/{program}.json: differs from the program; run `cargo xtask idl`");
            for line in differences(&committed, &fresh) {
                println!("  {line}");
            }
        }
    }
    Ok(same)
}

fn path(workspace: &Workspace, program: &str) -> PathBuf {
    workspace.root.join("idl").join(format!("{program}.json"))
}

/// Compiles a program for this machine and has it print its description.
fn generate(workspace: &Workspace, program: &str) -> Result<String> {
    // Its own target directory: the feature would otherwise compile Anchor anew on every change of command. Nothing of it
    // runs for long, so nothing is optimised.
    let mut cargo = workspace.side_cargo(&workspace.target.join("idl"));
    cargo
        .args(["test", "--locked"])
        .args(["--package", &format!("gridlease-{program}")])
        // The address and the accounts stand there.
        .args(["--package", &format!("gridlease-{program}-interface")])
        .args(["--features", "idl-build", "--lib"])
        .args(["--config", "profile.dev.opt-level=0"])
        .args(["--config", "profile.dev.package.\"*\".opt-level=0"])
        .arg("__anchor_private_print_idl")
        .args(["--", "--show-output", "--quiet", "--test-threads=1"])
        .env("ANCHOR_IDL_BUILD_NO_DOCS", "FALSE")
        .env("ANCHOR_IDL_BUILD_RESOLUTION", "TRUE")
        .env("ANCHOR_IDL_BUILD_SKIP_LINT", "FALSE")
        .env("ANCHOR_IDL_BUILD_PROGRAM_PATH", workspace.root.join("programs").join(program));
    let printed = run::capture_loud(&mut cargo)
        .with_context(|| format!("program {program} cannot print its interface description"))?;
    let idl =
        assemble::assemble(&printed).with_context(|| format!("the interface description of program {program}"))?;
    let missing = document::undocumented(&idl);
    ensure!(
        missing.is_empty(),
        "program {program} has parts without documentation; write doc comments (of an argument as a line \"- `name`: words\" on \
         its instruction):\n  {}",
        missing.join("\n  ")
    );
    let mut text = serde_json::to_string_pretty(&idl).context("cannot write it as JSON")?;
    text.push('\n');
    Ok(text)
}

/// The most lines that a summary of differences shows.
const SHOWN: usize = 20;

/// The lines that only one of two texts has, a few of them.
fn differences(old: &str, new: &str) -> Vec<String> {
    let only = |these: &str, those: &str, sign: &str| -> Vec<String> {
        let mut others: Vec<&str> = those.lines().collect();
        others.sort_unstable();
        these
            .lines()
            .enumerate()
            .filter(|(_, line)| others.binary_search(line).is_err())
            .map(|(number, line)| format!("{sign} {:5}: {}", number + 1, line.trim()))
            .collect()
    };
    let mut lines = only(old, new, "-");
    lines.extend(only(new, old, "+"));
    if lines.is_empty() {
        return vec!["the same lines in another order".to_owned()];
    }
    let more = lines.len().saturating_sub(SHOWN);
    lines.truncate(SHOWN);
    if more > 0 {
        lines.push(format!("… and {more} more lines"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_lines_of_both_sides_and_stay_short() {
        assert_eq!(differences("a\nb\nc", "a\nx\nc"), ["-     2: b", "+     2: x"]);
        assert_eq!(differences("a\nb", "b\na").len(), 1);
        let long: String = (0..100).map(|n| format!("{n}\n")).collect();
        let lines = differences("", &long);
        assert_eq!(lines.len(), SHOWN + 1);
        assert_eq!(lines[SHOWN], "… and 80 more lines");
    }
}
