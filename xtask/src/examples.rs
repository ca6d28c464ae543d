//! `examples`: the images of `examples/`, made from Debian's and PyPI's packages alone, without a registry of images.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::run::{capture, pretty, run, run_within};
use crate::setup;
use crate::workspace::{self, Workspace};

/// What images stand on: a small Debian with these packages. Python is Debian 12's, 3.11.
const BASES: [(&str, &str); 3] =
    [("base-database", "postgresql-15,redis-server"), ("base-python", "python3"), ("base-blender", "blender")];
const SUITE: &str = "bookworm";
/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Where the engine keeps an image's recipe, so that one that is up to date is left alone.
const RECIPE: &str = "gridlease.recipe";

/// An image.
struct Image {
    name: &'static str,
    /// Its folder below `examples/`.
    folder: &'static str,
    /// The stage of the Dockerfile there, where it has several.
    stage: Option<&'static str>,
    base: &'static str,
}

const IMAGES: [Image; 6] = [
    Image { name: "postgres", folder: "postgres", stage: Some("postgres"), base: "base-database" },
    Image { name: "redis", folder: "postgres", stage: Some("redis"), base: "base-database" },
    Image { name: "langid", folder: "langid", stage: None, base: "base-python" },
    Image { name: "jupyter", folder: "jupyter", stage: None, base: "base-python" },
    Image { name: "train", folder: "train", stage: None, base: "base-python" },
    Image { name: "blender", folder: "blender", stage: None, base: "base-blender" },
];

/// Makes the images that are missing or whose recipe has changed, as `gridlease-examples/NAME`.
///
/// # Errors
/// Debian or PyPI cannot be reached, a step takes longer than ten minutes, or this is not a Linux on which packages can be
/// installed.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    let begun = Instant::now();
    let missing: Vec<_> = BASES.into_iter().filter(|(name, packages)| !is_made(name, packages)).collect();
    if !missing.is_empty() {
        // Once, before several ask for it at a time.
        debootstrap()?;
    }
    std::thread::scope(|scope| {
        let making: Vec<_> =
            missing.iter().map(|(name, packages)| scope.spawn(move || make_base(name, packages))).collect();
        making.into_iter().try_for_each(|one| one.join().unwrap_or_else(|_| bail!("making a base was interrupted")))
    })?;
    for image in &IMAGES {
        make(workspace, image)?;
    }
    eprintln!("examples: ready after {}", pretty(begun.elapsed()));
    Ok(())
}

