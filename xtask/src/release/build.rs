//! A commit in a folder of its own, and what is built there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::emptied;
use crate::programs::{PROGRAMS, build};
use crate::run;
use crate::workspace::Workspace;

/// The binary.
const BINARY: &str = "gridlease";
/// Its crate.
const PACKAGE: &str = "gridlease-cli";
/// Where the container has the tree.
const MOUNT: &str = "/build";

/// A commit's files.
pub struct Tree {
    workspace: Workspace,
    /// Unix seconds of the commit, for whatever writes a time.
    epoch: u64,
}

impl Tree {
    /// The files of `commit` in `root`, which is emptied.
    ///
    /// # Errors
    /// git or tar fails.
    pub fn extract(workspace: &Workspace, commit: &str, root: &Path, epoch: u64) -> Result<Self> {
        let root = emptied(root)?;
        let archive = root.join("commit.tar");
        let mut git = Command::new("git");
        git.current_dir(&workspace.root).args(["archive", "--format=tar", "--output"]).arg(&archive).arg(commit);
        run::run(&mut git)?;
        run::run(Command::new("tar").current_dir(&root).arg("-xf").arg(&archive))?;
        fs::remove_file(&archive).with_context(|| format!("cannot remove {}", archive.display()))?;
        let target = root.join("target");
        Ok(Self { workspace: Workspace::at(&root, &target)?, epoch })
    }

    /// The workspace in it.
    pub fn workspace(&self) -> &Workspace {
        &self.workspace
    }

    /// What compiles the programs, in its own words.
    ///
    /// # Errors
    /// There is nothing.
    pub fn compiler(&self, container: Option<&str>) -> Result<String> {
        match container {
            None => build::compiler(&self.workspace),
            Some(image) => {
                let said = run::capture(docker(&self.workspace.root, image).args(["cargo", "build-sbf", "--version"]))?;
                Ok(said.lines().map(str::trim).collect::<Vec<_>>().join("; "))
            }
        }
    }

    /// Builds the programs, dependencies included.
    ///
    /// # Errors
    /// One does not compile.
    pub fn programs(&self, container: Option<&str>) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut made = BTreeMap::new();
        for program in PROGRAMS {
            let so = match container {
                None => build::build_apart(&self.workspace, program, &self.workspace.target.join("sbf"))?,
                Some(image) => self.in_container(image, program)?,
            };
            made.insert(format!("{program}.so"), so);
        }
        Ok(made)
    }

    fn in_container(&self, image: &str, program: &str) -> Result<Vec<u8>> {
        run::run(docker(&self.workspace.root, image).args(in_container(program)))?;
        let path = self.workspace.root.join("target/deploy").join(format!("{program}.so"));
        fs::read(&path).with_context(|| format!("the container left no {}", path.display()))
    }

    /// Builds the binary, dependencies included.
    ///
    /// # Errors
    /// It does not compile.
    pub fn binary(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let maps = maps(&self.workspace.root)?;
        let mut cargo = self.workspace.side_cargo(&self.workspace.target);
        cargo.args(["build", "--locked", "--release", "--package", PACKAGE, "--bin", BINARY]);
        cargo.env("RUSTFLAGS", join(&maps, "--remap-path-prefix"));
        for flags in ["CFLAGS", "CXXFLAGS"] {
            cargo.env(flags, join(&maps, "-ffile-prefix-map"));
        }
        cargo.env("SOURCE_DATE_EPOCH", self.epoch.to_string()).env("CARGO_INCREMENTAL", "0");
        cargo.envs([("LC_ALL", "C"), ("TZ", "UTC")]);
        run::run(&mut cargo)?;
        let path = self.workspace.target.join("release").join(BINARY);
        let bytes = fs::read(&path).with_context(|| format!("cargo left no {}", path.display()))?;
        Ok(BTreeMap::from([(BINARY.to_owned(), bytes)]))
    }
}

/// `docker run` with the tree mounted; what is to be run follows.
fn docker(root: &Path, image: &str) -> Command {
    let mut docker = Command::new("docker");
    docker.args(["run", "--rm", "--volume"]).arg(format!("{}:{MOUNT}", root.display()));
    docker.args(["--workdir", MOUNT, image]);
    docker
}

/// What is run there for a program, as solana-verify does it.
fn in_container(program: &str) -> Vec<String> {
    let manifest = format!("programs/{program}/Cargo.toml");
    let words =
        ["cargo", "build-sbf", "--manifest-path", &manifest, "--sbf-out-dir", "target/deploy", "--", "--locked"];
    words.map(str::to_owned).to_vec()
}

/// The paths of this machine, and what stands for them in an artefact. Of several that fit, compilers take the last.
fn maps(root: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
    let home = build::CargoHome::find()?;
    let mut maps = vec![(home.user, "/home"), (root.to_owned(), "/gridlease")];
    if let Ok(entries) = fs::read_dir(home.path.join("registry/src")) {
        let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        folders.sort();
        maps.extend(folders.into_iter().map(|folder| (folder, "/crates")));
    }
    Ok(maps)
}

fn join(maps: &[(PathBuf, &str)], flag: &str) -> String {
    let flags: Vec<String> = maps.iter().map(|(from, to)| format!("{flag}={}={to}", from.display())).collect();
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_gets_the_tree_and_the_command_that_solana_verify_runs() {
        let mut command = docker(Path::new("/somewhere/one"), "an/image:3");
        command.args(in_container("market"));
        assert_eq!(
            run::describe(&command),
            "docker run --rm --volume /somewhere/one:/build --workdir /build an/image:3 cargo build-sbf --manifest-path \
             programs/market/Cargo.toml --sbf-out-dir target/deploy -- --locked"
        );
    }

    #[test]
    fn a_path_of_the_tree_is_mapped_by_the_tree_even_below_the_home_folder() {
        let home = build::CargoHome::find().unwrap().user;
        let maps = maps(&home.join("tree")).unwrap();
        assert_eq!(maps[0], (home.clone(), "/home"));
        assert_eq!(maps[1], (home.join("tree"), "/gridlease"));
        assert!(join(&maps, "--remap-path-prefix").contains("tree=/gridlease"));
    }
}
