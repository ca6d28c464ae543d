//! The winner's node: finding it, handing it what it needs, fetching what it made. Each from a fresh process.

use std::path::{Path, PathBuf};

use gridlease_sdk::account::{Job, Lease, Offer};
use gridlease_sdk::address;
use gridlease_sdk::artifact::{LeftOut, Limits, OutputListing, output_root, walk};
use gridlease_sdk::node_api::client::{NodeApi, NodeError};
use gridlease_sdk::source::ipfs::folder_cid;
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::Buyer;
use super::event::{as_hex, as_text};
use super::secrets::{secrets_of, values};
use super::store::{Ending, JobRecord};
use crate::error::CliError;
use crate::history;

/// A lease of a job, and what is committed to on chain for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseAt {
    /// The lease.
    pub lease: Pubkey,
    /// The provider record.
    pub provider: Pubkey,
    /// Root over the outputs; zeros for none.
    pub result_hash: [u8; 32],
    /// Last link of the log's chain; zeros for none.
    pub log_hash: [u8; 32],
    /// Whether it is over.
    pub over: bool,
}

impl LeaseAt {
    /// Whether the root of its outputs stands on chain.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        self.result_hash != [0; 32]
    }
}

/// Outputs that were fetched.
#[derive(Clone, Debug, Serialize)]
pub struct OutputsDone {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// Their root.
    #[serde(serialize_with = "as_hex")]
    pub root: [u8; 32],
    /// Whether it stands on chain. Else the job was broken off, and they are what its node says.
    pub verified: bool,
    /// Where they are.
    pub folder: PathBuf,
    /// How many files.
    pub files: usize,
    /// Bytes in all of them.
    pub bytes: u64,
    /// The folder's name on IPFS, where that was asked for and there is one that is known here.
    pub cid: Option<String>,
    /// What the job wrote and the node left out of them; nothing on chain proves this list.
    pub left_out: LeftOut,
}

impl OutputsDone {
    /// Names the folder as `ipfs add -r --cid-version 1` does, by what was just verified.
    ///
    /// # Errors
    /// [`CliError::Node`] where its files cannot be read, or changed.
    pub async fn with_cid(mut self) -> Result<Self, CliError> {
        let folder = self.folder.clone();
        let named = tokio::task::spawn_blocking(move || {
            let found = walk(&[&folder], &Limits::default())?;
            folder_cid(&folder, &found.files)
        });
        let named = named.await.map_err(|_| NodeError::Interrupted)?;
        self.cid = named.map_err(NodeError::from)?.map(|cid| cid.to_string());
        Ok(self)
    }
}

/// What was handed to the node.
#[derive(Clone, Debug, Serialize)]
pub struct PushDone {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// SHA-256 of the manifest, hex.
    pub manifest_hash: String,
    /// SHA-256 of each input, hex.
    pub inputs: Vec<String>,
    /// Names of the secrets.
    pub secrets: Vec<String>,
}

impl Buyer {
    /// The lease that a job has, or had last. A job whose accounts are closed is looked up in what this machine
    /// remembers, then in the chain's history.
    ///
    /// # Errors
    /// [`CliError::State`] where it never had one, or the read's.
    pub async fn lease_of(&self, job: &Pubkey) -> Result<LeaseAt, CliError> {
        let client = self.chain().client();
        let found: Option<Job> = client.find(job).await?;
        if let Some(found) = &found {
            let Some(key) = found.current_lease(job) else {
                return Err(CliError::State(format!("job {job} has no lease: it was not awarded")));
            };
            if let Some(lease) = client.find::<Lease>(&key).await? {
                return Ok(lease_at(key, &lease));
            }
        }
        if let Some(ending) = self.store().find(job)?.and_then(|record| record.ending)
            && let Some(lease) = from_ending(&ending)
        {
            return Ok(lease);
        }
        let past = history::of_job(client, job).await?;
        if found.is_none() && !past.posted && past.leases.is_empty() {
            return Err(self.no_job(job));
        }
        let Some(last) = past.leases.last() else {
            return Err(CliError::State(format!("job {job} is over and never had a lease")));
        };
        let number = u8::try_from(past.leases.len() - 1).unwrap_or(u8::MAX);
        Ok(LeaseAt {
            lease: address::lease(job, number),
            provider: last.provider,
            result_hash: last.result_hash,
            log_hash: last.log_hash,
            over: true,
        })
    }

    pub(crate) fn no_job(&self, job: &Pubkey) -> CliError {
        CliError::Missing {
            kind: "job",
            address: *job,
            cluster: self.chain().cluster(),
            advice: "check the address and --url".to_owned(),
        }
    }

