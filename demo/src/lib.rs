//! A whole market on one machine: local network, registry, keeper, nodes and a buyer, all real. The demo walks through it,
//! the end-to-end tests try it.
//!
//! | module | purpose |
//! |---|---|
//! | [`market`] | starts everything, stops everything |
//! | [`registry`], [`image`], [`process`], [`wallet`] | its parts |
//! | [`account`] | who holds what; the books must balance to the atom |
//! | [`walk`], [`bare`] | what the demo shows, and the same image without the market |

pub mod account;
pub mod bare;
pub mod image;
pub mod market;
pub mod process;
pub mod registry;
pub mod walk;
pub mod wallet;
