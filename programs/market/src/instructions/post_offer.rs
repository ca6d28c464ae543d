//! Puts a machine class on the market.

use anchor_lang::prelude::*;
use gridlease_core::limits::{MAX_OFFER_LIFE, MAX_OFFERS, MAX_UNITS};
use gridlease_core::requirement::OfferSpec;
use gridlease_core::{Atoms, PricePerHour, RuleError, job, tip};
use program_common::clock::now;
use program_common::names;
use program_common::require;

use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{GpusReleased, OfferRecorded, OfferWithdrawn};
use crate::instructions::claim_gpus;
use crate::intake;
use crate::lamports;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Config, Header, Lease, Machine, Offer, Provider, SpecArgs, SpecData, offer_state, shard_of};
use market_interface::seed::OFFER_SEED;
use staking_interface::account::Reservation;

/// What stands in an offer and can be changed by a refresh.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct OfferTerms {
    /// Price per hour at which the offer stands, in atoms.
    pub ask: u64,
    /// Lowest price per hour of an automatic bid, in atoms.
    pub floor: u64,
    /// Expiry, at most an hour from now.
    pub expires_ts: u64,
    /// Leases that fit at the same time.
    pub units: u16,
    /// May anybody enter it into auctions?
    pub auto_bid: bool,
}

/// What stands in an offer for its life.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct OfferMachine {
    /// What one unit has.
    pub spec: SpecArgs,
    /// SHA-256 over the sorted GPU UUIDs; zero for a machine without one.
    pub gpu_root: [u8; 32],
    /// Hash of the benchmark record; zero for none.
    pub benchmark_hash: [u8; 32],
    /// Benchmark result; zero for none. It is stamped with the slot of the posting.
    pub benchmark: u64,
    /// What its leases and sealed bids may bind of the bond, in atoms: a part of its machine's limit.
    pub stake_limit: u64,
}

/// Accounts of `post_offer`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(number: u32)]
pub struct PostOffer<'info> {
    /// The machine's node key; pays the rent and gets it back.
    #[account(mut)]
    pub node_key: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Counts its offers.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// The machine; left out for the provider's first one, which its record is.
    #[account(mut, has_one = provider @ MarketError::Unrelated)]
    pub machine: Option<AccountLoader<'info, Machine>>,
    /// Must not exist yet.
    #[account(init, payer = node_key, space = 8 + core::mem::size_of::<Offer>(), seeds = [OFFER_SEED, provider.key().as_ref(), &number.to_le_bytes()], bump)]
    pub offer: AccountLoader<'info, Offer>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `refresh_offer`.
#[event_cpi]
#[derive(Accounts)]
pub struct RefreshOffer<'info> {
    /// The offer's node key; pays missing rent.
    #[account(mut)]
    pub node_key: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = node_key))]
    #[account(mut, constraint = names!(offer: Offer, node_key) @ MarketError::NotNodeKey)]
    pub offer: AccountLoader<'info, Offer>,
    /// Moves the rent.
    pub system_program: Program<'info, System>,
}

/// Accounts of `withdraw_offer`. Behind them, as many as shall be given up: each claim of a GPU, followed by its payer.
#[event_cpi]
#[derive(Accounts)]
pub struct WithdrawOffer<'info> {
    /// The offer's node key or the provider's authority; anyone where the machine is retired.
    pub signer: Signer<'info>,
    /// Counts its offers.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// The offer's machine; left out for the provider's first one.
    #[account(mut)]
    pub machine: Option<AccountLoader<'info, Machine>>,
    /// Written, closed where no lease is open and no GPU claimed.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = payer))]
    #[account(mut, constraint = names!(offer: Offer, provider) @ MarketError::Unrelated, constraint = names!(offer: Offer, payer) @ MarketError::Unrelated)]
    pub offer: AccountLoader<'info, Offer>,
    /// Gets all lamports: who paid the rent.
    /// CHECK: it is the recorded payer.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// An offer shall name a machine class inside its bounds and live at most an hour without a refresh; it shall hold the
