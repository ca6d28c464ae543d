//! The lines of the programs: built with debug information, run by the tests, told by what they executed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::align::align;
use super::bytecode::{Instruction, code};
use super::lines::Lines;
use super::object::Object;
use super::traced::Traced;
use crate::programs::{PROGRAMS, build};
use crate::run;
use crate::workspace::Workspace;

/// Stands between the compiler and its linker.
const LINKER: &str = include_str!("linker.sh");

/// The test targets that run the built programs and are counted.
const TESTS: [&str; 2] = ["svm", "matrix"];

/// A program that was built with debug information.
pub struct Built {
    /// Its name.
    pub name: &'static str,
    /// The instructions of its bytecode.
    pub made: Vec<Instruction>,
    /// For each, its address in the object file; `None` where the linker put it in.
    pub origins: Vec<Option<u64>>,
    /// The object file.
    pub object: Object,
}

/// Where the programs with debug information are.
fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("coverage/programs")
}

/// Where the compiler keeps what it makes on the way, the object files among it.
fn target(workspace: &Workspace) -> PathBuf {
    workspace.target.join("coverage/sbf")
}

/// Where the tests write what they ran: all of them, or some.
fn counts(workspace: &Workspace, filter: Option<&str>) -> PathBuf {
    workspace.target.join(if filter.is_none() { "coverage/counts" } else { "coverage/counts-of-some" })
}

/// Builds both programs.
///
/// # Errors
/// There is no compiler, or it fails.
pub fn build(workspace: &Workspace) -> Result<()> {
    let folder = folder(workspace);
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let linker = folder.join("linker.sh");
    fs::write(&linker, LINKER).with_context(|| format!("cannot write {}", linker.display()))?;
    fs::set_permissions(&linker, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("cannot make {} executable", linker.display()))?;
    let mut record = serde_json::Map::new();
    for name in PROGRAMS {
        let so = build::build_traceable(workspace, name, &folder, &target(workspace), &linker)?;
        record.insert(name.to_owned(), json!({ "so_sha256": hex::encode(Sha256::digest(&so)) }));
    }
    let path = folder.join("record.json");
    fs::write(&path, serde_json::Value::Object(record).to_string())
        .with_context(|| format!("cannot write {}", path.display()))
}

/// What was built.
///
/// # Errors
/// It is not there, or was built by a compiler that leaves no debug information.
pub fn read(workspace: &Workspace) -> Result<Vec<Built>> {
    let objects = target(workspace).join("sbf-solana/release/deps");
    let mut all = Vec::new();
    for name in PROGRAMS {
        let path = folder(workspace).join(format!("{name}.so"));
        let so = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let path = objects.join(format!("lib{name}.so.o"));
        let object = fs::read(&path).with_context(|| {
            let why = "only `cargo build-sbf` with sbpf-linker leaves debug information that can be used";
            format!("cannot read {}; {why}", path.display())
        })?;
        all.push(told(name, &so, &object).with_context(|| format!("program {name}"))?);
    }
    Ok(all)
}

/// Brings bytecode and object file together.
fn told(name: &'static str, so: &[u8], object: &[u8]) -> Result<Built> {
    let object = Object::read(object)?;
    let made = Instruction::listing(code(so)?)?;
    let before = Instruction::listing(&object.code)?;
    let places: BTreeMap<u64, usize> =
        before.iter().enumerate().map(|(place, instruction)| (address(instruction), place)).collect();
    let starts: Vec<usize> = object.functions.iter().filter_map(|start| places.get(start).copied()).collect();
    let origins = align(&made, &before, &starts)?;
    let origins = origins.into_iter().map(|place| place.and_then(|place| before.get(place)).map(address)).collect();
    Ok(Built { name, made, origins, object })
}

fn address(instruction: &Instruction) -> u64 {
    u64::from(instruction.slot) * 8
}

/// Runs the tests with these programs, which write down what they ran of them.
///
/// # Errors
/// A test does not build or fails.
pub fn run_tests(workspace: &Workspace, filter: Option<&str>) -> Result<()> {
    let counts = counts(workspace, filter);
    if counts.exists() {
        fs::remove_dir_all(&counts).with_context(|| format!("cannot remove {}", counts.display()))?;
    }
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--locked", "--workspace", "--features", "gridlease-tests/trace"]);
    for test in TESTS {
        cargo.args(["--test", test]);
    }
    cargo.env("GRIDLEASE_PROGRAMS_DIR", folder(workspace)).env("GRIDLEASE_TRACE_DIR", &counts);
    // What instructions cost is held to within a few per cent of what was written down for the programs that are deployed.
    cargo.args(["--", "--skip", "cu::"]).args(filter);
    run::run(&mut cargo)
}

/// What the tests wrote down.
///
/// # Errors
/// They wrote nothing.
pub fn traced(workspace: &Workspace, filter: Option<&str>) -> Result<Traced> {
    Traced::read(&counts(workspace, filter))
}

/// What both programs are built from besides the rules, whose lines are counted in their own tests.
const SHARED: [&str; 3] = ["programs/common/src/", "interface/market/src/", "interface/staking/src/"];

/// The lines of the programs' sources, and of what they share.
///
/// # Errors
/// The debug information or a source cannot be read.
pub fn lines(workspace: &Workspace, built: &[Built], traced: &Traced) -> Result<Lines> {
    let mut lines = Lines::default();
    for built in built {
        let own = format!("programs/{}/src/", built.name);
        let counts = |file: &&str| file.starts_with(&own) || SHARED.iter().any(|folder| file.starts_with(folder));
        let ran = traced.program(built.name);
        let lookup = built.object.lookup()?;
        for (instruction, origin) in built.made.iter().zip(&built.origins) {
            let Some(origin) = origin else { continue };
            let run = ran.contains_key(&instruction.slot);
            let mut frames =
                lookup.find_frames(*origin).skip_all_loads().context("the debug information is not valid")?;
            while let Some(frame) = frames.next().context("the debug information is not valid")? {
                let Some(place) = frame.location else { continue };
                let file = place.file.and_then(|file| inside(file, &workspace.root));
                if let (Some(file), Some(line)) = (file.filter(counts), place.line) {
                    lines.note(file, line, run);
                }
            }
        }
    }
    lines.without_tests(&workspace.root)?;
    Ok(lines)
}

/// The path of a file of ours, relative to the root.
fn inside<'a>(file: &'a str, root: &Path) -> Option<&'a str> {
    Path::new(file).strip_prefix(root).ok()?.to_str()
}
