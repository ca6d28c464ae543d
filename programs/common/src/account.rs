//! What an account says of another, asked in one place.

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, ZeroCopy};

/// Does the account hold `key`, `at` bytes behind its discriminator? Not where it is too short, or borrowed to be written.
#[inline(never)]
pub fn holds(account: &AccountInfo, at: usize, key: &Pubkey) -> bool {
    let Ok(data) = account.try_borrow_data() else { return false };
    data.get(at..).and_then(|rest| rest.first_chunk::<32>()).is_some_and(|held| held == key.as_array())
}

/// Where a field lies in an account of type `T`, given its place in the type.
pub const fn place<T: ZeroCopy + Discriminator>(field: usize) -> usize {
    T::DISCRIMINATOR.len() + field
}

/// Does the field of this account hold the key of that one? What Anchor's `has_one` asks, which writes the loading of the
/// account, two copies of keys and the error into every instruction, some 700 bytes each time.
///
/// `names!(lease: Lease, purse)`: does the field `purse` of the `Lease` in `lease` hold the key of the account `purse`?
#[macro_export]
macro_rules! names {
    ($account:ident: $type:ty, $field:ident) => {
        $crate::account::holds(
            ::core::convert::AsRef::<$crate::anchor_lang::prelude::AccountInfo>::as_ref(&$account),
            const { $crate::account::place::<$type>(::core::mem::offset_of!($type, $field)) },
            &$crate::anchor_lang::Key::key(&$field),
        )
    };
}
