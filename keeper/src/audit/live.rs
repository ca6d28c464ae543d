//! Reading what the audit checks: everything that is compared at one slot, and read again at a later one before an alarm is
//! raised, so that neither timing nor a short answer raises one.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use gridlease_core::Atoms;
use gridlease_core::limits::MAX_ATTEMPTS;
use gridlease_sdk::account::{Array, Bond, Job, Kind, Lease, Purse, decode};
use gridlease_sdk::address::{self, MARKET, bond_vault, purse_vault};
use gridlease_sdk::market::{ARRAY_PURSE_AT, JOB_PURSE_AT, LEASE_PURSE_AT};
use gridlease_sdk::rpc::fetch::AtSlot;
use gridlease_sdk::rpc::{Client, ProgramQuery, RpcError};
use solana_account::Account;
use solana_program_pack::Pack as _;
use solana_pubkey::Pubkey;
use spl_token_interface::state::Account as TokenAccount;

use super::{Holdings, Violation, check_bond, check_purse, check_vault};
use gridlease_sdk::view::View;

/// How often what does not balance is read in one audit; the last two readings have to agree.
const ATTEMPTS: u32 = 4;
/// Pause in between.
const PAUSE: Duration = Duration::from_millis(700);
/// Accounts read with their vaults in one request (two keys each, of 100).
const PAIRS: usize = 50;
/// Accounts read with their purse in one request.
const WITH_PURSE: usize = 99;
/// Suspicious purses read again at the same time.
const AT_ONCE: usize = 4;
/// Most suspicious purses of one audit; a view in the middle of a change may suspect many.
const MAX_SUSPECTS: usize = 256;
/// A lease may be there when its job is closed. Of so many of the newest jobs of a purse, all leases that there can be are
/// looked at before an alarm.
const HISTORY: u64 = 100;

/// A purse that does not balance as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The purse.
    pub purse: Pubkey,
    /// The jobs and leases that are known to hold something of it.
    pub holders: Vec<Pubkey>,
}

/// What one audit looks at. Taken from a view, so that the audit can go on beside it.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Purses that do not balance as far as the view knows.
    pub suspects: Vec<Suspect>,
    /// All purses.
    pub purses: Vec<Pubkey>,
    /// All bonds.
    pub bonds: Vec<Pubkey>,
}

