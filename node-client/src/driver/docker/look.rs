//! Looking into an image without running anything of it: a container is created from it, read by the engine's archive
//! interface, and removed. It is never started.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use bollard::models::{ContainerCreateBody, HealthConfig, HostConfig};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, ListContainersOptionsBuilder,
    RemoveContainerOptionsBuilder,
};
use bytes::{Buf as _, Bytes};
use futures_util::TryStreamExt as _;
use tokio::sync::mpsc;

use super::create::not_here;
use super::{DockerDriver, engine, is_missing};
use crate::clock::Clock;
use crate::driver::facts::shortest;
use crate::driver::healthcheck::StatedTimes;
use crate::driver::{DriverError, HealthCheck, ImageFacts, ImageRef, Unpacked, Wanted};
use crate::for_buyer::plain;

/// Label of such containers; its value is when they were made, Unix seconds.
const LABEL_LOOK: &str = "gridlease.look";
/// One that is older was left by a node that died.
const STALE_S: i64 = 3_600;
/// Largest `/etc/passwd` and `/etc/group` that are read.
const MAX_TEXT: u64 = 256 * 1024;
/// Pieces of an archive that wait for their reader.
const PIECES: usize = 8;
/// Most images whose facts are remembered.
const MAX_REMEMBERED: usize = 256;

impl DockerDriver {
    pub(super) async fn look_at(&self, image: &ImageRef) -> Result<ImageFacts, DriverError> {
        if let Some(known) = self.facts().get(image.digest()) {
            return Ok(known.clone());
        }
        let mut facts = self.configuration(image).await?;
        let id = self.for_looking(image, &facts).await?;
        let read = async { Ok((self.text(&id, "/etc/passwd").await?, self.text(&id, "/etc/group").await?)) }.await;
        self.looked(&id).await;
        (facts.passwd, facts.group) = read?;
        let mut known = self.facts();
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        known.insert(image.digest().to_owned(), facts.clone());
        Ok(facts)
    }

