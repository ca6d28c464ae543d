//! The canonical form and its hash.

use super::error::{ManifestError, ManifestErrors};
use super::types::{InputSource, Manifest};
use super::{MAX_CANONICAL_BYTES, Vocabulary, check};
use crate::image::{ImageReference, ResolvedImage};
use crate::source::hub::HubPath;
use sha2::{Digest as _, Sha256};

/// Why there is no canonical form, or why some bytes are not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CanonicalError {
    /// The image is named by tag.
    #[error("image {image} is not pinned; resolve it to its digest before posting")]
    ImageNotPinned {
        /// The reference.
        image: String,
    },
    /// A file is not pinned yet.
    #[error("inputs[{index}] ({path}) is not pinned; hash the file, or ask its source, before posting")]
    InputNotPinned {
        /// Index in `inputs`.
        index: usize,
        /// As written in the manifest.
        path: String,
    },
    /// Larger than the limit.
    #[error(
        "the manifest's canonical form is {bytes} bytes long, at most {MAX_CANONICAL_BYTES} are allowed; move long texts to input files"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// A bound is broken.
    #[error(transparent)]
    Invalid(ManifestErrors),
    /// Not JSON of the right shape.
    #[error("this is not a manifest in canonical form: {0}")]
    Unreadable(String),
    /// A manifest, but written in another way than the canonical one.
    #[error("the manifest is not in canonical form: the same content in canonical form has other bytes")]
    NotCanonical,
}

impl Manifest {
    /// The canonical form: JSON by RFC 8785 with all fields present.
    ///
    /// # Errors
    /// If the image or an input is not pinned, a bound is broken, or the result is too large.
    pub fn canonical(&self) -> Result<Vec<u8>, CanonicalError> {
        let problems = check::problems(self, &Vocabulary::open());
        if !problems.is_empty() {
            return Err(CanonicalError::Invalid(without_places(problems)));
        }
        for image in std::iter::once(&self.image).chain(self.services.values().map(|service| &service.image)) {
            let pinned = image.parse::<ImageReference>().ok().and_then(|image| image.pinned());
            if pinned.as_ref() != Some(image) {
                return Err(CanonicalError::ImageNotPinned { image: image.clone() });
            }
        }
        for (index, input) in self.inputs.iter().enumerate() {
            let open = match &input.uri {
                InputSource::Local(_) => true,
                InputSource::Hub(uri) => !uri.parse::<HubPath>().is_ok_and(|at| at.is_pinned()),
                InputSource::Https(_) | InputSource::S3(_) | InputSource::Ipfs(_) | InputSource::Push => false,
            };
            if open || input.sha256.is_none() {
                return Err(CanonicalError::InputNotPinned { index, path: input.uri.clone().into() });
            }
        }
        let bytes =
            serde_json_canonicalizer::to_vec(self).map_err(|error| CanonicalError::Unreadable(error.to_string()))?;
        if bytes.len() > MAX_CANONICAL_BYTES {
            return Err(CanonicalError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// SHA-256 of the canonical form: the hash that the job carries on chain.
    ///
    /// # Errors
    /// As [`Manifest::canonical`].
    pub fn hash(&self) -> Result<[u8; 32], CanonicalError> {
        Ok(Sha256::digest(self.canonical()?).into())
    }

    /// Reads the canonical form. Whatever is accepted has exactly these bytes as its canonical form, so two texts never
    /// stand for one manifest.
    ///
    /// # Errors
    /// [`CanonicalError`]; untrusted bytes of any size and content are fine.
    pub fn from_canonical(bytes: &[u8]) -> Result<Self, CanonicalError> {
        if bytes.len() > MAX_CANONICAL_BYTES {
            return Err(CanonicalError::TooLarge { bytes: bytes.len() });
        }
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| CanonicalError::Unreadable(error.to_string()))?;
        if manifest.canonical()? == bytes { Ok(manifest) } else { Err(CanonicalError::NotCanonical) }
    }

    /// The image, parsed.
    ///
    /// # Errors
    /// Only for a manifest that was put together by hand.
    pub fn image_reference(&self) -> Result<ImageReference, crate::image::ReferenceError> {
        self.image.parse()
    }

    /// The images of the services by name, parsed.
    ///
    /// # Errors
    /// Only for a manifest that was put together by hand.
    pub fn service_images(&self) -> Result<Vec<(String, ImageReference)>, crate::image::ReferenceError> {
        self.services.iter().map(|(name, service)| Ok((name.clone(), service.image.parse()?))).collect()
    }

    /// Replaces a service's image by what its registry resolved it to.
    pub fn pin_service_image(&mut self, name: &str, resolved: &ResolvedImage) {
        if let Some(service) = self.services.get_mut(name) {
            service.image.clone_from(&resolved.reference_with_digest);
        }
    }

    /// Replaces the image by what its registry resolved it to.
    pub fn pin_image(&mut self, resolved: &ResolvedImage) {
        self.image.clone_from(&resolved.reference_with_digest);
    }
}

fn without_places(problems: Vec<super::error::Problem>) -> ManifestErrors {
    ManifestErrors {
        file: "manifest".to_owned(),
        errors: problems
            .into_iter()
            .map(|problem| ManifestError {
                key: problem.key,
                line: 0,
                column: 0,
                problem: problem.problem,
                advice: problem.advice,
            })
            .collect(),
    }
}
