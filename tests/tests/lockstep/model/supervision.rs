//! What happens to a lease beside its meter: liveness, credit, checkpoints, notice, the rejection of a start.

use gridlease_core::job::{JobState, minute};
use gridlease_core::lease::{Challenge, LeaseState, Undone};
use gridlease_core::limits::{CHALLENGE_BOND_LAMPORTS, MAX_REJECTS};
use gridlease_core::payout::Recorded;
use gridlease_core::purse_key::PurseStep;
use gridlease_core::slash::Fault;
use gridlease_core::{Atoms, UnixTs, payout, tip};
use gridlease_tests::terms::hash_of;
use solana_pubkey::Pubkey;

use super::claims::{Claim, Taken};
use super::{Answer, GONE, InMarket, Let, Model, Posted, require};
use crate::command::By;
use crate::command::supervision::SupervisionStep;

impl Let {
    /// Provider and place of its offer.
    pub fn at(&self) -> (usize, usize) {
        (self.provider, self.offer)
    }

    /// Takes the open challenge off, and its bond out of the account.
    pub(super) fn clear_challenge(&mut self) {
        self.challenger = Pubkey::default();
        self.nonce = [0; 32];
        self.lamports -= CHALLENGE_BOND_LAMPORTS;
    }
}

impl Model {
    pub(super) fn supervision(&mut self, job: usize, lease: usize, step: &SupervisionStep) -> Answer {
        match *step {
            SupervisionStep::Challenge { by } => self.challenge(job, lease, by),
            SupervisionStep::Answer { by, right } => self.answer(job, lease, by, right),
            SupervisionStep::Resolve { to } => self.resolve(job, lease, to),
            SupervisionStep::Resume { by } => self.resume(job, lease, by),
            SupervisionStep::Collect => self.collect(job, lease),
            SupervisionStep::DeclareUnreachable => self.declare_unreachable(job, lease),
            SupervisionStep::Checkpoint { by, ahead, bytes } => self.checkpoint(job, lease, by, ahead, bytes),
            SupervisionStep::GiveNotice { by } => self.give_notice(job, lease, by),
            SupervisionStep::Reject { by } => self.reject(job, lease, by),
            SupervisionStep::Accept { by } => self.accept(job, lease, by),
            SupervisionStep::Reopen { by } => self.reopen(job, lease, by),
            SupervisionStep::Decline { by } => self.decline(job, lease, by),
            SupervisionStep::Want { by } => self.want(job, lease, by),
            SupervisionStep::BuyerError { by, code } => self.buyer_error(job, lease, by, code),
            SupervisionStep::Verdict { by, slash, prover } => self.verdict(job, lease, by, slash, prover),
            SupervisionStep::Redirect { to } => self.redirect(job, lease, to),
        }
    }

    /// Who signs where anybody may.
    pub fn anybody(&self, by: By) -> Pubkey {
        self.signer(by, self.people[self.people.len() - 1])
    }

    fn challenge(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let (now, challenger) = (self.now, self.anybody(by));
        let (_, current) = self.let_alone(job, lease)?;
        current.rules.challenge(now).market()?;
        current.challenger = challenger;
        // The newest hash that a slot sees is that of the one before it.
        current.nonce = hash_of(now.slot - 1);
        current.lamports += CHALLENGE_BOND_LAMPORTS;
        Ok(())
    }

    fn answer(&mut self, job: usize, lease: usize, by: By, right: bool) -> Answer {
        let now = self.now;
        let (provider, at) = (self.let_alone(job, lease)?.1.provider, self.let_alone(job, lease)?.1.at());
        let (signer, node) = self.by_node(by, at)?;
        require(signer == node, "market NotNodeKey")?;
        let (_, current) = self.let_alone(job, lease)?;
        current.rules.answer(now).market()?;
        require(right, "market WrongNonce")?;
        current.clear_challenge();
        self.providers[provider].record.as_mut().ok_or(GONE)?.history.on_challenge(true);
        Ok(())
    }

    fn resolve(&mut self, job: usize, lease: usize, to: By) -> Answer {
        let (now, rent) = (self.now, self.rents.lease);
        let (_, current) = self.let_alone(job, lease)?;
        let (challenger, provider) = (current.challenger, current.provider);
        if current.rules.challenge_end.is_zero() {
            return Ok(());
        }
        require(self.signer(to, challenger) == challenger, "market Unrelated")?;
        let (_, current) = self.let_alone(job, lease)?;
        let (before, due) = (current.rules.state, current.rules.challenge_end);
        let Some(outcome) = current.rules.resolve_challenge(now).market()? else {
            self.noted.push("a challenge could still be answered");
            return Ok(());
        };
        current.clear_challenge();
        match outcome {
            Challenge::Missed => {
                current.lamports -= tip::payable(tip::CHALLENGE_BOUNTY, current.lamports, rent);
                self.providers[provider].record.as_mut().ok_or(GONE)?.history.on_challenge(false);
                let over = before == LeaseState::Ended;
                self.noted.push(if over {
                    "a challenge was missed by a lease that is over"
                } else {
                    "a challenge was missed"
                });
            }
            Challenge::Moot => self.noted.push("a challenge was moot"),
        }
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        self.tip_of_lease(job, at, due);
        Ok(())
    }

