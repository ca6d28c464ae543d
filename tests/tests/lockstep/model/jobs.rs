//! Jobs, bids, awards.

use gridlease_core::book::{Book, Entry};
use gridlease_core::delegation;
use gridlease_core::eligibility::{Bidder, Refusal, Wanted};
use gridlease_core::exclusion::Reporter;
use gridlease_core::job::{Job, JobState, Mode, Terms, check_care, notice_of, start_deadline};
use gridlease_core::lease::LeaseState;
use gridlease_core::limits::MAX_ATTEMPTS;
use gridlease_core::purse_key::PurseStep;
use gridlease_core::reputation::Reputation;
use gridlease_core::score::{Merit, Weights, auto_bid_price, score};
use gridlease_core::verdict::window_of;
use gridlease_core::{Atoms, Now, PricePerHour, RuleError, Seconds, UnixTs, job_number, lease, tip};
use gridlease_sdk::address;
use gridlease_sdk::instruction::lease::LeaseKeys;
use sha2::{Digest, Sha256};
use solana_pubkey::Pubkey;

use super::{Answer, GONE, InMarket, JOBS, Let, Model, Posted, THERE_ALREADY, require};
use crate::command::{By, JobTerms, WEIGHTS};
use crate::scene;

fn merit(history: &Reputation) -> Merit {
    Merit { reputation: history.standing, uptime: history.uptime, speed: history.speed() }
}

/// First eight bytes of SHA-256(job ‖ provider), big endian.
fn tie(job: &Pubkey, provider: &[u8; 32]) -> u64 {
    let hash: [u8; 32] = Sha256::new().chain_update(job).chain_update(provider).finalize().into();
    u64::from_be_bytes(hash[..8].try_into().unwrap())
}

fn refused(refusal: Refusal) -> String {
    match refusal {
        Refusal::Withdrawn | Refusal::NotLive => "market OfferNotLive".to_owned(),
        other => format!("market {:?}", RuleError::from(other)),
    }
}

impl Posted {
    /// Does it go on without this provider?
    pub fn excludes(&self, provider: usize) -> bool {
        self.excluded.contains(&provider)
    }

    /// It goes on without a provider; the oldest of eight may try again.
    fn exclude(&mut self, provider: usize) {
        if self.excluded.len() == usize::from(MAX_ATTEMPTS) {
            self.excluded.remove(0);
        }
        self.excluded.push(provider);
    }

    fn drop_best(&mut self) {
        self.book.pop_best();
    }

    /// Writes the rules back, and notes when the job ended.
    pub(super) fn set_rules(&mut self, next: &Job, now: Now) {
        self.rules = *next;
        if next.bids == 0 {
            self.book.clear();
        }
        if next.state == JobState::Ended && self.ended_ts == 0 {
            self.ended_ts = now.ts.0;
        }
    }
}

impl Model {
    pub(super) fn post_job(&mut self, job: usize, by: By, terms: &JobTerms) -> Answer {
        let key = self.new_job(job, terms)?;
        require(terms.mode != Mode::Instant as u8, "market WrongMode")?;
        self.jobs[job] = Some(self.write_job(job, by, terms, key)?);
        Ok(())
    }

    /// The address of a job that is about to be posted, where nothing is yet.
    pub(super) fn new_job(&self, job: usize, terms: &JobTerms) -> Result<Pubkey, String> {
        let buyer = &self.buyers[job % self.buyers.len()];
        let key = address::job(&buyer.purse_key, scene::job_number(self, job, terms));
        require(buyer.purse.is_some(), GONE)?;
        require(!self.jobs.iter().flatten().any(|posted| posted.open && posted.key == key), THERE_ALREADY)?;
        self.intake_of(terms.verify)?;
        Ok(key)
    }

