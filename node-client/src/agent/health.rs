//! Is the machine still what was offered? Asked again and again while the node runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::driver::Driver;
use crate::gpu::{GpuSource, HealthLimits, Inventory, check, inventory};
use crate::market::{Part, Trouble};

/// Between two looks.
const EVERY: Duration = Duration::from_secs(15);
/// Longest wait for the management library, and for the engine: one that hangs is a fault of its own.
const PATIENCE: Duration = Duration::from_secs(10);
/// Good looks in a row after which GPUs are trusted again: a hot one cools down as soon as it has nothing to do.
const RECOVERED: u32 = 3;
/// Bad looks in a row after which the engine is not trusted: one that is restarted answers at the next look.
const ENGINE_GONE: u32 = 2;

/// Watches over the GPUs and the engine.
pub(crate) struct Health {
    source: GpuSource,
    state_dir: PathBuf,
    offered: Inventory,
    driver: Arc<dyn Driver>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    good: u32,
    gpus: Option<String>,
    /// Bad looks at the engine in a row, and what the last one said.
    engine: (u32, String),
}

impl Health {
    /// Watches over the machine that was offered.
    pub(crate) fn new(source: GpuSource, state_dir: PathBuf, offered: Inventory, driver: Arc<dyn Driver>) -> Self {
        // The node has just looked at both.
        let seen = Seen { at: Some(Instant::now()), ..Seen::default() };
        Self { source, state_dir, offered, driver, seen: Mutex::new(seen) }
    }

    /// What is wrong with the machine; nothing while it is well. Looks at most every fifteen seconds.
    pub(crate) async fn troubles(&self) -> Vec<Trouble> {
        let mut seen = self.seen.lock().await;
        if seen.at.is_none_or(|at| at.elapsed() > EVERY) {
            let (gpus, engine) = tokio::join!(self.look(), self.look_at_the_engine());
            seen.at = Some(Instant::now());
            match gpus {
                Some(problem) => (seen.good, seen.gpus) = (0, Some(problem)),
                None => seen.good = seen.good.saturating_add(1),
            }
            if seen.good >= RECOVERED {
                seen.gpus = None;
            }
            seen.engine = engine.map_or((0, String::new()), |words| (seen.engine.0.saturating_add(1), words));
        }
        let engine = (seen.engine.0 >= ENGINE_GONE).then(|| (Part::Engine, seen.engine.1.clone()));
        let images = self.driver.trouble().map(|words| (Part::Engine, words));
        let gpus = seen.gpus.clone().map(|words| (Part::Gpu, words));
        gpus.into_iter().chain(engine).chain(images).map(|(part, words)| Trouble { part, words }).collect()
    }

    async fn look_at_the_engine(&self) -> Option<String> {
        match tokio::time::timeout(PATIENCE, self.driver.check(false)).await {
            Ok(Ok(_)) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("it does not answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn look(&self) -> Option<String> {
        if self.source == GpuSource::Cpu {
            return None;
        }
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
