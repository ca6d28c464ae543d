//! Faults that slash: a lease that never started, one that its node abandons, one whose node is down too long.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::job::EndReason;
use gridlease_core::lease::{self as rules, LeaseState};
use gridlease_core::machine::{Leaving, leaving};
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, Now, Seconds, UnixTs};
use program_common::clock::now;
use program_common::names;

use super::end_lease::{Ending, Outcome};
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::FaultSlashed;
use crate::lamports::pay_tip;
use crate::staking_cpi::{self, Taken, signing, slashed};
use crate::state::{Config, Job, Lease, Offer, Provider, Purse};
use staking_interface::ID as STAKING_ID;

/// Accounts of `fail_start`, `abandon`, `declare_unreachable`, `decline`, `want`, `report_buyer_error` and `reject_ready`.
#[event_cpi]
#[derive(Accounts)]
pub struct FaultedLease<'info> {
    /// Anyone once it is time; the node key for what the node says, and at any time before ready for `fail_start`; the purse's owner or
    /// its guardian for `reject_ready`; anyone for `abandon` where the machine is retired and no notice was agreed.
    pub caller: Signer<'info>,
    /// Bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Its reputation falls.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Names the node key; suspended where its node declines what it did not bid for.
    #[account(mut)]
    pub offer: AccountLoader<'info, Offer>,
    /// Takes the reservation back, excludes the provider.
    #[account(mut)]
    pub job: AccountLoader<'info, Job>,
    /// Takes back what a job that ends with its lease held.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = job, has_one = purse, has_one = bond, has_one = offer))]
    #[account(
        mut,
        constraint = names!(lease: Lease, provider) @ MarketError::Unrelated, constraint = names!(lease: Lease, job) @ MarketError::Unrelated,
        constraint = names!(lease: Lease, purse) @ MarketError::Unrelated, constraint = names!(lease: Lease, bond) @ MarketError::WrongBond,
        constraint = names!(lease: Lease, offer) @ MarketError::Unrelated,
    )]
    pub lease: AccountLoader<'info, Lease>,
    /// The PDA by which the market signs for stake.
    /// CHECK: a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// The staking program's configuration.
    /// CHECK: the staking program checks it.
    pub staking_config: UncheckedAccount<'info>,
    /// The bond whose stake stands behind the lease.
    /// CHECK: it is the one that the lease records.
    #[account(mut)]
    pub bond: UncheckedAccount<'info>,
    /// The lease's reservation.
    /// CHECK: that it is this lease's is checked below, the rest by the staking program.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// The bond's vault.
    /// CHECK: the staking program checks it.
    #[account(mut)]
    pub bond_vault: UncheckedAccount<'info>,
    /// The insurance fund.
    /// CHECK: the staking program, which alone names it, checks it.
    #[account(mut)]
    pub insurance: UncheckedAccount<'info>,
    /// The staking program.
    /// CHECK: it has this one address.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// The PDA by which the staking program signs its events.
    /// CHECK: the staking program checks it.
    pub staking_events: UncheckedAccount<'info>,
    /// Classic SPL Token.
    pub token_program: Program<'info, Token>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// A lease that is not ready at its deadline, or that its node gives up before, shall fail: one per cent of the stake
/// reserved for it is slashed, with the bond of the sealed bid that won it; its reservation goes back to the job, which goes
/// on while attempts remain; the provider is excluded from this job. On a lease that is not starting, nothing changes.
pub fn fail_start(ctx: Context<FaultedLease>) -> Result<()> {
    let caller = ctx.accounts.caller.key();
    let now = now()?;
    let mut next = ctx.accounts.lease.load()?.rules().or_rule()?;
    if next.state != LeaseState::Starting {
        return Ok(()); // stale
    }
    let due = next.due();
    let given_up = caller == ctx.accounts.offer.load()?.node_key;
    let back = next.fail_start(given_up, now).or_rule()?;
    end_by_fault(ctx, Fault::NoStart, &next, back, None, due, now)
}

