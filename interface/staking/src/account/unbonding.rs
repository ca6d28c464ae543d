//! A request to unbond: stake on its way out.

use anchor_lang::prelude::*;

use super::Header;

/// [`Unbonding::kind`] of a request of the operator.
pub const OPERATOR: u8 = 1;
/// [`Unbonding::kind`] of a request of a delegator.
pub const DELEGATOR: u8 = 2;

/// Request to unbond, at seeds `["unbonding", bond, owner, number]`. The header's `due_ts` is when it matures.
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | discriminator |
/// | 8 | 16 | header |
/// | 24 | 32 | bond |
/// | 56 | 32 | owner |
/// | 88 | 32 | destination |
/// | 120 | 32 | rent_to |
/// | 152 | 8 | shares |
/// | 160 | 4 | number |
/// | 164 | 1 | kind |
/// | 165 | 3 | padding |
/// | 168 | 24 | reserved space |
#[account(zero_copy)]
#[derive(Debug)]
pub struct Unbonding {
    /// Common header.
    pub header: Header,
    /// The bond.
    pub bond: Pubkey,
    /// Whose stake it is: the operator or a delegator.
    pub owner: Pubkey,
    /// Token account that anybody may have it paid to once it has matured.
    pub destination: Pubkey,
    /// Who paid the rent and gets it back.
    pub rent_to: Pubkey,
    /// Shares of the operator's stake on its way out, or of the delegators' stake.
    pub shares: u64,
    /// Its number among its owner's requests.
    pub number: u32,
    /// 1 where the operator asked, 2 where a delegator did.
    pub kind: u8,
    /// Zero.
    pub padding: [u8; 3],
    /// Zero.
    pub reserved_space: [u8; 24],
}

impl Unbonding {
    /// Length of the account, discriminator included.
    pub const SPACE: usize = Self::DISCRIMINATOR.len() + size_of::<Self>();
}
