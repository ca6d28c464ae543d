//! The Gridlease SDK: addresses, instruction builders, account decoding, sending, following, manifests, and the node API.

pub mod artifact;
mod clock;
pub mod crank;
pub mod image;
pub mod machine;
pub mod manifest;
pub mod market;
pub mod node_api;
pub mod public_address;
pub mod rpc;
pub mod source;
pub mod view;

pub use gridlease_interface::{account, address, error, event, instruction, program};
