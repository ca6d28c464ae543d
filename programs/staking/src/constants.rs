//! Seeds of the program's addresses, and its fixed numbers.

use anchor_lang::prelude::*;

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

/// Version byte of every account that this program writes.
pub const ACCOUNT_VERSION: u8 = 1;
/// State byte of every account that this program writes: it is in use.
pub const ACTIVE: u8 = 1;
/// Decimals of the USDC mint.
pub const USDC_DECIMALS: u8 = 6;
/// How many programs can be named as slashers.
pub const MAX_SLASHERS: usize = 4;
/// Bytes of a delegator's address that mark it in its bond.
pub const MARK_BYTES: usize = 8;
/// Lamports that a bond is opened with beyond its rent. One is lent to each reservation, so that no reservation can
/// exist without lamports (see [`crate::instructions::Reserve`]); anybody can send a bond more.
pub const SPARE_LAMPORTS: u64 = 10_000;
/// The loader that keeps a program's data, and who may upgrade it, in an account of its own.
pub const UPGRADEABLE_LOADER: Pubkey = pubkey!("BPFLoaderUpgradeab1e11111111111111111111111");
/// The loaders whose programs nobody can upgrade.
pub const FINAL_LOADERS: [Pubkey; 2] =
    [pubkey!("BPFLoader2111111111111111111111111111111111"), pubkey!("BPFLoader1111111111111111111111111111111111")];
