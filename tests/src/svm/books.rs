//! The audit: every account of both programs, against each other, against the tokens, and against the events.

use std::collections::BTreeMap;

use gridlease_core::array::Replica;
use gridlease_core::job::{JobState, SEALED_UNCOUNTED};
use gridlease_core::{Atoms, invariant};
use gridlease_sdk::account::{
    ACTIVE, Array, Bond, Commitment, DecodeError, Delegation, GpuClaim, Job, Kind, Lease, Offer, PriceIndex, Provider,
    Purse, RELEASED, Reservation, TaskGroup, Unbonding, decode,
};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use spl_token_interface::state::{Account as TokenAccount, Mint};

use super::World;
use super::ledger::{ArrayLine, BondLine, DelegationLine, JobLine, LeaseLine, PurseLine};

impl World {
    /// All accounts of one kind, but for those of the first edition that are read only after their migration.
    #[must_use]
    pub fn all<T: Kind>(&self) -> BTreeMap<Pubkey, T> {
        let owned = self.svm.get_program_accounts(&T::owner());
        let kind = owned.into_iter().filter(|(_, account)| account.data.starts_with(T::DISCRIMINATOR));
        kind.filter_map(|(key, account)| match decode(&key, &account.owner, &account.data) {
            Err(DecodeError::WrongVersion { found: 1, .. }) => None,
            decoded => Some((key, decoded.unwrap())),
        })
        .collect()
    }

    /// Checks everything that always holds.
    ///
    /// # Panics
    /// Where something does not.
    #[track_caller]
    pub fn assert_books(&self) {
        let leases = self.all::<Lease>();
        self.audit_purses(&leases);
        self.audit_bonds(&leases);
        self.audit_supply(&leases);
        self.audit_ledger(&leases);
        self.audit_tokens();
        self.audit_rent();
    }

    /// A purse: the vault covers the balance, and what is reserved is exactly what its jobs and leases hold.
    fn audit_purses(&self, leases: &BTreeMap<Pubkey, Lease>) {
        let jobs = self.all::<Job>();
        for lease in leases.values() {
            invariant::lease(&lease.rules().unwrap()).unwrap();
        }
        let arrays = self.all::<Array>();
        for array in arrays.values() {
            invariant::array(&array.rules().unwrap()).unwrap();
        }
        for (key, purse) in self.all::<Purse>() {
            invariant::purse(&purse.amounts(), Atoms(self.tokens(&purse.vault))).unwrap();
            let of_jobs = jobs.values().filter(|job| job.purse == key).map(|job| Atoms(job.reserved));
            let of_leases = leases.values().filter(|lease| lease.purse == key);
            let of_arrays = arrays.values().filter(|array| array.purse == key).map(|array| Atoms(array.reserved));
            let held = of_arrays.chain(of_jobs).chain(of_leases.map(|lease| lease.rules().unwrap().held().unwrap()));
            invariant::purse_holds(&purse.amounts(), held).unwrap();
            let open = jobs.values().filter(|job| job.purse == key).count()
                + arrays.values().filter(|array| array.purse == key).count();
            assert_eq!(usize::try_from(purse.open_jobs).unwrap(), open, "jobs of purse {key}");
            assert_eq!(
                purse.deposited,
                purse.withdrawn + purse.paid + purse.fees + purse.forfeits + purse.balance
                    - purse.fees_owed
                    - purse.forfeits_owed,
                "the counters of purse {key}"
            );
        }
    }

