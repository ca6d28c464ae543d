//! A machine of a provider.

use anchor_lang::prelude::*;
use gridlease_core::limits::MAX_ENDPOINT;

use super::Header;

/// States of a machine.
pub mod machine_state {
    /// Its offers take leases.
    pub const LIVE: u8 = 1;
    /// Retired by the cold key: it takes nothing any more, and its account is closed when its offers are gone.
    pub const RETIRED: u8 = 2;
}

/// Machine, at seeds `["machine", provider, number]`: an endpoint, a certificate, a hot key and a limit of stake of its own, below
/// one bond and one standing.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Machine {
    /// Common header.
    pub header: Header,
    /// The provider record.
    pub provider: Pubkey,
    /// Hot key of its node.
    pub node_key: Pubkey,
    /// Who paid the rent and gets it back.
    pub payer: Pubkey,
    /// SHA-256 of the node's TLS certificate (DER).
    pub cert_fingerprint: [u8; 32],
    /// X25519 key for sealed secrets; zero for none.
    pub x25519: [u8; 32],
    /// The most stake that its offers may bind together, in atoms.
    pub stake_limit: u64,
    /// What of that its offers were allotted, in atoms.
    pub allotted: u64,
    /// The machine's number.
    pub number: u32,
    /// Its offers.
    pub offers: u8,
    /// Bytes of `endpoint` in use.
    pub endpoint_len: u8,
    /// Zero.
    pub pad: [u8; 2],
    /// URL of the node's API, UTF-8.
    pub endpoint: [u8; MAX_ENDPOINT],
    /// Zero.
    pub reserved: [u8; 64],
}
