//! Reading what the audit checks.

use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gridlease_core::Atoms;
use gridlease_sdk::account::{Bond, Job, Kind, Lease, Purse, decode};
use gridlease_sdk::address::{MARKET, bond_vault, purse_vault};
use gridlease_sdk::rpc::{Client, ProgramQuery, RpcError};
use solana_account::Account;
use solana_program_pack::Pack as _;
use solana_pubkey::Pubkey;
use spl_token_interface::state::Account as TokenAccount;

use super::{Holdings, Violation, check_bond, check_purse, check_vault};
use crate::convert;
use crate::view::View;

/// Where jobs and leases record their purse: behind discriminator, header and one address. A test pins it.
pub(super) const PURSE_AT: usize = 8 + 16 + 32;
/// How often a purse is read again where something moved in between.
const ATTEMPTS: u32 = 4;
/// Pause before that.
const PAUSE: Duration = Duration::from_millis(700);
/// Accounts read with their vaults in one request (two keys each, of 100).
const PAIRS: usize = 50;
/// Suspicious purses read again at the same time.
const AT_ONCE: usize = 4;
/// Most suspicious purses of one audit; a view in the middle of a change may suspect many.
const MAX_SUSPECTS: usize = 256;

/// What one audit looks at. Taken from a view, so that the audit can go on beside it.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Purses that do not balance as far as the view knows.
    pub suspects: Vec<Pubkey>,
    /// All purses.
    pub purses: Vec<Pubkey>,
    /// All bonds.
    pub bonds: Vec<Pubkey>,
}

impl Subject {
    /// What to look at. The view may be in the middle of a change, so what does not balance there is only a suspect.
    pub fn of(view: &View) -> Self {
        let mut holdings: std::collections::BTreeMap<Pubkey, Holdings> = view
            .purses()
            .map(|(address, purse)| {
                (*address, Holdings { purse: purse.amounts(), jobs: Vec::new(), leases: Vec::new() })
            })
            .collect();
        for (_, job) in view.jobs() {
            if let (Some(of), Some(rules)) = (holdings.get_mut(&job.purse), convert::job(job)) {
                of.jobs.push(rules);
            }
        }
        for (address, lease) in view.leases() {
            if let (Some(of), Some(rules)) = (holdings.get_mut(&lease.purse), lease.rules()) {
                of.leases.push((*address, rules));
            }
        }
        let suspects = holdings.iter().filter(|(address, holdings)| !check_purse(address, holdings).is_empty());
        Self {
            suspects: suspects.map(|(address, _)| *address).take(MAX_SUSPECTS).collect(),
            purses: holdings.keys().copied().collect(),
            bonds: view.bonds().map(|(address, _)| *address).collect(),
        }
    }

    /// Accounts that it looks at.
    pub fn len(&self) -> usize {
        self.purses.len() + self.bonds.len()
    }

    /// Is there nothing to look at?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Audits `subject` on the chain. What cannot be read consistently is left for the next audit.
///
/// # Errors
/// [`RpcError`] where the network gives no answer.
pub async fn audit(client: &Client, subject: &Subject) -> Result<Vec<Violation>, RpcError> {
    let mut violations = Vec::new();
    let looks = subject.suspects.clone().into_iter().map(|purse| async move { audit_purse(client, &purse).await });
    let mut looked = stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(found) = looked.next().await {
        violations.extend(found?);
    }
    for purses in subject.purses.chunks(PAIRS) {
        let pairs = with_vaults(client, purses, purse_vault).await?;
        violations.extend(pairs.iter().filter_map(|(address, account, vault)| {
            let purse: Purse = read(address, account)?;
            check_vault(address, &purse.amounts(), *vault)
        }));
    }
    for bonds in subject.bonds.chunks(PAIRS) {
        let pairs = with_vaults(client, bonds, bond_vault).await?;
        violations.extend(pairs.iter().filter_map(|(address, account, vault)| {
            let bond: Bond = read(address, account)?;
            check_bond(address, &bond.amounts(), *vault)
        }));
    }
    // Which purse was read first is chance.
    violations.sort_by_key(ToString::to_string);
    Ok(violations)
}

/// Accounts with the tokens in their vaults, each batch of one moment. One that is gone is left out; a vault that is gone
/// holds nothing.
async fn with_vaults(
    client: &Client,
    addresses: &[Pubkey],
    vault_of: fn(&Pubkey) -> Pubkey,
) -> Result<Vec<(Pubkey, Account, Atoms)>, RpcError> {
    let keys: Vec<Pubkey> = addresses.iter().flat_map(|address| [*address, vault_of(address)]).collect();
    let accounts = client.accounts(&keys).await?;
    Ok(addresses
        .iter()
        .zip(accounts.chunks_exact(2))
        .filter_map(|(address, pair)| match pair {
            [Some(account), vault] => Some((*address, account.clone(), tokens(vault.as_ref()))),
            _ => None,
        })
        .collect())
}

fn tokens(vault: Option<&Account>) -> Atoms {
    vault
        .filter(|vault| vault.owner == spl_token_interface::ID)
        .and_then(|vault| TokenAccount::unpack(&vault.data).ok())
        .map_or(Atoms::ZERO, |token| Atoms(token.amount))
}

/// Reads a purse with its jobs and leases until the purse was the same before and after. Whatever a job or lease holds
/// changes together with its purse's reserved part, so then nothing moved in between.
async fn audit_purse(client: &Client, address: &Pubkey) -> Result<Vec<Violation>, RpcError> {
    let mut before = client.account(address).await?;
    for _ in 0..ATTEMPTS {
        let query = |kind: &[u8]| ProgramQuery::new(MARKET).bytes_at(0, kind).bytes_at(PURSE_AT, address.as_ref());
        let jobs = client.program_accounts(&query(discriminator::<Job>())).await?;
        let leases = client.program_accounts(&query(discriminator::<Lease>())).await?;
        let after = client.account(address).await?;
        let (Some(first), Some(last)) = (&before, &after) else { return Ok(Vec::new()) };
        if first.data == last.data {
            let Some(purse) = read::<Purse>(address, last) else { return Ok(Vec::new()) };
            return Ok(check_purse(address, &holdings(&purse, &jobs, &leases)));
        }
        before = after;
        tokio::time::sleep(PAUSE).await;
    }
    tracing::debug!(purse = %address, "this purse is too busy to be audited now; the next audit looks at it again");
    Ok(Vec::new())
}

fn holdings(purse: &Purse, jobs: &[(Pubkey, Account)], leases: &[(Pubkey, Account)]) -> Holdings {
    Holdings {
        purse: purse.amounts(),
        jobs: jobs.iter().filter_map(|(address, job)| convert::job(&read(address, job)?)).collect(),
        leases: leases
            .iter()
            .filter_map(|(address, lease)| Some((*address, read::<Lease>(address, lease)?.rules()?)))
            .collect(),
    }
}

fn discriminator<T: Kind>() -> &'static [u8] {
    T::DISCRIMINATOR
}

fn read<T: Kind>(address: &Pubkey, account: &Account) -> Option<T> {
    decode(address, &account.owner, &account.data).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable as _;

    #[test]
    fn jobs_and_leases_record_their_purse_where_the_query_looks_for_it() {
        let purse = Pubkey::new_unique();
        let job = Job { purse, ..Job::zeroed() };
        let lease = Lease { purse, ..Lease::zeroed() };
        for body in [bytemuck::bytes_of(&job), bytemuck::bytes_of(&lease)] {
            assert_eq!(&body[PURSE_AT - 8..PURSE_AT + 24], purse.as_ref());
        }
    }
}
