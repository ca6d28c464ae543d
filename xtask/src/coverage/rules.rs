//! The lines of the rules, counted by the compiler's own counters in a build of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::lines::Lines;
use super::tools::Tools;
use crate::run;
use crate::workspace::Workspace;

/// The crate, and the folder of its sources.
const CRATE: (&str, &str) = ("gridlease-core", "core/src/");

/// What this needs of what cargo says about a thing that it built.
#[derive(Deserialize)]
struct Built {
    executable: Option<PathBuf>,
}

/// The folder of the build.
fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("coverage/rules")
}

/// `cargo test` of the crate, with counters.
fn test(workspace: &Workspace) -> Command {
    let target = target(workspace);
    let mut cargo = workspace.side_cargo(&target);
    cargo.args(["test", "--locked", "--package", CRATE.0, "--lib", "--tests"]);
    cargo.env("RUSTFLAGS", "-Cinstrument-coverage").env("LLVM_PROFILE_FILE", target.join("counts/%p-%m.profraw"));
    cargo
}

/// Runs the crate's tests, which write down what they ran.
///
/// # Errors
/// A tool is missing, it does not build, or a test fails.
pub fn run_tests(workspace: &Workspace) -> Result<()> {
    let (tools, target) = (Tools::find(workspace)?, target(workspace));
    let counts = target.join("counts");
    if counts.exists() {
        fs::remove_dir_all(&counts).with_context(|| format!("cannot remove {}", counts.display()))?;
    }
    run::run(&mut test(workspace))?;
    let mut merge = Command::new(&tools.profdata);
    merge.args(["merge", "-sparse", "-o"]).arg(target.join("merged.profdata")).arg(&counts);
    run::run(&mut merge)
}

/// The lines of the crate's sources.
///
/// # Errors
/// The tests were not run, or a source cannot be read.
pub fn lines(workspace: &Workspace) -> Result<Lines> {
    let tools = Tools::find(workspace)?;
    let mut only_build = test(workspace);
    only_build.args(["--no-run", "--message-format=json-render-diagnostics"]);
    let executables = executables(&run::capture_loud(&mut only_build)?);
    ensure!(!executables.is_empty(), "cargo built no test of {}", CRATE.0);
    let mut export = Command::new(&tools.cov);
    export.args(["export", "-format=lcov", "-instr-profile"]).arg(target(workspace).join("merged.profdata"));
    for executable in &executables {
        export.arg("-object").arg(executable);
    }
    let mut lines = read(&run::capture(&mut export)?, &workspace.root);
    lines.without_tests(&workspace.root)?;
    Ok(lines)
}

/// The executables among what cargo says that it built.
fn executables(said: &str) -> Vec<PathBuf> {
    said.lines().filter_map(|line| serde_json::from_str::<Built>(line).ok()?.executable).collect()
}

/// Reads LCOV: `SF:` names a file, `DA:` a line and how often it was run.
fn read(lcov: &str, root: &Path) -> Lines {
    let mut lines = Lines::default();
    let mut file = None;
    for record in lcov.lines() {
        if let Some(path) = record.strip_prefix("SF:") {
            let inside = Path::new(path).strip_prefix(root).unwrap_or(Path::new(path));
            file = inside.to_str().filter(|path| path.starts_with(CRATE.1));
        } else if let (Some(file), Some(counted)) = (file, record.strip_prefix("DA:")) {
            let mut numbers = counted.split(',').map(|number| number.parse::<u64>().ok());
            if let (Some(Some(line)), Some(Some(count))) = (numbers.next(), numbers.next()) {
                lines.note(file, u32::try_from(line).unwrap_or_default(), count > 0);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::lines::Count;

    #[test]
    fn the_rules_lines_are_read_out_of_lcov_and_others_left_out() {
        let lcov = "SF:/here/core/src/bond.rs\nFN:1,x\nDA:3,7\nDA:4,0\nend_of_record\n\
                    SF:/here/core/tests/bond.rs\nDA:1,1\nend_of_record\nSF:/other/core/src/x.rs\nDA:1,1\nend_of_record\n";
        let lines = read(lcov, Path::new("/here"));
        assert_eq!(lines.files().collect::<Vec<_>>(), [("core/src/bond.rs", Count { lines: 2, run: 1 })]);
        assert_eq!(lines.missed("core/src/bond.rs"), [4..=4]);
    }

    #[test]
    fn executables_are_found_among_everything_that_cargo_says() {
        let said = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                    {\"reason\":\"compiler-artifact\",\"executable\":\"/t/deps/a-1\"}\n{\"reason\":\"build-finished\"}\nnoise\n";
        assert_eq!(executables(said), [PathBuf::from("/t/deps/a-1")]);
    }
}
