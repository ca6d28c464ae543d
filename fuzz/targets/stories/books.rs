//! What must hold in the market of the rules alone, after every command: the invariants of every purse, lease, array and
//! bond, and that what each binds is exactly the sum of what is bound to it.

use gridlease_core::machine::Machine;
use gridlease_core::{Atoms, invariant};
use solana_pubkey::Pubkey;

use crate::model::{Model, Provider};

/// Ends the run where the books do not add up.
pub fn check(model: &Model) {
    for posted in model.jobs.iter().flatten().filter(|posted| posted.open) {
        for one in posted.leases.iter().filter(|one| one.open) {
            assert_eq!(invariant::lease(&one.rules), Ok(()), "{one:?}");
        }
    }
    for series in model.arrays.iter().flatten().filter(|series| series.open) {
        assert_eq!(invariant::array(&series.rules), Ok(()), "{series:?}");
    }
    purses(model);
    for (at, owner) in model.providers.iter().enumerate() {
        bond(model, at, owner);
        offers(model, at, owner);
    }
}

fn tokens(model: &Model, account: &Pubkey) -> u64 {
    model.tokens.get(account).copied().unwrap_or(0)
}

fn purses(model: &Model) {
    for (at, buyer) in model.buyers.iter().enumerate() {
        let Some(purse) = buyer.purse else { continue };
        assert_eq!(invariant::purse(&purse.amounts, Atoms(tokens(model, &buyer.vault))), Ok(()), "purse {at}");
        let own = || model.jobs.iter().flatten().filter(|posted| posted.buyer == at);
        let open = || own().filter(|posted| posted.open);
        let of_jobs = open().map(|posted| posted.rules.reserved);
        let leases = own().flat_map(|posted| &posted.leases).filter(|one| one.open);
        let of_leases = leases.map(|one| one.rules.held().unwrap_or_else(|error| panic!("{error}: {one:?}")));
        let series = || model.arrays.iter().flatten().filter(|series| series.open && series.buyer == at);
        let held: Vec<_> = of_jobs.chain(of_leases).chain(series().map(|series| series.rules.reserved)).collect();
        let sound = invariant::purse_holds(&purse.amounts, held.iter().copied());
        assert_eq!(sound, Ok(()), "purse {at}: {purse:?} is bound to {held:?}");
        assert_eq!(usize::try_from(purse.open_jobs), Ok(open().count() + series().count()), "jobs of purse {at}");
        assert_eq!(
            purse.deposited,
            purse.withdrawn + purse.paid + purse.fees + purse.forfeits + purse.amounts.balance.0
                - purse.amounts.fees_owed.0
                - purse.amounts.forfeits_owed.0,
            "the counters of purse {at}: {purse:?}"
        );
    }
}

