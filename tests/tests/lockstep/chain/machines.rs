//! Machines on the chain.

use gridlease_sdk::account;
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{self, NodeArgs};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::node_args;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{keys, offer_number, signed_by};
use crate::command::machines::{MachineStep, MachineTerms};
use crate::model::{Machine, Model};

/// The number of the machine in a place.
pub fn machine_number(place: usize) -> u32 {
    offer_number(place)
}

/// What the cold key says of a machine.
pub fn told(model: &Model, terms: MachineTerms) -> NodeArgs {
    NodeArgs { stake_limit: terms.limit, ..node_args(&model.person(terms.node)) }
}

/// The offers of a machine that are passed: all, or one that is none in the place of the last one.
pub fn passed(model: &Model, provider: usize, machine: Option<usize>, missing: bool) -> Vec<Pubkey> {
    let record = model.providers[provider].record_key;
    let places = model.offers_of(provider, machine);
    let mut offers: Vec<_> = places.into_iter().map(|place| address::offer(&record, offer_number(place))).collect();
    if missing && offers.pop().is_none() {
        offers.push(record);
    }
    offers
}

/// The instruction of a step.
pub fn build(model: &Model, at: usize, machine: usize, step: &MachineStep) -> Instruction {
    let (authority, number) = (model.providers[at].authority, machine_number(machine));
    let (instruction, by) = match *step {
        MachineStep::Register { by, terms } => (provider::register_machine(&authority, number, told(model, terms)), by),
        MachineStep::Update { by, terms, missing } => {
            let offers = passed(model, at, Some(machine), missing);
            (provider::update_machine(&authority, number, told(model, terms), &offers), by)
        }
        MachineStep::Retire { by, missing } => {
            (provider::retire_machine(&authority, number, &passed(model, at, Some(machine), missing)), by)
        }
        MachineStep::Close => {
            let record = model.providers[at].record_key;
            let payer = model.providers[at].machines[machine].map_or(authority, |machine| machine.payer);
            return provider::close_machine(&record, &keys::machine(&record, number), &payer);
        }
    };
    signed_by(instruction, model.signer(by, authority))
}

/// Are the machines of a provider those of the model?
pub fn compare(world: &World, model: &Model, at: usize) -> Result<(), String> {
    let owner = &model.providers[at];
    for (place, machine) in owner.machines.iter().enumerate() {
        let key = keys::machine(&owner.record_key, machine_number(place));
        let chain: Option<account::Machine> = world.find(&key);
        let found =
            chain.map(|machine| Machine { node: machine.node_key, rules: machine.rules(), payer: machine.payer });
        same!(format!("machine {place} of provider {at}"), found, *machine);
    }
    Ok(())
}
