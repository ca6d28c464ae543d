//! Machines of a provider: registered, changed, retired, closed. The provider's record itself is the first one.

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use gridlease_core::RuleError;
use program_common::names;

use super::register_provider::{NodeArgs, check_endpoint, endpoint_bytes};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::{MachineClosed, MachineRecorded};
use crate::intake;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Config, Header, Machine, Offer, Provider, machine_state, offer_state, shard_of};
use market_interface::seed::MACHINE_SEED;

/// Accounts of `register_machine`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(number: u32)]
pub struct RegisterMachine<'info> {
    /// Cold key.
    pub authority: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Counts its machines.
    #[cfg_attr(feature = "idl-build", account(has_one = authority))]
    #[account(mut, constraint = names!(provider: Provider, authority) @ MarketError::NotAuthority)]
    pub provider: AccountLoader<'info, Provider>,
    /// Must not exist yet.
    #[account(init, payer = payer, space = 8 + size_of::<Machine>(), seeds = [MACHINE_SEED, provider.key().as_ref(), &number.to_le_bytes()], bump)]
    pub machine: AccountLoader<'info, Machine>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// Accounts of `update_machine` and `retire_machine`. Behind them all offers of the machine: of an update where the node key
/// changes.
#[event_cpi]
#[derive(Accounts)]
pub struct ChangeMachine<'info> {
    /// Cold key.
    pub authority: Signer<'info>,
    /// Names the cold key.
    #[cfg_attr(feature = "idl-build", account(has_one = authority))]
    #[account(constraint = names!(provider: Provider, authority) @ MarketError::NotAuthority)]
    pub provider: AccountLoader<'info, Provider>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider))]
    #[account(mut, constraint = names!(machine: Machine, provider) @ MarketError::Unrelated)]
    pub machine: AccountLoader<'info, Machine>,
}

/// Accounts of `close_machine`. Anyone may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct CloseMachine<'info> {
    /// Counts its machines.
    #[account(mut)]
    pub provider: AccountLoader<'info, Provider>,
    /// Closed.
    #[cfg_attr(feature = "idl-build", account(has_one = provider, has_one = payer))]
    #[account(mut, constraint = names!(machine: Machine, provider) @ MarketError::Unrelated, constraint = names!(machine: Machine, payer) @ MarketError::Unrelated)]
    pub machine: AccountLoader<'info, Machine>,
    /// Gets the rent back: who paid it.
    /// CHECK: it is the recorded payer.
    #[account(mut)]
    pub payer: UncheckedAccount<'info>,
}

