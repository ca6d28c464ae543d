//! Every address that the program derives.

use anchor_lang::prelude::*;

use crate::seed;

fn derive(seeds: &[&[u8]]) -> Pubkey {
    Pubkey::find_program_address(seeds, &crate::ID).0
}

/// The market's configuration.
pub fn market_config() -> Pubkey {
    derive(&[seed::CONFIG_SEED])
}

/// The PDA by which the market signs for stake.
pub fn market_authority() -> Pubkey {
    derive(&[seed::AUTHORITY_SEED])
}

/// The purse of `owner`.
pub fn purse(owner: &Pubkey) -> Pubkey {
    derive(&[seed::PURSE_SEED, owner.as_ref()])
}

/// The token account of a purse.
pub fn purse_vault(purse: &Pubkey) -> Pubkey {
    derive(&[seed::VAULT_SEED, purse.as_ref()])
}

/// The provider record of `authority`.
pub fn provider(authority: &Pubkey) -> Pubkey {
    derive(&[seed::PROVIDER_SEED, authority.as_ref()])
}

/// Offer `number` of a provider record.
pub fn offer(provider: &Pubkey, number: u32) -> Pubkey {
    derive(&[seed::OFFER_SEED, provider.as_ref(), &number.to_le_bytes()])
}

/// Machine `number` of a provider record.
pub fn machine(provider: &Pubkey, number: u32) -> Pubkey {
    derive(&[seed::MACHINE_SEED, provider.as_ref(), &number.to_le_bytes()])
}

/// The claim of the GPU whose UUID has this SHA-256.
pub fn gpu_claim(hash: &[u8; 32]) -> Pubkey {
    derive(&[seed::GPU_SEED, hash])
}

/// Job `number` of a purse.
pub fn job(purse: &Pubkey, number: u64) -> Pubkey {
    derive(&[seed::JOB_SEED, purse.as_ref(), &number.to_le_bytes()])
}

/// Array `number` of a purse; arrays and jobs share the purse's numbers.
pub fn array(purse: &Pubkey, number: u64) -> Pubkey {
    derive(&[seed::ARRAY_SEED, purse.as_ref(), &number.to_le_bytes()])
}

/// The job of replica `replica` (from 0) of a task of an array whose tasks have `replicas` each.
pub fn task_job(array: &Pubkey, task: u16, replicas: u8, replica: u8) -> Pubkey {
    job(array, u64::from(task) * u64::from(replicas) + u64::from(replica))
}

/// The group of a task with replicas.
pub fn task_group(array: &Pubkey, task: u16) -> Pubkey {
    derive(&[seed::GROUP_SEED, array.as_ref(), &task.to_le_bytes()])
}

/// Lease `number` of a job.
pub fn lease(job: &Pubkey, number: u8) -> Pubkey {
    derive(&[seed::LEASE_SEED, job.as_ref(), &[number]])
}

/// The sealed bid of a provider record for a job.
pub fn commitment(job: &Pubkey, provider: &Pubkey) -> Pubkey {
    derive(&[seed::COMMIT_SEED, job.as_ref(), provider.as_ref()])
}

/// The price index of a GPU model in a region, by their numbers in `gridlease_core::gpu`.
pub fn price_index(gpu_model: u8, region: u8) -> Pubkey {
    derive(&[seed::INDEX_SEED, &[gpu_model], &[region]])
}