    fn resume(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let at = self.let_alone(job, lease)?.1.at();
        let (signer, node) = self.by_node(by, at)?;
        require(signer == node, "market NotNodeKey")?;
        let (_, current) = self.let_alone(job, lease)?;
        if current.rules.state == LeaseState::Running && current.rules.challenge_end.is_zero() {
            return Ok(());
        }
        current.rules.resume(now).market()?;
        let credit = current.rules.credit;
        self.noted.push(match credit.is_zero() {
            true => "a node lived again, and its credit was held back already",
            false => "a node lived again, and owes credit out of its stake",
        });
        Ok(())
    }

    fn collect(&mut self, job: usize, lease: usize) -> Answer {
        let at = self.lease_at(job, lease).ok_or(GONE)?;
        let (_, current) = self.let_alone(job, lease)?;
        let (released, provider, key, stake) =
            (current.released, current.provider, current.keys.lease, current.reservation);
        // Its reservation is gone where its stake is free, but for one that stays until what was claimed out of it is paid.
        let waits = self.providers[provider].holdings.claim(&key).is_some_and(Claim::is_open);
        require(!released || waits, "market Unrelated")?;
        let part = self.operators_part(provider, &key, stake)?;
        let (_, current) = self.let_alone(job, lease)?;
        if current.rules.credit.is_zero() {
            return Ok(());
        }
        let open = current.rules.credit;
        let victim = current.rules.collect_credit(part).market()?;
        self.noted.push(match victim < open {
            true => "a credit was claimed as far as the operator's part went",
            false => "a credit was claimed",
        });
        self.take_stake(job, at, &Taken { victim, ..Taken::default() }, Pubkey::default())
    }

    fn declare_unreachable(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        if posted.leases[at].rules.state.is_over() {
            return Ok(());
        }
        let due = posted.leases[at].rules.due();
        self.end(posted, at, job, |lease| lease.unreachable(now))?;
        self.note_end(job, "an unreachable lease ended its job", "the job of an unreachable lease went on");
        self.slash(job, at, Fault::Unreachable)?;
        self.tip_of_job(job, due);
        Ok(())
    }