/// The cold key shall be able to put any number of machines below its record, each with a hot key, an endpoint and a limit of stake
/// of its own.
pub fn register_machine(ctx: Context<RegisterMachine>, number: u32, args: NodeArgs) -> Result<()> {
    intake::open(&*ctx.accounts.config.load()?)?;
    check_endpoint(&args.endpoint)?;
    let key = ctx.accounts.machine.key();
    let event = {
        let mut provider = ctx.accounts.provider.load_mut()?;
        provider.machines = provider.machines.checked_add(1).ok_or_else(|| rule(RuleError::Overflow))?;
        let mut machine = ctx.accounts.machine.load_init()?;
        machine.header = Header {
            version: ACCOUNT_VERSION,
            state: machine_state::LIVE,
            shard: shard_of(&key),
            bump: ctx.bumps.machine,
            ..Header::default()
        };
        machine.provider = ctx.accounts.provider.key();
        machine.payer = ctx.accounts.payer.key();
        machine.number = number;
        set_node(&mut machine, &args);
        recorded(key, &machine)
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// The cold key shall be able to change hot key, endpoint, certificate and limit of stake of a machine at once. No offer keeps an old
/// hot key; a lower limit takes nothing from an offer that is there.
pub fn update_machine<'info>(ctx: Context<'info, ChangeMachine<'info>>, args: NodeArgs) -> Result<()> {
    check_endpoint(&args.endpoint)?;
    let event = {
        let mut machine = ctx.accounts.machine.load_mut()?;
        if machine.node_key != args.node_key {
            let (key, offers) = (ctx.accounts.machine.key(), machine.offers);
            each_offer(ctx.remaining_accounts, &key, offers, |offer| offer.node_key = args.node_key)?;
        }
        set_node(&mut machine, &args);
        recorded(ctx.accounts.machine.key(), &machine)
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// The cold key shall be able to retire a machine: its offers are withdrawn at once, and from then on anyone may give notice for its
/// leases or, where none was agreed, abandon them, which is a fault. A retired machine stays retired; once more changes nothing.
pub fn retire_machine<'info>(ctx: Context<'info, ChangeMachine<'info>>) -> Result<()> {
    let event = {
        let mut machine = ctx.accounts.machine.load_mut()?;
        let before = machine.rules();
        if before.retired {
            return Ok(());
        }
        each_offer(ctx.remaining_accounts, &ctx.accounts.machine.key(), before.offers, |offer| {
            offer.retired = 1;
            offer.header.state = offer_state::WITHDRAWN;
            offer.header.due_ts = 0;
        })?;
        machine.set_rules(&before.retire());
        recorded(ctx.accounts.machine.key(), &machine)
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// A retired machine without offers shall be closed by anyone, and its rent returned to who paid it.
pub fn close_machine(ctx: Context<CloseMachine>) -> Result<()> {
    ctx.accounts.machine.load()?.rules().check_close().or_rule()?;
    {
        let mut provider = ctx.accounts.provider.load_mut()?;
        provider.machines = provider.machines.saturating_sub(1);
    }
    tell(&ctx.accounts.event_authority, &MachineClosed { machine: ctx.accounts.machine.key() })?;
    ctx.accounts.machine.close(ctx.accounts.payer.to_account_info())
}

/// Changes every offer of a machine (or of a provider's first one, which its record is): `accounts` are all `count` of them, and
/// nothing else.
pub fn each_offer(
    accounts: &[AccountInfo],
    machine: &Pubkey,
    count: u8,
    mut change: impl FnMut(&mut Offer),
) -> Result<()> {
    require!(accounts.len() == usize::from(count), MarketError::BadOffers);
    for (at, account) in accounts.iter().enumerate() {
        // Each once: so they are all.
        require!(accounts.iter().take(at).all(|other| other.key != account.key), MarketError::BadOffers);
        require_keys_eq!(*account.owner, crate::ID, MarketError::BadOffers);
        let mut data = account.try_borrow_mut_data()?;
        let body = data.get_mut(..8 + size_of::<Offer>()).filter(|data| data.starts_with(Offer::DISCRIMINATOR));
        let (_, body) = body.and_then(|body| body.split_at_mut_checked(8)).ok_or(MarketError::BadOffers)?;
        let offer: &mut Offer = bytemuck::try_from_bytes_mut(body).map_err(|_| MarketError::BadOffers)?;
        require_keys_eq!(offer.machine, *machine, MarketError::BadOffers);
        change(offer);
    }
    Ok(())
}

fn set_node(machine: &mut Machine, args: &NodeArgs) {
    machine.node_key = args.node_key;
    machine.cert_fingerprint = args.cert_fingerprint;
    machine.x25519 = args.x25519;
    machine.stake_limit = args.stake_limit;
    (machine.endpoint, machine.endpoint_len) = endpoint_bytes(&args.endpoint);
}

fn recorded(key: Pubkey, machine: &Machine) -> MachineRecorded {
    MachineRecorded {
        machine: key,
        provider: machine.provider,
        node_key: machine.node_key,
        cert_fingerprint: machine.cert_fingerprint,
        x25519: machine.x25519,
        stake_limit: machine.stake_limit,
        retired: machine.rules().retired,
        endpoint: machine.endpoint_url().unwrap_or_default().to_owned(),
    }
}
