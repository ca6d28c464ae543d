//! Pays a lease elsewhere where the account that it records can take no money.

use anchor_lang::prelude::*;
use gridlease_core::payout::{Recorded, destination};
use program_common::names;
use program_common::{derive, require_keys_eq};
use staking_interface::seed::REVENUE_SEED;

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::PayoutRedirected;
use crate::payout;
use crate::state::{Config, Lease, Provider};
use program_common::raw_token::{self, TokenAccount};

/// Accounts of `redirect_payout`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct RedirectPayout<'info> {
    /// Names the mint.
    pub config: AccountLoader<'info, Config>,
    /// Names the payout account of the present, and the cold key.
    #[cfg_attr(feature = "idl-build", account(has_one = payout))]
    #[account(constraint = names!(provider: Provider, payout) @ MarketError::WrongTokenAccount)]
    pub provider: AccountLoader<'info, Provider>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = provider))]
    #[account(mut, constraint = names!(lease: Lease, provider) @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// The payout account that the lease records.
    /// CHECK: it may be frozen, closed, or anything by now; that it is the one is checked below.
    pub recorded: UncheckedAccount<'info>,
    /// The provider's payout account.
    /// CHECK: it is the one that the record names, and may be anything by now.
    pub payout: UncheckedAccount<'info>,
    /// Where the lease shall be paid: one of the two, or the provider's associated token account (checked below).
    pub destination: Box<Account<'info, TokenAccount>>,
}

/// A lease whose recorded payout account can take no money (it is frozen, closed, or no token account of the market's mint any
/// more) shall record the one that its provider has now, which only the provider's cold key can have changed, with 48 hours'
/// notice. Where that one takes none either, and the recorded one is closed, it shall record the associated token account of the
/// cold key, so that nobody keeps the buyer's purse open by closing an account. Where the recorded one can take money, nothing
/// changes.
pub fn redirect_payout(ctx: Context<RedirectPayout>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let mint = accounts.config.load()?.usdc_mint;
    let (recorded, present) = (accounts.recorded.key(), accounts.payout.key());
    let to = {
        let mut lease = accounts.lease.load_mut()?;
        require_keys_eq!(recorded, lease.payout, MarketError::WrongTokenAccount);
        let state = match raw_token::recorded(&accounts.recorded, &mint) {
            Recorded::Closed if recorded == revenue_vault(&lease.bond) => Recorded::RevenueVault,
            state => state,
        };
        let authority = accounts.provider.load()?.authority;
        let takes = raw_token::recorded(&accounts.payout, &mint) == Recorded::Takes;
        let to = destination(recorded, state, present, takes, || raw_token::associated(&authority, &mint));
        if to == recorded {
            return Ok(()); // it is where it belongs, or waits there
        }
        require_keys_eq!(accounts.destination.key(), to, MarketError::WrongTokenAccount);
        payout::check(&accounts.destination, &mint)?;
        lease.payout = to;
        to
    };
    tell(&accounts.event_authority, &PayoutRedirected { lease: accounts.lease.key(), from: recorded, to })
}

/// The revenue vault of a bond, whether it has one or not.
fn revenue_vault(bond: &Pubkey) -> Pubkey {
    derive::find(&staking_interface::ID, &[REVENUE_SEED, bond.as_ref()]).0
}
