//! A machine, and the first machine of a provider, which is its record.

use gridlease_core::Atoms;
use gridlease_core::machine::Machine as Rules;

use crate::account::{Machine, Provider, machine_state};

impl Machine {
    /// What it allots to its offers.
    pub fn rules(&self) -> Rules {
        Rules {
            limit: Atoms(self.stake_limit),
            allotted: Atoms(self.allotted),
            offers: self.offers,
            retired: self.header.state == machine_state::RETIRED,
        }
    }

    /// Writes back what moves.
    pub fn set_rules(&mut self, next: &Rules) {
        self.allotted = next.allotted.0;
        self.offers = next.offers;
        if next.retired {
            self.header.state = machine_state::RETIRED;
        }
    }

    /// URL of the node's API; `None` where it is not text.
    pub fn endpoint_url(&self) -> Option<&str> {
        core::str::from_utf8(self.endpoint.get(..usize::from(self.endpoint_len))?).ok()
    }
}

impl Provider {
    /// What its first machine allots to its offers.
    pub fn own_machine(&self) -> Rules {
        Rules {
            limit: Atoms(self.stake_limit),
            allotted: Atoms(self.allotted),
            offers: self.own_offers,
            retired: false,
        }
    }

    /// Writes back what moves.
    pub fn set_own_machine(&mut self, next: &Rules) {
        self.allotted = next.allotted.0;
        self.own_offers = next.offers;
    }
}
