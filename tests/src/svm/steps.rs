//! The steps of a job's life, each as one call that must succeed.

use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_CLAIMS;
use gridlease_sdk::account::{Job, Lease, Offer};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, JobArgs};
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::{array, job, lease, provider, purse};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::World;
use super::outcome::Done;
use super::parties::{Buyer, Provider};
pub use crate::terms::{GPUS, IMAGE, job_args, outcome};

impl World {
    /// The instruction that posts the buyer's next job, with its address; `edit` changes what it asks for.
    pub fn post(&mut self, buyer: &Buyer, edit: impl FnOnce(&mut JobArgs)) -> (Instruction, Pubkey) {
        let mut args = job_args();
        edit(&mut args);
        let number = self.next_number();
        (job::post(&buyer.key.pubkey(), number, args), address::job(&buyer.purse, number))
    }

    /// Posts a job; `edit` changes what it asks for.
    #[track_caller]
    pub fn job(&mut self, buyer: &Buyer, edit: impl FnOnce(&mut JobArgs)) -> Pubkey {
        let (post, job) = self.post(buyer, edit);
        self.ok(&[post], &[&buyer.key]);
        job
    }

    /// The provider's bid of `price`.
    #[must_use]
    pub fn bid_of(&self, provider: &Provider, job: &Pubkey, price: u64) -> Instruction {
        let bid = job::bid(&provider.node.pubkey(), job, &provider.bidder(), price);
        match self.find::<Job>(job) {
            Some(state) => array::bid_with_group(bid, &state),
            None => bid,
        }
    }

    /// Bids.
    #[track_caller]
    pub fn bid(&mut self, provider: &Provider, job: &Pubkey, price: u64) -> Done {
        self.ok(&[self.bid_of(provider, job, price)], &[&provider.node])
    }

    /// Waits for the end of the job's bidding window.
    #[track_caller]
    pub fn close_window(&mut self, job: &Pubkey) {
        let close = self.read::<Job>(job).close_ts;
        if self.now().ts.0 < close {
            self.at(close);
        }
    }

    /// The bidders in the job's book, in its order.
    #[track_caller]
    pub fn bidders(&self, job: &Pubkey) -> Vec<BidderKeys> {
        let job: Job = self.read(job);
        let bidder = |entry: &gridlease_sdk::account::BookEntry| {
            let record: gridlease_sdk::account::Provider = self.read(&entry.provider);
            BidderKeys { provider: entry.provider, offer: entry.offer, bond: record.bond }
        };
        job.bids().iter().map(bidder).collect()
    }

    /// The award of `job` as a keeper would send it: with the first bidders of the book.
    #[must_use]
    #[track_caller]
    pub fn award_of(&self, job: &Pubkey) -> Instruction {
        let state: Job = self.read(job);
        let award = job::award(job, &state.purse, state.leases, &self.bidders(job));
        array::award_with_group(award, &state)
    }

    /// Awards `job`, whose window is over; returns the lease.
    ///
    /// # Panics
    /// Where it opens none.
    #[track_caller]
    pub fn award(&mut self, job: &Pubkey) -> Pubkey {
        let lease = address::lease(job, self.read::<Job>(job).leases);
        let award = self.award_of(job);
        self.ok(&[award], &[]);
        assert!(self.find::<Lease>(&lease).is_some(), "the award opened no lease");
        lease
    }

    /// The accounts that `lease` records.
    #[must_use]
    #[track_caller]
    pub fn keys(&self, lease: &Pubkey) -> LeaseKeys {
        LeaseKeys::new(*lease, &self.read(lease))
    }

    /// Posts a job, lets `provider` alone bid `price`, and awards it.
    #[track_caller]
    pub fn starting(
        &mut self,
        buyer: &Buyer,
        provider: &Provider,
        price: u64,
        edit: impl FnOnce(&mut JobArgs),
    ) -> LeaseKeys {
        let job = self.job(buyer, edit);
        self.bid(provider, &job, price);
        self.close_window(&job);
        let lease = self.award(&job);
        self.keys(&lease)
    }

    /// As [`World::starting`], and the node reports ready.
    #[track_caller]
    pub fn running(
        &mut self,
        buyer: &Buyer,
        provider: &Provider,
        price: u64,
        edit: impl FnOnce(&mut JobArgs),
    ) -> LeaseKeys {
        let keys = self.starting(buyer, provider, price, edit);
        self.ready(provider, &keys);
        keys
    }

