//! The run-time parts of the compiler that stands in for Anza's tools. They are compiled once, when it is installed, and then
//! linked into every program as they are: a path of the machine in them is in every program, whatever is asked of the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::PROGRAMS;
use super::build::{CargoHome, names_home};
use crate::run;
use crate::workspace::forget_build_variables;

/// Compiles the run-time parts anew where they name this user's home folder. `setting` is the setting for cargo that takes
/// the paths out. Nothing is done for a compiler that has no such parts.
///
/// # Errors
/// They cannot be read, or do not compile.
pub fn make_anonymous(setting: &str) -> Result<()> {
    let Some(home) = stand_in() else { return Ok(()) };
    if !any_names_home(&home.join("runtime"))? {
        return Ok(());
    }
    eprintln!("the compiler's own run-time parts name this machine's home folder; compiling them without");
    let mut command = Command::new(home.join("cargo-build-sbf"));
    command.current_dir(home.join("sbfrt")).env("SBF_RUNTIME", "1").env_remove("SBF_TARGET_DIR");
    command.args(["--manifest-path", "Cargo.toml", "--", "--config", setting]);
    forget_build_variables(&mut command);
    // First, so that whoever ends this half way finds nothing that was linked with the old parts.
    forget_linked(&home)?;
    run::run(&mut command)
}

/// Lets cargo link anew what it linked with the old parts: it does not see that they are others.
fn forget_linked(home: &Path) -> Result<()> {
    let target = std::env::var_os("SBF_TARGET_DIR").map_or_else(|| home.join("target"), PathBuf::from);
    // Nothing was built yet where there is no such folder.
    let Ok(built) = fs::read_dir(target.join("sbf-solana/release/.fingerprint")) else { return Ok(()) };
    for entry in built.flatten() {
        if PROGRAMS.iter().any(|program| entry.file_name().to_string_lossy().contains(program)) {
            let path = entry.path();
            fs::remove_dir_all(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

/// Is `cargo build-sbf` the stand-in?
pub fn is_stand_in() -> bool {
    stand_in().is_some()
}

/// The folder of the stand-in, if that is what `cargo build-sbf` is.
fn stand_in() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = CargoHome::find().ok()?.path.join("bin");
    let mut places = std::env::split_paths(&path).chain([cargo]).map(|folder| folder.join("cargo-build-sbf"));
    let home = fs::canonicalize(places.find(|place| place.is_file())?).ok()?.parent()?.to_owned();
    (home.join("sbfrt/Cargo.toml").is_file() && home.join("runtime").is_dir()).then_some(home)
}

fn any_names_home(folder: &Path) -> Result<bool> {
    let reading = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let bytes = fs::read(entry.with_context(reading)?.path()).with_context(reading)?;
        if names_home(&bytes) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_that_names_the_home_folder_is_found_among_others() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("one.rlib"), b"\0crates/a/src/lib.rs\0").unwrap();
        assert!(!any_names_home(folder.path()).unwrap());
        let home = std::env::var("HOME").unwrap();
        fs::write(folder.path().join("other.rlib"), format!("\0{home}/a/src/lib.rs\0")).unwrap();
        assert!(any_names_home(folder.path()).unwrap());
        assert!(any_names_home(&folder.path().join("absent")).is_err());
    }
}
