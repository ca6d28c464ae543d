//! The one edge to the staking program: its three instructions that the market may call, and how the market reads a bond.
//!
//! Byte offsets and discriminators are the staking program's published layout; its tests and ours pin both sides.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use gridlease_core::Atoms;
use gridlease_core::bond::Bond;

use crate::constants::{AUTHORITY_SEED, STAKING_ID};
use crate::error::{MarketError, OrRule};

/// `sha256("global:reserve")[..8]`
const RESERVE: [u8; 8] = [92, 99, 244, 209, 28, 65, 213, 157];
/// `sha256("global:release")[..8]`
const RELEASE: [u8; 8] = [253, 249, 15, 206, 28, 127, 193, 241];
/// `sha256("global:slash")[..8]`
const SLASH: [u8; 8] = [204, 141, 18, 161, 8, 177, 92, 142];
/// `sha256("account:Bond")[..8]`
const BOND: [u8; 8] = [224, 128, 48, 251, 182, 246, 111, 196];

/// Offsets of a bond's fields.
const AUTHORITY_AT: usize = 24;
const AMOUNT_AT: usize = 88;
const RESERVED_AT: usize = 96;
const UNBONDING_AT: usize = 104;
/// Offset of the number of a bond's delegators, and of the first eight bytes of their addresses.
const DELEGATORS_LEN_AT: usize = 133;
const DELEGATORS_AT: usize = 136;
/// Offsets of the operator's own stake, and of the part of it that is on its way out.
const OWN_AT: usize = 392;
const EXIT_AT: usize = 400;
/// Offset of the lease in a reservation.
const RESERVED_FOR_AT: usize = 56;
/// Offset of what is left of a reservation.
const RESERVED_LEFT_AT: usize = 152;

fn read_u64(data: &[u8], at: usize) -> Result<u64> {
    let bytes = data.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).ok_or(MarketError::WrongBond)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Reads the amounts of the bond of `authority`.
///
/// # Errors
/// [`MarketError::WrongBond`] for any other account.
pub fn read_bond(account: &AccountInfo, authority: &Pubkey) -> Result<Bond> {
    require_keys_eq!(*account.owner, STAKING_ID, MarketError::WrongBond);
    let data = account.try_borrow_data()?;
    require!(data.get(..8) == Some(&BOND[..]), MarketError::WrongBond);
    require!(data.get(AUTHORITY_AT..AUTHORITY_AT + 32) == Some(authority.as_ref()), MarketError::WrongBond);
    Ok(Bond {
        amount: Atoms(read_u64(&data, AMOUNT_AT)?),
        reserved: Atoms(read_u64(&data, RESERVED_AT)?),
        unbonding: Atoms(read_u64(&data, UNBONDING_AT)?),
    })
}

/// Reads what the operator of a bond can lose: its own stake, on its way out or not.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is no bond.
pub fn read_operators(account: &AccountInfo) -> Result<Atoms> {
    require_keys_eq!(*account.owner, STAKING_ID, MarketError::WrongBond);
    let data = account.try_borrow_data()?;
    require!(data.get(..8) == Some(&BOND[..]), MarketError::WrongBond);
    Atoms(read_u64(&data, OWN_AT)?).add(Atoms(read_u64(&data, EXIT_AT)?)).or_rule()
}

/// Reads the marks of a bond's delegators into `marks`; the rest of it stays zero. The caller has checked the bond.
///
/// # Errors
/// [`MarketError::WrongBond`] where the account holds fewer than it says, or more than fit.
pub fn read_delegators(account: &AccountInfo, marks: &mut [[u8; 8]]) -> Result<()> {
    let data = account.try_borrow_data()?;
    let len = usize::from(*data.get(DELEGATORS_LEN_AT).ok_or(MarketError::WrongBond)?);
    let bytes = data.get(DELEGATORS_AT..DELEGATORS_AT + 8 * len).ok_or(MarketError::WrongBond)?;
    let places = marks.get_mut(..len).ok_or(MarketError::WrongBond)?;
    for (mark, bytes) in places.iter_mut().zip(bytes.chunks_exact(8)) {
        mark.copy_from_slice(bytes);
    }
    Ok(())
}

/// The reservation is that of `lease`. The staking program proves that it is a reservation, but it is not told of which
/// lease; without this check the stake behind one lease could be released or slashed in place of another's.
///
/// # Errors
/// [`MarketError::Unrelated`].
pub fn check_reservation(reservation: &AccountInfo, lease: &Pubkey) -> Result<()> {
    let data = reservation.try_borrow_data()?;
    require!(data.get(RESERVED_FOR_AT..RESERVED_FOR_AT + 32) == Some(lease.as_ref()), MarketError::Unrelated);
    Ok(())
}

/// What is left of a reservation, in atoms.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is none.
pub fn read_reserved(reservation: &AccountInfo) -> Result<Atoms> {
    require_keys_eq!(*reservation.owner, STAKING_ID, MarketError::WrongBond);
    Ok(Atoms(read_u64(&reservation.try_borrow_data()?, RESERVED_LEFT_AT)?))
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
    let instruction = Instruction { program_id: STAKING_ID, accounts: metas, data };
    let done = invoke_signed_unchecked(&instruction, &infos, &[&[AUTHORITY_SEED, &[signer.bump]]]);
    // Nothing is ever freed in a program; counting references down would only cost.
    core::mem::forget(infos);
    Ok(done?)
}
