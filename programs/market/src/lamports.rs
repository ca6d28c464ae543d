//! Rent: direct moves of lamports between accounts of this program and accounts that it opens or closes.
//! Called after every CPI, because a CPI refuses a caller whose lamports do not add up at that moment.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use anchor_lang::system_program;
use gridlease_core::{RuleError, tip};

use crate::error::rule;

/// Bytes that the runtime counts for each account beside its data.
const OVERHEAD: u64 = 128;
/// The factor of the rent, in years.
const YEARS: u64 = 2;

/// The rent of an account of `bytes` bytes: [`Rent::minimum_balance`], which counts in floating point and so costs a program
/// hundreds of CU each time, in whole numbers where its factor is the one that it has always been.
#[allow(deprecated, reason = "the sysvar has these fields, whatever they will mean one day")]
pub fn rent_of(rent: &Rent, bytes: usize) -> u64 {
    if rent.exemption_threshold.to_bits() != (YEARS as f64).to_bits() {
        return rent.minimum_balance(bytes);
    }
    (OVERHEAD + bytes as u64).saturating_mul(rent.lamports_per_byte_year).saturating_mul(YEARS)
}

/// Moves lamports between two accounts; `from` belongs to this program.
pub fn shift(from: &AccountInfo, to: &AccountInfo, lamports: u64) -> Result<()> {
    if lamports == 0 {
        return Ok(());
    }
    let less = from.lamports().checked_sub(lamports).ok_or_else(|| rule(RuleError::Overflow))?;
    let more = to.lamports().checked_add(lamports).ok_or_else(|| rule(RuleError::Overflow))?;
    **from.try_borrow_mut_lamports()? = less;
    **to.try_borrow_mut_lamports()? = more;
    Ok(())
}

/// Closes an account of this program: all its lamports go to `to`, its data is emptied, the system program owns it.
pub fn close(account: &AccountInfo, to: &AccountInfo) -> Result<()> {
    shift(account, to, account.lamports())?;
    account.assign(&system_program::ID);
    account.resize(0)?;
    Ok(())
}

/// The system program's number of the instruction that hands an account to another program, as it stands in the call.
const ASSIGN: [u8; 4] = 1u32.to_le_bytes();

/// Makes `account` one of this program with `space` bytes of zeros, without funding it: works whether or not somebody
/// sent lamports to the address before. Nobody holds a borrow of it.
pub fn open_unfunded(account: &AccountInfo, space: usize, seeds: &[&[u8]]) -> Result<()> {
    // An account of this program can be resized by it directly: one call less than allocating by the system program.
    let mut data = Vec::with_capacity(ASSIGN.len() + crate::ID.as_ref().len());
    data.extend_from_slice(&ASSIGN);
    data.extend_from_slice(crate::ID.as_ref());
    let accounts = vec![AccountMeta::new(*account.key, true)];
    let assign = Instruction { program_id: system_program::ID, accounts, data };
    invoke_signed_unchecked(&assign, core::slice::from_ref(account), &[seeds])?;
    account.resize(space)?;
    Ok(())
}

/// Pays a keeper's `tip` out of what `from`, an account of this program, holds above `rent`; returns what was paid. It never
/// fails for want of lamports: it pays what is there.
pub fn pay_tip(from: &AccountInfo, rent: u64, to: &AccountInfo, tip: u64) -> Result<u64> {
    if from.key == to.key {
        return Ok(0);
    }
    let paid = tip::payable(tip, from.lamports(), rent);
    shift(from, to, paid)?;
    Ok(paid)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pays a tip of 10,000 between two accounts with these lamports and a rent of 1,000; returns what was paid and what both
    /// have then.
    fn tipped(mut from: u64, mut to: u64) -> (u64, u64, u64) {
        let (program, keys) = (crate::ID, [Pubkey::new_unique(), Pubkey::new_unique()]);
        let (mut none, mut empty) = ([], []);
        let a = AccountInfo::new(&keys[0], false, true, &mut from, &mut none, &program, false);
        let b = AccountInfo::new(&keys[1], true, true, &mut to, &mut empty, &program, false);
        let paid = pay_tip(&a, 1_000, &b, 10_000).unwrap();
        (paid, a.lamports(), b.lamports())
    }

    #[test]
    fn a_tip_is_paid_of_what_is_above_the_rent_and_never_more() {
        assert_eq!(tipped(50_000, 7), (10_000, 40_000, 10_007));
        assert_eq!(tipped(11_000, 7), (10_000, 1_000, 10_007));
        assert_eq!(tipped(10_999, 7), (9_999, 1_000, 10_006));
        assert_eq!(tipped(1_000, 7), (0, 1_000, 7));
        assert_eq!(tipped(999, 7), (0, 999, 7), "an account below its rent keeps all");
    }

    #[test]
    #[allow(deprecated)]
    fn the_rent_is_the_one_of_the_sysvar() {
        for bytes in [0, 1, 165, 192, 288, 624, 960, 10_240, 10_485_760] {
            for lamports_per_byte_year in [0, 1, 3_480, 6_960, 1 << 30] {
                for exemption_threshold in [2.0, 1.0, 0.5, 3.25] {
                    let rent = Rent { lamports_per_byte_year, exemption_threshold, burn_percent: 50 };
                    assert_eq!(rent_of(&rent, bytes), rent.minimum_balance(bytes), "{bytes} {rent:?}");
                }
            }
        }
    }

    #[test]
    fn an_account_cannot_tip_itself() {
        let (key, mut lamports, mut data) = (Pubkey::new_unique(), 50_000, []);
        let account = AccountInfo::new(&key, true, true, &mut lamports, &mut data, &crate::ID, false);
        assert_eq!(pay_tip(&account, 1_000, &account, 10_000).unwrap(), 0);
        assert_eq!(account.lamports(), 50_000);
    }
}
