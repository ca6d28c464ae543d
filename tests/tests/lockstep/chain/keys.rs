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

/// As [`address::commitment`].
pub fn commitment(job: &Pubkey, provider: &Pubkey) -> Pubkey {
    once((*job, Some(*provider), 0), || address::commitment(job, provider))
}
