//! A job and its book.

use anchor_lang::prelude::*;
use gridlease_core::limits::{BOOK_SIZE, MAX_ATTEMPTS};

use super::{Header, RequirementData};

/// Where the manifest is found.
pub mod manifest_place {
    /// The buyer pushes it to the winner's node.
    pub const PUSHED: u8 = 0;
    /// At the URI that follows the account's fixed part.
    pub const URI: u8 = 1;
}

/// One bid in a job's book.
#[zero_copy]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct BookEntry {
    /// The provider record.
    pub provider: Pubkey,
    /// Price per hour, in atoms.
    pub price: u64,
    /// Number of the offer behind the bid.
    pub offer: u32,
    /// Score in 10⁻⁸ of the scale.
    pub score: u32,
}

/// Job, at seeds `["job", purse, number]`, or `["job", array, number]` for a task. `header.state` is a `gridlease_core::job::JobState`, `header.due_ts` the end
/// of its wait while it waits for a bid, the end of the bidding window while it is open. Behind the fixed part follow `uri_len` bytes of the manifest's URI.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Job {
    /// Common header.
    pub header: Header,
    /// The buyer.
    pub owner: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// Who posted it, paid its rent and gets that back.
    pub payer: Pubkey,
    /// The array that this job is a task of; zero for a job of its own.
    pub array: Pubkey,
    /// SHA-256 of the canonical manifest.
    pub manifest_hash: [u8; 32],
    /// Digest of the image.
    pub image_digest: [u8; 32],
    /// Hash of the last checkpoint, with which a next lease resumes; zero for none.
    pub checkpoint_hash: [u8; 32],
    /// The job's number in its purse, or in its array.
    pub number: u64,
    /// The most it pays per hour, in atoms.
    pub max_price: u64,
    /// Held by the job itself, in atoms; the lease holds its own.
    pub reserved: u64,
    /// End of the bidding window; zero while it waits for a bid.
    pub close_ts: u64,
    /// When it was posted.
    pub posted_ts: u64,
    /// When it ended; zero before.
    pub ended_ts: u64,
    /// End of the revealing of a sealed auction; zero for the other modes.
    pub reveal_end: u64,
    /// Stake that a sealed bid binds, in atoms; zero for the other modes.
    pub sealed_bond: u64,
    /// Bytes of the last checkpoint.
    pub checkpoint_bytes: u64,
    /// What it needs.
    pub requirement: RequirementData,
    /// Score weights: reputation, price, uptime, speed.
    pub weights: [u16; 4],
    /// Longest duration in seconds.
    pub max_duration_s: u32,
    /// Length of a bidding window in seconds.
    pub window_s: u32,
    /// Length of the revealing of a sealed auction in seconds; zero for the other modes.
    pub reveal_s: u32,
    /// Notice with which the provider may leave, in seconds; zero: it may not.
    pub notice_s: u32,
    /// Time between checkpoints in seconds; zero for a job that is not durable.
    pub checkpoint_s: u32,
    /// Number of the last checkpoint; zero for none.
    pub checkpoint_seq: u32,
    /// Number of the task in its array.
    pub task: u32,
    /// Size of the image in megabytes (10⁶ bytes), for the start deadline.
    pub image_mb: u32,
    /// Exit code of the container, where one ran.
    pub exit_code: i32,
    /// Attempts posted.
    pub attempts: u8,
    /// Attempts left.
    pub attempts_left: u8,
    /// Times the window was extended.
    pub extensions: u8,
    /// Leases opened so far; the open one has this number less one.
    pub leases: u8,
    /// Why it ended.
    pub reason: u8,
    /// 1 where `exit_code` was reported.
    pub has_exit: u8,
    /// See `gridlease_core::job::Mode`.
    pub mode: u8,
    /// Verification class: 0 none.
    pub verify_class: u8,
    /// Bids in the book.
    pub book_len: u8,
    /// Providers in the exclusion list.
    pub excluded_len: u8,
    /// Where the manifest is found.
    pub manifest_place: u8,
    /// Bytes of the URI behind the fixed part.
    pub uri_len: u8,
    /// Starts that the buyer rejected.
    pub rejects: u8,
    /// Number of the replica in its task, from 1; zero for a task without replicas and a job of its own.
    pub replica: u8,
    /// Sealed bids that are not revealed.
    pub sealed: u8,
    /// Which of the bids were entered for an automatic offer: the first is the lowest bit.
    pub automatic: u8,
    /// Zero.
    pub pad: [u8; 4],
    /// First eight bytes of the addresses of providers that it goes on without, oldest first.
    pub excluded: [[u8; 8]; MAX_ATTEMPTS as usize],
    /// The bids, best first.
    pub book: [BookEntry; BOOK_SIZE],
    /// What its leases that are over owe and have paid, fee included, in atoms.
    pub spent: u64,
    /// Until when it waits for a bid: no window opens that would end after it.
    pub expires_at: u64,
    /// Time from which the end of a sealed auction counts, see `gridlease_core::deadline`.
    pub mark_ts: u64,
    /// Slot at that time.
    pub mark_slot: u64,
    /// First eight bytes of authority, node key and payout account of the first provider that reported an error of the buyer's;
    /// zero for none.
    pub reporter: [[u8; 8]; 3],
    /// How long it waits for a winner, in seconds.
    pub wait_s: u32,
    /// For how many seconds the buyer may reopen it after the node finished; zero: for as long as it ran.
    pub review_s: u32,
}

impl Job {
    /// Bytes of an account with a URI of `uri_len` bytes, discriminator included.
    pub const fn space(uri_len: usize) -> usize {
        8 + core::mem::size_of::<Job>() + uri_len
    }
}
