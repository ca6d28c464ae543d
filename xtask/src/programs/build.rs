//! `cargo build-sbf`, whichever is installed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::fingerprint;
use crate::run;
use crate::workspace::{Workspace, forget_build_variables};

/// A stand-in for Anza's tools that some machines have beside the checkout.
const STAND_IN: &str = "../shared/toolchain/install.sh";

/// The setting for cargo of what the compiler is told of programs; what is set in several places is put together.
const FLAGS: &str = "target.'cfg(target_os = \"solana\")'.rustflags";

/// What the installed compiler calls itself, on one line.
///
/// # Errors
/// There is none; the message says how to get one.
pub fn compiler(workspace: &Workspace) -> Result<String> {
    let mut command = cargo(workspace);
    command.args(["build-sbf", "--version"]);
    match run::capture(&mut command) {
        Ok(said) => {
            let lines: Vec<_> = said.lines().map(str::trim).collect();
            Ok(lines.join("; "))
        }
        Err(error) => {
            // What follows the first line is advice that does not fit.
            let error = format!("{error:#}");
            let error = error.lines().next().unwrap_or_default();
            let mut ways = vec![
                "install Anza's tools (https://docs.anza.xyz/cli/install), which bring `cargo build-sbf`".to_owned(),
            ];
            if workspace.root.join(STAND_IN).is_file() {
                ways.insert(0, format!("run {STAND_IN}"));
            }
            bail!(
                "it must be rebuilt, and there is no working `cargo build-sbf`: {}; or undo the change to its sources ({error})",
                ways.join(", or ")
            )
        }
    }
}

/// Compiles a program and returns its bytecode.
///
/// # Errors
/// It does not compile, or the compiler leaves no bytecode of that name.
pub fn build(workspace: &Workspace, program: &str) -> Result<Vec<u8>> {
    // Not straight into the committed directory: Anza's command also leaves a key pair beside the bytecode.
    let out = workspace.target.join("programs");
    let setting = anonymous_paths(workspace)?;
    super::runtime::make_anonymous(&setting)?;
    let mut command = command(workspace, program, &out);
    command.arg("--config").arg(setting);
    compile(command, &out, program)
}

/// As [`build`], with every dependency compiled anew into `target`.
///
/// # Errors
/// Those of [`build`].
pub fn build_apart(workspace: &Workspace, program: &str, target: &Path) -> Result<Vec<u8>> {
    let out = workspace.target.join("programs");
    let setting = anonymous_paths(workspace)?;
    super::runtime::make_anonymous(&setting)?;
    let mut command = command(workspace, program, &out);
    // Anza's tools take the first, the stand-in for them the second.
    command.env("CARGO_TARGET_DIR", target).env("SBF_TARGET_DIR", target);
    command.arg("--config").arg(setting);
    compile(command, &out, program)
}

/// Compiles a program with line tables, in folders of its own, and returns its bytecode. `linker` is called instead of the
/// linker that the command would call.
///
/// # Errors
/// It does not compile, or the compiler leaves no bytecode of that name.
pub fn build_traceable(
    workspace: &Workspace,
    program: &str,
    out: &Path,
    target: &Path,
    linker: &Path,
) -> Result<Vec<u8>> {
    let mut command = command(workspace, program, out);
    // The standard library stays as it is: the compiler's own run-time parts were linked with that very one.
    let ours = fingerprint::crates(&workspace.metadata, &format!("gridlease-{program}"))?;
    for package in ours.iter().map(|package| package.name.as_str()).chain(["anchor-lang", "anchor-spl"]) {
        command.arg("--config").arg(format!("profile.release.package.{package}.debug = \"line-tables-only\""));
    }
    let linker = toml::Value::from(linker.to_string_lossy().into_owned());
    command.arg("--config").arg(format!("target.sbf-solana.linker = {linker}"));
    command.env("SBF_TARGET_DIR", target);
    compile(command, out, program)
}

/// The command that compiles a program into `out`; settings for cargo may follow.
fn command(workspace: &Workspace, program: &str, out: &Path) -> Command {
    let manifest = PathBuf::from("programs").join(program).join("Cargo.toml");
    let mut command = cargo(workspace);
    command
        .arg("build-sbf")
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--sbf-out-dir")
        .arg(out)
        .args(["--", "--locked"]);
    if super::runtime::is_stand_in() {
        // Its linker is told the level of the crate, and does not know that for size. The last one counts.
        command.arg("--config").arg(format!("{FLAGS} = [\"-Clink-arg=-O3\"]"));
    }
    command
}

fn compile(mut command: Command, out: &Path, program: &str) -> Result<Vec<u8>> {
    let bytecode = out.join(format!("{program}.so"));
    match fs::remove_file(&bytecode) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the old {}", bytecode.display()));
        }
        _ => {}
    }
    run::run(&mut command)?;
    fs::read(&bytecode).with_context(|| {
        format!("`cargo build-sbf` left no {}; is the crate's library called `{program}`?", bytecode.display())
    })
}

/// A cargo setting that takes the paths of this machine out of the bytecode (they come in with the places of panics), so
/// that it says nothing about its maker, and two machines with one compiler make the same bytes.
fn anonymous_paths(workspace: &Workspace) -> Result<String> {
    let CargoHome { user: home, path: cargo } = CargoHome::find()?;
    // Of several that fit, the compiler takes the last.
    let mut maps = vec![(home, "home".to_owned()), (workspace.root.clone(), "gridlease".to_owned())];
    // One folder for each place that crates come from, named after its host.
    let sources = cargo.join("registry/src");
    if let Ok(entries) = fs::read_dir(&sources) {
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        maps.extend(folders.into_iter().map(|folder| (folder, "crates".to_owned())));
    }
    let flags: Vec<String> =
        maps.iter().map(|(from, to)| format!("--remap-path-prefix={}={to}", from.display())).collect();
    Ok(format!("{FLAGS} = {}", toml::Value::from(flags)))
}

/// Where cargo keeps what it fetched.
pub struct CargoHome {
    /// The user's home folder.
    pub user: PathBuf,
    /// Cargo's own.
    pub path: PathBuf,
}

impl CargoHome {
    /// That of this user.
    ///
    /// # Errors
    /// `HOME` is not set.
    pub fn find() -> Result<Self> {
        let user = PathBuf::from(std::env::var_os("HOME").context("HOME is not set; set it")?);
        let path = std::env::var_os("CARGO_HOME").map_or_else(|| user.join(".cargo"), PathBuf::from);
        Ok(Self { user, path })
    }
}

/// Whether the bytecode names this user's home folder: a compiler's own parts may do so whatever we ask for.
pub fn names_home(bytecode: &[u8]) -> bool {
    let home = std::env::var("HOME").unwrap_or_default();
    let mark = format!("{home}/");
    home.len() > 1 && bytecode.windows(mark.len()).any(|window| window == mark.as_bytes())
}

/// `cargo` as a user would start it: the command picks its own toolchain, flags and target directory.
fn cargo(workspace: &Workspace) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(&workspace.root).env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    forget_build_variables(&mut command);
    command
}
