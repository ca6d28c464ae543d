//! What is chosen for price indices.

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
        let (job, lease) = (random.index(JOBS), random.index(3));
        return anything(random, job, lease);
    }
    Command::Index(IndexStep::Open { by: 0, gpu_model: class.0, region: class.1 })
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
