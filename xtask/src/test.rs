//! `test`: every check and every test, in the order that finds trouble soonest.

use std::path::Path;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::run::{Steps, run as start};
use crate::workspace::Workspace;
use crate::{
    accounts, demo, deny, deps, diagrams, errors, examples, figures, idl, programs, reference, render, setup, tidy,
};

/// What to leave out.
#[derive(Args)]
pub struct Options {
    /// Only run tests whose name contains this (all checks still run)
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Leave out clippy, which compiles everything once more
    #[arg(long)]
    no_lint: bool,
}

/// Runs everything; prints the timing table at the end, also after a failure. Always `true` where nothing failed.
///
/// # Errors
/// The first step that fails, by name.
pub fn run(options: &Options) -> Result<bool> {
    let mut steps = Steps::default();
    let result = all(options, &mut steps);
    eprintln!("\n{}", steps.table());
    result.map(|()| true)
}

fn all(options: &Options, steps: &mut Steps) -> Result<()> {
    let workspace = Workspace::load()?;
    let foreign = steps.take("setup", || setup::for_tests(&workspace))?;
    let programs = steps.take("build-programs", || programs::ensure(&workspace))?;

    // These take seconds, so all of them have their say before one of them ends the run.
    let quick = [
        steps.take("format", || start(workspace.cargo().args(["fmt", "--all", "--check"]))),
        steps.take("deps", || clean(deps::run(&workspace)?)),
        steps.take("tidy", || clean(tidy::run(&workspace.root)?)),
        steps.take("diagrams", || clean(diagrams::check(&workspace)?)),
        steps.take("accounts", || clean(accounts::check(&workspace)?)),
        steps.take("figures", || clean(figures::check(&workspace)?)),
        steps.take("errors", || clean(errors::run(&workspace.root, true)?)),
        steps.take("reference", || clean(reference::run(&workspace, true)?)),
    ];
    let failed: Vec<_> = quick.into_iter().filter_map(Result::err).collect();
    if !failed.is_empty() {
        let said: Vec<_> = failed.iter().map(|error| format!("{error:#}")).collect();
        bail!("{}", said.join("; "));
    }

    steps.take("deny", || clean(deny::run(&workspace)?))?;

    if !options.no_lint {
        let clippy =
            |of: &[&str]| start(workspace.cargo().args(["clippy", "--locked"]).args(of).args(["--", "-D", "warnings"]));
        steps.take("clippy", || clippy(&["--workspace", "--all-targets"]))?;
        // A workspace of its own, which nothing else compiles.
        steps.take("fuzz targets", || clippy(&["--manifest-path", "fuzz/Cargo.toml"]))?;
    }
    steps.take("build", || demo::build_binaries(&workspace))?;
    let renderer = steps.take("static renderer", || render::build(&workspace))?;
    steps.take("examples", || examples::ensure(&workspace))?;
    steps.take("tests", || tests(&workspace, options, [&programs, &renderer, &foreign]))?;
    steps.take("idl", || clean(idl::check(&workspace)?))
}

fn tests(workspace: &Workspace, options: &Options, [programs, renderer, foreign]: [&Path; 3]) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["test", "--locked", "--workspace"])
        .env(gridlease_testkit::REQUIRE_VAR, "1")
        .env("GRIDLEASE_PROGRAMS_DIR", programs)
        .env("GRIDLEASE_BIN", workspace.target.join("debug/gridlease"))
        .env("GRIDLEASE_RENDER_BIN", renderer)
        .env("GRIDLEASE_FOREIGN_DIR", foreign);
    if let Some(filter) = &options.filter {
        cargo.args(["--", filter]);
    }
    start(&mut cargo)
}

fn clean(check: bool) -> Result<()> {
    ensure!(check, "it found something; see above");
    Ok(())
}
