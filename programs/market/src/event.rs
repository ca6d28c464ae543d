//! What the market tells the world, by self-CPI. Together the events suffice to rebuild every balance.

use anchor_lang::prelude::*;

/// A purse was opened.
#[event]
pub struct PurseOpened {
    /// The purse.
    pub purse: Pubkey,
    /// Its owner.
    pub owner: Pubkey,
}

/// Money came into a purse.
#[event]
pub struct Deposited {
    /// The purse.
    pub purse: Pubkey,
    /// Atoms.
    pub amount: u64,
    /// Balance after.
    pub balance: u64,
}

/// Money left a purse for its owner.
#[event]
pub struct Withdrawn {
    /// The purse.
    pub purse: Pubkey,
    /// Atoms.
    pub amount: u64,
    /// Balance after.
    pub balance: u64,
}

/// Fees went from a purse to the treasury and the insurance fund.
#[event]
pub struct FeesSwept {
    /// The purse.
    pub purse: Pubkey,
    /// Atoms to the treasury.
    pub treasury: u64,
    /// Atoms to the insurance fund.
    pub insurance: u64,
}

/// A provider registered or changed its record.
#[event]
pub struct ProviderRecorded {
    /// The provider record.
    pub provider: Pubkey,
    /// Its node key.
    pub node_key: Pubkey,
    /// Its payout account.
    pub payout: Pubkey,
    /// SHA-256 of its TLS certificate.
    pub cert_fingerprint: [u8; 32],
    /// URL of its API.
    pub endpoint: String,
    /// X25519 key for sealed secrets; zero for none.
    pub x25519: [u8; 32],
}

/// An offer was posted or refreshed.
#[event]
pub struct OfferRecorded {
    /// The offer.
    pub offer: Pubkey,
    /// Its provider.
    pub provider: Pubkey,
    /// Price per hour at which it stands.
    pub ask: u64,
    /// Lowest automatic bid.
    pub floor: u64,
    /// Units.
    pub units: u16,
    /// Free units.
    pub units_free: u16,
    /// Expiry.
    pub expires_ts: u64,
}

/// An offer was withdrawn.
#[event]
pub struct OfferWithdrawn {
    /// The offer.
    pub offer: Pubkey,
    /// Its account is gone; otherwise it waits for its open leases.
    pub closed: bool,
}

/// A job was posted.
#[event]
pub struct JobPosted {
    /// The job.
    pub job: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// The most it pays per hour.
    pub max_price: u64,
    /// Atoms reserved.
    pub reserved: u64,
    /// SHA-256 of the manifest.
    pub manifest_hash: [u8; 32],
    /// End of the bidding window.
    pub close_ts: u64,
}

/// A bid entered the book.
#[event]
pub struct BidEntered {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// Number of its offer.
    pub offer: u32,
    /// Price per hour.
    pub price: u64,
    /// Score in 10⁻⁸ of the scale.
    pub score: u32,
    /// Rank in the book, 0 the best.
    pub rank: u8,
    /// Entered for an `auto_bid` offer.
    pub automatic: bool,
    /// End of the bidding window after it.
    pub close_ts: u64,
}

/// A lease was opened.
#[event]
pub struct JobAwarded {
    /// The job.
    pub job: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// Number of its offer.
    pub offer: u32,
    /// Price per hour.
    pub price: u64,
    /// Atoms handed to the lease.
    pub reserved: u64,
    /// Stake reserved.
    pub stake: u64,
    /// Bids skipped because they were no longer good.
    pub skipped: u8,
    /// Deadline for ready.
    pub start_deadline: u64,
}

/// Nobody took the job; it takes bids again.
#[event]
pub struct JobReopened {
    /// The job.
    pub job: Pubkey,
    /// Attempts left.
    pub attempts_left: u8,
    /// End of the new window.
    pub close_ts: u64,
}

/// A job ended.
#[event]
pub struct JobEnded {
    /// The job.
    pub job: Pubkey,
    /// The purse.
    pub purse: Pubkey,
    /// Reason, see `gridlease_core::job::EndReason`.
    pub reason: u8,
    /// Atoms that the job itself returned to the purse.
    pub refunded: u64,
}

