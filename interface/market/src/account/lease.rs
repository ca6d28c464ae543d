//! A lease.

use anchor_lang::prelude::*;

use super::Header;

/// Lease, at seeds `["lease", job, number]`. `header.state` is a `gridlease_core::lease::LeaseState`.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Lease {
    /// Common header.
    pub header: Header,
    /// The job.
    pub job: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// The buyer.
    pub owner: Pubkey,
    /// The provider record.
    pub provider: Pubkey,
    /// The offer; it paid the rent and gets it back.
    pub offer: Pubkey,
    /// The bond in the staking program.
    pub bond: Pubkey,
    /// The token account that is paid.
    pub payout: Pubkey,
    /// SHA-256 over the GPU UUIDs in use, from `ready`.
    pub gpu_hash: [u8; 32],
    /// Root over the outputs, from `finish`.
    pub result_hash: [u8; 32],
    /// Last link of the log's hash chain, from `finish`.
    pub log_hash: [u8; 32],
    /// Slot hash that the open liveness challenge asks the node to sign; zero while none is open.
    pub challenge_nonce: [u8; 32],
    /// Who put the bond of the open challenge, in lamports, into this account; gets it back where the node stays silent.
    pub challenger: Pubkey,
    /// Price per hour, in atoms.
    pub price: u64,
    /// Ever handed to the lease, in atoms.
    pub reserved: u64,
    /// Accrued in closed segments, in atoms.
    pub base: u64,
    /// Paid to the provider, in atoms.
    pub paid: u64,
    /// Recorded as fee, in atoms.
    pub fee: u64,
    /// Gone back, in atoms.
    pub refunded: u64,
    /// Slot at which the running segment began.
    pub segment_slot: u64,
    /// Time at which the running segment began.
    pub segment_ts: u64,
    /// When it was awarded.
    pub awarded_ts: u64,
    /// Last moment for `ready`.
    pub start_deadline: u64,
    /// When it became ready; zero before.
    pub ready_ts: u64,
    /// When the reservation is used up.
    pub runway_end: u64,
    /// When the grace period ends; zero outside of it.
    pub grace_end: u64,
    /// When it ended, or its node finished it; zero before.
    pub ended_ts: u64,
    /// Stake reserved for it at the award and by extensions, in atoms.
    pub stake: u64,
    /// Of what was accrued, the part that the last checkpoint confirmed, in atoms; more is held back in a durable lease.
    pub confirmed: u64,
    /// Credit for downtime that is to be taken from the stake, in atoms.
    pub credit: u64,
    /// What was accrued when the open liveness challenge was made, in atoms.
    pub challenge_gross: u64,
    /// Deadline of the open liveness challenge; zero while none is open.
    pub challenge_end: u64,
    /// Since when it is down; zero while it is not.
    pub down_since: u64,
    /// When the lease is over by its provider's notice; zero without one.
    pub notice_end: u64,
    /// Milliseconds that a slot takes as a rule.
    pub slot_ms: u32,
    /// Exit code of the container, where one ran.
    pub exit_code: i32,
    /// Notice with which the provider may leave, in seconds; zero: it may not.
    pub notice_s: u32,
    /// Seconds for which downtime was credited.
    pub credited_s: u32,
    /// Fee in basis points.
    pub fee_bps: u16,
    /// Why it ended.
    pub reason: u8,
    /// Number in its job.
    pub number: u8,
    /// 1 where `exit_code` was reported.
    pub has_exit: u8,
    /// 1 where its unit is free again: from its finish on, or while its provider still waits for money.
    pub unit_free: u8,
    /// 1 where the price index counted it.
    pub indexed: u8,
    /// 1 where its stake is free again, while the provider still waits for money.
    pub released: u8,
    /// Credit that was taken from the stake so far, in atoms.
    pub collected: u64,
    /// Owed by the buyer to the insurance fund, in atoms.
    pub forfeited: u64,
    /// Time from which its present deadline counts, see `gridlease_core::deadline`.
    pub mark_ts: u64,
    /// Slot at that time.
    pub mark_slot: u64,
    /// Until when the buyer may reopen the job, or when it accepted; zero before the node finished it.
    pub review_end: u64,
    /// When the last checkpoint was recorded; zero for none.
    pub checkpoint_ts: u64,
    /// Time between checkpoints in seconds; zero: none, else earnings since the last one are held back.
    pub checkpoint_s: u32,
    /// Seconds after its end for which its stake stands for a verification; zero: none.
    pub verification_s: u32,
    /// 1 where the node bid for it itself; 0 for an automatic or instant award.
    pub own_bid: u8,
    /// 1 where a verdict found its results wrong.
    pub disproved: u8,
    /// Zero.
    pub pad: [u8; 2],
    /// The longest that it may be paid for, in seconds: what its job was posted for and what it was extended by. Zero in one of the
    /// first edition, which knew no such bound.
    pub duration_s: u32,
    /// Zero.
    pub reserved_space: [u8; 16],
}
