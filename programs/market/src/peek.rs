//! Looks at an account that may be gone: `None` instead of a refusal where it is not what was expected.

use core::cell::Ref;

use anchor_lang::prelude::*;
use anchor_lang::{Discriminator, Owner, ZeroCopy};

/// The account as a `T` of this program.
pub fn peek<'a, T: ZeroCopy + Owner + Discriminator>(info: &'a AccountInfo) -> Option<Ref<'a, T>> {
    if *info.owner != T::owner() {
        return None;
    }
    let data = info.try_borrow_data().ok()?;
    if data.len() < 8 + size_of::<T>() || !data.starts_with(T::DISCRIMINATOR) {
        return None;
    }
    Ref::filter_map(data, |data| bytemuck::try_from_bytes(data.get(8..8 + size_of::<T>())?).ok()).ok()
}