fn bond(model: &Model, at: usize, owner: &Provider) {
    let Some(stake) = owner.bond else { return };
    let totals = stake.totals;
    let sums = totals.bond().unwrap_or_else(|error| panic!("{error}: bond {at}: {totals:?}"));
    let vault = tokens(model, &owner.bond_vault);
    let covering = vault.checked_sub(stake.insurance_owed).unwrap_or_else(|| panic!("bond {at} owes more than it has"));
    assert_eq!(invariant::bond(&sums, Atoms(covering)), Ok(()), "bond {at}: {sums:?}");
    let jobs = || model.jobs.iter().flatten();
    let of_leases =
        jobs().flat_map(|posted| &posted.leases).filter(|one| one.provider == at && one.open && !one.released);
    let of_leases = of_leases.map(|one| one.reservation.0);
    let of_bids = jobs().flat_map(|posted| &posted.sealed).filter(|bid| bid.provider == at).map(|bid| bid.amount.0);
    let bound: Vec<_> = of_leases.chain(of_bids).collect();
    assert_eq!(bound.iter().sum::<u64>(), sums.reserved.0, "reservations of bond {at}: {bound:?}");
    assert_eq!(usize::try_from(stake.leases), Ok(bound.len()), "number of reservations of bond {at}");
    let gone = stake.slashed + stake.claimed + stake.withdrawn;
    assert_eq!(stake.added, sums.amount.0 + gone, "the counters of bond {at}: {stake:?}");

    let requested = |operators: bool| -> u64 {
        let own = owner.holdings.requests.iter().filter(|request| request.owner.is_none() == operators);
        own.map(|request| request.shares).sum()
    };
    assert_eq!(requested(true), totals.exit.shares, "the operator's requests of bond {at}");
    assert_eq!(requested(false), totals.leaving, "the delegators' requests of bond {at}");
    let staying: u64 = owner.holdings.delegations.values().map(|holding| holding.rules.shares).sum();
    assert_eq!(staying + totals.leaving, totals.delegated.shares, "the delegators' shares of bond {at}");
    for pool in [totals.exit, totals.delegated, totals.claims] {
        assert!(pool.assets.0 <= pool.shares, "a share of bond {at} is worth more than an atom: {pool:?}");
    }
    if let Some(pool) = stake.pool {
        let owed = pool.revenue.owed().unwrap_or_else(|error| panic!("{error}: bond {at}: {pool:?}"));
        assert!(tokens(model, &owner.holdings.revenue) >= owed.0, "bond {at} owes more revenue than it has: {pool:?}");
        let claims: u64 = owner
            .holdings
            .delegations
            .values()
            .map(|holding| {
                let earned = pool.revenue.earned_down(holding.rules.shares, holding.entry);
                earned.unwrap_or_else(|error| panic!("{error}: {holding:?}")).0 + holding.owed
            })
            .sum();
        assert!(claims <= pool.revenue.delegators_owed.0, "delegators of bond {at} could claim more than is theirs");
    }
}

fn offers(model: &Model, at: usize, owner: &Provider) {
    let leases = || {
        let all = model.jobs.iter().flatten().flat_map(|posted| &posted.leases);
        all.filter(|one| one.provider == at && one.open)
    };
    for (place, offer) in owner.offers.iter().enumerate() {
        let Some(offer) = offer else { continue };
        let own = || leases().filter(|one| one.offer == place);
        let unpaid = own().filter(|one| one.unit_free).count();
        assert_eq!(usize::from(offer.unpaid), unpaid, "unpaid leases of offer {place} of provider {at}");
        let open = own().count() - unpaid;
        assert_eq!(usize::from(offer.units - offer.free), open, "open leases of offer {place} of provider {at}");
        let sealed = model.jobs.iter().flatten().flat_map(|posted| &posted.sealed);
        let bids: Vec<_> = sealed.filter(|bid| bid.provider == at && bid.offer == place).collect();
        assert_eq!(usize::from(offer.sealed), bids.len(), "sealed bids of offer {place} of provider {at}");
        // What was slashed stays bound.
        let reserved = own().filter(|one| !one.released).map(|one| one.reservation.0);
        let least: u64 = reserved.chain(bids.iter().map(|bid| bid.amount.0)).sum();
        let limit = offer.limit;
        assert!(least <= limit.bound.0 && limit.bound <= limit.limit, "offer {place} of provider {at}: {limit:?}");
    }
    if let Some(record) = owner.record {
        assert_eq!(usize::try_from(record.leases), Ok(leases().count()), "leases of provider {at}");
        let offers = owner.offers.iter().flatten().count();
        assert_eq!(usize::try_from(record.offers), Ok(offers), "offers of provider {at}");
        let machines = owner.machines.iter().flatten().count();
        assert_eq!(usize::try_from(record.machines), Ok(machines), "machines of provider {at}");
        allotted(model, at, None, &record.own);
    }
    for (place, machine) in owner.machines.iter().enumerate() {
        if let Some(machine) = machine {
            allotted(model, at, Some(place), &machine.rules);
        }
    }
}

/// A machine has allotted what its offers may bind, and what was slashed of those that are gone.
fn allotted(model: &Model, at: usize, machine: Option<usize>, rules: &Machine) {
    let places = model.offers_of(at, machine);
    assert_eq!(usize::from(rules.offers), places.len(), "offers of machine {machine:?} of provider {at}");
    let limits = places.iter().filter_map(|place| model.providers[at].offers[*place]).map(|offer| offer.limit.limit.0);
    assert!(limits.sum::<u64>() <= rules.allotted.0, "machine {machine:?} of provider {at}: {rules:?}");
}
