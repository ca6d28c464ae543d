//! Rent: direct moves of lamports between accounts of this program and accounts that it opens or closes.
//! Called after every CPI, because a CPI refuses a caller whose lamports do not add up at that moment.

use anchor_lang::prelude::*;
use anchor_lang::system_program;
use gridlease_core::{RuleError, UnixTs, tip};

use crate::error::rule;
use crate::event::TipPaid;

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

/// Makes `account` one of this program with `space` bytes of zeros, without funding it: works whether or not somebody
/// sent lamports to the address before.
pub fn open_unfunded<'info>(
    account: &AccountInfo<'info>,
    system: &AccountInfo<'info>,
    space: usize,
    seeds: &[&[u8]],
) -> Result<()> {
    // An account of this program can be resized by it directly: one call less than allocating by the system program.
    let assign = system_program::Assign { account_to_assign: account.clone() };
    system_program::assign(CpiContext::new_with_signer(system.key(), assign, &[seeds]), &crate::ID)?;
    account.resize(space)?;
    Ok(())
}

/// Pays lamports in, out of an account that signs.
pub fn pay_in<'info>(
    system: &Program<'info, System>,
    from: &Signer<'info>,
    to: &AccountInfo<'info>,
    lamports: u64,
) -> Result<()> {
    if lamports == 0 {
        return Ok(());
    }
    let accounts = system_program::Transfer { from: from.to_account_info(), to: to.clone() };
    system_program::transfer(CpiContext::new(system.key(), accounts), lamports)
}

/// A keeper's tip for one step, out of what an account of this program holds above its rent. An instruction tells the event
/// ([`Tip::told`]) and then pays it, last.
pub struct Tip<'a, 'info> {
    from: &'a AccountInfo<'info>,
    to: &'a AccountInfo<'info>,
    lamports: u64,
}

impl<'a, 'info> Tip<'a, 'info> {
    /// What `to` earns for a step that was due at `due` and is taken at `now`; `None` where nobody is named, the step is not late
    /// enough, or nothing is left of what was set aside in `from`. It never fails for want of lamports: it is what is there.
    pub fn earned(
        from: &'a AccountInfo<'info>,
        to: Option<&'a UncheckedAccount<'info>>,
        due: UnixTs,
        now: UnixTs,
    ) -> Result<Option<Self>> {
        Self::earned_beside(from, to, due, now, 0)
    }

    /// As [`Tip::earned`], where `from` holds `besides` lamports for something else.
    pub fn earned_beside(
        from: &'a AccountInfo<'info>,
        to: Option<&'a UncheckedAccount<'info>>,
        due: UnixTs,
        now: UnixTs,
        besides: u64,
    ) -> Result<Option<Self>> {
        let Some(to) = to else { return Ok(None) };
        let wanted = tip::tip(due, now);
        if wanted == 0 {
            return Ok(None);
        }
        let rent = Rent::get()?.minimum_balance(from.data_len());
        Ok(Self::of(from, to, wanted, rent.saturating_add(besides)))
    }

    /// As much of `wanted` as `from` holds above `rent`; `None` where that is nothing, or `to` is `from`.
    pub fn of(from: &'a AccountInfo<'info>, to: &'a AccountInfo<'info>, wanted: u64, rent: u64) -> Option<Self> {
        let lamports = tip::payable(wanted, from.lamports(), rent);
        (lamports > 0 && from.key != to.key).then_some(Self { from, to, lamports })
    }

    /// What the world is told of it.
    pub fn told(&self) -> TipPaid {
        TipPaid { from: *self.from.key, to: *self.to.key, lamports: self.lamports }
    }

    /// Moves the lamports.
    pub fn pay(self) -> Result<()> {
        shift(self.from, self.to, self.lamports)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pays a tip of 10,000 between two accounts with these lamports and a rent of 1,000; returns what was told and what both
    /// have then.
    fn tipped(mut from: u64, mut to: u64) -> (u64, u64, u64) {
        let (program, keys) = (crate::ID, [Pubkey::new_unique(), Pubkey::new_unique()]);
        let (mut none, mut empty) = ([], []);
        let a = AccountInfo::new(&keys[0], false, true, &mut from, &mut none, &program, false);
        let b = AccountInfo::new(&keys[1], true, true, &mut to, &mut empty, &program, false);
        let told = Tip::of(&a, &b, 10_000, 1_000).map_or(0, |tip| {
            let told = tip.told().lamports;
            tip.pay().unwrap();
            told
        });
        (told, a.lamports(), b.lamports())
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
    fn an_account_cannot_tip_itself() {
        let (key, mut lamports, mut data) = (Pubkey::new_unique(), 50_000, []);
        let account = AccountInfo::new(&key, true, true, &mut lamports, &mut data, &crate::ID, false);
        assert!(Tip::of(&account, &account, 10_000, 1_000).is_none());
    }
}
