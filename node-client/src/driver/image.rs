//! A container's image is named by digest and by nothing else.

use gridlease_sdk::image::ImageReference;

/// An image named by the digest of its manifest: `registry.example/org/name@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageRef {
    pinned: String,
    digest: String,
}

/// Why a text names no image by digest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImage {
    /// It is no image reference.
    #[error(transparent)]
    Reference(#[from] gridlease_sdk::image::ReferenceError),
    /// It has no digest.
    #[error("image `{0}` has no digest; a lease runs exactly the image that was posted, so name it as name@sha256:…")]
    NoDigest(String),
}

impl ImageRef {
    /// Reads an image reference, which must hold a digest; a tag beside it is dropped, it names nothing.
    ///
    /// # Errors
    /// [`BadImage`].
    pub fn parse(text: &str) -> Result<Self, BadImage> {
        let reference: ImageReference = text.parse()?;
        match (reference.pinned(), reference.digest) {
            (Some(pinned), Some(digest)) => Ok(Self { pinned, digest: format!("sha256:{}", hex::encode(digest)) }),
            _ => Err(BadImage::NoDigest(text.chars().take(128).collect())),
        }
    }

    /// `sha256:` and 64 hex digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
}

impl std::fmt::Display for ImageRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.pinned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_pinned_by_its_digest_and_a_tag_says_nothing() {
        let hex = "ab".repeat(32);
        let image = ImageRef::parse(&format!("127.0.0.1:5000/org/name:latest@sha256:{hex}")).unwrap();
        assert_eq!(image.to_string(), format!("127.0.0.1:5000/org/name@sha256:{hex}"));
        assert_eq!(image.digest(), format!("sha256:{hex}"));
        assert!(matches!(ImageRef::parse("127.0.0.1:5000/name:latest"), Err(BadImage::NoDigest(_))));
        assert!(matches!(ImageRef::parse("--flag"), Err(BadImage::Reference(_))));
    }
}
