//! What an instruction that succeeds may not break: what held before holds afterwards, and sums and the records that they are
//! the sums of change together. An instruction sees only some of the records; those that it does not see do not change.

use std::collections::{BTreeMap, BTreeSet};

use anchor_lang::Discriminator;
use gridlease_core::job::JobState;
use gridlease_core::{Atoms, invariant};
use gridlease_sdk::account::{
    Array, Bond, Commitment, Delegation, GpuClaim, Job, Kind, Lease, Offer, Provider, Purse, RELEASED, Reservation,
    Unbonding, decode,
};
use gridlease_sdk::address::MARKET;
use solana_pubkey::Pubkey;

use super::links;
use super::scene::{Given, Scene};
use super::token::Holding;

/// A number that belongs to somebody: what the owner says, less what its records say.
type Gaps = BTreeMap<(&'static str, Pubkey), i128>;
/// What holds of whom.
type Held = BTreeSet<(&'static str, Pubkey)>;

const EXITING: &str = "the operator's shares on their way out";
const LEAVING: &str = "the delegators' shares on their way out";

/// The accounts of an instruction, each once.
struct Books<'a>(BTreeMap<Pubkey, &'a Given>);

/// Checks what `scene` left behind.
pub fn check(scene: &Scene, after: &[Given]) {
    let linked = links::stand(&scene.accounts);
    let (before, after) = (Books::new(&scene.accounts), Books::new(after));
    assert_eq!(after.lamports(), before.lamports(), "lamports were made or lost");
    assert_eq!(after.tokens(), before.tokens(), "tokens were made or lost");
    let (held, holds) = (before.held(), after.held());
    for (what, key) in held.into_iter().filter(|(_, key)| before.is_sound(key)) {
        let gone = !after.is_ours(&key);
        assert!(gone || holds.contains(&(what, key)), "{what} of {key} held and does no more");
    }
    let (spare, left) = (before.spare(), after.spare());
    for (key, spare) in spare.into_iter().filter(|(key, _)| before.is_sound(key) && !takes_donations(&scene.data)) {
        let less = left.get(&key).is_some_and(|left| *left < spare);
        assert!(!less, "what {key} records grew by more than its vault, or its vault lost more than it records");
    }
    let (true, Some(was)) = (linked, before.gaps(&scene.program)) else { return };
    let is = after.gaps(&scene.program).expect("a lease, a job or a reservation contradicts itself and did not before");
    for (what, key) in was.keys().chain(is.keys()) {
        let gap = |gaps: &Gaps| gaps.get(&(*what, *key)).copied().unwrap_or(0);
        // Who counts less than can be seen of what is counted contradicts itself, too.
        let counted = !before.is_ours(key) || gap(&was) >= 0;
        if before.is_sound(key) && counted {
            assert_eq!(gap(&is), gap(&was), "{what} of {key} and the records of it moved apart");
        }
    }
}

/// Is this the instruction that takes out of a vault what nobody recorded? It has one name in both programs.
fn takes_donations(call: &[u8]) -> bool {
    call.starts_with(market::instruction::SweepDonation::DISCRIMINATOR)
}

impl<'a> Books<'a> {
    fn new(accounts: &'a [Given]) -> Self {
        Self(accounts.iter().map(|account| (account.key, account)).collect())
    }

    fn all<T: Kind>(&self) -> impl Iterator<Item = (Pubkey, T)> {
        let read =
            |account: &&Given| Some((account.key, decode::<T>(&account.key, &account.owner, &account.data).ok()?));
        self.0.values().filter_map(read)
    }

    fn is_ours(&self, key: &Pubkey) -> bool {
        self.0.get(key).is_some_and(|account| !account.data.is_empty())
    }

    /// Does the account at `key` not contradict itself? One that is not given does not.
    fn is_sound(&self, key: &Pubkey) -> bool {
        let Some(account) = self.0.get(key) else { return true };
        let (of, data) = (&account.owner, &account.data);
        if let Ok(purse) = decode::<Purse>(key, of, data) {
            return purse.amounts().free().is_ok();
        }
        if let Ok(bond) = decode::<Bond>(key, of, data) {
            return bond.stake().bond() == Ok(bond.amounts());
        }
        if let Ok(array) = decode::<Array>(key, of, data) {
            return array.rules().is_ok_and(|rules| invariant::array(&rules).is_ok());
        }
        decode::<Offer>(key, of, data).is_ok_and(|offer| offer.units_free <= offer.units)
            || decode::<Commitment>(key, of, data).is_ok()
            || decode::<Lease>(key, of, data).is_ok()
            || decode::<Provider>(key, of, data).is_ok()
    }

    fn lamports(&self) -> u128 {
        self.0.values().map(|account| u128::from(account.lamports)).sum()
    }

    /// The tokens of each mint.
    fn tokens(&self) -> BTreeMap<Pubkey, u128> {
        let mut sums = BTreeMap::new();
        for holding in self.0.values().filter_map(|account| Holding::read(&account.owner, &account.data)) {
            *sums.entry(holding.mint).or_insert(0) += u128::from(holding.amount);
        }
        sums.retain(|_, sum| *sum > 0);
        sums
    }

    /// What a vault holds over which nobody but `owner` has a say.
    fn vault(&self, vault: &Pubkey, owner: &Pubkey) -> Option<Atoms> {
        let account = self.0.get(vault)?;
        let holding = Holding::read(&account.owner, &account.data)?;
        holding.is_of(owner).then_some(Atoms(holding.amount))
    }

    /// What the vaults of purses and bonds hold beyond what is recorded.
    fn spare(&self) -> BTreeMap<Pubkey, i128> {
        let purses = self.all::<Purse>().map(|(key, purse)| (key, purse.vault, i128::from(purse.balance)));
        let recorded = |bond: &Bond| i128::from(bond.amount) + i128::from(bond.insurance_owed);
        let bonds = self.all::<Bond>().map(|(key, bond)| (key, bond.vault, recorded(&bond)));
        let spare = |(key, vault, recorded)| Some((key, i128::from(self.vault(&vault, &key)?.0) - recorded));
        purses.chain(bonds).filter_map(spare).collect()
    }

    /// The invariants that hold.
    fn held(&self) -> Held {
        let mut held = Held::new();
        let mut note = |what, key, holds: bool| held.extend(holds.then_some((what, key)));
        for (key, purse) in self.all::<Purse>() {
            let amounts = purse.amounts();
            note("what a purse binds", key, amounts.free().is_ok());
            let covered = |vault| invariant::purse(&amounts, vault).is_ok();
            note("the vault of a purse", key, self.vault(&purse.vault, &key).is_some_and(covered));
            let came = sum([purse.deposited, purse.fees_owed, purse.forfeits_owed]);
            let went = sum([purse.withdrawn, purse.paid, purse.fees, purse.forfeits, purse.balance]);
            note("the counters of a purse", key, came == went);
        }
        for (key, lease) in self.all::<Lease>() {
            note("the sums of a lease", key, lease.rules().is_ok_and(|rules| invariant::lease(&rules).is_ok()));
        }
        for (key, array) in self.all::<Array>() {
            note("the sums of an array", key, array.rules().is_ok_and(|rules| invariant::array(&rules).is_ok()));
        }
        for (key, bond) in self.all::<Bond>() {
            let amounts = bond.amounts();
            note("the sums of a bond", key, bond.stake().bond() == Ok(amounts));
            let covered = |vault: Atoms| {
                let stake = vault.sub(Atoms(bond.insurance_owed));
                stake.is_ok_and(|stake| invariant::bond(&amounts, stake).is_ok())
            };
            note("the vault of a bond", key, self.vault(&bond.vault, &key).is_some_and(covered));
            let left = sum([bond.amount, bond.slashed_total, bond.claimed_total, bond.withdrawn_total]);
            note("the counters of a bond", key, sum([bond.added_total]) == left);
            let owed = bond.revenue_owed().owed();
            let covers = |vault| owed.is_ok_and(|owed| vault >= owed);
            note("the revenue vault of a bond", key, self.vault(&bond.revenue, &key).is_some_and(covers));
        }
        held
    }

    /// Is there a record of the first layout that can be read only after its migration?
    fn has_unread(&self) -> bool {
        let unread = |account: &Given| {
            let kinds = [Job::DISCRIMINATOR, Lease::DISCRIMINATOR, Array::DISCRIMINATOR];
            account.data.get(8) == Some(&1) && kinds.iter().any(|kind| account.data.starts_with(kind))
        };
        self.0.values().any(|account| unread(account))
    }

    /// How far sums are from the records that they count; nothing where a record contradicts itself or cannot be read.
    fn gaps(&self, program: &Pubkey) -> Option<Gaps> {
        if self.has_unread() {
            return None;
        }
        let mut gaps = Gaps::new();
        let mut add = |what, key, number: i128| *gaps.entry((what, key)).or_insert(0) += number;
        for (key, purse) in self.all::<Purse>() {
            add("what is reserved", key, purse.reserved.into());
            add("open jobs", key, purse.open_jobs.into());
        }
        for (_, job) in self.all::<Job>() {
            if job.reserved > 0 && job.state().is_none_or(|state| state == JobState::Ended) {
                return None;
            }
            add("what is reserved", job.purse, -i128::from(job.reserved));
            add("open jobs", job.purse, -1);
            if job.array != Pubkey::default() {
                add("jobs", job.array, -1);
            }
        }
        for (key, array) in self.all::<Array>() {
            add("what is reserved", array.purse, -i128::from(array.reserved));
            add("open jobs", array.purse, -1);
            add("jobs", key, array.jobs.into());
        }
        for (key, lease) in self.all::<Lease>() {
            add("what is reserved", lease.purse, -i128::from(lease.rules().ok()?.held().ok()?.0));
            let unpaid = i128::from(lease.unit_free == 1);
            add("reserved stake", key, 1 - i128::from(lease.released));
            add("unpaid leases", lease.offer, -unpaid);
            add("units let", lease.offer, unpaid - 1);
            add("leases", lease.provider, -1);
        }
        for (key, offer) in self.all::<Offer>() {
            add("unpaid leases", key, offer.unpaid.into());
            add("units let", key, i128::from(offer.units) - i128::from(offer.units_free));
            add("claims", key, offer.claimed.into());
            add("offers", offer.provider, -1);
        }
        for (_, claim) in self.all::<GpuClaim>() {
            add("claims", claim.offer, -1);
        }
        for (key, provider) in self.all::<Provider>() {
            add("leases", key, provider.leases.into());
            add("offers", key, provider.offers.into());
        }
        for (key, bond) in self.all::<Bond>() {
            add("stake that is reserved", key, bond.reserved.into());
            add("reservations", key, bond.leases.into());
            add(EXITING, key, bond.exit_shares.into());
            add(LEAVING, key, bond.leaving_shares.into());
            add("the delegators' shares", key, bond.delegated_shares.into());
            add("the delegators' shares", key, -i128::from(bond.leaving_shares));
        }
        for (_, reservation) in self.all::<Reservation>() {
            // One that was released stays for its claims, and nothing stands behind its lease any more.
            if reservation.header.state == RELEASED {
                if reservation.amount != 0 {
                    return None; // it contradicts itself
                }
                continue;
            }
            add("stake that is reserved", reservation.bond, -i128::from(reservation.amount));
            add("reservations", reservation.bond, -1);
            // The staking program does not see what the stake is reserved for.
            if *program == MARKET {
                add("reserved stake", reservation.lease, -1);
            }
        }
        for (key, _) in self.all::<Commitment>() {
            add("reserved stake", key, 1);
        }
        for (_, request) in self.all::<Unbonding>() {
            let what = if request.is_operators() { EXITING } else { LEAVING };
            add(what, request.bond, -i128::from(request.shares));
        }
        for (_, delegation) in self.all::<Delegation>() {
            add("the delegators' shares", delegation.bond, -i128::from(delegation.shares));
        }
        Some(gaps)
    }
}

fn sum<const N: usize>(numbers: [u64; N]) -> u128 {
    numbers.into_iter().map(u128::from).sum()
}
