//! `examples`: the images of `examples/`, made from Debian's and PyPI's packages alone, without a registry of images.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sha2::{Digest as _, Sha256};

use crate::run::{capture, pretty, run, run_within};
use crate::setup;
use crate::workspace::{self, Workspace};

/// What all images stand on. Python is Debian 12's, 3.11.
const PACKAGES: &str = "postgresql-15,redis-server,python3";
const SUITE: &str = "bookworm";
/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Where the engine keeps an image's recipe, so that one that is up to date is left alone.
const RECIPE: &str = "gridlease.recipe";

/// An image, its folder below `examples/`, and the stage of the Dockerfile there, where it has several.
const IMAGES: [(&str, &str, Option<&str>); 3] =
    [("postgres", "postgres", Some("postgres")), ("redis", "postgres", Some("redis")), ("langid", "langid", None)];

/// Makes the images that are missing or whose recipe has changed, as `gridlease-examples/NAME`.
///
/// # Errors
/// Debian or PyPI cannot be reached, a step takes longer than five minutes, or this is not a Linux on which packages can be
/// installed.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    let begun = Instant::now();
    let base = hash(&[PACKAGES, SUITE])?;
    if has("base", &base) {
        eprintln!("examples: base is up to date");
    } else {
        make_base(&base)?;
    }
    for (name, folder, stage) in IMAGES {
        let folder = workspace.root.join("examples").join(folder);
        let recipe = recipe(&folder, &base)?;
        if has(name, &recipe) {
            eprintln!("examples: {name} is up to date");
            continue;
        }
        let context = tempfile::tempdir().context("cannot make a temporary folder")?;
        run(Command::new("cp").arg("-rT").arg(&folder).arg(context.path()))?;
        let wanted = folder.join("requirements.txt");
        if wanted.is_file() {
            packages(&wanted, &context.path().join("packages"))?;
        }
        let mut build = Command::new("docker");
        build.env("DOCKER_BUILDKIT", "0").args(["build", "--quiet", "--build-arg", "BASE=gridlease-examples/base"]);
        if let Some(stage) = stage {
            build.args(["--target", stage]);
        }
        build.args(["--label", &format!("{RECIPE}={recipe}"), "--tag", &tag(name)]).arg(context.path());
        run_within(&mut build, PATIENCE)?;
    }
    eprintln!("examples: ready after {}", pretty(begun.elapsed()));
    Ok(())
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
fn make_base(recipe: &str) -> Result<()> {
    let program = setup::program("debootstrap", "debootstrap", "the images of the examples are made with it")?;
    let cache = workspace::cache_dir()?.join("examples");
    std::fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let work = tempfile::tempdir_in(&cache).context("cannot make a folder for the base image")?;
    let root = work.path().join("root");
    let mut bootstrap = setup::as_root(&program)?;
    bootstrap.args(["--variant=minbase", &format!("--include={PACKAGES}"), SUITE]).arg(&root);
    let made = run_within(&mut bootstrap, PATIENCE).and_then(|()| import(&root, recipe));
    // They belong to root, so the temporary folder's own end does not remove them.
    let removed = run(setup::as_root(Path::new("rm"))?.args(["-rf", "--one-file-system"]).arg(&root));
    made.and(removed)
}

/// Hands the files to the engine, without what only a package manager needs.
fn import(root: &Path, recipe: &str) -> Result<()> {
    let mut tar = setup::as_root(Path::new("tar"))?;
    tar.args(["--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*", "--exclude=./usr/share/doc/*"]);
    tar.args(["--exclude=./usr/share/locale/*", "--exclude=./proc/*", "--exclude=./sys/*", "--exclude=./dev/*"]);
    tar.arg("-C").arg(root).args(["-c", "."]).stdout(Stdio::piped());
    let mut packing = tar.spawn().context("cannot start tar")?;
    let files = packing.stdout.take().context("tar has no output")?;
    let mut import = Command::new("docker");
    import
        .args(["import", "--change", &format!("LABEL {RECIPE}={recipe}"), "-", &tag("base")])
        .stdin(Stdio::from(files));
    let imported = run_within(&mut import, PATIENCE);
    let packed = packing.wait().context("cannot wait for tar")?;
    imported?;
    ensure!(packed.success(), "the base image could not be packed ({packed})");
    Ok(())
}

/// Python packages for the base's Python, whichever this machine has. Nothing is compiled.
fn packages(wanted: &Path, into: &Path) -> Result<()> {
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

/// The hash of a folder's files, by name, and of what it stands on.
fn recipe(folder: &Path, base: &str) -> Result<String> {
    let mut parts = vec![base.to_owned()];
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        names.push(entry.with_context(|| format!("cannot read {}", folder.display()))?.path());
    }
    names.sort();
    for path in names {
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
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
