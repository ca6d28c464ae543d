//! Making a container as its image wants it: with the folders that it writes to, its secrets, and the node's own program.

use std::path::{Path, PathBuf};

use super::super::secrets::give_own;
use super::fit::{Asked, Fitted, Place, fit};
use crate::disk::{DiskKeeper, KEEP_FREE, Quota, usage};
use crate::driver::{ContainerId, ContainerSpec, DriverError, ImageFacts, RunAs, Unpacked, Wanted};
use crate::inputs::{InputError, present_bytes};
use crate::lease::{WorkError, Worker, blocking};
use crate::state_dir::{LeaseDir, StateDirError, at, give_all, make_dir, write_atomically};
use crate::store::LeaseRecord;
use gridlease_sdk::manifest::Manifest;

/// Ending of the name of a folder that is not filled yet.
const UNFINISHED: &str = "new";

impl Worker {
    /// Makes the container, as its image wants it, with the folders that it writes to.
    pub(in crate::lease::stages) async fn make(
        &self,
        dir: &LeaseDir,
        manifest: &Manifest,
        spec: &ContainerSpec,
    ) -> Result<ContainerId, WorkError> {
        let facts = self.driver.look(&spec.image).await?;
        // Without what the image has in its home, where that is too much.
        for plain_home in [false, true] {
            let (fitted, quota) = self.fitted(spec, manifest, &facts, dir, plain_home).await?;
            self.make_room(dir, quota, manifest.outputs.len(), fitted.spec.run_as).await?;
            if self.fill(dir, &fitted).await? {
                give_own(&fitted.spec).await?;
                return Ok(self.driver.create(&fitted.spec).await?);
            }
        }
        let reason = "no home could be made for its user".to_owned();
        Err(DriverError::ImageUnfit { image: spec.image.to_string(), reason }.into())
    }

    async fn fitted(
        &self,
        spec: &ContainerSpec,
        manifest: &Manifest,
        facts: &ImageFacts,
        dir: &LeaseDir,
        plain_home: bool,
    ) -> Result<(Fitted, Quota), WorkError> {
        let inputs = {
            let dir = dir.clone();
            blocking(move || Ok(present_bytes(&dir))).await?
        };
        let quota = Quota::of(&manifest.resources, inputs)
            .ok_or_else(|| InputError::NoRoom { bytes: inputs, room: manifest.resources.disk_parts().files })?;
        let scratch: Vec<String> = manifest.scratch.iter().map(|scratch| scratch.path.clone()).collect();
        let asked = Asked { scratch: &scratch, quota, free_user: nix::unistd::geteuid().is_root(), plain_home };
        Ok((fit(spec.clone(), facts, dir, asked)?, quota))
    }

    /// The secrets once more, right before the start: those that came after the container was made are its user's, too.
    pub(in crate::lease::stages) async fn give_again(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let (spec, manifest) = self.spec(record).await?;
        if manifest.secrets.is_empty() {
            return Ok(());
        }
        let facts = self.driver.look(&spec.image).await?;
        let dir = self.state.lease(&record.lease);
        let (fitted, _) = self.fitted(&spec, &manifest, &facts, &dir, false).await?;
        give_own(&fitted.spec).await
    }

    /// The folders of the outputs, in room that is set aside for all that the container writes.
    async fn make_room(&self, dir: &LeaseDir, quota: Quota, outputs: usize, run_as: RunAs) -> Result<(), WorkError> {
        let (dir, disk) = (dir.clone(), self.disk.clone());
        blocking(move || {
            disk.prepare(&dir, quota)?;
            dir.create(outputs, run_as)?;
            for index in (0..outputs).filter(|index| dir.restored(*index).exists()) {
                give_all(&dir.output(index), run_as)?;
            }
            Ok(())
        })
        .await
    }

