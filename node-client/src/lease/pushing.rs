//! A lease's outputs on their way to the stores that its manifest names: beside the run, and after the end beside everything else, so
//! that no store can hold up a lease's end or its machine.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytesize::ByteSize;
use futures_util::future::join_all;
use gridlease_sdk::manifest::{Manifest, Output};
use gridlease_sdk::node_api::events::kinds;
use gridlease_sdk::node_api::secrets::Secrets;
use solana_pubkey::Pubkey;

use super::{WorkError, Worker, blocking};
use crate::pushes::{PushError, Pushed, Pusher, Whose};
use crate::secrets;
use crate::store::LeaseRecord;

/// How long after a job's end its outputs are still pushed.
const AFTER_END: Duration = Duration::from_secs(900);
/// Between two tries after the end, at most.
const END_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause between two tries while the job runs, where none succeeds; or `every`, where that is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(900);
/// Leases whose outputs are pushed after their end at the same time.
pub(super) const MOST_AT_THE_END: usize = 32;
/// Files that are named one by one where they were not pushed.
const NAMED: usize = 20;

/// The outputs that are pushed, each with its number.
fn pushed(manifest: &Manifest) -> impl Iterator<Item = (usize, &Output)> {
    manifest.outputs.iter().enumerate().filter(|(_, output)| output.push.is_some())
}

/// Whether a manifest has any.
pub(super) fn has_pushes(manifest: &Manifest) -> bool {
    pushed(manifest).next().is_some()
}

/// The secrets that the stores take.
fn names(manifest: &Manifest) -> Vec<String> {
    manifest
        .outputs
        .iter()
        .filter_map(|output| output.s3.as_ref())
        .flat_map(|s3| s3.secrets().map(str::to_owned))
        .collect()
}

impl Worker {
    /// Pushes the outputs of a container that runs, as often as the manifest says, until it has ended. To be run beside the main loop.
    pub async fn push_while_running(&self, record: &LeaseRecord) {
        let Ok(Some(manifest)) = self.manifest(&record.lease).await else { return };
        let mut pushes = Vec::new();
        for (index, output) in pushed(&manifest) {
            if let Some(every) = output.every_s {
                pushes.push(self.push_often(record, &manifest, (index, output), Duration::from_secs(every.into())));
            }
        }
        if pushes.is_empty() {
            return;
        }
        let ended = async {
            while self.wait(record).await.is_err() {
                tokio::time::sleep(Duration::from_secs(2)).await;
            }
        };
        tokio::select! {
            () = ended => {}
            _ = join_all(pushes) => {}
        }
    }

