//! What is seen of a lease is written down.

use super::reconcile::Note;
use super::stages::ready::UNREADY_EXIT_CODE;
use super::{WorkError, Worker};
use crate::store::{Blame, Ended, LeaseRecord, Phase, Times};

/// Told of a job that was to be started again.
const STRANDED: &str =
    "the container could not be started again: the one that held the network of the job's containers ended";

impl Worker {
    pub(super) async fn note(&self, record: &LeaseRecord, note: Note) -> Result<LeaseRecord, WorkError> {
        let stranded = matches!(note, Note::Stranded(_));
        let note = match note {
            Note::Stranded(exit) => Note::Ended(Ended::from(&exit)),
            note => note,
        };
        if matches!(note, Note::Started(_)) {
            // It runs, and this machine's memory of it was lost: with it, what it may reach.
            self.connect(record).await?;
        }
        if matches!(note, Note::Failed(..) | Note::Unready) {
            // No answer of the chain could make use of its services. The word to the chain does not wait for their end.
            let (worker, record) = (self.clone(), record.clone());
            tokio::spawn(async move {
                if let Err(error) = worker.stop_services(&record).await {
                    tracing::warn!(lease = %record.lease, %error, "its services run until it is wiped");
                }
            });
        }
        let now_ms = self.clock.now_ms();
        let finished_ms = match &note {
            Note::Ended(ended) => Some(ended.at_ms),
            Note::Fell(exit, _) => Some(exit.finished_at_ms),
            _ => None,
        };
        let ended_ms = finished_ms.map_or(now_ms, |at_ms| {
            let told = if at_ms > 0 { self.clock.chain_ms_of_host(at_ms) } else { now_ms };
            // An engine whose clock is not this machine's tells times that mean little here.
            told.max(self.seen_running().remove(&record.lease).unwrap_or(told))
        });
        let interrupted = self.was_interrupted(record);
        if let Note::Again(at_ms) = note {
            return self.begun_again(record, self.clock.chain_ms_of_host(at_ms)).await;
        }
        let memory = self.stats.peak_memory(&record.lease);
        let unready = self.unready_words(record);
        let clock = self.clock.clone();
        let job = self.manifest(&record.lease).await.ok().flatten();
        let services = job.is_some_and(|job| !job.services.is_empty());
        self.update(record, move |r| match note {
            Note::Started(at_ms) => {
                r.started_at_ms = Some(at_ms);
                r.reach(Phase::Started);
            }
            Note::Ready => r.meter_started(now_ms),
            Note::Fell(exit, restart) => {
                let began_ms = clock.chain_ms_of_host(exit.started_at_ms);
                r.fell(&exit, &restart, memory, Times { began_ms, ended_ms, seen_ms: now_ms });
                if let Some(fall) = r.falls.last_mut() {
                    fall.interrupted |= interrupted;
                }
                r.unseen = false;
            }
            Note::Again(_) | Note::Stranded(_) => {}
            Note::Ended(ended) => {
                r.memory = memory;
                // What became of the engine after a run has no part in how that ended.
                r.interrupted = r.down().map_or(interrupted, |fall| fall.interrupted);
                let ended_ms = r.end_between_runs(services).unwrap_or(ended_ms);
                if stranded {
                    r.not_again = Some(STRANDED.to_owned());
                }
                r.container_ended(ended, ended_ms);
            }
            Note::Unready => {
                r.message.clone_from(&unready);
                // As for a program that is not there: what the buyer asks for cannot be run.
                r.blame = Blame::Engine { exit_code: UNREADY_EXIT_CODE };
                r.reach(Phase::Failed { reason: unready });
            }
            Note::Failed(reason, blame) => {
                r.message.clone_from(&reason);
                r.blame = blame;
                r.reach(Phase::Failed { reason });
            }
        })
        .await
    }

    /// Whether engine or machine went away under the container: the engine could not be asked since it was last seen running, or
    /// the machine was started after it.
    fn was_interrupted(&self, record: &LeaseRecord) -> bool {
        let up = std::fs::read_to_string("/proc/uptime").ok();
        let up_s = up.and_then(|text| text.split('.').next()?.parse::<i64>().ok());
        let booted_ms =
            up_s.map(|up_s| self.clock.host_ms().saturating_sub(up_s.saturating_add(1).saturating_mul(1_000)));
        let began_ms = record.later_runs_ms().last().copied().or(record.started_at_ms);
        record.unseen || began_ms.zip(booted_ms).is_some_and(|(started, booted)| started < booted)
    }
}
