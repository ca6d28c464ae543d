//! What the programs' IDLs name.

use gridlease_sdk::address::{MARKET, STAKING};
use serde_json::{Value, from_str};
use solana_pubkey::Pubkey;

/// Program, name and discriminator of all `"events"` or all `"instructions"` of both programs.
pub fn named(kind: &str) -> Vec<(Pubkey, String, Vec<u8>)> {
    let idls = [(MARKET, include_str!("../../idl/market.json")), (STAKING, include_str!("../../idl/staking.json"))];
    let mut all = Vec::new();
    for (program, text) in idls {
        let idl: Value = from_str(text).unwrap();
        for one in idl[kind].as_array().unwrap() {
            let bytes = one["discriminator"].as_array().unwrap();
            let bytes = bytes.iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
            all.push((program, one["name"].as_str().unwrap().to_owned(), bytes));
        }
    }
    all
}
