//! The audit: every account of both programs, against each other, against the tokens, and against the events.

use std::collections::BTreeMap;

use gridlease_core::job::{JobState, SEALED_UNCOUNTED};
use gridlease_core::{Atoms, bond as bond_rules, invariant};
use gridlease_sdk::account::{Bond, Commitment, Job, Kind, Lease, Offer, Provider, Purse, Reservation, decode};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use spl_token_interface::state::{Account as TokenAccount, Mint};

use super::World;
use super::ledger::{BondLine, JobLine, LeaseLine, PurseLine};

impl World {
    /// All accounts of one kind.
    #[must_use]
    pub fn all<T: Kind>(&self) -> BTreeMap<Pubkey, T> {
        let owned = self.svm.get_program_accounts(&T::owner());
        let kind = owned.into_iter().filter(|(_, account)| account.data.starts_with(T::DISCRIMINATOR));
        kind.map(|(key, account)| (key, decode(&key, &account.owner, &account.data).unwrap())).collect()
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
        for (key, purse) in self.all::<Purse>() {
            invariant::purse(&purse.amounts(), Atoms(self.tokens(&purse.vault))).unwrap();
            let of_jobs = jobs.values().filter(|job| job.purse == key).map(|job| Atoms(job.reserved));
            let of_leases = leases.values().filter(|lease| lease.purse == key);
            let held = of_jobs.chain(of_leases.map(|lease| lease.rules().unwrap().held().unwrap()));
            invariant::purse_holds(&purse.amounts(), held).unwrap();
            let open = jobs.values().filter(|job| job.purse == key).count();
            assert_eq!(usize::try_from(purse.open_jobs).unwrap(), open, "jobs of purse {key}");
            assert_eq!(
                purse.deposited + purse.compensated,
                purse.withdrawn + purse.paid + purse.fees + purse.balance - purse.fees_owed,
                "the counters of purse {key}"
            );
        }
    }

    /// A bond: the vault covers the stake, and what is reserved is exactly the sum of its reservations.
    fn audit_bonds(&self, leases: &BTreeMap<Pubkey, Lease>) {
        let reservations = self.all::<Reservation>();
        let sealed = self.all::<Commitment>();
        for (key, bond) in self.all::<Bond>() {
            let totals = bond_rules::Bond {
                amount: Atoms(bond.amount),
                reserved: Atoms(bond.reserved),
                unbonding: Atoms(bond.unbonding),
            };
            invariant::bond(&totals, Atoms(self.tokens(&bond.vault))).unwrap();
            let own: Vec<_> = reservations.values().filter(|reservation| reservation.bond == key).collect();
            assert_eq!(own.iter().map(|own| own.amount).sum::<u64>(), bond.reserved, "reservations of bond {key}");
            assert_eq!(own.len(), usize::try_from(bond.leases).unwrap(), "number of reservations of bond {key}");
            assert_eq!(bond.added_total, bond.amount + bond.slashed_total, "the counters of bond {key}");
        }
        // The market made exactly one reservation for each lease that is not closed.
        for (key, reservation) in &reservations {
            assert_eq!(*key, address::reservation(&reservation.lease));
            if reservation.slasher == address::market_authority() && self.audited {
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
        for key in leases.keys() {
            assert!(reservations.contains_key(&address::reservation(key)), "lease {key} has no stake behind it");
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

    /// Offers and providers count their leases.
    fn audit_supply(&self, leases: &BTreeMap<Pubkey, Lease>) {
        let offers = self.all::<Offer>();
        for (key, offer) in &offers {
            let open = leases.values().filter(|lease| lease.offer == *key).count();
            assert_eq!(usize::from(offer.units - offer.units_free), open, "open leases of offer {key}");
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
            let line = PurseLine { balance: purse.balance, reserved: purse.reserved, fees_owed: purse.fees_owed };
            (key, line)
        });
        assert_eq!(purses.collect::<BTreeMap<_, _>>(), self.ledger.purses, "purses by their events");
        let jobs = self.all::<Job>().into_iter().map(|(key, job)| {
            let line = JobLine { purse: job.purse, reserved: job.reserved };
            (key, line)
        });
        assert_eq!(jobs.collect::<BTreeMap<_, _>>(), self.ledger.jobs, "jobs by their events");
        let held = leases.iter().map(|(key, lease)| {
            let held = lease.rules().unwrap().held().unwrap().0;
            (*key, LeaseLine { job: lease.job, purse: lease.purse, held })
        });
        assert_eq!(held.collect::<BTreeMap<_, _>>(), self.ledger.leases, "leases by their events");
        let bonds = self
            .all::<Bond>()
            .into_iter()
            .map(|(key, bond)| (key, BondLine { amount: bond.amount, reserved: bond.reserved, leases: bond.leases }));
        assert_eq!(bonds.collect::<BTreeMap<_, _>>(), self.ledger.bonds, "bonds by their events");
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
        for (key, offer) in self.all::<Offer>() {
            let least = self.rent(8 + size_of::<Offer>()) + lease * u64::from(offer.units_free);
            assert!(self.lamports(&key) >= least, "offer {key} cannot pay the rent of its leases");
        }
    }
}
