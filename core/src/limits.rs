//! The numbers of the protocol: genesis values and the bounds that nothing may leave.

use crate::quantity::{Atoms, Bps, PricePerHour, Seconds};

/// Decimals of the USDC mint: an atom is 10⁻⁶ USDC.
pub const USDC_DECIMALS: u8 = 6;
/// Milliseconds that a slot takes as a rule; copied into a lease when it opens. Inside a second, which is as fine as the chain's
/// clock is, the meter goes on by this much with every slot.
pub const SLOT_MS: u32 = 400;
/// Milliseconds that one slot is billed at most: a clock that jumps ahead of the slots bills nobody for time that did not pass.
pub const MAX_SLOT_MS: u64 = 1_000;
/// Bounds of the configured slot length in milliseconds.
pub const SLOT_MS_BOUNDS: (u32, u32) = (50, 1_000);
/// Fee on what is paid, at genesis.
pub const FEE_BPS: Bps = Bps(200);
/// The fee can never be set above this.
pub const MAX_FEE_BPS: Bps = Bps(500);
/// Part of the fee that goes to the insurance fund.
pub const INSURANCE_SHARE_OF_FEE: Bps = Bps(5_000);
/// The dearest price that can be quoted: 100,000 USDC an hour.
pub const MAX_PRICE: PricePerHour = PricePerHour(100_000_000_000);
/// Longest duration of a job: 720 hours.
pub const MAX_DURATION: Seconds = Seconds(720 * 3_600);
/// Shortest duration of a job.
pub const MIN_DURATION: Seconds = Seconds(60);
/// Posting reserves at least this much, however small the job.
pub const MIN_RESERVATION: Atoms = Atoms(100_000);
/// Posting reserves at least this much time at the job's maximum price.
pub const MIN_RESERVATION_TIME: Seconds = Seconds(600);
/// Once ready, a lease is charged at least this long.
pub const MIN_CHARGE_TIME: Seconds = Seconds(60);
/// How long a lease without funds waits for a top-up.
pub const GRACE: Seconds = Seconds(600);
/// From ready on, the buyer may reject the start for this long; nothing is payable in this time.
pub const REJECT_TIME: Seconds = Seconds(90);
/// The length of [`crate::job::minute`], what a start that ends without a fault costs each side.
pub const MINUTE: Seconds = Seconds(60);
/// Where a low price would make something free, this part of the job's maximum stands in for it.
pub const LEAST_SHARE_OF_MAX: Bps = Bps(1_000);
/// From the award on, a node may decline for this long.
pub const DECLINE_TIME: Seconds = Seconds(30);
/// For how long a buyer may reopen a job that its node finished: for as long as it ran, at least the first, at most the second;
/// where the job posts a time of its own, at most the third.
pub const REVIEW_BOUNDS: (Seconds, Seconds, Seconds) = (Seconds(60), Seconds(600), Seconds(24 * 3_600));
/// How long a job waits for a winner where the buyer names nothing.
pub const DEFAULT_WAIT: Seconds = Seconds(24 * 3_600);
/// The longest that a job can wait.
pub const MAX_WAIT: Seconds = Seconds(30 * 24 * 3_600);
/// The longest time after its end for which a lease's stake can be kept for a verification.
pub const MAX_VERIFICATION: Seconds = Seconds(72 * 3_600);
/// A deadline whose beginning was seen at most this long before it counts with the slots since then; see [`crate::deadline`].
pub const RECENT: Seconds = Seconds(900);
/// Any other passes this long, and as many slots, after it was first seen over.
pub const HALT_TIME: Seconds = Seconds(60);
/// A bid's offer lives to the end of the auction, or for this much longer where that is sooner.
pub const LEAST_OFFER_LIFE: Seconds = Seconds(1_800);
/// Checkpoints follow each other no closer than in this part of the time that the job asked for.
pub const CHECKPOINT_PART: u64 = 4;
/// How often a buyer may reject the start in one job.
pub const MAX_REJECTS: u8 = 2;
/// Time to answer a liveness challenge.
pub const CHALLENGE_TIME: Seconds = Seconds(60);
/// Bond of a liveness challenge in lamports: about 0.05 USDC when it was fixed. It is in lamports because those can be
/// neither frozen nor refused, so that nobody's token account can hold up a challenge, an answer or a lease's end.
pub const CHALLENGE_BOND_LAMPORTS: u64 = 500_000;
/// Downtime is credited this many times over ...
pub const DOWNTIME_CREDIT: u64 = 2;
/// ... for this much of it in one lease at most.
pub const MAX_CREDITED: Seconds = Seconds(24 * 3_600);
/// A node that is down for this long can be declared unreachable.
pub const MAX_DOWNTIME: Seconds = Seconds(600);
/// Notice of a spot offer.
pub const SPOT_NOTICE: Seconds = Seconds(120);
/// Longest notice that can be agreed: 720 hours.
pub const MAX_NOTICE: Seconds = Seconds(720 * 3_600);
/// Bounds of the time between checkpoints.
pub const CHECKPOINT_BOUNDS: (Seconds, Seconds) = (Seconds(60), Seconds(24 * 3_600));
/// Bounds of the bidding window.
pub const WINDOW_BOUNDS: (Seconds, Seconds) = (Seconds(6), Seconds(3_600));
/// Bidding window where the buyer names none.
pub const DEFAULT_WINDOW: Seconds = Seconds(12);
/// An improvement of the best bid in this last part of the window extends it ...
pub const ANTI_SNIPE: Seconds = Seconds(3);
/// ... at most this often.
pub const MAX_EXTENSIONS: u8 = 3;
/// Entries of a book.
pub const BOOK_SIZE: usize = 8;
/// Attempts where the buyer names none.
pub const DEFAULT_ATTEMPTS: u8 = 3;
/// Most attempts of a job; also the size of its exclusion list.
pub const MAX_ATTEMPTS: u8 = 8;
/// Most tasks of an array.
pub const MAX_TASKS: u16 = 1_024;
/// Most replicas of a task.
pub const MAX_REPLICAS: u8 = 3;
/// Most tasks of an array that are open at a time.
pub const MAX_PARALLEL: u8 = 64;
/// Delegators whose marks a bond holds.
pub const DELEGATOR_MARKS: usize = MAX_DELEGATORS as usize;
/// Time to start before the image's size is counted.
pub const START_BASE: Seconds = Seconds(120);
/// Time to start for each gigabyte (10⁹ bytes) of image.
pub const START_PER_GB: Seconds = Seconds(20);
/// Longest time to start.
pub const START_MAX: Seconds = Seconds(900);
/// Longest life of an offer without a refresh.
pub const MAX_OFFER_LIFE: Seconds = Seconds(3_600);
/// Most leases of one offer.
pub const MAX_UNITS: u16 = 1_024;
/// A lease reserves at least this much stake.
pub const MIN_STAKE_RESERVATION: Atoms = Atoms(5_000_000);
/// Revenue of at most this long counts for the stake reservation.
pub const STAKE_HORIZON: Seconds = Seconds(24 * 3_600);
/// The stake reservation as a multiple of that revenue.
pub const STAKE_MULTIPLE: u64 = 2;
/// A lease reserves at least this part of what it would reserve at the job's maximum price ...
pub const STAKE_FLOOR: Bps = Bps(1_000);
/// ... but at most this many times what its own price asks.
pub const STAKE_FLOOR_MULTIPLE: u64 = 10;
/// What stands behind leases is at most this many times the operator's own stake: its part is at least a fifth.
pub const OPERATOR_MULTIPLE: u64 = 5;
/// Most delegators of a bond.
pub const MAX_DELEGATORS: u8 = 32;
/// The least that an operator can ask of a delegator, and the least that a delegator can leave in a bond.
pub const MIN_DELEGATION: Atoms = Atoms(1_000_000);
/// The most that an operator can ask of a delegator at least: a million USDC.
pub const MIN_DELEGATION_MAX: Atoms = Atoms(1_000_000_000_000);
/// Nobody joins a pool of more shares than this for each atom.
pub const MAX_SHARES_PER_ATOM: u64 = 1_000_000;
/// The highest commission.
pub const MAX_COMMISSION: Bps = Bps(3_000);
/// A higher commission holds this long after it was announced.
pub const COMMISSION_NOTICE: Seconds = Seconds(3 * 24 * 3_600);
/// New stake of a delegator earns and stands behind leases, and new stake of an operator earns, from this long after it
/// came in, once anyone activated it.
pub const ACTIVATION_DELAY: Seconds = Seconds(24 * 3_600);
/// Stake is this long on its way out.
pub const UNBONDING_TIME: Seconds = Seconds(7 * 24 * 3_600);
/// Most open requests to unbond of one owner in one bond.
pub const MAX_REQUESTS: u8 = 8;
/// A change of a configuration waits this long between its proposal and its execution.
pub const GOVERNANCE_DELAY: Seconds = Seconds(48 * 3_600);
/// Slash for a lease that never started, of the stake reserved for it.
pub const SLASH_NO_START: Bps = Bps(100);
/// Slash for leaving a running lease without notice, of the stake reserved for it.
pub const SLASH_ABANDONED: Bps = Bps(1_000);
/// Slash for a node that is unreachable, of the stake reserved for its lease.
pub const SLASH_UNREACHABLE: Bps = Bps(1_000);
/// The victim of a fault gets at most this many hours of the lease's price.
pub const VICTIM_HOURS: u64 = 3;
/// An automatic bid improves the best score by at least this much (10⁻⁸ of the scale): a quarter of a per cent.
pub const AUTO_BID_STEP: u32 = 250_000;
/// Default score weights: reputation, price, uptime, speed.
pub const DEFAULT_WEIGHTS: [u16; 4] = [4_000, 3_000, 2_000, 1_000];
/// Reputation of somebody without a history.
pub const NEUTRAL: Bps = Bps(5_000);
/// Buyers that a provider's record remembers: one of them counts again only when that many others came after it, so that
/// none makes up more than a tenth of a reputation.
pub const RECENT_BUYERS: usize = 9;
/// Start time that scores full marks for speed.
pub const REFERENCE_START: Seconds = Seconds(30);
/// Longest manifest URI in an account, in bytes.
pub const MAX_URI: usize = 200;
/// Longest endpoint of a provider, in bytes.
pub const MAX_ENDPOINT: usize = 128;
/// Length of the committing in a sealed auction where the buyer names none.
pub const DEFAULT_COMMIT_WINDOW: Seconds = Seconds(20);
/// Length of the revealing where the buyer names none.
pub const DEFAULT_REVEAL: Seconds = Seconds(60);
/// Bounds of the revealing.
pub const REVEAL_BOUNDS: (Seconds, Seconds) = (Seconds(60), Seconds(3_600));
/// A sealed bid binds this part of the job's cap in stake ...
pub const SEALED_BOND: Bps = Bps(300);
/// ... at least this much ...
pub const SEALED_BOND_LEAST: Atoms = Atoms(250_000);
/// ... at most this part of what the lease would reserve at the job's maximum price.
pub const SEALED_BOND_MOST: Bps = Bps(1_000);
/// Offers that an instant posting may try.
pub const INSTANT_OFFERS: usize = 4;
/// A change that nobody executed this long after it was due has lapsed.
pub const GOVERNANCE_WINDOW: Seconds = Seconds(14 * 24 * 3_600);
/// A provider's new payout account waits this long before it can take effect ...
pub const PAYOUT_DELAY: Seconds = Seconds(48 * 3_600);
/// ... and this long where its bond has delegators, who need seven days to leave.
pub const PAYOUT_DELAY_WITH_DELEGATORS: Seconds = Seconds(9 * 24 * 3_600);
/// Bounds of the period of a spender's or a guardian's cap.
pub const CAP_PERIOD_BOUNDS: (Seconds, Seconds) = (Seconds(60), Seconds(366 * 24 * 3_600));
/// Anyone may release the GPU claims of an offer without leases that expired this long ago.
pub const CLAIM_STALE: Seconds = Seconds(7 * 24 * 3_600);
/// A claim of a GPU needs this much of the operator's own stake behind it, for each GPU of all its offers: 1 USDC.
pub const CLAIM_STAKE: Atoms = Atoms(1_000_000);
/// Most offers of one machine: as many as one transaction can name to give them another node key.
pub const MAX_MACHINE_OFFERS: u8 = 8;
/// Most GPUs that one transaction claims or releases.
pub const MAX_CLAIMS: usize = 8;
/// The last verification class: 1 hash, 2 fingerprint, 3 trace, 4 attested, 5 service; 0 is none.
pub const MAX_VERIFY_CLASS: u8 = 5;
/// The part of a verdict's slash, less what the buyer gets of it, that goes to who proved the fault.
pub const PROVER_SHARE: Bps = Bps(3_000);
/// The most that a purse may hold, at genesis: 100,000 USDC.
pub const PURSE_CAP: Atoms = Atoms(100_000_000_000);
/// The most stake that a bond may hold, at genesis: a million USDC.
pub const BOND_CAP: Atoms = Atoms(1_000_000_000_000);
/// The most that a job may reserve, at genesis: 50,000 USDC.
pub const JOB_CAP: Atoms = Atoms(50_000_000_000);
/// Most offers of one provider.
pub const MAX_OFFERS: u32 = 256;
/// Most open jobs of one purse.
pub const MAX_OPEN_JOBS: u32 = 4_096;
