//! A container as its image wants to be run: the image's user, a home that can be written to, folders for its volumes, and a
//! line in `/etc/passwd`. A pure function of the container's description and of what the image says.

use sha2::{Digest as _, Sha256};

use crate::disk::Quota;
use crate::driver::facts::{MAX_VOLUMES, shortest};
use crate::driver::{ContainerSpec, DriverError, ImageFacts, Mount, Wanted};
use crate::state_dir::LeaseDir;

/// The home of a container whose image names none that can be used.
const HOME: &str = "/home/gridlease";
/// Of a home that only the image asks for, what is copied at most; one with more is not copied, and the home is another.
const HOME_BYTES: u64 = 512 * 1024 * 1024;
const HOME_FILES: u64 = 32_768;

/// Where programs keep what they load or compile, below the home. Those that would choose a folder in memory or one that
/// cannot be written to are told; a variable of the job's or the image's stays as it is.
const CACHES: [(&str, &str); 7] = [
    ("XDG_CACHE_HOME", ".cache"),
    ("HF_HOME", ".cache/huggingface"),
    ("TORCHINDUCTOR_CACHE_DIR", ".cache/torchinductor"),
    ("TRITON_CACHE_DIR", ".cache/triton"),
    ("NUMBA_CACHE_DIR", ".cache/numba"),
    ("PIP_CACHE_DIR", ".cache/pip"),
    ("MPLCONFIGDIR", ".cache/matplotlib"),
];

/// A folder that the container may write to, thrown away with it. One of which nothing may be copied begins empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// What the image has there is copied into it first.
    pub wanted: Wanted,
    /// Nobody asked for it by name: without it the container runs as well.
    pub spare: bool,
}

/// A container's description with all that its image asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    pub spec: ContainerSpec,
    /// Its folders, in the order of their mounts.
    pub places: Vec<Place>,
    /// The `/etc/passwd` that it sees, where the image's own does not do.
    pub passwd: Option<String>,
}

/// What is asked for beside the image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    /// Folders that the job names.
    pub scratch: &'a [String],
    /// What all its folders may hold together.
    pub quota: Quota,
    /// Whether files can be given to another user than the node's own, which only root can.
    pub free_user: bool,
    /// Whether the home is the node's choice, because what the image has at its own cannot be copied.
    pub plain_home: bool,
}

/// Fits the description to the image.
///
/// # Errors
/// [`DriverError::ImageUnfit`] for an image that no container is made from here.
pub(super) fn fit(
    spec: ContainerSpec,
    facts: &ImageFacts,
    dir: &LeaseDir,
    asked: Asked<'_>,
) -> Result<Fitted, DriverError> {
    let unfit = |reason: String| DriverError::ImageUnfit { image: spec.image.to_string(), reason };
    if facts.volumes.len() > MAX_VOLUMES {
        return Err(unfit(format!("it has {} volumes; {MAX_VOLUMES} are allowed", facts.volumes.len())));
    }
    let run_as = match asked.free_user {
        true => facts.run_as(spec.run_as).map_err(|error| unfit(error.to_string()))?,
        false => spec.run_as,
    };
    let mut fitted = Fitted { spec: ContainerSpec { run_as, ..spec }, places: Vec::new(), passwd: None };
    let whole = (asked.quota.bytes, asked.quota.files);
    for path in asked.scratch {
        fitted.add(dir, path, whole, false);
    }
    // One that is no folder outside the system's is refused where the container is made.
    for volume in facts.volumes.iter().filter_map(|volume| shortest(volume)) {
        fitted.add(dir, &volume, whole, false);
    }
    let (home, chosen) = home(&fitted.spec, facts, asked.plain_home);
    if !fitted.spec.mounts.iter().any(|mount| !mount.read_only && is_below(&home, &mount.target)) {
        match chosen {
            // Asked for by name, as a scratch folder is.
            By::Job => fitted.add(dir, &home, whole, false),
            By::Image => fitted.add(dir, &home, (whole.0.min(HOME_BYTES), whole.1.min(HOME_FILES)), true),
            // Whatever the image has there is nobody's home.
            By::Node => fitted.add(dir, &home, (0, 0), false),
        }
    }
    if !fitted.has("/etc/passwd") {
        fitted.passwd = facts.passwd_with(run_as, &home);
        if fitted.passwd.is_some() {
            let (source, target) = (dir.passwd(), "/etc/passwd".to_owned());
            fitted.spec.mounts.push(Mount { source, target, read_only: true });
        }
    }
    set_home(&mut fitted.spec, facts, &home);
    Ok(fitted)
}

impl Fitted {
    fn has(&self, target: &str) -> bool {
        self.spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == target)
    }

    fn add(&mut self, dir: &LeaseDir, path: &str, (most_bytes, most_files): (u64, u64), spare: bool) {
        // `/tmp` is in memory already.
        if self.has(path) || is_below(path, "/tmp") {
            return;
        }
        // By its path: another fit of the same lease must not find another's content under its number.
        let into = dir.scratch().join(hex::encode(Sha256::digest(path)).get(..32).unwrap_or_default());
        self.spec.mounts.push(Mount { source: into.clone(), target: path.to_owned(), read_only: false });
        self.places.push(Place { wanted: Wanted { path: path.to_owned(), into, most_bytes, most_files }, spare });
    }
}

/// Who chose a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Job,
    Image,
    Node,
}

/// The home: as the job says, else as the image says, else the node's own. A home below `/root` is none for a user that is not
/// root: what is there is closed to it, and much.
fn home(spec: &ContainerSpec, facts: &ImageFacts, plain: bool) -> (String, By) {
    let asked = spec.env.iter().find(|(key, _)| key == "HOME").and_then(|(_, value)| shortest(value));
    let of_image = || {
        let user = (!facts.user.is_empty()).then(|| facts.home_of(spec.run_as.uid)).flatten();
        let path = shortest(facts.variable("HOME").or(user)?)?;
        let usable = !["/root", "/nonexistent", "/bin", "/sbin", "/usr", "/etc"].iter().any(|own| is_below(&path, own));
        (usable && !plain).then_some(path)
    };
    let asked = asked.map(|home| (home, By::Job));
    asked.or_else(|| Some((of_image()?, By::Image))).unwrap_or_else(|| (HOME.to_owned(), By::Node))
}

/// The variables that lead programs to the home.
fn set_home(spec: &mut ContainerSpec, facts: &ImageFacts, home: &str) {
    let mut set = |name: &str, value: String| {
        if !spec.env.iter().any(|(key, _)| key == name) {
            spec.env.push((name.to_owned(), value));
        }
    };
    set("HOME", home.to_owned());
    for (name, path) in CACHES {
        if facts.variable(name).is_none() {
            set(name, format!("{home}/{path}"));
        }
    }
}

/// Whether `path` is `folder` or below it.
fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
