//! Registers a provider, and changes where its node is found.

use anchor_lang::prelude::*;
use gridlease_core::limits::MAX_ENDPOINT;
use gridlease_core::reputation::Reputation;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::ProviderRecorded;
use crate::instructions::machine::each_offer;
use crate::intake;
use crate::payout;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Config, Header, Provider, shard_of};
use market_interface::seed::PROVIDER_SEED;
use program_common::raw_token::TokenAccount;
use staking_interface::ID as STAKING_ID;
use staking_interface::seed::BOND_SEED;

/// What a provider tells of its node.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct NodeArgs {
    /// Hot key of the node.
    pub node_key: Pubkey,
    /// SHA-256 of the node's TLS certificate (DER).
    pub cert_fingerprint: [u8; 32],
    /// X25519 key for sealed secrets; zero for none.
    pub x25519: [u8; 32],
    /// The most of the bond that the machine's leases and sealed bids may bind, in atoms.
    pub stake_limit: u64,
    /// URL of the node's API: `https://…`, at most 128 bytes.
    pub endpoint: String,
}

/// Accounts of `register_provider`.
#[event_cpi]
#[derive(Accounts)]
pub struct RegisterProvider<'info> {
    /// Cold key.
    pub authority: Signer<'info>,
    /// Pays the rent; it goes to the cold key when the record is closed.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Names the mint.
    pub config: AccountLoader<'info, Config>,
    /// Must not exist yet.
    #[account(init, payer = payer, space = 8 + core::mem::size_of::<Provider>(), seeds = [PROVIDER_SEED, authority.key().as_ref()], bump)]
    pub provider: AccountLoader<'info, Provider>,
    /// Will be paid; of the market's mint, not frozen (checked below).
    pub payout: Box<Account<'info, TokenAccount>>,
    /// The authority's bond; it may be opened later.
    /// CHECK: only its address counts, which its seeds give.
    #[account(seeds = [BOND_SEED, authority.key().as_ref()], bump, seeds::program = STAKING_ID)]
    pub bond: UncheckedAccount<'info>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `update_node`. Behind them, where the node key changes: all offers of the provider's first machine.
#[event_cpi]
#[derive(Accounts)]
pub struct UpdateNode<'info> {
    /// Cold key.
    pub authority: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = authority))]
    #[account(mut, constraint = names!(provider: Provider, authority) @ MarketError::NotAuthority)]
    pub provider: AccountLoader<'info, Provider>,
}

/// A provider shall be one record per authority, start at the neutral reputation, and name a payout account of the
/// market's mint and a bond at its own address in the staking program.
pub fn register_provider(ctx: Context<RegisterProvider>, args: NodeArgs) -> Result<()> {
    intake::open(&*ctx.accounts.config.load()?)?;
    payout::check(&ctx.accounts.payout, &ctx.accounts.config.load()?.usdc_mint)?;
    check_endpoint(&args.endpoint)?;
    let key = ctx.accounts.provider.key();
    let payout = ctx.accounts.payout.key();
    {
        let mut provider = ctx.accounts.provider.load_init()?;
        provider.header = Header {
            version: ACCOUNT_VERSION,
            state: 1,
            shard: shard_of(&key),
            bump: ctx.bumps.provider,
            ..Header::default()
        };
        provider.authority = ctx.accounts.authority.key();
        provider.payout = payout;
        provider.bond = ctx.accounts.bond.key();
        provider.set_reputation(&Reputation::default());
        set_node(&mut provider, &args);
    }
    tell(&ctx.accounts.event_authority, &recorded(key, payout, &args))?;
    Ok(())
}

/// The cold key shall be able to change hot key, endpoint, certificate and limit of stake of the provider's first machine at once;
/// the payout account not. No offer keeps an old hot key.
pub fn update_node<'info>(ctx: Context<'info, UpdateNode<'info>>, args: NodeArgs) -> Result<()> {
    check_endpoint(&args.endpoint)?;
    let payout = {
        let mut provider = ctx.accounts.provider.load_mut()?;
        if provider.node_key != args.node_key {
            let (key, offers) = (ctx.accounts.provider.key(), provider.own_offers);
            each_offer(ctx.remaining_accounts, &key, offers, |offer| offer.node_key = args.node_key)?;
        }
        set_node(&mut provider, &args);
        provider.payout
    };
    tell(&ctx.accounts.event_authority, &recorded(ctx.accounts.provider.key(), payout, &args))?;
    Ok(())
}

fn recorded(provider: Pubkey, payout: Pubkey, args: &NodeArgs) -> ProviderRecorded {
    ProviderRecorded {
        provider,
        node_key: args.node_key,
        payout,
        cert_fingerprint: args.cert_fingerprint,
        endpoint: args.endpoint.clone(),
        x25519: args.x25519,
        stake_limit: args.stake_limit,
    }
}

/// A URL of a node's API.
pub fn check_endpoint(endpoint: &str) -> Result<()> {
    let plain = endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    require!(endpoint.len() <= MAX_ENDPOINT && plain && endpoint.starts_with("https://"), MarketError::BadString);
    Ok(())
}

fn set_node(provider: &mut Provider, args: &NodeArgs) {
    provider.node_key = args.node_key;
    provider.cert_fingerprint = args.cert_fingerprint;
    provider.x25519 = args.x25519;
    provider.stake_limit = args.stake_limit;
    (provider.endpoint, provider.endpoint_len) = endpoint_bytes(&args.endpoint);
}

/// An endpoint as accounts hold it.
pub fn endpoint_bytes(endpoint: &str) -> ([u8; MAX_ENDPOINT], u8) {
    let mut bytes = [0; MAX_ENDPOINT];
    for (to, from) in bytes.iter_mut().zip(endpoint.bytes()) {
        *to = from;
    }
    (bytes, endpoint.len().min(MAX_ENDPOINT) as u8)
}
