//! A lease's secrets on this machine: in memory only, for its container's user only, gone with the container.
//!
//! They come sealed to a key that this process made for the lease ([`Keyring`]) and lie as files in a file system in memory,
//! which the container sees at `/run/secrets`. After a restart of the node the files are still there; what was not brought
//! before it is sealed anew, to a new key. After one of the machine nothing is.

use std::collections::HashMap;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gridlease_sdk::image::{BadPassword, Credentials, ImageReference};
use gridlease_sdk::manifest::{Manifest, SecretForm};
use gridlease_sdk::node_api::SignedLogHead;
use gridlease_sdk::node_api::secrets::{LeaseKey, OpeningKey, Secrets, SecretsError};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use zeroize::Zeroizing;

use crate::driver::ImageRef;
use crate::logs::LogHead;
use crate::state_dir::{LeaseDir, SERVICE_MARK, StateDir, StateDirError, at};

/// The program that gives a job's program its environment, for this kind of machine, statically linked.
pub(crate) const INIT: &[u8] = include_bytes!(env!("GRIDLEASE_INIT"));
/// Where the file systems in memory of a machine are: the first only root writes to, the second everybody.
const MEMORY: [&str; 2] = ["/run", "/dev/shm"];
/// Most keys at a time: more than there are leases that have not started yet.
const MAX_KEYS: usize = 4_096;

/// The folder of the registry's password, beside that of the secrets, and the file in it.
const LOGIN: &str = "login";
const PASSWORD: &str = "password";

/// Held while secrets are put in their place.
static KEEPING: Mutex<()> = Mutex::new(());

/// Why secrets are not taken. None of these names a value.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// They cannot be opened.
    #[error(transparent)]
    Sealed(#[from] SecretsError),
    /// No key was asked for, or by an earlier run of the node.
    #[error("no key was made for this lease; ask for it, and seal the secrets to it")]
    NoKey,
    /// Nothing waits for them.
    #[error("{0}")]
    WrongState(&'static str),
    /// They are others than the manifest's.
    #[error("the manifest names the secrets {wanted:?}, these are {found:?}")]
    Names {
        /// Of the manifest.
        wanted: Vec<String>,
        /// That came.
        found: Vec<String>,
    },
    /// One that is to be a variable holds a zero byte.
    #[error("secret {0} holds a zero byte, which no variable can; write `as: file` in the manifest")]
    ZeroByte(String),
    /// The registry's password is none.
    #[error(transparent)]
    Password(#[from] BadPassword),
    /// They cannot be kept.
    #[error(transparent)]
    Files(#[from] StateDirError),
}

/// The keys of leases that wait for their secrets.
pub struct Keyring {
    node: Arc<dyn Signer + Send + Sync>,
    keys: Mutex<HashMap<Pubkey, Arc<OpeningKey>>>,
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    /// An empty one; `node` is the hot key, with which buyers know the keys.
    #[must_use]
    pub fn new(node: Arc<dyn Signer + Send + Sync>) -> Self {
        Self { node, keys: Mutex::default() }
    }

    /// The lease's key, made when it is first asked for.
    ///
    /// # Errors
    /// [`SecretsError::Signer`].
    pub fn announce(&self, lease: &Pubkey) -> Result<LeaseKey, SecretsError> {
        let key = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if keys.len() >= MAX_KEYS && !keys.contains_key(lease) {
                keys.clear(); // whoever has one of these asks again
            }
            Arc::clone(keys.entry(*lease).or_insert_with(|| Arc::new(OpeningKey::generate())))
        };
        key.announce(lease, &*self.node)
    }

    /// How far a lease's log is, signed by the node key at `at` (Unix seconds).
    ///
    /// # Errors
    /// [`SecretsError::Signer`].
    pub fn sign_head(&self, lease: &Pubkey, head: &LogHead, at: u64) -> Result<SignedLogHead, SecretsError> {
        let signed = SignedLogHead::sign(&*self.node, lease, head.lines, head.hash, head.closed, at);
        signed.map_err(|error| SecretsError::Signer(error.to_string()))
    }

    /// Opens what was sealed to the lease's key.
    ///
    /// # Errors
    /// [`NotTaken::NoKey`] or [`NotTaken::Sealed`].
    pub fn open(&self, lease: &Pubkey, sealed: &[u8]) -> Result<Secrets, NotTaken> {
        let key = self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(lease).map(Arc::clone);
        Ok(key.ok_or(NotTaken::NoKey)?.open(lease, sealed)?)
    }

    /// The lease waits for nothing any more.
    pub fn forget(&self, lease: &Pubkey) {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(lease);
    }
}

/// Whether this machine can keep secrets in memory.
///
/// # Errors
/// Why not, in words for the buyer.
pub fn usable() -> Result<(), &'static str> {
    memory().map(|_| ()).ok_or("this node's machine has no file system in memory, where alone secrets may lie")
}

/// The file system in memory that this node uses.
fn memory() -> Option<&'static Path> {
    let own = |path: &&Path| !path.starts_with("/run") || nix::unistd::geteuid().is_root();
    let in_memory = |path: &&Path| statfs(*path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC);
    MEMORY.iter().map(Path::new).filter(own).find(in_memory)
}

