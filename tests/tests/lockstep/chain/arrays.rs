//! Arrays on the chain: their instructions, and what their accounts hold.

use std::collections::BTreeSet;

use gridlease_core::array::Mark;
use gridlease_sdk::account;
use gridlease_sdk::instruction::array::{self, ArrayShape};
use gridlease_tests::svm::World;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::{BUYERS, job_args, job_number, keys, signed_by};
use crate::command::arrays::{ArrayStep, TaskStep};
use crate::model::arrays::{Series, TaskOf};
use crate::model::{Model, Posted};

/// The instruction of a step; `None` where it makes no sense.
pub fn build(model: &Model, array: usize, step: &ArrayStep) -> Option<Instruction> {
    let buyer = &model.buyers[array % BUYERS];
    Some(match *step {
        ArrayStep::Post { by, shape, terms } => {
            let shape = ArrayShape {
                count: shape.count,
                quorum: shape.quorum,
                replicas: shape.replicas,
                parallel: shape.parallel,
                budget: shape.budget.0,
            };
            let number = job_number(model, array % BUYERS, &terms);
            signed_by(array::post(&buyer.key, number, shape, job_args(&terms)), model.signer(by, buyer.key))
        }
        ArrayStep::Open { ahead } => {
            let series = model.series(array)?;
            array::open_task(&series.key, &buyer.purse_key, series.task(ahead), series.rules.shape.replicas)
        }
        ArrayStep::Cancel { by } => {
            let series = model.arrays[array].as_ref()?;
            signed_by(array::cancel(&buyer.key, &series.key), model.signer(by, buyer.key))
        }
        ArrayStep::Close => array::close(&model.arrays[array].as_ref()?.key, &buyer.purse_key, &buyer.key),
    })
}

/// The instruction of a step of a task; `None` where the job is none, or gone.
pub fn build_task(world: &World, model: &Model, job: usize, step: &TaskStep) -> Option<Instruction> {
    let posted = model.jobs[job].as_ref().filter(|posted| posted.open && posted.task.is_some())?;
    let state: account::Job = world.find(&posted.key)?;
    Some(match *step {
        TaskStep::Close => array::close_task(&posted.key, &state),
        TaskStep::Cancel => array::cancel_task(&posted.key, &state),
        TaskStep::Stop { lease } => {
            let at = model.lease_at(job, lease)?;
            array::stop_task(&posted.key, &state, &posted.leases[at].keys.lease)
        }
    })
}

/// The same bid or award with what a replica needs besides.
pub fn with_group(
    world: &World,
    posted: &Posted,
    instruction: Instruction,
    add: impl Fn(Instruction, &account::Job) -> Instruction,
) -> Instruction {
    let state = posted.task.and_then(|_| world.find::<account::Job>(&posted.key));
    match state {
        Some(state) => add(instruction, &state),
        None => instruction,
    }
}

/// Does the account of an array hold what the model says?
pub fn compare(world: &World, series: &Series) -> Result<(), String> {
    let chain: Option<account::Array> = world.find(&series.key);
    same!("open", chain.is_some(), series.open);
    let Some(chain) = chain else { return Ok(()) };
    same!("rules", chain.rules(), Ok(series.rules));
    same!("due", (chain.header.due_ts, chain.ended_ts), (series.due, series.ended_ts));
    same!("lamports", world.lamports(&series.key), series.lamports);
    let account = world.account(&series.key).ok_or("the array is gone")?;
    same!("tasks", chain.tasks(&account.data), Some(series.tasks.clone()));
    for (task, group) in &series.groups {
        let chain: account::TaskGroup =
            world.find(&keys::task_group(&series.key, *task)).ok_or("the group of a task is gone")?;
        // Which place a delegator's mark stands at is of no interest, and places without one come in between.
        let behind = |own: &[Mark], delegators: &[Mark]| {
            let marks: BTreeSet<_> = delegators.iter().filter(|mark| **mark != [0; 8]).copied().collect();
            let own: Vec<_> = own.iter().filter(|mark| **mark != [0; 8]).copied().collect();
            (own, marks)
        };
        let kin = chain.kin.map(|kin| behind(&kin.own, &kin.delegators));
        let told = group.each_ref().map(|marks| {
            let (own, delegators) = marks.split_at(marks.len().min(3));
            behind(own, delegators)
        });
        same!(format!("group of task {task}"), kin, told);
    }
    Ok(())
}

/// Does a job know which task it is, and how it went?
pub fn compare_task(model: &Model, posted: &Posted, chain: &account::Job) -> Result<(), String> {
    same!("spent", (chain.spent, chain.exit()), (posted.spent, posted.exit));
    let of = match posted.task {
        Some(TaskOf { array, task, replica }) => {
            let series = model.series(array).ok_or("a task outlived its array")?;
            let replica = if series.rules.shape.replicas > 1 { replica + 1 } else { 0 };
            (series.key, u32::from(task), replica)
        }
        None => (Pubkey::default(), 0, 0),
    };
    same!("task", (chain.array, chain.task, chain.replica), of);
    Ok(())
}
