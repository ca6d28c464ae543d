//! Leases.

use gridlease_core::bond::extension;
use gridlease_core::job::EndReason;
use gridlease_core::lease::LeaseState;
use gridlease_core::machine::{Leaving, leaving};
use gridlease_core::purse_key::PurseStep;
use gridlease_core::reputation::Closed;
use gridlease_core::slash::{Case, Fault, slash_for};
use gridlease_core::{Atoms, RuleError, Seconds, UnixTs, lease};
use solana_pubkey::Pubkey;

use super::claims::{Behind, Taken, by_fault};
use super::{Answer, GONE, InMarket, Let, Model, Posted, require};
use crate::command::{By, said};

impl Model {
    /// The job in that place with the number of one of its leases, both with their accounts still there.
    pub(super) fn let_with_job(&mut self, job: usize, lease: usize) -> Result<(Posted, usize), String> {
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let posted = self.posted(job)?.clone();
        require(posted.leases[at].open, GONE)?;
        Ok((posted, at))
    }

    /// One of the job's leases, whose account is still there; the job's need not be.
    pub(super) fn let_alone(&mut self, job: usize, lease: usize) -> Result<(usize, &mut Let), String> {
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let posted = self.jobs[job].as_mut().ok_or(GONE)?;
        let buyer = posted.buyer;
        Ok((buyer, posted.leases.get_mut(at).filter(|one| one.open).ok_or(GONE)?))
    }

    /// Who signs where the node key of a lease's offer should, and that key.
    pub(super) fn by_node(&self, by: By, (provider, offer): (usize, usize)) -> Result<(Pubkey, Pubkey), String> {
        let node = self.providers[provider].offers[offer].as_ref().ok_or(GONE)?.node;
        Ok((self.signer(by, node), node))
    }

    /// Is the machine of a lease's offer retired?
    pub(super) fn is_retired(&self, (provider, offer): (usize, usize)) -> bool {
        self.providers[provider].offers[offer].is_some_and(|offer| offer.retired)
    }

