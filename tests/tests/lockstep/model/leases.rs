//! Leases.

use gridlease_core::bond::Bond;
use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::slash::{Fault, slash_for};
use gridlease_core::{Atoms, RuleError, Seconds, UnixTs, lease};
use solana_pubkey::Pubkey;

use super::{Answer, GONE, InMarket, Let, Model, Posted, require};
use crate::command::By;

impl Model {
    /// The job in that place with the number of one of its leases, both with their accounts still there.
    fn let_with_job(&mut self, job: usize, lease: usize) -> Result<(Posted, usize), String> {
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let posted = self.posted(job)?.clone();
        require(posted.leases[at].open, GONE)?;
        Ok((posted, at))
    }

    /// One of the job's leases, whose account is still there; the job's need not be.
    fn let_alone(&mut self, job: usize, lease: usize) -> Result<(usize, &mut Let), String> {
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let posted = self.jobs[job].as_mut().ok_or(GONE)?;
        let buyer = posted.buyer;
        Ok((buyer, posted.leases.get_mut(at).filter(|one| one.open).ok_or(GONE)?))
    }

    /// Who signs where the node key of the lease's provider should, and that key.
    fn by_node(&self, by: By, provider: usize) -> Result<(Pubkey, Pubkey), String> {
        let node = self.providers[provider].record.as_ref().ok_or(GONE)?.node;
        Ok((self.signer(by, node), node))
    }

