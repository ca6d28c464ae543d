//! Programs of others that are written in Rust: installed once, into the cache, from the registry that the project's other
//! crates come from.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::run;
use crate::workspace::Workspace;

/// They run for seconds a day, so they are not built to run fast: with fat LTO, as some are by themselves, the building takes
/// three times as long.
const PROFILE: [(&str, &str); 4] = [
    ("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"),
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "0"),
];

/// A program: the crate's name, which is also its own, and its version. Another version may say something else, so it is named
/// exactly.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Name of crate and program.
    pub name: &'static str,
    /// Version of the crate.
    pub version: &'static str,
}

impl Tool {
    /// The program's path. Installs it where it is not there yet.
    ///
    /// # Errors
    /// It does not compile, or cargo reaches no registry.
    pub fn ensure(self, workspace: &Workspace, cache: &Path) -> Result<PathBuf> {
        let Self { name, version } = self;
        let tools = cache.join("tools");
        let folder = tools.join(format!("{name}-{version}"));
        let program = folder.join("bin").join(name);
        if program.is_file() {
            return Ok(program);
        }
        eprintln!("{name} {version} is installed once, into {}; that takes a few minutes", folder.display());
        let target = tools.join(format!("{name}.build"));
        let mut install = workspace.side_cargo(&target);
        install.args(["install", "--locked", "--root"]).arg(&folder).arg(format!("{name}@{version}"));
        install.envs(PROFILE);
        run::run(&mut install).with_context(|| {
            format!(
                "{name} {version} cannot be installed; cargo must reach a registry, or have the crates in its cache"
            )
        })?;
        // Hundreds of megabytes that nothing needs any more; what cannot be removed does no harm.
        let _ = fs::remove_dir_all(&target);
        Ok(program)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_there_is_not_installed_again() {
        let cache = tempfile::tempdir().unwrap();
        let program = cache.path().join("tools/cargo-any-1.2.3/bin/cargo-any");
        fs::create_dir_all(program.parent().unwrap()).unwrap();
        fs::write(&program, "").unwrap();
        let tool = Tool { name: "cargo-any", version: "1.2.3" };
        assert_eq!(tool.ensure(&Workspace::load().unwrap(), cache.path()).unwrap(), program);
        assert!(!cache.path().join("tools/cargo-any.build").exists());
    }
}
