//! What keeps this machine from pulling images for a while. It is told of, and nothing is bid for meanwhile.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::DockerDriver;
use crate::disk::usage;
use crate::driver::DriverError;

/// For how long Docker Hub is left alone. Its limits are by the hour; it does not say through the engine when one is over.
const QUIET: Duration = Duration::from_secs(15 * 60);
/// What has to be free on the engine's disk.
pub(super) const ROOM: u64 = 512 << 20;

/// What is known against pulling.
#[derive(Debug, Default)]
pub(super) struct Troubled {
    limited: Mutex<Option<(Instant, String)>>,
    root: OnceLock<PathBuf>,
}

impl Troubled {
    /// Remembers an error that the next pull would have, too.
    pub(super) fn noted(&self, error: DriverError) -> DriverError {
        if matches!(error, DriverError::RateLimited { .. }) {
            let until = Instant::now() + QUIET;
            *self.limited.lock().unwrap_or_else(PoisonError::into_inner) = Some((until, error.to_string()));
        }
        error
    }

    fn why(&self, now: Instant) -> Option<String> {
        let mut limited = self.limited.lock().unwrap_or_else(PoisonError::into_inner);
        limited.take_if(|(until, _)| now >= *until);
        let limited = limited.as_ref().map(|(_, why)| why.clone());
        limited.or_else(|| full(self.root.get()?))
    }
}

fn full(root: &Path) -> Option<String> {
    let free = usage::free(root).filter(|free| *free < ROOM)?;
    Some(format!(
        "{} MiB are free on the engine's disk ({}), and a pull needs {}; `docker system df` shows what takes it",
        free >> 20,
        root.display(),
        ROOM >> 20
    ))
}

impl DockerDriver {
    /// Bytes that are free on the engine's disk, where that can be told.
    pub(super) async fn room(&self) -> Option<u64> {
        if self.troubled.root.get().is_none() {
            let info = self.docker.info().await.ok()?;
            let _ = self.troubled.root.set(PathBuf::from(info.docker_root_dir?));
        }
        usage::free(self.troubled.root.get()?)
    }

    /// Why nothing can be pulled now.
    pub(super) fn pull_trouble(&self) -> Option<String> {
        self.troubled.why(Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_10_docker_hub_s_limit_keeps_a_machine_off_the_market_for_a_quarter_of_an_hour() {
        let troubled = Troubled::default();
        let (image, reason) = ("docker.io/library/python".to_owned(), "toomanyrequests".to_owned());
        let _ = troubled.noted(DriverError::NoSpace { image: image.clone(), reason: String::new() });
        let now = Instant::now();
        assert_eq!(troubled.why(now), None, "a full disk is looked at, and not remembered");
        let _ = troubled.noted(DriverError::RateLimited { image, reason });
        assert!(troubled.why(now).unwrap().contains("registry-mirrors"));
        assert!(troubled.why(now + QUIET - Duration::from_secs(1)).is_some());
        assert_eq!(troubled.why(now + QUIET + Duration::from_secs(60)), None);
    }

    #[test]
    fn a_disk_with_room_is_no_trouble_and_one_that_cannot_be_looked_at_neither() {
        assert_eq!(full(Path::new("/nowhere/at/all")), None);
        let dir = tempfile::tempdir().unwrap();
        let free = usage::free(dir.path()).unwrap();
        assert_eq!(full(dir.path()).is_some(), free < ROOM);
    }
}
