//! `propose_admin` and `accept_admin`: the admin hands over in two steps, so that no key is named that nobody holds.

use anchor_lang::prelude::*;
use program_common::{require_keys_eq, require_keys_neq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::StakingError;
use crate::event::{AdminAccepted, AdminProposed};
use crate::state::Config;

/// Names who is to become the admin; the zero key takes that back.
///
/// - Only the admin shall name its successor. Nothing else shall change before that one accepts.
#[event_cpi]
#[derive(Accounts)]
pub struct ProposeAdmin<'info> {
    /// The admin.
    pub admin: Signer<'info>,
    /// The configuration.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
}

impl ProposeAdmin<'_> {
    pub(crate) fn handle(ctx: Context<Self>, pending_admin: Pubkey) -> Result<()> {
        let accounts = &ctx.accounts;
        {
            let mut config = accounts.config.load_mut()?;
            config.header.check()?;
            require_keys_eq!(accounts.admin.key(), config.admin, StakingError::WrongAdmin);
            config.pending_admin = pending_admin;
        }
        let proposed = AdminProposed { admin: accounts.admin.key(), pending_admin };
        tell(&ctx.accounts.event_authority, &proposed)?;
        Ok(())
    }
}

/// Makes the signer the admin.
///
/// - Only the one whom the admin named shall accept. The old admin shall have no right any more.
#[event_cpi]
#[derive(Accounts)]
pub struct AcceptAdmin<'info> {
    /// The one whom the admin named.
    pub pending_admin: Signer<'info>,
    /// The configuration.
    #[account(mut)]
    pub config: AccountLoader<'info, Config>,
}

impl AcceptAdmin<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        {
            let mut config = accounts.config.load_mut()?;
            config.header.check()?;
            require_keys_neq!(config.pending_admin, Pubkey::default(), StakingError::NothingProposed);
            require_keys_eq!(accounts.pending_admin.key(), config.pending_admin, StakingError::WrongAdmin);
            config.admin = config.pending_admin;
            config.pending_admin = Pubkey::default();
        }
        let accepted = AdminAccepted { admin: accounts.pending_admin.key() };
        tell(&ctx.accounts.event_authority, &accepted)?;
        Ok(())
    }
}
