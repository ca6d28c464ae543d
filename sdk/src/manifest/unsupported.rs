//! What the format can say and the market cannot do yet. Posting refuses it: a job must not run other than written.

use super::types::{Manifest, PriceMode, VerifyClass};

/// A part of a manifest that the market cannot honour yet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct Unsupported {
    /// Key in the YAML text.
    pub key: &'static str,
    /// What cannot be done, and what to do instead.
    pub message: &'static str,
}

impl Manifest {
    /// Everything in this manifest that the market cannot honour yet; empty for a job that can be posted.
    pub fn unsupported(&self) -> Vec<Unsupported> {
        let cases = [
            (self.array.is_some(), "array", "arrays are not run by the market yet; post one job for each task"),
            (
                self.verify.class != VerifyClass::None,
                "verify.class",
                "results are not verified by the market yet; write class: none and check them yourself",
            ),
            (
                self.verify.replicas != 1 && self.verify.class == VerifyClass::None,
                "verify.replicas",
                "replicas are not run by the market yet; write replicas: 1",
            ),
            (
                self.price.mode == PriceMode::Sealed,
                "price.mode",
                "sealed auctions are not held yet; write mode: auction",
            ),
        ];
        cases
            .into_iter()
            .filter(|(present, _, _)| *present)
            .map(|(_, key, message)| Unsupported { key, message })
            .collect()
    }
}
