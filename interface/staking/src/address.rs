//! Every address that the program derives.

use anchor_lang::prelude::*;

use crate::seed;

fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &crate::ID).0
}

/// The staking program's configuration.
pub fn staking_config() -> Pubkey {
    derive(&[seed::CONFIG_SEED])
}

/// The bond of a provider's `authority`.
pub fn bond(authority: &Pubkey) -> Pubkey {
    derive(&[seed::BOND_SEED, authority.as_ref()])
}

/// The token account of a bond.
pub fn bond_vault(bond: &Pubkey) -> Pubkey {
    derive(&[seed::VAULT_SEED, bond.as_ref()])
}

/// The token account that a bond's revenue arrives in; a provider that shares its revenue names it as payout account.
pub fn bond_revenue(bond: &Pubkey) -> Pubkey {
    derive(&[seed::REVENUE_SEED, bond.as_ref()])
}

/// The delegation of `delegator` in a bond.
pub fn delegation(bond: &Pubkey, delegator: &Pubkey) -> Pubkey {
    derive(&[seed::DELEGATION_SEED, bond.as_ref(), delegator.as_ref()])
}

/// Request `number` of `owner` (the operator or a delegator) to unbond from a bond.
pub fn unbonding(bond: &Pubkey, owner: &Pubkey, number: u32) -> Pubkey {
    derive(&[seed::UNBONDING_SEED, bond.as_ref(), owner.as_ref(), &number.to_le_bytes()])
}

/// The stake reserved for a lease or a sealed bid.
pub fn reservation(lease: &Pubkey) -> Pubkey {
    derive(&[seed::RESERVATION_SEED, lease.as_ref()])
}