    /// The node reports ready.
    #[track_caller]
    pub fn ready(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::ready(&provider.node.pubkey(), keys, IMAGE, GPUS)], &[&provider.node])
    }

    /// Anybody settles.
    #[track_caller]
    pub fn settle(&mut self, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::settle(keys)], &[])
    }

    /// The buyer lengthens what the lease may be paid for.
    #[track_caller]
    pub fn extend(&mut self, buyer: &Buyer, keys: &LeaseKeys, by_s: u32) -> Done {
        self.ok(&[lease::extend(&buyer.key.pubkey(), keys, by_s)], &[&buyer.key])
    }

    /// The buyer tops up, after it extended the lease where it must.
    #[track_caller]
    pub fn top_up(&mut self, buyer: &Buyer, keys: &LeaseKeys, amount: u64) -> Done {
        let challenger = self.read::<Lease>(&keys.lease).open_challenger();
        let top_up = lease::top_up(&buyer.key.pubkey(), &keys.lease, amount, challenger);
        let extend = lease::extension_for_top_up(&buyer.key.pubkey(), keys, &self.read(&keys.lease), amount);
        let steps: Vec<_> = extend.into_iter().chain([top_up]).collect();
        self.ok(&steps, &[&buyer.key])
    }

    /// The buyer stops.
    #[track_caller]
    pub fn stop(&mut self, buyer: &Buyer, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::stop(&buyer.key.pubkey(), keys)], &[&buyer.key])
    }

    /// The node finishes, and where the buyer has a say in that, it accepts at once.
    #[track_caller]
    pub fn finish(&mut self, provider: &Provider, keys: &LeaseKeys, reason: EndReason) -> Done {
        let done = self.finish_unseen(provider, keys, reason);
        self.accept_finished(keys);
        done
    }

    /// The node finishes, and the buyer has not looked yet.
    #[track_caller]
    pub fn finish_unseen(&mut self, provider: &Provider, keys: &LeaseKeys, reason: EndReason) -> Done {
        self.ok(&[lease::finish(&provider.node.pubkey(), keys, reason, outcome())], &[&provider.node])
    }

    /// The buyer accepts a lease that its node finished; one that it has no say in stays as it is.
    #[track_caller]
    pub fn accept_finished(&mut self, keys: &LeaseKeys) {
        let state: Lease = self.read(&keys.lease);
        if state.state() == Some(LeaseState::Finished) {
            let owner = self.buyers.get(&state.owner).expect("a buyer of these tests").insecure_clone();
            self.ok(&[lease::accept(&owner.pubkey(), keys)], &[&owner]);
        }
    }

    /// Anybody fails a lease that did not start.
    #[track_caller]
    pub fn fail_start(&mut self, keys: &LeaseKeys) -> Done {
        let fail = lease::fail_start(&self.payer.pubkey(), keys, &self.insurance);
        self.ok(&[fail], &[])
    }

    /// The node abandons.
    #[track_caller]
    pub fn abandon(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        let abandon = lease::abandon(&provider.node.pubkey(), keys, &self.insurance, outcome());
        self.ok(&[abandon], &[&provider.node])
    }

    /// Anybody expires.
    #[track_caller]
    pub fn expire(&mut self, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::expire(keys)], &[])
    }

    /// Anybody ends a job that waited for long enough.
    #[track_caller]
    pub fn expire_job(&mut self, buyer: &Buyer, job: &Pubkey) -> Done {
        self.ok(&[job::expire(job, &buyer.purse)], &[])
    }

    /// Anybody closes the lease.
    #[track_caller]
    pub fn close_lease(&mut self, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::close(keys)], &[])
    }

    /// Anybody closes the job.
    #[track_caller]
    pub fn close_job(&mut self, buyer: &Buyer, job: &Pubkey) -> Done {
        self.ok(&[job::close(job, &buyer.purse, &buyer.key.pubkey())], &[])
    }

    /// Settles a lease that is over, and closes it and its job; accepts first what its node finished.
    #[track_caller]
    pub fn wind_up(&mut self, buyer: &Buyer, keys: &LeaseKeys) {
        self.accept_finished(keys);
        self.settle(keys);
        self.close_lease(keys);
        self.close_job(buyer, &keys.job);
    }

    /// The provider refreshes offer number 1.
    #[track_caller]
    pub fn refresh(&mut self, owner: &Provider, terms: provider::OfferTerms) -> Done {
        let refresh = provider::refresh_offer(&owner.node.pubkey(), &owner.record, 1, terms);
        self.ok(&[refresh], &[&owner.node])
    }

    /// The withdrawal of the provider's offer number 1, with the claims that no open lease needs.
    #[must_use]
    pub fn withdrawal_of(&self, owner: &Provider) -> Instruction {
        let node = owner.node.pubkey();
        let in_use = self.read::<Offer>(&owner.offer).claims().in_use() as usize;
        let claims = self.claims_of(&owner.offer);
        let free = &claims[..claims.len().saturating_sub(in_use).min(MAX_CLAIMS)];
        provider::withdraw_offer_and_gpus(&node, &owner.record, 1, &node, free)
    }

    /// The provider withdraws offer number 1.
    #[track_caller]
    pub fn withdraw_offer(&mut self, owner: &Provider) -> Done {
        self.ok(&[self.withdrawal_of(owner)], &[&owner.node])
    }

    /// The buyer takes `amount` out of its purse.
    #[track_caller]
    pub fn withdraw(&mut self, buyer: &Buyer, amount: u64) -> Done {
        self.ok(&[purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, amount)], &[&buyer.key])
    }

    /// Anybody sweeps the purse's fees.
    #[track_caller]
    pub fn sweep(&mut self, buyer: &Buyer) -> Done {
        let sweep = purse::sweep_fees(&buyer.purse, &self.treasury, &self.insurance);
        self.ok(&[sweep], &[])
    }
}
