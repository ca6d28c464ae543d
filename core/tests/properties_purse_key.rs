//! Who may do what with a purse: the whole table, and that no combination of keys is more than its parts.

use gridlease_core::purse_key::{PurseKey, PurseStep};

/// Owner, spender, guardian.
const TABLE: [(PurseStep, bool, bool); 12] = [
    (PurseStep::Withdraw, false, false),
    (PurseStep::SetKey, false, false),
    (PurseStep::Close, false, false),
    (PurseStep::Post, true, false),
    (PurseStep::Cancel, false, true),
    (PurseStep::Stop, false, true),
    (PurseStep::Reject, false, true),
    (PurseStep::Reopen, false, true),
    (PurseStep::Accept, true, true),
    (PurseStep::TopUp, false, true),
    (PurseStep::Extend, false, true),
    (PurseStep::Speak, false, true),
];

#[test]
fn r26_the_owner_may_everything_and_the_others_what_the_table_says() {
    assert_eq!(TABLE.map(|(step, ..)| step), PurseStep::ALL);
    for (step, spender, guardian) in TABLE {
        let may = [PurseKey::Owner, PurseKey::Spender, PurseKey::Guardian].map(|key| key.may(step));
        assert_eq!(may, [true, spender, guardian], "{step:?}");
    }
}

#[test]
fn r26_a_key_with_several_roles_may_what_one_of_them_may() {
    for step in PurseStep::ALL {
        for roles in 0..8u8 {
            let (owner, spender, guardian) = (roles & 1 != 0, roles & 2 != 0, roles & 4 != 0);
            let held = [(owner, PurseKey::Owner), (spender, PurseKey::Spender), (guardian, PurseKey::Guardian)];
            let any = held.iter().any(|(held, key)| *held && key.may(step));
            let taken = PurseKey::of(owner, spender, guardian, step);
            assert_eq!(taken.is_some(), any, "{step:?} with {roles:03b}");
            assert!(taken.is_none_or(|taken| held.contains(&(true, taken)) && taken.may(step)));
            if owner {
                assert_eq!(taken, Some(PurseKey::Owner), "no cap holds the owner");
            }
        }
    }
}
