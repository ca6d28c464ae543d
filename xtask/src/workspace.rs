//! Where the project, its target directory and its crates are.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// Environment variables that change how dependencies are compiled. Side builds with a target directory of their own
/// leave them out, so that they are the same whoever starts them.
const BUILD_VARIABLES: [&str; 7] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_RESOLVER_FEATURE_UNIFICATION",
    "CARGO_UNSTABLE_FEATURE_UNIFICATION",
    "__CARGO_TEST_CHANNEL_OVERRIDE_DO_NOT_USE_THIS",
    "CARGO_TARGET_DIR",
];

/// The project as cargo sees it.
#[derive(Debug)]
pub struct Workspace {
    /// The directory of the root manifest.
    pub root: PathBuf,
    /// The target directory, whatever decides it.
    pub target: PathBuf,
    /// The members and their direct dependencies.
    pub metadata: Metadata,
}

impl Workspace {
    /// Asks cargo about the project. Needs no network.
    ///
    /// # Errors
    /// The project is not found, or a manifest is not valid.
    pub fn load() -> Result<Self> {
        let root = find_root()?;
        let metadata = MetadataCommand::new()
            .current_dir(&root)
            .no_deps()
            .exec()
            .context("cargo cannot read the workspace's manifests")?;
        Ok(Self { target: metadata.target_directory.clone().into_std_path_buf(), root, metadata })
    }

    /// The project in another folder, to be built into `target`.
    ///
    /// # Errors
    /// A manifest there is not valid.
    pub fn at(root: &Path, target: &Path) -> Result<Self> {
        let metadata = MetadataCommand::new().current_dir(root).no_deps().exec();
        let metadata = metadata.with_context(|| format!("cargo cannot read the manifests in {}", root.display()))?;
        Ok(Self { target: target.to_owned(), root: root.to_owned(), metadata })
    }

    /// `cargo`, started in the root directory, as if it were typed there: `cargo xtask` tells this process which package it is,
    /// and build scripts of dependencies look at that (`ring`'s does), so that all that stands on them was compiled anew with
    /// each change between `cargo test` and `cargo xtask test`, and with each other checkout.
    pub fn cargo(&self) -> Command {
        self.cargo_tool(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// A program that calls cargo, started as [`Workspace::cargo`] is.
    pub fn cargo_tool(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")) {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo` for a side build: own target directory, no flags from outside.
    pub fn side_cargo(&self, target: &Path) -> Command {
        let mut command = self.cargo();
        forget_build_variables(&mut command);
        command.env("CARGO_TARGET_DIR", target);
        command
    }
}

/// Takes the variables out of a command's environment that change how dependencies are compiled.
pub fn forget_build_variables(command: &mut Command) {
    for variable in BUILD_VARIABLES {
        command.env_remove(variable);
    }
}

/// The root directory: above the crate that cargo runs, else the nearest workspace at or above the current directory.
fn find_root() -> Result<PathBuf> {
    if let Some(own) = std::env::var_os("CARGO_MANIFEST_DIR")
        && let Some(root) = Path::new(&own).parent().filter(|root| is_root(root))
    {
        return Ok(root.to_owned());
    }
    let here = std::env::current_dir().context("the current directory is gone")?;
    match here.ancestors().find(|directory| is_root(directory)) {
        Some(root) => Ok(root.to_owned()),
        None => bail!("{} is not inside the project; run `cargo xtask` there", here.display()),
    }
}

fn is_root(directory: &Path) -> bool {
    directory.join("Cargo.lock").is_file() && directory.join("xtask/Cargo.toml").is_file()
}

/// Where downloads, logs and the like are kept between runs.
///
/// # Errors
/// There is neither `XDG_CACHE_HOME` nor `HOME`.
pub fn cache_dir() -> Result<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("gridlease"))
        .context("neither HOME nor XDG_CACHE_HOME is set; set HOME")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_is_called_as_if_it_were_typed_so_that_no_dependency_is_compiled_anew() {
        let command = Workspace::load().unwrap().cargo();
        let told: Vec<_> = command.get_envs().filter(|(_, value)| value.is_none()).map(|(name, _)| name).collect();
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                assert!(told.contains(&name.as_os_str()), "{text} is handed on");
            }
        }
        assert!(told.iter().any(|name| *name == "CARGO_MANIFEST_DIR"), "a test has it");
    }

    /// A newcomer's first command spent 21 of 24 minutes optimising what nobody ever waits for.
    #[test]
    fn issue9_23_dependencies_are_compiled_unoptimised_but_for_the_few_that_something_waits_for() {
        let root = Workspace::load().unwrap().root;
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap().parse::<toml::Table>().unwrap();
        let (manifest, lock) = (read("Cargo.toml"), read("Cargo.lock"));
        let profiles = manifest["profile"]["dev"]["package"].as_table().unwrap();
        assert_eq!(profiles["*"]["opt-level"].as_integer(), Some(0));
        let locked = lock["package"].as_array().unwrap();
        for name in profiles.keys().filter(|name| *name != "*") {
            let known = locked.iter().any(|package| package["name"].as_str() == Some(name));
            assert!(known, "{name} is no dependency any more; take it off the list in Cargo.toml");
        }
        for hot in ["solana-sbpf", "litesvm", "curve25519-dalek", "sha2"] {
            assert!(profiles.contains_key(hot), "{hot} is waited for by every test");
        }
        assert!(profiles.len() <= 20, "each of them costs every newcomer its time; measure before adding one");
    }
}