    /// A new job, its terms checked and its cap reserved.
    pub(super) fn write_job(&mut self, job: usize, by: By, terms: &JobTerms, key: Pubkey) -> Result<Posted, String> {
        let buyer = job % self.buyers.len();
        let signer = self.signer(by, self.buyers[buyer].key);
        let now = self.now;
        let number = scene::job_number(self, job, terms);
        let mode = Mode::from_byte(terms.mode).market()?;
        let need = scene::need(terms);
        need.check().market()?;
        Weights::new(WEIGHTS[usize::from(terms.weights)]).market()?;
        let (notice, checkpoint) = (Seconds(terms.notice_s.into()), Seconds(terms.checkpoint_s.into()));
        check_care(notice, checkpoint).market()?;
        let asked = Terms {
            max_price: PricePerHour(terms.max_price),
            max_duration: Seconds(terms.max_duration_s.into()),
            window: Seconds(terms.window_s.into()),
            attempts: terms.attempts,
            mode,
            reveal: Seconds(terms.reveal_s.into()),
            wait: Seconds(terms.wait_s.into()),
            review: Seconds(terms.review_s.into()),
        };
        let rules = Job::post(asked, now).market()?;
        self.under_cap(rules.reserved)?;
        require(number > self.purse(buyer)?.last_job, "market NumberUsed")?;
        job_number::check(number, now.slot).market()?;
        self.spend_in_the_name_of(buyer, by, PurseStep::Post, rules.reserved)?;
        let purse = self.purse(buyer)?;
        purse.amounts.reserve(rules.reserved).market()?;
        purse.last_job = number;
        purse.open_jobs += 1;
        Ok(Posted {
            key,
            buyer,
            open: true,
            rules,
            need,
            weights: WEIGHTS[usize::from(terms.weights)],
            image_mb: terms.image_mb,
            book: Book::new(),
            excluded: Vec::new(),
            ended_ts: 0,
            leases: Vec::new(),
            payer: signer,
            notice,
            checkpoint_every: checkpoint,
            reporter: Reporter::default(),
            rejects: 0,
            checkpoint: (0, [0; 32], 0),
            lamports: self.rents.job + tip::prepaid_job(terms.attempts),
            sealed: Vec::new(),
            spent: 0,
            exit: None,
            class: terms.verify,
            task: None,
        })
    }

    /// Can the provider's offer take the job at this price? The stake that the lease would reserve.
    pub(super) fn check(
        &self,
        posted: &Posted,
        index: usize,
        place: usize,
        price: PricePerHour,
        until: UnixTs,
    ) -> Result<Atoms, Refusal> {
        let provider = &self.providers[index];
        let (Some(record), Some(offer)) = (&provider.record, &provider.offers[place]) else {
            return Err(Refusal::Withdrawn);
        };
        let bidder = Bidder {
            live_until: UnixTs(if offer.live { offer.due } else { 0 }),
            units_free: offer.free,
            excluded: posted.excludes(index),
            claims: offer.claims(),
            unit: scene::unit_of(index, place),
            reputation: record.history.standing,
            bond: provider.bond.map(|bond| bond.totals.bond()).transpose()?.unwrap_or_default(),
        };
        let terms = &posted.rules.terms;
        let (max_duration, max_price, funds) = (terms.max_duration, terms.max_price, posted.rules.reserved);
        let wanted = Wanted { need: posted.need, max_duration, max_price, funds };
        bidder.check(&wanted, price, until)
    }

    pub(super) fn place_bid(&mut self, job: usize, provider: usize, by: By, offer: usize, price: u64) -> Answer {
        let posted = self.posted(job)?.clone();
        let bidder = &self.providers[provider];
        require(bidder.record.is_some(), GONE)?;
        let node = bidder.offers[offer].as_ref().ok_or(GONE)?.node;
        require(self.signer(by, node) == node, "market NotNodeKey")?;
        self.intake()?;
        posted.rules.check_bid(PricePerHour(price), self.now.ts).market()?;
        require(bidder.bond.is_some(), "market WrongBond")?;
        self.check_kin(&posted, provider)?;
        self.enter(job, posted, provider, offer, PricePerHour(price), false)
    }

