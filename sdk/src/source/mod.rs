//! Where inputs come from besides `https://`: model hubs, stores that speak S3, and IPFS. Addresses, what the buyer's program asks
//! of them before it posts ([`Sources`]), and what the node checks when it loads.

pub mod hub;
pub mod ipfs;
pub mod s3;

mod ask;
mod fault;
mod hub_pin;
mod ipfs_pin;
mod pin;
mod s3_pin;

pub use fault::{RemoteError, SourceFault};
pub use pin::{MAX_INPUTS, Sources};
