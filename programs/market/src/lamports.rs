//! Rent: direct moves of lamports between accounts of this program and accounts that it opens or closes.
//! Called after every CPI, because a CPI refuses a caller whose lamports do not add up at that moment.

use anchor_lang::prelude::*;
use anchor_lang::system_program;
use gridlease_core::{UnixTs, tip};
pub use program_common::lamports::{close, rent_of, shift};

use crate::emit::tell;
use crate::event::TipPaid;

/// Makes `account` one of this program; see [`program_common::lamports::open_unfunded`].
pub fn open_unfunded(account: &AccountInfo, space: usize, seeds: &[&[u8]]) -> Result<()> {
    program_common::lamports::open_unfunded(&crate::ID, account, space, seeds)
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

/// Pays `to` the tip for a step that was due at `due` and is taken at `now`, out of what `from`, an account of this program, holds
/// above its rent; and tells of it. Nothing where nobody is named, the step is not late enough, or nothing is left of what was
/// set aside. It never fails for want of lamports: it pays what is there.
pub fn pay_tip<'info>(
    events: &AccountInfo<'info>,
    from: &AccountInfo<'info>,
    to: Option<&UncheckedAccount<'info>>,
    due: UnixTs,
    now: UnixTs,
) -> Result<()> {
    pay_tip_beside(events, from, to, due, now, 0)
}

/// As [`pay_tip`], where `from` holds `besides` lamports for something else.
#[inline(never)]
pub fn pay_tip_beside<'info>(
    events: &AccountInfo<'info>,
    from: &AccountInfo<'info>,
    to: Option<&UncheckedAccount<'info>>,
    due: UnixTs,
    now: UnixTs,
    besides: u64,
) -> Result<()> {
    let Some(to) = to else { return Ok(()) };
    let wanted = tip::tip(due, now);
    if wanted == 0 {
        return Ok(());
    }
    let keeps = rent_of(&Rent::get()?, from.data_len()).saturating_add(besides);
    pay_above(events, from, to, wanted, keeps)
}

/// Pays the tip for an award that leases: at least a tip, late or not ([`tip::award_tip`]). Where nobody is named it goes to the
/// `lease`, for what has to be done there: who posts pays it in any case.
pub fn pay_award_tip<'info>(
    events: &AccountInfo<'info>,
    job: &AccountInfo<'info>,
    to: Option<&UncheckedAccount<'info>>,
    lease: &AccountInfo<'info>,
    due: UnixTs,
    now: UnixTs,
) -> Result<()> {
    let keeps = rent_of(&Rent::get()?, job.data_len());
    match to {
        Some(to) => pay_above(events, job, to, tip::award_tip(due, now), keeps),
        None => shift(job, lease, tip::payable(tip::TIP, job.lamports(), keeps)),
    }
}

/// Pays `to` a bounty of `wanted` lamports, as far as `from` holds that above its rent, and tells of it as of a tip.
pub fn pay_bounty<'info>(
    events: &AccountInfo<'info>,
    from: &AccountInfo<'info>,
    to: &AccountInfo<'info>,
    wanted: u64,
) -> Result<()> {
    let keeps = rent_of(&Rent::get()?, from.data_len());
    pay_above(events, from, to, wanted, keeps)
}

fn pay_above(events: &AccountInfo, from: &AccountInfo, to: &AccountInfo, wanted: u64, keeps: u64) -> Result<()> {
    let lamports = payable(from, to, wanted, keeps);
    if lamports == 0 {
        return Ok(());
    }
    tell(events, &TipPaid { from: *from.key, to: *to.key, lamports })?;
    shift(from, to, lamports)
}

/// As much of `wanted` as `from` holds above `keeps`; nothing from an account to itself.
fn payable(from: &AccountInfo, to: &AccountInfo, wanted: u64, keeps: u64) -> u64 {
    if from.key == to.key { 0 } else { tip::payable(wanted, from.lamports(), keeps) }
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
        let paid = payable(&a, &b, 10_000, 1_000);
        shift(&a, &b, paid).unwrap();
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
    fn an_account_cannot_tip_itself() {
        let (key, mut lamports, mut data) = (Pubkey::new_unique(), 50_000, []);
        let account = AccountInfo::new(&key, true, true, &mut lamports, &mut data, &crate::ID, false);
        assert_eq!(payable(&account, &account, 10_000, 1_000), 0);
    }
}
