//! What this machine knows of a lease, for the planner.

use solana_pubkey::Pubkey;

use super::reconcile::{Local, Need, Services};
use super::{WorkError, Worker, blocking};
use crate::disk::{KEEP_FREE, usage};
use crate::inputs::Missing;
use crate::pushes::is_restore_due;
use crate::state_dir::LeaseDir;
use crate::store::{LeaseRecord, Phase};
use crate::{secrets, sold};

/// How the inputs stand. One that takes secrets which are not here waits with those, and holds up nothing here.
fn need(missing: &[Missing], dir: &LeaseDir) -> Need {
    if missing.iter().any(|input| input.is_fetchable(dir)) {
        Need::Fetch
    } else if missing.iter().any(|input| input.from.is_none()) {
        Need::Await
    } else {
        Need::Here
    }
}

impl Worker {
    /// What [`next`](super::reconcile::next) wants to know of this machine. `manifest_fetchable`: the job says where its manifest is.
    ///
    /// # Errors
    /// As [`Worker::missing_inputs`].
    pub async fn local(
        &self,
        record: &LeaseRecord,
        manifest_fetchable: bool,
        operator_stop: bool,
    ) -> Result<Local, WorkError> {
        let mut here = Local { operator_stop, ..Local::HERE };
        if record.started_at_ms.is_some() || record.ended.is_some() {
            // Nothing is fetched any more, and a manifest that cannot be read must not keep the lease from ending.
            let Ok(Some(manifest)) = self.manifest(&record.lease).await else { return Ok(here) };
            if record.ended.is_some() {
                return Ok(Local { probes: self.probes_of_ended(record, &manifest), ..here });
            }
            here.operator_stop |= self.is_open(&manifest);
            here.pod_lost = self.is_network_lost(record, &manifest).await?;
            here.cut_off = here.pod_lost && manifest.network.is_some();
            let disk_full = self.is_disk_full(record, &manifest).await?;
            let probes = match record.down() {
                Some(_) => self.probes_while_down(record, &manifest),
                None => self.probes(record, &manifest).await?,
            };
            return Ok(Local { disk_full, probes, restart: manifest.restart, ..here });
        }
        let manifest = match self.manifest(&record.lease).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                let manifest = if manifest_fetchable { Need::Fetch } else { Need::Await };
                return Ok(Local { manifest, ..here });
            }
            // No input helps this one; the next step refuses it for good.
            Err(WorkError::Manifest { .. }) => return Ok(here),
            Err(e) => return Err(e),
        };
        // It may have been started, and have failed, before its start was written down.
        here.restart = manifest.restart;
        if record.sold.as_ref().is_some_and(|sold| sold::check(&manifest, sold).is_err()) {
            return Ok(here); // likewise
        }
        let missing = self.missing_inputs(&record.lease).await?;
        let dir = self.state.lease(&record.lease);
        let network = self.is_connected(record, &manifest).await;
        let services = if network && !matches!(record.phase, Phase::Failed { .. }) {
            self.services(record, &manifest).await?
        } else {
            Services::Due
        };
        // Services run before the job does.
        let mut disk_full = false;
        if !manifest.services.is_empty() && network {
            here.operator_stop |= self.is_open(&manifest);
            disk_full = self.is_disk_full(record, &manifest).await?;
        }
        let (inputs, lacks, restores) = blocking(move || {
            let lacks = !secrets::missing(&manifest, &dir).is_empty();
            Ok((need(&missing, &dir), lacks, is_restore_due(&manifest, &dir)))
        })
        .await?;
        Ok(Local {
            inputs,
            secrets: if lacks { Need::Await } else { Need::Here },
            restore: if restores { Need::Fetch } else { Need::Here },
            network,
            services,
            disk_full,
            ..here
        })
    }

    /// Bytes of the disk that all leases together may have: what is free, and what the `open` ones have already. What is
    /// kept of finished ones is not among it, nor what the node needs itself.
    ///
    /// # Errors
    /// [`WorkError::Shutdown`].
    pub async fn disk_room(&self, open: Vec<Pubkey>) -> Result<Option<u64>, WorkError> {
        let state = self.state.clone();
        blocking(move || {
            let Some(free) = usage::free(state.root()) else { return Ok(None) };
            let used = open.iter().map(|lease| usage::below(state.lease(lease).root()).bytes);
            let all = used.fold(free, u64::saturating_add);
            Ok(Some(all.saturating_sub(KEEP_FREE)))
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inputs::Origin;
    use crate::state_dir::StateDir;
    use gridlease_sdk::manifest::InputSource;

    #[test]
    fn an_input_that_takes_secrets_waits_with_them_and_holds_up_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let lease = StateDir::open(dir.path()).unwrap().lease(&Pubkey::new_unique());
        let input = |secrets: &[&str]| {
            let secrets = secrets.iter().map(|name| (*name).to_owned()).collect();
            let origin = Origin { secrets, ..InputSource::Hub("hf://org/model/x".to_owned()).into() };
            Missing { sha256: [1; 32], from: Some(origin) }
        };
        let pushed = Missing { sha256: [2; 32], from: None };
        let (open, gated) = (input(&[]), input(&["HF_TOKEN"]));
        assert_eq!(need(&[], &lease), Need::Here);
        assert_eq!(need(&[open, gated.clone(), pushed.clone()], &lease), Need::Fetch);
        assert_eq!(need(&[gated.clone(), pushed], &lease), Need::Await);
        assert_eq!(need(std::slice::from_ref(&gated), &lease), Need::Here, "the secrets are what lacks");
        std::fs::create_dir_all(lease.secrets()).unwrap();
        assert_eq!(need(&[gated], &lease), Need::Fetch);
        crate::secrets::remove(&lease).unwrap();
        let _ = std::fs::remove_dir(lease.secrets().parent().unwrap());
    }
}