    /// A bond: the vault covers the stake, and what is reserved is exactly the sum of its reservations.
    fn audit_bonds(&self, leases: &BTreeMap<Pubkey, Lease>) {
        let reservations = self.all::<Reservation>();
        let sealed = self.all::<Commitment>();
        for (key, bond) in self.all::<Bond>() {
            let sums = bond.stake().bond().unwrap();
            assert_eq!(sums, bond.amounts(), "the sums of bond {key}");
            invariant::bond(&sums, Atoms(self.tokens(&bond.vault) - bond.insurance_owed)).unwrap();
            let own: Vec<_> = reservations.values().filter(|reservation| reservation.bond == key).collect();
            assert_eq!(own.iter().map(|own| own.amount).sum::<u64>(), bond.reserved, "reservations of bond {key}");
            let open = own.iter().filter(|own| own.header.state == ACTIVE).count();
            assert_eq!(open, usize::try_from(bond.leases).unwrap(), "number of reservations of bond {key}");
            let claimed: u64 = own.iter().map(|own| own.buyer_shares + own.prover_shares).sum();
            assert_eq!(claimed, bond.claims_shares, "claims out of bond {key}");
            let ever = bond.amount + bond.slashed_total + bond.withdrawn_total + bond.claimed_total;
            assert_eq!(bond.added_total, ever, "the counters of bond {key}");
            self.audit_pool(&key, &bond);
        }
        // The market made exactly one reservation for each lease that is not closed.
        for (key, reservation) in &reservations {
            assert_eq!(*key, address::reservation(&reservation.lease));
            if reservation.header.state == RELEASED {
                assert!(reservation.has_claims() && reservation.amount == 0, "a reservation outlived its claims");
                continue;
            }
            if reservation.slasher == address::market_authority() && self.audited && !self.made_up {
                if let Some(sealed) = sealed.get(&reservation.lease) {
                    let recorded = (sealed.bond, sealed.rent_to, sealed.amount);
                    assert_eq!(recorded, (reservation.bond, reservation.rent_to, reservation.amount));
                    continue;
                }
                let lease = leases.get(&reservation.lease).expect("a reservation outlived its lease");
                assert_eq!((lease.bond, lease.offer), (reservation.bond, reservation.rent_to));
            }
        }
        self.audit_sealed(&sealed, &reservations);
        for (key, lease) in leases {
            let bound = reservations.get(&address::reservation(key)).is_some_and(|own| own.header.state == ACTIVE);
            assert_eq!(bound, lease.released == 0, "stake is behind lease {key} until it is released");
        }
    }

    /// A sealed bid has its bond behind it and is counted by its job's round.
    fn audit_sealed(&self, sealed: &BTreeMap<Pubkey, Commitment>, reservations: &BTreeMap<Pubkey, Reservation>) {
        for (key, bid) in sealed {
            assert_eq!(*key, address::commitment(&bid.job, &bid.provider));
            assert!(reservations.contains_key(&address::reservation(key)), "sealed bid {key} has no bond behind it");
        }
        let open = self.all::<Job>().into_iter().filter(|(_, job)| job.state() == Some(JobState::Open));
        for (key, job) in open {
            let of_round = sealed.values().filter(|bid| bid.job == key && bid.header.due_ts == job.reveal_end);
            assert!(
                usize::from(job.sealed) == of_round.count() || job.sealed == SEALED_UNCOUNTED || job.reveal_end == 0,
                "sealed bids of job {key}"
            );
        }
    }

