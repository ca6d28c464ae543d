//! From the container engine into the file.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use rand::Rng as _;

use super::{LeaseLog, LogError, LogHead, LogWriter};
use crate::driver::{ContainerId, ContainerState, Driver, DriverError, LogPiece};

/// Most pieces written in one go.
const BATCH: usize = 256;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The runs of a container that its log is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Runs {
    /// When each but the first began, or a moment before, Unix milliseconds of the engine's clock.
    pub later_ms: Vec<i64>,
    /// When the container was made anew, if it was: what the log has from before is not in the engine's record any more.
    pub anew_ms: Option<i64>,
    /// Whether no other follows on the one that is read.
    pub last: bool,
}

impl Default for Runs {
    fn default() -> Self {
        Self { later_ms: Vec::new(), anew_ms: None, last: true }
    }
}

/// Follows a started container's output into `log` until the container has ended and everything it wrote is there, then closes the
/// log, unless another run follows. An interrupted connection is made again, for as long as the container is there; nothing is lost or
/// written twice, neither then nor when a restarted node calls this again.
///
/// There is one reader at a time: a second call waits for the first, and finds the log closed, or takes over where the
/// first was dropped. Once the log is full nothing is read any more: only the container's end is waited for.
///
/// # Errors
/// [`LogError`] of the file. Trouble with the engine is waited out.
pub async fn collect(
    driver: &dyn Driver,
    id: &ContainerId,
    log: &Arc<LeaseLog>,
    runs: &Runs,
) -> Result<LogHead, LogError> {
    let writer = log.writer().await.of(runs);
    let reader = Reader { driver, id, writer: Arc::new(Mutex::new(writer)) };
    if log.head().closed {
        return Ok(log.head());
    }
    let mut pause = FIRST_PAUSE;
    loop {
        match reader.to_the_end(log).await {
            Ok(End::Complete) if runs.last => return reader.write(|writer| writer.close()).await,
            Ok(End::Complete) => return Ok(log.head()),
            Ok(End::Interrupted) => pause = FIRST_PAUSE,
            Err(LogError::Driver(e)) => tracing::warn!(container = %id, "the log is interrupted: {e}"),
            Err(e) => return Err(e),
        }
        let jitter = rand::rng().random_range(0.5..1.0);
        tokio::time::sleep(pause.mul_f64(jitter)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Complete,
    Interrupted,
}

struct Reader<'a> {
    driver: &'a dyn Driver,
    id: &'a ContainerId,
    writer: Arc<Mutex<LogWriter>>,
}

impl Reader<'_> {
    async fn to_the_end(&self, log: &LeaseLog) -> Result<End, LogError> {
        if !log.is_full() {
            self.read(true).await?;
        }
        if log.is_full() {
            return match self.driver.wait(self.id).await {
                Ok(_) | Err(DriverError::NoSuchContainer { .. }) => Ok(End::Complete),
                Err(e) => Err(e.into()),
            };
        }
        match self.driver.inspect(self.id).await? {
            ContainerState::Exited(_) => {
                // The engine may end a follower before it has handed it the last lines; reading once more costs little.
                self.read(false).await?;
            }
            ContainerState::Missing => {}
            ContainerState::Created | ContainerState::Running { .. } => return Ok(End::Interrupted),
        }
        self.write(LogWriter::flush).await?;
        Ok(End::Complete)
    }

    /// One reading of the engine's record, until it ends or the log is full.
    async fn read(&self, follow: bool) -> Result<(), LogError> {
        let since = self.write(|writer| Ok(writer.begin())).await?;
        let mut batches = self.driver.logs(self.id, since, follow).ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let mut failure = None;
            let mut pieces: Vec<LogPiece> = Vec::with_capacity(batch.len());
            for item in batch {
                match item {
                    Ok(piece) => pieces.push(piece),
                    Err(e) => failure = Some(e),
                }
            }
            let room = self.write(move |writer| writer.append(&pieces)).await?;
            match failure {
                // The container is gone, and with it what it wrote and was not read.
                Some(DriverError::NoSuchContainer { .. }) => return Ok(()),
                Some(e) => return Err(e.into()),
                None if !room => return Ok(()),
                None => {}
            }
        }
        Ok(())
    }

    /// Where this is cut off, the writer is free again once what was begun is done.
    async fn write<T: Send + 'static>(
        &self,
        task: impl FnOnce(&mut LogWriter) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let writer = Arc::clone(&self.writer);
        let task = move || task(&mut writer.lock().unwrap_or_else(PoisonError::into_inner));
        tokio::task::spawn_blocking(task).await.map_err(|_| LogError::Shutdown)?
    }
}