    pub(super) fn enter_offer(&mut self, job: usize, provider: usize, offer: usize) -> Answer {
        let posted = self.posted(job)?.clone();
        let bidder = &self.providers[provider];
        let record = bidder.record.as_ref().ok_or(GONE)?;
        let terms = bidder.offers[offer].as_ref().ok_or(GONE)?;
        self.intake()?;
        require(terms.auto_bid, "market NoAutoBid")?;
        match posted.rules.check_bid(PricePerHour(1), self.now.ts) {
            Err(RuleError::WrongState | RuleError::WindowClosed | RuleError::WaitOver) => return Ok(()),
            checked => checked.market()?,
        }
        let address = bidder.record_key.to_bytes();
        let standing = posted.book.entries().iter().find(|entry| entry.provider == address);
        if standing.is_some() && standing == posted.book.best() {
            return Ok(());
        }
        let price = auto_bid_price(
            &Weights::new(posted.weights).market()?,
            &merit(&record.history),
            PricePerHour(terms.ask),
            PricePerHour(terms.floor),
            posted.rules.terms.max_price,
            posted.book.best_other(&address).map(|entry| entry.score),
        )
        .market()?;
        if standing.is_some_and(|entry| entry.price <= price) {
            return Ok(());
        }
        require(bidder.bond.is_some(), "market WrongBond")?;
        self.check_kin(&posted, provider)?;
        match self.enter(job, posted, provider, offer, price, true) {
            Err(full) if full == "market BookFull" => Ok(()),
            entered => entered,
        }
    }

    pub(super) fn enter(
        &mut self,
        job: usize,
        mut posted: Posted,
        provider: usize,
        offer: usize,
        price: PricePerHour,
        automatic: bool,
    ) -> Answer {
        let (now, bidder) = (self.now, &self.providers[provider]);
        let (record, terms) = (bidder.record.as_ref().ok_or(GONE)?, bidder.offers[offer].as_ref().ok_or(GONE)?);
        let mut rules = posted.rules;
        require(price.0 >= terms.floor, "market BidBelowFloor")?;
        let until = Bidder::lives_until(rules.auction_end(now.ts).market()?, automatic, now.ts);
        let stake = self.check(&posted, provider, offer, price, until).map_err(refused)?;
        terms.limit.bind(stake).market()?;
        let weights = Weights::new(posted.weights).market()?;
        let entry = Entry {
            provider: bidder.record_key.to_bytes(),
            offer: scene::offer_number(offer),
            score: score(&weights, &merit(&record.history), price, rules.terms.max_price).market()?,
            price,
            automatic,
        };
        let leads = posted.book.insert(entry, |provider| tie(&posted.key, provider)).market()?.leads;
        rules.on_bid(leads, posted.book.len(), now).market()?;
        posted.set_rules(&rules, now);
        self.jobs[job] = Some(posted);
        Ok(())
    }

    /// Which provider and offer an entry of a book is of.
    pub fn bidder(&self, entry: &Entry) -> (usize, usize) {
        let provider = self.providers.iter().position(|one| one.record_key.to_bytes() == entry.provider).unwrap();
        (provider, scene::offer_place(entry.offer))
    }

    /// Did the provider's operator make stake leave at `since` or later?
    fn stake_left(&self, provider: usize, since: UnixTs) -> bool {
        self.providers[provider].bond.is_some_and(|bond| delegation::Stake::fell_since(bond.totals.fell, since))
    }

