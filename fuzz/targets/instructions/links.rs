//! What belongs to what. The fuzzer writes anything into any account, also that a lease is of another purse than its job, which
//! no program ever writes and some instructions need not ask: in such a world sums say nothing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use gridlease_sdk::account::{
    Array, Delegation, GpuClaim, Job, Kind, Lease, Offer, Provider, Reservation, Unbonding, decode,
};
use gridlease_sdk::address::{MARKET, STAKING};
use solana_pubkey::Pubkey;

use super::scene::{Given, SCENES};

/// Every account of every scene with what it says that it belongs to.
static KNOWN: LazyLock<BTreeSet<(Pubkey, Vec<Pubkey>)>> = LazyLock::new(|| {
    let all = SCENES.iter().flat_map(|scene| scene.accounts.iter().chain(scene.others.iter()));
    all.filter(|account| is_ours(account)).map(|account| (account.key, of(account))).collect()
});

/// Does every account belong to what it belongs to in one of the scenes?
pub fn stand(accounts: &[Given]) -> bool {
    accounts.iter().filter(|account| is_ours(account)).all(|account| KNOWN.contains(&(account.key, of(account))))
}

fn is_ours(account: &Given) -> bool {
    account.owner == MARKET || account.owner == STAKING
}

fn of(account: &Given) -> Vec<Pubkey> {
    fn read<T: Kind>(account: &Given, links: impl Fn(&T) -> Vec<Pubkey>) -> Option<Vec<Pubkey>> {
        decode::<T>(&account.key, &account.owner, &account.data).ok().map(|value| links(&value))
    }
    read(account, |job: &Job| vec![job.purse, job.array])
        .or_else(|| {
            read(account, |lease: &Lease| vec![lease.job, lease.purse, lease.offer, lease.provider, lease.bond])
        })
        .or_else(|| read(account, |array: &Array| vec![array.purse]))
        .or_else(|| read(account, |offer: &Offer| vec![offer.provider]))
        .or_else(|| read(account, |claim: &GpuClaim| vec![claim.offer]))
        .or_else(|| read(account, |provider: &Provider| vec![provider.bond]))
        .or_else(|| read(account, |reservation: &Reservation| vec![reservation.bond, reservation.lease]))
        .or_else(|| read(account, |request: &Unbonding| vec![request.bond, request.owner]))
        .or_else(|| read(account, |delegation: &Delegation| vec![delegation.bond, delegation.delegator]))
        .unwrap_or_default()
}