    fn checkpoint(&mut self, job: usize, lease: usize, by: By, ahead: i8, bytes: u64) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        let (signer, node) = self.by_node(by, posted.leases[at].at())?;
        require(signer == node, "market NotNodeKey")?;
        let (seq, last) = (posted.next_checkpoint(ahead), posted.checkpoint.0);
        posted.leases[at].rules.checkpoint(seq, last, now).market()?;
        posted.checkpoint = (seq, crate::scene::checkpoint_hash(seq), bytes);
        self.jobs[job] = Some(posted);
        Ok(())
    }

    fn give_notice(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (provider, at) = (self.let_alone(job, lease)?.1.provider, self.let_alone(job, lease)?.1.at());
        let (signer, node) = self.by_node(by, at)?;
        let own = signer == node || signer == self.providers[provider].authority;
        require(own || self.is_retired(at), "market NotNodeKey")?;
        let (_, current) = self.let_alone(job, lease)?;
        let before = current.rules.notice_end;
        current.rules.give_notice(now).market()?;
        self.noted.push(if before == UnixTs::ZERO { "notice was given" } else { "notice was given again" });
        if !own {
            self.noted.push("somebody gave notice for a retired machine");
        }
        Ok(())
    }

    fn reject(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (mut posted, at) = self.let_with_job(job, lease)?;
        self.in_the_name_of(posted.buyer, by, PurseStep::Reject)?;
        let mut tried = posted.leases[at].rules;
        let minute = the_minute(&posted, at)?;
        tried.reject(minute, now).market()?;
        require(posted.rejects < MAX_REJECTS, "market RejectsUsedUp")?;
        posted.rejects += 1;
        self.undo(posted, at, job, false, |lease| lease.reject(minute, now))?;
        self.note_end(job, "a rejected start ended its job", "the job of a rejected start went on");
        Ok(())
    }

    fn accept(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        self.in_the_name_of(posted.buyer, by, PurseStep::Accept)?;
        if posted.leases[at].rules.state == LeaseState::Ended {
            return Ok(());
        }
        self.end(posted, at, job, |lease| lease.accept(now).map(|()| Atoms::ZERO))?;
        self.noted.push("a buyer accepted");
        Ok(())
    }

    fn reopen(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let (posted, at) = self.let_with_job(job, lease)?;
        self.in_the_name_of(posted.buyer, by, PurseStep::Reopen)?;
        self.end(posted, at, job, |lease| lease.reopen(now))?;
        self.note_end(job, "a job was reopened for nothing", "a job was reopened and went on");
        Ok(())
    }

    /// A lease that is starting, where its node speaks; `None` where it is stale.
    fn starting(&mut self, job: usize, lease: usize, by: By) -> Result<Option<(Posted, usize)>, String> {
        let (posted, at) = self.let_with_job(job, lease)?;
        let (signer, node) = self.by_node(by, posted.leases[at].at())?;
        require(signer == node, "market NotNodeKey")?;
        Ok((posted.leases[at].rules.state == LeaseState::Starting).then_some((posted, at)))
    }

    fn decline(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let Some((posted, at)) = self.starting(job, lease, by)? else { return Ok(()) };
        let (own, minute) = (posted.leases[at].own_bid, the_minute(&posted, at)?);
        let (provider, offer) = (posted.leases[at].provider, posted.leases[at].offer);
        self.undo(posted, at, job, false, |lease| lease.decline(own, minute, now))?;
        self.noted.push(if own { "a node declined its own bid" } else { "a node declined an automatic award" });
        if !own
            && let Some(offer) = &mut self.providers[provider].offers[offer]
            && offer.live
            && offer.due > now.ts.0
        {
            offer.due = now.ts.0;
        }
        Ok(())
    }

    fn want(&mut self, job: usize, lease: usize, by: By) -> Answer {
        let now = self.now;
        let Some((posted, at)) = self.starting(job, lease, by)? else { return Ok(()) };
        let minute = the_minute(&posted, at)?;
        self.undo(posted, at, job, false, |lease| lease.not_given(minute, now))?;
        self.noted.push("a node was not given what it needs");
        Ok(())
    }

    fn buyer_error(&mut self, job: usize, lease: usize, by: By, code: u8) -> Answer {
        let now = self.now;
        let Some((mut posted, at)) = self.starting(job, lease, by)? else { return Ok(()) };
        let minute = the_minute(&posted, at)?;
        let mut tried = posted.leases[at].rules;
        tried.buyer_error(code.into(), minute, now).market()?;
        let owner = &self.providers[posted.leases[at].provider];
        let record = owner.record.as_ref().ok_or(GONE)?;
        let node = owner.offers[posted.leases[at].offer].as_ref().ok_or(GONE)?.node;
        let mark = |key: &Pubkey| -> [u8; 8] { key.as_ref()[..8].try_into().unwrap() };
        let certain = posted.reporter.report([mark(&owner.authority), mark(&node), mark(&record.payout)]);
        self.undo(posted, at, job, certain, |lease| lease.buyer_error(code.into(), minute, now))?;
        let posted = self.posted(job)?;
        posted.exit = certain.then_some(code.into());
        self.noted.push(if certain {
            "an error of the buyer's was certain"
        } else {
            "an error of the buyer's was reported"
        });
        Ok(())
    }

    /// Ends a start without a fault; what its provider owes is taken out of its stake.
    fn undo(
        &mut self,
        posted: Posted,
        at: usize,
        job: usize,
        certain: bool,
        how: impl FnOnce(&mut gridlease_core::lease::Lease) -> gridlease_core::RuleResult<Undone>,
    ) -> Answer {
        let mut owed = Atoms::ZERO;
        self.end_certain(posted, at, job, certain, |lease| {
            let undone = how(lease)?;
            owed = undone.provider;
            Ok(undone.back)
        })?;
        let left = self.jobs[job].as_ref().ok_or(GONE)?.leases[at].reservation;
        let taken = Taken { insurance: owed.min(left), ..Taken::default() };
        self.take_stake(job, at, &taken, Pubkey::default())
    }

    fn redirect(&mut self, job: usize, lease: usize, to: Option<usize>) -> Answer {
        let provider = self.let_alone(job, lease)?.1.provider;
        let present = self.providers[provider].record.as_ref().ok_or(GONE)?.payout;
        let named = to.map_or(present, |to| self.payees[to % self.payees.len()]);
        require(named == present, "market WrongTokenAccount")?;
        let recorded = self.let_alone(job, lease)?.1.keys.payout;
        let state = if self.frozen.contains(&recorded) { Recorded::Frozen } else { Recorded::Takes };
        let takes = !self.frozen.contains(&present);
        // No account is closed here, so that nothing goes to an associated one: svm/payout.rs.
        let to = payout::destination(recorded, state, present, takes, || present);
        if to == recorded {
            self.noted.push("a payout account was left as it was");
            return Ok(());
        }
        self.let_alone(job, lease)?.1.keys.payout = to;
        self.noted.push("a lease is paid elsewhere");
        Ok(())
    }

    fn note_end(&mut self, job: usize, ended: &'static str, went_on: &'static str) {
        let over = self.jobs[job].as_ref().is_some_and(|posted| posted.rules.state == JobState::Ended);
        self.noted.push(if over { ended } else { went_on });
    }
}

fn the_minute(posted: &Posted, at: usize) -> Result<Atoms, String> {
    minute(posted.leases[at].rules.price, posted.rules.terms.max_price).market()
}

impl super::Posted {
    /// The number of a checkpoint that is so far ahead of the last one.
    pub fn next_checkpoint(&self, ahead: i8) -> u32 {
        self.checkpoint.0.saturating_add_signed(ahead.into())
    }
}
