//! GPUs are claimed for an offer by the SHA-256 of their UUIDs, and given up again.

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use anchor_lang::system_program;
use gridlease_core::gpu_claim::check_backing;
use gridlease_core::limits::MAX_CLAIMS;
use gridlease_core::{RuleError, UnixTs};
use program_common::clock::now;
use program_common::names;
use program_common::{require, require_keys_eq};

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{GpusClaimed, GpusReleased};
use crate::lamports;
use crate::staking_cpi::read_own;
use crate::state::ACCOUNT_VERSION;
use crate::state::{GpuClaim, Header, Offer, Provider, offer_state, shard_of};
use market_interface::seed::GPU_SEED;

/// Accounts of `claim_gpus`. Behind them: the claims, in the order of the hashes.
#[event_cpi]
#[derive(Accounts)]
pub struct ClaimGpus<'info> {
    /// The offer's node key; pays the rent.
    #[account(mut)]
    pub node_key: Signer<'info>,
    /// Counts the claims of all its offers.
    #[cfg_attr(feature = "idl-build", account(has_one = bond))]
    #[account(mut, constraint = names!(provider: Provider, bond) @ MarketError::WrongBond)]
    pub provider: AccountLoader<'info, Provider>,
    /// Counts its claims.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key, has_one = provider))]
    #[account(mut, constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey, constraint = names!(offer: Offer, provider) @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// The provider's bond: its operator's own stake stands behind the claims.
    /// CHECK: owner and layout are checked when it is read.
    pub bond: UncheckedAccount<'info>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

/// Accounts of `release_gpus`. Behind them: further claims, each followed by its recorded payer.
#[event_cpi]
#[derive(Accounts)]
pub struct ReleaseGpus<'info> {
    /// The offer's node key or the provider's authority; anyone once the offer is stale.
    pub signer: Signer<'info>,
    /// Counts the claims of all its offers.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Counts its claims.
    #[cfg_attr(feature = "idl-build", account(has_one = provider))]
    #[account(mut, constraint = names!(offer: Offer, provider) @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// Closed. That it is the offer's, and the payer its own, is checked for all claims alike.
    #[account(mut)]
    pub claim: AccountLoader<'info, GpuClaim>,
    /// Gets the claim's lamports: who paid its rent.
    /// CHECK: it is the payer that the claim records.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// At most eight GPUs shall be claimed for a live offer that has so many, with a USDC of the operator's own stake for each GPU of
/// all the provider's offers; one that is claimed already, by anyone, shall be refused. The node key pays the rent and gets it back.
pub fn claim_gpus<'info>(ctx: Context<'info, ClaimGpus<'info>>, hashes: Vec<[u8; 32]>) -> Result<()> {
    let claims = ctx.remaining_accounts;
    require!(hashes.len() == claims.len() && hashes.len() <= MAX_CLAIMS, MarketError::WrongClaims);
    let claimed = {
        let mut offer = ctx.accounts.offer.load_mut()?;
        require!(offer.header.state == offer_state::LIVE, MarketError::OfferNotLive);
        offer.claimed = offer.claims().claim(hashes.len()).or_rule()?;
        let mut provider = ctx.accounts.provider.load_mut()?;
        // At most eight.
        let claims = provider.claims.checked_add(hashes.len() as u32).ok_or_else(|| rule(RuleError::Overflow))?;
        check_backing(read_own(&ctx.accounts.bond)?, claims).or_rule()?;
        provider.claims = claims;
        offer.claimed
    };
    for (claim, hash) in claims.iter().zip(&hashes) {
        open_claim(ctx.accounts, claim, hash)?;
    }
    tell(&ctx.accounts.event_authority, &GpusClaimed { offer: ctx.accounts.offer.key(), hashes, claimed })?;
    Ok(())
}

