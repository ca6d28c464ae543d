//! The tools that read what the compiler's counters leave, of the very LLVM that the compiler is built on.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;
use crate::setup;
use crate::workspace::Workspace;

/// Where they are.
#[derive(Debug)]
pub struct Tools {
    /// Merges counts.
    pub profdata: PathBuf,
    /// Tells which lines they are of.
    pub cov: PathBuf,
}

impl Tools {
    /// Looks for them: those of the toolchain (its component `llvm-tools`), else those of the system, else installs the
    /// system's.
    ///
    /// # Errors
    /// There are none and they cannot be installed here; the message says what to do.
    pub fn find(workspace: &Workspace) -> Result<Self> {
        let mut rustc = Command::new("rustc");
        rustc.current_dir(&workspace.root).arg("-vV");
        let said = run::capture(&mut rustc)?;
        let field = |name: &str| {
            said.lines()
                .find_map(|line| line.strip_prefix(name))
                .with_context(|| format!("`rustc -vV` tells no {name}"))
        };
        let major = field("LLVM version: ")?.split('.').next().unwrap_or_default().to_owned();
        let mut sysroot = Command::new("rustc");
        sysroot.current_dir(&workspace.root).args(["--print", "sysroot"]);
        let folder =
            PathBuf::from(run::capture(&mut sysroot)?.trim()).join("lib/rustlib").join(field("host: ")?).join("bin");
        let tool = |name: &str| {
            let own = folder.join(name);
            if own.is_file() {
                return Ok(own);
            }
            let (program, package) = (format!("{name}-{major}"), format!("llvm-{major}"));
            setup::program(&program, &package, "run `rustup component add llvm-tools`")
        };
        Ok(Self { profdata: tool("llvm-profdata")?, cov: tool("llvm-cov")? })
    }
}
