//! What is seen of a lease is written down.

use super::reconcile::Note;
use super::stages::ready::UNREADY_EXIT_CODE;
use super::{WorkError, Worker};
use crate::store::{Blame, LeaseRecord, Phase};

impl Worker {
    pub(super) async fn note(&self, record: &LeaseRecord, note: Note) -> Result<LeaseRecord, WorkError> {
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
        let ended_ms = match &note {
            Note::Ended(ended) => {
                let told = if ended.at_ms > 0 { self.clock.chain_ms_of_host(ended.at_ms) } else { now_ms };
                // An engine whose clock is not this machine's tells times that mean little here.
                told.max(self.seen_running().remove(&record.lease).unwrap_or(told))
            }
            _ => now_ms,
        };
        let memory = self.stats.peak_memory(&record.lease);
        let unready = self.unready_words(record);
        self.update(record, move |r| match note {
            Note::Started(at_ms) => {
                r.started_at_ms = Some(at_ms);
                r.reach(Phase::Started);
            }
            Note::Ready => r.meter_started(now_ms),
            Note::Ended(ended) => {
                r.memory = memory;
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
}
