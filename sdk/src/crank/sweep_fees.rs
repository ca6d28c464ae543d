//! Moves the fees that purses owe to treasury and insurance fund.

use crate::account::Purse;
use gridlease_core::{Atoms, Now};
use solana_pubkey::Pubkey;

use super::{Action, Policy, Step};
use crate::view::View;

/// The sweep of a purse that owes enough.
pub(super) fn action(view: &View, address: &Pubkey, purse: &Purse, now: Now, policy: &Policy) -> Option<Action> {
    let (config, insurance) = (view.config()?, view.insurance()?);
    let owed = Atoms(purse.fees_owed);
    if owed.is_zero() || owed < policy.sweep_above {
        return None;
    }
    let step = Step::SweepFees { purse: *address, treasury: config.treasury, insurance };
    Some(Action::single(step, now.ts))
}
