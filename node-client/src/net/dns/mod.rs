//! The node's resolver: one for each lease, at the host's address on the lease's bridge. It decides what may be asked, asks the
//! host's resolvers with a question of its own, and hands on what leads to the public internet.

mod answer;
mod budget;
mod policy;
mod server;
mod upstream;

pub(super) use policy::Names;
pub(super) use server::{Grant, OnGrant, Resolver, bind};
pub use upstream::Upstream;
