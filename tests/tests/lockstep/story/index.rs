//! What is chosen for price indices.

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::price_index::LEAST_TIME;
use gridlease_core::rounding::cost_down;
use gridlease_core::{Atoms, PricePerHour, Seconds};

use super::somebody;
use crate::command::Command;
use crate::command::index::IndexStep;
use crate::model::{JOBS, Model};
use crate::random::Random;
use crate::scene;

/// The index of what all offer is opened soon; then any step is chosen.
pub fn choose(random: &mut Random, model: &Model) -> Command {
    let unit = scene::unit();
    let class = (unit.gpu_model, unit.region);
    if model.indices.contains_key(&class) {
        if !random.once_in(4)
            && let Some(step) = towards_a_trade(random, model, class)
        {
            return step;
        }
        let (job, lease) = (random.index(JOBS), random.index(3));
        return anything(random, job, lease);
    }
    Command::Index(IndexStep::Open { by: 0, gpu_model: class.0, region: class.1 })
}

/// The next step by which a lease becomes a trade that counts: it runs on, is stopped, paid and recorded, perhaps once more.
fn towards_a_trade(random: &mut Random, model: &Model, (gpu_model, region): (u8, u8)) -> Option<Command> {
    let dear = |price: PricePerHour| cost_down(price, Seconds(5_000)).is_ok_and(|cost| cost >= Atoms(5_000_000));
    let leases: Vec<_> = (0..JOBS)
        .flat_map(|job| (0..3).map(move |lease| (job, lease)))
        .filter_map(|(job, lease)| {
            let at = model.lease_at(job, lease)?;
            let one = model.jobs[job].as_ref()?.leases.get(at).filter(|one| one.open && dear(one.rules.price))?;
            Some((job, lease, one.rules))
        })
        .filter(|(_, _, rules)| rules.state == LeaseState::Running || rules.state.is_over())
        .filter(|(_, _, rules)| rules.state != LeaseState::Failed && rules.reason != EndReason::Abandoned)
        .collect();
    let (job, lease, rules) = *(!leases.is_empty()).then(|| &leases[random.index(leases.len())])?;
    let enough = cost_down(rules.price, model.now.ts.since(rules.ready_ts)).is_ok_and(|cost| cost >= Atoms(5_100_000));
    Some(match rules.state {
        LeaseState::Running if enough && model.now.ts.since(rules.ready_ts) > LEAST_TIME => {
            Command::Stop { job, lease, by: 0 }
        }
        LeaseState::Running => {
            let seconds = 300 + random.below(900);
            Command::Clock { slots: seconds * 5 / 2, seconds: seconds as i64 }
        }
        _ if rules.check_paid().is_err() => Command::Settle { job, lease },
        _ => Command::Index(IndexStep::Record { job, lease, gpu_model, region }),
    })
}

/// Any step.
pub fn anything(random: &mut Random, job: usize, lease: usize) -> Command {
    let unit = scene::unit();
    let other = random.once_in(3);
    let gpu_model = if other { random.small(4) } else { unit.gpu_model };
    let region = if other { random.pick(&[0, 1, 200]) } else { unit.region };
    Command::Index(match random.below(3) {
        0 => IndexStep::Open { by: somebody(random), gpu_model, region },
        _ => IndexStep::Record { job, lease, gpu_model, region },
    })
}
