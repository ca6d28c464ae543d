//! Addresses that are compared after every command, each derived once: that takes longer than the comparison.

use std::cell::RefCell;
use std::collections::HashMap;

use gridlease_sdk::address;
use solana_pubkey::Pubkey;

/// What an address is derived from: one or two others, and a number.
type Seeds = (Pubkey, Option<Pubkey>, u32);

thread_local! {
    static DERIVED: RefCell<HashMap<Seeds, Pubkey>> = RefCell::default();
}

fn once(of: Seeds, derive: impl FnOnce() -> Pubkey) -> Pubkey {
    DERIVED.with_borrow_mut(|known| *known.entry(of).or_insert_with(derive))
}

/// As [`address::offer`].
pub fn offer(provider: &Pubkey, number: u32) -> Pubkey {
    once((*provider, None, number), || address::offer(provider, number))
}

/// As [`address::machine`].
pub fn machine(provider: &Pubkey, number: u32) -> Pubkey {
    once((*provider, Some(Pubkey::default()), number), || address::machine(provider, number))
}

/// As [`address::reservation`]; no offer has the number 0.
pub fn reservation(lease: &Pubkey) -> Pubkey {
    once((*lease, None, 0), || address::reservation(lease))
}

/// As [`address::delegation`].
pub fn delegation(bond: &Pubkey, delegator: &Pubkey) -> Pubkey {
    once((*bond, Some(*delegator), u32::MAX), || address::delegation(bond, delegator))
}

/// As [`address::unbonding`].
pub fn unbonding(bond: &Pubkey, owner: &Pubkey, number: u32) -> Pubkey {
    once((*bond, Some(*owner), number), || address::unbonding(bond, owner, number))
}

/// As [`address::task_group`].
pub fn task_group(array: &Pubkey, task: u16) -> Pubkey {
    once((*array, None, task.into()), || address::task_group(array, task))
}

/// As [`address::price_index`]. No account stands at the programs' own addresses, so they begin what follows from nobody's.
pub fn price_index(gpu_model: u8, region: u8) -> Pubkey {
    let class = u32::from(gpu_model) << 8 | u32::from(region);
    once((address::MARKET, None, class), || address::price_index(gpu_model, region))
}

/// As [`address::market_config`].
pub fn market_config() -> Pubkey {
    once((address::MARKET, None, u32::MAX), address::market_config)
}

/// As [`address::staking_config`].
pub fn staking_config() -> Pubkey {
    once((address::STAKING, None, u32::MAX), address::staking_config)
}

/// As [`address::commitment`].
pub fn commitment(job: &Pubkey, provider: &Pubkey) -> Pubkey {
    once((*job, Some(*provider), 0), || address::commitment(job, provider))
}
