//! Machines below a provider, and the limits of stake that they allot to their offers.

use gridlease_core::machine::{self, StakeLimit};
use gridlease_core::{Atoms, RuleResult};
use solana_pubkey::Pubkey;

use super::{Answer, GONE, InMarket, MACHINES, Machine, Model, Offer, Record, THERE_ALREADY, require};
use crate::command::By;
use crate::command::machines::{Allotment, MachineStep, MachineTerms};

impl Model {
    /// Whose an offer is: `None` for the record's, else the provider's and the machine's place.
    pub fn allotted_by(&self, provider: usize, allotment: Allotment) -> Option<(usize, usize)> {
        match usize::from(allotment.of) % (MACHINES + 2) {
            0 => None,
            at if at <= MACHINES => Some((provider, at - 1)),
            _ => Some(((provider + 1) % self.providers.len(), 0)),
        }
    }

    /// The node key of a new offer's machine; that of the record where there is no such machine.
    pub fn node_of_new(&self, provider: usize, allotment: Allotment) -> Option<Pubkey> {
        let (owner, own) = (self.allotted_by(provider, allotment), self.providers[provider].record?.node);
        let machine = owner.and_then(|(provider, at)| self.providers[provider].machines[at]);
        Some(machine.map_or(own, |machine| machine.node))
    }

    /// The node key of the offer in a place; that of the record where there is none.
    pub fn node_of(&self, provider: usize, offer: usize) -> Option<Pubkey> {
        let owner = &self.providers[provider];
        owner.offers[offer].map(|offer| offer.node).or(owner.record.map(|record| record.node))
    }

    /// The places of all offers of one machine.
    pub fn offers_of(&self, provider: usize, machine: Option<usize>) -> Vec<usize> {
        let offers = self.providers[provider].offers.iter().enumerate();
        offers
            .filter(|(_, offer)| offer.is_some_and(|offer| offer.machine == machine))
            .map(|(place, _)| place)
            .collect()
    }

    /// Binds stake of an offer's limit, or frees it.
    pub(super) fn limit(
        &mut self,
        (provider, offer): (usize, usize),
        change: impl FnOnce(StakeLimit) -> RuleResult<StakeLimit>,
    ) -> Answer {
        let offer = self.providers[provider].offers[offer].as_mut().ok_or(GONE)?;
        offer.limit = change(offer.limit).market()?;
        Ok(())
    }

    /// A new offer's part of its machine's limit; the machine's node key.
    pub(super) fn allot(&mut self, provider: usize, allotment: Allotment) -> Result<Pubkey, String> {
        let limit = Atoms(allotment.limit);
        let owner = &mut self.providers[provider];
        let Some(at) = usize::from(allotment.of).checked_sub(1) else {
            let record = owner.record.as_mut().ok_or(GONE)?;
            record.own = record.own.allot(limit).market()?;
            return Ok(record.node);
        };
        let machine = owner.machines[at].as_mut().ok_or(GONE)?;
        machine.rules = machine.rules.allot(limit).market()?;
        self.noted.push("an offer was posted below a machine");
        Ok(machine.node)
    }

    /// The limit of an offer that is closed goes back to its machine.
    pub(super) fn take_back(&mut self, provider: usize, offer: &Offer) -> Answer {
        let owner = &mut self.providers[provider];
        let rules = match offer.machine {
            None => &mut owner.record.as_mut().ok_or(GONE)?.own,
            Some(at) => &mut owner.machines[at].as_mut().ok_or(GONE)?.rules,
        };
        *rules = rules.take_back(&offer.limit).market()?;
        if !offer.limit.bound.is_zero() {
            self.noted.push("an offer was closed of which something was slashed");
        }
        Ok(())
    }

    /// The record, where its authority signs.
    pub(super) fn record_by_authority(&mut self, provider: usize, by: By) -> Result<&mut Record, String> {
        let authority = self.providers[provider].authority;
        let signs = self.signer(by, authority) == authority;
        let record = self.providers[provider].record.as_mut().ok_or(GONE)?;
        require(signs, "market NotAuthority")?;
        Ok(record)
    }

