//! One file an instruction, or a pair that shares its accounts.

pub mod award;
pub mod close_job;
pub mod close_lease;
pub mod deposit;
pub mod end_lease;
pub mod expire;
pub mod fail_start;
pub mod finish;
pub mod init_config;
pub mod open_purse;
pub mod place_bid;
pub mod post_job;
pub mod post_offer;
pub mod ready;
pub mod register_provider;
pub mod settle;
pub mod stop;
pub mod sweep_fees;
pub mod top_up;
pub mod withdraw;

// Matching: instant and sealed auctions, and what every way to a lease shares.
pub mod commit_bid;
pub mod forfeit_bid;
pub mod instant;
pub mod open_lease;
pub mod reveal_bid;
pub use commit_bid::*;
pub use forfeit_bid::*;
pub use instant::*;
pub use reveal_bid::*;

pub use award::*;
pub use close_job::*;
pub use close_lease::*;
pub use deposit::*;
pub use end_lease::*;
pub use expire::*;
pub use fail_start::*;
pub use finish::*;
pub use init_config::*;
pub use open_purse::*;
pub use place_bid::*;
pub use post_job::*;
pub use post_offer::*;
pub use ready::*;
pub use register_provider::*;
pub use settle::*;
pub use stop::*;
pub use sweep_fees::*;
pub use top_up::*;
pub use withdraw::*;
