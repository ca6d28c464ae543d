//! Purses, bonds, provider records, offers.

use gridlease_core::gpu_claim::{Claims, check_backing};
use gridlease_core::job::check_price;
use gridlease_core::limits::{INSURANCE_SHARE_OF_FEE, MAX_OFFER_LIFE, MAX_UNITS};
use gridlease_core::machine::StakeLimit;
use gridlease_core::reputation::Reputation;
use gridlease_core::rounding::share_down;
use gridlease_core::{Atoms, PricePerHour, UnixTs, job_number};
use solana_pubkey::Pubkey;

use super::{Answer, GONE, GONE_IN_STAKING, InMarket, Model, Offer, Pouch, Record, Stake, THERE_ALREADY, require};
use crate::command::machines::Allotment;
use crate::command::{By, OfferTerms};

impl Offer {
    pub(super) fn claims(&self) -> Claims {
        let gpu_count = crate::scene::unit().gpu_count;
        Claims { units: self.units, units_free: self.free, gpu_count, claimed: self.claimed }
    }

    fn set_terms(&mut self, terms: &OfferTerms, now: u64) -> Answer {
        check_price(PricePerHour(terms.ask)).market()?;
        check_price(PricePerHour(terms.floor)).market()?;
        require(terms.ask >= terms.floor, "market AskBelowFloor")?;
        let expires = now.saturating_add_signed(terms.life);
        require(expires > now && expires - now <= MAX_OFFER_LIFE.0, "market BadExpiry")?;
        let open = self.units - self.free;
        require(terms.units > 0 && terms.units <= MAX_UNITS && terms.units >= open, "market BadUnits")?;
        (self.ask, self.floor, self.due) = (terms.ask, terms.floor, expires);
        (self.units, self.free, self.auto_bid) = (terms.units, terms.units - open, terms.auto_bid);
        Ok(())
    }
}

impl Model {
    /// The purse of a buyer, and changes in it.
    pub(super) fn purse(&mut self, buyer: usize) -> Result<&mut Pouch, String> {
        self.buyers[buyer].purse.as_mut().ok_or_else(|| GONE.to_owned())
    }

    pub(super) fn open_purse(&mut self, buyer: usize) -> Answer {
        let slot = self.now.slot;
        let buyer = &mut self.buyers[buyer];
        require(buyer.purse.is_none(), THERE_ALREADY)?;
        buyer.purse = Some(Pouch { last_job: job_number::first(slot).market()?, ..Pouch::default() });
        self.tokens.insert(buyer.vault, 0);
        Ok(())
    }

    pub(super) fn deposit(&mut self, buyer: usize, by: By, amount: u64) -> Answer {
        let (key, wallet, vault) = (self.buyers[buyer].key, self.buyers[buyer].wallet, self.buyers[buyer].vault);
        let signed = self.signer(by, key) == key;
        self.purse(buyer)?;
        self.intake()?;
        let caps = self.market.caps;
        let purse = self.purse(buyer)?;
        purse.amounts.deposit(Atoms(amount)).market()?;
        caps.check_deposit(purse.amounts.balance).market()?;
        purse.amounts.free().market()?;
        purse.deposited = purse.deposited.saturating_add(amount);
        self.transfer(wallet, vault, amount, signed)
    }

    pub(super) fn withdraw(&mut self, buyer: usize, by: By, amount: u64) -> Answer {
        let (key, wallet, vault) = (self.buyers[buyer].key, self.buyers[buyer].wallet, self.buyers[buyer].vault);
        let signer = self.signer(by, key);
        let purse = self.purse(buyer)?;
        require(signer == key, "market NotBuyer")?;
        purse.amounts.withdraw(Atoms(amount)).market()?;
        purse.withdrawn = purse.withdrawn.saturating_add(amount);
        self.pay_out(vault, wallet, Atoms(amount))
    }

    pub(super) fn sweep_fees(&mut self, buyer: usize) -> Answer {
        let swept = self.purse(buyer)?.amounts.sweep_fees().market()?;
        let (fees, of_fees) = (swept.fees, share_down(swept.fees, INSURANCE_SHARE_OF_FEE).market()?);
        let insurance = of_fees.add(swept.forfeits).market()?;
        let vault = self.buyers[buyer].vault;
        self.pay_out(vault, self.treasury, fees.sub(of_fees).market()?)?;
        self.pay_out(vault, self.staking.insurance, insurance)
    }

    pub(super) fn open_bond(&mut self, provider: usize) -> Answer {
        let provider = &mut self.providers[provider];
        require(provider.bond.is_none(), THERE_ALREADY)?;
        provider.bond = Some(Stake::default());
        self.tokens.insert(provider.bond_vault, 0);
        Ok(())
    }

    pub(super) fn add_stake(&mut self, provider: usize, by: By, amount: u64) -> Answer {
        let authority = self.providers[provider].authority;
        let signer = self.signer(by, authority);
        require(self.providers[provider].bond.is_some(), GONE_IN_STAKING)?;
        require(signer == authority, "staking WrongAuthority")?;
        self.share_out(provider)?;
        let now = self.now.ts;
        let stake = self.stake(provider)?;
        stake.totals.add(Atoms(amount), now).staking()?;
        let whole = stake.totals.amount().staking()?;
        self.staking.caps().check_stake(whole).staking()?;
        let stake = self.stake(provider)?;
        stake.added = Atoms(stake.added).add(Atoms(amount)).staking()?.0;
        let (from, to) = (self.providers[provider].payout, self.providers[provider].bond_vault);
        self.transfer(from, to, amount, true)
    }

