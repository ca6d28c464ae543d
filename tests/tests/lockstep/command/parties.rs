//! What buyers do besides money and jobs, and providers besides stake and offers.

/// A step of a purse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuyerStep {
    /// 0 names nobody; others are people, by their number less one.
    SetSpender {
        spender: u8,
        cap: u64,
        period_s: u32,
    },
    /// As [`BuyerStep::SetSpender`]; with a cap of zero it adds nothing to a lease.
    SetGuardian {
        guardian: u8,
        cap: u64,
        period_s: u32,
    },
    SweepDonation,
    Close,
}

/// A step of a provider's record. Token accounts are named by their places among those that somebody can be paid to for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SupplierStep {
    ProposePayout {
        to: usize,
    },
    CancelPayout,
    /// Of the account that was proposed, or of this one.
    ApplyPayout {
        to: Option<usize>,
    },
    /// A hash of zeros where it is none.
    Benchmark {
        offer: usize,
        value: u64,
        hash: bool,
    },
    Close,
}
