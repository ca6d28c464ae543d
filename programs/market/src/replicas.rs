//! Replicas of one task run at providers that are no kin: the group account of the task remembers who stands behind each
//! provider that was awarded one, and bids and awards are checked against it.

use anchor_lang::prelude::*;
use gridlease_core::RuleError;
use gridlease_core::array::kin;
use program_common::{error, require};

use crate::error::{MarketError, rule};
use crate::staking_cpi::read_delegators;
use crate::state::{Job, KinData, Provider, TaskGroup};

/// The group of the job's task where it is a replica, and the other additional accounts.
///
/// # Errors
/// [`MarketError::GroupMissing`] where the first additional account is not that group.
pub fn split<'info>(
    job: &Job,
    accounts: &'info [AccountInfo<'info>],
) -> Result<(Option<AccountLoader<'info, TaskGroup>>, &'info [AccountInfo<'info>])> {
    if job.replica == 0 {
        return Ok((None, accounts));
    }
    let (first, others) = accounts.split_first().ok_or(MarketError::GroupMissing)?;
    let loader = AccountLoader::<TaskGroup>::try_from(first).map_err(|_| error!(MarketError::GroupMissing))?;
    {
        let group = loader.load()?;
        require!(group.array == job.array && group.task == job.task, MarketError::GroupMissing);
    }
    Ok((Some(loader), others))
}

/// Who stands behind a provider: authority, node key, payout account, and the delegators of `bond`, which is its own.
fn behind(provider: &Provider, bond: &AccountInfo) -> Result<KinData> {
    let own = [first_eight(&provider.authority), first_eight(&provider.node_key), first_eight(&provider.payout)];
    Ok(KinData { own, delegators: read_delegators(bond)? })
}

/// Is the provider no kin of those that were awarded the other replicas? Without a group there are none.
///
/// # Errors
/// [`RuleError::Kin`].
pub fn check(
    group: Option<&AccountLoader<TaskGroup>>,
    job: &Job,
    provider: &Provider,
    bond: &AccountInfo,
) -> Result<()> {
    let Some(group) = group else { return Ok(()) };
    let data = behind(provider, bond)?;
    let group = group.load()?;
    let others = group.kin.iter().enumerate().filter(|(at, _)| *at + 1 != usize::from(job.replica));
    for (_, other) in others {
        if kin(data.marks(), other.marks()) {
            return Err(rule(RuleError::Kin));
        }
    }
    Ok(())
}

/// Writes down that the provider was awarded the job's replica, in the place of whoever had it before.
pub fn admit(
    group: Option<&AccountLoader<TaskGroup>>,
    job: &Job,
    provider: &Provider,
    bond: &AccountInfo,
) -> Result<()> {
    let Some(group) = group else { return Ok(()) };
    let mut group = group.load_mut()?;
    let place = usize::from(job.replica).checked_sub(1).and_then(|at| group.kin.get_mut(at));
    *place.ok_or_else(|| rule(RuleError::InvariantBroken))? = behind(provider, bond)?;
    Ok(())
}

/// The mark by which a key is recognised.
pub fn first_eight(key: &Pubkey) -> [u8; 8] {
    let mut mark = [0; 8];
    mark.copy_from_slice(&key.as_ref()[..8]);
    mark
}