/// Makes the node's folder in memory. Where everybody may write, somebody else may have made it before: only one's own that is
/// closed to others is used.
fn make_own(folder: &Path) -> Result<(), StateDirError> {
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(at("create directory", folder)(error));
        }
        _ => {}
    }
    if is_own(folder) {
        return Ok(());
    }
    let error = std::io::Error::other("it is somebody else's, a link, or open to others; remove it");
    Err(at("use", folder)(error))
}

fn is_own(folder: &Path) -> bool {
    std::fs::symlink_metadata(folder).is_ok_and(|found| {
        found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw() && found.mode() & 0o077 == 0
    })
}

/// Tries the node's own program from where containers will have it.
///
/// # Errors
/// [`StateDirError`], as where the file system does not let programs run.
pub(crate) fn check_init(state: &StateDir) -> Result<(), StateDirError> {
    let path = state.root().join("init.check");
    crate::state_dir::write_atomically(&path, INIT, 0o555)?;
    let tried = std::process::Command::new(&path).stderr(std::process::Stdio::null()).status();
    std::fs::remove_file(&path).map_err(at("remove", &path))?;
    // It says that it was given nothing to run.
    match tried {
        Ok(status) if status.code() == Some(125) => Ok(()),
        Ok(status) => Err(at("run", &path)(std::io::Error::other(format!("it ended with {status}")))),
        Err(error) => Err(at("run a program in (is its file system mounted noexec?)", state.root())(error)),
    }
}

/// Names of what the manifest has sealed to this node that is not here; all or none of them are.
pub(crate) fn missing(manifest: &Manifest, dir: &LeaseDir) -> Vec<String> {
    let here = dir.secrets().is_dir();
    manifest.sealed_sources().into_keys().filter(|_| !here).collect()
}

/// Names of those that the container's program has in its environment.
pub(crate) fn variables(manifest: &Manifest) -> Vec<String> {
    let asked = manifest.secrets.iter().filter(|(_, secret)| secret.form == SecretForm::Env);
    asked.map(|(name, _)| name.clone()).collect()
}

