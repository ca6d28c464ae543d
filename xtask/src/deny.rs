//! `deny`: under which licences dependencies come, and from where. `deny.toml` says what is allowed and why; `cargo-deny`
//! compares.
//!
//! Known faults (`cargo deny check advisories`) are left out: their database is cloned from GitHub.

use anyhow::{Context, Result};

use crate::run;
use crate::tools::Tool;
use crate::workspace::{Workspace, cache_dir};

/// What compares.
const TOOL: Tool = Tool { name: "cargo-deny", version: "0.20.2" };
/// What is compared.
const CHECKS: [&str; 3] = ["licenses", "bans", "sources"];
/// The workspaces, each with what a licence of the list that nothing has is there: the project's own must use all of the list.
/// Exceptions are for the fuzz targets.
const WORKSPACES: [(&str, &str); 2] = [("Cargo.toml", "--deny"), ("fuzz/Cargo.toml", "--allow")];

/// Checks the dependencies of every workspace; the findings are on standard error. `true` if there are none.
///
/// # Errors
/// `cargo-deny` cannot be installed or started.
pub fn run(workspace: &Workspace) -> Result<bool> {
    let program = TOOL.ensure(workspace, &cache_dir()?)?;
    let mut clean = true;
    for (manifest, unused) in WORKSPACES {
        let mut deny = workspace.cargo_tool(&program);
        deny.args(["--locked", "--config", "deny.toml", "--manifest-path", manifest, "check"]);
        deny.args(["--deny", "no-license-field", "--allow", "license-exception-not-encountered"]);
        deny.args([unused, "license-not-encountered"]).args(CHECKS);
        eprintln!("+ {}", run::describe(&deny));
        let status = deny.status().context("cannot start cargo-deny")?;
        clean &= status.success();
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_installed_is_the_one_that_the_rules_are_written_for() {
        let root = Workspace::load().unwrap().root;
        let rules = std::fs::read_to_string(root.join("deny.toml")).unwrap();
        let (line, _) = TOOL.version.rsplit_once('.').unwrap();
        assert!(rules.contains(&format!("`cargo deny` ({line})")), "deny.toml is for another version than {TOOL:?}");
    }

    #[test]
    fn every_workspace_of_the_project_is_checked() {
        let root = Workspace::load().unwrap().root;
        let kept =
            |entry: &walkdir::DirEntry| !["target", ".git", "dist"].iter().any(|name| entry.file_name() == *name);
        let mut found: Vec<String> = walkdir::WalkDir::new(&root)
            .into_iter()
            .filter_entry(kept)
            .filter_map(Result::ok)
            .filter(|entry| entry.file_name() == "Cargo.lock")
            .filter_map(|entry| Some(entry.path().parent()?.strip_prefix(&root).ok()?.join("Cargo.toml")))
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        found.sort();
        assert_eq!(found, WORKSPACES.map(|(manifest, _)| manifest.to_owned()));
    }
}
