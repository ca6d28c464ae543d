//! The statically linked renderer that goes into the demo's image.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::run;
use crate::workspace::Workspace;

/// Builds the renderer as one static binary for this machine and returns its path.
///
/// It has a target directory of its own: other flags in the common one would compile every dependency twice.
///
/// # Errors
/// This is not Linux, or it does not compile.
pub fn build(workspace: &Workspace) -> Result<PathBuf> {
    ensure!(
        cfg!(target_os = "linux"),
        "the renderer is put into a Linux image, and only Linux can build it here; run this in a Linux machine"
    );
    let host = host()?;
    let target = workspace.target.join("static");
    let mut cargo = workspace.side_cargo(&target);
    cargo
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .args(["build", "--locked", "--release", "--package", "gridlease-render"])
        .args(["--target", &host]);
    run::run(&mut cargo)?;
    let binary = target.join(host).join("release/render");
    ensure!(binary.is_file(), "cargo built the renderer but left no {}", binary.display());
    Ok(binary)
}

/// The name that rustc has for this kind of machine.
///
/// # Errors
/// rustc does not say.
pub fn host() -> Result<String> {
    let version = run::capture(Command::new("rustc").arg("-vV"))?;
    version.lines().find_map(|line| line.strip_prefix("host: ")).map(str::to_owned).context("`rustc -vV` names no host")
}
