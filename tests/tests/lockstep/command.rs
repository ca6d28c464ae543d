//! What may happen. A command names places, not addresses, so that a story stays meaningful where some of it is left out.
//!
//! A new instruction is a new variant here, an arm in `chain.rs` that builds it, an arm in `model/` that says what it does,
//! and a line in `story.rs` that chooses it. What belongs together (a lease's care, sealed bids, pools, arrays, governance,
//! what parties do besides) is an enum of its own, with a file of its own in each of these places.

pub mod arrays;
pub mod governance;
pub mod index;
pub mod machines;
pub mod parties;
pub mod pools;
pub mod sealed;
pub mod supervision;

use gridlease_core::lease::Ran;
use gridlease_core::{Now, Seconds, UnixTs};

use arrays::{ArrayStep, TaskStep};
use governance::GovernanceStep;
use index::IndexStep;
use machines::{Allotment, MachineStep, MachineTerms};
use parties::{BuyerStep, SupplierStep};
use pools::PoolStep;
use sealed::SealedStep;
use supervision::SupervisionStep;

/// Who signs: 0 is the one who should; the others are people, by their number less one.
pub type By = u8;

/// For how much of a lease a node says that its container ran, when it ends the lease at this time: by turns all of it, less
/// by an end that lies back, less by a time that it stood still, and nonsense.
pub fn said(now: Now) -> Ran {
    match now.ts.0 % 5 {
        0 | 1 => Ran::WHOLE,
        2 => Ran { until: UnixTs(now.ts.0 - now.slot % 120), ..Ran::WHOLE },
        3 => Ran { stood: Seconds(now.slot % 50), ..Ran::WHOLE },
        _ => Ran { until: UnixTs(now.ts.0 + 1_000), stood: Seconds(u32::MAX.into()) },
    }
}

/// Terms of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfferTerms {
    pub ask: u64,
    pub floor: u64,
    /// Seconds from now to its expiry.
    pub life: i64,
    pub units: u16,
    pub auto_bid: bool,
}

/// What a job asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobTerms {
    pub max_price: u64,
    pub max_duration_s: u32,
    pub window_s: u32,
    pub image_mb: u32,
    pub attempts: u8,
    /// Which of `WEIGHTS`.
    pub weights: u8,
    pub min_stake: u64,
    pub min_reputation: u16,
    pub gpu_count: u8,
    /// Added to the number that the job should have: a number is used again where it is negative.
    pub number_off: i8,
    /// Byte of the mode: open, instant, sealed, or none.
    pub mode: u8,
    pub reveal_s: u32,
    pub notice_s: u32,
    pub checkpoint_s: u32,
    pub wait_s: u32,
    pub review_s: u32,
    /// Does it take a machine that leaves at short notice?
    pub spot: bool,
    /// Verification class.
    pub verify: u8,
}

/// Score weights of jobs; the last are not whole.
pub const WEIGHTS: [[u16; 4]; 5] =
    [[4_000, 3_000, 2_000, 1_000], [0, 10_000, 0, 0], [10_000, 0, 0, 0], [2_500, 2_500, 2_500, 2_500], [1, 2, 3, 4]];