/// Keeps a lease's secrets, all at once. Blocks on the file system.
///
/// # Errors
/// [`NotTaken`]: other ones than the manifest's, or a file system that refuses.
pub(crate) fn keep(manifest: &Manifest, dir: &LeaseDir, secrets: &Secrets) -> Result<(), NotTaken> {
    let wanted = manifest.sealed_sources();
    if !wanted.keys().eq(secrets.keys()) {
        return Err(NotTaken::Names { wanted: wanted.into_keys().collect(), found: secrets.keys().cloned().collect() });
    }
    let password = manifest.registry_auth.as_ref().map(|auth| &auth.password.secret);
    if let Some(value) = password.and_then(|name| secrets.get(name)) {
        Credentials::new("", value)?;
    }
    for name in variables(manifest) {
        if secrets.get(&name).is_some_and(|value| value.contains(&0)) {
            return Err(NotTaken::ZeroByte(name));
        }
    }
    let whole = dir.secrets();
    if whole.is_dir() {
        return Ok(());
    }
    // Of two that come at once the second finds the first.
    let _one = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
    if whole.is_dir() {
        return Ok(());
    }
    // Complete or not there: the container must not find a half of them.
    let unfinished = unfinished(dir);
    scrub(&unfinished)?;
    if let Some(around) = whole.parent() {
        make_own(around)?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(&unfinished).map_err(at("create directory", &unfinished))?;
    // The registry's password has a folder of its own, which no container sees; it is there before the others are.
    let login = login_folder(dir);
    scrub(&login)?;
    if password.is_some() {
        std::fs::DirBuilder::new().mode(0o700).create(&login).map_err(at("create directory", &login))?;
    }
    for (name, value) in secrets {
        let path = if Some(name) == password { login.join(PASSWORD) } else { unfinished.join(name) };
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o400).open(&path).map_err(at("create", &path))?;
        std::io::Write::write_all(&mut file, value).map_err(at("write", &path))?;
    }
    Ok(std::fs::rename(&unfinished, whole).map_err(at("rename", &unfinished))?)
}

/// Gives a service its own copies of the secrets that it is to have: its user is another than the job's own. Safe to call again.
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn share<'a>(
    of_job: &LeaseDir,
    of_service: &LeaseDir,
    names: impl Iterator<Item = &'a String>,
) -> Result<(), StateDirError> {
    let whole = of_service.secrets();
    if whole.is_dir() {
        return Ok(());
    }
    let unfinished = unfinished(of_service);
    scrub(&unfinished)?;
    std::fs::DirBuilder::new().mode(0o700).create(&unfinished).map_err(at("create directory", &unfinished))?;
    for name in names {
        let (from, to) = (of_job.secrets().join(name), unfinished.join(name));
        std::fs::copy(&from, &to).map_err(at("copy", &from))?;
    }
    std::fs::rename(&unfinished, whole).map_err(at("rename", &unfinished))
}

/// Those of a lease's secrets that have these names and are here. Blocks on the file system.
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn read(dir: &LeaseDir, names: &[String]) -> Result<Secrets, StateDirError> {
    let mut found = Secrets::new();
    for name in names {
        let path = dir.secrets().join(name);
        match std::fs::read(&path) {
            Ok(value) => drop(found.insert(name.clone(), zeroize::Zeroizing::new(value))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(at("read", &path)(error)),
        }
    }
    Ok(found)
}

/// Removes a lease's secrets from memory, with the copies that its services have. Succeeds where there are none.
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn remove(dir: &LeaseDir) -> Result<(), StateDirError> {
    if let (Some(around), Some(name)) = (dir.secrets().parent(), dir.secrets().file_name()) {
        let copies = format!("{}{SERVICE_MARK}", name.to_string_lossy());
        for entry in std::fs::read_dir(around).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(&copies) {
                scrub(&entry.path())?;
            }
        }
    }
    forget_login(dir)?;
    scrub(&unfinished(dir))?;
    scrub(dir.secrets())
}

