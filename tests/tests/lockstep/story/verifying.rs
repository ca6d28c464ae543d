//! What is told of a verified lease: it runs, it ends, and the verifier says what it found, or says nothing until its time is over.

use gridlease_core::UnixTs;
use gridlease_core::governance;
use gridlease_core::lease::LeaseState;
use solana_pubkey::Pubkey;

use super::governance::change;
use super::serving::wait;
use super::{by, person};
use crate::command::Command;
use crate::command::governance::{Change, GovernanceStep};
use crate::command::supervision::SupervisionStep;
use crate::model::{Let, Model};
use crate::random::Random;
use crate::scene::{BUYERS, PROVIDERS};

/// Somebody is named verifier first.
pub fn before(random: &mut Random, model: &Model) -> Option<Command> {
    if model.market.verifier != Pubkey::default() {
        return None;
    }
    let now = model.now.ts;
    let step = match model.market.next.map(|next| UnixTs(next.due)) {
        Some(due) if governance::stands(due, now) && due > now => return Some(wait(due.since(now).0)),
        Some(due) if governance::stands(due, now) => GovernanceStep::ExecuteChange { other: None },
        _ => {
            let verifier = person(random.index(BUYERS + PROVIDERS));
            GovernanceStep::ProposeChange { by: 0, change: Change { verifier, ..change(random) } }
        }
    };
    Some(Command::Governance(step))
}

/// What the verifier says of a lease whose stake stands for it.
pub fn verdict(random: &mut Random, one: &Let) -> SupervisionStep {
    let reserved = one.reservation.0;
    let slash = match random.below(12) {
        0..=3 => 0,
        4 => reserved,
        5 => reserved.saturating_add(1),
        6 => random.amount(40),
        7 => one.rules.compensable().0.saturating_add(random.below(4)),
        8 => 1 + random.below(3),
        _ => 1 + random.below(reserved),
    };
    // A buyer may have proved it itself.
    let most = if random.once_in(4) { BUYERS } else { BUYERS + PROVIDERS };
    let prover = random.small(most as u8 + 1);
    SupervisionStep::Verdict { by: by(random), slash, prover }
}

/// The next step of its lease.
pub fn of_lease(random: &mut Random, model: &Model, (job, lease): (usize, usize), one: &Let) -> Option<Command> {
    let (rules, now) = (&one.rules, model.now.ts);
    let supervision = |step| Some(Command::Supervision { job, lease, step });
    match rules.state {
        // One that is stopped when it should have started owes nothing.
        LeaseState::Starting if rules.start_deadline < now => Some(Command::Stop { job, lease, by: 0 }),
        LeaseState::Starting if random.once_in(10) => Some(wait(rules.start_deadline.since(now).0 + 60)),
        LeaseState::Running if now.since(rules.ready_ts).0 < 120 || random.once_in(4) => {
            Some(wait(60 + random.below(700)))
        }
        LeaseState::Running if random.once_in(4) => Some(Command::Settle { job, lease }),
        LeaseState::Running if random.once_in(20) => supervision(verdict(random, one)),
        LeaseState::Running if !random.once_in(5) => Some(Command::Finish { job, lease, by: 0, reason: 1, exit: 0 }),
        LeaseState::Finished if random.once_in(10) => supervision(verdict(random, one)),
        LeaseState::Finished => supervision(SupervisionStep::Accept { by: 0 }),
        LeaseState::Ended if rules.stake_until() > now => match random.below(16) {
            0..=2 => Some(Command::CloseLease { job, lease }),
            3 | 4 => Some(Command::Settle { job, lease }),
            // To the end of its time, or a second before or after.
            5 => Some(wait((rules.stake_until().0 + random.below(3)).saturating_sub(now.0 + 1))),
            _ => supervision(verdict(random, one)),
        },
        // A second verdict, or one that comes too late.
        LeaseState::Ended | LeaseState::Failed if random.once_in(8) => supervision(verdict(random, one)),
        _ => None,
    }
}
