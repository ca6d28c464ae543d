//! What may happen to a lease beside its meter.

use super::By;

/// A step of one lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupervisionStep {
    /// Anybody may; 0 is the stranger.
    Challenge {
        by: By,
    },
    /// With the hash that was asked for, or another.
    Answer {
        by: By,
        right: bool,
    },
    /// The bond goes to who put it up, or should go to somebody else.
    Resolve {
        to: By,
    },
    Resume {
        by: By,
    },
    Collect,
    DeclareUnreachable,
    /// `ahead` of the last checkpoint's number.
    Checkpoint {
        by: By,
        ahead: i8,
        bytes: u64,
    },
    GiveNotice {
        by: By,
    },
    Reject {
        by: By,
    },
    /// By the buyer, or whoever posted.
    Accept {
        by: By,
    },
    Reopen {
        by: By,
    },
    Decline {
        by: By,
    },
    Want {
        by: By,
    },
    BuyerError {
        by: By,
        code: u8,
    },
    /// The verifier says what it found: nothing, or that so much is lost. `prover` is a holder, by its number less one; 0 is
    /// nobody.
    Verdict {
        by: By,
        slash: u64,
        prover: u8,
    },
    /// To the payout account that the provider has now, or to this of those that are never closed.
    Redirect {
        to: Option<usize>,
    },
}
