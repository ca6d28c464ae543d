//! From the manifest's file to a job that can be posted, with what it will cost at most. Nothing is sent.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use gridlease_core::{PricePerHour, limits, tip};
use gridlease_sdk::account::{Job, size};
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_sdk::manifest::requirement::{cap, job_args, refusals};
use gridlease_sdk::manifest::{MAX_YAML_BYTES, Manifest};
use gridlease_sdk::source::Sources;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::Buyer;
use super::pin::pin;
use super::secrets;
use super::store::InputFile;
use crate::amount::{Sol, Usdc};
use crate::error::CliError;

/// What a job will cost at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Quote {
    /// Name from the manifest.
    pub name: String,
    /// The image, by digest.
    pub image: String,
    /// What a machine pulls, in bytes.
    pub image_bytes: u64,
    /// What it loads of inputs that are on a hub or in a store, as far as these said, in bytes.
    pub loaded_bytes: u64,
    /// The most that is paid per hour.
    pub max_price: Usdc,
    /// The longest time, seconds.
    pub max_duration_s: u32,
    /// Length of the bidding, from the first bid on, seconds.
    pub window_s: u32,
    /// For how long it waits for a first bid, seconds.
    pub wait_s: u32,
    /// Attempts.
    pub attempts: u32,
    /// What posting reserves: the most that the job can cost, the market's fee included.
    pub cap: Usdc,
    /// The least that a started job is charged, at the highest price.
    pub min_charge: Usdc,
    /// What is free in the purse; none where it is not open.
    pub free: Option<Usdc>,
    /// What posting locks: rent of the job's account, and what is set aside for tips. It comes back when the job is closed, less
    /// the tips that keepers earned.
    pub rent_sol: Sol,
    /// Files that are pushed to the winner.
    pub inputs: Vec<InputFile>,
}

/// A job that can be posted.
#[derive(Clone, Debug)]
pub struct PreparedJob {
    /// The manifest's file.
    pub file: PathBuf,
    /// The manifest, with everything pinned.
    pub manifest: Manifest,
    /// Its canonical form.
    pub canonical: Vec<u8>,
    /// SHA-256 of that.
    pub manifest_hash: [u8; 32],
    /// What stands on chain.
    pub args: JobArgs,
    /// What it will cost at most.
    pub quote: Quote,
}

/// A variable as it is written on the command line: `NAME=VALUE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvVar {
    /// What stands before the first `=`.
    pub name: String,
    /// What stands behind it; may be empty.
    pub value: String,
}

impl FromStr for EnvVar {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("write NAME=VALUE, such as FRAME=12; nothing is taken from this shell".to_owned()),
        }
    }
}

impl Buyer {
    /// Reads, checks and pins a manifest, and computes what the job costs at most. Nothing is sent or written.
    ///
    /// # Errors
    /// [`CliError`]: the manifest's text, a part of it that would not be honoured, the image's registry, an input file, or
    /// the chain.
    pub async fn prepare(&self, file: &Path) -> Result<PreparedJob, CliError> {
        self.prepare_with(file, &[]).await
    }