/// rent of every lease that its units can open.
pub fn post_offer(ctx: Context<PostOffer>, number: u32, machine: OfferMachine, terms: OfferTerms) -> Result<()> {
    intake::open(&*ctx.accounts.config.load()?)?;
    let spec = SpecData::from(&machine.spec);
    OfferSpec::from(&spec).check().or_rule()?;
    let key = ctx.accounts.offer.key();
    let provider_key = ctx.accounts.provider.key();
    // A new account can be loaded once only: its discriminator is written when the instruction ends.
    let event = {
        let mut provider = ctx.accounts.provider.load_mut()?;
        require!(provider.offers < MAX_OFFERS, MarketError::TooMany);
        provider.offers += 1;
        let limit = Atoms(machine.stake_limit);
        let (machine_key, node_key) = match &ctx.accounts.machine {
            None => {
                let next = provider.own_machine().allot(limit).or_rule()?;
                provider.set_own_machine(&next);
                (provider_key, provider.node_key)
            }
            Some(account) => {
                let mut machine = account.load_mut()?;
                let next = machine.rules().allot(limit).or_rule()?;
                machine.set_rules(&next);
                (account.key(), machine.node_key)
            }
        };
        require_keys_eq!(ctx.accounts.node_key.key(), node_key, MarketError::NotNodeKey);
        let mut offer = ctx.accounts.offer.load_init()?;
        offer.header = Header {
            version: ACCOUNT_VERSION,
            state: offer_state::LIVE,
            shard: shard_of(&key),
            bump: ctx.bumps.offer,
            ..Header::default()
        };
        offer.provider = provider_key;
        offer.payer = ctx.accounts.node_key.key();
        offer.machine = machine_key;
        offer.node_key = node_key;
        offer.stake_limit = machine.stake_limit;
        offer.gpu_root = machine.gpu_root;
        offer.benchmark_hash = machine.benchmark_hash;
        offer.benchmark = machine.benchmark;
        offer.benchmark_slot = if machine.benchmark == 0 { 0 } else { now()?.slot };
        offer.spec = spec;
        offer.number = number;
        set_terms(&mut offer, &terms)?;
        recorded(key, &offer)
    };
    let (free, open) = (event.units_free, event.units - event.units_free);
    tell(&ctx.accounts.event_authority, &event)?;
    pay_rent(&ctx.accounts.node_key, &ctx.accounts.offer, &ctx.accounts.system_program, free, open)
}

/// A refresh shall prolong an offer by at most an hour from now and may change its prices and units; it shall never
/// lower the units below the open leases, nor revive a withdrawn offer.
pub fn refresh_offer(ctx: Context<RefreshOffer>, terms: OfferTerms) -> Result<()> {
    let event = {
        let mut offer = ctx.accounts.offer.load_mut()?;
        require!(offer.header.state == offer_state::LIVE, MarketError::OfferNotLive);
        set_terms(&mut offer, &terms)?;
        recorded(ctx.accounts.offer.key(), &offer)
    };
    let (free, open) = (event.units_free, event.units - event.units_free);
    tell(&ctx.accounts.event_authority, &event)?;
    pay_rent(&ctx.accounts.node_key, &ctx.accounts.offer, &ctx.accounts.system_program, free, open)
}

/// A withdrawn offer shall take no lease; its account shall be closed, and all its lamports returned to who paid them,
/// as soon as no lease is open and no GPU claimed (repeat the call then). Claims that are passed are given up first.
pub fn withdraw_offer<'info>(ctx: Context<'info, WithdrawOffer<'info>>) -> Result<()> {
    let signer = ctx.accounts.signer.key();
    let key = ctx.accounts.offer.key();
    let (closed, hashes, claimed) = {
        let mut provider = ctx.accounts.provider.load_mut()?;
        let mut offer = ctx.accounts.offer.load_mut()?;
        let own = signer == offer.node_key || signer == provider.authority;
        require!(own || offer.retired == 1, MarketError::NotNodeKey);
        offer.header.state = offer_state::WITHDRAWN;
        offer.header.due_ts = 0;
        let hashes = match ctx.remaining_accounts {
            [] => Vec::new(),
            pairs => claim_gpus::release(&key, &mut offer, &mut provider, pairs)?,
        };
        let idle = offer.units_free == offer.units && offer.unpaid == 0 && offer.sealed == 0;
        let closed = idle && offer.claimed == 0;
        if closed {
            provider.offers = provider.offers.saturating_sub(1);
            give_back(&mut provider, ctx.accounts.machine.as_ref(), &ctx.accounts.provider.key(), &offer)?;
        }
        (closed, hashes, offer.claimed)
    };
    if !hashes.is_empty() {
        tell(&ctx.accounts.event_authority, &GpusReleased { offer: key, hashes, claimed })?;
    }
    tell(&ctx.accounts.event_authority, &OfferWithdrawn { offer: key, closed })?;
    claim_gpus::close_claims(ctx.remaining_accounts)?;
    if closed {
        ctx.accounts.offer.close(ctx.accounts.payer.to_account_info())?;
    }
    Ok(())
}