    pub(super) fn register(&mut self, provider: usize) -> Answer {
        let node = self.people[crate::scene::node_of(provider)];
        require(self.providers[provider].record.is_none(), THERE_ALREADY)?;
        self.intake()?;
        require(!self.frozen.contains(&self.providers[provider].payout), "market FrozenTokenAccount")?;
        let provider = &mut self.providers[provider];
        provider.record = Some(Record {
            node,
            history: Reputation::default(),
            recent: Default::default(),
            earned: 0,
            offers: 0,
            leases: 0,
            machines: 0,
            own: crate::scene::first_machine(),
            payout: provider.payout,
            pending: Pubkey::default(),
            pending_since: 0,
        });
        Ok(())
    }

    pub(super) fn post_offer(
        &mut self,
        provider: usize,
        by: By,
        offer: usize,
        allotment: Allotment,
        terms: &OfferTerms,
    ) -> Answer {
        let (now, rents, slot) = (self.now.ts.0, self.rents, self.now.slot);
        let signer = self.signer(by, self.node_of_new(provider, allotment).ok_or(GONE)?);
        let machine = self.allotted_by(provider, allotment);
        if let Some((owner, at)) = machine {
            require(self.providers[owner].machines[at].is_some(), GONE)?;
        }
        require(self.providers[provider].offers[offer].is_none(), THERE_ALREADY)?;
        require(machine.is_none_or(|(owner, _)| owner == provider), "market Unrelated")?;
        self.intake()?;
        let node = self.allot(provider, allotment)?;
        require(signer == node, "market NotNodeKey")?;
        let mut new = Offer {
            live: true,
            due: 0,
            ask: 0,
            floor: 0,
            units: 0,
            free: 0,
            auto_bid: false,
            unpaid: 0,
            claimed: 0,
            payer: signer,
            lamports: 0,
            machine: machine.map(|(_, at)| at),
            node,
            limit: StakeLimit { limit: Atoms(allotment.limit), bound: Atoms::ZERO },
            retired: false,
            sealed: 0,
            benchmark: crate::scene::benchmark(slot),
        };
        new.set_terms(terms, now)?;
        new.lamports = rents.of_offer(new.free, 0);
        let provider = &mut self.providers[provider];
        provider.offers[offer] = Some(new);
        provider.record.as_mut().ok_or(GONE)?.offers += 1;
        Ok(())
    }

    pub(super) fn refresh_offer(&mut self, provider: usize, by: By, offer: usize, terms: &OfferTerms) -> Answer {
        let node = self.node_of(provider, offer).ok_or(GONE)?;
        let signer = self.signer(by, node);
        let (now, rents) = (self.now.ts.0, self.rents);
        let offer = self.providers[provider].offers[offer].as_mut().ok_or(GONE)?;
        require(signer == node, "market NotNodeKey")?;
        require(offer.live, "market OfferNotLive")?;
        offer.set_terms(terms, now)?;
        offer.lamports = offer.lamports.max(rents.of_offer(offer.free, offer.units - offer.free));
        Ok(())
    }

    pub(super) fn withdraw_offer(&mut self, provider: usize, by: By, offer: usize, wrong: bool) -> Answer {
        let node = self.node_of(provider, offer).ok_or(GONE)?;
        let signer = self.signer(by, node);
        let owner = &mut self.providers[provider];
        let machine = owner.machines[0];
        let place = &mut owner.offers[offer];
        let old = place.as_mut().ok_or(GONE)?;
        // Instead of the record the first machine is named, instead of a machine the record.
        require(!wrong || old.machine.is_some() || machine.is_some(), GONE)?;
        let own = signer == node || signer == owner.authority;
        require(own || old.retired, "market NotNodeKey")?;
        (old.live, old.due) = (false, 0);
        if !own {
            self.noted.push("somebody took an offer of a retired machine off the market");
        }
        if old.free == old.units && old.unpaid == 0 && old.claimed == 0 && old.sealed == 0 {
            let closed = *old;
            *place = None;
            owner.record.as_mut().ok_or(GONE)?.offers -= 1;
            require(!wrong, "market Unrelated")?;
            self.take_back(provider, &closed)?;
        }
        Ok(())
    }

    pub(super) fn claim_gpus(&mut self, provider: usize, by: By, offer: usize, count: u8) -> Answer {
        let node = self.node_of(provider, offer).ok_or(GONE)?;
        let signer = self.signer(by, node);
        let provider = &mut self.providers[provider];
        let place = provider.offers[offer].as_mut().ok_or(GONE)?;
        require(signer == node, "market NotNodeKey")?;
        require(place.live, "market OfferNotLive")?;
        let claimed = place.claims().claim(count.into()).market()?;
        let own = provider.bond.as_ref().ok_or("market WrongBond")?.totals.own;
        let all: usize = provider.claims.iter().map(Vec::len).sum();
        check_backing(own, all as u32 + u32::from(count)).market()?;
        place.claimed = claimed;
        provider.claims[offer].extend((0..count).map(|_| signer));
        Ok(())
    }

    pub(super) fn release_gpus(&mut self, provider: usize, by: By, offer: usize, count: u8) -> Answer {
        let node = self.node_of(provider, offer).ok_or(GONE)?;
        let (signer, now) = (self.signer(by, node), self.now.ts);
        let provider = &mut self.providers[provider];
        let place = provider.offers[offer].as_mut().ok_or(GONE)?;
        let own = signer == node || signer == provider.authority;
        require(own || place.claims().is_stale(UnixTs(place.due), now), "market NotNodeKey")?;
        place.claimed = place.claims().release(count.into()).market()?;
        provider.claims[offer].truncate(place.claimed.into());
        Ok(())
    }
}
