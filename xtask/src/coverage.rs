//! `coverage`: which lines of the rules and of the built programs the tests run, and docs/COVERAGE.md, which says so.
//!
//! The rules are compiled with the compiler's own counters. A program cannot be: what is deployed has no place for them. So
//! its tests run in a VM that notes every instruction of the bytecode that it executes, and the debug information of a build
//! of the same sources tells from which lines each came.

mod align;
mod bytecode;
mod lines;
mod object;
mod profile;
mod programs;
mod report;
mod rules;
mod tools;
mod traced;

use std::fs;

use anyhow::{Context, Result};
use clap::Args;

use crate::run::Steps;
use crate::workspace::Workspace;
use lines::Lines;

/// Where the figures are written.
const DOCUMENT: &str = "docs/COVERAGE.md";

/// What to measure and to print.
#[derive(Args)]
pub struct Options {
    /// Print one JSON object: file → lines, lines run, and the numbers of those that were not
    #[arg(long)]
    json: bool,
    /// Only the rules, which takes two minutes; the document is left as it is
    #[arg(long, conflicts_with = "profile")]
    rules: bool,
    /// Print the lines that were not run in files whose path contains this
    #[arg(long, value_name = "PATH")]
    uncovered: Option<String>,
    /// Instead: where this instruction of the programs spends its instructions, over all tests whose name contains --tests
    #[arg(long, value_name = "INSTRUCTION")]
    profile: Option<String>,
    /// Only run tests of the programs whose name contains this; the document is left as it is
    #[arg(long, value_name = "TEXT")]
    tests: Option<String>,
}

/// Measures and tells.
///
/// # Errors
/// A tool is missing, something does not build, a test fails, or a file cannot be read or written.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    let told = measure(workspace, options, &mut steps);
    eprintln!("\n{}", steps.table());
    told
}

fn measure(workspace: &Workspace, options: &Options, steps: &mut Steps) -> Result<()> {
    let filter = options.tests.as_deref();
    if let Some(instruction) = &options.profile {
        let built = steps.take("programs with debug information", || programs::build(workspace))?;
        let traced = steps.take("tests", || programs::run_tests(workspace, &built, filter))?;
        return steps.take("profile", || profile::print(workspace, &built, &traced, instruction));
    }
    let mut lines = steps.take("rules", || rules::measure(workspace))?;
    if !options.rules {
        let built = steps.take("programs with debug information", || programs::build(workspace))?;
        let traced = steps.take("tests of the programs", || programs::run_tests(workspace, &built, filter))?;
        lines.extend(steps.take("lines", || programs::lines(workspace, &built, &traced))?);
    }
    if !options.rules && filter.is_none() {
        let path = workspace.root.join(DOCUMENT);
        let text = report::document(&lines);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{DOCUMENT}: written");
    }
    print(workspace, options, &lines)
}

fn print(workspace: &Workspace, options: &Options, lines: &Lines) -> Result<()> {
    if options.json {
        let value = report::json(lines);
        println!("{}", serde_json::to_string_pretty(&value).context("cannot write it as JSON")?);
    } else if let Some(part) = &options.uncovered {
        print!("{}", report::uncovered(lines, &workspace.root, part)?);
    } else {
        print!("{}", report::summary(lines));
    }
    Ok(())
}
