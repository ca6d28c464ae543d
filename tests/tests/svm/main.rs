//! The built programs in the test VM, one module a topic.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests end a test that goes wrong")]
#![allow(clippy::cloned_ref_to_slice_refs, reason = "one form for one instruction and for several")]

mod array;
mod array_end;
mod array_replicas;
mod attacks;
mod auction;
mod award;
mod batch;
mod caps;
mod closing;
mod cranks;
mod cu;
mod cu_ways;
mod deadlines;
mod error_codes;
mod extend;
mod faults;
mod governance;
mod gpu_claims;
mod guardian;
mod instant;
mod lease;
mod life;
mod liveness;
mod machines;
mod migration;
mod notice;
mod offer;
mod payout;
mod price_index;
mod purse;
mod reputation;
mod sealed;
mod second_edition;
mod security_txt;
mod spender;
mod staking;
mod staking_governance;
mod staking_lockstep;
mod staking_pool;
mod staking_unbond;
mod supervision;
mod tips;
mod token_2022;
mod verdict;
mod walk;

use gridlease_tests::svm::World;
use solana_instruction::Instruction;
use solana_pubkey::{Pubkey, pubkey};

/// The token program that the market does not take.
const TOKEN_2022: Pubkey = pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

/// The instruction with one account in place of another, wherever that stands.
fn swapped(instruction: &Instruction, account: &Pubkey, by: Pubkey) -> Instruction {
    let mut swapped = instruction.clone();
    let mut found = false;
    for meta in swapped.accounts.iter_mut().filter(|meta| meta.pubkey == *account) {
        meta.pubkey = by;
        found = true;
    }
    assert!(found, "the instruction has no account {account}");
    swapped
}

/// Sends the instruction without the signature of who is account `at`; returns the reason of the refusal.
#[track_caller]
fn unsigned(world: &mut World, instruction: &Instruction, at: usize) -> String {
    let mut unsigned = instruction.clone();
    assert!(unsigned.accounts[at].is_signer);
    let key = unsigned.accounts[at].pubkey;
    for meta in unsigned.accounts.iter_mut().filter(|meta| meta.pubkey == key) {
        meta.is_signer = false; // it may pay for itself
    }
    world.refuse(unsigned, &[])
}
