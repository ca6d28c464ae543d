//! The SHA-256 of a store's object: the store's own word for it where it keeps one, else by loading it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderMap;

use super::pin::{Pinned, Sources};
use super::s3::{CHECKSUM_MODE, S3Access, S3Error, S3Object};
use super::{SourceFault, ask};
use crate::node_api::secrets::Secrets;

/// Largest object that is loaded only to be hashed.
const MAX_LOADED_BYTES: u64 = 4 << 30;
const ADVICE: &str =
    "check the credentials (the secrets that access_key and secret_key name), the region and the endpoint";

impl Sources {
    /// Hashes an object.
    pub(super) async fn pin_s3(
        &self,
        object: &S3Object,
        access: &S3Access,
        secrets: &Secrets,
    ) -> Result<Pinned, SourceFault> {
        let address = |error: S3Error| SourceFault::Address(error.to_string());
        let credentials = access.credentials(secrets).map_err(address)?;
        let host = ask::host(&access.endpoint().map_err(address)?);
        let url = access.object_url(object, credentials.as_ref(), true).map_err(address)?;
        let request = self.asking.get(url).header(CHECKSUM_MODE.0, CHECKSUM_MODE.1);
        let answer = ask::succeeded(ask::send(request, &host).await?, &host, ADVICE)?;
        if let Some(sha256) = whole_sha256(answer.headers()) {
            return Ok(Pinned { sha256, size: answer.content_length() });
        }
        if answer.content_length().is_some_and(|size| size > MAX_LOADED_BYTES) {
            return Err(SourceFault::TooLarge { limit: MAX_LOADED_BYTES });
        }
        let (sha256, size) = ask::hash(answer, &host, MAX_LOADED_BYTES).await?;
        Ok(Pinned { sha256, size: Some(size) })
    }
}

/// The object's hash as its store keeps it; that of an object that came in parts is one of the parts' hashes, and is none.
fn whole_sha256(headers: &HeaderMap) -> Option<[u8; 32]> {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    if text("x-amz-checksum-type").is_some_and(|kind| kind != "FULL_OBJECT") {
        return None;
    }
    STANDARD.decode(text("x-amz-checksum-sha256")?).ok()?.try_into().ok()
}
