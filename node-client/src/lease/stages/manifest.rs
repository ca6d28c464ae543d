//! The manifest: pushed by the buyer, or fetched from where the job says. Its hash is the one that was sold.

use gridlease_sdk::manifest::{InputSource, Manifest as JobManifest};
use solana_pubkey::Pubkey;

use super::{Facts, Part, Stage, StageName, Stands, by_need};
use crate::inputs::{InputError, Missing, Room};
use crate::lease::{WorkError, Worker, blocking};
use crate::sold;
use crate::store::LeaseRecord;

/// See [`StageName::Manifest`]. Fetching it takes the chain, which says where it is: the lease's task does it.
pub(super) struct Manifest;

impl Stage for Manifest {
    fn name(&self) -> StageName {
        StageName::Manifest
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        by_need(
            facts,
            facts.local.manifest,
            self.name(),
            "the manifest was not pushed",
            "the manifest could not be loaded from where the job says",
        )
    }
}

impl Worker {
    /// The lease's manifest, if it is here.
    ///
    /// # Errors
    /// [`WorkError::Manifest`] where it is damaged.
    pub async fn manifest(&self, lease: &Pubkey) -> Result<Option<JobManifest>, WorkError> {
        let path = self.state.lease(lease).manifest();
        blocking(move || match std::fs::read(&path) {
            Ok(bytes) => match JobManifest::from_canonical(&bytes) {
                Ok(manifest) => Ok(Some(manifest)),
                Err(e) => Err(WorkError::Manifest { path, reason: e.to_string() }),
            },
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(crate::state_dir::at("read", &path)(e).into()),
        })
        .await
    }

    /// Digest of the image that the lease's container was made from.
    ///
    /// # Errors
    /// [`WorkError::Manifest`] where the manifest is gone or damaged.
    pub async fn image_digest(&self, lease: &Pubkey) -> Result<[u8; 32], WorkError> {
        let manifest = self.manifest(lease).await?;
        manifest.as_ref().and_then(sold::image_digest).ok_or_else(|| WorkError::Manifest {
            path: self.state.lease(lease).manifest(),
            reason: "it names no image by digest, or is gone".to_owned(),
        })
    }

    /// Puts a manifest that came with the job in place (inline on the chain, or fetched). Its hash has to be the lease's.
    ///
    /// # Errors
    /// [`WorkError::Input`] where the hash is another, [`WorkError::Files`].
    pub async fn put_manifest(&self, record: &LeaseRecord, bytes: Vec<u8>) -> Result<(), WorkError> {
        use sha2::Digest as _;
        let found: [u8; 32] = sha2::Sha256::digest(&bytes).into();
        if found != record.manifest_hash {
            let (expected, found) = (hex::encode(record.manifest_hash), hex::encode(found));
            return Err(InputError::HashMismatch { name: "manifest".to_owned(), expected, found }.into());
        }
        let path = self.state.lease(&record.lease).manifest();
        blocking(move || Ok(crate::state_dir::write_atomically(&path, &bytes, 0o600)?)).await
    }

    /// Fetches the manifest from an https address and puts it in place.
    ///
    /// # Errors
    /// [`WorkError::Input`] or [`WorkError::Files`].
    pub async fn fetch_manifest(&self, record: &LeaseRecord, uri: &str) -> Result<(), WorkError> {
        let limit = gridlease_sdk::node_api::MAX_MANIFEST_BYTES as u64;
        let dir = self.state.lease(&record.lease);
        let from = InputSource::Https(uri.to_owned()).into();
        let wanted = Missing { sha256: record.manifest_hash, from: Some(from) };
        self.fetcher.fetch_at_most(&dir, &wanted, limit, &Room::new(limit)).await?;
        let file = dir.input(&record.manifest_hash);
        let bytes = blocking(move || Ok(std::fs::read(&file).map_err(crate::state_dir::at("read", &file))?)).await?;
        self.put_manifest(record, bytes).await
    }
}
