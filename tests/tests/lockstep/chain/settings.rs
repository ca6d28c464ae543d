//! What buyers do besides money and jobs, and providers besides stake and offers, on the chain.

use gridlease_sdk::instruction::{provider, purse};
use solana_instruction::Instruction;

use super::{offer_number, signed_by};
use crate::command::By;
use crate::command::parties::{BuyerStep, SupplierStep};
use crate::model::Model;
use crate::scene::BENCHMARK;

/// The instruction of a buyer's step.
pub fn build_buyer(model: &Model, buyer: usize, by: By, step: &BuyerStep) -> Instruction {
    let one = &model.buyers[buyer];
    let instruction = match *step {
        BuyerStep::SetSpender { spender, cap, period_s } => {
            purse::set_spender(&one.key, &model.somebody(spender), cap, period_s)
        }
        BuyerStep::SetGuardian { guardian, cap, period_s } => {
            purse::set_guardian(&one.key, &model.somebody(guardian), cap, period_s)
        }
        BuyerStep::SweepDonation => purse::sweep_donation(&one.key, &one.wallet),
        BuyerStep::Close => purse::close(&one.key, &one.wallet),
    };
    signed_by(instruction, model.signer(by, one.key))
}

/// The instruction of a provider's step; `None` where it has no record to take a node key from.
pub fn build_supplier(model: &Model, at: usize, by: By, step: &SupplierStep) -> Option<Instruction> {
    let one = &model.providers[at];
    let instruction = match *step {
        SupplierStep::ProposePayout { to } => {
            provider::propose_payout(&one.authority, &model.payees[to % model.payees.len()])
        }
        SupplierStep::CancelPayout => provider::cancel_payout(&one.authority),
        SupplierStep::ApplyPayout { to } => {
            return Some(provider::apply_payout(&one.record_key, &one.bond_key, &model.applied(at, to)));
        }
        SupplierStep::Benchmark { offer, value, hash } => {
            let node = model.signer(by, model.node_of(at, offer)?);
            let hash = if hash { BENCHMARK } else { [0; 32] };
            return Some(provider::record_benchmark(&node, &one.record_key, offer_number(offer), value, hash));
        }
        SupplierStep::Close => provider::close(&one.authority),
    };
    Some(signed_by(instruction, model.signer(by, one.authority)))
}
