//! The SHA-256 of a file on IPFS: its name where that says it, else by loading and verifying it.

use std::io::Error;

use futures_util::TryStreamExt as _;
use reqwest::header::ACCEPT;
use sha2::{Digest as _, Sha256};
use tokio_util::io::StreamReader;
use url::Url;

use super::ipfs::{self, GATEWAY_VARIABLE, IpfsError, IpfsPath, Unpacker};
use super::pin::{Pinned, Sources};
use super::{SourceFault, ask};

/// Largest file that is loaded only to be hashed.
const MAX_LOADED_BYTES: u64 = 4 << 30;
const ADVICE: &str = "choose another gateway";

impl Sources {
    /// Hashes a file.
    pub(super) async fn pin_ipfs(&self, path: &IpfsPath, gateway: Option<&str>) -> Result<Pinned, SourceFault> {
        let no_gateway = || {
            let advice = format!("write `gateway: https://…` beside it, set {GATEWAY_VARIABLE}, or write its sha256");
            SourceFault::Address(format!("it is loaded from a gateway to be hashed, and none is named: {advice}"))
        };
        let gateway = gateway.ok_or_else(no_gateway)?;
        let gateway = Url::parse(gateway).map_err(|error| SourceFault::Address(format!("its gateway: {error}")))?;
        let host = ask::host(&gateway);
        let request = self.loading.get(path.car_url(&gateway)).header(ACCEPT, ipfs::ACCEPT);
        let answer = ask::succeeded(ask::send(request, &host).await?, &host, ADVICE)?;
        let mut unpacker = Unpacker::new(path, StreamReader::new(answer.bytes_stream().map_err(Error::other)));
        let (mut hasher, mut size) = (Sha256::new(), 0u64);
        let fault = |error: IpfsError| match error {
            IpfsError::NoFile(reason) => SourceFault::Address(reason.to_owned()),
            IpfsError::Answer(reason) => SourceFault::Unusable { host: host.clone(), reason: reason.to_owned() },
            IpfsError::Transfer(error) => SourceFault::Unreachable { host: host.clone(), reason: error.to_string() },
        };
        while let Some(part) = unpacker.next().await.map_err(fault)? {
            hasher.update(&part);
            size = size.saturating_add(part.len() as u64);
            if size > MAX_LOADED_BYTES {
                return Err(SourceFault::TooLarge { limit: MAX_LOADED_BYTES });
            }
        }
        Ok(Pinned { sha256: hasher.finalize().into(), size: Some(size) })
    }
}
