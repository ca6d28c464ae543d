//! Arrays and their tasks.

use anchor_lang::prelude::*;

/// An array was posted.
#[event]
pub struct ArrayPosted {
    /// The array.
    pub array: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// Tasks.
    pub count: u16,
    /// Tasks that must complete.
    pub quorum: u16,
    /// Jobs of each task.
    pub replicas: u8,
    /// Tasks that may be open at a time.
    pub parallel: u8,
    /// The most that each job pays per hour.
    pub max_price: u64,
    /// Atoms reserved.
    pub reserved: u64,
    /// SHA-256 of the manifest.
    pub manifest_hash: [u8; 32],
}

/// A task was opened: its jobs take bids.
#[event]
pub struct TaskOpened {
    /// The array.
    pub array: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// Number of the task.
    pub task: u16,
    /// Atoms that the purse reserved for the array before.
    pub added: u64,
    /// Atoms that went from the array to each job; the purse's reserved part stays as it is.
    pub reserved: u64,
    /// Its jobs, a replica each.
    pub jobs: Vec<Pubkey>,
    /// Until when they wait for a bid.
    pub expires_at: u64,
}

/// The account of a task's job is gone.
#[event]
pub struct TaskClosed {
    /// The array.
    pub array: Pubkey,
    /// The purse.
    pub purse: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// Number of the task.
    pub task: u16,
    /// Number of the replica, from 0.
    pub replica: u8,
    /// Its container ended with exit code 0.
    pub completed: bool,
    /// Atoms that its leases owe and have paid, fee included; what the buyer added beyond the job's cap does not count.
    pub spent: u64,
    /// Atoms that the purse reserved for the array.
    pub added: u64,
    /// Tasks completed after it.
    pub tasks_completed: u16,
    /// Tasks failed after it.
    pub tasks_failed: u16,
}

/// An array is over: it opens no task any more.
#[event]
pub struct ArrayEnded {
    /// The array.
    pub array: Pubkey,
    /// The purse.
    pub purse: Pubkey,
    /// Reason, see `gridlease_core::array::ArrayEnd`.
    pub reason: u8,
    /// Atoms that the array itself returned to the purse.
    pub refunded: u64,
    /// Jobs that are not closed.
    pub jobs: u16,
}

/// An array's account is gone.
#[event]
pub struct ArrayClosed {
    /// The array.
    pub array: Pubkey,
    /// The purse.
    pub purse: Pubkey,
    /// Atoms that its jobs spent over its life.
    pub spent: u64,
}
