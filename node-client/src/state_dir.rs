//! Where the node keeps what.
//!
//! ```text
//! <state>/node.redb  nonces  cert.pem  key.pem  leaving.json  control.sock
//! <state>/leases/<lease>/manifest.json  in/  out/<index>/  out.img  log.ndjson
//! ```
//!
//! Directories are 0700: other users of the machine see nothing of a buyer's data.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, lchown};
use std::path::{Path, PathBuf};

use solana_pubkey::Pubkey;

use crate::driver::RunAs;

/// A file or directory of the node could not be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {}: {source}", path.display())]
pub struct StateDirError {
    /// What was tried.
    pub what: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

pub(crate) fn at<'p>(what: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> StateDirError + 'p {
    move |source| StateDirError { what, path: path.to_owned(), source }
}

/// The node's state directory.
#[derive(Clone, Debug)]
pub struct StateDir {
    root: PathBuf,
    secrets: PathBuf,
}

impl StateDir {
    /// Opens the directory, creating it and its parts where they are missing.
    ///
    /// # Errors
    /// [`StateDirError`] where a part can be neither found nor made.
    pub fn open(root: &Path) -> Result<Self, StateDirError> {
        make_dir(root)?;
        // Docker wants absolute sources, and a node that is started elsewhere must still mean the same place.
        let root = root.canonicalize().map_err(at("find", root))?;
        make_dir(&root.join("leases"))?;
        Ok(Self { secrets: crate::secrets::folder_of(&root), root })
    }

    /// The directory itself, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The store's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.root.join("node.redb")
    }

    /// The nonces that were used.
    #[must_use]
    pub fn nonces(&self) -> PathBuf {
        self.root.join("nonces")
    }

    /// The TLS certificate, PEM.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.root.join("cert.pem")
    }

    /// Its private key, PEM, 0600.
    #[must_use]
    pub fn private_key(&self) -> PathBuf {
        self.root.join("key.pem")
    }

    /// The directory of all leases.
    #[must_use]
    pub fn leases(&self) -> PathBuf {
        self.root.join("leases")
    }

    /// The directory of one lease. It may not exist.
    #[must_use]
    pub fn lease(&self, lease: &Pubkey) -> LeaseDir {
        let name = lease.to_string();
        LeaseDir { root: self.leases().join(&name), secrets: self.secrets.join(name), service: None }
    }

    /// The folder in memory that holds the leases' secrets. It may not exist.
    #[must_use]
    pub fn secrets(&self) -> &Path {
        &self.secrets
    }
}

/// Between a lease and a service of it, in the name of the folder of that one's secrets.
pub(crate) const SERVICE_MARK: char = '+';

/// The directory of one lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseDir {
    root: PathBuf,
    secrets: PathBuf,
    service: Option<String>,
}

impl LeaseDir {
    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The canonical manifest.
    #[must_use]
    pub fn manifest(&self) -> PathBuf {
        self.root.join("manifest.json")
    }

    /// Who may visit its ports, where the buyer changed it.
    #[must_use]
    pub fn doors(&self) -> PathBuf {
        self.root.join("doors.json")
    }