    pub(super) async fn unpack_from(&self, image: &ImageRef, wanted: &[Wanted]) -> Result<Vec<Unpacked>, DriverError> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let facts = self.look_at(image).await?;
        let id = self.for_looking(image, &facts).await?;
        let mut done = Vec::new();
        let mut failed = None;
        let mut left = wanted.iter().fold((0, 0), |most, one| (one.most_bytes.max(most.0), one.most_files.max(most.1)));
        for one in wanted {
            let most_bytes = one.most_bytes.min(left.0);
            let most_files = one.most_files.min(left.1);
            match self.unpack_one(&id, Wanted { most_bytes, most_files, ..one.clone() }).await {
                Ok(unpacked) => {
                    if let Unpacked::Copied { bytes, files } = unpacked {
                        left = (left.0.saturating_sub(bytes), left.1.saturating_sub(files));
                    }
                    done.push(unpacked);
                }
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        self.looked(&id).await;
        failed.map_or(Ok(done), Err)
    }

    async fn configuration(&self, image: &ImageRef) -> Result<ImageFacts, DriverError> {
        let found = self
            .docker
            .inspect_image(&image.to_string())
            .await
            .map_err(|e| if is_missing(&e) { not_here(image) } else { engine("look at an image", &e) })?;
        let config = found.config.unwrap_or_default();
        let split = |variable: String| {
            let (name, value) = variable.split_once('=').unwrap_or((&variable, ""));
            (name.to_owned(), value.to_owned())
        };
        Ok(ImageFacts {
            env: config.env.unwrap_or_default().into_iter().map(split).collect(),
            user: config.user.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_keys().collect(),
            health: config.healthcheck.and_then(|check| health(check, config.shell.as_deref().unwrap_or_default())),
            passwd: String::new(),
            group: String::new(),
        })
    }

    /// A container to look into. What nodes that died left of them is removed first.
    async fn for_looking(&self, image: &ImageRef, facts: &ImageFacts) -> Result<String, DriverError> {
        self.remove_stale().await?;
        let now = now_s();
        // Without a place in memory there the engine would copy each volume's content to its own disk.
        let volumes = facts.volumes.iter().filter_map(|path| shortest(path)).map(|path| (path, String::new()));
        // Other programs on the host, and this node, act on labels that an image brings along.
        let mut labels: HashMap<String, String> = facts.labels.iter().map(|key| (key.clone(), String::new())).collect();
        labels.insert(LABEL_LOOK.to_owned(), now.to_string());
        let body = ContainerCreateBody {
            image: Some(image.to_string()),
            entrypoint: Some(vec!["/never-started".to_owned()]),
            network_disabled: Some(true),
            labels: Some(labels),
            host_config: Some(HostConfig {
                network_mode: Some("none".to_owned()),
                tmpfs: Some(volumes.collect()),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let name = format!("gridlease-look-{:016x}", rand::random::<u64>());
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        match self.docker.create_container(Some(options), body).await {
            Ok(created) => Ok(created.id),
            Err(e) if is_missing(&e) => Err(not_here(image)),
            Err(e) => Err(engine("look into an image", &e)),
        }
    }

    async fn looked(&self, id: &str) {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        if let Err(error) = self.docker.remove_container(id, Some(options)).await {
            tracing::debug!(%error, "a container that was looked into is left to the next look");
        }
    }

    async fn remove_stale(&self) -> Result<(), DriverError> {
        let filters = HashMap::from([("label".to_owned(), vec![LABEL_LOOK.to_owned()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.docker.list_containers(Some(options)).await.map_err(|e| engine("list containers", &e))?;
        let oldest = now_s().saturating_sub(STALE_S);
        for container in found {
            let made = container.labels.as_ref().and_then(|labels| labels.get(LABEL_LOOK)?.parse::<i64>().ok());
            if let (Some(id), true) = (container.id, made.is_none_or(|made| made < oldest)) {
                self.looked(&id).await;
            }
        }
        Ok(())
    }

    /// A small text file of the container; empty where there is none, or something else.
    async fn text(&self, id: &str, path: &str) -> Result<String, DriverError> {
        let read = |mut archive: Archive| {
            let Some(entry) = archive.entries()?.next() else { return Ok(String::new()) };
            let entry = entry?;
            let mut bytes = Vec::new();
            if entry.header().entry_type().is_file() {
                entry.take(MAX_TEXT).read_to_end(&mut bytes)?;
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        Ok(self.archive(id, path, read).await?.unwrap_or_default())
    }

    async fn unpack_one(&self, id: &str, wanted: Wanted) -> Result<Unpacked, DriverError> {
        let path = wanted.path.clone();
        let unpacked = self.archive(id, &path, move |archive| unpack(archive, &wanted)).await?;
        Ok(unpacked.unwrap_or(Unpacked::Nothing))
    }

    /// Reads the archive of a path with `read`, which blocks; `None` where the container has no such path.
    async fn archive<T: Send + 'static>(
        &self,
        id: &str,
        path: &str,
        read: impl FnOnce(Archive) -> std::io::Result<T> + Send + 'static,
    ) -> Result<Option<T>, DriverError> {
        let options = DownloadFromContainerOptionsBuilder::default().path(path).build();
        let mut pieces = Box::pin(self.docker.download_from_container(id, Some(options)));
        // The engine says with its first answer whether the path is there.
        let first = match pieces.try_next().await {
            Ok(first) => first,
            Err(e) if is_missing(&e) => return Ok(None),
            Err(e) => return Err(engine("read from an image", &e)),
        };
        let (sender, receiver) = mpsc::channel(PIECES);
        let reader = Pieces { current: first.unwrap_or_default(), receiver };
        let read = tokio::task::spawn_blocking(move || read(tar::Archive::new(reader)));
        // The sender goes with the last piece: without it the reader would wait for another.
        let send = async move {
            loop {
                let piece = match pieces.try_next().await {
                    Ok(Some(piece)) => Ok(piece),
                    Ok(None) => return,
                    Err(error) => Err(std::io::Error::other(BrokenOff(error.to_string()))),
                };
                // A reader that has enough is gone.
                if sender.send(piece).await.is_err() {
                    return;
                }
            }
        };
        let ((), read) = tokio::join!(send, read);
        match read {
            Ok(Ok(value)) => Ok(Some(value)),
            Ok(Err(error)) => Err(DriverError::Engine { what: "read from an image", reason: error.to_string() }),
            Err(_) => Err(DriverError::Engine { what: "read from an image", reason: "the node shuts down".to_owned() }),
        }
    }
}

/// By the machine's clock, with which only the labels of such containers are compared.
fn now_s() -> i64 {
    Clock::system().host_ms() / 1000
}

type Archive = tar::Archive<Pieces>;

/// An archive as it comes from the engine, read where reading may block.
struct Pieces {
    current: Bytes,
    receiver: mpsc::Receiver<std::io::Result<Bytes>>,
}

impl std::io::Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        while self.current.is_empty() {
            match self.receiver.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        (&mut self.current).reader().read(buffer)
    }
}

/// Unpacks a folder's archive, whose entries begin with that folder's name, as `wanted.into`, which must not exist. Files,
/// folders and links only; nothing leads out of it. What cannot be made of it is the image's doing; an error is the engine's.
fn unpack(mut archive: Archive, wanted: &Wanted) -> std::io::Result<Unpacked> {
    let trial = match Trial::new(wanted) {
        Ok(trial) => trial,
        Err(error) if is_full(&error) => return Ok(Unpacked::TooMuch),
        Err(error) => return Ok(Unpacked::CannotCopy(error.to_string())),
    };
    archive.set_preserve_mtime(true);
    archive.set_unpack_xattrs(false);
    let (mut bytes, mut files, mut top) = (0u64, 0u64, None);
    let mut folders = Vec::new();
    for entry in archive.entries()? {
        let mut entry = entry?;
        let kind = entry.header().entry_type();
        let path = entry.path()?.into_owned();
        if top.is_none() {
            if !kind.is_dir() {
                // A link leads to a folder that the image has elsewhere; the place over it begins empty.
                return Ok(if kind.is_symlink() { Unpacked::Nothing } else { Unpacked::NotAFolder });
            }
            top = path.components().next().map(|part| part.as_os_str().to_owned());
        }
        if !(kind.is_dir() || kind.is_file() || kind.is_symlink() || kind.is_hard_link()) {
            continue;
        }
        // Of what was left out, and of links, no second name is made.
        let first = entry.link_name()?.map(|name| trial.0.join(name));
        let of_a_file = |first: &PathBuf| std::fs::symlink_metadata(first).is_ok_and(|found| found.is_file());
        if kind.is_hard_link() && !first.as_ref().is_some_and(of_a_file) {
            continue;
        }
        (bytes, files) = (bytes.saturating_add(entry.size()), files + 1);
        if bytes > wanted.most_bytes || files > wanted.most_files {
            return Ok(Unpacked::TooMuch);
        }
        // A folder that is locked is locked once it is filled.
        entry.set_preserve_permissions(!kind.is_dir());
        match entry.unpack_in(&trial.0) {
            Ok(true) if kind.is_dir() => folders.push((path, entry.header().mode()?)),
            Ok(_) => {}
            // The kernel holds the lease to its disk.
            Err(error) if is_full(&error) => return Ok(Unpacked::TooMuch),
            Err(error) if is_broken(&error) => return Err(error),
            Err(error) => return Ok(Unpacked::CannotCopy(plain(&error.to_string(), 256))),
        }
    }
    let Some(top) = top else { return Ok(Unpacked::Nothing) };
    for (path, mode) in folders.iter().rev() {
        let folder = trial.0.join(path);
        if std::fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode & 0o777))?;
        }
    }
    std::fs::rename(trial.0.join(top), &wanted.into)?;
    Ok(Unpacked::Copied { bytes, files })
}

fn health(check: HealthConfig, shell: &[String]) -> Option<HealthCheck> {
    let stated = StatedTimes {
        interval: check.interval.unwrap_or(0),
        timeout: check.timeout.unwrap_or(0),
        start_period: check.start_period.unwrap_or(0),
        retries: check.retries.unwrap_or(0),
    };
    HealthCheck::read(&check.test.unwrap_or_default(), shell, stated)
}

/// Where a folder is unpacked; removed with whatever is left in it, locked or not.
struct Trial(PathBuf);

impl Trial {
    fn new(wanted: &Wanted) -> std::io::Result<Self> {
        let around = wanted.into.parent().unwrap_or(Path::new("."));
        Ok(Self(tempfile::Builder::new().prefix(".unpack-").tempdir_in(around)?.keep()))
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // What stays is removed by the next look at the lease's folders.
        if let Err(error) = crate::wipe::remove_unpacked(&self.0) {
            tracing::debug!(%error, "what was unpacked is left for later");
        }
    }
}

/// The mark of an archive whose engine broke off, as opposed to a disk or an entry that is at fault.
#[derive(Debug, thiserror::Error)]
#[error("the engine broke off: {0}")]
struct BrokenOff(String);

fn is_broken(error: &std::io::Error) -> bool {
    any_source(error, |one| one.get_ref().is_some_and(|inner| inner.is::<BrokenOff>()))
}

/// The archive's reader wraps the system's error, so its words are looked at as well.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    any_source(error, |one| matches!(one.kind(), StorageFull | QuotaExceeded))
}

/// Whether an error, or one that it wraps, is such.
fn any_source(error: &std::io::Error, such: impl Fn(&std::io::Error) -> bool) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = source {
        if one.downcast_ref::<std::io::Error>().is_some_and(&such) {
            return true;
        }
        // An error with a source of its own tells that, and not what it holds.
        source = one.source();
    }
    false
}
