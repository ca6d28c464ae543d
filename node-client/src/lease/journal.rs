//! What a step writes down: that it begins, and what came of it.

use super::{WorkError, Worker, blocking};
use crate::store::{LeaseRecord, Step};

impl Worker {
    pub(super) async fn intend(&self, record: &LeaseRecord, step: Step) -> Result<(), WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        blocking(move || Ok(store.intend(&lease, step).map(|_| ())?)).await
    }

    /// Changes the record and leaves the intent as it is.
    pub(super) async fn change(
        &self,
        record: &LeaseRecord,
        change: impl FnOnce(&mut LeaseRecord) + Send + 'static,
    ) -> Result<LeaseRecord, WorkError> {
        let (store, lease) = (self.store.clone(), record.lease);
        blocking(move || {
            Ok(store.update(&lease, |r| {
                change(r);
                Ok(())
            })?)
        })
        .await
    }

    /// Changes the record at the end of a step.
    pub(super) async fn update(
        &self,
        record: &LeaseRecord,
        change: impl FnOnce(&mut LeaseRecord) + Send + 'static,
    ) -> Result<LeaseRecord, WorkError> {
        self.change(record, |r| {
            change(r);
            r.intent = None;
        })
        .await
    }
}
