//! What keeps this machine from pulling images for a while. It is told of, and nothing is bid for meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::DockerDriver;
use crate::driver::DriverError;

/// For how long a registry is left alone that did not say for how long.
const QUIET: Duration = Duration::from_secs(15 * 60);
/// No registry's word holds a machine for longer.
const LONGEST: Duration = Duration::from_secs(6 * 60 * 60);
/// How soon a full disk is tried again.
const FULL: Duration = Duration::from_secs(5 * 60);

/// Until when, and why.
pub(super) type Troubled = Arc<Mutex<Option<(Instant, String)>>>;

impl DockerDriver {
    /// Remembers an outcome that the next pull would have, too.
    pub(super) fn noted<T>(&self, outcome: Result<T, DriverError>) -> Result<T, DriverError> {
        if let Err(error) = &outcome {
            let pause = match error {
                DriverError::RateLimited { retry_after_s, .. } => {
                    retry_after_s.map_or(QUIET, |seconds| Duration::from_secs(seconds).min(LONGEST))
                }
                DriverError::NoSpace { .. } => FULL,
                _ => return outcome,
            };
            *self.troubled.lock().unwrap_or_else(PoisonError::into_inner) =
                Some((Instant::now() + pause, error.to_string()));
        }
        outcome
    }

    /// Why nothing can be pulled now.
    pub(super) fn pull_trouble(&self) -> Option<String> {
        let mut troubled = self.troubled.lock().unwrap_or_else(PoisonError::into_inner);
        if troubled.as_ref().is_some_and(|(until, _)| Instant::now() >= *until) {
            *troubled = None;
        }
        troubled.as_ref().map(|(_, why)| why.clone())
    }
}