    pub(super) fn update_node(&mut self, provider: usize, by: By, terms: MachineTerms, missing: bool) -> Answer {
        let node = self.person(terms.node);
        let record = self.record_by_authority(provider, by)?;
        let changes = record.node != node;
        record.node = node;
        record.own.limit = Atoms(terms.limit);
        if changes { self.each_offer(provider, None, missing, |offer| offer.node = node) } else { Ok(()) }
    }

    /// A person by number.
    pub fn person(&self, at: u8) -> Pubkey {
        self.people[usize::from(at) % self.people.len()]
    }

    /// Changes every offer of a machine, all of which must be passed.
    fn each_offer(
        &mut self,
        provider: usize,
        machine: Option<usize>,
        missing: bool,
        change: impl Fn(&mut Offer),
    ) -> Answer {
        require(!missing, "market BadOffers")?;
        for place in self.offers_of(provider, machine) {
            change(self.providers[provider].offers[place].as_mut().ok_or(GONE)?);
        }
        Ok(())
    }

    pub(super) fn machine(&mut self, provider: usize, machine: usize, step: &MachineStep) -> Answer {
        match *step {
            MachineStep::Register { by, terms } => self.register_machine(provider, machine, by, terms),
            MachineStep::Update { by, terms, missing } => self.update_machine(provider, machine, by, terms, missing),
            MachineStep::Retire { by, missing } => self.retire_machine(provider, machine, by, missing),
            MachineStep::Close => {
                let owner = &mut self.providers[provider];
                let record = owner.record.as_mut().ok_or(GONE)?;
                owner.machines[machine].ok_or(GONE)?.rules.check_close().market()?;
                record.machines -= 1;
                owner.machines[machine] = None;
                Ok(())
            }
        }
    }

    fn register_machine(&mut self, provider: usize, machine: usize, by: By, terms: MachineTerms) -> Answer {
        let node = self.person(terms.node);
        let (owner, intake) = (&self.providers[provider], self.intake());
        let payer = owner.authority;
        require(owner.record.is_some(), GONE)?;
        require(owner.machines[machine].is_none(), THERE_ALREADY)?;
        self.record_by_authority(provider, by)?.machines += 1;
        intake?;
        let rules = machine::Machine { limit: Atoms(terms.limit), ..Default::default() };
        self.providers[provider].machines[machine] = Some(Machine { node, rules, payer });
        Ok(())
    }

    /// The machine in that place, where the provider's authority signs.
    fn machine_by_authority(&mut self, provider: usize, machine: usize, by: By) -> Result<Machine, String> {
        let owner = &self.providers[provider];
        require(owner.record.is_some(), GONE)?;
        let there = owner.machines[machine].ok_or(GONE)?;
        self.record_by_authority(provider, by)?;
        Ok(there)
    }

    fn update_machine(
        &mut self,
        provider: usize,
        machine: usize,
        by: By,
        terms: MachineTerms,
        missing: bool,
    ) -> Answer {
        let node = self.person(terms.node);
        let there = self.machine_by_authority(provider, machine, by)?;
        if there.node != node {
            self.each_offer(provider, Some(machine), missing, |offer| offer.node = node)?;
            let bound = !self.offers_of(provider, Some(machine)).is_empty();
            self.noted.push(if bound {
                "the offers of a machine have a new node key"
            } else {
                "a machine has a new node key"
            });
        }
        let rules = machine::Machine { limit: Atoms(terms.limit), ..there.rules };
        if rules.limit < rules.allotted {
            self.noted.push("a machine's limit is lower than what it allotted");
        }
        self.providers[provider].machines[machine] = Some(Machine { node, rules, ..there });
        Ok(())
    }

    fn retire_machine(&mut self, provider: usize, machine: usize, by: By, missing: bool) -> Answer {
        let there = self.machine_by_authority(provider, machine, by)?;
        if there.rules.retired {
            self.noted.push("a machine was retired before");
            return Ok(());
        }
        self.each_offer(provider, Some(machine), missing, |offer| {
            (offer.retired, offer.live, offer.due) = (true, false, 0);
        })?;
        let let_out = self
            .offers_of(provider, Some(machine))
            .into_iter()
            .any(|place| self.providers[provider].offers[place].is_some_and(|offer| offer.free < offer.units));
        self.noted.push(if let_out { "a machine with leases was retired" } else { "a machine was retired" });
        let rules = there.rules.retire();
        self.providers[provider].machines[machine] = Some(Machine { rules, ..there });
        Ok(())
    }
}