    /// A bond's shares are exactly those of its delegations and requests, and what these could claim is in the vault.
    fn audit_pool(&self, key: &Pubkey, bond: &Bond) {
        let delegations: Vec<_> = self.all::<Delegation>().into_values().filter(|d| d.bond == *key).collect();
        let requests: Vec<_> = self.all::<Unbonding>().into_values().filter(|r| r.bond == *key).collect();
        let shares = |of_operator: bool| -> u64 {
            requests.iter().filter(|r| r.is_operators() == of_operator).map(|r| r.shares).sum()
        };
        assert_eq!(shares(true), bond.exit_shares, "the operator's requests of bond {key}");
        assert_eq!(shares(false), bond.leaving_shares, "the delegators' requests of bond {key}");
        let staying: u64 = delegations.iter().map(|d| d.shares).sum();
        assert_eq!(staying + bond.leaving_shares, bond.delegated_shares, "the delegators' shares of bond {key}");
        let pending: u64 = delegations.iter().map(|d| d.pending).sum();
        assert_eq!(pending, bond.pending_shares, "what of bond {key} is not active");
        assert_eq!(delegations.len(), usize::try_from(bond.delegations).unwrap(), "delegations of bond {key}");
        for pool in [bond.stake().exit, bond.stake().claims, bond.stake().delegated] {
            assert!(pool.assets.0 <= pool.shares, "a share of bond {key} is worth more than an atom");
        }
        let open = |owner: &Pubkey| requests.iter().filter(|r| r.owner == *owner).count();
        assert_eq!(usize::from(bond.requests), open(&bond.authority), "open requests of bond {key}");
        let (mut marks, mut places) = ([[0; 8]; 32], 0u32);
        for delegation in &delegations {
            assert_eq!(usize::from(delegation.requests), open(&delegation.delegator), "requests in bond {key}");
            let Some(at) = usize::from(delegation.place).checked_sub(1) else {
                assert!(!delegation.position().holds_place(), "a delegator with stake has no place in bond {key}");
                continue;
            };
            places |= 1 << at;
            // What makes kin may have been changed since; the mark follows with the delegation's next step.
            let mark = bond.marks[at];
            assert!(
                mark == [0; 8] || delegation.delegator.as_ref().starts_with(&mark),
                "a mark of nobody in bond {key}"
            );
            marks[at] = mark;
        }
        if !self.made_up {
            assert_eq!((marks, places), (bond.marks, bond.places), "the places of bond {key}");
            assert_eq!(places.count_ones(), u32::from(bond.delegators_len), "delegators of bond {key}");
        }
        if bond.has_pool() {
            let owed = bond.revenue_owed().owed().unwrap().0;
            assert!(self.tokens(&bond.revenue) >= owed, "the revenue vault of bond {key} holds less than is owed");
            let claims: u64 = delegations.iter().map(|d| d.claimable(bond).0).sum();
            assert!(claims <= bond.delegators_owed, "delegators of bond {key} could claim more than is theirs");
        }
    }

    /// Offers and providers count their leases.
    fn audit_supply(&self, leases: &BTreeMap<Pubkey, Lease>) {
        let offers = self.all::<Offer>();
        for (key, offer) in &offers {
            let own = || leases.values().filter(|lease| lease.offer == *key);
            let unpaid = own().filter(|lease| lease.unit_free == 1).count();
            assert_eq!(usize::from(offer.unpaid), unpaid, "unpaid leases of offer {key}");
            let open = own().count() - unpaid;
            assert_eq!(usize::from(offer.units - offer.units_free), open, "open leases of offer {key}");
        }
        let claims = self.all::<GpuClaim>();
        for (key, claim) in &claims {
            assert_eq!(*key, address::gpu_claim(&claim.hash), "a claim is not where its hash says");
            let offer = offers.get(&claim.offer).expect("a claim outlived its offer");
            assert_eq!(offer.provider, claim.provider, "a claim is of another provider than its offer");
        }
        for (key, offer) in &offers {
            let own = claims.values().filter(|claim| claim.offer == *key).count();
            assert_eq!(usize::from(offer.claimed), own, "claims of offer {key}");
            assert_eq!(self.ledger.claims.get(key).copied().unwrap_or(0), offer.claimed, "claims by their events");
        }
        for (key, provider) in self.all::<Provider>() {
            let open = leases.values().filter(|lease| lease.provider == key).count();
            assert_eq!(usize::try_from(provider.leases).unwrap(), open, "open leases of provider {key}");
            let own = offers.values().filter(|offer| offer.provider == key).count();
            assert_eq!(usize::try_from(provider.offers).unwrap(), own, "offers of provider {key}");
        }
    }

