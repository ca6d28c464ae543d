//! A provider and its history.

use anchor_lang::prelude::Pubkey;
use gridlease_core::Bps;
use gridlease_core::reputation::Reputation;
use gridlease_core::score::Merit;

use crate::account::Provider;

impl Provider {
    /// The provider's history.
    pub fn reputation(&self) -> Reputation {
        Reputation {
            standing: Bps(self.standing),
            uptime: Bps(self.uptime),
            start_s: self.start_s,
            started: self.started,
            completed: self.completed,
            faulted: self.faulted,
        }
    }

    /// Writes the provider's history back.
    pub fn set_reputation(&mut self, next: &Reputation) {
        self.standing = next.standing.0;
        self.uptime = next.uptime.0;
        self.start_s = next.start_s;
        self.started = next.started;
        self.completed = next.completed;
        self.faulted = next.faulted;
    }

    /// What counts in a score.
    pub fn merit(&self) -> Merit {
        let history = self.reputation();
        Merit { reputation: history.standing, uptime: history.uptime, speed: history.speed() }
    }

    /// Is this buyer the provider itself, by its cold or its hot key?
    pub fn is_self(&self, buyer: &Pubkey) -> bool {
        self.authority == *buyer || self.node_key == *buyer
    }

    /// URL of the node's API; `None` where it is not text.
    pub fn endpoint_url(&self) -> Option<&str> {
        core::str::from_utf8(self.endpoint.get(..usize::from(self.endpoint_len))?).ok()
    }
}
