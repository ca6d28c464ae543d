//! The node records a checkpoint of a durable job, or gives notice.

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{CheckpointWritten, NoticeGiven};
use crate::state::{Job, Lease, Offer, Provider};
use anchor_lang::prelude::*;
use program_common::clock::now;
use program_common::names;

/// Accounts of `checkpoint`.
#[event_cpi]
#[derive(Accounts)]
pub struct Checkpoint<'info> {
    /// The offer's node key.
    pub node_key: Signer<'info>,
    /// Names the node key.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key))]
    #[account(constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
    /// Keeps the checkpoint, with which a next lease resumes.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = offer, has_one = job))]
    #[account(mut, constraint = names!(lease: Lease, offer) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// Accounts of `give_notice`.
#[event_cpi]
#[derive(Accounts)]
pub struct GiveNotice<'info> {
    /// The offer's node key, or the provider's authority; anyone where the machine is retired.
    pub signer: Signer<'info>,
    /// Names the authority.
    pub provider: AccountLoader<'info, Provider>,
    /// Names the node key.
    pub offer: AccountLoader<'info, Offer>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = offer))]
    #[account(mut, constraint = names!(lease: Lease, provider) @ MarketError::Unrelated, constraint = names!(lease: Lease, offer) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
}

/// In a durable job the node shall record each checkpoint, one after the other and no closer than a quarter of the time that the
/// job asked for: what was accrued until then is confirmed and can be paid; what comes after it is held back until the next one or the end.
pub fn checkpoint(ctx: Context<Checkpoint>, seq: u32, hash: [u8; 32], bytes: u64) -> Result<()> {
    let now = now()?;
    let confirmed = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut next = lease.rules().or_rule()?;
        let mut job = ctx.accounts.job.load_mut()?;
        next.checkpoint(seq, job.checkpoint_seq, now).or_rule()?;
        job.checkpoint_seq = seq;
        job.checkpoint_hash = hash;
        job.checkpoint_bytes = bytes;
        lease.set_rules(&next).or_rule()?;
        next.confirmed.0
    };
    let (lease, job) = (ctx.accounts.lease.key(), ctx.accounts.job.key());
    tell(&ctx.accounts.event_authority, &CheckpointWritten { lease, job, seq, hash, bytes, confirmed })?;
    Ok(())
}

/// Where a notice was agreed (two minutes with a spot offer), the provider shall be able to give it, and anyone for a machine that
/// is retired; when it is over, the lease is over without a fault, and anyone may say so (`expire`). A second notice changes nothing.
pub fn give_notice(ctx: Context<GiveNotice>) -> Result<()> {
    let now = now()?;
    let signer = ctx.accounts.signer.key();
    let notice_end = {
        let offer = ctx.accounts.offer.load()?;
        let own = signer == offer.node_key || signer == ctx.accounts.provider.load()?.authority;
        require!(own || offer.retired == 1, MarketError::NotNodeKey);
        let mut lease = ctx.accounts.lease.load_mut()?;
        let before = lease.rules().or_rule()?;
        let mut next = before;
        next.give_notice(now).or_rule()?;
        if next == before {
            return Ok(());
        }
        lease.set_rules(&next).or_rule()?;
        next.notice_end.0
    };
    tell(&ctx.accounts.event_authority, &NoticeGiven { lease: ctx.accounts.lease.key(), notice_end })?;
    Ok(())
}