/// The job's login for an image, while its password is here: until the containers are made.
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn login(
    manifest: &Manifest,
    dir: &LeaseDir,
    image: &ImageRef,
) -> Result<Option<Credentials>, StateDirError> {
    let reference = image.to_string().parse::<ImageReference>().ok();
    let Some(auth) = reference.and_then(|reference| manifest.login_for(&reference)) else { return Ok(None) };
    let path = login_folder(dir).join(PASSWORD);
    match std::fs::read(&path).map(Zeroizing::new) {
        // One that no registry takes was refused when it came.
        Ok(password) => Ok(Credentials::new(&auth.username, &password).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", &path)(error)),
    }
}

/// Removes the registry's password: nothing is pulled any more. Succeeds where there is none.
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn forget_login(dir: &LeaseDir) -> Result<(), StateDirError> {
    scrub(&login_folder(dir))
}

/// Where the registry's password lies, in memory as the secrets do.
fn login_folder(dir: &LeaseDir) -> std::path::PathBuf {
    dir.secrets().with_extension(LOGIN)
}

/// Where they are until they are complete: no lease's name.
fn unfinished(dir: &LeaseDir) -> std::path::PathBuf {
    dir.secrets().with_extension("new")
}

/// Overwrites the files of a folder, and removes it.
fn scrub(folder: &Path) -> Result<(), StateDirError> {
    if std::fs::symlink_metadata(folder).is_ok_and(|found| !found.is_dir()) {
        return std::fs::remove_file(folder).map_err(at("remove", folder));
    }
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // The container sees them read-only, so they are what the node wrote: plain files.
        if let Ok(found) = entry.metadata()
            && found.is_file()
        {
            let zeros = vec![0; usize::try_from(found.len()).unwrap_or(0)];
            // Best effort: the file is removed either way.
            let _ = std::fs::OpenOptions::new()
                .write(true)
                .open(entry.path())
                .and_then(|mut file| std::io::Write::write_all(&mut file, &zeros));
        }
    }
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at("remove", folder)(error)),
        _ => Ok(()),
    }
}

/// Removes what no lease needs any more, as after a node that was killed. `needed`: does this lease still?
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn tidy(state: &StateDir, needed: impl Fn(&Pubkey) -> bool) -> Result<(), StateDirError> {
    if state.secrets().exists() && !is_own(state.secrets()) {
        tracing::warn!(folder = %state.secrets().display(), "it is not this node's, and left alone; no job with secrets is taken");
        return Ok(());
    }
    for entry in std::fs::read_dir(state.secrets()).into_iter().flatten().flatten() {
        // A service's copies have its name, too; what is not finished yet is no lease's.
        let whole = |name: &&str| !name.ends_with(".new");
        let lease = entry
            .file_name()
            .to_str()
            .filter(whole)
            .and_then(|name| name.trim_end_matches(".login").split(SERVICE_MARK).next()?.parse::<Pubkey>().ok());
        if !lease.is_some_and(|lease| needed(&lease)) {
            scrub(&entry.path())?;
        }
    }
    Ok(())
}