    pub(super) fn ready(&mut self, job: usize, lease: usize, by: By, image: bool) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        let current = &mut posted.leases[at];
        let (signer, node) = self.by_node(by, current.at())?;
        require(signer == node, "market NotNodeKey")?;
        require(image, "market WrongImage")?;
        current.rules.ready(now).market()?;
        let mut rules = posted.rules;
        let back = rules.on_ready().market()?;
        posted.set_rules(&rules, now);
        self.purse(posted.buyer)?.amounts.release(back).market()?;
        self.jobs[job] = Some(posted);
        Ok(())
    }

    pub(super) fn settle(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let buyer = self.let_alone(job, lease)?.0;
        self.purse(buyer)?;
        let (_, current) = self.let_alone(job, lease)?;
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
        self.pay_out(vault, payout, payment.net)?;
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let rules = self.let_alone(job, lease)?.1.rules;
        let changed = !payment.net.is_zero() || !payment.fee.is_zero();
        if changed && rules.state == LeaseState::Ended && rules.held().market()?.is_zero() {
            let left = self.tip_of_lease(job, at, rules.due());
            self.let_alone(job, lease)?.1.lamports = left;
        }
        Ok(())
    }

    pub(super) fn extend(&mut self, job: usize, lease: usize, by: By, by_s: u32) -> Answer {
        let (now, named) = (self.now, self.staking.names_market());
        let (mut posted, at) = self.let_with_job(job, lease)?;
        self.in_the_name_of(posted.buyer, by, PurseStep::Extend)?;
        let current = &mut posted.leases[at];
        let before = current.rules.extend(Seconds(by_s.into()), now).market()?;
        let (price, most) = (current.rules.price, posted.rules.terms.max_price);
        let more = extension(price, most, before, current.rules.duration).market()?;
        current.stake = current.stake.add(more).market()?;
        current.reservation = current.reservation.add(more).market()?;
        let (provider, at) = (current.provider, current.at());
        self.jobs[job] = Some(posted);
        self.limit(at, |limit| limit.bind(more))?;
        if more.is_zero() {
            self.noted.push("a lease was extended that reserves the most already");
            return Ok(());
        }
        require(named, "staking UnknownSlasher")?;
        self.noted.push("a lease was extended, and more stake reserved");
        self.stake(provider)?.totals.reserve(more).staking()
    }

    pub(super) fn top_up(&mut self, job: usize, lease: usize, by: By, amount: u64) -> Answer {
        let now = self.now;
        let buyer = self.let_alone(job, lease)?.0;
        self.spend_in_the_name_of(buyer, by, PurseStep::TopUp, Atoms(amount))?;
        let (_, current) = self.let_alone(job, lease)?;
        if current.rules.top_up(Atoms(amount), now).market()? {
            current.clear_challenge();
            self.noted.push("a top-up resolved a challenge");
        }
        self.purse(buyer)?.amounts.reserve(Atoms(amount)).market()
    }

    /// Ends a lease by `how`, and its job with it; what comes back goes to the purse.
    pub(super) fn end(
        &mut self,
        posted: Posted,
        at: usize,
        job: usize,
        how: impl FnOnce(&mut lease::Lease) -> Result<Atoms, RuleError>,
    ) -> Answer {
        self.end_certain(posted, at, job, false, how)
    }

    /// As [`Model::end`], and whether two strangers reported the same error of the buyer's.
    pub(super) fn end_certain(
        &mut self,
        mut posted: Posted,
        at: usize,
        job: usize,
        certain: bool,
        how: impl FnOnce(&mut lease::Lease) -> Result<Atoms, RuleError>,
    ) -> Answer {
        let now = self.now;
        let before = posted.leases[at].rules;
        let back = how(&mut posted.leases[at].rules).market()?;
        let forfeited = posted.leases[at].rules.forfeited.sub(before.forfeited).market()?;
        let back = Self::end_job(&mut posted, at, &before, back, certain, now)?;
        let purse = self.purse(posted.buyer)?;
        purse.amounts.release(back).market()?;
        purse.amounts.forfeit(forfeited).market()?;
        purse.forfeits += forfeited.0;
        self.jobs[job] = Some(posted);
        Ok(())
    }

    pub(super) fn stop(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        self.in_the_name_of(posted.buyer, by, PurseStep::Stop)?;
        self.end(posted, at, job, |lease| lease.stop(now))
    }

    pub(super) fn finish(&mut self, job: usize, lease: usize, by: By, reason: u8, exit: u8) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        let (signer, node) = self.by_node(by, posted.leases[at].at())?;
        require(signer == node, "market NotNodeKey")?;
        let reason = EndReason::from_byte(reason).market()?;
        require(reason != EndReason::Abandoned, "market ReasonNotAllowed")?;
        if reason == EndReason::Notice {
            self.noted.push("a lease ended with notice");
        }
        let review = posted.rules.terms.review;
        let mut finished = posted.leases[at].rules;
        let back = finished.finish(reason, said(now), review, now).market()?;
        if finished.state != LeaseState::Finished {
            self.end(posted, at, job, |lease| lease.finish(reason, said(now), review, now))?;
            // Whoever does it anew says what it left behind.
            let posted = self.posted(job)?;
            posted.exit = (!reason.is_retried()).then_some(exit.into());
            return Ok(());
        }
        let mut posted = posted;
        let mut rules = posted.rules;
        rules.on_finished(back).market()?;
        posted.spent = posted.spent.saturating_add(finished.base.0);
        posted.exit = Some(exit.into());
        let current = &mut posted.leases[at];
        (current.rules, current.unit_free) = (finished, true);
        let (provider, offer) = (current.provider, current.offer);
        posted.set_rules(&rules, now);
        self.jobs[job] = Some(posted);
        let offer = self.providers[provider].offers[offer].as_mut().ok_or(GONE)?;
        offer.free += 1;
        offer.unpaid += 1;
        self.noted.push("a node finished a lease");
        Ok(())
    }

    pub(super) fn abandon(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        let one = &posted.leases[at];
        let (signer, node) = self.by_node(by, one.at())?;
        let leaves = leaving(!one.rules.notice.is_zero()) == Leaving::Abandon;
        require(signer == node || self.is_retired(one.at()) && leaves, "market NotNodeKey")?;
        if signer != node {
            self.noted.push("somebody abandoned a lease of a retired machine");
        }
        self.end(posted, at, job, |lease| lease.finish(EndReason::Abandoned, said(now), Seconds::ZERO, now))?;
        self.slash(job, at, Fault::Abandoned)
    }

    pub(super) fn fail_start(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        let current = &posted.leases[at];
        if current.rules.state != LeaseState::Starting {
            return Ok(());
        }
        let (signer, node) = self.by_node(by, current.at())?;
        let (given_up, due) = (signer == node, current.rules.due());
        self.end(posted, at, job, |lease| lease.fail_start(given_up, now))?;
        self.slash(job, at, Fault::NoStart)?;
        self.tip_of_job(job, due);
        Ok(())
    }

    /// What a fault costs the provider: its stake goes to the buyer and to insurance, its standing falls.
    pub(super) fn slash(&mut self, job: usize, at: usize, fault: Fault) -> Answer {
        let posted = self.jobs[job].as_ref().ok_or(GONE)?;
        let current = &posted.leases[at];
        let sealed_bond = posted.rules.sealed_bond;
        let case = Case {
            fault,
            reservation: current.stake,
            price: current.rules.price,
            charged: current.rules.compensable(),
            sealed_bond,
        };
        let provider = current.provider;
        let part = self.operators_part(provider, &current.keys.lease, current.reservation)?;
        let whole = slash_for(&case).market()?.at_most(current.reservation);
        let parts = whole.out_of(part).market()?;
        if parts != whole {
            self.noted.push("a buyer claims no more than the operator's part");
        }
        if fault == Fault::NoStart && !sealed_bond.is_zero() {
            self.noted.push("a failed start took the bond of the sealed bid that won");
        }
        self.providers[provider].record.as_mut().ok_or(GONE)?.history.on_fault();
        self.take_stake(job, at, &by_fault(&parts), Pubkey::default())
    }

    /// The operator's part of what is left of a lease's reservation.
    pub(super) fn operators_part(&self, provider: usize, lease: &Pubkey, reservation: Atoms) -> Result<Atoms, String> {
        let owner = &self.providers[provider];
        let claimed = owner.holdings.claim(lease).map_or(Atoms::ZERO, |claim| claim.claimed);
        owner.bond.ok_or(GONE)?.totals.operators_part_down(reservation, claimed).market()
    }

    /// Takes what a fault or downtime costs out of the stake behind a lease.
    pub(super) fn take_stake(&mut self, job: usize, at: usize, parts: &Taken, prover: Pubkey) -> Answer {
        let posted = self.jobs[job].as_ref().ok_or(GONE)?;
        let (buyer, one) = (self.buyers[posted.buyer].key, &posted.leases[at]);
        let (provider, reservation, lease) = (one.provider, one.reservation, one.keys.lease);
        if *parts == Taken::default() {
            return Ok(());
        }
        let left = self.slash_stake(provider, Some(Behind { lease, buyer, prover }), reservation, parts)?;
        self.jobs[job].as_mut().ok_or(GONE)?.leases[at].reservation = left;
        Ok(())
    }

    pub(super) fn expire(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        let before = posted.leases[at].rules;
        let mut next = before;
        let due = next.due();
        let Some(_) = next.expire(now).market()? else { return Ok(()) };
        match next.state {
            LeaseState::Ended => self.end(posted, at, job, |lease| lease.expire(now).map(Option::unwrap_or_default))?,
            LeaseState::Grace if before.state == LeaseState::Running => {
                posted.leases[at].rules = next;
                self.jobs[job] = Some(posted);
            }
            // That it is down is told by the challenge's end, which also returns the bond.
            LeaseState::Paused => return Ok(()),
            _ => {
                self.noted.push("the end of a long review was seen");
                posted.leases[at].rules = next;
                self.jobs[job] = Some(posted);
                return Ok(());
            }
        }
        self.tip_of_job(job, due);
        Ok(())
    }

    pub(super) fn close_lease(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let (buyer, over) = self.let_alone(job, lease)?;
        over.rules.check_release(now).market()?;
        let closes = over.rules.check_paid().is_ok();
        let stood = over.rules.stake_until() != UnixTs::ZERO && !over.released;
        let (releases, frees) = (!over.released, !over.unit_free);
        if !closes && !releases {
            return Ok(());
        }
        over.released = true;
        over.unit_free = true;
        over.open = !closes;
        let stake = core::mem::take(&mut over.reservation);
        let over = over.clone();
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let lamports = self.tip_of_lease(job, at, over.rules.due());
        if stood {
            self.noted.push("the stake of a verified lease was free when its time was over");
        }
        let buyer = self.buyers[buyer].key;
        let provider = &mut self.providers[over.provider];
        let record = provider.record.as_mut().ok_or(GONE)?;
        let offer = provider.offers[over.offer].as_mut().ok_or(GONE)?;
        if frees {
            offer.free += 1;
        }
        if releases {
            offer.limit = offer.limit.unbind(stake).market()?;
            match provider.holdings.claims.iter_mut().find(|claim| claim.lease == over.keys.lease) {
                // It stays until the claim is paid; its rent is the authority's then.
                Some(claim) if claim.is_open() => claim.released = true,
                claimed => {
                    offer.lamports += over.reservation_lamports;
                    if let Some(lease) = claimed.map(|claim| claim.lease) {
                        provider.holdings.claims.retain(|claim| claim.lease != lease);
                    }
                }
            }
            let bond = provider.bond.as_mut().ok_or(GONE)?;
            bond.leases -= 1;
            bond.totals.release(stake).staking()?;
        }
        if !closes {
            offer.unpaid += u16::from(frees);
            return Ok(());
        }
        offer.unpaid -= u16::from(!frees);
        offer.lamports += lamports;
        record.leases -= 1;
        record.earned += over.rules.paid.0;
        // A verdict against it has lowered the standing already.
        if over.rules.ready_ts != UnixTs::ZERO && !over.disproved {
            let own = [provider.authority, record.node, offer.node].contains(&buyer);
            let closed = Closed {
                reason: over.rules.reason,
                fee: over.rules.fee,
                start: over.rules.ready_ts.since(UnixTs(over.awarded_ts)),
                buyer: if own { None } else { buyer.as_ref().first_chunk().copied() },
                went_silent: over.rules.credited.0 != 0,
            };
            record.history.on_closed(&mut record.recent, &closed);
        }
        Ok(())
    }
}
