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

impl Provider {
    /// Is this buyer the provider itself, by its cold or its hot key?
    pub fn is_self(&self, buyer: &Pubkey) -> bool {
        self.authority == *buyer || self.node_key == *buyer
    }

    /// Adds a lease that is being closed, which ended for `reason`; one that never became ready adds nothing.
    pub fn add_closed(&mut self, lease: &Lease, reason: EndReason) {
        if lease.ready_ts == 0 {
            return;
        }
        let mut recent = RecentBuyers { marks: self.buyers, next: self.next_buyer };
        let mut history = self.reputation();
        history.on_closed(
            &mut recent,
            &Closed {
                reason,
                fee: Atoms(lease.fee),
                start: UnixTs(lease.ready_ts).since(UnixTs(lease.awarded_ts)),
                buyer: (!self.is_self(&lease.owner)).then(|| mark_of(&lease.owner)),
                went_silent: lease.credited_s != 0,
            },
        );
        self.set_reputation(&history);
        self.buyers = recent.marks;
        self.next_buyer = recent.next;
    }
}
