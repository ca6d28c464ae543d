//! What the market tells the world, by self-CPI. Together the events suffice to rebuild every balance.

use anchor_lang::prelude::*;

mod array;
mod governance;
mod index;
mod sealed;

pub use array::*;
pub use governance::*;
pub use index::*;
pub use sealed::*;

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

/// Fees and forfeits went from a purse to the treasury and the insurance fund.
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
    /// The most stake that the offers of its first machine may bind, in atoms.
    pub stake_limit: u64,
}

/// A machine was registered or changed, or retired by the cold key.
#[event]
pub struct MachineRecorded {
    /// The machine.
    pub machine: Pubkey,
    /// Its provider.
    pub provider: Pubkey,
    /// Its node key.
    pub node_key: Pubkey,
    /// SHA-256 of its TLS certificate.
    pub cert_fingerprint: [u8; 32],
    /// X25519 key for sealed secrets; zero for none.
    pub x25519: [u8; 32],
    /// The most stake that its offers may bind, in atoms.
    pub stake_limit: u64,
    /// Whether it is retired.
    pub retired: bool,
    /// URL of its API.
    pub endpoint: String,
}

/// A retired machine without offers was closed.
#[event]
pub struct MachineClosed {
    /// The machine.
    pub machine: Pubkey,
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
    /// Until when it waits for a bid.
    pub expires_at: u64,
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

/// Nobody in the book could take the job; it waits for bids again.
#[event]
pub struct JobWaits {
    /// The job.
    pub job: Pubkey,
    /// Until when it waits.
    pub expires_at: u64,
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

/// A lease may be paid for longer, and as much more stake stands behind it.
#[event]
pub struct LeaseExtended {
    /// The lease.
    pub lease: Pubkey,
    /// The longest that it may be paid for from now on, in seconds.
    pub duration_s: u32,
    /// Stake reserved for it at the award and by extensions, in atoms.
    pub stake: u64,
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

/// The node says that the work is done; what the lease returned is held by the job until the buyer accepts or reopens it.
#[event]
pub struct LeaseFinished {
    /// The lease.
    pub lease: Pubkey,
    /// The job.
    pub job: Pubkey,
    /// Reason, see `gridlease_core::job::EndReason`.
    pub reason: u8,
    /// Exit code, where one was reported.
    pub exit_code: Option<i32>,
    /// Everything it owes or has paid, fee included.
    pub gross: u64,
    /// Atoms that the lease returned to its job.
    pub refunded: u64,
    /// Until when the buyer may reopen the job.
    pub review_end: u64,
    /// Root over the outputs.
    pub result_hash: [u8; 32],
    /// Last link of the log's hash chain.
    pub log_hash: [u8; 32],
}

/// A start came to nothing without a fault: what each side owes the insurance fund for it.
#[event]
pub struct StartUndone {
    /// The lease.
    pub lease: Pubkey,
    /// Its provider.
    pub provider: Pubkey,
    /// Reason, see `gridlease_core::job::EndReason`.
    pub reason: u8,
    /// Atoms out of the buyer's reservation, swept later.
    pub buyer: u64,
    /// Atoms slashed from the stake behind the lease.
    pub stake: u64,
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
    /// Atoms that the buyer owes the insurance fund.
    pub forfeited: u64,
    /// State of the job after, see `gridlease_core::job::JobState`.
    pub job_state: u8,
    /// Where the next bid of its book follows at once, this moment; zero where the job waits or has ended.
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

/// The verifier said what it found about a verified lease.
#[event]
pub struct VerdictGiven {
    /// The lease.
    pub lease: Pubkey,
    /// The provider record.
    pub provider: Pubkey,
    /// Atoms taken of what is reserved for the lease; zero: it was cleared.
    pub slashed: u64,
    /// Of these, what the buyer claims.
    pub buyer: u64,
    /// Who proved the fault.
    pub prover: Pubkey,
    /// What that one claims.
    pub proved: u64,
    /// What went to the insurance fund.
    pub insurance: u64,
}

/// A buyer claims its credit for downtime out of the stake.
#[event]
pub struct CreditCollected {
    /// The lease.
    pub lease: Pubkey,
    /// The buyer.
    pub buyer: Pubkey,
    /// Atoms that it claims, to be paid seven days later.
    pub claimed: u64,
    /// Atoms that it was owed and cannot get: the operator's part of the lease's reservation does not reach for them. Nobody pays
    /// them.
    pub short: u64,
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
    /// The buyer.
    pub buyer: Pubkey,
    /// Atoms that it claims, to be paid seven days later.
    pub claimed: u64,
    /// Atoms that it was owed and cannot get. Nobody pays them.
    pub short: u64,
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

/// A lease's recorded payout account can take no money; it is paid elsewhere.
#[event]
pub struct PayoutRedirected {
    /// The lease.
    pub lease: Pubkey,
    /// The token account that it recorded.
    pub from: Pubkey,
    /// The one that it records now.
    pub to: Pubkey,
}

/// A keeper was tipped for a step.
#[event]
pub struct TipPaid {
    /// The account that had it set aside: a job, a lease, an array, a sealed bid.
    pub from: Pubkey,
    /// Who got it.
    pub to: Pubkey,
    /// Lamports.
    pub lamports: u64,
}

/// A job's account is gone.
#[event]
pub struct JobClosed {
    /// The job.
    pub job: Pubkey,
    /// The purse.
    pub purse: Pubkey,
}
