//! The programs as their IDL describes them: account layouts, arguments, events. Generated from `idl/*.json` when this
//! crate is compiled; nothing here is written by hand.
#![allow(missing_docs, clippy::all, clippy::pedantic, unused, reason = "generated from the IDL")]

use anchor_lang;

anchor_lang::declare_program!(market);
anchor_lang::declare_program!(staking);

/// Ties this file's fingerprint to the IDLs, so that a changed IDL recompiles it.
const _: (&[u8], &[u8]) = (include_bytes!("../idls/market.json"), include_bytes!("../idls/staking.json"));