    /// The events alone lead to the same balances.
    fn audit_ledger(&self, leases: &BTreeMap<Pubkey, Lease>) {
        let purses = self.all::<Purse>().into_iter().map(|(key, purse)| {
            let line = PurseLine {
                balance: purse.balance,
                reserved: purse.reserved,
                fees_owed: purse.fees_owed + purse.forfeits_owed,
            };
            (key, line)
        });
        assert_eq!(purses.collect::<BTreeMap<_, _>>(), self.ledger.purses, "purses by their events");
        let jobs = self.all::<Job>().into_iter().map(|(key, job)| {
            let line = JobLine { purse: job.purse, reserved: job.reserved };
            (key, line)
        });
        assert_eq!(jobs.collect::<BTreeMap<_, _>>(), self.ledger.jobs, "jobs by their events");
        let arrays = self.all::<Array>().into_iter().map(|(key, array)| {
            let line = ArrayLine { purse: array.purse, reserved: array.reserved, spent: array.spent, jobs: array.jobs };
            (key, line)
        });
        assert_eq!(arrays.collect::<BTreeMap<_, _>>(), self.ledger.arrays, "arrays by their events");
        let held = leases.iter().map(|(key, lease)| {
            let held = lease.rules().unwrap().held().unwrap().0;
            (*key, LeaseLine { job: lease.job, purse: lease.purse, held })
        });
        assert_eq!(held.collect::<BTreeMap<_, _>>(), self.ledger.leases, "leases by their events");
        let bonds = self.all::<Bond>().into_iter().map(|(key, bond)| {
            let line = BondLine {
                amount: bond.amount,
                reserved: bond.reserved,
                leases: bond.leases,
                own: bond.own,
                exit: (bond.exit_assets, bond.exit_shares),
                delegated: (bond.delegated_assets, bond.delegated_shares),
                leaving: bond.leaving_shares,
                waiting: (bond.pending_shares, bond.fresh),
                claims: (bond.claims_assets, bond.claims_shares),
                owed: (bond.operator_owed, bond.delegators_owed),
                insurance_owed: bond.insurance_owed,
            };
            (key, line)
        });
        assert_eq!(bonds.collect::<BTreeMap<_, _>>(), self.ledger.bonds, "bonds by their events");
        let indices = self.all::<PriceIndex>();
        assert_eq!(indices.len(), self.ledger.indices.len(), "price indices by their events");
        for (key, index) in indices {
            let line = &self.ledger.indices[&key];
            let trades = (0..).zip(index.in_ring()).map(|(at, t)| (at, (t.price, t.ts, t.buyer.to_vec())));
            assert_eq!(trades.collect::<BTreeMap<_, _>>(), line.trades, "trades of index {key} by their events");
            assert_eq!((index.price, index.len), (line.price, line.len), "index {key} by its events");
        }
        let delegations = self.all::<Delegation>().into_values();
        let delegations =
            delegations.map(|d| ((d.bond, d.delegator), DelegationLine { shares: d.shares, owed: d.owed }));
        assert_eq!(delegations.collect::<BTreeMap<_, _>>(), self.ledger.delegations, "delegations by their events");
        let requests = self.all::<Unbonding>().into_values().map(|r| ((r.bond, r.owner, r.number), r.shares));
        assert_eq!(requests.collect::<BTreeMap<_, _>>(), self.ledger.unbondings, "requests by their events");
    }