/// A lease became ready; its meter runs.
#[event]
pub struct LeaseReady {
    /// The lease.
    pub lease: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// When the reservation is used up.
    pub runway_end: u64,
    /// Atoms that the job held beside the lease and returned to the purse.
    pub released: u64,
}

/// Money moved to a provider.
#[event]
pub struct Settled {
    /// The lease.
    pub lease: Pubkey,
    /// The purse.
    pub purse: Pubkey,
    /// Atoms paid now.
    pub net: u64,
    /// Atoms recorded as fee now.
    pub fee: u64,
    /// Atoms paid in all.
    pub paid: u64,
    /// Atoms recorded as fee in all.
    pub fees: u64,
    /// State after.
    pub state: u8,
}

/// A reservation was topped up.
#[event]
pub struct ToppedUp {
    /// The lease.
    pub lease: Pubkey,
    /// Atoms added.
    pub amount: u64,
    /// When the reservation is used up now.
    pub runway_end: u64,
}

/// A lease ended after it had been awarded. What it returned went to its job, which goes on or ends with it.
#[event]
pub struct LeaseEnded {
    /// The lease.
    pub lease: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// Reason, see `gridlease_core::job::EndReason`; also the job's, where that ended too.
    pub reason: u8,
    /// Exit code, where one was reported.
    pub exit_code: Option<i32>,
    /// Everything it owes or has paid, fee included.
    pub gross: u64,
    /// Atoms that the lease returned to its job.
    pub refunded: u64,
    /// Atoms that the job returned to the purse; zero where it goes on.
    pub released: u64,
    /// State of the job after, see `gridlease_core::job::JobState`.
    pub job_state: u8,
    /// Where the job takes bids again, the end of its window.
    pub close_ts: u64,
    /// Root over the outputs.
    pub result_hash: [u8; 32],
    /// Last link of the log's hash chain.
    pub log_hash: [u8; 32],
}

/// What one of several settlements moved.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct SettledLease {
    /// The lease.
    pub lease: Pubkey,
    /// Atoms paid now.
    pub net: u64,
    /// Atoms recorded as fee now.
    pub fee: u64,
    /// State after.
    pub state: u8,
}

/// Money moved to a provider for several leases at once.
#[event]
pub struct BatchSettled {
    /// The purse.
    pub purse: Pubkey,
    /// What moved for each lease.
    pub leases: Vec<SettledLease>,
}

/// A liveness challenge was made.
#[event]
pub struct LivenessChallenged {
    /// The lease.
    pub lease: Pubkey,
    /// Who made it.
    pub challenger: Pubkey,
    /// What the node is to sign.
    pub nonce: [u8; 32],
    /// Until when it may answer.
    pub deadline: u64,
}

/// A liveness challenge is over.
#[event]
pub struct ChallengeResolved {
    /// The lease.
    pub lease: Pubkey,
    /// Who made it.
    pub challenger: Pubkey,
    /// 0: answered, the node keeps the bond; 1: missed, the lease is down since the challenge; 2: moot, the lease was over.
    pub outcome: u8,
}

/// A lease that was down runs again.
#[event]
pub struct LeaseResumed {
    /// The lease.
    pub lease: Pubkey,
    /// When the reservation is used up now.
    pub runway_end: u64,
    /// Seconds of downtime that were credited so far.
    pub credited_s: u32,
    /// Credit that is to be taken from the stake, in atoms.
    pub credit: u64,
}

/// Credit for downtime was taken from the stake.
#[event]
pub struct CreditCollected {
    /// The lease.
    pub lease: Pubkey,
    /// Atoms to the buyer's purse.
    pub victim: u64,
    /// Atoms to the insurance fund, where the purse could not take them.
    pub insurance: u64,
}

/// A checkpoint was written.
#[event]
pub struct CheckpointWritten {
    /// The lease.
    pub lease: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// Number of the checkpoint.
    pub seq: u32,
    /// Its hash.
    pub hash: [u8; 32],
    /// Its bytes.
    pub bytes: u64,
    /// What was accrued by then, in atoms.
    pub confirmed: u64,
}

/// The provider gave notice.
#[event]
pub struct NoticeGiven {
    /// The lease.
    pub lease: Pubkey,
    /// When it may leave without fault.
    pub notice_end: u64,
}

