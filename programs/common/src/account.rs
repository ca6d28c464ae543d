//! What an account says of another, asked in one place.

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, ZeroCopy};

/// Does the account hold `key` at the byte `at`? Not where it has not the `least` bytes of its kind, or is borrowed to be written.
#[inline(never)]
pub fn holds(account: &AccountInfo, least: usize, at: usize, key: &Pubkey) -> bool {
    let Ok(data) = account.try_borrow_data() else { return false };
    if data.len() < least {
        return false;
    }
    data.get(at..).and_then(|rest| rest.first_chunk::<32>()).is_some_and(|held| held == key.as_array())
}

/// Where the byte `field` of a `T` lies in an account.
pub const fn place<T: ZeroCopy + Discriminator>(field: usize) -> usize {
    T::DISCRIMINATOR.len() + field
}

/// Does the field of this account hold the key of that one? What Anchor's `has_one` asks, which writes the loading of the
/// account, two copies of keys and the error into every instruction, some 700 bytes each time. Beside it stands a `has_one` for the
/// IDL alone, whose clients find accounts by it; `cargo xtask tidy` compares the two.
///
/// `names!(lease: Lease, purse)`: does the field `purse` of the `Lease` in `lease` hold the key of the account `purse`?
#[macro_export]
macro_rules! names {
    ($account:ident: $type:ty, $field:ident) => {
        $crate::account::holds(
            ::core::convert::AsRef::<::anchor_lang::prelude::AccountInfo>::as_ref(&$account),
            const { $crate::account::place::<$type>(::core::mem::size_of::<$type>()) },
            const { $crate::account::place::<$type>(::core::mem::offset_of!($type, $field)) },
            &$field.key(),
        )
    };
}
