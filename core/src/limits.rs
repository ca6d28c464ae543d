//! The numbers of the protocol: genesis values and the bounds that nothing may leave.

use crate::quantity::{Atoms, Bps, PricePerHour, Seconds};

/// Decimals of the USDC mint: an atom is 10⁻⁶ USDC.
pub const USDC_DECIMALS: u8 = 6;
/// Milliseconds that one slot is billed at most; copied into a lease when it opens.
pub const SLOT_MS: u32 = 400;
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
/// An array whose task found no bidder opens no further one for this long; twice as long each time, ...
pub const ARRAY_PAUSE: Seconds = Seconds(60);
/// ... at most this long.
pub const MAX_ARRAY_PAUSE: Seconds = Seconds(3_600);
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
pub const DEFAULT_REVEAL: Seconds = Seconds(15);
/// Bounds of the revealing.
pub const REVEAL_BOUNDS: (Seconds, Seconds) = (Seconds(6), Seconds(3_600));
/// A sealed bid binds this part of the job's cap in stake ...
pub const SEALED_BOND: Bps = Bps(50);
/// ... at least this much ...
pub const SEALED_BOND_LEAST: Atoms = Atoms(250_000);
/// ... at most this much.
pub const SEALED_BOND_MOST: Atoms = Atoms(25_000_000);
/// The buyer's part of a forfeited bond; the rest is insurance.
pub const FORFEIT_TO_BUYER: Bps = Bps(3_000);
/// Offers that an instant posting may try.
pub const INSTANT_OFFERS: usize = 4;
/// A change that nobody executed this long after it was due has lapsed.
pub const GOVERNANCE_WINDOW: Seconds = Seconds(14 * 24 * 3_600);
/// A provider's new payout account waits this long before it can take effect.
pub const PAYOUT_DELAY: Seconds = Seconds(48 * 3_600);
/// Bounds of the period of a spender's cap.
pub const SPENDER_PERIOD_BOUNDS: (Seconds, Seconds) = (Seconds(60), Seconds(366 * 24 * 3_600));
/// Anybody may release the GPU claims of an offer without leases that expired this long ago.
pub const CLAIM_STALE: Seconds = Seconds(24 * 3_600);
/// Most GPUs that one transaction claims or releases.
pub const MAX_CLAIMS: usize = 8;
