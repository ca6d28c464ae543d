//! The verifier says what it found about a verified lease.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::Atoms;
use program_common::clock::now;
use program_common::names;

use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::VerdictGiven;
use crate::staking_cpi::{self, Taken, signing, slashed};
use crate::state::{Config, Lease, Provider};
use staking_interface::ID as STAKING_ID;

/// Accounts of `verdict`.
#[event_cpi]
#[derive(Accounts)]
pub struct GiveVerdict<'info> {
    /// The configured verifier, a PDA of the verification program.
    pub verifier: Signer<'info>,
    /// Names it, and the bump of the signing PDA.
    #[cfg_attr(feature = "idl-build", account(has_one = verifier))]
    #[account(constraint = names!(config: Config, verifier) @ MarketError::NotVerifier)]
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = bond))]
    #[account(mut, constraint = names!(lease: Lease, provider) @ MarketError::Unrelated, constraint = names!(lease: Lease, bond) @ MarketError::WrongBond)]
    pub lease: AccountLoader<'info, Lease>,
    /// Its standing falls where its results were wrong.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
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
}

/// Only the configured verifier shall give a verdict, once, on a verified lease that is over and whose challenge window is open: it
/// clears the lease (`slash` is zero) or takes `slash` atoms of what its provider has reserved for it. Of these the buyer claims first
/// what it was charged, then `prover` its share, both out of the operator's part and seven days later; the rest goes to the insurance
/// fund, and the provider's standing falls. The stake that is left can be released at once.
pub fn verdict(ctx: Context<GiveVerdict>, slash: u64, prover: Pubkey) -> Result<()> {
    let (lease_key, now) = (ctx.accounts.lease.key(), now()?);
    staking_cpi::check_reservation(&ctx.accounts.reservation, &lease_key)?;
    let (left, part) = staking_cpi::read_reserved(&ctx.accounts.reservation, &ctx.accounts.bond)?;
    let (split, owner) = {
        let mut lease = ctx.accounts.lease.load_mut()?;
        require!(lease.released == 0, MarketError::Unrelated);
        let mut next = lease.rules().or_rule()?;
        let split = next.judge(Atoms(slash), left, part, now).or_rule()?;
        lease.set_rules(&next).or_rule()?;
        lease.disproved = u8::from(slash > 0);
        (split, lease.owner)
    };
    let event = VerdictGiven {
        lease: lease_key,
        provider: ctx.accounts.provider.key(),
        slashed: slash,
        buyer: split.victim.0,
        prover,
        proved: split.prover.0,
        insurance: split.insurance.0,
    };
    tell(&ctx.accounts.event_authority, &event)?;
    if slash == 0 {
        return Ok(());
    }
    {
        let mut record = ctx.accounts.provider.load_mut()?;
        let mut history = record.reputation();
        history.on_fault();
        record.set_reputation(&history);
    }
    let accounts = ctx.accounts;
    staking_cpi::slash(
        &slashed!(accounts),
        &signing!(accounts, accounts.config.load()?.authority_bump),
        &Taken {
            buyer: split.victim,
            prover: split.prover,
            insurance: split.insurance,
            buyer_key: owner,
            prover_key: prover,
        },
    )
}
