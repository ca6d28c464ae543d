//! The admin hands over in two steps, and pauses intake.

use anchor_lang::prelude::*;
use program_common::names;

use crate::emit::tell;
use crate::error::MarketError;
use crate::event::{AdminChanged, AdminNamed, PauseSet};
use crate::state::Config;

/// Accounts of `propose_admin` and `set_paused`.
#[event_cpi]
#[derive(Accounts)]
pub struct AdminOnly<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = admin))]
    #[account(mut, constraint = names!(config: Config, admin) @ MarketError::NotAdmin)]
    pub config: AccountLoader<'info, Config>,
}

/// Accounts of `accept_admin`.
#[event_cpi]
#[derive(Accounts)]
pub struct AcceptAdmin<'info> {
    /// Who was named.
    pub pending_admin: Signer<'info>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = pending_admin))]
    #[account(mut, constraint = names!(config: Config, pending_admin) @ MarketError::NotPendingAdmin)]
    pub config: AccountLoader<'info, Config>,
}

/// The admin shall name its successor, who has no power before it accepts; the zero key names nobody.
pub fn propose_admin(ctx: Context<AdminOnly>, pending_admin: Pubkey) -> Result<()> {
    ctx.accounts.config.load_mut()?.pending_admin = pending_admin;
    tell(&ctx.accounts.event_authority, &AdminNamed { pending_admin })?;
    Ok(())
}

/// Who was named shall become the admin by its own signature, so that the market is never handed to a key that nobody has.
pub fn accept_admin(ctx: Context<AcceptAdmin>) -> Result<()> {
    let event = {
        let mut config = ctx.accounts.config.load_mut()?;
        let event = AdminChanged { from: config.admin, to: config.pending_admin };
        config.admin = config.pending_admin;
        config.pending_admin = Pubkey::default();
        event
    };
    tell(&ctx.accounts.event_authority, &event)?;
    Ok(())
}

/// A pause shall stop at once what comes in (deposits, registrations, offers, jobs, bids) and nothing that runs or leaves.
/// Setting what is set already changes nothing.
pub fn set_paused(ctx: Context<AdminOnly>, paused: bool) -> Result<()> {
    {
        let mut config = ctx.accounts.config.load_mut()?;
        if config.paused == u8::from(paused) {
            return Ok(());
        }
        config.paused = paused.into();
    }
    tell(&ctx.accounts.event_authority, &PauseSet { paused })?;
    Ok(())
}
