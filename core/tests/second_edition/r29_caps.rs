//! R29. A market that nobody has proven yet holds whatever people bring; what a bug in it could lose has no bound.

use gridlease_core::governance::Caps;
use gridlease_core::purse::Purse;
use gridlease_core::{Atoms, RuleError};

use super::money::U;

#[test]
fn r29_a_purse_takes_no_more_than_the_market_s_cap_and_gives_back_all_that_it_holds() {
    let caps = Caps::GENESIS;
    let mut purse = Purse::default();
    let deposit = |purse: &mut Purse, amount: Atoms| {
        caps.check_deposit(purse.balance.add(amount)?)?;
        purse.deposit(amount)
    };
    // The first edition's `deposit` alone takes anything.
    assert_eq!({ purse }.deposit(Atoms(1_000_000_000 * U)), Ok(()));
    assert_eq!(deposit(&mut purse, Atoms(1_000_000_000 * U)), Err(RuleError::PurseCap));
    assert_eq!(deposit(&mut purse, caps.purse), Ok(()));
    assert_eq!(deposit(&mut purse, Atoms(1)), Err(RuleError::PurseCap));
    // A refund is never asked: what a job did not spend comes back above a cap that was lowered meanwhile.
    purse.reserve(Atoms(500 * U)).unwrap();
    let lower = Caps { purse: Atoms(U), ..caps };
    let refused = Err(RuleError::RaisesCap);
    assert_eq!((caps.lower_to(&lower), lower.lower_to(&caps)), (Ok(()), refused), "down at once, up by a proposal");
    assert_eq!(purse.release(Atoms(500 * U)), Ok(()));
    assert_eq!(purse.withdraw(caps.purse), Ok(()));
}
