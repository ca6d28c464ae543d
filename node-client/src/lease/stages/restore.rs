//! What an earlier attempt, or an earlier job, pushed to a store is brought back, before anything of the container is made.

use futures_util::future::BoxFuture;
use gridlease_sdk::artifact::Limits;
use gridlease_sdk::node_api::events::kinds;

use super::{Facts, Part, Stage, StageName, Stands, by_need};
use crate::disk::Quota;
use crate::inputs::{InputError, present_bytes};
use crate::lease::{WorkError, Worker, blocking};
use crate::pushes::Restoring;
use crate::secrets;
use crate::store::{LeaseRecord, Step};

/// See [`StageName::Restore`].
pub(super) struct Restore;

impl Stage for Restore {
    fn name(&self) -> StageName {
        StageName::Restore
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        by_need(
            facts,
            facts.local.restore,
            self.name(),
            "what was pushed before is missing",
            "what was pushed before could not be restored from where the manifest says",
        )
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.restore(record))
    }
}

impl Worker {
    async fn restore(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let (_, manifest) = self.spec(record).await?; // nothing is loaded for a job that will not run
        self.intend(record, Step::Restore).await?;
        let dir = self.state.lease(&record.lease);
        // It lies in the room that is set aside for all that the container writes.
        let quota = {
            let (dir, disk, resources) = (dir.clone(), self.disk.clone(), manifest.resources.clone());
            let (outputs, run_as) = (manifest.outputs.len(), self.run_as);
            blocking(move || {
                let inputs = present_bytes(&dir);
                let quota = Quota::of(&resources, inputs)
                    .ok_or_else(|| InputError::NoRoom { bytes: inputs, room: resources.disk_parts().files })?;
                disk.prepare(&dir, quota)?;
                dir.create(outputs, run_as)?;
                Ok(quota)
            })
            .await?
        };
        let files = usize::try_from(quota.files).unwrap_or(usize::MAX).min(self.config.outputs.files);
        let mut room = Limits { files, bytes: quota.bytes.min(self.config.outputs.bytes), ..self.config.outputs };
        for (index, output) in manifest.outputs.iter().enumerate().filter(|(_, output)| output.restore) {
            let names: Vec<String> = output.s3.iter().flat_map(|s3| s3.secrets().map(str::to_owned)).collect();
            let (of, dir_of) = (output.clone(), dir.clone());
            let fetcher = self.fetcher.clone();
            let restoring = blocking(move || {
                let secrets = secrets::read(&dir_of, &names)?;
                Ok(Restoring::new((index, &of), &dir_of, room, &secrets, fetcher)?)
            })
            .await?;
            let Some(restored) = restoring.restore().await? else { continue };
            room.bytes = room.bytes.saturating_sub(restored.bytes);
            room.files = room.files.saturating_sub(restored.files);
            let words = format!(
                "outputs[{index}] ({}): {} files, {} bytes, of list {} of lease {}",
                output.path, restored.files, restored.bytes, restored.generation, restored.from
            );
            self.add_event(&record.lease, kinds::RESTORED, &words, false).await;
        }
        self.update(record, |_| ()).await
    }
}
