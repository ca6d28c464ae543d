//! What is chosen for purses and records beside money, jobs, stake and offers.

use gridlease_core::{UnixTs, payout};
use solana_pubkey::Pubkey;

use super::purse_keys::{cap, owner_of, set_guardian};
use super::{by, somebody};
use crate::command::Command;
use crate::command::parties::{BuyerStep, SupplierStep};
use crate::model::{Model, OFFERS, Pouch, Record};
use crate::random::Random;

/// A step of a purse that is open.
pub fn of_buyer(random: &mut Random, model: &Model, buyer: usize) -> Command {
    let has =
        |key: fn(&Pouch) -> Pubkey| model.buyers[buyer].purse.is_some_and(|purse| key(&purse) != Pubkey::default());
    let (spends, guards) = (has(|purse| purse.spender), has(|purse| purse.guardian));
    let step = match random.below(18) {
        0 => BuyerStep::SetSpender { spender: 0, cap: 0, period_s: 0 },
        1..=3 if !spends => set_spender(random),
        1 => set_spender(random),
        4..=6 => BuyerStep::SweepDonation,
        7 => BuyerStep::Close,
        8 => BuyerStep::SetGuardian { guardian: 0, cap: random.below(2), period_s: 0 },
        9..=13 if !guards => set_guardian(random),
        9 => set_guardian(random),
        _ => return Command::Donate { buyer, amount: random.below(1_000) },
    };
    Command::Buyer { buyer, by: owner_of(random, model, buyer), step }
}

/// A spender is named.
pub fn set_spender(random: &mut Random) -> BuyerStep {
    let (cap, period_s) = cap(random);
    BuyerStep::SetSpender { spender: somebody(random), cap, period_s }
}

/// Any step of a purse.
pub fn any_of_buyer(random: &mut Random) -> BuyerStep {
    match random.below(4) {
        0 => set_spender(random),
        3 => set_guardian(random),
        1 => BuyerStep::SweepDonation,
        _ => BuyerStep::Close,
    }
}

/// When the payout account that was proposed may take effect.
pub fn due(model: &Model, provider: usize, record: &Record) -> u64 {
    let delegators = !model.providers[provider].holdings.places.is_empty();
    payout::due(UnixTs(record.pending_since), delegators).map_or(u64::MAX, |due| due.0)
}

/// A step of a record that is there.
pub fn of_supplier(random: &mut Random, model: &Model, provider: usize) -> Command {
    let record = model.providers[provider].record;
    let pending = record.filter(|record| record.pending != Pubkey::default());
    let step = match (pending, random.below(12)) {
        // To the time at which it may take effect, or a second before or after.
        (Some(record), 0..=2) if due(model, provider, &record) > model.now.ts.0 => {
            let seconds = (due(model, provider, &record) + random.below(3)).saturating_sub(model.now.ts.0 + 1);
            return Command::Clock { slots: seconds * 2, seconds: seconds as i64 };
        }
        (Some(_), 0..=3) => SupplierStep::ApplyPayout { to: random.once_in(6).then(|| random.index(20)) },
        (Some(_), 4) => SupplierStep::CancelPayout,
        (None, 0..=4) => SupplierStep::ProposePayout { to: random.index(20) },
        (_, 5) => any_of_supplier(random),
        _ => benchmark(random),
    };
    Command::Supplier { provider, by: by(random), step }
}

fn benchmark(random: &mut Random) -> SupplierStep {
    let value = if random.once_in(10) { 0 } else { random.any() };
    SupplierStep::Benchmark { offer: random.index(OFFERS), value, hash: !random.once_in(10) }
}

/// Any step of a record.
pub fn any_of_supplier(random: &mut Random) -> SupplierStep {
    match random.below(5) {
        0 => SupplierStep::ProposePayout { to: random.index(20) },
        1 => SupplierStep::CancelPayout,
        2 => SupplierStep::ApplyPayout { to: random.once_in(2).then(|| random.index(20)) },
        3 => benchmark(random),
        _ => SupplierStep::Close,
    }
}