/// The folder in memory that belongs to a state directory.
pub(crate) fn folder_of(state: &Path) -> std::path::PathBuf {
    use sha2::Digest as _;
    use std::os::unix::ffi::OsStrExt as _;
    let hash = hex::encode(sha2::Sha256::digest(state.as_os_str().as_bytes()));
    memory().unwrap_or(Path::new("/dev/shm")).join(format!("gridlease-{}", hash.get(..16).unwrap_or(&hash)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn manifest(secrets: &str) -> Manifest {
        let digest = "ab".repeat(32);
        let yaml = format!(
            "version: 1\nname: j\nimage: a.example/b@sha256:{digest}\nprice: {{ max: 1 }}\nduration: {{ max: 1h }}\nsecrets: {secrets}\n"
        );
        Manifest::from_yaml(&yaml, "job.yaml").unwrap()
    }

    fn values(pairs: &[(&str, &[u8])]) -> Secrets {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new(value.to_vec()))).collect()
    }

    #[test]
    fn threat_20_secrets_are_kept_in_memory_whole_and_scrubbed() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let (lease, other) = (Pubkey::new_unique(), Pubkey::new_unique());
        let at = state.lease(&lease);
        let wanted = manifest("{ A: { from: env }, B: { from: env, as: env } }");
        assert_eq!(missing(&wanted, &at), ["A", "B"]);
        assert_eq!(variables(&wanted), ["B"]);
        for wrong in [values(&[("A", b"x")]), values(&[("A", b"x"), ("B", b"y"), ("C", b"z")])] {
            assert!(matches!(keep(&wanted, &at, &wrong), Err(NotTaken::Names { .. })));
        }
        let zero = values(&[("A", b"\0"), ("B", b"a\0b")]);
        assert!(matches!(keep(&wanted, &at, &zero), Err(NotTaken::ZeroByte(name)) if name == "B"));
        assert_eq!(missing(&wanted, &at), ["A", "B"], "nothing was kept of what was refused");

        keep(&wanted, &at, &values(&[("A", b"\0x"), ("B", b"y")])).unwrap();
        keep(&wanted, &at, &values(&[("A", b"again"), ("B", b"y")])).unwrap();
        assert_eq!(missing(&wanted, &at), [""; 0]);
        assert_eq!(std::fs::read(at.secrets().join("A")).unwrap(), b"\0x", "the first ones stay");
        assert_eq!(statfs(at.secrets()).unwrap().filesystem_type(), TMPFS_MAGIC);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(at.secrets()), mode(&at.secrets().join("A"))), (0o700, 0o400));

        keep(&wanted, &state.lease(&other), &values(&[("A", b"1"), ("B", b"2")])).unwrap();
        tidy(&state, |needed| *needed == lease).unwrap();
        assert!(at.secrets().exists() && !state.lease(&other).secrets().exists());
        remove(&at).unwrap();
        remove(&at).unwrap();
        assert!(!at.secrets().exists());
        std::fs::remove_dir(state.secrets()).unwrap();
    }

    #[test]
    fn threat_20_a_service_has_copies_of_its_own_secrets_that_go_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::open(&dir.path().join("state")).unwrap();
        let lease = Pubkey::new_unique();
        let (job, db) = (state.lease(&lease), state.lease(&lease).of_service("db"));
        let wanted = manifest("{ A: { from: env }, B: { from: env, as: env } }");
        keep(&wanted, &job, &values(&[("A", b"x"), ("B", b"y")])).unwrap();
        let own = ["B".to_owned()];
        share(&job, &db, own.iter()).unwrap();
        share(&job, &db, own.iter()).unwrap();
        assert_eq!(std::fs::read(db.secrets().join("B")).unwrap(), b"y");
        assert!(!db.secrets().join("A").exists() && job.secrets().join("A").exists());
        tidy(&state, |needed| *needed == lease).unwrap();
        assert!(db.secrets().exists(), "it is the lease's");
        remove(&job).unwrap();
        assert!(!db.secrets().exists() && !job.secrets().exists());
        std::fs::remove_dir(state.secrets()).unwrap();
    }

    #[test]
    fn threat_20_a_key_is_made_once_for_a_lease_and_forgotten() {
        let node = Arc::new(solana_keypair::Keypair::new());
        let keyring = Keyring::new(Arc::clone(&node) as _);
        let (lease, secrets) = (Pubkey::new_unique(), values(&[("A", b"x")]));
        assert!(matches!(keyring.open(&lease, b""), Err(NotTaken::NoKey)));
        let key = keyring.announce(&lease).unwrap();
        assert_eq!(keyring.announce(&lease).unwrap(), key);
        let sealed = key.seal(&lease, &node.pubkey(), &secrets).unwrap();
        assert_eq!(keyring.open(&lease, &sealed).unwrap(), secrets);
        keyring.forget(&lease);
        assert!(matches!(keyring.open(&lease, &sealed), Err(NotTaken::NoKey)));
        assert!(!format!("{keyring:?}").contains(&key.public));
    }
}
