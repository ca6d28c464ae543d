//! What may happen to the machines below a provider.

use super::By;

/// What the cold key says of a machine. `node` is a person, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MachineTerms {
    pub node: u8,
    /// The most stake that its offers may bind together.
    pub limit: u64,
}

/// A step of one machine. `missing`: one of the offers that must be passed is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineStep {
    Register { by: By, terms: MachineTerms },
    Update { by: By, terms: MachineTerms, missing: bool },
    Retire { by: By, missing: bool },
    Close,
}

/// Whose an offer is that is posted: the provider's record's (0), one of its machines' (from 1 on), or named as that of the
/// next provider's first machine; and what it may bind of the bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allotment {
    pub of: u8,
    pub limit: u64,
}
