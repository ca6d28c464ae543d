//! Sealed bids.

use gridlease_core::job::JobState;
use gridlease_core::sealed::{Fate, fate, forfeit};
use gridlease_core::{Atoms, PricePerHour, UnixTs, tip};
use solana_pubkey::Pubkey;

use super::claims::by_fault;
use super::{Answer, GONE, GONE_IN_STAKING, InMarket, Model, Posted, THERE_ALREADY, require};
use crate::command::By;
use crate::command::sealed::SealedStep;

/// A sealed bid whose account is there, with what only its bidder knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedBid {
    pub provider: usize,
    pub offer: usize,
    pub price: u64,
    pub salt: u8,
    /// End of the revealing of its round.
    pub round: UnixTs,
    pub amount: Atoms,
    pub lamports: u64,
    /// Who paid the rent.
    pub rent_to: Pubkey,
}

impl Posted {
    /// The provider's sealed bid.
    pub fn sealed_of(&self, provider: usize) -> Option<&SealedBid> {
        self.sealed.iter().find(|bid| bid.provider == provider)
    }
}

impl Model {
    pub(super) fn sealed(&mut self, job: usize, provider: usize, step: &SealedStep) -> Answer {
        match *step {
            SealedStep::Commit { by, offer, price, salt } => self.commit(job, provider, by, (offer, price, salt)),
            SealedStep::Reveal { right } => self.reveal(job, provider, right),
            SealedStep::Forfeit => self.forfeit(job, provider),
            SealedStep::Release => self.release(job, provider),
        }
    }

    fn commit(&mut self, job: usize, provider: usize, by: By, bid: (usize, u64, u8)) -> Answer {
        let now = self.now;
        let mut posted = self.posted(job)?.clone();
        require(self.providers[provider].record.is_some(), GONE)?;
        let node = self.providers[provider].offers[bid.0].as_ref().ok_or(GONE)?.node;
        let signer = self.signer(by, node);
        require(posted.sealed_of(provider).is_none(), THERE_ALREADY)?;
        require(signer == node, "market NotNodeKey")?;
        self.intake()?;
        let mut rules = posted.rules;
        rules.check_commit(now.ts).market()?;
        require(!posted.excludes(provider), "market Excluded")?;
        rules.on_commit(now).market()?;
        posted.set_rules(&rules, now);
        self.limit((provider, bid.0), |limit| limit.bind(rules.sealed_bond))?;
        self.providers[provider].offers[bid.0].as_mut().ok_or(GONE)?.sealed += 1;
        let (named, rent) = (self.staking.names_market(), self.rents.commitment);
        let bond = self.providers[provider].bond.as_mut().ok_or(GONE_IN_STAKING)?;
        require(named, "staking UnknownSlasher")?;
        bond.totals.reserve(rules.sealed_bond).staking()?;
        bond.leases += 1;
        let (offer, price, salt) = bid;
        let (round, amount) = (rules.reveal_end, rules.sealed_bond);
        let lamports = rent + tip::prepaid_sealed_bid();
        posted.sealed.push(SealedBid { provider, offer, price, salt, round, amount, lamports, rent_to: signer });
        self.jobs[job] = Some(posted);
        Ok(())
    }

    /// The job's place with the provider's sealed bid, taken out of it.
    fn unsealed(&mut self, job: usize, provider: usize) -> Result<(Posted, SealedBid), String> {
        let mut posted = self.jobs[job].clone().ok_or(GONE)?;
        let at = posted.sealed.iter().position(|bid| bid.provider == provider).ok_or(GONE)?;
        let bid = posted.sealed.remove(at);
        Ok((posted, bid))
    }

    /// What is left of the stake behind a sealed bid goes free.
    fn unbind(&mut self, provider: usize, offer: usize, left: Atoms) -> Answer {
        self.limit((provider, offer), |limit| limit.unbind(left))?;
        self.providers[provider].offers[offer].as_mut().ok_or(GONE)?.sealed -= 1;
        let bond = self.providers[provider].bond.as_mut().ok_or(GONE_IN_STAKING)?;
        bond.totals.release(left).staking()?;
        bond.leases -= 1;
        Ok(())
    }

