//! What a release consists of: a CycloneDX document for the binary and for each program, written by cargo-cyclonedx from what
//! `Cargo.lock` pins.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::build::Tree;
use crate::programs::PROGRAMS;
use crate::render::host;
use crate::run;
use crate::tools::Tool;
use crate::workspace::{Workspace, cache_dir};

/// What writes them.
const TOOL: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9" };

/// The documents, by the names that they get in the release.
///
/// # Errors
/// The tool cannot be installed, or fails.
pub fn make(workspace: &Workspace, tree: &Tree, epoch: u64, programs_only: bool) -> Result<Vec<(String, Vec<u8>)>> {
    let tool = TOOL.ensure(workspace, &cache_dir()?)?;
    let root = &tree.workspace().root;
    let mut wanted: Vec<(String, String, String)> = Vec::new();
    for program in PROGRAMS {
        // Dependencies are chosen by the target, and no tool of cargo's knows that of Solana's programs.
        wanted.push((format!("programs/{program}"), format!("{program}.cdx"), "all".to_owned()));
    }
    if !programs_only {
        wanted.push(("cli".to_owned(), "gridlease.cdx".to_owned(), host()?));
    }
    let mut made = Vec::new();
    for (folder, name, target) in wanted {
        let mut command = workspace.cargo_tool(&tool);
        command.current_dir(root).env("SOURCE_DATE_EPOCH", epoch.to_string());
        command.args(["cyclonedx", "--format", "json", "--spec-version", "1.5", "--target", &target]);
        command.args(["--override-filename", &name, "--manifest-path"]).arg(root.join(&folder).join("Cargo.toml"));
        run::run(&mut command)?;
        let file = format!("{name}.json");
        let path = root.join(&folder).join(&file);
        let text = fs::read_to_string(&path).with_context(|| format!("there is no {}", path.display()))?;
        made.push((file, without_place(&text, root).into_bytes()));
    }
    Ok(made)
}

/// The document without the folder that it was made in: our own crates are named by it.
fn without_place(text: &str, root: &Path) -> String {
    text.replace(&root.to_string_lossy().into_owned(), "/gridlease")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_does_not_tell_where_it_was_made() {
        let text = r#"{"bom-ref": "path+file:///somewhere/tree/core#gridlease-core@0.1.0"}"#;
        let made = without_place(text, Path::new("/somewhere/tree"));
        assert_eq!(made, r#"{"bom-ref": "path+file:///gridlease/core#gridlease-core@0.1.0"}"#);
    }
}
