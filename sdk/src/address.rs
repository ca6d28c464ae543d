//! Every address that the programs derive, in one place. Seeds are the programs' own.

use solana_pubkey::Pubkey;

/// The market program.
pub const MARKET: Pubkey = crate::program::market::ID_CONST;
/// The staking program.
pub const STAKING: Pubkey = crate::program::staking::ID_CONST;

fn derive(seeds: &[&[u8]], program: &Pubkey) -> Pubkey {
    Pubkey::find_program_address(seeds, program).0
}

/// The market's configuration.
pub fn market_config() -> Pubkey {
    derive(&[b"config"], &MARKET)
}

/// The PDA by which the market signs for stake.
pub fn market_authority() -> Pubkey {
    derive(&[b"authority"], &MARKET)
}

/// The PDA by which a program signs its events.
pub fn event_authority(program: &Pubkey) -> Pubkey {
    derive(&[b"__event_authority"], program)
}

/// The purse of `owner`.
pub fn purse(owner: &Pubkey) -> Pubkey {
    derive(&[b"purse", owner.as_ref()], &MARKET)
}

/// The token account of a purse.
pub fn purse_vault(purse: &Pubkey) -> Pubkey {
    derive(&[b"vault", purse.as_ref()], &MARKET)
}

/// The provider record of `authority`.
pub fn provider(authority: &Pubkey) -> Pubkey {
    derive(&[b"provider", authority.as_ref()], &MARKET)
}

/// Offer `number` of a provider record.
pub fn offer(provider: &Pubkey, number: u32) -> Pubkey {
    derive(&[b"offer", provider.as_ref(), &number.to_le_bytes()], &MARKET)
}

/// The claim of the GPU whose UUID has this SHA-256.
pub fn gpu_claim(hash: &[u8; 32]) -> Pubkey {
    derive(&[b"gpu", hash], &MARKET)
}

/// Where the upgradeable loader keeps the data of `program`, which names its upgrade authority.
pub fn program_data(program: &Pubkey) -> Pubkey {
    derive(&[program.as_ref()], &solana_sdk_ids::bpf_loader_upgradeable::ID)
}

/// Job `number` of a purse.
pub fn job(purse: &Pubkey, number: u64) -> Pubkey {
    derive(&[b"job", purse.as_ref(), &number.to_le_bytes()], &MARKET)
}

/// Array `number` of a purse; arrays and jobs share the purse's numbers.
pub fn array(purse: &Pubkey, number: u64) -> Pubkey {
    derive(&[b"array", purse.as_ref(), &number.to_le_bytes()], &MARKET)
}

/// The job of replica `replica` (from 0) of a task of an array whose tasks have `replicas` each.
pub fn task_job(array: &Pubkey, task: u16, replicas: u8, replica: u8) -> Pubkey {
    job(array, u64::from(task) * u64::from(replicas) + u64::from(replica))
}

/// The group of a task with replicas.
pub fn task_group(array: &Pubkey, task: u16) -> Pubkey {
    derive(&[b"group", array.as_ref(), &task.to_le_bytes()], &MARKET)
}

/// Lease `number` of a job.
pub fn lease(job: &Pubkey, number: u8) -> Pubkey {
    derive(&[b"lease", job.as_ref(), &[number]], &MARKET)
}

/// The sealed bid of a provider record for a job.
pub fn commitment(job: &Pubkey, provider: &Pubkey) -> Pubkey {
    derive(&[b"commit", job.as_ref(), provider.as_ref()], &MARKET)
}

/// The price index of a GPU model in a region, by their numbers in `gridlease_core::gpu`.
pub fn price_index(gpu_model: u8, region: u8) -> Pubkey {
    derive(&[b"index", &[gpu_model], &[region]], &MARKET)
}

/// The staking program's configuration.
pub fn staking_config() -> Pubkey {
    derive(&[b"config"], &STAKING)
}

/// The bond of a provider's `authority`.
pub fn bond(authority: &Pubkey) -> Pubkey {
    derive(&[b"bond", authority.as_ref()], &STAKING)
}

/// The token account of a bond.
pub fn bond_vault(bond: &Pubkey) -> Pubkey {
    derive(&[b"vault", bond.as_ref()], &STAKING)
}

/// The token account that a bond's revenue arrives in; a provider that shares its revenue names it as payout account.
pub fn bond_revenue(bond: &Pubkey) -> Pubkey {
    derive(&[b"revenue", bond.as_ref()], &STAKING)
}

/// The delegation of `delegator` in a bond.
pub fn delegation(bond: &Pubkey, delegator: &Pubkey) -> Pubkey {
    derive(&[b"delegation", bond.as_ref(), delegator.as_ref()], &STAKING)
}

/// Request `number` of `owner` (the operator or a delegator) to unbond from a bond.
pub fn unbonding(bond: &Pubkey, owner: &Pubkey, number: u32) -> Pubkey {
    derive(&[b"unbonding", bond.as_ref(), owner.as_ref(), &number.to_le_bytes()], &STAKING)
}

/// The stake reserved for a lease or a sealed bid.
pub fn reservation(lease: &Pubkey) -> Pubkey {
    derive(&[b"reservation", lease.as_ref()], &STAKING)
}

/// The associated token account of `owner` for `mint`, under classic SPL Token.
pub fn token_account(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    spl_associated_token_account_interface::address::get_associated_token_address(owner, mint)
}
