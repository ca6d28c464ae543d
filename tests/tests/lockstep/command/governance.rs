//! What may happen to the configurations of both programs.

use super::By;

/// What a proposal to the market sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which of the funds; the last of them is of another mint.
    pub treasury: u8,
    pub fee: u16,
    pub slot_ms: u32,
    /// Of purses and of jobs.
    pub caps: (u64, u64),
    /// Which person is the verifier, by its number less one; 0 is nobody.
    pub verifier: u8,
}

/// A step of governance. Only two keys are ever named as admins, so that no story hands a program to nobody; `to` chooses
/// nobody (0) or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GovernanceStep {
    SetPaused {
        by: By,
        paused: bool,
    },
    ProposeChange {
        by: By,
        change: Change,
    },
    CancelChange {
        by: By,
    },
    /// With the account that was proposed, or with this of the funds.
    ExecuteChange {
        other: Option<u8>,
    },
    NameAdmin {
        by: By,
        to: u8,
    },
    AcceptAdmin {
        by: By,
    },
    /// `slashers` is one of `SLASHERS` lists.
    ProposeConfig {
        by: By,
        insurance: u8,
        slashers: u8,
        cap: u64,
    },
    /// Of purses and of jobs.
    LowerCaps {
        by: By,
        caps: (u64, u64),
    },
    /// Of bonds.
    LowerCap {
        by: By,
        cap: u64,
    },
    CancelConfig {
        by: By,
    },
    /// With the account that was proposed, or with this of the funds.
    ExecuteConfig {
        other: Option<u8>,
    },
    NameStakingAdmin {
        by: By,
        to: u8,
    },
    AcceptStakingAdmin {
        by: By,
    },
}
