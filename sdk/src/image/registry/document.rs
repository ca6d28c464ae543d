//! What a registry's documents say: an image, or an index of images for several platforms.

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::session::{MAX_MANIFEST, Session};
use super::{DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST};
use crate::image::ImageError;
use reqwest::Method;

/// Largest image whose size is believed: 4 TiB.
const MAX_IMAGE_BYTES: u64 = 1 << 42;
/// What overlay file systems stack at most, as Docker uses them.
const MAX_LAYERS: usize = 125;

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

impl Session<'_> {
    pub(super) fn parse(&self, body: &[u8], header: Option<String>) -> Result<Document, ImageError> {
        #[derive(Deserialize)]
        struct Kind {
            #[serde(rename = "mediaType")]
            media_type: Option<String>,
        }
        let wrong = |error: serde_json::Error| self.not_an_image(&error.to_string());
        // The document's own word is covered by the digest; the header is not.
        let inside: Kind = serde_json::from_slice(body).map_err(wrong)?;
        let kind = inside.media_type.or(header).unwrap_or_default();
        match kind.split(';').next().unwrap_or_default().trim() {
            OCI_INDEX | DOCKER_LIST => serde_json::from_slice(body).map(Document::Index).map_err(wrong),
            OCI_MANIFEST | DOCKER_MANIFEST => serde_json::from_slice(body).map(Document::Image).map_err(wrong),
            other => Err(self.not_an_image(&format!(
                "its type is {:?}; push it again with a current tool",
                other.chars().take(100).collect::<String>()
            ))),
        }
    }

    /// Digest of the manifest for this platform.
    pub(super) fn pick(&self, index: &Index, platform: &str) -> Result<String, ImageError> {
        let platform_of = |entry: &Descriptor| {
            let built = entry.platform.as_ref()?;
            Some(format!("{}/{}", built.os, built.architecture))
        };
        let chosen = index.manifests.iter().find(|entry| platform_of(entry).as_deref() == Some(platform));
        let Some(chosen) = chosen else {
            let mut found: Vec<_> = index.manifests.iter().filter_map(platform_of).collect();
            found.sort();
            found.dedup();
            found.truncate(16);
            return Err(self.not_built(platform, found.join(", ")));
        };
        let hex_digits = chosen.digest.strip_prefix("sha256:").unwrap_or_default();
        if hex::decode(hex_digits).is_ok_and(|bytes| bytes.len() == 32) {
            Ok(chosen.digest.to_ascii_lowercase())
        } else {
            Err(self.not_an_image("its index holds something that is not a SHA-256 digest"))
        }
    }

    /// An image that stands alone says only in its configuration what it is built for.
    pub(super) async fn check_platform(&mut self, image: &Image, platform: &str) -> Result<(), ImageError> {
        let digest = &image.config.digest;
        let plain = digest
            .strip_prefix("sha256:")
            .is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
        if !plain {
            return Err(self.not_an_image("its configuration has no SHA-256 digest"));
        }
        let response = self.ask(Method::GET, "blobs", digest).await?;
        self.admitted(response.status())?;
        let body = self.body(response, MAX_MANIFEST).await?;
        if !digest.eq_ignore_ascii_case(&format!("sha256:{}", hex::encode(sha256(&body)))) {
            return Err(self.not_an_image("its configuration has another digest than its manifest says"));
        }
        let built: Platform = serde_json::from_slice(&body).map_err(|error| self.not_an_image(&error.to_string()))?;
        let found = format!("{}/{}", built.os, built.architecture);
        if found == platform { Ok(()) } else { Err(self.not_built(platform, found)) }
    }

    /// What is pulled of it in bytes, the manifest included, and in how many layers; where engines can take it at all.
    pub(super) fn size(&self, image: &Image, manifest_bytes: usize) -> Result<(u64, usize), ImageError> {
        if image.layers.iter().any(|layer| !layer.urls.is_empty()) {
            return Err(
                self.not_an_image("some of its layers are to be loaded from elsewhere; push them to the registry")
            );
        }
        if image.layers.len() > MAX_LAYERS {
            let layers = image.layers.len();
            return Err(self
                .not_an_image(&format!("it has {layers} layers, and engines take {MAX_LAYERS} at most; squash some")));
        }
        let bytes = image
            .layers
            .iter()
            .chain([&image.config])
            .try_fold(manifest_bytes as u64, |sum, part| sum.checked_add(part.size))
            .filter(|size| *size <= MAX_IMAGE_BYTES)
            .ok_or_else(|| self.not_an_image("its layers claim an impossible size"))?;
        Ok((bytes, image.layers.len()))
    }

    fn not_built(&self, platform: &str, found: String) -> ImageError {
        ImageError::NoPlatform { wanted: self.wanted(), platform: platform.to_owned(), found }
    }
}

pub(super) enum Document {
    Image(Image),
    Index(Index),
}

#[derive(Deserialize)]
pub(super) struct Image {
    config: Descriptor,
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
pub(super) struct Index {
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    urls: Vec<String>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
}
