//! The one edge to the staking program: its three instructions that the market may call, and how the market reads a bond.

use core::cell::Ref;

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use gridlease_core::Atoms;
use gridlease_core::bond::Bond as Amounts;
use market_interface::seed::AUTHORITY_SEED;
use program_common::require_keys_eq;
use staking_interface::account::{ACCOUNT_VERSION, Bond, Reservation};
use staking_interface::call::{RELEASE, RESERVE, SLASH};

use crate::error::{MarketError, OrRule};
use crate::peek::peek;

fn bond<'a>(account: &'a AccountInfo) -> Result<Ref<'a, Bond>> {
    let bond: Ref<Bond> = peek(account).ok_or(MarketError::WrongBond)?;
    check_version(bond.header.version)?;
    Ok(bond)
}

/// The entrypoint looks at the layout version of this program's accounts only; those of the staking program's are looked at here.
fn check_version(version: u8) -> Result<()> {
    require!((1..=ACCOUNT_VERSION).contains(&version), MarketError::WrongVersion);
    Ok(())
}

/// Reads the amounts of the bond of `authority`.
///
/// # Errors
/// [`MarketError::WrongBond`] for any other account.
pub fn read_bond(account: &AccountInfo, authority: &Pubkey) -> Result<Amounts> {
    let bond = bond(account)?;
    require_keys_eq!(bond.authority, *authority, MarketError::WrongBond);
    Ok(bond.amounts())
}

/// Reads what the operator of a bond can lose: its own stake, on its way out or not.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is no bond.
pub fn read_operators(account: &AccountInfo) -> Result<Atoms> {
    bond(account)?.operators().or_rule()
}

/// Reads the operator's own stake, without what is on its way out.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is no bond.
pub fn read_own(account: &AccountInfo) -> Result<Atoms> {
    Ok(Atoms(bond(account)?.own))
}

/// Reads the marks of a bond's delegators into `marks`; the rest of it stays zero.
///
/// # Errors
/// [`MarketError::WrongBond`] where the account is no bond, or counts more than fit.
pub fn read_delegators(account: &AccountInfo, marks: &mut [[u8; 8]]) -> Result<()> {
    let bond = bond(account)?;
    let known = bond.delegator_marks().ok_or(MarketError::WrongBond)?;
    marks.get_mut(..known.len()).ok_or(MarketError::WrongBond)?.copy_from_slice(known);
    Ok(())
}

fn reservation<'a>(account: &'a AccountInfo) -> Result<Ref<'a, Reservation>> {
    let reservation: Ref<Reservation> = peek(account).ok_or(MarketError::WrongBond)?;
    check_version(reservation.header.version)?;
    Ok(reservation)
}

/// The reservation is that of `lease`. The staking program is not told of which lease it is; without this check the stake behind
/// one lease could be released or slashed in place of another's.
///
/// # Errors
/// [`MarketError::Unrelated`].
pub fn check_reservation(account: &AccountInfo, lease: &Pubkey) -> Result<()> {
    let reservation = peek::<Reservation>(account).ok_or(MarketError::Unrelated)?;
    require_keys_eq!(reservation.lease, *lease, MarketError::Unrelated);
    Ok(())
}

/// What is left of a reservation, in atoms.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is none.
pub fn read_reserved(account: &AccountInfo) -> Result<Atoms> {
    Ok(Atoms(reservation(account)?.amount))
}

/// Reserves `stake` of `bond` for the lease of `reservation`. The caller pays in the reservation's rent.
#[allow(clippy::too_many_arguments)] // one argument per account of the instruction, in its order
pub fn reserve<'info>(
    bond: &AccountInfo<'info>,
    reservation: &AccountInfo<'info>,
    config: &AccountInfo<'info>,
    lease: &AccountInfo<'info>,
    rent_to: &AccountInfo<'info>,
    system_program: &AccountInfo<'info>,
    signer: &Signing<'_, 'info>,
    stake: Atoms,
) -> Result<()> {
    let mut data = Vec::with_capacity(16);
    data.extend_from_slice(&RESERVE);
    data.extend_from_slice(&stake.0.to_le_bytes());
    let accounts = [
        (bond, true),
        (reservation, true),
        (signer.authority, false),
        (config, false),
        (lease, false),
        (rent_to, false),
        (system_program, false),
        (signer.events, false),
    ];
    call(data, accounts, signer)
}

