//! An array of tasks, and the providers of one task's replicas.

use anchor_lang::prelude::*;
use gridlease_core::limits::{DELEGATOR_MARKS, MAX_REPLICAS};

use super::{Header, RequirementData};

/// Array, at seeds `["array", purse, number]`; its number is one of the purse's job numbers. `header.state` is a
/// `gridlease_core::array::ArrayState`; `header.due_ts` is when the next task can be opened, or the array was over; zero where neither.
/// Behind the fixed part follow a byte for each task (`gridlease_core::array::Task`), and `uri_len` bytes of the manifest's
/// URI. Besides its own rent it holds that of `parallel` tasks.
#[account(zero_copy)]
#[derive(Debug)]
pub struct Array {
    /// Common header.
    pub header: Header,
    /// The buyer.
    pub owner: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// Who posted it, paid all rent and gets that back.
    pub payer: Pubkey,
    /// SHA-256 of the canonical manifest.
    pub manifest_hash: [u8; 32],
    /// Digest of the image.
    pub image_digest: [u8; 32],
    /// The array's number in its purse.
    pub number: u64,
    /// The most each of its jobs pays per hour, in atoms.
    pub max_price: u64,
    /// The most that all of it may cost, in atoms.
    pub budget: u64,
    /// The most that one of its jobs can cost, in atoms.
    pub cap: u64,
    /// Held by the array itself, in atoms; its jobs and leases hold their own.
    pub reserved: u64,
    /// Spent by jobs that are closed, in atoms.
    pub spent: u64,
    /// When it was posted.
    pub posted_ts: u64,
    /// When it was over; zero before.
    pub ended_ts: u64,
    /// What each job needs.
    pub requirement: RequirementData,
    /// Score weights: reputation, price, uptime, speed.
    pub weights: [u16; 4],
    /// Longest duration of each job in seconds.
    pub max_duration_s: u32,
    /// Length of a bidding window in seconds.
    pub window_s: u32,
    /// Length of the revealing of a sealed auction in seconds; zero for the other modes.
    pub reveal_s: u32,
    /// Notice with which a provider may leave, in seconds; zero: it may not.
    pub notice_s: u32,
    /// Time between checkpoints in seconds; zero for jobs that are not durable.
    pub checkpoint_s: u32,
    /// Size of the image in megabytes (10⁶ bytes), for the start deadline.
    pub image_mb: u32,
    /// Tasks.
    pub count: u16,
    /// Tasks that must complete.
    pub quorum: u16,
    /// The next task to open.
    pub next: u16,
    /// Tasks with a job that is not closed.
    pub open: u16,
    /// Jobs that are not closed.
    pub jobs: u16,
    /// Tasks completed.
    pub completed: u16,
    /// Tasks failed.
    pub failed: u16,
    /// Jobs of each task.
    pub replicas: u8,
    /// Tasks that may be open at a time.
    pub parallel: u8,
    /// Attempts of each job.
    pub attempts: u8,
    /// See `gridlease_core::job::Mode`.
    pub mode: u8,
    /// Verification class: 0 none.
    pub verify_class: u8,
    /// Where the manifest is found.
    pub manifest_place: u8,
    /// Bytes of the URI at the end of the account.
    pub uri_len: u8,
    /// Why it is over, see `gridlease_core::array::ArrayEnd`.
    pub reason: u8,
    /// Zero.
    pub pad: [u8; 2],
    /// How long each of its jobs waits for a winner, in seconds.
    pub wait_s: u32,
    /// For how many seconds the buyer may reopen a job after its node finished; zero: for as long as it ran.
    pub review_s: u32,
    /// Zero.
    pub reserved_space: [u8; 64],
}

impl Array {
    /// Bytes of an account with `tasks` tasks and a URI of `uri_len` bytes, discriminator included.
    pub const fn space(tasks: usize, uri_len: usize) -> usize {
        8 + core::mem::size_of::<Array>() + tasks + uri_len
    }

    /// Bytes of the URI within the account's data.
    pub fn uri_range(&self) -> core::ops::Range<usize> {
        let from = Self::space(self.count.into(), 0);
        from..from + usize::from(self.uri_len)
    }
}

/// Everybody who stands behind the provider of one replica, by the first eight bytes of their addresses.
#[zero_copy]
#[derive(Debug, Default)]
pub struct KinData {
    /// Authority, node key, payout account; zero for none.
    pub own: [[u8; 8]; 3],
    /// The delegators of its bond; zero for none.
    pub delegators: [[u8; 8]; DELEGATOR_MARKS],
}

impl KinData {
    /// All marks but the zeros at their end. (A zero in between hides nothing behind it.)
    pub fn marks(&self) -> &[[u8; 8]] {
        let all: &[[u8; 8]] = bytemuck::cast_slice(bytemuck::bytes_of(self));
        let len = all.iter().rposition(|mark| *mark != [0; 8]).map_or(0, |last| last + 1);
        all.get(..len).unwrap_or(all)
    }
}

/// Task group, at seeds `["group", array, task]` (2 bytes, little endian): who runs the replicas of one task. Only tasks
/// with replicas have one; it lives from the opening of the task to the closing of its last job.
#[account(zero_copy)]
#[derive(Debug)]
pub struct TaskGroup {
    /// Common header; `state` is the number of replicas, nothing is ever due.
    pub header: Header,
    /// The array; it paid the rent and gets it back.
    pub array: Pubkey,
    /// Number of the task in its array.
    pub task: u32,
    /// Zero.
    pub pad: [u8; 4],
    /// The provider awarded last for each replica.
    pub kin: [KinData; MAX_REPLICAS as usize],
}

impl TaskGroup {
    /// Bytes of the account, discriminator included.
    pub const SPACE: usize = 8 + core::mem::size_of::<TaskGroup>();
}
