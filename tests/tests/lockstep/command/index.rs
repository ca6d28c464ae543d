//! What may happen to price indices.

use super::By;

/// A step of one price index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IndexStep {
    /// 0 is the stranger.
    Open {
        by: By,
        gpu_model: u8,
        region: u8,
    },
    Record {
        job: usize,
        lease: usize,
        gpu_model: u8,
        region: u8,
    },
}
