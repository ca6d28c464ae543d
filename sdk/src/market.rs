//! Typed reads of the market: each account decoded, with an error that names the address.

use core::mem::offset_of;

use solana_pubkey::Pubkey;

use crate::account::{
    Array, Bond, Config, DecodeError, GpuClaim, Job, Kind, Lease, Offer, Provider, Purse, StakingConfig, decode,
    manifest_uri, offset, size,
};
use crate::address;
use crate::rpc::{Client, ProgramQuery, RpcError};

/// Why a read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The cluster did not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The account is not what was expected.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// There is no such account.
    #[error("there is no {kind} at {address}")]
    Missing {
        /// What was asked for.
        kind: &'static str,
        /// Where.
        address: Pubkey,
    },
}

/// An account with its address.
pub type At<T> = (Pubkey, T);

/// Byte offset of a job's state.
pub const JOB_STATE_AT: usize = offset(offset_of!(Job, header.state));
/// Byte offset of a job's buyer.
pub const JOB_OWNER_AT: usize = offset(offset_of!(Job, owner));
/// Byte offset of an offer's provider record.
pub const OFFER_PROVIDER_AT: usize = offset(offset_of!(Offer, provider));
/// Byte offset of a lease's provider record.
pub const LEASE_PROVIDER_AT: usize = offset(offset_of!(Lease, provider));
/// Byte offset of a GPU claim's offer.
pub const CLAIM_OFFER_AT: usize = offset(offset_of!(GpuClaim, offer));
/// Byte offset of the purse in a job.
pub const JOB_PURSE_AT: usize = offset(offset_of!(Job, purse));
/// Byte offset of the purse in a lease.
pub const LEASE_PURSE_AT: usize = offset(offset_of!(Lease, purse));
/// Byte offset of the purse in an array.
pub const ARRAY_PURSE_AT: usize = offset(offset_of!(Array, purse));

/// A query for all accounts of kind `T`, of any version.
pub fn all_of<T: Kind>() -> ProgramQuery {
    ProgramQuery::new(T::owner()).bytes_at(0, T::DISCRIMINATOR)
}

impl Client {
    /// The account at `address`, or `None` where there is none.
    ///
    /// # Errors
    /// [`ReadError::Rpc`], [`ReadError::Decode`].
    pub async fn find<T: Kind>(&self, address: &Pubkey) -> Result<Option<T>, ReadError> {
        let Some(account) = self.account(address).await? else { return Ok(None) };
        if account.lamports == 0 {
            return Ok(None);
        }
        Ok(Some(decode(address, &account.owner, &account.data)?))
    }

    /// The account at `address`.
    ///
    /// # Errors
    /// [`ReadError`]; [`ReadError::Missing`] where there is none.
    pub async fn get<T: Kind>(&self, address: &Pubkey) -> Result<T, ReadError> {
        self.find(address).await?.ok_or(ReadError::Missing { kind: T::KIND, address: *address })
    }

    /// Every account of kind `T` whose bytes match `filters` (offset, bytes). What does not decode is left out: it is of
    /// another version.
    ///
    /// # Errors
    /// [`ReadError::Rpc`].
    pub async fn all<T: Kind>(&self, filters: &[(usize, &[u8])]) -> Result<Vec<At<T>>, ReadError> {
        let mut query = all_of::<T>();
        for (offset, bytes) in filters {
            query = query.bytes_at(*offset, bytes);
        }
        let found = self.program_accounts(&query).await?;
        Ok(found
            .into_iter()
            .filter_map(|(key, account)| decode(&key, &account.owner, &account.data).ok().map(|value| (key, value)))
            .collect())
    }

    /// The market's configuration.
    ///
    /// # Errors
    /// [`ReadError`]; missing where the market is not set up on this cluster.
    pub async fn market_config(&self) -> Result<Config, ReadError> {
        self.get(&address::market_config()).await
    }

    /// The staking program's configuration, which alone names the insurance account.
    ///
    /// # Errors
    /// [`ReadError`]; missing where the staking program is not set up on this cluster.
    pub async fn staking_config(&self) -> Result<StakingConfig, ReadError> {
        self.get(&address::staking_config()).await
    }

    /// The purse of `owner`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn purse_of(&self, owner: &Pubkey) -> Result<Option<Purse>, ReadError> {
        self.find(&address::purse(owner)).await
    }

    /// The bond of a provider's `authority`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn bond_of(&self, authority: &Pubkey) -> Result<Option<Bond>, ReadError> {
        self.find(&address::bond(authority)).await
    }

    /// The offers of a provider record.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn offers_of(&self, provider: &Pubkey) -> Result<Vec<At<Offer>>, ReadError> {
        self.all(&[(OFFER_PROVIDER_AT, provider.as_ref())]).await
    }

    /// The leases of a provider record.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn leases_of(&self, provider: &Pubkey) -> Result<Vec<At<Lease>>, ReadError> {
        self.all(&[(LEASE_PROVIDER_AT, provider.as_ref())]).await
    }

    /// A provider record by its address.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn provider_at(&self, address: &Pubkey) -> Result<Provider, ReadError> {
        self.get(address).await
    }

    /// A job and the URI of its manifest, where it has one.
    ///
    /// # Errors
    /// [`ReadError`].
    pub async fn job_with_uri(&self, address: &Pubkey) -> Result<(Job, Option<String>), ReadError> {
        let account = self.account(address).await?.filter(|account| account.lamports > 0);
        let account = account.ok_or(ReadError::Missing { kind: Job::KIND, address: *address })?;
        let job: Job = decode(address, &account.owner, &account.data)?;
        let uri = manifest_uri(address, &job, &account.data)?;
        Ok((job, uri))
    }
}

/// Bytes of a lease account, for a `dataSize` filter.
pub const LEASE_BYTES: usize = size::<Lease>();
