//! Seeds of the addresses that the staking program derives.

/// Seed of the configuration.
pub const CONFIG_SEED: &[u8] = b"config";
/// Seed of a bond, followed by its authority.
pub const BOND_SEED: &[u8] = b"bond";
/// Seed of a bond's token account, followed by the bond.
pub const VAULT_SEED: &[u8] = b"vault";
/// Seed of a reservation, followed by the lease.
pub const RESERVATION_SEED: &[u8] = b"reservation";
/// Seed of the token account that a bond's revenue arrives in, followed by the bond.
pub const REVENUE_SEED: &[u8] = b"revenue";
/// Seed of a delegation, followed by the bond and the delegator.
pub const DELEGATION_SEED: &[u8] = b"delegation";
/// Seed of a request to unbond, followed by the bond, its owner and its number (u32, little endian).
pub const UNBONDING_SEED: &[u8] = b"unbonding";
