//! Decoding of accounts: by owner, discriminator and version, never by guess.

use anchor_lang::{Discriminator, Owner};
use bytemuck::Pod;
use gridlease_core::array::Task;
use solana_pubkey::Pubkey;

pub use market_interface::account::{
    Array, BookEntry, Commitment, Config, GpuClaim, Header, Job, Lease, Offer, PriceIndex, Provider, Purse, TaskGroup,
    TradeData, offer_state,
};
pub use staking_interface::account::{ACTIVE, DELEGATOR, OPERATOR, RELEASED};
pub use staking_interface::account::{Bond, Config as StakingConfig, Delegation, Reservation, Unbonding};

/// The layout version that this crate reads.
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
        "account {address} ({kind}) has layout version {found}, this program reads version {VERSION}; update gridlease"
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
}

macro_rules! kinds {
    ($($type:ty => $name:literal),* $(,)?) => { $(impl Kind for $type { const KIND: &'static str = $name; })* };
}

kinds!(
    Config => "market configuration", Purse => "purse", Provider => "provider", Offer => "offer", Job => "job",
    Lease => "lease", PriceIndex => "price index", StakingConfig => "staking configuration", Bond => "bond",
    Reservation => "reservation", Commitment => "sealed bid", GpuClaim => "GPU claim", Delegation => "delegation",
    Unbonding => "request to unbond", Array => "array", TaskGroup => "task group",
);

/// Decodes the account at `address`.
///
/// # Errors
/// [`DecodeError`] where owner, discriminator, size or version are not those of `T`.
pub fn decode<T: Kind>(address: &Pubkey, owner: &Pubkey, data: &[u8]) -> Result<T, DecodeError> {
    if *owner != T::owner() {
        return Err(DecodeError::WrongOwner { address: *address, owner: *owner, expected: T::owner() });
    }
    let body = data.strip_prefix(T::DISCRIMINATOR).and_then(|rest| rest.get(..size_of::<T>()));
    let Some(body) = body else { return Err(DecodeError::WrongKind { address: *address, kind: T::KIND }) };
    match body.first() {
        Some(&VERSION) => Ok(bytemuck::pod_read_unaligned(body)),
        found => {
            Err(DecodeError::WrongVersion { address: *address, kind: T::KIND, found: found.copied().unwrap_or(0) })
        }
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