    async fn push_often(&self, record: &LeaseRecord, manifest: &Manifest, of: (usize, &Output), every: Duration) {
        // What was said last: that it was pushed, or why not.
        let (mut said, mut failures) = (None, 0u32);
        loop {
            let pause = every.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE.max(every));
            tokio::time::sleep(pause.mul_f64(rand::random_range(0.9..1.1))).await;
            let outcome = self.push_once(record, manifest, of).await;
            let (kind, words) = told(of, &outcome);
            let news = match &outcome {
                Ok(pushed) => pushed.new && said != Some(String::new()),
                Err(_) => said.as_ref() != Some(&words),
            };
            if news {
                said = Some(if outcome.is_ok() { String::new() } else { words.clone() });
                self.add_event(&record.lease, kind, &words, false).await;
            }
            failures = if outcome.is_ok() { 0 } else { failures.saturating_add(1) };
            if matches!(outcome, Err(PushError::Superseded { .. })) {
                return;
            }
        }
    }

    async fn push_once(
        &self,
        record: &LeaseRecord,
        manifest: &Manifest,
        of: (usize, &Output),
    ) -> Result<Pushed, PushError> {
        let lock = self.push_lock(&record.lease, of.0);
        let _one = lock.lock().await;
        let secrets = self.push_secrets(record, manifest).await?;
        self.pusher(record, manifest, of, &secrets).await?.push(false).await
    }

    async fn push_secrets(&self, record: &LeaseRecord, manifest: &Manifest) -> Result<Secrets, PushError> {
        let (dir, names) = (self.state.lease(&record.lease), names(manifest));
        let read = tokio::task::spawn_blocking(move || secrets::read(&dir, &names)).await;
        Ok(read.map_err(|_| PushError::SecretsGone)??)
    }

    async fn pusher(
        &self,
        record: &LeaseRecord,
        manifest: &Manifest,
        (index, output): (usize, &Output),
        secrets: &Secrets,
    ) -> Result<Pusher, PushError> {
        let whose = Whose { job: record.job, lease: record.lease, attempt: record.attempt };
        let limits = super::stages::output_limits(self.config.outputs, Some(manifest));
        let (dir, output, secrets) = (self.state.lease(&record.lease), output.clone(), secrets.clone());
        let (fetcher, clock) = (self.fetcher.clone(), self.clock.clone());
        let made = move || Pusher::new(whose, (index, &output), &dir, limits, &secrets, fetcher, clock);
        tokio::task::spawn_blocking(made).await.map_err(|_| PushError::SecretsGone)?
    }

    /// Takes the outputs of a container that has ended to their stores, as far as that is still to be done, beside everything else. The
    /// secrets that this takes are read before it returns.
    ///
    /// # Errors
    /// [`WorkError::Files`], where the secrets cannot be read.
    pub(super) async fn push_at_the_end(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        if !record.push_due {
            return Ok(());
        }
        let Ok(Some(manifest)) = self.manifest(&record.lease).await else { return Ok(()) };
        let (dir, names) = (self.state.lease(&record.lease), names(&manifest));
        let secrets = blocking(move || Ok(secrets::read(&dir, &names)?)).await?;
        let (worker, record) = (self.clone(), record.clone());
        tokio::spawn(async move { worker.push_last(&record, &manifest, &secrets).await });
        Ok(())
    }

    /// Goes on with what a node that ended had not pushed. To be called once, at the start.
    ///
    /// # Errors
    /// [`WorkError::Store`].
    pub async fn resume_pushes(&self) -> Result<(), WorkError> {
        let store = self.store.clone();
        let records = blocking(move || Ok(store.all()?)).await?;
        for record in records.into_iter().filter(|record| record.push_due && record.output_root.is_some()) {
            if let Err(error) = self.push_at_the_end(&record).await {
                tracing::warn!(lease = %record.lease, %error, "the secrets to push its outputs with cannot be read");
            }
        }
        Ok(())
    }

    async fn push_last(&self, record: &LeaseRecord, manifest: &Manifest, secrets: &Secrets) {
        let deadline = tokio::time::Instant::now() + AFTER_END;
        let here = secrets.len() == names(manifest).iter().collect::<std::collections::BTreeSet<_>>().len();
        let place = tokio::time::timeout_at(deadline, Arc::clone(&self.places_at_the_end).acquire_owned()).await;
        // Its disk stays mounted until then.
        let (disk, dir) = (self.disk.clone(), self.state.lease(&record.lease));
        let reading = blocking(move || Ok(disk.read(&dir)?)).await;
        if let Err(error) = &reading {
            tracing::warn!(lease = %record.lease, %error, "outputs that are to be pushed cannot be read");
        }
        let has_place = matches!(place, Ok(Ok(_)));
        let mut pushes = Vec::new();
        for of in pushed(manifest) {
            pushes.push(async move {
                let lock = self.push_lock(&record.lease, of.0);
                let _one = lock.lock().await;
                let outcome = match has_place {
                    _ if !here => Err(PushError::SecretsGone),
                    true => self.push_until(record, manifest, of, secrets, deadline).await,
                    false => Err(PushError::TooLate),
                };
                self.tell_last(record, manifest, of, secrets, &outcome).await;
            });
        }
        // One store that is gone takes no time from another.
        join_all(pushes).await;
        drop((reading, place));
        self.pushing.lock().unwrap_or_else(PoisonError::into_inner).retain(|(lease, _), _| *lease != record.lease);
        if let Err(error) = self.change(record, |r| r.push_due = false).await {
            tracing::warn!(lease = %record.lease, %error, "that its outputs were pushed cannot be written down");
        }
    }

    async fn push_until(
        &self,
        record: &LeaseRecord,
        manifest: &Manifest,
        of: (usize, &Output),
        secrets: &Secrets,
        deadline: tokio::time::Instant,
    ) -> Result<Pushed, PushError> {
        let mut pause = Duration::from_secs(1);
        loop {
            let push = async { self.pusher(record, manifest, of, secrets).await?.push(true).await };
            let outcome = tokio::time::timeout_at(deadline, push).await.unwrap_or(Err(PushError::TooLate));
            match outcome {
                Err(error) if error.is_transient() && tokio::time::Instant::now() + pause < deadline => {
                    tracing::warn!(lease = %record.lease, ?error, "an output is pushed again in {pause:?}");
                    tokio::time::sleep(pause.mul_f64(rand::random_range(0.8..1.2))).await;
                    pause = (pause * 2).min(END_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }

    /// Says what is in the store, and by name what is not.
    async fn tell_last(
        &self,
        record: &LeaseRecord,
        manifest: &Manifest,
        of: (usize, &Output),
        secrets: &Secrets,
        outcome: &Result<Pushed, PushError>,
    ) {
        let (kind, words) = told(of, outcome);
        self.add_event(&record.lease, kind, &words, true).await;
        let (names, all) = match outcome {
            Ok(pushed) => (pushed.left_out.entries.iter().map(ToString::to_string).collect(), pushed.left_out.count),
            Err(_) => match self.pusher(record, manifest, of, secrets).await {
                Ok(pusher) => pusher.missing().await.unwrap_or_default(),
                Err(_) => (Vec::new(), 0),
            },
        };
        let named = names.len().min(NAMED);
        for name in names.iter().take(NAMED) {
            self.add_event(&record.lease, kinds::NOT_PUSHED, &format!("outputs[{}]: {name}", of.0), true).await;
        }
        let more = all.saturating_sub(named as u64);
        if more > 0 {
            let words = format!("outputs[{}]: and {more} more", of.0);
            self.add_event(&record.lease, kinds::NOT_PUSHED, &words, true).await;
        }
    }

    /// Adds to what happened to a lease.
    pub(super) async fn add_event(&self, lease: &Pubkey, kind: &'static str, words: &str, always: bool) {
        let (store, of, words) = (self.store.clone(), *lease, words.to_owned());
        if let Err(error) = blocking(move || Ok(store.add_event(&of, kind, &words, always)?)).await {
            tracing::warn!(%lease, %error, "an event cannot be written down");
        }
    }

    /// An output is not pushed twice at a time.
    fn push_lock(&self, lease: &Pubkey, index: usize) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(self.pushing.lock().unwrap_or_else(PoisonError::into_inner).entry((*lease, index)).or_default())
    }
}

/// What is said of a push.
fn told((index, output): (usize, &Output), outcome: &Result<Pushed, PushError>) -> (&'static str, String) {
    let (path, place) = (&output.path, output.push.as_deref().unwrap_or_default().trim_end_matches('/'));
    match outcome {
        Ok(Pushed { generation, files, bytes, .. }) => {
            let size = ByteSize::b(*bytes).display().iec();
            let words =
                format!("outputs[{index}] ({path}): {files} files, {size}, by list {generation} in {place}/index.json");
            (kinds::PUSHED, words)
        }
        Err(error) => (kinds::NOT_PUSHED, format!("outputs[{index}] ({path}) is not in {place} as it stands: {error}")),
    }
}