    pub(super) fn award(&mut self, job: usize, given: usize) -> Answer {
        let now = self.now;
        let mut posted = self.posted(job)?.clone();
        let due = posted.due();
        if posted.rules.state != JobState::Open {
            return Ok(());
        }
        if posted.rules.see_reveal_end(now) {
            self.noted.push("an award saw the end of a long revealing");
            self.jobs[job] = Some(posted);
            return Ok(());
        }
        posted.rules.check_award(now).market()?;
        let (bids, began) = (posted.book.entries().len(), posted.rules.book_began());
        let mut dropped = 0;
        let mut winner = None;
        let mut faulted = Vec::new();
        for entry in posted.book.entries().iter().take(given) {
            let (provider, offer) = self.bidder(entry);
            if self.providers[provider].record.is_none() {
                self.noted.push("a bidder that closed its record was passed over");
                dropped += 1;
                continue;
            }
            if self.check_kin(&posted, provider).is_err() {
                dropped += 1;
                continue;
            }
            let place = self.providers[provider].offers[offer];
            let rent = place.is_some_and(|offer| offer.lamports >= self.rents.of_unit());
            match self.check(&posted, provider, offer, entry.price, now.ts) {
                _ if self.providers[provider].bond.is_none() => faulted.push(provider),
                Ok(stake) if rent && place.is_some_and(|offer| offer.limit.bind(stake).is_err()) => {
                    self.noted.push("a bid was dropped whose offer's limit was used up");
                }
                Ok(stake) if rent => {
                    winner = Some((*entry, provider, offer, stake));
                    break;
                }
                Err(refusal) if refusal.own_doing(self.stake_left(provider, began)) => faulted.push(provider),
                _ => {}
            }
            dropped += 1;
        }
        for provider in faulted {
            self.providers[provider].record.as_mut().ok_or(GONE)?.history.on_fault();
        }
        if let Some((entry, provider, offer, stake)) = winner {
            (0..=dropped).for_each(|_| posted.drop_best());
            posted.rules.drop_bids(dropped);
            self.open_lease(&mut posted, entry.price, provider, offer, stake, !entry.automatic)?;
            self.admit(&posted, provider);
        } else if dropped < bids {
            require(dropped > 0, "market CandidateMissing")?;
            (0..dropped).for_each(|_| posted.drop_best());
            posted.rules.drop_bids(dropped);
            // Dropping bids alone earns nothing.
            self.jobs[job] = Some(posted);
            return Ok(());
        } else {
            (0..dropped).for_each(|_| posted.drop_best());
            let mut rules = posted.rules;
            rules.unawarded(now).market()?;
            posted.set_rules(&rules, now);
            self.jobs[job] = Some(posted);
            return Ok(());
        }
        self.jobs[job] = Some(posted);
        self.tip_of_award(job, due);
        Ok(())
    }

    pub(super) fn open_lease(
        &mut self,
        posted: &mut Posted,
        price: PricePerHour,
        provider: usize,
        offer: usize,
        stake: Atoms,
        own_bid: bool,
    ) -> Answer {
        let (now, rents, terms) = (self.now, self.rents, self.market.terms);
        let mut rules = posted.rules;
        let number = rules.leases;
        let reserved = rules.award(price, now).market()?;
        let deadline = start_deadline(now.ts, posted.image_mb).market()?;
        posted.set_rules(&rules, now);
        let purse = self.buyers[posted.buyer].purse_key;
        require(self.staking.names_market(), "staking UnknownSlasher")?;
        let before = self.prefunded.remove(&address::lease(&posted.key, number)).unwrap_or(0);
        let winner = &mut self.providers[provider];
        winner.record.as_mut().ok_or(GONE)?.leases += 1;
        let used = winner.offers[offer].as_mut().ok_or(GONE)?;
        used.free -= 1;
        used.limit = used.limit.bind(stake).market()?;
        let lease_key = address::lease(&posted.key, number);
        // A reservation without lamports is lent its first one by the bond.
        used.lamports -= rents.lease.saturating_sub(before) + rents.reservation.saturating_sub(before.max(1));
        // A lamport for each open lease is kept for its return.
        let open = u64::from(used.units - used.free);
        let of_units = (rents.lease + rents.reservation) * u64::from(used.free) + open;
        let tips = tip::payable(tip::prepaid_lease(), used.lamports, rents.offer + of_units);
        used.lamports -= tips;
        let bond = winner.bond.as_mut().ok_or(GONE)?;
        bond.totals.reserve(stake).staking()?;
        bond.leases += 1;
        let keys = LeaseKeys {
            lease: lease_key,
            job: posted.key,
            purse,
            provider: winner.record_key,
            offer: address::offer(&winner.record_key, scene::offer_number(offer)),
            bond: winner.bond_key,
            payout: winner.record.as_ref().ok_or(GONE)?.payout,
        };
        let opened = lease::Lease::open(price, reserved, terms.slot_ms, terms.fee, now, deadline);
        let notice = notice_of(scene::unit_of(provider, offer).flags, posted.notice);
        posted.leases.push(Let {
            keys,
            provider,
            offer,
            open: true,
            rules: lease::Lease {
                checkpoint_every: posted.checkpoint_every,
                notice,
                duration: posted.rules.terms.max_duration,
                verification: window_of(posted.class),
                ..opened
            },
            stake,
            reservation: stake,
            awarded_ts: now.ts.0,
            released: false,
            unit_free: false,
            own_bid,
            lamports: rents.lease.max(before) + tips,
            reservation_lamports: rents.reservation.max(before) - u64::from(before == 0),
            challenger: Pubkey::default(),
            nonce: [0; 32],
            indexed: false,
            disproved: false,
        });
        Ok(())
    }