/// One command. `job` is a place for a job; `lease` counts that job's leases from the last one backward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// The clock moves; not forward where negative.
    Clock {
        slots: u64,
        seconds: i64,
    },
    /// Whoever takes a step that can earn a tip names the keeper from now on, or nobody.
    Keeper {
        tipped: bool,
    },
    /// Somebody sends USDC to a purse's vault.
    Donate {
        buyer: usize,
        amount: u64,
    },
    /// Somebody sends SOL to the address of the job's next lease, and as much to that of its reservation.
    Prefund {
        job: usize,
        lamports: u64,
    },
    /// The mint's authority freezes (or thaws) a token account.
    Freeze {
        place: usize,
        frozen: bool,
    },
    OpenPurse {
        buyer: usize,
    },
    Deposit {
        buyer: usize,
        by: By,
        amount: u64,
    },
    Withdraw {
        buyer: usize,
        by: By,
        amount: u64,
    },
    SweepFees {
        buyer: usize,
    },
    OpenBond {
        provider: usize,
    },
    AddStake {
        provider: usize,
        by: By,
        amount: u64,
    },
    Register {
        provider: usize,
    },
    /// The first machine, which the record is. `missing`: one of its offers is not passed.
    UpdateNode {
        provider: usize,
        by: By,
        terms: MachineTerms,
        missing: bool,
    },
    /// A step of one of the provider's other machines.
    Machine {
        provider: usize,
        machine: usize,
        step: MachineStep,
    },
    PostOffer {
        provider: usize,
        by: By,
        offer: usize,
        allotment: Allotment,
        terms: OfferTerms,
    },
    RefreshOffer {
        provider: usize,
        by: By,
        offer: usize,
        terms: OfferTerms,
    },
    /// `wrong`: another machine than its own is named.
    WithdrawOffer {
        provider: usize,
        by: By,
        offer: usize,
        wrong: bool,
    },
    /// The offer's next GPUs are claimed.
    ClaimGpus {
        provider: usize,
        by: By,
        offer: usize,
        count: u8,
    },
    /// The offer's last claims are given up.
    ReleaseGpus {
        provider: usize,
        by: By,
        offer: usize,
        count: u8,
    },
    PostJob {
        job: usize,
        by: By,
        terms: JobTerms,
    },
    PlaceBid {
        job: usize,
        provider: usize,
        by: By,
        offer: usize,
        price: u64,
    },
    EnterOffer {
        job: usize,
        provider: usize,
        offer: usize,
    },
    /// With the accounts of the first `given` bidders.
    Award {
        job: usize,
        given: usize,
    },
    CancelJob {
        job: usize,
        by: By,
    },
    Ready {
        job: usize,
        lease: usize,
        by: By,
        image: bool,
    },
    Settle {
        job: usize,
        lease: usize,
    },
    Extend {
        job: usize,
        lease: usize,
        by: By,
        by_s: u32,
    },
    TopUp {
        job: usize,
        lease: usize,
        by: By,
        amount: u64,
    },
    Stop {
        job: usize,
        lease: usize,
        by: By,
    },
    Finish {
        job: usize,
        lease: usize,
        by: By,
        reason: u8,
        /// Exit code of the container.
        exit: u8,
    },
    Abandon {
        job: usize,
        lease: usize,
        by: By,
    },
    FailStart {
        job: usize,
        lease: usize,
        by: By,
    },
    Expire {
        job: usize,
        lease: usize,
    },
    CloseLease {
        job: usize,
        lease: usize,
    },
    /// A job that waited for long enough is ended.
    ExpireJob {
        job: usize,
    },
    CloseJob {
        job: usize,
    },
    /// The first `count` of the places of offers (provider and place) are passed.
    PostInstant {
        job: usize,
        by: By,
        terms: JobTerms,
        offers: [(u8, u8); 4],
        count: u8,
    },
    /// A step beside a lease's meter.
    Supervision {
        job: usize,
        lease: usize,
        step: SupervisionStep,
    },
    /// A step of a provider's sealed bid in a job.
    Sealed {
        job: usize,
        provider: usize,
        step: SealedStep,
    },
    /// A step of a purse besides its money.
    Buyer {
        buyer: usize,
        by: By,
        step: BuyerStep,
    },
    /// A step of a provider's record besides its offers.
    Supplier {
        provider: usize,
        by: By,
        step: SupplierStep,
    },
    Index(IndexStep),
    /// A step of one provider's bond and its pool.
    Pool {
        provider: usize,
        step: PoolStep,
    },
    /// A step of an array.
    Array {
        array: usize,
        step: ArrayStep,
    },
    /// A step of a job that is a task of an array.
    Task {
        job: usize,
        step: TaskStep,
    },
    Governance(GovernanceStep),
}