fn open_claim<'info>(accounts: &ClaimGpus<'info>, claim: &AccountInfo<'info>, hash: &[u8; 32]) -> Result<()> {
    let (address, bump) = crate::derive::find([GPU_SEED, hash]);
    require_keys_eq!(*claim.key, address, MarketError::WrongClaims);
    require_keys_eq!(*claim.owner, system_program::ID, MarketError::GpuClaimed);
    let space = 8 + core::mem::size_of::<GpuClaim>();
    let missing = lamports::rent_of(&Rent::get()?, space).saturating_sub(claim.lamports());
    lamports::pay_in(&accounts.system_program, &accounts.node_key, claim, missing)?;
    lamports::open_unfunded(claim, space, &[GPU_SEED, hash, &[bump]])?;
    let mut data = claim.try_borrow_mut_data()?;
    let (discriminator, body) = data.split_at_mut(8);
    discriminator.copy_from_slice(GpuClaim::DISCRIMINATOR);
    let claim: &mut GpuClaim = bytemuck::from_bytes_mut(body);
    claim.header = Header { version: ACCOUNT_VERSION, state: 1, shard: shard_of(&address), bump, ..Header::default() };
    claim.hash = *hash;
    claim.provider = accounts.provider.key();
    claim.offer = accounts.offer.key();
    claim.payer = accounts.node_key.key();
    Ok(())
}

/// Claims that no open lease needs shall be given up by the provider at any time, and by anyone once the offer has no lease
/// and has been expired or withdrawn for a week; their rent goes to who paid it.
pub fn release_gpus<'info>(ctx: Context<'info, ReleaseGpus<'info>>) -> Result<()> {
    let mut pairs = vec![ctx.accounts.claim.to_account_info(), ctx.accounts.payer.to_account_info()];
    pairs.extend_from_slice(ctx.remaining_accounts);
    let (hashes, claimed) = {
        let mut provider = ctx.accounts.provider.load_mut()?;
        let signer = ctx.accounts.signer.key();
        let mut offer = ctx.accounts.offer.load_mut()?;
        let own = signer == offer.node_key || signer == provider.authority;
        let stale = offer.claims().is_stale(UnixTs(offer.header.due_ts), now()?.ts);
        require!(own || stale, MarketError::NotNodeKey);
        let hashes = release(&ctx.accounts.offer.key(), &mut offer, &mut provider, &pairs)?;
        (hashes, offer.claimed)
    };
    tell(&ctx.accounts.event_authority, &GpusReleased { offer: ctx.accounts.offer.key(), hashes, claimed })?;
    close_claims(&pairs)
}

/// Checks the claims in `pairs` (each followed by its payer) and takes them off the offer's count and its provider's; returns their
/// hashes.
pub fn release(
    offer_key: &Pubkey,
    offer: &mut Offer,
    provider: &mut Provider,
    pairs: &[AccountInfo],
) -> Result<Vec<[u8; 32]>> {
    require!(pairs.len().is_multiple_of(2) && pairs.len() <= 2 * MAX_CLAIMS, MarketError::WrongClaims);
    let mut hashes: Vec<[u8; 32]> = Vec::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        let [claim, payer] = pair else { return Err(rule(RuleError::InvariantBroken)) };
        require_keys_eq!(*claim.owner, crate::ID, MarketError::WrongClaims);
        let data = claim.try_borrow_data()?;
        let body = data.strip_prefix(GpuClaim::DISCRIMINATOR).ok_or(MarketError::WrongClaims)?;
        let claim = bytemuck::try_from_bytes::<GpuClaim>(body).map_err(|_| MarketError::WrongClaims)?;
        require!(claim.offer == *offer_key && claim.payer == *payer.key, MarketError::WrongClaims);
        require!(!hashes.contains(&claim.hash), MarketError::WrongClaims);
        hashes.push(claim.hash);
    }
    offer.claimed = offer.claims().release(hashes.len()).or_rule()?;
    // Claims of the first edition were not counted in the provider's record.
    provider.claims = provider.claims.saturating_sub(hashes.len() as u32);
    Ok(hashes)
}

/// Closes the claims in `pairs`, which were checked; called last.
pub fn close_claims(pairs: &[AccountInfo]) -> Result<()> {
    for pair in pairs.chunks_exact(2) {
        if let [claim, payer] = pair {
            lamports::close(claim, payer)?;
        }
    }
    Ok(())
}
