//! The configuration's caps.

use gridlease_core::Atoms;
use gridlease_core::governance::Caps;

use crate::account::Config;

impl Config {
    /// The caps of purses and jobs; that of bonds is the staking program's. A configuration of the first edition has none written:
    /// the genesis values hold.
    pub fn caps(&self) -> Caps {
        let or = |cap: u64, genesis| if cap == 0 { genesis } else { Atoms(cap) };
        let genesis = Caps::GENESIS;
        Caps { purse: or(self.purse_cap, genesis.purse), job: or(self.job_cap, genesis.job), ..genesis }
    }
}
