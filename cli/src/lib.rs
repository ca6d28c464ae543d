//! The Gridlease command line, and the code behind it that other programs use too: a buyer's whole job in [`buyer`], a
//! provider's record and stake in [`provider`], its machines in [`machine`], single steps that anybody may take in [`steps`], a market's
//! configuration in [`admin`].
//!
//! Nothing here prints but [`cmd`] and [`output`].

pub mod admin;
pub mod amount;
pub mod args;
pub mod buyer;
pub mod chain;
pub mod clock;
pub mod cmd;
pub mod error;
pub mod history;
pub mod key;
pub mod logging;
pub mod machine;
pub mod output;
mod printable;
pub mod provider;
pub mod purse;
pub mod settings;
pub mod steps;
pub mod terminal;

pub use error::CliError;
