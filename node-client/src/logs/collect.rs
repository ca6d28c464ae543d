//! From the container engine into the file.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::Rng as _;

use super::{LeaseLog, LogError, LogHead};
use crate::driver::{ContainerId, ContainerState, Driver, DriverError, LogPiece};

/// Most pieces written in one go.
const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follows a started container's output into `log` until the container has ended and everything it wrote is there,
/// then closes the log. An interrupted connection is made again, for as long as the container is there; nothing is
/// lost or written twice, neither then nor when a restarted node calls this again.
///
/// # Errors
/// [`LogError`] of the file. Trouble with the engine is waited out.
pub async fn collect(driver: &dyn Driver, id: &ContainerId, log: &Arc<LeaseLog>) -> Result<LogHead, LogError> {
    let mut pause = FIRST_PAUSE;
    loop {
        match follow_once(driver, id, log).await {
            Ok(End::Complete) => {
                let log = Arc::clone(log);
                return blocking(move || log.close()).await;
            }
            Ok(End::Interrupted) => pause = FIRST_PAUSE,
            Err(LogError::Driver(e)) => tracing::warn!(container = %id, "the log is interrupted: {e}"),
            Err(e) => return Err(e),
        }
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

enum End {
    Complete,
    Interrupted,
}

async fn follow_once(driver: &dyn Driver, id: &ContainerId, log: &Arc<LeaseLog>) -> Result<End, LogError> {
    read(driver, id, log, true).await?;
    match driver.inspect(id).await? {
        ContainerState::Exited(_) => {
            // The engine may end a follower before it has handed it the last lines; reading once more costs little.
            read(driver, id, log, false).await?;
            Ok(End::Complete)
        }
        ContainerState::Missing => Ok(End::Complete),
        ContainerState::Created | ContainerState::Running { .. } => Ok(End::Interrupted),
    }
}

async fn read(driver: &dyn Driver, id: &ContainerId, log: &Arc<LeaseLog>, follow: bool) -> Result<(), LogError> {
    let since = {
        let log = Arc::clone(log);
        blocking(move || log.begin_replay()).await?
    };
    let mut batches = driver.logs(id, since, follow).ready_chunks(BATCH);
    while let Some(batch) = batches.next().await {
        let mut failure = None;
        let mut pieces: Vec<LogPiece> = Vec::with_capacity(batch.len());
        for item in batch {
            match item {
                Ok(piece) => pieces.push(piece),
                Err(e) => failure = Some(e),
            }
        }
        let log = Arc::clone(log);
        blocking(move || log.append(&pieces)).await?;
        match failure {
            // The container is gone, and with it what it wrote and was not read.
            Some(DriverError::NoSuchContainer { .. }) => return Ok(()),
            Some(e) => return Err(e.into()),
            None => {}
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    task: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, LogError> {
    tokio::task::spawn_blocking(task).await.map_err(|_| LogError::Shutdown)?
}
