//! What a guardian does to a lease that it looks after: it extends it and tops it up, within its cap and beyond, rejects it, stops
//! it, accepts or reopens what the node finished.

use gridlease_core::Atoms;
use gridlease_core::lease::LeaseState;
use gridlease_core::rounding::cost_up;
use solana_pubkey::Pubkey;

use super::purse_keys::{keeper_of, owner_of, set_guardian, spender_of};
use super::serving::wait;
use super::settings::set_spender;
use crate::command::Command;
use crate::command::supervision::SupervisionStep;
use crate::model::{Let, Model};
use crate::random::Random;
use crate::scene::BUYERS;

/// The purse has a guardian first; now and then another one, and a spender.
pub fn before(random: &mut Random, model: &Model, buyer: usize) -> Option<Command> {
    let purse = model.buyers[buyer].purse?;
    if purse.spender == Pubkey::default() && random.once_in(12) {
        return Some(Command::Buyer { buyer, by: 0, step: set_spender(random) });
    }
    let names = purse.guardian == Pubkey::default() || random.once_in(30);
    names.then(|| Command::Buyer { buyer, by: owner_of(random, model, buyer), step: set_guardian(random) })
}

/// The next step of its lease.
pub fn of_lease(random: &mut Random, model: &Model, (job, lease): (usize, usize), one: &Let) -> Option<Command> {
    let (buyer, now) = (job % BUYERS, model.now);
    let purse = model.buyers[buyer].purse?;
    let by = match model.people.iter().position(|key| *key == purse.guardian) {
        Some(at) if !random.once_in(6) => super::person(at),
        _ => keeper_of(random, model, buyer),
    };
    let supervision = |step| Some(Command::Supervision { job, lease, step });
    match one.rules.state {
        LeaseState::Starting if random.once_in(8) => Some(Command::Stop { job, lease, by }),
        LeaseState::Finished => match random.below(8) {
            0 => Some(wait(random.below(100))),
            1..=3 => supervision(SupervisionStep::Reopen { by }),
            4 => supervision(SupervisionStep::Accept { by: spender_of(model, buyer).unwrap_or(by) }),
            _ => supervision(SupervisionStep::Accept { by }),
        },
        LeaseState::Running if one.rules.can_be_rejected(now) && random.once_in(8) => {
            supervision(SupervisionStep::Reject { by })
        }
        LeaseState::Running | LeaseState::Grace => match random.below(20) {
            0..=4 => Some(Command::Extend { job, lease, by, by_s: 300 + random.below(6_000) as u32 }),
            5..=14 => {
                let most = cost_up(one.rules.price, one.rules.duration).unwrap_or(Atoms::ZERO);
                let (room, left) = (most.saturating_sub(one.rules.reserved).0, purse.guarding.left(now.ts).0);
                if room == 0 {
                    return Some(Command::Extend { job, lease, by, by_s: 300 + random.below(6_000) as u32 });
                }
                let amount = match random.below(6) {
                    0 => left.saturating_add(1),
                    1 => left,
                    2 => room.saturating_add(random.below(2)),
                    _ => 1 + random.below(room.min(left)),
                };
                Some(Command::TopUp { job, lease, by, amount })
            }
            15 => Some(wait(random.below(900))),
            16 => Some(Command::Stop { job, lease, by }),
            17 => Some(Command::Settle { job, lease }),
            _ => Some(Command::Finish { job, lease, by: 0, reason: 1, exit: 0 }),
        },
        _ => None,
    }
}