    pub(super) fn ready(&mut self, job: usize, lease: usize, by: By, image: bool) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        let current = &mut posted.leases[at];
        let (signer, node) = self.by_node(by, current.provider)?;
        require(signer == node, "market NotNodeKey")?;
        require(image, "market WrongImage")?;
        current.rules.ready(now).market()?;
        let taken: Seconds = now.ts.since(UnixTs(current.awarded_ts));
        let record = self.providers[current.provider].record.as_mut().ok_or(GONE)?;
        record.history.on_ready(taken);
        let mut rules = posted.rules;
        let back = rules.on_ready().market()?;
        posted.set_rules(&rules, now);
        self.purse(posted.buyer)?.amounts.release(back).market()?;
        self.jobs[job] = Some(posted);
        Ok(())
    }

    pub(super) fn settle(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let (buyer, current) = self.let_alone(job, lease)?;
        if matches!(current.rules.state, LeaseState::Starting | LeaseState::Failed) {
            return Ok(());
        }
        let payment = current.rules.settle(now).market()?;
        let payout = current.keys.payout;
        let vault = self.buyers[buyer].vault;
        let purse = self.purse(buyer)?;
        purse.amounts.pay(payment.net, payment.fee).market()?;
        purse.paid += payment.net.0;
        purse.fees += payment.fee.0;
        self.pay_out(vault, payout, payment.net)
    }

    pub(super) fn top_up(&mut self, job: usize, lease: usize, by: By, amount: u64) -> Answer {
        let now = self.now;
        let owner = self.buyers[job % self.buyers.len()].key;
        let signer = self.signer(by, owner);
        let (buyer, current) = self.let_alone(job, lease)?;
        require(signer == owner, "market NotBuyer")?;
        current.rules.top_up(Atoms(amount), now).market()?;
        self.purse(buyer)?.amounts.reserve(Atoms(amount)).market()
    }

    /// Ends a lease by `how`, and its job with it; what comes back goes to the purse.
    fn end(
        &mut self,
        mut posted: Posted,
        at: usize,
        job: usize,
        how: impl FnOnce(&mut lease::Lease) -> Result<Atoms, RuleError>,
    ) -> Answer {
        let now = self.now;
        let back = how(&mut posted.leases[at].rules).market()?;
        let reason = posted.leases[at].rules.reason;
        let from_job = Self::end_job(&mut posted, reason, now)?;
        self.purse(posted.buyer)?.amounts.release(back.add(from_job).market()?).market()?;
        self.jobs[job] = Some(posted);
        Ok(())
    }

    pub(super) fn stop(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let owner = self.buyers[job % self.buyers.len()].key;
        let signer = self.signer(by, owner);
        let (posted, at) = self.let_with_job(job, lease)?;
        require(signer == owner, "market NotBuyer")?;
        self.end(posted, at, job, |lease| lease.stop(now))
    }

    pub(super) fn finish(&mut self, job: usize, lease: usize, by: By, reason: u8) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        let (signer, node) = self.by_node(by, posted.leases[at].provider)?;
        require(signer == node, "market NotNodeKey")?;
        let reason = EndReason::from_byte(reason).market()?;
        require(reason != EndReason::Abandoned, "market ReasonNotAllowed")?;
        self.end(posted, at, job, |lease| lease.finish(reason, now))
    }

    pub(super) fn abandon(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        let (signer, node) = self.by_node(by, posted.leases[at].provider)?;
        require(signer == node, "market NotNodeKey")?;
        self.end(posted, at, job, |lease| lease.finish(EndReason::Abandoned, now))?;
        self.slash(job, at, Fault::Abandoned)
    }

    pub(super) fn fail_start(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        let current = &mut posted.leases[at];
        if current.rules.state != LeaseState::Starting {
            return Ok(());
        }
        let provider = current.provider;
        let (signer, node) = self.by_node(by, provider)?;
        let back = current.rules.fail_start(signer == node, now).market()?;
        let mut rules = posted.rules;
        let refunded = rules.on_no_start(back, now.ts).market()?;
        posted.set_rules(&rules, now);
        posted.excluded.push(provider);
        self.purse(posted.buyer)?.amounts.release(refunded).market()?;
        self.jobs[job] = Some(posted);
        self.slash(job, at, Fault::NoStart)
    }

    /// What a fault costs the provider: its stake goes to the buyer and to insurance, its standing falls.
    fn slash(&mut self, job: usize, at: usize, fault: Fault) -> Answer {
        let posted = self.jobs[job].as_mut().ok_or(GONE)?;
        let (buyer, current) = (posted.buyer, &mut posted.leases[at]);
        let parts = slash_for(fault, current.stake, current.rules.price).market()?;
        let provider = &mut self.providers[current.provider];
        let bond = provider.bond.as_mut().ok_or(GONE)?;
        current.reservation = bond.totals.slash(current.reservation, parts.total().market()?).staking()?;
        bond.slashed += parts.total().market()?.0;
        provider.record.as_mut().ok_or(GONE)?.history.on_fault();
        let (from, victim) = (provider.bond_vault, self.buyers[buyer].vault);
        if !parts.victim.is_zero() {
            let purse = self.purse(buyer)?;
            purse.amounts.deposit(parts.victim).market()?;
            purse.compensated += parts.victim.0;
        }
        self.pay_out(from, victim, parts.victim)?;
        self.pay_out(from, self.insurance, parts.insurance)
    }

    pub(super) fn expire(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        let mut next = posted.leases[at].rules;
        let Some(_) = next.expire(now).market()? else { return Ok(()) };
        if next.state == LeaseState::Ended {
            return self.end(posted, at, job, |lease| lease.expire(now).map(Option::unwrap_or_default));
        }
        posted.leases[at].rules = next;
        self.jobs[job] = Some(posted);
        Ok(())
    }

    pub(super) fn close_lease(&mut self, job: usize, lease: usize) -> Answer {
        let (_, over) = self.let_alone(job, lease)?;
        over.rules.check_close().market()?;
        over.open = false;
        let stake = core::mem::take(&mut over.reservation);
        let (rules, provider, offer, lamports) = (over.rules, over.provider, over.offer, over.lamports);
        let provider = &mut self.providers[provider];
        let record = provider.record.as_mut().ok_or(GONE)?;
        record.leases -= 1;
        record.earned += rules.paid.0;
        let fulfilled = matches!(rules.reason, EndReason::Completed | EndReason::Stopped | EndReason::OutOfFunds);
        if fulfilled && rules.ready_ts != UnixTs::ZERO {
            record.history.on_completed(!rules.fee.is_zero());
        }
        let offer = provider.offers[offer].as_mut().ok_or(GONE)?;
        offer.free += 1;
        offer.lamports += lamports;
        let bond = provider.bond.as_mut().ok_or(GONE)?;
        bond.leases -= 1;
        let totals: &mut Bond = &mut bond.totals;
        totals.release(stake).staking()
    }
}
