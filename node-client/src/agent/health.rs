//! Is the machine still what was offered? Asked again and again while the node runs.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::gpu::{GpuSource, HealthLimits, Inventory, check, inventory};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(15);
/// Longest wait for the management library: one that hangs is a fault of its own.
const PATIENCE: Duration = Duration::from_secs(10);
/// Good looks in a row after which a machine is trusted again: a hot GPU cools down as soon as it has nothing to do.
const RECOVERED: u32 = 3;

/// Watches over the GPUs.
pub(crate) struct Health {
    source: GpuSource,
    state_dir: PathBuf,
    offered: Inventory,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    good: u32,
    problem: Option<String>,
}

impl Health {
    /// Watches over the machine that was offered.
    pub(crate) fn new(source: GpuSource, state_dir: PathBuf, offered: Inventory) -> Self {
        Self { source, state_dir, offered, seen: Mutex::default() }
    }

    /// What is wrong with the machine, in words; `None` while nothing is. Looks at most every fifteen seconds.
    pub(crate) async fn problem(&self) -> Option<String> {
        if self.source == GpuSource::Cpu {
            return None;
        }
        let mut seen = self.seen.lock().await;
        if seen.at.is_none_or(|at| at.elapsed() > EVERY) {
            let found = self.look().await;
            seen.at = Some(Instant::now());
            match found {
                Some(problem) => (seen.good, seen.problem) = (0, Some(problem)),
                None => seen.good = seen.good.saturating_add(1),
            }
            if seen.good >= RECOVERED {
                seen.problem = None;
            }
        }
        seen.problem.clone()
    }

    async fn look(&self) -> Option<String> {
        let (answer, asked) = tokio::sync::oneshot::channel();
        let (source, state_dir) = (self.source.clone(), self.state_dir.clone());
        // A thread of its own: a library that hangs must not hold up the node's end. Nobody listens to it then.
        std::thread::spawn(move || drop(answer.send(inventory(&source, &state_dir))));
        match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Ok(Ok(now))) if now.driver != self.offered.driver => {
                Some("the GPU driver was changed; restart the node".to_owned())
            }
            Ok(Ok(Ok(now))) => {
                let problems = check(&self.offered, &now, HealthLimits::default());
                let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
                (!words.is_empty()).then(|| words.join("; "))
            }
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(_)) | Err(_) => Some("the GPU management library does not answer".to_owned()),
        }
    }
}