    /// The folders that the container writes to and nobody keeps, each with what its image has there. False where the home that
    /// the image asks for holds too much, or is no folder.
    async fn fill(&self, dir: &LeaseDir, fitted: &Fitted) -> Result<bool, WorkError> {
        let missing: Vec<_> = fitted.places.iter().filter(|place| !place.wanted.into.exists()).collect();
        let lease = dir.clone();
        let room = blocking(move || {
            clear_unfinished(&lease.scratch())?;
            // Where the kernel does not hold the lease to its disk, the node's own memory needs some of it.
            let free = || usage::free(lease.root()).map_or(u64::MAX, |free| free.saturating_sub(KEEP_FREE));
            Ok(if DiskKeeper::is_held(&lease) { u64::MAX } else { free() })
        })
        .await?;
        let copied: Vec<_> = missing.iter().filter(|place| place.wanted.most_files > 0).collect();
        let wanted: Vec<_> = copied.iter().map(|place| unfinished(place, room)).collect();
        let unpacked = self.driver.unpack(&fitted.spec.image, &wanted).await?;
        for (place, unpacked) in copied.into_iter().zip(unpacked) {
            let path = &place.wanted.path;
            let reason = match unpacked {
                Unpacked::Copied { .. } | Unpacked::Nothing => continue,
                _ if place.spare => return Ok(false),
                Unpacked::TooMuch => {
                    format!("what it has at {path} does not fit into the job's disk; raise resources.disk")
                }
                Unpacked::NotAFolder => format!("{path} is a file in it, and not a folder"),
                Unpacked::CannotCopy(why) => format!("what it has at {path} cannot be copied: {why}"),
            };
            return Err(DriverError::ImageUnfit { image: fitted.spec.image.to_string(), reason }.into());
        }
        let places: Vec<_> =
            missing.iter().map(|place| (place.wanted.into.clone(), mount_points(fitted, place))).collect();
        let (run_as, passwd, lease) = (fitted.spec.run_as, fitted.passwd.clone(), dir.clone());
        blocking(move || {
            for (into, points) in places {
                finish_place(&into, &points, run_as)?;
            }
            if let Some(text) = passwd {
                write_atomically(&lease.passwd(), text.as_bytes(), 0o444)?;
            }
            Ok(true)
        })
        .await
    }
}

/// What is wanted of a place, under its unfinished name and within the room that there is.
fn unfinished(place: &Place, room: u64) -> Wanted {
    Wanted {
        into: place.wanted.into.with_extension(UNFINISHED),
        most_bytes: place.wanted.most_bytes.min(room),
        ..place.wanted.clone()
    }
}

/// Where within a place others are mounted, relative to it, and whether those are folders. An engine would make them as root.
fn mount_points(fitted: &Fitted, place: &Place) -> Vec<(PathBuf, bool)> {
    let below = |target: &str| Some(target.strip_prefix(&place.wanted.path)?.strip_prefix('/')?.to_owned());
    let points = fitted.spec.mounts.iter().filter_map(|mount| Some((below(&mount.target)?, !mount.read_only)));
    points.map(|(path, is_folder)| (PathBuf::from(path), is_folder)).collect()
}

/// Makes the folder of the places, and removes from it what a node that died was filling.
fn clear_unfinished(around: &Path) -> Result<(), StateDirError> {
    make_dir(around)?;
    for entry in std::fs::read_dir(around).map_err(at("read", around))? {
        let entry = entry.map_err(at("read", around))?;
        if entry.file_name().as_encoded_bytes().contains(&b'.') {
            crate::wipe::remove_unpacked(&entry.path())?;
        }
    }
    Ok(())
}

/// Gives a folder that was unpacked, or an empty one, to the container's user, with what others are mounted at. It has its name
/// only when it is complete.
fn finish_place(into: &Path, points: &[(PathBuf, bool)], run_as: RunAs) -> Result<(), StateDirError> {
    let unfinished = into.with_extension(UNFINISHED);
    make_dir(&unfinished)?;
    for (path, is_folder) in points {
        make_point(&unfinished, path, *is_folder)?;
    }
    give_all(&unfinished, run_as)?;
    std::fs::rename(&unfinished, into).map_err(at("rename", &unfinished))
}

/// Makes a place to mount at. What the image has there, also on the way, stays as it is: a link is the engine's to follow, within
/// the container.
fn make_point(root: &Path, path: &Path, is_folder: bool) -> Result<(), StateDirError> {
    let mut here = root.to_owned();
    let mut parts = path.components().peekable();
    while let Some(part) = parts.next() {
        here.push(part);
        match std::fs::symlink_metadata(&here) {
            Ok(found) if found.is_dir() => continue,
            Ok(_) => return Ok(()),
            Err(_) if parts.peek().is_some() || is_folder => make_dir(&here)?,
            Err(_) => drop(std::fs::File::create_new(&here).map_err(at("create", &here))?),
        }
    }
    Ok(())
}
