//! In the end everybody takes back what its accounts held: purses and records are closed.

use crate::command::Command;
use crate::command::machines::MachineStep;
use crate::command::parties::{BuyerStep, SupplierStep};
use crate::model::{MACHINES, Model, OFFERS};
use crate::scene::{BUYERS, PROVIDERS};

/// Every purse and every record is closed.
pub fn leave(
    model: &mut Model,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    step(model, &Command::Clock { slots: 1, seconds: 1 })?;
    for buyer in 0..BUYERS {
        step(model, &Command::Buyer { buyer, by: 0, step: BuyerStep::Close })?;
        if let Some(purse) = model.buyers[buyer].purse {
            return Err(format!("purse {buyer} could not be closed: {purse:?}"));
        }
    }
    for provider in 0..PROVIDERS {
        for offer in 0..OFFERS {
            take_off(model, provider, offer, step)?;
        }
        for machine in (0..MACHINES).filter(|at| model.providers[provider].machines[*at].is_some()).collect::<Vec<_>>()
        {
            let retire = MachineStep::Retire { by: 0, missing: false };
            for step_of in [retire, MachineStep::Close] {
                step(model, &Command::Machine { provider, machine, step: step_of })?;
            }
        }
        step(model, &Command::Supplier { provider, by: 0, step: SupplierStep::Close })?;
        if let Some(record) = model.providers[provider].record {
            return Err(format!("the record of provider {provider} could not be closed: {record:?}"));
        }
    }
    Ok(())
}

/// Takes an offer off the market, with the claims of its GPUs.
fn take_off(
    model: &mut Model,
    provider: usize,
    offer: usize,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    step(model, &Command::WithdrawOffer { provider, by: 0, offer, wrong: false })?;
    let claimed = |model: &Model| model.providers[provider].offers[offer].map_or(0, |place| place.claimed);
    for _ in 0..claimed(model) {
        let count = u8::try_from(claimed(model).min(8)).unwrap_or(8);
        step(model, &Command::ReleaseGpus { provider, by: 0, offer, count })?;
    }
    step(model, &Command::WithdrawOffer { provider, by: 0, offer, wrong: false })?;
    Ok(())
}