    pub(super) fn cancel_job(&mut self, job: usize, by: By) -> Answer {
        let now = self.now;
        self.posted(job)?;
        self.in_the_name_of(job % self.buyers.len(), by, PurseStep::Cancel)?;
        let posted = self.posted(job)?;
        let mut rules = posted.rules;
        let back = rules.cancel().market()?;
        posted.set_rules(&rules, now);
        let buyer = posted.buyer;
        self.purse(buyer)?.amounts.release(back).market()
    }

    pub(super) fn expire_job(&mut self, job: usize) -> Answer {
        let now = self.now;
        let posted = self.posted(job)?;
        let (due, buyer) = (posted.due(), posted.buyer);
        if posted.rules.state != JobState::Waiting {
            return Ok(());
        }
        let mut rules = posted.rules;
        let back = rules.expire(now.ts).market()?;
        posted.set_rules(&rules, now);
        self.noted.push("a job ended that nobody bid for");
        self.purse(buyer)?.amounts.release(back).market()?;
        self.tip_of_job(job, due);
        Ok(())
    }

    pub(super) fn close_job(&mut self, job: usize) -> Answer {
        let posted = self.posted(job)?;
        require(posted.task.is_none(), "market TaskOfArray")?;
        posted.rules.check_close().market()?;
        posted.open = false;
        let (buyer, due) = (posted.buyer, posted.due());
        self.tip_of_job(job, due);
        self.purse(buyer)?.open_jobs -= 1;
        Ok(())
    }

    /// May another job be posted in this place? Only when everything of the last one is closed, so that nothing is lost of
    /// sight.
    pub fn is_free(&self, job: usize) -> bool {
        debug_assert!(job < JOBS);
        let over = |posted: &Posted| !posted.open && posted.sealed.is_empty();
        self.jobs[job].as_ref().is_none_or(|posted| over(posted) && posted.leases.iter().all(|over| !over.open))
    }

    /// What the end of its last lease does to a job; what goes back to the purse. `before`: the lease before it.
    pub(super) fn end_job(
        posted: &mut Posted,
        at: usize,
        before: &lease::Lease,
        back: Atoms,
        certain: bool,
        now: Now,
    ) -> Result<Atoms, String> {
        let over = &posted.leases[at];
        let (reason, price, provider) = (over.rules.reason, over.rules.price, over.provider);
        let finished = before.state == LeaseState::Finished;
        let counted = if finished { before.base.0 } else { 0 };
        posted.spent = posted.spent.saturating_add(over.rules.base.0).saturating_sub(counted);
        // What was left behind at its finish stays, unless another lease does it anew.
        if !finished || reason.is_retried() && !certain {
            posted.exit = None;
        }
        let mut rules = posted.rules;
        let back = rules.on_lease_end(reason, back, price, certain, now.ts).market()?;
        if reason.is_retried() {
            posted.exclude(provider);
        }
        posted.set_rules(&rules, now);
        Ok(back)
    }
}
