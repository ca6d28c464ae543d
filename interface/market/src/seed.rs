//! Seeds of the addresses that the market derives.

/// Seed of the configuration.
pub const CONFIG_SEED: &[u8] = b"config";
/// Seed of the PDA that signs for stake: the only one that may reserve, release and slash for the market.
pub const AUTHORITY_SEED: &[u8] = b"authority";
/// Seed of a purse, followed by its owner.
pub const PURSE_SEED: &[u8] = b"purse";
/// Seed of a purse's token account, followed by the purse.
pub const VAULT_SEED: &[u8] = b"vault";
/// Seed of a provider record, followed by its authority.
pub const PROVIDER_SEED: &[u8] = b"provider";
/// Seed of an offer, followed by its provider record and number (4 bytes, little endian).
pub const OFFER_SEED: &[u8] = b"offer";
/// Seed of a machine, followed by its provider record and number (4 bytes, little endian).
pub const MACHINE_SEED: &[u8] = b"machine";
/// Seed of the claim of a GPU, followed by the SHA-256 of its UUID.
pub const GPU_SEED: &[u8] = b"gpu";
/// Seed of a job, followed by its purse and number (8 bytes, little endian).
pub const JOB_SEED: &[u8] = b"job";
/// Seed of an array, followed by its purse and number (8 bytes, little endian). Its tasks' jobs are at [`JOB_SEED`], the
/// array and task × replicas + replica (8 bytes, little endian).
pub const ARRAY_SEED: &[u8] = b"array";
/// Seed of a task group, followed by its array and task (2 bytes, little endian).
pub const GROUP_SEED: &[u8] = b"group";
/// Seed of a lease, followed by its job and number (1 byte).
pub const LEASE_SEED: &[u8] = b"lease";
/// Seed of a price index, followed by GPU model and region (1 byte each).
pub const INDEX_SEED: &[u8] = b"index";
/// Seed of a reservation in the staking program, followed by the lease.
pub const RESERVATION_SEED: &[u8] = b"reservation";
/// Seed of a bond in the staking program, followed by the provider's authority.
pub const BOND_SEED: &[u8] = b"bond";
/// Seed of a sealed bid, followed by its job and its provider record.
pub const COMMIT_SEED: &[u8] = b"commit";
