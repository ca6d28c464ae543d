//! The lines of the rules, counted by the compiler's own counters in a build of their own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use super::lines::{Lines, first_test_line};
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

/// Runs the crate's tests and counts.
///
/// # Errors
/// A tool is missing, it does not build, or a test fails.
pub fn measure(workspace: &Workspace) -> Result<Lines> {
    let tools = Tools::find(workspace)?;
    let target = workspace.target.join("coverage/rules");
    let counts = target.join("counts");
    if counts.exists() {
        fs::remove_dir_all(&counts).with_context(|| format!("cannot remove {}", counts.display()))?;
    }
    let test = |more: &[&str]| {
        let mut cargo = workspace.side_cargo(&target);
        cargo.args(["test", "--locked", "--package", CRATE.0, "--lib", "--tests"]).args(more);
        cargo.env("RUSTFLAGS", "-Cinstrument-coverage").env("LLVM_PROFILE_FILE", counts.join("%p-%m.profraw"));
        cargo
    };
    let said = run::capture_loud(&mut test(&["--no-run", "--message-format=json-render-diagnostics"]))?;
    let executables = executables(&said);
    ensure!(!executables.is_empty(), "cargo built no test of {}", CRATE.0);
    run::run(&mut test(&[]))?;
    let merged = target.join("merged.profdata");
    run::run(Command::new(&tools.profdata).args(["merge", "-sparse", "-o"]).arg(&merged).arg(&counts))?;
    let mut export = Command::new(&tools.cov);
    export.args(["export", "-format=lcov", "-instr-profile"]).arg(&merged);
    for executable in &executables {
        export.arg("-object").arg(executable);
    }
    let mut lines = read(&run::capture(&mut export)?, &workspace.root);
    let mut tests = Vec::new();
    for (file, _) in lines.files() {
        let path = workspace.root.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        tests.push((file.to_owned(), first_test_line(&text).unwrap_or(u32::MAX)));
    }
    lines.retain(|file, line| tests.iter().any(|(of, first)| of == file && line < *first));
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
        let lcov = "SF:/root/core/src/bond.rs\nFN:1,x\nDA:3,7\nDA:4,0\nend_of_record\n\
                    SF:/root/core/tests/bond.rs\nDA:1,1\nend_of_record\nSF:/other/core/src/x.rs\nDA:1,1\nend_of_record\n";
        let lines = read(lcov, Path::new("/root"));
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