/// Gives the limit of an offer that is closed back to its machine.
fn give_back(
    provider: &mut Provider,
    machine: Option<&AccountLoader<Machine>>,
    provider_key: &Pubkey,
    offer: &Offer,
) -> Result<()> {
    match machine {
        None => {
            require_keys_eq!(offer.machine, *provider_key, MarketError::Unrelated);
            let next = provider.own_machine().take_back(&offer.limit()).or_rule()?;
            provider.set_own_machine(&next);
        }
        Some(account) => {
            require_keys_eq!(offer.machine, account.key(), MarketError::Unrelated);
            let mut machine = account.load_mut()?;
            let next = machine.rules().take_back(&offer.limit()).or_rule()?;
            machine.set_rules(&next);
        }
    }
    Ok(())
}

fn recorded(key: Pubkey, offer: &Offer) -> OfferRecorded {
    OfferRecorded {
        offer: key,
        provider: offer.provider,
        ask: offer.ask,
        floor: offer.floor,
        units: offer.units,
        units_free: offer.units_free,
        expires_ts: offer.header.due_ts,
    }
}

/// Pays in what the offer lacks of the rent of the leases that it can open, and of their tips.
fn pay_rent<'info>(
    payer: &Signer<'info>,
    offer: &AccountLoader<'info, Offer>,
    system: &Program<'info, System>,
    free: u16,
    open: u16,
) -> Result<()> {
    let needed = lamports_needed(&Rent::get()?, free.into(), open.into());
    let missing = needed.saturating_sub(offer.as_ref().lamports());
    lamports::pay_in(system, payer, offer.as_ref(), missing)
}

/// Lamports that one open lease takes out of its offer: the rent of the lease and of its reservation.
pub fn lease_rent(rent: &Rent) -> u64 {
    lamports::rent_of(rent, 8 + core::mem::size_of::<Lease>())
        .saturating_add(lamports::rent_of(rent, Reservation::SPACE))
}

/// Lamports that the account shall hold so that it can open `free` more leases with their tips, while it has `open` ones. For
/// each of those it holds a lamport more: the first one of an open lease's reservation is the bond's, and goes back there.
pub fn lamports_needed(rent: &Rent, free: u64, open: u64) -> u64 {
    let of_unit = lease_rent(rent).saturating_add(tip::prepaid_lease());
    lamports::rent_of(rent, 8 + core::mem::size_of::<Offer>())
        .saturating_add(of_unit.saturating_mul(free))
        .saturating_add(open)
}

fn set_terms(offer: &mut Offer, terms: &OfferTerms) -> Result<()> {
    let (ask, floor) = (PricePerHour(terms.ask), PricePerHour(terms.floor));
    job::check_price(ask).or_rule()?;
    job::check_price(floor).or_rule()?;
    require!(ask >= floor, MarketError::AskBelowFloor);
    let now = now()?.ts.0;
    require!(terms.expires_ts > now && terms.expires_ts - now <= MAX_OFFER_LIFE.0, MarketError::BadExpiry);
    let open = offer.units.checked_sub(offer.units_free).ok_or_else(|| rule(RuleError::InvariantBroken))?;
    require!(terms.units > 0 && terms.units <= MAX_UNITS && terms.units >= open, MarketError::BadUnits);
    offer.ask = terms.ask;
    offer.floor = terms.floor;
    offer.header.due_ts = terms.expires_ts;
    offer.units = terms.units;
    offer.units_free = terms.units - open;
    offer.auto_bid = terms.auto_bid.into();
    Ok(())
}
