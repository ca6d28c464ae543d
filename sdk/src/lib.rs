//! The Gridlease SDK: addresses, instruction builders, account decoding, sending, following, manifests, and the node API.

pub mod account;
pub mod address;
pub mod artifact;
mod clock;
pub mod error;
pub mod event;
pub mod gpu;
pub mod image;
pub mod instruction;
pub mod manifest;
pub mod market;
pub mod node_api;
pub mod program;
pub mod rpc;
mod said;
