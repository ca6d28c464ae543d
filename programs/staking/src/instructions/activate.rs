//! `activate`: stake that came in a day ago begins to earn.

use anchor_lang::prelude::*;
use program_common::clock::now;

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError};
use crate::event::{Activated, RevenueDistributed, Totals};
use crate::state::{Bond, Delegation};
use crate::token;

/// Activates a delegator's new stake, or the operator's where no delegation is given.
///
/// - Anyone shall do so, a day after the last of it came in.
/// - It shall earn from now on: what arrived in the revenue vault before shall be divided before. A delegator's shall also
///   stand behind leases from now on.
/// - Whether the delegator makes the bond kin to others shall be written anew.
/// - Where nothing waits, nothing shall change but that.
#[event_cpi]
#[derive(Accounts)]
pub struct Activate<'info> {
    /// The bond.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The delegation; none for the operator's stake.
    #[account(mut)]
    pub delegation: Option<AccountLoader<'info, Delegation>>,
    /// The bond's revenue vault; any account where the operator has opened no pool.
    /// CHECK: it is the one that the bond records.
    pub revenue: UncheckedAccount<'info>,
}

impl Activate<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &ctx.accounts;
        let now = now()?.ts;
        let (distributed, activated) = {
            let key = accounts.bond.key();
            let mut bond = accounts.bond.load_mut()?;
            bond.header.check()?;
            let arrived = token::revenue(&bond, &accounts.revenue)?;
            let parts = bond.distribute(arrived, now).or_rule()?;
            let distributed = RevenueDistributed::of(key, &bond, &parts);
            let mut stake = bond.stake();
            let (owner, activated, owed) = match &accounts.delegation {
                None => (bond.authority, stake.activate(now).or_rule()?.0, 0),
                Some(loader) => {
                    let mut delegation = loader.load_mut()?;
                    delegation.header.check()?;
                    require_keys_eq!(delegation.bond, key, StakingError::WrongDelegation);
                    delegation.settle(&bond.revenue_owed()).or_rule()?;
                    let mut position = delegation.position();
                    let shares = position.activate(&mut stake, now).or_rule()?;
                    delegation.set_position(&position);
                    if delegation.place > 0 {
                        bond.mark(delegation.place, &delegation.delegator, &position).or_rule()?;
                    }
                    (delegation.delegator, shares, delegation.owed)
                }
            };
            bond.set_stake(&stake).or_rule()?;
            (distributed, Activated { bond: key, owner, activated, owed, totals: Totals::of(&bond) })
        };
        if let Some(distributed) = distributed {
            tell(&ctx.accounts.event_authority, &distributed)?;
        }
        tell(&ctx.accounts.event_authority, &activated)?;
        Ok(())
    }
}
