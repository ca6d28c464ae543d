//! The instructions, one file each: its specification, its accounts, its checks in the order of the accounts, its work.

mod activate;
mod add_stake;
mod admin;
mod change_config;
mod close;
mod delegate;
mod distribute;
mod extend_stake;
mod init_config;
mod open_bond;
mod pay_claim;
mod pool;
mod release_stake;
mod reserve_stake;
mod slash_stake;
mod sweep;
mod unbond;
mod withdraw_stake;

pub use activate::*;
pub use add_stake::*;
pub use admin::*;
pub use change_config::*;
pub use close::*;
pub use delegate::*;
pub use distribute::*;
pub use extend_stake::*;
pub use init_config::*;
pub use open_bond::*;
pub use pay_claim::*;
pub use pool::*;
pub use release_stake::*;
pub use reserve_stake::*;
pub use slash_stake::*;
pub use sweep::*;
pub use unbond::*;
pub use withdraw_stake::*;
