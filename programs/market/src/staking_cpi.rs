//! The one edge to the staking program: its four instructions that the market may call, and how the market reads a bond.

use core::cell::Ref;

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use gridlease_core::bond::Bond as Amounts;
use gridlease_core::limits::DELEGATOR_MARKS;
use gridlease_core::slash::SlashSplit;
use gridlease_core::{Atoms, UnixTs};
use market_interface::seed::AUTHORITY_SEED;
use program_common::require_keys_eq;
use staking_interface::account::{ACCOUNT_VERSION, Bond, Config as StakingConfig, Reservation};
use staking_interface::call::{EXTEND, RELEASE, RESERVE, SLASH};

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

/// Did the operator of a bond make stake leave at `since` or later? The caller has checked that it is a bond.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is no bond.
pub fn stake_left(account: &AccountInfo, since: UnixTs) -> Result<bool> {
    Ok(bond(account)?.fell_since(since))
}

/// Reads the operator's own stake, without what is on its way out.
///
/// # Errors
/// [`MarketError::WrongBond`] for an account that is no bond.
pub fn read_own(account: &AccountInfo) -> Result<Atoms> {
    Ok(Atoms(bond(account)?.own))
}

/// Does a bond have delegators? One that was never opened, or was closed, has none.
pub fn has_delegators(account: &AccountInfo) -> bool {
    peek::<Bond>(account).is_some_and(|bond| bond.delegators_len > 0)
}

/// Reads the marks of a bond's delegators; those of free places are zero.
///
/// # Errors
/// [`MarketError::WrongBond`] where the account is no bond.
pub fn read_delegators(account: &AccountInfo) -> Result<[[u8; 8]; DELEGATOR_MARKS]> {
    Ok(bond(account)?.marks)
}

/// This is the account of the insurance fund: only the staking program's configuration names it, of which there is one.
///
/// # Errors
/// [`MarketError::WrongTokenAccount`].
pub fn check_insurance(config: &AccountInfo, insurance: &Pubkey) -> Result<()> {
    let config: Ref<StakingConfig> = peek(config).ok_or(MarketError::WrongTokenAccount)?;
    check_version(config.header.version)?;
    require_keys_eq!(config.insurance, *insurance, MarketError::WrongTokenAccount);
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

/// What is left of a reservation, and of that the operator's part: the most that a buyer can claim.
///
/// # Errors
/// [`MarketError::WrongBond`] for accounts that are none.
pub fn read_reserved(account: &AccountInfo, bond_account: &AccountInfo) -> Result<(Atoms, Atoms)> {
    let reservation = reservation(account)?;
    let part = reservation.operators_part(&*bond(bond_account)?).or_rule()?;
    Ok((Atoms(reservation.amount), part))
}

/// What is left of the reservation of `lease`, which `account` is; see [`check_reservation`].
///
/// # Errors
/// [`MarketError::Unrelated`].
pub fn read_left(account: &AccountInfo, lease: &Pubkey) -> Result<Atoms> {
    let reservation = peek::<Reservation>(account).ok_or(MarketError::Unrelated)?;
    check_version(reservation.header.version)?;
    require_keys_eq!(reservation.lease, *lease, MarketError::Unrelated);
    Ok(Atoms(reservation.amount))
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

/// Reserves `stake` more for a lease that has a reservation.
pub fn extend<'info>(
    bond: &AccountInfo<'info>,
    reservation: &AccountInfo<'info>,
    config: &AccountInfo<'info>,
    signer: &Signing<'_, 'info>,
    stake: Atoms,
) -> Result<()> {
    let mut data = Vec::with_capacity(16);
    data.extend_from_slice(&EXTEND);
    data.extend_from_slice(&stake.0.to_le_bytes());
    let accounts =
        [(bond, true), (reservation, true), (signer.authority, false), (config, false), (signer.events, false)];
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
    /// Token account of the insurance fund.
    pub insurance: &'a AccountInfo<'info>,
    /// SPL Token.
    pub token_program: &'a AccountInfo<'info>,
}

/// What a slash takes, and for whom.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    /// Claimed by the buyer.
    pub buyer: Atoms,
    /// Claimed by who proved the fault.
    pub prover: Atoms,
    /// To the insurance fund.
    pub insurance: Atoms,
    /// The buyer; zero for none.
    pub buyer_key: Pubkey,
    /// Who proved the fault; zero for none.
    pub prover_key: Pubkey,
}

impl Taken {
    /// A fault's: what goes to the lease's `buyer` and to the insurance fund.
    pub fn by_fault(split: SlashSplit, buyer: Pubkey) -> Self {
        Self { buyer: split.victim, insurance: split.insurance, buyer_key: buyer, ..Self::default() }
    }

    /// Nothing at all?
    pub fn is_nothing(&self) -> bool {
        self.buyer.is_zero() && self.prover.is_zero() && self.insurance.is_zero()
    }
}

/// Slashes a lease's reservation.
pub fn slash<'info>(accounts: &SlashAccounts<'_, 'info>, signer: &Signing<'_, 'info>, taken: &Taken) -> Result<()> {
    let mut data = Vec::with_capacity(96);
    data.extend_from_slice(&SLASH);
    for amount in [taken.buyer, taken.prover, taken.insurance] {
        data.extend_from_slice(&amount.0.to_le_bytes());
    }
    data.extend_from_slice(taken.buyer_key.as_ref());
    data.extend_from_slice(taken.prover_key.as_ref());
    let accounts = [
        (accounts.bond, true),
        (accounts.reservation, true),
        (signer.authority, false),
        (accounts.config, false),
        (accounts.vault, true),
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

/// The [`Signing`] of an instruction whose accounts have the names that all have: `authority`, `staking_events`, `staking_program`.
macro_rules! signing {
    ($accounts:expr, $bump:expr) => {
        $crate::staking_cpi::Signing {
            authority: &$accounts.authority,
            bump: $bump,
            events: &$accounts.staking_events,
            program: &$accounts.staking_program,
        }
    };
}
pub(crate) use signing;

/// The [`SlashAccounts`] of an instruction whose accounts have the names that all have.
macro_rules! slashed {
    ($accounts:expr) => {
        $crate::staking_cpi::SlashAccounts {
            bond: &$accounts.bond,
            reservation: &$accounts.reservation,
            config: &$accounts.staking_config,
            vault: &$accounts.bond_vault,
            insurance: &$accounts.insurance,
            token_program: &$accounts.token_program.to_account_info(),
        }
    };
}
pub(crate) use slashed;

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
