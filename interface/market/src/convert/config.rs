//! The configuration's caps.

use gridlease_core::Atoms;
use gridlease_core::governance::Caps;

use crate::account::Config;

impl Config {
    /// The caps of purses and jobs; that of bonds is the staking program's.
    pub fn caps(&self) -> Caps {
        Caps::written(Atoms(self.purse_cap), Atoms::ZERO, Atoms(self.job_cap))
    }
}
