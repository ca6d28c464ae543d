//! Arrays: one post, many tasks.

use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use super::{SYSTEM_PROGRAM, market, market_events};
use crate::account::Job;
use crate::address;
use crate::program::market::client::{accounts, args};
pub use crate::program::market::types::{ArrayShape, JobArgs};

/// Posts array `number` of the purse of `owner`, who signs and pays the rent of the array and of as many tasks as may be
/// open at a time. `job` is what each of its jobs asks for.
pub fn post(owner: &Pubkey, number: u64, shape: ArrayShape, job: JobArgs) -> Instruction {
    let purse = address::purse(owner);
    // A longer one does not match its length byte and is refused.
    let uri_len = u8::try_from(job.manifest_uri.len()).unwrap_or(u8::MAX);
    market(
        &accounts::PostArray {
            owner: *owner,
            payer: *owner,
            config: address::market_config(),
            purse,
            array: address::array(&purse, number),
            system_program: SYSTEM_PROGRAM,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::PostArray { number, uri_len, shape, args: job },
    )
}

/// Opens the next task of `array`, which is number `task`; each of its tasks has `replicas` jobs. Nobody need sign but the
/// payer.
pub fn open_task(array: &Pubkey, purse: &Pubkey, task: u16, replicas: u8) -> Instruction {
    let mut instruction = market(
        &accounts::OpenTask {
            config: address::market_config(),
            purse: *purse,
            array: *array,
            system_program: SYSTEM_PROGRAM,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::OpenTask { task },
    );
    let jobs = (0..replicas).map(|replica| address::task_job(array, task, replicas, replica));
    instruction.accounts.extend(jobs.map(|job| AccountMeta::new(job, false)));
    if replicas > 1 {
        instruction.accounts.push(AccountMeta::new(address::task_group(array, task), false));
    }
    instruction
}

/// The group that bids and awards of `job` must name before their other additional accounts: that of its task, where it is
/// a replica.
pub fn group_of(job: &Job) -> Option<Pubkey> {
    let task = u16::try_from(job.task).ok()?;
    (job.replica > 0).then(|| address::task_group(&job.array, task))
}

/// Adds the group of `job`'s task to a bid (`job::bid`, `job::enter_offer`) of it; a job without one stays as it is.
#[must_use]
pub fn bid_with_group(mut bid: Instruction, job: &Job) -> Instruction {
    bid.accounts.extend(group_of(job).map(|group| AccountMeta::new_readonly(group, false)));
    bid
}

/// Accounts of an award before its bidders.
const AWARD_ACCOUNTS: usize = 13;

/// Adds the group of `job`'s task to an award (`job::award`) of it; a job without one stays as it is.
#[must_use]
pub fn award_with_group(mut award: Instruction, job: &Job) -> Instruction {
    if let Some(group) = group_of(job) {
        let at = award.accounts.len().min(AWARD_ACCOUNTS);
        award.accounts.insert(at, AccountMeta::new(group, false));
    }
    award
}

/// Closes the task's job at `address`, which is over. Nobody need sign but the payer.
pub fn close_task(address: &Pubkey, job: &Job) -> Instruction {
    market(
        &accounts::CloseTask {
            purse: job.purse,
            array: job.array,
            job: *address,
            tip_to: None,
            group: group_of(job),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CloseTask {},
    )
}

/// Cancels the task's job at `address`, which has no lease, of an array that is over. Nobody need sign but the payer.
pub fn cancel_task(address: &Pubkey, job: &Job) -> Instruction {
    market(
        &accounts::CancelTask {
            array: job.array,
            purse: job.purse,
            job: *address,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CancelTask {},
    )
}

/// Stops `lease` of the task's job at `address`, of an array of which enough tasks completed. Nobody need sign but the
/// payer.
pub fn stop_task(address: &Pubkey, job: &Job, lease: &Pubkey) -> Instruction {
    market(
        &accounts::StopTask {
            array: job.array,
            purse: job.purse,
            job: *address,
            lease: *lease,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::StopTask {},
    )
}

/// Opens no further task of `array` of the purse of `owner`.
pub fn cancel(owner: &Pubkey, array: &Pubkey) -> Instruction {
    cancel_by(owner, owner, array)
}

/// As [`cancel`], signed by the owner or its guardian.
pub fn cancel_by(signer: &Pubkey, owner: &Pubkey, array: &Pubkey) -> Instruction {
    market(
        &accounts::CancelArray {
            signer: *signer,
            purse: address::purse(owner),
            array: *array,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CancelArray {},
    )
}

/// Closes `array`, which is over and has no open job; its rent goes to the recorded `payer`.
pub fn close(array: &Pubkey, purse: &Pubkey, payer: &Pubkey) -> Instruction {
    market(
        &accounts::CloseArray {
            purse: *purse,
            array: *array,
            payer: *payer,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CloseArray {},
    )
}
