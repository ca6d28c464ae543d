//! Jobs that take an offer in the transaction that posts them.

use gridlease_core::job::Mode;
use gridlease_core::{Atoms, PricePerHour};

use super::{Answer, GONE, Model, Posted, require};
use crate::command::{By, JobTerms};

impl Model {
    pub(super) fn post_instant(&mut self, job: usize, by: By, terms: &JobTerms, offers: &[(u8, u8)]) -> Answer {
        let key = self.new_job(job, terms)?;
        require(terms.mode == Mode::Instant as u8, "market WrongMode")?;
        require(!offers.is_empty(), "market BadOffers")?;
        let mut posted = self.write_job(job, by, terms, key)?;
        for (at, (provider, offer)) in offers.iter().enumerate() {
            let (provider, offer) = (usize::from(*provider), usize::from(*offer));
            require(self.providers[provider].record.is_some(), GONE)?;
            let Some((price, stake)) = self.taken(&posted, provider, offer) else { continue };
            self.noted.push(if at == 0 {
                "an instant job took its first offer"
            } else {
                "an instant job took a later offer"
            });
            self.open_lease(&mut posted, price, provider, offer, stake, false)?;
            self.jobs[job] = Some(posted);
            return Ok(());
        }
        Err("market NoneFits".to_owned())
    }

    /// Price and stake where the offer can be taken at its ask.
    fn taken(&self, posted: &Posted, provider: usize, offer: usize) -> Option<(PricePerHour, Atoms)> {
        let owner = &self.providers[provider];
        let place = owner.offers[offer].as_ref()?;
        let price = PricePerHour(place.ask);
        if price > posted.rules.terms.max_price || owner.bond.is_none() {
            return None;
        }
        let stake = self.check(posted, provider, offer, price, self.now.ts).ok()?;
        let takes = place.lamports >= self.rents.of_unit() && place.limit.bind(stake).is_ok();
        takes.then_some((price, stake))
    }
}
