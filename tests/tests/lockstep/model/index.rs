//! Price indices.

use std::collections::BTreeMap;

use gridlease_core::price_index::{PriceIndex, check_class, check_trade, per_gpu_up};

use super::{Answer, GONE, InMarket, Model, THERE_ALREADY, require};
use crate::command::index::IndexStep;

/// An index that is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Index {
    pub rules: PriceIndex,
    pub recorded: u64,
    pub recorded_ts: u64,
}

/// All of them, by GPU model and region.
pub type Indices = BTreeMap<(u8, u8), Index>;

impl Model {
    pub(super) fn index(&mut self, step: &IndexStep) -> Answer {
        match *step {
            IndexStep::Open { gpu_model, region, .. } => {
                require(!self.indices.contains_key(&(gpu_model, region)), THERE_ALREADY)?;
                check_class(gpu_model, region).market()?;
                self.indices.insert((gpu_model, region), Index::default());
                Ok(())
            }
            IndexStep::Record { job, lease, gpu_model, region } => self.record_trade(job, lease, (gpu_model, region)),
        }
    }

    fn record_trade(&mut self, job: usize, lease: usize, class: (u8, u8)) -> Answer {
        let now = self.now.ts.0;
        let (buyer, over) = self.let_alone(job, lease)?;
        let traded = over.clone();
        let index = *self.indices.get(&class).ok_or(GONE)?;
        if traded.indexed {
            self.noted.push("a trade was recorded before");
            return Ok(());
        }
        let (owner, provider) = (self.buyers[buyer].key, &self.providers[traded.provider]);
        let node = provider.record.as_ref().ok_or(GONE)?.node;
        let of_machine = provider.offers[traded.offer].as_ref().ok_or(GONE)?.node;
        let own = [provider.authority, node, of_machine].contains(&owner);
        require(!own, "market SelfDealing")?;
        check_trade(&traded.rules).market()?;
        let unit = crate::scene::unit_of(traded.provider, traded.offer);
        require(class == (unit.gpu_model, unit.region), "market WrongIndex")?;
        let price = per_gpu_up(traded.rules.price, unit.gpu_count).market()?;
        let mut next = index;
        let mark = owner.as_ref()[..8].try_into().unwrap();
        let entered = next.rules.record(price, mark, traded.rules.ended_ts).market()?;
        (next.recorded, next.recorded_ts) = (index.recorded + 1, now);
        let (clamped, moved) = (entered.price != price, next.rules.len == index.rules.len);
        self.noted.push(if clamped { "a trade was clamped" } else { "a trade entered as it was" });
        self.noted.push(if moved { "a trade took the place of its buyer's last" } else { "a trade took a new place" });
        self.indices.insert(class, next);
        self.let_alone(job, lease)?.1.indexed = true;
        Ok(())
    }
}
