//! Readiness: a container that has just started is asked whether its service is up; then the chain is told that it runs. Who was right
//! once is asked on, less often, so that the buyer hears of a service that is not well; nothing ends for that.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gridlease_sdk::manifest::Manifest;
use solana_pubkey::Pubkey;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::ImageRef;
use crate::lease::reconcile::{Action, ChainState, Note, Probes};
use crate::lease::{WorkError, Worker, container_id};
use crate::probes::{Health, Prober, Probing, Verdict, is_said, wants_image};
use crate::store::{LeaseRecord, Phase, Unwell};

/// The exit code with which the chain is told of a service that does not become ready.
pub(in crate::lease) const UNREADY_EXIT_CODE: i32 = 125;
/// The longest that is waited for news of a probe.
const EVERY: Duration = Duration::from_secs(1);
/// With what the words begin that tell of an answer.
const WAITING: &str = "waiting for the job to become ready: ";

/// See [`StageName::Ready`]. Its word to the chain is posted by the lease's task.
pub(super) struct Ready;

impl Stage for Ready {
    fn name(&self) -> StageName {
        StageName::Ready
    }

    fn part(&self) -> Part {
        Part::Running
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        match facts.chain.state {
            ChainState::Starting if facts.local.probes != Probes::Right => Stands::Due(Action::AwaitProbe),
            ChainState::Starting => Stands::Due(Action::PostReady),
            state if state.is_metered() && facts.record.ready_missing() => Stands::Due(Action::Record(Note::Ready)),
            _ => Stands::Done,
        }
    }

    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            worker.probers().remove(&record.lease);
            Ok(())
        })
    }
}

impl Worker {
    /// What the job's probes say; all is right where it has none. Begins to ask where nobody does, and tells the buyer what was answered.
    pub(in crate::lease) async fn probes(
        &self,
        record: &LeaseRecord,
        manifest: &Manifest,
    ) -> Result<Probes, WorkError> {
        // A node that cannot look has nothing to say of the job, and the lease goes on without its word.
        let health = match self.health(record, manifest).await {
            Ok(health) => health,
            Err(error) => {
                tracing::warn!(lease = %record.lease, %error, "what is to be asked cannot be found out");
                return Ok(if record.ready_missing() { Probes::Unasked } else { Probes::Right });
            }
        };
        let Some(health) = health else { return Ok(Probes::Right) };
        self.tell_health(record, &health).await?;
        if !record.ready_missing() || health.was_right {
            // Once it has answered, `ready` is on its way, and a later silence is the buyer's to see.
            return Ok(Probes::Right);
        }
        // A node that cannot reach the container at all has nothing to say of the job.
        if let Some(error) = health.trouble {
            tracing::warn!(lease = %record.lease, %error, "the job cannot be asked whether it is ready");
            return Ok(Probes::Unasked);
        }
        Ok(match health.verdict {
            Verdict::Unasked => Probes::Unasked,
            _ if self.is_overdue(record, manifest) => Probes::Overdue,
            _ => Probes::Wrong,
        })
    }

    /// Whether the time is over in which the job was to become ready, from its first start on.
    pub(super) fn is_overdue(&self, record: &LeaseRecord, manifest: &Manifest) -> bool {
        let limit_ms = manifest.ready.start_period_s.map(|s| i64::from(s).saturating_mul(1_000));
        let runs_ms = record.started_at_ms.map_or(0, |at| self.clock.host_ms().saturating_sub(at));
        limit_ms.is_some_and(|limit| runs_ms >= limit)
    }

    /// Whether a job that has ended was ready, where it says itself what that is. A node that was restarted since does not know.
    pub(in crate::lease) fn probes_of_ended(&self, record: &LeaseRecord, manifest: &Manifest) -> Probes {
        if !record.ready_missing() {
            self.probers().remove(&record.lease);
            return Probes::Right;
        }
        let was_right = self.probers().get(&record.lease).is_some_and(|prober| prober.health().was_right);
        if is_said(manifest) && !was_right { Probes::Wrong } else { Probes::Right }
    }

    async fn health(&self, record: &LeaseRecord, manifest: &Manifest) -> Result<Option<Health>, WorkError> {
        if let Some(prober) = self.probers().get(&record.lease) {
            return Ok(Some(prober.health()));
        }
        let check = match ImageRef::parse(&manifest.image) {
            Ok(image) if wants_image(manifest) => self.driver.look(&image).await?.health,
            _ => None,
        };
        let Some(probing) = Probing::of(manifest, check.as_ref()) else { return Ok(None) };
        let prober = Prober::begin(self.driver(), container_id(record), probing, !record.ready_missing());
        let health = prober.health();
        self.probers().insert(record.lease, prober);
        Ok(Some(health))
    }

    /// Writes down what is new for the buyer.
    async fn tell_health(&self, record: &LeaseRecord, health: &Health) -> Result<(), WorkError> {
        let is_unwell = record.phase == Phase::ReadyPosted && health.unwell;
        let unwell = is_unwell.then(|| Unwell {
            since_ms: record.unwell.as_ref().map_or_else(|| self.clock.now_ms(), |known| known.since_ms),
            answer: health.answer.clone(),
        });
        let message = if health.was_right {
            record.message.starts_with(WAITING).then(String::new)
        } else if record.ready_missing() && !health.answer.is_empty() {
            Some(format!("{WAITING}{}", health.answer))
        } else {
            None
        };
        if message.as_ref().is_none_or(|message| *message == record.message) && unwell == record.unwell {
            return Ok(());
        }
        let changed = |record: &mut LeaseRecord| {
            record.unwell = unwell;
            record.message = message.unwrap_or(std::mem::take(&mut record.message));
        };
        self.change(record, changed).await?;
        Ok(())
    }

    /// Waits until a probe has news, or it is time to look again.
    pub(in crate::lease) async fn await_probe(&self, record: &LeaseRecord) -> LeaseRecord {
        let news = self.probers().get(&record.lease).map(Prober::news);
        match news {
            Some(mut news) => drop(tokio::time::timeout(EVERY, news.changed()).await),
            None => tokio::time::sleep(EVERY).await,
        }
        record.clone()
    }

    /// Why a start is given up, with the last answer.
    pub(in crate::lease) fn unready_words(&self, record: &LeaseRecord) -> String {
        if let Some(ended) = record.ended.as_ref().or(record.down().map(|fall| &fall.ended)) {
            return format!("the job ended with exit code {} before it was ready as its probe says", ended.code);
        }
        let answer =
            self.probers().get(&record.lease).map(|prober| prober.health().answer).filter(|answer| !answer.is_empty());
        format!(
            "the job did not become ready in its time to start: {}",
            answer.unwrap_or_else(|| "its probe did not answer".to_owned())
        )
    }

    /// Who asks each lease's job.
    pub(in crate::lease) fn probers(&self) -> MutexGuard<'_, HashMap<Pubkey, Prober>> {
        self.probers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
