//! Price indices on the chain.

use gridlease_core::price_index::{PriceIndex, Trade};
use gridlease_core::{PricePerHour, UnixTs};
use gridlease_sdk::account;
use gridlease_sdk::instruction::price_index;
use gridlease_tests::svm::World;
use solana_instruction::Instruction;

use super::keys;
use crate::command::index::IndexStep;
use crate::model::Model;
use crate::model::index::Index;

/// The instruction of a step; `None` where there was no such lease.
pub fn build(model: &Model, step: &IndexStep) -> Option<Instruction> {
    Some(match *step {
        IndexStep::Open { by, gpu_model, region } => price_index::open_index(&model.anybody(by), gpu_model, region),
        IndexStep::Record { job, lease, gpu_model, region } => {
            let at = model.lease_at(job, lease)?;
            price_index::record_trade(&model.jobs[job].as_ref()?.leases[at].keys, gpu_model, region)
        }
    })
}

/// Do the indices hold what the model says?
pub fn compare(world: &World, model: &Model) -> Result<(), String> {
    for ((gpu_model, region), index) in &model.indices {
        let chain: account::PriceIndex = world.read(&keys::price_index(*gpu_model, *region));
        let mut rules =
            PriceIndex { len: chain.len, next: chain.next, price: PricePerHour(chain.price), ..PriceIndex::default() };
        for (to, from) in rules.trades.iter_mut().zip(&chain.trades) {
            *to = Trade { price: PricePerHour(from.price), ts: UnixTs(from.ts), buyer: from.buyer };
        }
        let found = Index { rules, recorded: chain.recorded, recorded_ts: chain.recorded_ts };
        same!(format!("index of {gpu_model} in {region}"), found, *index);
        same!("its class", (chain.gpu_model, chain.region), (*gpu_model, *region));
    }
    Ok(())
}