/// The stake of a lease that is over is free again, while the provider still waits for money.
#[event]
pub struct LeaseReleased {
    /// The lease.
    pub lease: Pubkey,
    /// The provider.
    pub provider: Pubkey,
}

/// A provider's stake was slashed.
#[event]
pub struct FaultSlashed {
    /// The lease.
    pub lease: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// Reason, see `gridlease_core::job::EndReason`.
    pub reason: u8,
    /// Atoms to the buyer's purse.
    pub victim: u64,
    /// Atoms to the insurance fund.
    pub insurance: u64,
}

/// A lease's reservation is used up; it waits for a top-up.
#[event]
pub struct GraceBegan {
    /// The lease.
    pub lease: Pubkey,
    /// When it ends without one.
    pub grace_end: u64,
}

/// A lease's account is gone.
#[event]
pub struct LeaseClosed {
    /// The lease.
    pub lease: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// Atoms paid over its life.
    pub paid: u64,
    /// Atoms recorded as fee over its life.
    pub fee: u64,
    /// Atoms returned over its life.
    pub refunded: u64,
}

/// A job's account is gone.
#[event]
pub struct JobClosed {
    /// The job.
    pub job: Pubkey,
    /// The purse.
    pub purse: Pubkey,
}

/// A sealed bid was committed; its bond is the staking program's reservation for it.
#[event]
pub struct BidCommitted {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The sealed bid.
    pub commitment: Pubkey,
    /// Stake bound.
    pub bond: u64,
    /// End of the revealing.
    pub reveal_end: u64,
}

/// A sealed bid was revealed, and its bond set free. A `BidEntered` follows where it entered the book.
#[event]
pub struct BidRevealed {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The offer.
    pub offer: Pubkey,
    /// Price per hour.
    pub price: u64,
    /// Number of the error for which it did not enter the book; zero where it did.
    pub refused: u32,
}

/// A sealed bid was not revealed in time; its bond was slashed.
#[event]
pub struct BidForfeited {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The sealed bid.
    pub commitment: Pubkey,
    /// The buyer's purse.
    pub purse: Pubkey,
    /// Atoms to the buyer's purse.
    pub victim: u64,
    /// Atoms to the insurance fund.
    pub insurance: u64,
}

/// A sealed bid was let go, because its job ended before it could be revealed.
#[event]
pub struct BidReleased {
    /// The job.
    pub job: Pubkey,
    /// The provider.
    pub provider: Pubkey,
    /// The sealed bid.
    pub commitment: Pubkey,
}

/// A bid that an award dropped.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct DroppedBid {
    /// The provider.
    pub provider: Pubkey,
    /// Number of the error for which it cannot take the job.
    pub refused: u32,
    /// It is its own doing, and was counted as a fault.
    pub faulted: bool,
}

/// An award dropped bids whose bidders cannot take the job any more.
#[event]
pub struct BidsDropped {
    /// The job.
    pub job: Pubkey,
    /// The bids, in the book's order.
    pub bids: Vec<DroppedBid>,
}

/// A price index was opened.
#[event]
pub struct IndexOpened {
    /// The index.
    pub index: Pubkey,
    /// Who paid its rent.
    pub payer: Pubkey,
    /// GPU model number.
    pub gpu_model: u8,
    /// Region number.
    pub region: u8,
}

/// A lease was counted in a price index.
#[event]
pub struct TradeRecorded {
    /// The index.
    pub index: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Its buyer.
    pub buyer: Pubkey,
    /// Price of one GPU for an hour, in atoms.
    pub price: u64,
    /// The same as it entered: at most five per cent from where the index stood.
    pub entered: u64,
    /// When the lease ended.
    pub ended_ts: u64,
    /// Place in the ring that it took.
    pub place: u8,
    /// Trades in the ring after it.
    pub len: u8,
    /// The index after it, in atoms per GPU and hour.
    pub index_price: u64,
}

/// The market was configured.
#[event]
pub struct MarketConfigured {
    /// Who may change the configuration.
    pub admin: Pubkey,
    /// The only mint that the market takes.
    pub usdc_mint: Pubkey,
    /// Token account that gets the fees less the insurance part.
    pub treasury: Pubkey,
    /// Token account of the insurance fund.
    pub insurance: Pubkey,
    /// Fee in basis points.
    pub fee_bps: u16,
    /// Milliseconds that one slot is billed at most.
    pub slot_ms: u32,
}

