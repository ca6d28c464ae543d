//! `demo`: builds what is needed, then becomes the demo.

use std::ffi::OsString;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{programs, render, run, setup};

/// Sets up, builds, and runs the demo with these arguments. Standard output is left to the demo alone.
///
/// # Errors
/// A step before the demo fails, or the demo cannot be started. Its own exit code is passed on.
pub fn run(arguments: &[OsString]) -> Result<()> {
    setup::run()?;
    let workspace = Workspace::load()?;
    let programs = programs::ensure(&workspace)?;
    build_binaries(&workspace)?;
    let renderer = render::build(&workspace)?;
    let mut demo = Command::new(workspace.target.join("debug/gridlease-demo"));
    // A `--` that only kept our own options apart is not the demo's.
    let arguments = match arguments {
        [first, rest @ ..] if first == "--" => rest,
        all => all,
    };
    demo.args(arguments)
        .env("GRIDLEASE_PROGRAMS_DIR", programs)
        .env("GRIDLEASE_BIN", workspace.target.join("debug/gridlease"))
        .env("GRIDLEASE_RENDER_BIN", renderer)
        .current_dir(&workspace.root);
    become_program(&mut demo)
}

/// Builds every binary of the workspace: always all of them, so that dependencies keep one set of features.
///
/// # Errors
/// It does not compile.
pub fn build_binaries(workspace: &Workspace) -> Result<()> {
    run::run(workspace.cargo().args(["build", "--locked", "--workspace", "--bins"]))
}

/// Replaces this process, so that Ctrl-C and other signals reach the program itself.
#[cfg(unix)]
fn become_program(program: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    let line = run::describe(program);
    // Returns only if it failed.
    Err(program.exec()).with_context(|| format!("cannot start `{line}`"))
}

/// Runs the program and ends with its exit code.
#[cfg(not(unix))]
fn become_program(program: &mut Command) -> Result<()> {
    let line = run::describe(program);
    let status = program.status().with_context(|| format!("cannot start `{line}`"))?;
    std::process::exit(status.code().unwrap_or(1))
}
