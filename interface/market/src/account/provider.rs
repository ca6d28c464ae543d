//! A provider's record.

use anchor_lang::prelude::*;
use gridlease_core::limits::{MAX_ENDPOINT, RECENT_BUYERS};

use super::Header;

/// Provider, at seeds `["provider", authority]`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Provider {
    /// Common header.
    pub header: Header,
    /// Cold key: owns the record and the bond.
    pub authority: Pubkey,
    /// Hot key of its first machine: bids, ready, finish; can never withdraw. The record is that machine; others have an account each.
    pub node_key: Pubkey,
    /// Token account that is paid.
    pub payout: Pubkey,
    /// Payout account on its way in; zero for none.
    pub pending_payout: Pubkey,
    /// The bond in the staking program.
    pub bond: Pubkey,
    /// SHA-256 of the node's TLS certificate (DER).
    pub cert_fingerprint: [u8; 32],
    /// X25519 key for sealed secrets; zero for none.
    pub x25519: [u8; 32],
    /// When the pending payout was proposed; the header's `due_ts` says when it may take effect.
    pub pending_payout_ts: u64,
    /// Ever paid to it, in atoms.
    pub earned: u64,
    /// Average start time in seconds; zero while unknown.
    pub start_s: u32,
    /// Leases that reached ready.
    pub started: u32,
    /// Leases that ended without a fault.
    pub completed: u32,
    /// Leases that ended with a fault.
    pub faulted: u32,
    /// Offers that are open.
    pub offers: u32,
    /// Leases that are open.
    pub leases: u32,
    /// Reputation in basis points.
    pub standing: u16,
    /// Answered share of liveness challenges in basis points.
    pub uptime: u16,
    /// Bytes of `endpoint` in use.
    pub endpoint_len: u8,
    /// Where the next buyer is written in `buyers`.
    pub next_buyer: u8,
    /// Zero.
    pub pad: [u8; 2],
    /// URL of the node's API, UTF-8.
    pub endpoint: [u8; MAX_ENDPOINT],
    /// First eight bytes of the addresses of the buyers that counted last; none counts twice while it stands here.
    pub buyers: [[u8; 8]; RECENT_BUYERS],
    /// GPUs that are claimed for its offers.
    pub claims: u32,
    /// Machines that have an account of their own.
    pub machines: u32,
    /// The most stake that the offers of its first machine may bind, in atoms.
    pub stake_limit: u64,
    /// What of that its offers were allotted, in atoms.
    pub allotted: u64,
    /// Offers of its first machine.
    pub own_offers: u8,
    /// Zero.
    pub pad2: [u8; 7],
    /// Zero.
    pub reserved: [u8; 64],
}
