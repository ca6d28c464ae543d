//! Seeds of the program's addresses, and its fixed numbers.

/// Seed of the configuration.
pub const CONFIG_SEED: &[u8] = b"config";
/// Seed of a bond, followed by its authority.
pub const BOND_SEED: &[u8] = b"bond";
/// Seed of a bond's token account, followed by the bond.
pub const VAULT_SEED: &[u8] = b"vault";
/// Seed of a reservation, followed by the lease.
pub const RESERVATION_SEED: &[u8] = b"reservation";

/// Version byte of every account that this program writes.
pub const ACCOUNT_VERSION: u8 = 1;
/// State byte of every account that this program writes: it is in use. Unbonding will add others.
pub const ACTIVE: u8 = 1;
/// Decimals of the USDC mint.
pub const USDC_DECIMALS: u8 = 6;
/// How many programs can be named as slashers.
pub const MAX_SLASHERS: usize = 4;
