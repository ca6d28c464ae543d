//! A provider's history: what a closed lease adds to it.

use anchor_lang::prelude::*;
use gridlease_core::job::EndReason;
use gridlease_core::reputation::{Closed, Mark, RecentBuyers};
use gridlease_core::{Atoms, UnixTs};

use crate::state::{Lease, Provider};

/// The mark by which a buyer is recognised.
pub fn mark_of(buyer: &Pubkey) -> Mark {
    let mut mark = Mark::default();
    mark.copy_from_slice(&buyer.as_ref()[..8]);
    mark
}

/// Adds to a provider's history a lease of the machine of `node_key` that is being closed, which ended for `reason`; one that never became ready adds nothing, nor one whose results were found wrong.
pub fn add_closed(provider: &mut Provider, node_key: &Pubkey, lease: &Lease, reason: EndReason) {
    // A verdict against it has lowered the standing already.
    if lease.ready_ts == 0 || lease.disproved == 1 {
        return;
    }
    let mut recent = RecentBuyers { marks: provider.buyers, next: provider.next_buyer };
    let mut history = provider.reputation();
    history.on_closed(
        &mut recent,
        &Closed {
            reason,
            fee: Atoms(lease.fee),
            start: UnixTs(lease.ready_ts).since(UnixTs(lease.awarded_ts)),
            buyer: (!provider.is_self(&lease.owner) && lease.owner != *node_key).then(|| mark_of(&lease.owner)),
            went_silent: lease.credited_s != 0,
        },
    );
    provider.set_reputation(&history);
    provider.buyers = recent.marks;
    provider.next_buyer = recent.next;
}
