//! Offers that take automatic bids, and whether one can take a job.

use crate::account::{Job, Offer, Provider};
use crate::instruction;
use gridlease_core::{PricePerHour, RuleResult, UnixTs, bond};
use solana_pubkey::Pubkey;

use crate::view::View;

/// An offer with everything that its eligibility hangs on.
pub(super) struct AutoOffer<'a> {
    pub(super) provider_key: Pubkey,
    pub(super) provider: &'a Provider,
    pub(super) offer: &'a Offer,
    bond: bond::Bond,
}

/// The live offers that take automatic bids and have a free unit, in the order of their addresses.
pub(super) fn live(view: &View, now: UnixTs) -> Vec<AutoOffer<'_>> {
    view.offers()
        .filter(|(_, offer)| offer.auto_bid == 1 && offer.units_free > 0 && offer.is_live(now))
        .filter_map(|(_, offer)| {
            let provider = view.provider(&offer.provider)?;
            let bond = view.bond(&provider.bond)?.amounts();
            Some(AutoOffer { provider_key: offer.provider, provider, offer, bond })
        })
        .collect()
}

impl AutoOffer<'_> {
    /// Can it take `job` at `price`? The question that the market asks.
    pub(super) fn check(&self, job: &Job, price: PricePerHour, now: UnixTs) -> RuleResult<()> {
        let bidder = job.bidder(&self.provider_key, self.provider, self.offer, self.bond);
        let stake = bidder.check(&job.wanted(), price, job.rules()?.auction_end(now)?)?;
        self.offer.limit().bind(stake)?;
        Ok(())
    }

    /// What the instruction needs to know of it.
    pub(super) fn keys(&self) -> instruction::job::BidderKeys {
        instruction::job::BidderKeys { provider: self.provider_key, offer: self.offer.number, bond: self.provider.bond }
    }
}
