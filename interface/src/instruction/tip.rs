//! Tips: who takes a step that is late is paid for it, where it says to whom.

use anchor_lang::Discriminator;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use crate::address;
use crate::program::market::client::args;

/// Where each step that can earn a tip names who gets it.
const PLACES: &[(&[u8], usize)] = &[
    (args::Award::DISCRIMINATOR, 10),
    (args::CancelTask::DISCRIMINATOR, 3),
    (args::CloseArray::DISCRIMINATOR, 3),
    (args::CloseJob::DISCRIMINATOR, 3),
    (args::CloseLease::DISCRIMINATOR, 9),
    (args::CloseTask::DISCRIMINATOR, 3),
    (args::DeclareUnreachable::DISCRIMINATOR, 16),
    (args::Expire::DISCRIMINATOR, 3),
    (args::ExpireJob::DISCRIMINATOR, 2),
    (args::FailStart::DISCRIMINATOR, 16),
    (args::ForfeitBid::DISCRIMINATOR, 14),
    (args::OpenTask::DISCRIMINATOR, 4),
    (args::ResolveChallenge::DISCRIMINATOR, 3),
    (args::Settle::DISCRIMINATOR, 5),
    (args::StopTask::DISCRIMINATOR, 4),
];

/// The same `instruction`, with the tip that it earns where it is late going to `to` (rules: [`gridlease_core::tip`]). The builders
/// name nobody: then what was set aside stays, and goes back to who paid it. An instruction that earns no tip stays as it is.
///
/// `to` can be any account; an empty one must be able to hold so little, or the transaction is refused.
#[must_use]
pub fn tipped(mut instruction: Instruction, to: &Pubkey) -> Instruction {
    if instruction.program_id == address::MARKET
        && let Some(account) = place(&instruction.data).and_then(|at| instruction.accounts.get_mut(at))
    {
        *account = AccountMeta::new(*to, false);
    }
    instruction
}

fn place(data: &[u8]) -> Option<usize> {
    PLACES.iter().find(|(name, _)| data.starts_with(name)).map(|(_, at)| *at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_that_can_earn_a_tip_is_known_with_the_place_that_the_interface_gives_it() {
        let text = include_str!("../../../idl/market.json");
        let idl: serde_json::Value = serde_json::from_str(text).unwrap();
        let mut known = 0;
        for instruction in idl["instructions"].as_array().unwrap() {
            let accounts = instruction["accounts"].as_array().unwrap();
            let name: Vec<u8> = serde_json::from_value(instruction["discriminator"].clone()).unwrap();
            // What a party does for itself is no service: these have the account because they share their accounts with the faults.
            const NO_SERVICE: [&str; 5] = ["abandon", "decline", "want", "report_buyer_error", "reject_ready"];
            let expected = accounts.iter().position(|account| account["name"] == "tip_to");
            let expected = expected.filter(|_| NO_SERVICE.iter().all(|name| instruction["name"] != *name));
            assert_eq!(place(&name), expected, "{}", instruction["name"]);
            known += usize::from(expected.is_some());
        }
        assert_eq!(known, PLACES.len());
    }
}
