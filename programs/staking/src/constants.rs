//! The program's fixed numbers, and the addresses that it trusts.

use anchor_lang::prelude::*;

/// Lamports that a bond is opened with beyond its rent. One is lent to each reservation, so that no reservation can
/// exist without lamports (see [`crate::instructions::Reserve`]); anybody can send a bond more.
pub const SPARE_LAMPORTS: u64 = 10_000;
/// The loader that keeps a program's data, and who may upgrade it, in an account of its own.
pub const UPGRADEABLE_LOADER: Pubkey = pubkey!("BPFLoaderUpgradeab1e11111111111111111111111");
/// The loaders whose programs nobody can upgrade.
pub const FINAL_LOADERS: [Pubkey; 2] =
    [pubkey!("BPFLoader2111111111111111111111111111111111"), pubkey!("BPFLoader1111111111111111111111111111111111")];