impl Subject {
    /// What to look at. The view may be in the middle of a change, so what does not balance there is only a suspect.
    pub fn of(view: &View) -> Self {
        let mut holdings: BTreeMap<Pubkey, (Holdings, Vec<Pubkey>)> =
            view.purses().map(|(address, purse)| (*address, (Holdings::of(purse.amounts()), Vec::new()))).collect();
        for (address, job) in view.jobs() {
            if let (Some((of, holders)), Some(rules)) = (holdings.get_mut(&job.purse), job.rules().ok()) {
                of.jobs.push(rules);
                holders.push(*address);
            }
        }
        for (address, lease) in view.leases() {
            if let (Some((of, holders)), Some(rules)) = (holdings.get_mut(&lease.purse), lease.rules().ok()) {
                of.leases.push((*address, rules));
                holders.push(*address);
            }
        }
        let suspects = holdings.iter().filter(|(address, (holdings, _))| !check_purse(address, holdings).is_empty());
        let suspects = suspects.map(|(purse, (_, holders))| Suspect { purse: *purse, holders: holders.clone() });
        Self {
            suspects: suspects.take(MAX_SUSPECTS).collect(),
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
    let looks = subject.suspects.clone().into_iter().map(|suspect| async move { audit_purse(client, suspect).await });
    let mut looked = stream::iter(looks).buffer_unordered(AT_ONCE);
    while let Some(found) = looked.next().await {
        violations.extend(found?);
    }
    violations.extend(audit_vaults(client, &subject.purses, purse_vault, of_purse).await?);
    violations.extend(audit_vaults(client, &subject.bonds, bond_vault, of_bond).await?);
    // Which purse was read first is chance.
    violations.sort_by_key(ToString::to_string);
    Ok(violations)
}

/// What is wrong with an account whose vault holds so much.
type Check = fn(&Pubkey, &Account, Atoms) -> Option<Violation>;

fn of_purse(address: &Pubkey, account: &Account, vault: Atoms) -> Option<Violation> {
    check_vault(address, &read::<Purse>(address, account)?.amounts(), vault)
}

fn of_bond(address: &Pubkey, account: &Account, vault: Atoms) -> Option<Violation> {
    check_bond(address, &read::<Bond>(address, account)?.amounts(), vault)
}

/// Compares accounts with their vaults. What does not fit is read once more, at a later slot.
async fn audit_vaults(
    client: &Client,
    addresses: &[Pubkey],
    vault_of: fn(&Pubkey) -> Pubkey,
    check: Check,
) -> Result<Vec<Violation>, RpcError> {
    let mut violations = Vec::new();
    for batch in addresses.chunks(PAIRS) {
        let first = with_vaults(client, batch, vault_of, None).await?;
        let wrong: Vec<Pubkey> = first
            .value
            .iter()
            .filter_map(|(address, account, vault)| check(address, account, *vault).map(|_| *address))
            .collect();
        if wrong.is_empty() {
            continue;
        }
        tokio::time::sleep(PAUSE).await;
        let again = with_vaults(client, &wrong, vault_of, later(first.slot)).await?;
        violations.extend(again.value.iter().filter_map(|(address, account, vault)| check(address, account, *vault)));
    }
    Ok(violations)
}

fn later(slot: Option<u64>) -> Option<u64> {
    slot.map(|slot| slot.saturating_add(1))
}

/// Accounts with the tokens in their vaults, at most [`PAIRS`], of one slot. One that is gone is left out; a vault that is
/// gone holds nothing.
async fn with_vaults(
    client: &Client,
    addresses: &[Pubkey],
    vault_of: fn(&Pubkey) -> Pubkey,
    min_slot: Option<u64>,
) -> Result<AtSlot<Vec<(Pubkey, Account, Atoms)>>, RpcError> {
    let keys: Vec<Pubkey> = addresses.iter().flat_map(|address| [*address, vault_of(address)]).collect();
    let AtSlot { slot, value } = client.accounts_at(&keys, min_slot).await?;
    let pairs = addresses.iter().zip(value.chunks_exact(2)).filter_map(|(address, pair)| match pair {
        [Some(account), vault] => Some((*address, account.clone(), tokens(vault.as_ref()))),
        _ => None,
    });
    Ok(AtSlot { slot, value: pairs.collect() })
}

fn tokens(vault: Option<&Account>) -> Atoms {
    vault
        .filter(|vault| vault.owner == spl_token_interface::ID)
        .and_then(|vault| TokenAccount::unpack(&vault.data).ok())
        .map_or(Atoms::ZERO, |token| Atoms(token.amount))
}

/// Reads a purse and what holds something of it until it balances, or does not balance in the same way at two slots. The
/// lists only tell where to look: one that is short would make a purse seem to have reserved too much.
async fn audit_purse(client: &Client, suspect: Suspect) -> Result<Vec<Violation>, RpcError> {
    let purse = suspect.purse;
    let mut holders: BTreeSet<Pubkey> = suspect.holders.into_iter().collect();
    let mut before: Option<(Option<u64>, Vec<Violation>)> = None;
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let min_slot = before.as_ref().and_then(|(slot, _)| later(*slot));
        holders.extend(list(client, &purse).await?);
        let Some(AtSlot { slot, value }) = look(client, &purse, &holders, min_slot).await? else { continue };
        let Some(Look { purse: record, holdings, open }) = value else { return Ok(Vec::new()) };
        let violations = check_purse(&purse, &holdings);
        if violations.is_empty() {
            return Ok(violations);
        }
        if open < record.open_jobs {
            tracing::debug!(%purse, known = open, of = record.open_jobs, "not all jobs of this purse are known");
            before = None;
            continue;
        }
        if before.as_ref().is_some_and(|(_, same)| *same == violations) {
            return Ok(violations);
        }
        before = Some((slot, violations));
        holders.extend(possible_leases(&purse, &record));
    }
    tracing::debug!(%purse, "this purse is too busy to be audited now; the next audit looks at it again");
    Ok(Vec::new())
}

/// Where jobs, leases and arrays of a purse are, as far as the lists tell.
async fn list(client: &Client, purse: &Pubkey) -> Result<Vec<Pubkey>, RpcError> {
    let mut found = Vec::new();
    let kinds = [
        (discriminator::<Job>(), JOB_PURSE_AT),
        (discriminator::<Lease>(), LEASE_PURSE_AT),
        (discriminator::<Array>(), ARRAY_PURSE_AT),
    ];
    for (kind, at) in kinds {
        let query = ProgramQuery::new(MARKET).bytes_at(0, kind).bytes_at(at, purse.as_ref()).slice(0, 0);
        found.extend(client.program_accounts(&query).await?.into_iter().map(|(address, _)| address));
    }
    Ok(found)
}

/// Every lease that the newest jobs of a purse can have had.
fn possible_leases(purse: &Pubkey, record: &Purse) -> Vec<Pubkey> {
    let newest = record.last_job.saturating_sub(HISTORY - 1).max(1)..=record.last_job;
    let jobs = newest.map(|number| address::job(purse, number));
    jobs.flat_map(|job| (0..MAX_ATTEMPTS).map(move |number| address::lease(&job, number))).collect()
}

/// A purse and what holds something of it, at one slot.
struct Look {
    purse: Purse,
    holdings: Holdings,
    /// Jobs and arrays that are not closed.
    open: u32,
}

/// Reads a purse and `holders`. `None` where something moved while more were read than fit one request: whatever they hold
/// changes together with the purse. No look where there is no purse.
async fn look(
    client: &Client,
    purse: &Pubkey,
    holders: &BTreeSet<Pubkey>,
    min_slot: Option<u64>,
) -> Result<Option<AtSlot<Option<Look>>>, RpcError> {
    let holders: Vec<Pubkey> = holders.iter().copied().collect();
    let mut record: Option<Account> = None;
    let (mut oldest, mut found) = (None, Vec::new());
    // At least one, for the purse itself.
    for batch in holders.chunks(WITH_PURSE).chain(holders.is_empty().then_some(&[][..])) {
        let keys: Vec<Pubkey> = std::iter::once(*purse).chain(batch.iter().copied()).collect();
        let AtSlot { slot, value } = client.accounts_at(&keys, min_slot).await?;
        let mut accounts = value.into_iter();
        let Some(now) = accounts.next().flatten() else { return Ok(Some(AtSlot { slot, value: None })) };
        if record.as_ref().is_some_and(|before| before.data != now.data) {
            return Ok(None);
        }
        record = Some(now);
        oldest = oldest.or(slot);
        found.extend(batch.iter().copied().zip(accounts).filter_map(|(address, account)| Some((address, account?))));
    }
    let record = record.and_then(|account| read::<Purse>(purse, &account));
    Ok(Some(AtSlot { slot: oldest, value: record.map(|record| held(purse, record, &found)) }))
}

fn held(address: &Pubkey, purse: Purse, found: &[(Pubkey, Account)]) -> Look {
    let mut holdings = Holdings::of(purse.amounts());
    let mut open = 0;
    for (key, account) in found {
        if let Some(job) = read::<Job>(key, account).filter(|job| job.purse == *address) {
            // One that this version cannot read is not known, and so the jobs are not complete.
            let rules = &job.rules().ok();
            open += u32::from(rules.is_some());
            holdings.jobs.extend(rules);
        } else if let Some(lease) = read::<Lease>(key, account).filter(|lease| lease.purse == *address) {
            holdings.leases.extend(lease.rules().ok().map(|rules| (*key, rules)));
        } else if let Some(array) = read::<Array>(key, account).filter(|array| array.purse == *address) {
            open += 1;
            holdings.arrays.push(Atoms(array.reserved));
        }
    }
    Look { purse, holdings, open }
}

fn discriminator<T: Kind>() -> &'static [u8] {
    T::DISCRIMINATOR
}

fn read<T: Kind>(address: &Pubkey, account: &Account) -> Option<T> {
    decode(address, &account.owner, &account.data).ok()
}
