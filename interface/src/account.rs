//! Decoding of accounts: by owner, discriminator and version, never by guess.

use anchor_lang::{Discriminator, Owner};
use bytemuck::Pod;
use gridlease_core::array::Task;
use solana_pubkey::Pubkey;

pub use market_interface::account::{
    Array, BookEntry, Commitment, Config, GpuClaim, Header, Job, Lease, Machine, Offer, PriceIndex, Provider, Purse,
    TaskGroup, TradeData, first, offer_state,
};
pub use market_interface::tie;
pub use staking_interface::account::{ACTIVE, DELEGATOR, OPERATOR, RELEASED, first as staking_first};
pub use staking_interface::account::{Bond, Config as StakingConfig, Delegation, Reservation, Unbonding};

/// The layout version of the market's accounts. This crate reads it and every older one.
pub const VERSION: u8 = market_interface::account::ACCOUNT_VERSION;

/// Why bytes are not the account that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another program owns it.
    #[error("account {address} belongs to program {owner}, not to {expected}; is this the right cluster?")]
    WrongOwner {
        /// The account.
        address: Pubkey,
        /// Who owns it.
        owner: Pubkey,
        /// Who should.
        expected: Pubkey,
    },
    /// It is another kind of account.
    #[error("account {address} is not a {kind}")]
    WrongKind {
        /// The account.
        address: Pubkey,
        /// What was asked for.
        kind: &'static str,
    },
    /// It was written by another version of the program.
    #[error(
        "account {address} ({kind}) has layout version {found}, this program reads version {VERSION}; an older account is migrated first, for a newer one update gridlease"
    )]
    WrongVersion {
        /// The account.
        address: Pubkey,
        /// What was asked for.
        kind: &'static str,
        /// The version found.
        found: u8,
    },
    /// Its bytes contradict themselves.
    #[error("account {address} ({kind}) is damaged: {what}")]
    Damaged {
        /// The account.
        address: Pubkey,
        /// What was asked for.
        kind: &'static str,
        /// What is wrong.
        what: &'static str,
    },
}

/// An account of one of the programs.
pub trait Kind: Pod + Discriminator + Owner {
    /// Its name.
    const KIND: &'static str;
    /// What it was in version 1.
    const FIRST: First;
}

/// What a kind of account was in version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum First {
    /// The same.
    Same,
    /// It had this many bytes, and has grown at its end since: what was added reads as zero.
    Shorter(usize),
    /// The same but for eight bytes at the second place, which are gone: what stood behind them moved down.
    Cut(usize, usize),
    /// Another: it is read after its migration.
    Other,
}

macro_rules! kinds {
    ($($type:ty => $name:literal, $first:expr;)*) => {
        $(impl Kind for $type {
            const KIND: &'static str = $name;
            const FIRST: First = $first;
        })*
    };
}

kinds! {
    Config => "market configuration", First::Same;
    Purse => "purse", First::Cut(first::PURSE, first::PURSE_COMPENSATED);
    Provider => "provider", First::Shorter(first::PROVIDER);
    Offer => "offer", First::Shorter(first::OFFER);
    Job => "job", First::Other;
    Lease => "lease", First::Other;
    PriceIndex => "price index", First::Same;
    StakingConfig => "staking configuration", First::Same;
    Bond => "bond", First::Shorter(staking_first::BOND);
    Reservation => "reservation", First::Shorter(staking_first::RESERVATION);
    Commitment => "sealed bid", First::Same;
    GpuClaim => "GPU claim", First::Same;
    Machine => "machine", First::Same;
    Delegation => "delegation", First::Shorter(staking_first::DELEGATION);
    Unbonding => "request to unbond", First::Same;
    Array => "array", First::Other;
    TaskGroup => "task group", First::Same;
}

/// Decodes the account at `address`.
///
/// # Errors
/// [`DecodeError`] where owner, discriminator, size or version are not those of `T`.
pub fn decode<T: Kind>(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<T, DecodeError> {
    if *owner != T::owner() {
        return Err(DecodeError::WrongOwner { address: *address, owner: *owner, expected: T::owner() });
    }
    let wrong_kind = || DecodeError::WrongKind { address: *address, kind: T::KIND };
    let body = data.strip_prefix(T::DISCRIMINATOR).ok_or_else(wrong_kind)?;
    let version = body.first().copied().ok_or_else(wrong_kind)?;
    if !(1..=VERSION).contains(&version) {
        return Err(DecodeError::WrongVersion { address: *address, kind: T::KIND, found: version });
    }
    match T::FIRST {
        First::Shorter(len) | First::Cut(len, _) if version == 1 => {
            let mut value = T::zeroed();
            let bytes = bytemuck::bytes_of_mut(&mut value).get_mut(..len).ok_or_else(wrong_kind)?;
            bytes.copy_from_slice(body.get(..len).ok_or_else(wrong_kind)?);
            if let First::Cut(_, at) = T::FIRST {
                first::take_out(bytes, at, len);
            }
            Ok(value)
        }
        First::Other if version == 1 => {
            Err(DecodeError::WrongVersion { address: *address, kind: T::KIND, found: version })
        }
        _ => body.get(..size_of::<T>()).map(bytemuck::pod_read_unaligned).ok_or_else(wrong_kind),
    }
}

/// Bytes of an account of type `T` without a tail, for a `dataSize` filter.
pub const fn size<T: Kind>() -> usize {
    8 + size_of::<T>()
}

/// Byte offset of `field` (as `core::mem::offset_of!` tells it) in an account's data, for a filter.
pub const fn offset(field: usize) -> usize {
    8 + field
}

fn damaged<T: Kind>(address: &Pubkey, what: &'static str) -> DecodeError {
    DecodeError::Damaged { address: *address, kind: T::KIND, what }
}

/// The manifest's URI behind the fixed part of a job; `None` where the buyer pushes it.
///
/// # Errors
/// [`DecodeError::Damaged`] where the account is too short or the URI is not text.
pub fn manifest_uri(address: &Pubkey, job: &Job, data: &[u8]) -> Result<Option<String>, DecodeError> {
    let uri = job.manifest_uri(data).ok_or_else(|| damaged::<Job>(address, "the URI is cut off or is not UTF-8"))?;
    Ok((!uri.is_empty()).then(|| uri.to_owned()))
}

/// An array's tasks, in order, out of the account's data.
///
/// # Errors
/// [`DecodeError::Damaged`] where the account is too short.
pub fn tasks(address: &Pubkey, array: &Array, data: &[u8]) -> Result<Vec<Task>, DecodeError> {
    array.tasks(data).ok_or_else(|| damaged::<Array>(address, "the tasks are cut off"))
}

/// URL of a provider's node.
///
/// # Errors
/// [`DecodeError::Damaged`] where it is not text.
pub fn endpoint_url<'a>(address: &Pubkey, provider: &'a Provider) -> Result<&'a str, DecodeError> {
    provider.endpoint_url().ok_or_else(|| damaged::<Provider>(address, "the endpoint is not UTF-8"))
}