    /// Hands manifest and inputs to the node of a job's present lease, again where it has them.
    ///
    /// # Errors
    /// [`CliError::State`] where the job was not posted from here or has no running lease; the node's.
    pub async fn push(&self, job: &Pubkey) -> Result<PushDone, CliError> {
        let record = self.record(job)?;
        let lease = self.lease_of(job).await?;
        if lease.over {
            return Err(CliError::State(format!("the lease of job {job} is over; nothing can be pushed any more")));
        }
        let node = self.node_of(&lease.provider, &lease.lease).await?;
        node.push_manifest(job, record.manifest.as_bytes()).await?;
        let mut inputs = Vec::new();
        for input in &record.inputs {
            node.push_input(job, &input.path, hash(&input.sha256)?).await?;
            inputs.push(input.sha256.clone());
        }
        let mut secrets = Vec::new();
        if let Some(wanted) = secrets_of(&record)? {
            let values = values(&wanted)?;
            let account: Lease = self.chain().get(&lease.lease, "its account is closed").await?;
            let offer: Offer = self.chain().get(&account.offer, "its offer is gone").await?;
            node.push_secrets(&lease.lease, &offer.node_key, &values).await?;
            secrets.extend(wanted.into_keys());
        }
        Ok(PushDone { lease: lease.lease, manifest_hash: record.manifest_hash, inputs, secrets })
    }

    /// What this machine remembers of a job.
    ///
    /// # Errors
    /// [`CliError::State`] where it was not posted from here.
    pub fn record(&self, job: &Pubkey) -> Result<JobRecord, CliError> {
        self.store().find(job)?.ok_or_else(|| {
            CliError::State(format!(
                "job {job} was not posted from this machine (or with another --state-dir), so its manifest and inputs are not here"
            ))
        })
    }

    /// A job's lease, which has ended.
    pub(super) async fn over(&self, job: &Pubkey) -> Result<LeaseAt, CliError> {
        let lease = self.lease_of(job).await?;
        if !lease.over {
            return Err(CliError::State(format!(
                "job {job} is not finished; `gridlease job watch {job}` waits for it"
            )));
        }
        Ok(lease)
    }

    /// Fetches a job's outputs into `dest` and checks them against the hash on chain; of a job that was broken off (stopped, out of
    /// funds) no hash stands there, and what its node has is its word alone: [`OutputsDone::verified`].
    ///
    /// # Errors
    /// [`CliError::State`] where there are none to fetch, [`CliError::Node`] where they cannot be fetched or verified.
    pub async fn outputs(&self, job: &Pubkey, dest: &Path) -> Result<OutputsDone, CliError> {
        let lease = self.over(job).await?;
        let node = self.node_of(&lease.provider, &lease.lease).await?;
        let verified = lease.result_hash != [0; 32];
        let (listing, root) = match fetch_outputs(&node, &lease.lease, dest, lease.result_hash).await {
            Err(NodeError::Refused { detail, .. }) if !verified => {
                return Err(CliError::State(format!(
                    "no outputs of job {job} stand on chain, for it did not end by itself; nor has its node any now: {}",
                    detail.message
                )));
            }
            fetched => fetched?,
        };
        Ok(OutputsDone {
            lease: lease.lease,
            root,
            verified,
            folder: dest.to_owned(),
            files: listing.files.len(),
            bytes: listing.total_bytes(),
            cid: None,
            left_out: listing.left_out,
        })
    }
}

/// Fetches what a node has of a lease into `dest`, with its root: the one that stands on chain, or, where that is zeros, the one
/// that the node tells.
pub(super) async fn fetch_outputs(
    node: &NodeApi,
    lease: &Pubkey,
    dest: &Path,
    on_chain: [u8; 32],
) -> Result<(OutputListing, [u8; 32]), NodeError> {
    let root = if on_chain == [0; 32] { output_root(&node.outputs(lease).await?.files)? } else { on_chain };
    Ok((node.fetch_outputs(lease, dest, root, Limits::default()).await?, root))
}

/// Reads a SHA-256 in hex.
pub(super) fn hash(text: &str) -> Result<[u8; 32], CliError> {
    let mut bytes = [0u8; 32];
    hex::decode_to_slice(text, &mut bytes)
        .map_err(|_| CliError::Local(format!("{text:?} in a job record is not a SHA-256; the record is damaged")))?;
    Ok(bytes)
}

fn lease_at(key: Pubkey, lease: &Lease) -> LeaseAt {
    LeaseAt {
        lease: key,
        provider: lease.provider,
        result_hash: lease.result_hash,
        log_hash: lease.log_hash,
        over: lease.state().is_some_and(gridlease_core::lease::LeaseState::is_over),
    }
}

fn from_ending(ending: &Ending) -> Option<LeaseAt> {
    Some(LeaseAt {
        lease: ending.lease.as_ref()?.parse().ok()?,
        provider: ending.provider.as_ref()?.parse().ok()?,
        result_hash: hash(&ending.result_hash).ok()?,
        log_hash: hash(&ending.log_hash).ok()?,
        over: true,
    })
}
