//! Readiness: the ports of a container that has just started are asked whether their services are up; then the chain is told that it
//! runs.

use std::pin::pin;
use std::time::Duration;

use axum::body::Body;
use futures_util::future::{BoxFuture, join_all};
use gridlease_sdk::manifest::{Manifest, Probe};
use hyper::Request;
use hyper::header::{CONNECTION, HOST, USER_AGENT};
use hyper_util::rt::TokioIo;
use solana_pubkey::Pubkey;

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::{ContainerId, DriverError};
use crate::for_buyer::ForBuyer as _;
use crate::lease::reconcile::{Action, ChainState, Note};
use crate::lease::{WorkError, Worker, blocking, container_id};
use crate::store::LeaseRecord;

/// The exit code with which the chain is told of a service that does not become ready.
pub(in crate::lease) const UNREADY_EXIT_CODE: i32 = 125;
/// Between two questions.
const EVERY: Duration = Duration::from_secs(1);
/// For one answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Most bytes of the head of an answer.
const MAX_HEAD: usize = 16 * 1024;

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
            ChainState::Starting if facts.local.silent => Stands::Due(Action::AwaitProbe),
            ChainState::Starting => Stands::Due(Action::PostReady),
            state if state.is_metered() && facts.record.ready_missing() => Stands::Due(Action::Record(Note::Ready)),
            _ => Stands::Done,
        }
    }

    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            worker.last_answers().remove(&record.lease);
            Ok(())
        })
    }
}

impl Worker {
    /// Whether every probe of the manifest answers. What one answers instead is told to the buyer while it is waited for.
    pub(in crate::lease) async fn answers(&self, record: &LeaseRecord, manifest: &Manifest) -> Result<bool, WorkError> {
        if manifest.ports.iter().all(|port| port.probe.is_none()) {
            return Ok(true);
        }
        // Once it has answered, `ready` is on its way, and a later silence is the buyer's to see.
        if self.last_answers().get(&record.lease).is_some_and(String::is_empty) {
            return Ok(true);
        }
        let id = container_id(record);
        let probes = manifest.ports.iter().filter_map(|port| port.probe.as_ref().map(|probe| (port.container, probe)));
        let asked = probes.map(|(port, probe)| self.ask(&id, port, probe));
        // All at once, so that sixteen that say nothing take no longer than one.
        let answers = join_all(asked).await.into_iter().collect::<Result<Vec<_>, _>>()?;
        let Some(answer) = answers.into_iter().flatten().next() else {
            if self.last_answers().insert(record.lease, String::new()).is_some() {
                self.tell(record, String::new()).await?;
            }
            return Ok(true);
        };
        let before = self.last_answers().insert(record.lease, answer.clone());
        if before.as_ref() != Some(&answer) {
            self.tell(record, format!("waiting for the job to become ready: {answer}")).await?;
        }
        Ok(false)
    }

    /// Waits until it is time to ask again.
    pub(in crate::lease) async fn await_probe(&self, record: &LeaseRecord) -> LeaseRecord {
        tokio::time::sleep(EVERY).await;
        record.clone()
    }

    /// Why a start is given up, with the last answer.
    pub(in crate::lease) fn unready_words(&self, lease: &Pubkey) -> String {
        let answer = self.last_answers().get(lease).filter(|answer| !answer.is_empty()).cloned();
        format!(
            "the job did not become ready in its time to start: {}",
            answer.unwrap_or_else(|| "its probe did not answer".to_owned())
        )
    }

    /// What a probe answered instead of being ready. A node that cannot reach the container at all has nothing to say of the job.
    async fn ask(&self, id: &ContainerId, port: u16, probe: &Probe) -> Result<Option<String>, WorkError> {
        let Probe::Http(path) = probe;
        let told = |what: &str| format!("GET {path} on port {port} {what}");
        Ok(match tokio::time::timeout(PATIENCE, self.get(id, port, path)).await {
            Err(_) => Some(told(&format!("had no answer within {} s", PATIENCE.as_secs()))),
            Ok(Ok(status)) if (200..400).contains(&status) => None,
            Ok(Ok(status)) => Some(told(&format!("was answered with status {status}"))),
            Ok(Err(No::Reach(
                error @ (DriverError::NotListening { .. } | DriverError::NotRunningContainer { .. }),
            ))) => Some(error.for_buyer()),
            Ok(Err(No::Reach(error))) => return Err(error.into()),
            Ok(Err(No::Http)) => Some(told("was not answered in HTTP")),
        })
    }

    async fn get(&self, id: &ContainerId, port: u16, path: &str) -> Result<u16, No> {
        let stream = self.driver.connect(id, port).await.map_err(No::Reach)?;
        let mut http = hyper::client::conn::http1::Builder::new();
        let shaken = http.max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(|_| No::Http)?;
        let request = Request::get(path)
            .header(HOST, format!("localhost:{port}"))
            .header(USER_AGENT, "gridlease-node")
            .header(CONNECTION, "close")
            .body(Body::empty())
            .map_err(|_| No::Http)?;
        // The connection ends with this: nothing of the answer's body is read.
        let mut answer = pin!(sender.send_request(request));
        let answer = tokio::select! {
            answer = &mut answer => answer,
            // It may have brought the answer with its end.
            _ = connection => answer.await,
        };
        answer.map(|answer| answer.status().as_u16()).map_err(|_| No::Http)
    }

    async fn tell(&self, record: &LeaseRecord, message: String) -> Result<(), WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        blocking(move || {
            store.update(&lease, |record| {
                record.message = message;
                Ok(())
            })?;
            Ok(())
        })
        .await
    }

    /// What each lease's probes answered last; nothing, once all were right.
    pub(in crate::lease) fn last_answers(
        &self,
    ) -> std::sync::MutexGuard<'_, std::collections::HashMap<Pubkey, String>> {
        self.answers.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Why there is no status.
enum No {
    /// The port.
    Reach(DriverError),
    /// What listens there speaks something else.
    Http,
}