    fn reveal(&mut self, job: usize, provider: usize, right: bool) -> Answer {
        let now = self.now;
        self.posted(job)?;
        require(self.providers[provider].record.is_some(), GONE)?;
        let (mut posted, bid) = self.unsealed(job, provider)?;
        require(right, "market WrongReveal")?;
        let fate = fate(bid.round, Some((&posted.rules, UnixTs(posted.ended_ts))), now);
        match fate {
            Fate::Wait => return Err("market WindowOpen".to_owned()),
            Fate::Forfeit => return Err("market RevealClosed".to_owned()),
            Fate::Release | Fate::Reveal => {}
        }
        // What the bid bound counts as free when it is looked at.
        self.unbind(provider, bid.offer, bid.amount)?;
        let price = PricePerHour(bid.price);
        let mut entered = Err("market WrongState".to_owned());
        if fate == Fate::Reveal {
            entered = posted.rules.check_bid_price(price).market();
            if entered.is_ok() {
                require(self.providers[provider].record.is_some(), GONE)?;
                entered = self.enter(job, posted.clone(), provider, bid.offer, price, false);
                if entered.is_ok() {
                    posted = self.posted(job)?.clone();
                }
            }
        }
        self.noted.push(match (&entered, posted.rules.state) {
            (Ok(()), JobState::Leased) => "a revealed bid stands behind a lease",
            (Ok(()), _) => "a revealed bid entered the book",
            (Err(_), JobState::Ended) => "a bid was revealed after its job's end",
            (Err(_), _) => "a revealed bid was good for nothing",
        });
        let mut rules = posted.rules;
        rules.on_unsealed(bid.round);
        posted.set_rules(&rules, now);
        self.jobs[job] = Some(posted);
        Ok(())
    }

    fn forfeit(&mut self, job: usize, provider: usize) -> Answer {
        let now = self.now;
        self.posted(job)?;
        let mut there = self.posted(job)?.clone();
        let (mut posted, bid) = self.unsealed(job, provider)?;
        if bid.round == posted.rules.reveal_end && there.rules.see_reveal_end(now) {
            self.noted.push("a forfeiture saw the end of a long revealing");
            self.jobs[job] = Some(there);
            return Ok(());
        }
        match fate(bid.round, Some((&posted.rules, UnixTs(posted.ended_ts))), now) {
            Fate::Forfeit => {}
            Fate::Release => return Err("market WrongFate".to_owned()),
            Fate::Wait | Fate::Reveal => return Err("market RevealOpen".to_owned()),
        }
        let parts = forfeit(bid.amount);
        self.noted.push("a forfeited bond went to insurance");
        let mut rules = posted.rules;
        rules.on_unsealed(bid.round);
        posted.set_rules(&rules, now);
        self.jobs[job] = Some(posted);
        let left = self.slash_stake(provider, None, bid.amount, &by_fault(&parts))?;
        self.tip(bid.lamports, self.rents.commitment, bid.round);
        self.unbind(provider, bid.offer, left)
    }

    fn release(&mut self, job: usize, provider: usize) -> Answer {
        let now = self.now;
        let (posted, bid) = self.unsealed(job, provider)?;
        let there = posted.open.then_some((&posted.rules, UnixTs(posted.ended_ts)));
        match fate(bid.round, there, now) {
            Fate::Release => {}
            Fate::Wait | Fate::Reveal => return Err("market RevealOpen".to_owned()),
            Fate::Forfeit => return Err("market WrongFate".to_owned()),
        }
        self.noted.push(if posted.open {
            "a bid was released of an ended job"
        } else {
            "a bid was released of a gone job"
        });
        self.jobs[job] = Some(posted);
        self.unbind(provider, bid.offer, bid.amount)
    }
}
