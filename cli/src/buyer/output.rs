//! The outputs of a job one by one: listed, and fetched by path, whole or in part.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use gridlease_sdk::artifact::{LeftOut, Limits, OutputFile, OutputListing, output_root};
use gridlease_sdk::node_api::client::{NodeApi, NodeError};
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::Buyer;
use super::event::{as_hex, as_text};
use super::results::LeaseAt;
use crate::error::CliError;

/// A job's outputs, as its node lists them.
#[derive(Clone, Debug, Serialize)]
pub struct OutputList {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// Their root.
    #[serde(serialize_with = "as_hex")]
    pub root: [u8; 32],
    /// Whether the root stands on chain; of a job that was broken off (stopped, out of funds) it is the node's word.
    pub verified: bool,
    /// The files, by path.
    pub files: Vec<OutputFile>,
    /// Bytes in all of them.
    pub bytes: u64,
    /// What the job wrote and the node left out of them; nothing on chain proves this list.
    pub left_out: LeftOut,
}

/// One output that was fetched.
#[derive(Clone, Debug, Serialize)]
pub struct OutputFetched {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// Its path among the outputs.
    pub path: String,
    /// SHA-256 of the whole, as the list has it.
    pub sha256: String,
    /// Bytes of the whole.
    pub size: u64,
    /// First and last byte of what was fetched, where that is a part.
    pub range: Option<(u64, u64)>,
    /// Where it is.
    pub file: PathBuf,
    /// Whether it was compared with the hash on chain, which no part can be, nor an output of a job that was broken off.
    pub verified: bool,
}

impl Buyer {
    /// Lists a job's outputs, checked against the hash on chain where one stands there.
    ///
    /// # Errors
    /// [`CliError::State`] where there are none, [`CliError::Node`] where they cannot be listed or verified.
    pub async fn output_list(&self, job: &Pubkey) -> Result<OutputList, CliError> {
        let (lease, _, listing, root) = self.listed(job).await?;
        let bytes = listing.total_bytes();
        let (files, left_out) = (listing.files, listing.left_out);
        Ok(OutputList { lease: lease.lease, root, verified: lease.is_proved(), files, bytes, left_out })
    }

    /// Fetches one of a job's outputs, or the bytes of a range of it (first and last, counted from 0), to `dest`: a file, or a folder in
    /// which it gets its own name. A whole file is checked against the hash on chain, and what came before a transfer broke off is not
    /// loaded again.
    ///
    /// # Errors
    /// [`CliError::State`] where there is none of this path, [`CliError::Node`] where it cannot be fetched or verified.
    pub async fn fetch_output(
        &self,
        job: &Pubkey,
        path: &str,
        range: Option<RangeInclusive<u64>>,
        dest: &Path,
    ) -> Result<OutputFetched, CliError> {
        let (lease, node, listing, _) = self.listed(job).await?;
        let Some(file) = listing.files.into_iter().find(|file| file.path == path) else {
            return Err(CliError::State(format!(
                "job {job} has no output {path:?}; `gridlease job outputs {job}` lists what it has"
            )));
        };
        let name = path.rsplit('/').next().unwrap_or(path);
        let dest = if dest.is_dir() { dest.join(name) } else { dest.to_owned() };
        match &range {
            None => node.fetch_output(&lease.lease, &file, &dest).await?,
            Some(range) => node.fetch_output_range(&lease.lease, &file, range, &dest).await?,
        }
        let verified = range.is_none() && lease.is_proved();
        let range = range.map(RangeInclusive::into_inner);
        let OutputFile { path, size, sha256 } = file;
        Ok(OutputFetched { lease: lease.lease, path, sha256, size, range, file: dest, verified })
    }

    /// A job's lease, its node, and what that lists; with the root, which is the node's word where none stands on chain.
    async fn listed(&self, job: &Pubkey) -> Result<(LeaseAt, NodeApi, OutputListing, [u8; 32]), CliError> {
        let lease = self.over(job).await?;
        let node = self.node_of(&lease.provider, &lease.lease).await?;
        let listing = node.outputs(&lease.lease).await?;
        let told = output_root(&listing.files).map_err(NodeError::from)?;
        let root = if lease.is_proved() { lease.result_hash } else { told };
        listing.verify(&root, &Limits::default()).map_err(NodeError::from)?;
        Ok((lease, node, listing, root))
    }
}
