//! The instructions, one file each: its specification, its accounts, its checks in the order of the accounts, its work.

mod add_stake;
mod init_config;
mod open_bond;
mod release_stake;
mod reserve_stake;
mod slash_stake;

pub use add_stake::*;
pub use init_config::*;
pub use open_bond::*;
pub use release_stake::*;
pub use reserve_stake::*;
pub use slash_stake::*;
