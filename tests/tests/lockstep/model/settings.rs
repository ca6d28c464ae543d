//! What buyers do besides money and jobs, and providers besides stake and offers.

use gridlease_core::period_cap::PeriodCap;
use gridlease_core::{Atoms, Seconds, UnixTs, job_number, payout};
use solana_pubkey::Pubkey;

use super::{Answer, GONE, InMarket, Model, require};
use crate::command::By;
use crate::command::parties::{BuyerStep, SupplierStep};

impl Model {
    pub(super) fn buyer(&mut self, buyer: usize, by: By, step: &BuyerStep) -> Answer {
        let (owner, now) = (self.buyers[buyer].key, self.now);
        let signer = self.signer(by, owner);
        self.purse(buyer)?;
        require(signer == owner, "market NotBuyer")?;
        match *step {
            BuyerStep::SetSpender { spender, cap, period_s } => {
                let spender = self.somebody(spender);
                let none = spender == Pubkey::default();
                let spending = match none {
                    true => PeriodCap::default(),
                    false => PeriodCap::set(Atoms(cap), Seconds(period_s.into()), now.ts).market()?,
                };
                let purse = self.purse(buyer)?;
                (purse.spender, purse.spending) = (spender, spending);
                self.noted.push(if none { "a spender was removed" } else { "a spender was set" });
                Ok(())
            }
            BuyerStep::SetGuardian { guardian, cap, period_s } => self.set_guardian(buyer, guardian, cap, period_s),
            BuyerStep::SweepDonation => {
                let donated = self.donated(buyer)?;
                self.noted.push(if donated.is_zero() { "there was no donation" } else { "a donation was swept" });
                self.pay_out(self.buyers[buyer].vault, self.buyers[buyer].wallet, donated)
            }
            BuyerStep::Close => self.close_purse(buyer),
        }
    }

    /// Somebody by number less one; 0 is nobody.
    pub fn somebody(&self, who: u8) -> Pubkey {
        usize::from(who).checked_sub(1).map_or(Pubkey::default(), |at| self.people[at % self.people.len()])
    }

    fn donated(&mut self, buyer: usize) -> Result<Atoms, String> {
        let balance = self.purse(buyer)?.amounts.balance;
        Atoms(self.tokens[&self.buyers[buyer].vault]).sub(balance).market()
    }

    fn close_purse(&mut self, buyer: usize) -> Answer {
        let slot = self.now.slot;
        let purse = *self.purse(buyer)?;
        let amounts = purse.amounts;
        let empty = amounts.balance.is_zero() && amounts.reserved.is_zero() && amounts.fees_owed.is_zero();
        let empty = empty && amounts.forfeits_owed.is_zero();
        require(empty && purse.open_jobs == 0, "market NotEmpty")?;
        job_number::check_close(purse.last_job, slot).market()?;
        let donated = self.donated(buyer)?;
        let vault = self.buyers[buyer].vault;
        self.pay_out(vault, self.buyers[buyer].wallet, donated)?;
        self.tokens.remove(&vault);
        let frozen = self.frozen.remove(&vault);
        self.buyers[buyer].purse = None;
        self.noted.push(match (frozen, donated.is_zero()) {
            (true, _) => "a purse was closed, its empty vault frozen",
            (_, true) => "a purse was closed",
            _ => "a purse was closed with a donation",
        });
        Ok(())
    }

    pub(super) fn supplier(&mut self, provider: usize, by: By, step: &SupplierStep) -> Answer {
        match *step {
            SupplierStep::ProposePayout { to } => self.propose_payout(provider, by, to),
            SupplierStep::CancelPayout => self.cancel_payout(provider, by),
            SupplierStep::ApplyPayout { to } => self.apply_payout(provider, to),
            SupplierStep::Benchmark { offer, value, hash } => self.benchmark(provider, by, offer, value, hash),
            SupplierStep::Close => self.close_provider(provider, by),
        }
    }

    fn by_authority(&self, provider: usize, by: By) -> Answer {
        require(self.providers[provider].record.is_some(), GONE)?;
        let authority = self.providers[provider].authority;
        require(self.signer(by, authority) == authority, "market NotAuthority")
    }

    fn propose_payout(&mut self, provider: usize, by: By, to: usize) -> Answer {
        self.by_authority(provider, by)?;
        let (account, now) = (self.payees[to % self.payees.len()], self.now.ts);
        require(!self.frozen.contains(&account), "market FrozenTokenAccount")?;
        payout::due(now, false).market()?;
        let record = self.providers[provider].record.as_mut().ok_or(GONE)?;
        (record.pending, record.pending_since) = (account, now.0);
        Ok(())
    }

    fn cancel_payout(&mut self, provider: usize, by: By) -> Answer {
        self.by_authority(provider, by)?;
        let record = self.providers[provider].record.as_mut().ok_or(GONE)?;
        require(record.pending != Pubkey::default(), "market NoPendingPayout")?;
        (record.pending, record.pending_since) = (Pubkey::default(), 0);
        Ok(())
    }

    fn apply_payout(&mut self, provider: usize, to: Option<usize>) -> Answer {
        let now = self.now.ts;
        let account = self.applied(provider, to);
        let frozen = self.frozen.contains(&account);
        let delegators = !self.providers[provider].holdings.places.is_empty();
        let record = self.providers[provider].record.as_mut().ok_or(GONE)?;
        if record.pending == Pubkey::default() {
            self.noted.push("no payout account was proposed");
            return Ok(());
        }
        require(record.pending == account, "market WrongTokenAccount")?;
        payout::check_apply(UnixTs(record.pending_since), delegators, now).market()?;
        require(!frozen, "market FrozenTokenAccount")?;
        record.payout = account;
        (record.pending, record.pending_since) = (Pubkey::default(), 0);
        self.noted.push("a payout account took effect");
        Ok(())
    }

    /// The token account that is to take effect: the one that was proposed, or the one that is named.
    pub fn applied(&self, provider: usize, to: Option<usize>) -> Pubkey {
        let pending = self.providers[provider].record.map_or(Pubkey::default(), |record| record.pending);
        let right = if pending == Pubkey::default() { self.providers[provider].payout } else { pending };
        to.map_or(right, |to| self.payees[to % self.payees.len()])
    }

    fn benchmark(&mut self, provider: usize, by: By, offer: usize, value: u64, hash: bool) -> Answer {
        let (signer, node) = self.by_node(by, (provider, offer))?;
        let slot = self.now.slot;
        let place = self.providers[provider].offers[offer].as_mut().ok_or(GONE)?;
        require(signer == node, "market NotNodeKey")?;
        require(value != 0 && hash, "market EmptyBenchmark")?;
        require(place.live, "market OfferNotLive")?;
        place.benchmark = (value, crate::scene::BENCHMARK, slot);
        Ok(())
    }

    fn close_provider(&mut self, provider: usize, by: By) -> Answer {
        self.by_authority(provider, by)?;
        let owner = &mut self.providers[provider];
        let record = owner.record.as_ref().ok_or(GONE)?;
        require(record.offers == 0 && record.machines == 0, "market NotEmpty")?;
        require(record.leases == 0, "market StillLeased")?;
        owner.record = None;
        Ok(())
    }
}
