//! Moves money. Called after every check and every change of state.

use anchor_lang::prelude::*;
use anchor_spl::token::{self, CloseAccount, Token};
use gridlease_core::Atoms;
use gridlease_core::payout::{Recorded, Way, way};
use program_common::{require, require_keys_eq};

use crate::error::StakingError;
use crate::state::Bond;
use program_common::lamports::{close as close_account, shift};
use program_common::raw_token::{self, TokenAccount, associated};
use program_common::token::transfer;
use staking_interface::seed::BOND_SEED;

/// Moves `amount` atoms from a token account of `authority`, who signed the transaction, to the vault, and sees that
/// they arrived.
pub fn into_vault<'info>(
    from: &AccountInfo<'info>,
    vault: &mut Account<'info, TokenAccount>,
    authority: &AccountInfo<'info>,
    amount: u64,
) -> Result<()> {
    let before = vault.amount;
    transfer([from, vault.as_ref(), authority], amount, &[])?;
    vault.reload()?;
    require!(before.checked_add(amount) == Some(vault.amount), StakingError::NotMoved);
    Ok(())
}

/// The bond that signs for its vault.
pub struct BondSigner<'a, 'info> {
    /// The bond's account.
    pub bond: &'a AccountInfo<'info>,
    /// Its authority, from which its address is derived.
    pub authority: Pubkey,
    /// Bump of its address.
    pub bump: u8,
}

/// Moves `amount` atoms from the vault to `to`, and sees that they left. Zero moves nothing and touches nothing.
pub fn out_of_vault<'info>(
    vault: &mut Account<'info, TokenAccount>,
    to: &AccountInfo<'info>,
    signer: &BondSigner<'_, 'info>,
    amount: u64,
) -> Result<()> {
    if amount == 0 {
        return Ok(());
    }
    let before = vault.amount;
    let seeds: &[&[u8]] = &[BOND_SEED, signer.authority.as_ref(), &[signer.bump]];
    transfer([vault.as_ref(), to, signer.bond], amount, &[seeds])?;
    vault.reload()?;
    require!(vault.amount.checked_add(amount) == Some(before), StakingError::NotMoved);
    Ok(())
}

/// Closes an empty token account of the bond; its rent goes to `rent_to`.
pub fn close<'info>(
    token_program: &Program<'info, Token>,
    account: &AccountInfo<'info>,
    rent_to: &AccountInfo<'info>,
    signer: &BondSigner<'_, 'info>,
) -> Result<()> {
    let seeds: &[&[u8]] = &[BOND_SEED, signer.authority.as_ref(), &[signer.bump]];
    let accounts =
        CloseAccount { account: account.clone(), destination: rent_to.clone(), authority: signer.bond.clone() };
    token::close_account(CpiContext::new_with_signer(token_program.key(), accounts, &[seeds]))
}

/// Can tokens of `mint` be paid into this account now? Not where it is frozen, closed, or of another mint.
pub fn is_payable(account: &AccountInfo, mint: &Pubkey) -> bool {
    raw_token::recorded(account, mint) == Recorded::Takes
}

/// What the bond's revenue vault holds; nothing where the operator has opened no pool, whatever the account is.
///
/// # Errors
/// [`StakingError::WrongRevenue`].
pub fn revenue(bond: &Bond, account: &AccountInfo) -> Result<Atoms> {
    /// Offset of a token account's amount.
    const AMOUNT: usize = 64;
    if !bond.has_pool() {
        return Ok(Atoms::ZERO);
    }
    require_keys_eq!(account.key(), bond.revenue, StakingError::WrongRevenue);
    let data = account.try_borrow_data()?;
    let bytes = data.get(AMOUNT..).and_then(|rest| rest.first_chunk::<8>());
    Ok(Atoms(u64::from_le_bytes(*bytes.ok_or(StakingError::WrongRevenue)?)))
}

/// Tokens of `owner` go to the account that is recorded for them, whoever asks, or to any that `owner` names by its
/// signature; never into the bond's own vaults.
///
/// # Errors
/// [`StakingError::WrongDestination`].
pub fn check_destination(bond: &Bond, owner: &AccountInfo, recorded: &Pubkey, destination: &Pubkey) -> Result<()> {
    let named = destination == recorded || owner.is_signer;
    let outside = *destination != bond.vault && *destination != bond.revenue;
    require!(named && outside, StakingError::WrongDestination);
    Ok(())
}

/// As [`check_destination`], for what is due already: where the account that is recorded for it is closed, which the first of
/// `rest` shows, anybody has it paid to the owner's associated account of `mint` ([`gridlease_core::payout::way`]).
///
/// # Errors
/// [`StakingError::WrongDestination`].
pub fn check_due(
    bond: &Bond,
    owner: &AccountInfo,
    recorded: &Pubkey,
    destination: &Pubkey,
    mint: &Pubkey,
    rest: &[AccountInfo],
) -> Result<()> {
    if let Some(shown) = rest.first().filter(|shown| shown.key == recorded && !owner.is_signer) {
        let vault = *recorded == bond.revenue;
        let state = if vault { Recorded::RevenueVault } else { raw_token::recorded(shown, mint) };
        if way(state) == Way::Associated {
            require_keys_eq!(*destination, associated(owner.key, mint), StakingError::WrongDestination);
            return Ok(());
        }
    }
    check_destination(bond, owner, recorded, destination)
}

/// Closes a reservation: the lamports that the bond lent it go back there, all others to `rent_to`. No data is left, and the
/// address is the System program's again.
///
/// # Errors
/// Overflow of lamports.
pub fn close_reservation(
    reservation: &AccountInfo,
    bond: &AccountInfo,
    lent: u64,
    rent_to: &AccountInfo,
) -> Result<()> {
    shift(reservation, bond, lent)?;
    close_account(reservation, rent_to)
}
