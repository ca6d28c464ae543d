//! Who asks: a task beside the lease's own, so that a slow answer holds up nothing else.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::ask::ask;
use super::plan::{Probing, Question};
use crate::driver::{ContainerId, Driver, DriverError};

/// After so long without an answer it is said that there is none yet.
const INTERIM: Duration = Duration::from_secs(2);

/// What the last answers say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// There is none yet.
    #[default]
    Unasked,
    /// All were right.
    Right,
    /// One was not.
    Wrong,
}

/// How a job is doing, by its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// By the last ones.
    pub verdict: Verdict,
    /// Whether all were right once.
    pub was_right: bool,
    /// The last that was wrong, for the buyer; empty while all are right.
    pub answer: String,
    /// Whether so many in a row were wrong that the job is not well.
    pub unwell: bool,
    /// The container could not be asked at all the last time.
    pub trouble: Option<DriverError>,
}

/// Asks a job's questions for as long as it is held.
#[derive(Debug)]
pub struct Prober {
    health: watch::Receiver<Health>,
    task: JoinHandle<()>,
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Prober {
    /// Begins to ask. `ready`: the job's start is reported, so that nothing is in a hurry.
    #[must_use]
    pub fn begin(driver: Arc<dyn Driver>, id: ContainerId, probing: Probing, ready: bool) -> Self {
        let (sender, health) = watch::channel(Health { was_right: ready, ..Health::default() });
        Self { health, task: tokio::spawn(keep_asking(driver, id, probing, sender)) }
    }

    /// How the job is doing.
    #[must_use]
    pub fn health(&self) -> Health {
        self.health.borrow().clone()
    }

    /// To wait for news.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<Health> {
        // What it has by now is no news: whoever waits would not wait.
        let mut news = self.health.clone();
        news.mark_unchanged();
        news
    }
}

async fn keep_asking(driver: Arc<dyn Driver>, id: ContainerId, probing: Probing, health: watch::Sender<Health>) {
    let begun = Instant::now();
    let mut failures = 0u32;
    loop {
        let asked =
            join_all(probing.questions.iter().map(|(question, patience)| ask(&driver, &id, question, *patience)));
        tokio::pin!(asked);
        let answers = tokio::select! {
            answers = &mut asked => answers,
            () = sleep(INTERIM) => {
                health.send_if_modified(|health| {
                    let first = health.verdict == Verdict::Unasked;
                    if first {
                        (health.verdict, health.answer) = (Verdict::Wrong, "there is no answer yet".to_owned());
                    }
                    first
                });
                asked.await
            }
        };
        match answers.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(answers) => {
                let wrong = answers.into_iter().flatten().next();
                failures = match wrong {
                    Some(_) if begun.elapsed() >= probing.start_period => failures.saturating_add(1),
                    Some(_) => failures,
                    None => 0,
                };
                health.send_modify(|health| {
                    health.verdict = if wrong.is_some() { Verdict::Wrong } else { Verdict::Right };
                    health.was_right |= wrong.is_none();
                    health.unwell = failures >= probing.retries;
                    health.answer = wrong.unwrap_or_default();
                    health.trouble = None;
                });
            }
            Err(error) => {
                tracing::debug!(container = %id, %error, "the container cannot be asked whether it is ready");
                health.send_modify(|health| health.trouble = Some(error));
            }
        }
        let was_right = health.borrow().was_right;
        // That it runs is seen otherwise.
        if was_right && probing.questions.iter().all(|(question, _)| matches!(question, Question::Runs(_))) {
            return;
        }
        sleep(if was_right { probing.later } else { probing.interval }).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::driver::fake::{FakeDriver, Script};

    async fn until(prober: &Prober, is: impl Fn(&Health) -> bool) -> Health {
        let mut news = prober.news();
        let found = tokio::time::timeout(Duration::from_secs(10), news.wait_for(is)).await;
        found.expect("in time").expect("it asks on").clone()
    }

    #[tokio::test]
    async fn a_service_that_goes_away_after_it_was_ready_is_not_well_after_some_failures_and_well_when_it_is_back() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script = Script { runs_for: None, ports: HashMap::from([(80, address)]), ..Script::default() };
        let (driver, id) = (FakeDriver::new(script), ContainerId("c1".to_owned()));
        driver.start(&id).await.unwrap();
        let probing = Probing {
            questions: vec![(Question::Tcp { port: 80 }, Duration::from_secs(2))],
            interval: Duration::from_millis(5),
            later: Duration::from_millis(20),
            retries: 3,
            start_period: Duration::ZERO,
        };
        let prober = Prober::begin(Arc::new(driver), id, probing, false);
        let right = until(&prober, |health| health.verdict == Verdict::Right).await;
        assert!(right.was_right && !right.unwell && right.answer.is_empty());
        drop(listener);
        let unwell = until(&prober, |health| health.unwell).await;
        assert!(unwell.was_right && unwell.answer.contains("port 80"), "{unwell:?}");
        let _back = tokio::net::TcpListener::bind(address).await.unwrap();
        let well = until(&prober, |health| health.verdict == Verdict::Right).await;
        assert!(!well.unwell && well.answer.is_empty(), "{well:?}");
    }
}