    /// The log.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.root.join(self.own("log.ndjson"))
    }

    /// The directory of inputs.
    #[must_use]
    pub fn inputs(&self) -> PathBuf {
        self.root.join("in")
    }

    /// The file of the input with this SHA-256.
    #[must_use]
    pub fn input(&self, sha256: &[u8; 32]) -> PathBuf {
        self.inputs().join(hex::encode(sha256))
    }

    /// The directory of outputs.
    #[must_use]
    pub fn outputs(&self) -> PathBuf {
        self.root.join("out")
    }

    /// The file system in which the outputs lie, where they have one of their own (see [`crate::disk`]).
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.root.join("out.img")
    }

    /// The directory of output number `index` of the manifest.
    #[must_use]
    pub fn output(&self, index: usize) -> PathBuf {
        self.outputs().join(index.to_string())
    }

    /// The same directory as the service of this name has it: with a log, a passwd line, secrets and folders of its own. The name is one
    /// that a manifest can have.
    #[must_use]
    pub fn of_service(&self, name: &str) -> Self {
        let mut secrets = self.secrets.clone().into_os_string();
        secrets.push(format!("{SERVICE_MARK}{name}"));
        Self { root: self.root.clone(), secrets: secrets.into(), service: Some(name.to_owned()) }
    }

    fn own(&self, name: &str) -> String {
        self.service.as_ref().map_or_else(|| name.to_owned(), |service| format!("{service}.{name}"))
    }

    /// The directory of folders that the job may write to and nobody keeps. They lie beside the outputs, in the room that is
    /// set aside for those.
    #[must_use]
    pub fn scratch(&self) -> PathBuf {
        match &self.service {
            None => self.outputs().join("scratch"),
            Some(name) => self.outputs().join("services").join(name),
        }
    }

    /// What of output number `index` is in its store.
    #[must_use]
    pub fn pushed(&self, index: usize) -> PathBuf {
        self.root.join(format!("pushed-{index}.json"))
    }

    /// There once output number `index` begins with what was pushed before.
    #[must_use]
    pub fn restored(&self, index: usize) -> PathBuf {
        self.root.join(format!("restored-{index}"))
    }

    /// The `/etc/passwd` that the container sees where its image has no line for its user.
    #[must_use]
    pub fn passwd(&self) -> PathBuf {
        self.root.join(self.own("passwd"))
    }

    /// Its secrets, in memory. There only while they are.
    #[must_use]
    pub fn secrets(&self) -> &Path {
        &self.secrets
    }

    /// The program that gives the job's program its secrets as variables.
    #[must_use]
    pub fn init(&self) -> PathBuf {
        self.root.join("init")
    }

    /// Creates the directory with its parts for inputs and `outputs` outputs, the latter writable for `run_as`.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn create(&self, outputs: usize, run_as: RunAs) -> Result<(), StateDirError> {
        make_dir(&self.root)?;
        make_dir(&self.inputs())?;
        make_dir(&self.outputs())?;
        for index in 0..outputs {
            let dir = self.output(index);
            make_dir(&dir)?;
            give(&dir, run_as)?;
        }
        Ok(())
    }

    /// Makes the inputs readable for the container's user, which is not the node's; the lease's directory above
    /// stays closed to everybody else.
    ///
    /// # Errors
    /// [`StateDirError`].
    pub fn share_input(&self, path: &Path) -> Result<(), StateDirError> {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o444))
            .map_err(at("set the permissions of", path))
    }
}

/// Gives a file or folder, and everything below it, to the container's user. A node that is not root has the same one. Links
/// are given, never followed.
///
/// # Errors
/// [`StateDirError`].
pub(crate) fn give_all(path: &Path, run_as: RunAs) -> Result<(), StateDirError> {
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        give(&path, run_as)?;
        if std::fs::symlink_metadata(&path).map_err(at("read", &path))?.is_dir() {
            for entry in std::fs::read_dir(&path).map_err(at("read", &path))? {
                open.push(entry.map_err(at("read", &path))?.path());
            }
        }
    }
    Ok(())
}

fn give(path: &Path, run_as: RunAs) -> Result<(), StateDirError> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    lchown(path, Some(run_as.uid), Some(run_as.gid)).map_err(at("change the owner of", path))
}

/// Creates a directory with mode 0700; one that exists is left as it is.
pub(crate) fn make_dir(path: &Path) -> Result<(), StateDirError> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(at("create directory", path))
}

/// Gives the owner back what was taken from it below `dir`: a job may have locked its outputs, and a node that is not root
/// has the same user and no other rights. Links are not followed; what cannot be changed is left for those who meet it.
pub(crate) fn open_up(dir: &Path) {
    let mut open = vec![dir.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(found) = std::fs::symlink_metadata(&path) else { continue };
        let mode = found.permissions().mode();
        let needed = match (found.is_dir(), found.is_file()) {
            (true, _) => 0o700,
            (_, true) => 0o400,
            _ => continue,
        };
        if mode & needed != needed {
            // Whoever reads it says what is wrong with it.
            let _ = std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode | needed));
        }
        if found.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}

/// Writes a file so that it is either there complete or not at all, also after a power cut. `mode` is its permission bits.
///
/// # Errors
/// [`StateDirError`].
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> Result<(), StateDirError> {
    use std::io::Write as _;
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".tmp-")
        .permissions(std::fs::Permissions::from_mode(mode))
        .tempfile_in(dir)
        .map_err(at("create a file in", dir))?;
    file.write_all(bytes).map_err(at("write", path))?;
    persist(file, path)
}

/// Moves a finished temporary file to its place, durably.
///
/// # Errors
/// [`StateDirError`].
pub fn persist(file: tempfile::NamedTempFile, path: &Path) -> Result<(), StateDirError> {
    file.as_file().sync_all().map_err(at("write", path))?;
    file.persist(path).map_err(|e| at("write", path)(e.error))?;
    let dir = path.parent().unwrap_or(Path::new("."));
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(at("write", dir))
}
