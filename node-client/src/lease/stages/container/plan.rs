//! From a manifest to a container.

use gridlease_sdk::manifest::{Manifest, Resources};
use solana_pubkey::Pubkey;

use crate::driver::{BadImage, ContainerSpec, ImageRef, Limits, Mount, Net, Role, RunAs, SecretFiles};
use crate::runnable::{self, NotRunnable};
use crate::secrets;
use crate::state_dir::LeaseDir;
use crate::store::LeaseRecord;

const MIB: u64 = 1024 * 1024;

/// Why a manifest cannot be run as it is written.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Its image.
    #[error(transparent)]
    Image(#[from] BadImage),
    /// It asks for something that this node does not do.
    #[error(transparent)]
    NotRunnable(#[from] NotRunnable),
    /// An input has no usable hash.
    #[error("input {0} has no SHA-256")]
    Input(String),
    /// It wants more GPUs than were set aside for the lease.
    #[error("the job wants {wanted} GPUs, {reserved} are set aside for the lease")]
    Gpus {
        /// Of the manifest.
        wanted: u32,
        /// Of the lease.
        reserved: usize,
    },
}

/// The container for a lease, as yet without a network. A job that asks for what this node cannot do is refused, never run otherwise than written.
///
/// # Errors
/// [`PlanError`].
pub fn container_spec(
    node: &Pubkey,
    record: &LeaseRecord,
    manifest: &Manifest,
    dir: &LeaseDir,
    run_as: RunAs,
) -> Result<ContainerSpec, PlanError> {
    runnable::check(manifest)?;
    let wanted = manifest.resources.gpu.as_ref().map_or(0, |gpu| gpu.count);
    // A unit may have more of them than the job asks for; the job gets what it asks for.
    let gpus = usize::try_from(wanted).ok().and_then(|wanted| record.gpus.get(..wanted));
    let gpus = gpus.ok_or(PlanError::Gpus { wanted, reserved: record.gpus.len() })?;
    let mut mounts = Vec::new();
    for input in &manifest.inputs {
        let mut sha256 = [0; 32];
        let hash = input.sha256.as_deref().unwrap_or_default();
        hex::decode_to_slice(hash, &mut sha256).map_err(|_| PlanError::Input(input.mount.clone()))?;
        mounts.push(Mount { source: dir.input(&sha256), target: input.mount.clone(), read_only: true });
    }
    for (index, output) in manifest.outputs.iter().enumerate() {
        mounts.push(Mount { source: dir.output(index), target: output.path.clone(), read_only: false });
    }
    let resources = &manifest.resources;
    Ok(ContainerSpec {
        node: *node,
        lease: record.lease,
        job: record.job,
        image: ImageRef::parse(&manifest.image)?,
        command: manifest.command.clone(),
        args: manifest.args.clone(),
        env: manifest.env.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
        lease_dir: dir.root().to_owned(),
        mounts,
        secrets: (!manifest.secrets.is_empty())
            .then(|| SecretFiles { dir: dir.secrets().to_owned(), variables: secrets::variables(manifest) }),
        init: Some(dir.init()),
        limits: limits(resources),
        gpus: gpus.to_vec(),
        run_as,
        net: Net::None,
        role: Role::Own,
        stdin: manifest.stdin,
        tty: manifest.tty,
    })
}

fn limits(resources: &Resources) -> Limits {
    let usual = Limits::new(resources.memory_mib.saturating_mul(MIB), resources.cpu_milli);
    Limits {
        log_bytes: resources.disk_parts().engine_log,
        shm_bytes: resources.shm_mib.map_or(usual.shm_bytes, |mib| mib.saturating_mul(MIB)),
        ..usual
    }
}
