//! Direct moves of lamports, and accounts that a program opens without a payer.

use anchor_lang::prelude::*;
use anchor_lang::solana_program::instruction::{AccountMeta, Instruction};
use anchor_lang::solana_program::program::invoke_signed_unchecked;
use anchor_lang::system_program;
use gridlease_core::RuleError;

use crate::error::rule;

/// Bytes that the runtime counts for each account beside its data.
const OVERHEAD: u64 = 128;

/// The rent of an account of `bytes` bytes: [`Rent::minimum_balance`], which counts in floating point and so costs a program
/// hundreds of CU each time, in whole numbers where its factor is one that it has had: two years, and one since rent is told by the byte
/// (SIMD-0194).
#[allow(deprecated, reason = "the sysvar has these fields, whatever they will mean one day")]
pub fn rent_of(rent: &Rent, bytes: usize) -> u64 {
    let factor = match rent.exemption_threshold.to_bits() {
        bits if bits == 1f64.to_bits() => 1,
        bits if bits == 2f64.to_bits() => 2,
        _ => return rent.minimum_balance(bytes),
    };
    (OVERHEAD + bytes as u64).saturating_mul(rent.lamports_per_byte_year).saturating_mul(factor)
}

/// Moves lamports between two accounts; `from` belongs to the calling program.
///
/// # Errors
/// [`RuleError::Overflow`] where `from` has fewer.
#[inline(never)]
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

/// Closes an account of the calling program: all its lamports go to `to`, its data is emptied, the system program owns it.
///
/// # Errors
/// Those of [`shift`].
#[inline(never)]
pub fn close(account: &AccountInfo, to: &AccountInfo) -> Result<()> {
    shift(account, to, account.lamports())?;
    account.assign(&system_program::ID);
    account.resize(0)?;
    Ok(())
}

/// The system program's number of the instruction that hands an account to another program, as it stands in the call.
const ASSIGN: [u8; 4] = 1u32.to_le_bytes();

/// Makes `account` one of `program`, which calls this, with `space` bytes of zeros, without funding it: works whether or not
/// somebody sent lamports to the address before. Nobody holds a borrow of it.
///
/// # Errors
/// Those of the call.
#[inline(never)]
pub fn open_unfunded(program: &Pubkey, account: &AccountInfo, space: usize, seeds: &[&[u8]]) -> Result<()> {
    // An account of a program can be resized by it directly: one call less than allocating by the system program.
    let mut data = Vec::with_capacity(ASSIGN.len() + program.as_ref().len());
    data.extend_from_slice(&ASSIGN);
    data.extend_from_slice(program.as_ref());
    let accounts = vec![AccountMeta::new(*account.key, true)];
    let assign = Instruction { program_id: system_program::ID, accounts, data };
    invoke_signed_unchecked(&assign, core::slice::from_ref(account), &[seeds])?;
    account.resize(space)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
