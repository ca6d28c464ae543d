//! A provider whose account is frozen while it is owed something, and which names another one.

use solana_pubkey::Pubkey;

use super::settings;
use crate::command::Command;
use crate::command::parties::SupplierStep;
use crate::command::supervision::SupervisionStep;
use crate::model::{JOBS, Model};
use crate::random::Random;

/// A job whose last lease is paid to this account, which is about to be frozen.
#[derive(Clone, Copy)]
pub struct Mover {
    job: usize,
    recorded: Pubkey,
}

/// One whose lease has something left to be paid.
pub fn some(random: &mut Random, model: &Model) -> Option<Mover> {
    let from = random.index(JOBS);
    (0..JOBS).map(|at| (from + at) % JOBS).find_map(|job| {
        let one = model.jobs[job].as_ref()?.leases.last().filter(|one| one.open)?;
        let owed = one.rules.held().is_ok_and(|held| !held.is_zero());
        owed.then_some(Mover { job, recorded: one.keys.payout })
    })
}

/// The next step; `None` where it is done or cannot be.
pub fn next(random: &mut Random, model: &Model, who: Mover) -> Option<Command> {
    let job = who.job;
    let one = model.jobs[job].as_ref()?.leases.last().filter(|one| one.open && one.keys.payout == who.recorded)?;
    let provider = one.provider;
    let record = model.providers[provider].record?;
    let frozen = |account: Pubkey, frozen| {
        let place = model.freezable.iter().position(|key| *key == account)?;
        Some(Command::Freeze { place, frozen })
    };
    let supplier = |step| Some(Command::Supplier { provider, by: 0, step });
    if !model.frozen.contains(&who.recorded) {
        return frozen(who.recorded, true);
    }
    if record.payout != who.recorded {
        if model.frozen.contains(&record.payout) {
            return frozen(record.payout, false);
        }
        return Some(Command::Supervision { job, lease: 0, step: SupervisionStep::Redirect { to: None } });
    }
    if record.pending == Pubkey::default() {
        return supplier(SupplierStep::ProposePayout { to: random.index(20) });
    }
    match settings::due(model, provider, &record).saturating_sub(model.now.ts.0) {
        0 => supplier(SupplierStep::ApplyPayout { to: None }),
        seconds => Some(Command::Clock { slots: seconds * 2, seconds: seconds as i64 }),
    }
}