/// A node that leaves a running lease without notice shall lose ten per cent of the stake reserved for it, to the buyer
/// first; it is paid to this moment, or to its last checkpoint where the job asked for checkpoints. For a machine that is retired
/// anyone shall see to it, where no notice was agreed that anyone could give instead.
pub fn abandon(ctx: Context<FaultedLease>, outcome: Outcome) -> Result<()> {
    let now = now()?;
    let mut next = ctx.accounts.lease.load()?.rules().or_rule()?;
    {
        let offer = ctx.accounts.offer.load()?;
        let retired = offer.retired == 1 && leaving(next.notice != Seconds::ZERO) == Leaving::Abandon;
        require!(retired || ctx.accounts.caller.key() == offer.node_key, MarketError::NotNodeKey);
    }
    let back = next.finish(EndReason::Abandoned, outcome.ran(), Seconds::ZERO, now).or_rule()?;
    end_by_fault(ctx, Fault::Abandoned, &next, back, Some(&outcome), UnixTs::ZERO, now)
}

/// A node that has been down for ten minutes shall lose its lease and ten per cent of the stake reserved for it. Anybody may
/// say so. On a lease that is over, nothing changes.
pub fn declare_unreachable(ctx: Context<FaultedLease>) -> Result<()> {
    let now = now()?;
    let mut next = ctx.accounts.lease.load()?.rules().or_rule()?;
    if next.state.is_over() {
        return Ok(()); // stale
    }
    let due = next.due();
    let back = next.unreachable(now).or_rule()?;
    end_by_fault(ctx, Fault::Unreachable, &next, back, None, due, now)
}

/// Ends the lease by a fault; the step was due at `due` (zero: it earns no tip).
fn end_by_fault(
    ctx: Context<FaultedLease>,
    fault: Fault,
    next: &rules::Lease,
    back: Atoms,
    outcome: Option<&Outcome>,
    due: UnixTs,
    now: Now,
) -> Result<()> {
    let (lease_key, job_key) = (ctx.accounts.lease.key(), ctx.accounts.job.key());
    staking_cpi::check_reservation(&ctx.accounts.reservation, &lease_key)?;
    let (stake, part) = staking_cpi::read_reserved(&ctx.accounts.reservation, &ctx.accounts.bond)?;
    let (taken, short, ended) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        let mut job = ctx.accounts.job.load_mut()?;
        let mut purse = ctx.accounts.purse.load_mut()?;
        let case = Case {
            fault,
            reservation: Atoms(lease.stake),
            price: next.price,
            charged: next.compensable(),
            sealed_bond: Atoms(job.sealed_bond),
        };
        // Credits may have taken most of it: then the fault takes the rest.
        let slash = slash_for(&case).or_rule()?.at_most(stake).out_of(part).or_rule()?;
        let taken = Taken::by_fault(slash, lease.owner);
        let short = case.owed().or_rule()?.saturating_sub(slash.victim);
        let ending = Ending { lease_key, lease: &mut lease, job_key, job: &mut job, purse: &mut purse };
        let ended = ending.write(next, back, outcome, now)?;
        let mut provider = ctx.accounts.provider.load_mut()?;
        let mut history = provider.reputation();
        history.on_fault();
        provider.set_reputation(&history);
        (taken, short, ended)
    };
    tell(&ctx.accounts.event_authority, &ended)?;
    tell(
        &ctx.accounts.event_authority,
        &FaultSlashed {
            lease: lease_key,
            provider: ctx.accounts.provider.key(),
            reason: next.reason as u8,
            buyer: taken.buyer_key,
            claimed: taken.buyer.0,
            short: short.0,
            insurance: taken.insurance.0,
        },
    )?;
    if !taken.is_nothing() {
        take(ctx.accounts, &taken)?;
    }
    let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)
}

/// Has the staking program take the slash.
pub fn take(accounts: &FaultedLease, taken: &Taken) -> Result<()> {
    let bump = accounts.config.load()?.authority_bump;
    staking_cpi::slash(&slashed!(accounts), &signing!(accounts, bump), taken)
}
