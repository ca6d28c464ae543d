//! What may happen to a sealed bid.

use super::By;

/// A step of one provider's sealed bid in one job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealedStep {
    /// `salt` is every byte of the salt.
    Commit {
        by: By,
        offer: usize,
        price: u64,
        salt: u8,
    },
    /// With what was committed, or with a price that is one more.
    Reveal {
        right: bool,
    },
    Forfeit,
    Release,
}
