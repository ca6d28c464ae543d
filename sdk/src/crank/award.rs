//! Awards jobs whose bidding window is over.

use crate::account::Job;
use crate::instruction::job::{AWARD_BIDDERS, BidderKeys};
use gridlease_core::Now;
use solana_pubkey::Pubkey;

use super::{Action, Step};
use crate::view::View;

/// The award of `job`, with the accounts of its best bidders in the book's order, as many as fit. A job without bids waits
/// and has nothing to award.
pub(super) fn action(view: &View, address: &Pubkey, job: &Job, now: Now) -> Option<Action> {
    let open = job.rules().ok()?;
    open.check_award(now).ok()?;
    let bids = job.bids();
    // A bidder whose record is not known yet ends the list; the market goes on from there with the next call.
    let bidders: Vec<BidderKeys> = bids
        .iter()
        .take(AWARD_BIDDERS)
        .map_while(|bid| {
            let provider = view.provider(&bid.provider)?;
            Some(BidderKeys { provider: bid.provider, offer: bid.offer, bond: provider.bond })
        })
        .collect();
    if bidders.is_empty() && !bids.is_empty() {
        return None;
    }
    let step = Step::Award { job: *address, purse: job.purse, number: open.leases, bidders };
    Some(Action::single(step, open.close_ts))
}