/// Releases what is left of a reservation; its rent goes to `rent_to`.
pub fn release<'info>(
    bond: &AccountInfo<'info>,
    reservation: &AccountInfo<'info>,
    rent_to: &AccountInfo<'info>,
    signer: &Signing<'_, 'info>,
) -> Result<()> {
    let accounts =
        [(bond, true), (reservation, true), (signer.authority, false), (rent_to, true), (signer.events, false)];
    call(RELEASE.to_vec(), accounts, signer)
}

/// The accounts of a slash, in the staking program's order.
pub struct SlashAccounts<'a, 'info> {
    /// The bond.
    pub bond: &'a AccountInfo<'info>,
    /// The lease's reservation.
    pub reservation: &'a AccountInfo<'info>,
    /// The staking program's configuration.
    pub config: &'a AccountInfo<'info>,
    /// The bond's token account.
    pub vault: &'a AccountInfo<'info>,
    /// Token account of the victim.
    pub victim: &'a AccountInfo<'info>,
    /// Token account of the insurance fund.
    pub insurance: &'a AccountInfo<'info>,
    /// SPL Token.
    pub token_program: &'a AccountInfo<'info>,
}

/// Slashes a lease's reservation.
pub fn slash<'info>(
    accounts: &SlashAccounts<'_, 'info>,
    signer: &Signing<'_, 'info>,
    victim: Atoms,
    insurance: Atoms,
) -> Result<()> {
    let mut data = Vec::with_capacity(24);
    data.extend_from_slice(&SLASH);
    data.extend_from_slice(&victim.0.to_le_bytes());
    data.extend_from_slice(&insurance.0.to_le_bytes());
    let accounts = [
        (accounts.bond, true),
        (accounts.reservation, true),
        (signer.authority, false),
        (accounts.config, false),
        (accounts.vault, true),
        (accounts.victim, true),
        (accounts.insurance, true),
        (accounts.token_program, false),
        (signer.events, false),
    ];
    call(data, accounts, signer)
}

/// What every call to the staking program needs besides its own accounts.
pub struct Signing<'a, 'info> {
    /// The PDA that signs for stake.
    pub authority: &'a AccountInfo<'info>,
    /// Its bump.
    pub bump: u8,
    /// The PDA by which the staking program signs its events.
    pub events: &'a AccountInfo<'info>,
    /// The staking program.
    pub program: &'a AccountInfo<'info>,
}

/// Calls the staking program with `accounts` (and whether each is written), in its order, and itself behind them.
///
/// The callers hold no borrow of any of these accounts, so the check of that, which compares each with each, is left out. The
/// runtime looks for no account of a program, so that one is only named.
fn call<'info, const N: usize>(
    data: Vec<u8>,
    accounts: [(&AccountInfo<'info>, bool); N],
    signer: &Signing<'_, 'info>,
) -> Result<()> {
    let mut metas = Vec::with_capacity(N + 1);
    metas.extend(accounts.iter().map(|(info, written)| AccountMeta {
        pubkey: *info.key,
        // It comes only once, as itself.
        is_signer: core::ptr::eq(*info, signer.authority),
        is_writable: *written,
    }));
    metas.push(AccountMeta::new_readonly(*signer.program.key, false));
    let infos = accounts.map(|(info, _)| info.clone());
    let instruction = Instruction { program_id: staking_interface::ID, accounts: metas, data };
    let done = invoke_signed_unchecked(&instruction, &infos, &[&[AUTHORITY_SEED, &[signer.bump]]]);
    // Nothing is ever freed in a program; counting references down would only cost.
    core::mem::forget(infos);
    Ok(done?)
}
