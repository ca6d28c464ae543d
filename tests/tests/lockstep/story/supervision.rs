//! What is chosen for a lease beside its meter.

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::price_index::check_trade;

use super::purse_keys::keeper_of;
use super::{by, person, somebody, verifying};
use crate::command::Command;
use crate::command::index::IndexStep;
use crate::command::supervision::SupervisionStep;
use crate::model::{Let, Model};
use crate::random::Random;
use crate::scene::{self, BUYERS};

/// What one of the job's leases makes sensible now; `None` to go on with its meter.
pub fn of_lease(random: &mut Random, model: &Model, job: usize) -> Option<Command> {
    let lease = if random.once_in(4) { random.index(4) } else { 0 };
    let at = model.lease_at(job, lease)?;
    let posted = model.jobs[job].as_ref()?;
    let one = posted.leases.get(at).filter(|one| one.open)?;
    if random.once_in(40) {
        return Some(anything(random, job, lease));
    }
    if let Some(command) = elsewhere(random, model, (job, lease), one).filter(|_| random.once_in(3)) {
        return Some(command);
    }
    if !one.rules.credit.is_zero() && random.once_in(3) {
        return Some(Command::Supervision { job, lease, step: SupervisionStep::Collect });
    }
    let now = model.now;
    let buyer = posted.buyer;
    let step = match one.rules.state {
        LeaseState::Running if one.rules.challenge_end.is_zero() => {
            let over = one.rules.notice_end.0 != 0 && now.ts >= one.rules.notice_end;
            if over && random.once_in(3) {
                let reason = EndReason::Notice as u8;
                return Some(Command::Finish { job, lease, by: by(random), reason, exit: 0 });
            }
            of_running(random, model, buyer, one)?
        }
        LeaseState::Running | LeaseState::Paused if !one.rules.challenge_end.is_zero() => {
            let late = now.ts > one.rules.challenge_end;
            match random.below(12) {
                0..=2 if !late => SupervisionStep::Answer { by: by(random), right: !random.once_in(8) },
                3 if !late => return Some(wait(random, one.rules.challenge_end.since(now.ts).0)),
                4 if !late => SupervisionStep::Resolve { to: 0 },
                0..=6 if late => SupervisionStep::Resolve { to: by(random) },
                7 => SupervisionStep::Resume { by: by(random) },
                8 => SupervisionStep::DeclareUnreachable,
                _ => return None,
            }
        }
        LeaseState::Paused => {
            let due = now.ts >= one.rules.due();
            match random.below(10) {
                0..=3 if due => SupervisionStep::DeclareUnreachable,
                0..=3 => SupervisionStep::Resume { by: by(random) },
                4 => SupervisionStep::DeclareUnreachable,
                6 if one.rules.paid.0 > 0 => return Some(wait(random, 200)),
                5 => SupervisionStep::Resume { by: by(random) },
                _ => return None,
            }
        }
        LeaseState::Grace | LeaseState::Finished | LeaseState::Ended | LeaseState::Failed
            if !one.rules.challenge_end.is_zero() && random.once_in(2) =>
        {
            SupervisionStep::Resolve { to: by(random) }
        }
        LeaseState::Ended if one.rules.stake_until() > now.ts && random.once_in(3) => verifying::verdict(random, one),
        LeaseState::Ended if check_trade(&one.rules).is_ok() && random.once_in(if one.indexed { 6 } else { 2 }) => {
            let unit = scene::unit_of(one.provider, one.offer);
            let (gpu_model, region) = (unit.gpu_model, unit.region);
            return Some(Command::Index(IndexStep::Record { job, lease, gpu_model, region }));
        }
        _ => return None,
    };
    Some(Command::Supervision { job, lease, step })
}

/// A lease whose provider is paid to another account by now.
fn elsewhere(random: &mut Random, model: &Model, (job, lease): (usize, usize), one: &Let) -> Option<Command> {
    let recorded = one.keys.payout;
    let record = model.providers[one.provider].record.filter(|record| record.payout != recorded)?;
    let held = |account| model.frozen.contains(&account);
    let place = |account| model.freezable.iter().position(|key| *key == account);
    if !held(recorded) && random.once_in(2) {
        return Some(Command::Freeze { place: place(recorded)?, frozen: true });
    }
    if held(record.payout) && random.once_in(2) {
        return Some(Command::Freeze { place: place(record.payout)?, frozen: false });
    }
    let to = random.once_in(12).then(|| random.index(20));
    Some(Command::Supervision { job, lease, step: SupervisionStep::Redirect { to } })
}

/// Time passes, about so much.
fn wait(random: &mut Random, seconds: u64) -> Command {
    let seconds = seconds + random.below(60);
    Command::Clock { slots: seconds * 2, seconds: seconds as i64 }
}

/// While a lease runs and nobody asks it for a sign of life.
fn of_running(random: &mut Random, model: &Model, buyer: usize, one: &Let) -> Option<SupervisionStep> {
    let rules = &one.rules;
    if rules.can_be_rejected(model.now) && random.once_in(20) {
        return Some(SupervisionStep::Reject { by: keeper_of(random, model, buyer) });
    }
    if rules.is_durable() && random.once_in(5) {
        let (ahead, bytes) = (random.pick(&[1, 1, 1, 1, 2, 0, -1]), random.any());
        return Some(SupervisionStep::Checkpoint { by: by(random), ahead, bytes });
    }
    if !rules.notice.is_zero() && random.once_in(if rules.notice_end.0 == 0 { 6 } else { 12 }) {
        let authority = person(BUYERS + one.provider);
        return Some(SupervisionStep::GiveNotice { by: if random.once_in(3) { authority } else { by(random) } });
    }
    // What was paid already is what stake can give back.
    let paid = rules.payable(model.now).is_ok_and(|payment| payment.net.is_zero()) && rules.paid.0 > 0;
    let challenger = if random.once_in(2) { somebody(random) } else { 0 };
    random.once_in(if paid { 2 } else { 9 }).then_some(SupervisionStep::Challenge { by: challenger })
}

/// Any step.
pub fn anything(random: &mut Random, job: usize, lease: usize) -> Command {
    let by = if random.once_in(2) { 0 } else { somebody(random) };
    let step = match random.below(17) {
        16 => SupervisionStep::Verdict { by, slash: random.amount(30), prover: random.small(9) },
        11 => SupervisionStep::Accept { by },
        12 => SupervisionStep::Reopen { by },
        13 => SupervisionStep::Decline { by },
        14 => SupervisionStep::Want { by },
        15 => SupervisionStep::BuyerError { by, code: 120 + random.small(10) },
        10 => SupervisionStep::Redirect { to: random.once_in(2).then(|| random.index(20)) },
        0 => SupervisionStep::Challenge { by },
        1 => SupervisionStep::Answer { by, right: random.once_in(2) },
        2 => SupervisionStep::Resolve { to: by },
        3 => SupervisionStep::Resume { by },
        4 => SupervisionStep::Collect,
        5 => SupervisionStep::DeclareUnreachable,
        6 => SupervisionStep::Checkpoint { by, ahead: random.small(4) as i8 - 1, bytes: random.amount(40) },
        7 => SupervisionStep::GiveNotice { by },
        _ => SupervisionStep::Reject { by },
    };
    Command::Supervision { job, lease, step }
}