/// A change of the configuration was proposed.
#[event]
pub struct ChangeProposed {
    /// Number of the proposal.
    pub number: u64,
    /// Treasury after it.
    pub treasury: Pubkey,
    /// Insurance account after it.
    pub insurance: Pubkey,
    /// Verifier after it.
    pub verifier: Pubkey,
    /// Fee in basis points after it.
    pub fee_bps: u16,
    /// Slot length in milliseconds after it.
    pub slot_ms: u32,
    /// When it may be executed.
    pub execute_ts: u64,
}

/// A change of the configuration took effect.
#[event]
pub struct ChangeExecuted {
    /// Number of the proposal.
    pub number: u64,
    /// Treasury.
    pub treasury: Pubkey,
    /// Insurance account.
    pub insurance: Pubkey,
    /// Verifier.
    pub verifier: Pubkey,
    /// Fee in basis points.
    pub fee_bps: u16,
    /// Slot length in milliseconds.
    pub slot_ms: u32,
}

/// A proposed change was taken back.
#[event]
pub struct ChangeCancelled {
    /// Number of the proposal.
    pub number: u64,
}

/// Somebody was named to become the admin.
#[event]
pub struct AdminNamed {
    /// Who may accept; zero: nobody.
    pub pending_admin: Pubkey,
}

/// The admin changed.
#[event]
pub struct AdminChanged {
    /// The admin before.
    pub from: Pubkey,
    /// The admin now.
    pub to: Pubkey,
}

/// Intake was paused or opened again.
#[event]
pub struct PauseSet {
    /// Whether it is paused.
    pub paused: bool,
}

/// A purse got a spender, or lost it.
#[event]
pub struct SpenderSet {
    /// The purse.
    pub purse: Pubkey,
    /// The spender; zero: none.
    pub spender: Pubkey,
    /// The most that it reserves in one period, in atoms.
    pub cap: u64,
    /// Length of a period in seconds.
    pub period_s: u32,
}

/// Tokens that were in a vault without being recorded went to the purse's owner.
#[event]
pub struct DonationSwept {
    /// The purse.
    pub purse: Pubkey,
    /// Atoms.
    pub amount: u64,
}

/// An empty purse was closed.
#[event]
pub struct PurseClosed {
    /// The purse.
    pub purse: Pubkey,
    /// Its owner, who got the rent.
    pub owner: Pubkey,
    /// Unrecorded atoms that went to the owner.
    pub donated: u64,
}

/// A provider proposed another payout account.
#[event]
pub struct PayoutProposed {
    /// The provider record.
    pub provider: Pubkey,
    /// The payout account proposed; zero: the proposal was taken back.
    pub payout: Pubkey,
    /// When it may take effect; zero where it was taken back.
    pub apply_ts: u64,
}

/// A provider's payout account changed. Leases that are open keep theirs.
#[event]
pub struct PayoutChanged {
    /// The provider record.
    pub provider: Pubkey,
    /// The payout account.
    pub payout: Pubkey,
}

/// A provider record was closed.
#[event]
pub struct ProviderClosed {
    /// The provider record.
    pub provider: Pubkey,
}

/// GPUs were claimed for an offer.
#[event]
pub struct GpusClaimed {
    /// The offer.
    pub offer: Pubkey,
    /// SHA-256 of each UUID.
    pub hashes: Vec<[u8; 32]>,
    /// GPUs claimed for the offer now.
    pub claimed: u16,
}

/// Claims of GPUs were given up.
#[event]
pub struct GpusReleased {
    /// The offer.
    pub offer: Pubkey,
    /// SHA-256 of each UUID.
    pub hashes: Vec<[u8; 32]>,
    /// GPUs claimed for the offer now.
    pub claimed: u16,
}

/// A benchmark of an offer was recorded.
#[event]
pub struct BenchmarkRecorded {
    /// The offer.
    pub offer: Pubkey,
    /// Result.
    pub value: u64,
    /// Hash of the record.
    pub hash: [u8; 32],
    /// Slot in which it was recorded.
    pub slot: u64,
}

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
    /// End of the bidding window.
    pub close_ts: u64,
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