    /// An array: its jobs, tasks and groups are those that it counts, and with their rent it holds that of every task that
    /// may be open at a time.
    fn audit_array_rent(&self) {
        let jobs = self.all::<Job>();
        let groups = self.all::<TaskGroup>();
        for (key, array) in self.all::<Array>() {
            let own: Vec<_> = jobs.iter().filter(|(_, job)| job.array == key).collect();
            assert_eq!(own.len(), usize::from(array.jobs), "jobs of array {key}");
            let account = self.account(&key).unwrap();
            let tasks = array.tasks(&account.data).unwrap();
            let open = tasks.iter().filter(|task| task.count(Replica::Open) > 0).count();
            assert_eq!(open, usize::from(array.open), "open tasks of array {key}");
            let its_groups = groups.values().filter(|group| group.array == key).count();
            assert_eq!(its_groups, if array.replicas > 1 { open } else { 0 }, "groups of array {key}");
            let opened = tasks.iter().filter(|task| task.count(Replica::Waiting) < 3).count();
            assert_eq!(opened, usize::from(array.next), "opened tasks of array {key}");
            for (address, job) in own {
                let replica = job.replica.saturating_sub(1);
                let task = u16::try_from(job.task).unwrap();
                assert_eq!(*address, address::task_job(&key, task, array.replicas, replica));
                assert_eq!(tasks[usize::from(task)].get(replica), Replica::Open);
            }
            let one_job = self.rent(8 + size_of::<Job>() + usize::from(array.uri_len)) * u64::from(array.replicas);
            let group = if array.replicas > 1 { self.rent(8 + size_of::<TaskGroup>()) } else { 0 };
            let in_group = groups.iter().filter(|(_, group)| group.array == key).map(|(at, _)| self.lamports(at));
            let in_jobs = jobs.iter().filter(|(_, job)| job.array == key).map(|(at, _)| self.lamports(at));
            let all: u64 = self.lamports(&key) + in_group.sum::<u64>() + in_jobs.sum::<u64>();
            let least = self.rent(account.data.len()) + (one_job + group) * u64::from(array.parallel);
            assert!(all >= least, "array {key} cannot pay the rent of its tasks");
        }
    }

    /// All USDC is somewhere: the token accounts add up to the supply.
    fn audit_tokens(&self) {
        let supply = Mint::unpack(&self.account(&self.mint).unwrap().data).unwrap().supply;
        let accounts = self.svm.get_program_accounts(&TOKEN_PROGRAM);
        let tokens = accounts.iter().filter_map(|(_, account)| TokenAccount::unpack(&account.data).ok());
        let sum: u64 = tokens.filter(|account| account.mint == self.mint).map(|account| account.amount).sum();
        assert_eq!(sum, supply, "the USDC in all accounts");
    }

    /// Every account of the programs holds its rent; a live offer that of every lease that it can still open.
    fn audit_rent(&self) {
        let lease = self.rent(8 + size_of::<Lease>()) + self.rent(8 + size_of::<Reservation>());
        for program in [MARKET, STAKING] {
            for (key, account) in self.svm.get_program_accounts(&program) {
                let least = self.rent(account.data.len());
                assert!(account.lamports >= least, "account {key} holds less than its rent");
            }
        }
        self.audit_array_rent();
        let reservations = self.all::<Reservation>().into_values();
        let claimed: Vec<_> = reservations.filter(|r| r.header.state == RELEASED).map(|r| r.bond).collect();
        for (key, offer) in self.all::<Offer>() {
            // A lease that waits for money still has its rent, though its unit is free.
            let units = u64::from(offer.units_free.saturating_sub(offer.unpaid));
            // The rent of a reservation that stays for its claim is not the offer's any more, nor when that was paid; its node pays
            // another in.
            let bond = self.find::<Provider>(&offer.provider).map(|provider| provider.bond);
            let stay = u64::try_from(claimed.iter().filter(|of| Some(**of) == bond).count()).unwrap();
            let paid = bond.and_then(|bond| self.ledger.claims_paid.get(&bond)).copied().unwrap_or(0);
            let least = self.rent(8 + size_of::<Offer>()) + lease * units;
            let least = least.saturating_sub(self.rent(8 + size_of::<Reservation>()) * (stay + paid));
            assert!(self.lamports(&key) >= least, "offer {key} cannot pay the rent of its leases");
        }
    }
}