    /// As [`Buyer::prepare`], with variables of the job's own program that take the place of the manifest's, or are added to
    /// them: what differs between the jobs of an array.
    ///
    /// # Errors
    /// As [`Buyer::prepare`].
    pub async fn prepare_with(&self, file: &Path, env: &[EnvVar]) -> Result<PreparedJob, CliError> {
        let (mut manifest, name) = load(file)?;
        manifest.env.extend(env.iter().map(|EnvVar { name, value }| (name.clone(), value.clone())));
        let parts = refusals(&manifest);
        if !parts.is_empty() {
            return Err(CliError::Unsupported { file: name, parts });
        }
        // Cheap checks first: the files and secrets are here, the registry and the inputs' sources are not.
        let secrets = secrets::values(&manifest.sealed_sources())?;
        let base = file.parent().unwrap_or(Path::new(".")).to_owned();
        let (manifest, inputs) = tokio::task::spawn_blocking(move || {
            let inputs = manifest.pin_local_inputs(&base)?;
            Ok::<_, CliError>((manifest, inputs))
        })
        .await
        .map_err(|_| CliError::Local("hashing the inputs was interrupted; try again".to_owned()))??;
        let mut manifest = manifest;
        let sources = Sources::from_env().map_err(|fault| CliError::Usage(fault.to_string()))?;
        let loaded = manifest.pin_remote_inputs(&sources, &secrets).await?;
        let room = manifest.resources.disk_parts().files;
        let bytes = inputs.iter().fold(loaded, |sum, input| sum.saturating_add(input.size));
        if bytes > room {
            return Err(CliError::Usage(format!(
                "{name}: the inputs have {bytes} bytes, and resources.disk has room for {room} of them; raise it"
            )));
        }
        let reference = manifest.image_reference()?;
        let mut image = pin(&manifest, &secrets, &reference).await?;
        manifest.pin_image(&image);
        for (service, reference) in manifest.service_images()? {
            let beside = pin(&manifest, &secrets, &reference).await?;
            manifest.pin_service_image(&service, &beside);
            // A machine pulls all of them.
            image.size_bytes = image.size_bytes.saturating_add(beside.size_bytes);
        }
        drop(secrets);
        let image_bytes = image.size_bytes;
        // A machine loads these as it loads the images, and is given time for them by the same rule.
        image.size_bytes = image_bytes.saturating_add(loaded);

        let canonical = manifest.canonical()?;
        let manifest_hash: [u8; 32] = Sha256::digest(&canonical).into();
        let unfit = |part| CliError::Unsupported { file: name.clone(), parts: vec![part] };
        let args = job_args(&manifest, &image, manifest_hash).map_err(unfit)?;
        let cap = cap(&manifest).map_err(CliError::rule("the manifest's terms"))?;
        let max_price = PricePerHour(manifest.price.max_atoms_per_hour);
        let min_charge = gridlease_core::rounding::cost_down(max_price, limits::MIN_CHARGE_TIME)
            .map_err(CliError::rule("the manifest's price"))?;

        self.chain().config().await?;
        let purse = self.chain().client().purse_of(&self.address()).await?;
        let rent = self.chain().client().rent_exempt_lamports(size::<Job>()).await?;
        let locked = rent.saturating_add(tip::prepaid_job(args.attempts));
        let quote = Quote {
            name: manifest.name.clone(),
            image: manifest.image.clone(),
            image_bytes,
            loaded_bytes: loaded,
            max_price: max_price.into(),
            max_duration_s: manifest.duration.max_s,
            window_s: manifest.price.window_s,
            wait_s: manifest.price.wait_s,
            attempts: manifest.attempts,
            cap: cap.into(),
            min_charge: min_charge.into(),
            free: purse.map(|purse| purse.free().into()),
            rent_sol: Sol(locked),
            inputs: inputs
                .into_iter()
                .map(|input| InputFile { path: input.path, sha256: hex::encode(input.sha256), size: input.size })
                .collect(),
        };
        Ok(PreparedJob { file: file.to_owned(), manifest, canonical, manifest_hash, args, quote })
    }
}

/// Reads a manifest's file.
fn load(file: &Path) -> Result<(Manifest, String), CliError> {
    let name = file.display().to_string();
    let failed = |source| CliError::ManifestFile { path: file.to_owned(), source };
    let bytes = std::fs::metadata(file).map_err(failed)?.len();
    if bytes > MAX_YAML_BYTES as u64 {
        return Err(CliError::Usage(format!("{name} has {bytes} bytes; a manifest has at most {MAX_YAML_BYTES}")));
    }
    let text = std::fs::read_to_string(file).map_err(failed)?;
    Ok((Manifest::from_yaml(&text, &name)?, name))
}
