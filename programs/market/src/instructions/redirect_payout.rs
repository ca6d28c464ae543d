//! Pays a lease elsewhere where the account that it records can take no money.

use anchor_lang::prelude::*;
use gridlease_core::payout::destination;
use program_common::require_keys_eq;

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::PayoutRedirected;
use crate::payout;
use crate::state::{Config, Lease, Provider};
use program_common::raw_token::TokenAccount;

/// Accounts of `redirect_payout`. Anybody may call it.
#[event_cpi]
#[derive(Accounts)]
pub struct RedirectPayout<'info> {
    /// Names the mint.
    pub config: AccountLoader<'info, Config>,
    /// Names the payout account of the present.
    #[account(has_one = payout @ MarketError::WrongTokenAccount)]
    pub provider: AccountLoader<'info, Provider>,
    /// Written.
    #[account(mut, has_one = provider @ MarketError::Unrelated)]
    pub lease: AccountLoader<'info, Lease>,
    /// The payout account that the lease records.
    /// CHECK: it may be frozen, closed, or anything by now; that it is the one is checked below.
    pub recorded: UncheckedAccount<'info>,
    /// The provider's payout account; must be able to take money where it is to (checked below).
    pub payout: Box<Account<'info, TokenAccount>>,
}

/// A lease whose recorded payout account can take no money (it is frozen, closed, or no token account of the market's mint any
/// more) shall record the one that its provider has now, which only the provider's cold key can have changed, with 48 hours'
/// notice. Where the recorded one can take money, nothing changes.
pub fn redirect_payout(ctx: Context<RedirectPayout>) -> Result<()> {
    let accounts = &*ctx.accounts;
    let mint = accounts.config.load()?.usdc_mint;
    let (recorded, present) = (accounts.recorded.key(), accounts.payout.key());
    {
        let mut lease = accounts.lease.load_mut()?;
        require_keys_eq!(recorded, lease.payout, MarketError::WrongTokenAccount);
        let to = destination(recorded, payout::takes_money(&accounts.recorded, &mint), present);
        if to == recorded {
            return Ok(()); // it is where it belongs
        }
        payout::check(&accounts.payout, &mint)?;
        lease.payout = to;
    }
    tell(&accounts.event_authority, &PayoutRedirected { lease: accounts.lease.key(), from: recorded, to: present })
}