/// Makes an image on its base, which is there.
fn make(workspace: &Workspace, image: &Image) -> Result<()> {
    let folder = workspace.root.join("examples").join(image.folder);
    let files = files(&folder)?;
    let (_, packages) = BASES.into_iter().find(|(name, _)| *name == image.base).context("an image without a base")?;
    let recipe = recipe(&files, &base_recipe(packages)?)?;
    if has(image.name, &recipe) {
        eprintln!("examples: {} is up to date", image.name);
        return Ok(());
    }
    let context = tempfile::tempdir().context("cannot make a temporary folder")?;
    for file in &files {
        let name = file.file_name().unwrap_or_default();
        std::fs::copy(file, context.path().join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    let wanted = folder.join("requirements.txt");
    if wanted.is_file() {
        fetch_packages(&wanted, &context.path().join("packages"))?;
    }
    let base = format!("BASE={}", tag(image.base));
    let mut build = Command::new("docker");
    build.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--network", "none", "--build-arg", &base]);
    if let Some(stage) = image.stage {
        build.args(["--target", stage]);
    }
    build.args(["--label", &format!("{RECIPE}={recipe}"), "--tag", &tag(image.name)]).arg(context.path());
    run_within(&mut build, PATIENCE)
}

/// Whether the engine has this base, which it then says.
fn is_made(name: &str, packages: &str) -> bool {
    let made = base_recipe(packages).is_ok_and(|recipe| has(name, &recipe));
    if made {
        eprintln!("examples: {name} is up to date");
    }
    made
}

fn base_recipe(packages: &str) -> Result<String> {
    hash(&[packages, SUITE])
}

fn debootstrap() -> Result<PathBuf> {
    setup::program("debootstrap", "debootstrap", "the images of the examples are made with it")
}

fn tag(name: &str) -> String {
    format!("gridlease-examples/{name}:latest")
}

/// Whether the engine has this image, made by this recipe.
fn has(name: &str, recipe: &str) -> bool {
    let format = format!("{{{{index .Config.Labels {RECIPE:?}}}}}");
    let mut inspect = Command::new("docker");
    inspect.args(["image", "inspect", "--format", &format, &tag(name)]);
    capture(&mut inspect).is_ok_and(|found| found.trim() == recipe)
}

/// A small Debian as one layer. Its files are gone from the disk once the engine has them.
fn make_base(name: &str, packages: &str) -> Result<()> {
    let cache = workspace::cache_dir()?.join("examples");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let work = tempfile::tempdir_in(&cache).context("cannot make a folder for the base image")?;
    let root = work.path().join("root");
    let mut bootstrap = setup::as_root(&debootstrap()?)?;
    bootstrap.args(["--variant=minbase", &format!("--include={packages}"), SUITE]).arg(&root);
    let recipe = base_recipe(packages)?;
    let made = run_within(&mut bootstrap, PATIENCE).and_then(|()| import(&root, name, &recipe));
    // They belong to root, so the temporary folder's own end does not remove them.
    let removed = run(setup::as_root(Path::new("rm"))?.args(["-rf", "--one-file-system"]).arg(&root));
    made.and(removed)
}

/// Hands the files to the engine, without what only a package manager needs.
fn import(root: &Path, name: &str, recipe: &str) -> Result<()> {
    let mut tar = setup::as_root(Path::new("tar"))?;
    tar.args(["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "--exclude=./usr/share/doc/*"]);
    tar.args(["--exclude=./usr/share/locale/*", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*"]);
    tar.arg("-C").arg(root).args(["-c", "."]).stdout(Stdio::piped());
    let mut packing = tar.spawn().context("cannot start tar")?;
    let files = packing.stdout.take().context("tar has no output")?;
    let mut import = Command::new("docker");
    import.args(["import", "--change", &format!("LABEL {RECIPE}={recipe}"), "-", &tag(name)]).stdin(Stdio::from(files));
    let imported = run_within(&mut import, PATIENCE);
    let packed = packing.wait().context("cannot wait for tar")?;
    imported?;
    ensure!(packed.success(), "the files of {name} could not be packed ({packed})");
    Ok(())
}

/// Python packages for the base's Python, whichever this machine has. Nothing is compiled.
fn fetch_packages(wanted: &Path, into: &Path) -> Result<()> {
    let pip = setup::program("pip3", "python3-pip", "the packages of the examples are fetched with it")?;
    let mut install = Command::new(pip);
    install.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--python-version",
        "3.11",
    ]);
    install.args(["--platform", "manylinux2014_x86_64", "--target"]).arg(into).arg("--requirement").arg(wanted);
    run_within(&mut install, PATIENCE)
}

/// The files of a folder that its image is made of, by name. Left out are what tells how to post it, its README and manifests, and
/// folders, which are a user's, such as fetched outputs.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
        let beside = path.extension().is_some_and(|kind| kind == "md" || kind == "yaml");
        if path.is_file() && !beside {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The hash of files and of what they stand on.
fn recipe(files: &[PathBuf], base: &str) -> Result<String> {
    let mut parts = vec![base.to_owned()];
    for path in files {
        let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        // By its name alone, so that another checkout has the same.
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        parts.extend([name, text]);
    }
    hash(&parts.iter().map(String::as_str).collect::<Vec<_>>())
}

/// The hash of these, in this order.
fn hash(parts: &[&str]) -> Result<String> {
    let mut all = Sha256::new();
    for part in parts {
        all.update(u64::try_from(part.len()).context("a part is too long")?.to_le_bytes());
        all.update(part);
    }
    Ok(hex::encode(all.finalize()))
}
