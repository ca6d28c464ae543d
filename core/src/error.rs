//! Every reason for which a rule refuses, numbered once and never renumbered.

/// First number of a rule's refusal in either program: they refuse with this and [`RuleError::code`].
pub const RULE_BASE: u32 = 6_100;

/// Result of a rule.
pub type RuleResult<T> = Result<T, RuleError>;

/// Why a rule refused. The number is stable: programs add it to their own base, documents refer to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum RuleError {
    /// A sum, product or difference left the range of its type.
    Overflow = 0,
    /// The step is not allowed in the present state (see the state tables in [`crate::job`] and [`crate::lease`]).
    WrongState = 1,
    /// An amount must be greater than zero.
    ZeroAmount = 2,
    /// The purse's free balance is smaller than the amount asked of it.
    InsufficientFree = 3,
    /// More was released or paid than is reserved.
    InsufficientReserved = 4,
    /// The bond's free stake is smaller than the reservation asked of it.
    InsufficientStake = 5,
    /// A slash is larger than what is reserved for the lease.
    SlashAboveReservation = 6,
    /// A price is zero or above the market's ceiling.
    PriceOutOfBounds = 7,
    /// A duration or window is outside its bounds.
    DurationOutOfBounds = 8,
    /// The score weights do not add up to 10,000 basis points.
    WeightsNotWhole = 9,
    /// The number of attempts is zero or above its bound.
    AttemptsOutOfBounds = 10,
    /// A bid above the most that the job pays.
    BidAboveMax = 11,
    /// A bid below the floor of its offer.
    BidBelowFloor = 12,
    /// A bid of a provider that already stands in the book at the same or a lower price.
    BidNotImproved = 13,
    /// The book is full of better bids.
    BookFull = 14,
    /// The bidding window is over.
    WindowClosed = 15,
    /// The bidding window is still open.
    WindowOpen = 16,
    /// The time at which this step is allowed has not come.
    TooEarly = 17,
    /// The deadline of this step has passed.
    TooLate = 18,
    /// An offer does not satisfy the requirement.
    Unsatisfied = 19,
    /// A field of a specification is outside its bounds or contradicts another.
    InvalidSpec = 20,
    /// The provider is excluded from this job because it failed it.
    Excluded = 21,
    /// Basis points above 10,000 or above the bound of their field.
    BpsOutOfBounds = 22,
    /// Something is still owed; settle first.
    StillOwed = 23,
    /// Leases are still open.
    StillLeased = 24,
    /// The offer has no free unit.
    NoFreeUnit = 25,
    /// An invariant of the market does not hold; nothing may be written.
    InvariantBroken = 26,
    /// The reason given is not one that the signer may give.
    ReasonNotAllowed = 27,
    /// The purse still holds funds or has open jobs.
    NotEmpty = 28,
    /// The operator's own stake would be less than a fifth of what stands behind its leases.
    OperatorShareTooSmall = 29,
    /// The bond has as many delegators as it can have.
    TooManyDelegators = 30,
    /// A delegation, or what would be left of it, is below the least that the bond takes.
    DelegationTooSmall = 31,
    /// The commission is above its bound.
    CommissionOutOfBounds = 32,
    /// The stake behind the shares is slashed to next to nothing; its holders leave before anybody joins.
    PoolSpent = 33,
    /// As many requests to unbond are open as there can be.
    TooManyRequests = 34,
    /// The stake on its way out has not matured.
    NotMatured = 35,
    /// All of the stake that matured still stands behind leases.
    StakeBound = 36,
    /// There is nothing to pay out.
    NothingToClaim = 37,
    /// The least delegation that an operator takes is outside its bounds.
    MinimumOutOfBounds = 38,
    /// More was asked than the position holds.
    PositionTooSmall = 39,
    /// The step is not one of this auction's mode.
    WrongMode = 40,
    /// Sealed bids can still be revealed.
    RevealOpen = 41,
    /// The time to reveal a sealed bid is over.
    RevealClosed = 42,
    /// The sealed bid must be resolved another way: see [`crate::sealed::Fate`].
    WrongFate = 43,
    /// A parameter of the market is outside its bounds.
    ParameterOutOfBounds = 50,
    /// A job's number is above those of the present slot.
    NumberOutOfBounds = 51,
    /// Not every GPU of the offer's units is claimed.
    GpusUnclaimed = 52,
    /// More GPUs would be claimed than the offer's units have.
    GpusNotNeeded = 53,
    /// Fewer GPUs would stay claimed than the open leases use.
    GpusInUse = 54,
    /// The number of tasks, the quorum, the replicas or the parallel tasks of an array are outside their bounds.
    ArrayShape = 60,
    /// The budget of an array is below what one of its tasks can cost, or above what all of them can.
    ArrayBudget = 61,
    /// As many tasks of the array are open as may be at a time.
    ArrayFull = 62,
    /// Neither the array's reservation nor the purse's free balance covers another task.
    ArrayShort = 63,
    /// The tasks of an array are opened one after the other; this is not the next one.
    TaskOutOfOrder = 64,
    /// Tasks of the array are not closed.
    TasksOpen = 65,
    /// The provider shares its authority, node key, payout account or a delegator with the provider of another replica.
    Kin = 66,
    /// A lease that the price index does not count: it ended with a fault, or paid too little or for too short a time.
    NotATrade = 70,
    /// A top-up in the grace period that would not let the lease run for a minute.
    TopUpTooSmall = 80,
    /// The job did not ask for checkpoints.
    NotDurable = 81,
    /// No notice was agreed, or none was given.
    NoNotice = 82,
    /// A liveness challenge is open.
    ChallengeOpen = 83,
    /// No liveness challenge is open.
    NoChallenge = 84,
    /// The buyer has rejected as many starts as a job may.
    RejectsUsedUp = 85,
    /// A checkpoint's number is not higher than the last one's.
    StaleCheckpoint = 86,
    /// The job would stop waiting before the window that this bid opens is over.
    WaitOver = 90,
    /// What the job holds does not pay for ten minutes, or for the whole of a shorter job, at this price.
    BidUnaffordable = 91,
    /// A top-up that would pay for more time than the lease may run for.
    BeyondDuration = 92,
    /// A deposit that would take the purse above the market's cap.
    PurseCap = 93,
    /// Stake that would take the bond above the market's cap.
    BondCap = 94,
    /// A job that would reserve more than the market's cap.
    JobCap = 95,
    /// The challenge window of a verified lease is open, or no verdict can be given on it any more.
    ChallengeWindow = 96,
    /// Caps that were to be lowered at once would be raised.
    RaisesCap = 97,
    /// The offer's leases and sealed bids, and what was slashed of them, would be more than its limit of stake.
    StakeLimit = 110,
    /// The offers of the machine would be allotted more stake than its limit.
    MachineLimit = 111,
    /// The operator's own stake is below what its claims of GPUs need.
    ClaimsUnbacked = 112,
}

impl RuleError {
    /// All of them, in order of their numbers. Numbers of parts of the protocol that are not written yet are left out.
    pub const ALL: &'static [RuleError] = &[
        Self::Overflow,
        Self::WrongState,
        Self::ZeroAmount,
        Self::InsufficientFree,
        Self::InsufficientReserved,
        Self::InsufficientStake,
        Self::SlashAboveReservation,
        Self::PriceOutOfBounds,
        Self::DurationOutOfBounds,
        Self::WeightsNotWhole,
        Self::AttemptsOutOfBounds,
        Self::BidAboveMax,
        Self::BidBelowFloor,
        Self::BidNotImproved,
        Self::BookFull,
        Self::WindowClosed,
        Self::WindowOpen,
        Self::TooEarly,
        Self::TooLate,
        Self::Unsatisfied,
        Self::InvalidSpec,
        Self::Excluded,
        Self::BpsOutOfBounds,
        Self::StillOwed,
        Self::StillLeased,
        Self::NoFreeUnit,
        Self::InvariantBroken,
        Self::ReasonNotAllowed,
        Self::NotEmpty,
        Self::OperatorShareTooSmall,
        Self::TooManyDelegators,
        Self::DelegationTooSmall,
        Self::CommissionOutOfBounds,
        Self::PoolSpent,
        Self::TooManyRequests,
        Self::NotMatured,
        Self::StakeBound,
        Self::NothingToClaim,
        Self::MinimumOutOfBounds,
        Self::PositionTooSmall,
        Self::WrongMode,
        Self::RevealOpen,
        Self::RevealClosed,
        Self::WrongFate,
        Self::ParameterOutOfBounds,
        Self::NumberOutOfBounds,
        Self::GpusUnclaimed,
        Self::GpusNotNeeded,
        Self::GpusInUse,
        Self::ArrayShape,
        Self::ArrayBudget,
        Self::ArrayFull,
        Self::ArrayShort,
        Self::TaskOutOfOrder,
        Self::TasksOpen,
        Self::Kin,
        Self::NotATrade,
        Self::TopUpTooSmall,
        Self::NotDurable,
        Self::NoNotice,
        Self::ChallengeOpen,
        Self::NoChallenge,
        Self::RejectsUsedUp,
        Self::StaleCheckpoint,
        Self::WaitOver,
        Self::BidUnaffordable,
        Self::BeyondDuration,
        Self::PurseCap,
        Self::BondCap,
        Self::JobCap,
        Self::ChallengeWindow,
        Self::RaisesCap,
        Self::StakeLimit,
        Self::MachineLimit,
        Self::ClaimsUnbacked,
    ];

    /// The stable number.
    pub const fn code(self) -> u16 {
        self as u16
    }

    /// The error with this number.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|error| u32::from(error.code()) == code)
    }
}

impl core::fmt::Display for RuleError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Overflow => "an amount left the range of its type",
            Self::WrongState => "the state of the job, lease or array does not allow this step",
            Self::ZeroAmount => "the amount must be greater than zero",
            Self::InsufficientFree => "the amount is above the purse's free balance",
            Self::InsufficientReserved => "the amount is above what is reserved",
            Self::InsufficientStake => "the bond's free stake is below what the lease would reserve",
            Self::SlashAboveReservation => "the slash is larger than the lease's reservation",
            Self::PriceOutOfBounds => "the price is zero or above the market's ceiling",
            Self::DurationOutOfBounds => "the duration or window is outside its bounds",
            Self::WeightsNotWhole => "the score weights do not add up to 10,000",
            Self::AttemptsOutOfBounds => "the number of attempts is outside its bounds",
            Self::BidAboveMax => "the bid is above the most that the job pays",
            Self::BidBelowFloor => "the bid is below the offer's floor",
            Self::BidNotImproved => "the bid does not improve the provider's standing bid",
            Self::BookFull => "the book is full of better bids",
            Self::WindowClosed => "the bidding window is over",
            Self::WindowOpen => "the bidding window is still open",
            Self::TooEarly => "the clock is before the time from which this step is allowed",
            Self::TooLate => "the clock is past the deadline of this step",
            Self::Unsatisfied => "the offer does not satisfy the requirement",
            Self::InvalidSpec => "a field of the specification is outside its bounds",
            Self::Excluded => "the provider is excluded from this job",
            Self::BpsOutOfBounds => "the basis points are above 10,000, or above the bound of their field",
            Self::StillOwed => "the lease has paid less than it owes",
            Self::StillLeased => "the provider's record counts open leases",
            Self::NoFreeUnit => "the offer has no free unit",
            Self::InvariantBroken => "the books would not add up: an account would hold less than it records",
            Self::ReasonNotAllowed => "this signer may not give this reason",
            Self::NotEmpty => "the account still holds money, stake, jobs, offers or requests",
            Self::OperatorShareTooSmall => "the operator's own stake must be at least a fifth of the bond's",
            Self::TooManyDelegators => "the bond has as many delegators as it can have",
            Self::DelegationTooSmall => "the delegation, or what would be left of it, is below the bond's minimum",
            Self::CommissionOutOfBounds => "the commission is above 30 per cent",
            Self::PoolSpent => {
                "the shares are slashed to next to nothing; whoever holds them must leave before anybody joins"
            }
            Self::TooManyRequests => "too many requests to unbond are open; withdraw one that has matured first",
            Self::NotMatured => "the seven days of the stake on its way out are not over",
            Self::StakeBound => "the stake that matured still stands behind leases; withdraw it when they are closed",
            Self::NothingToClaim => "the amount to pay out is zero",
            Self::MinimumOutOfBounds => "the least delegation is outside its bounds",
            Self::PositionTooSmall => "more was asked than the position holds",
            Self::TopUpTooSmall => "the top-up would not let the lease run for a minute",
            Self::NotDurable => "the job did not ask for checkpoints",
            Self::NoNotice => "no notice was agreed, or none was given",
            Self::ChallengeOpen => "a liveness challenge is open",
            Self::NoChallenge => "no liveness challenge is open",
            Self::RejectsUsedUp => "the buyer has rejected as many starts as a job may",
            Self::StaleCheckpoint => "the checkpoint's number is not the last one's plus one",
            Self::WaitOver => "the job stops waiting before the window that this bid would open is over",
            Self::BidUnaffordable => {
                "what the job still holds does not pay for ten minutes, or the whole of a shorter job, at this price"
            }
            Self::StakeLimit => {
                "the stake to bind is above what is left of the offer's limit; its leases must end, or the cold key raise the limit"
            }
            Self::MachineLimit => {
                "the offer's limit of stake is above what is left of its machine's; allot less, or raise the machine's limit"
            }
            Self::ClaimsUnbacked => {
                "the operator's own stake is below 1 USDC for each claimed GPU of all its offers; add stake or claim fewer"
            }
            Self::BeyondDuration => {
                "the top-up would pay for more time than the lease may run for; extend the lease first"
            }
            Self::PurseCap => "the purse would hold more than the market's cap for a purse; deposit less",
            Self::BondCap => "the bond would hold more than the market's cap for a bond; add less",
            Self::JobCap => {
                "the job would reserve more than the market's cap for a job; ask for less time or a lower price"
            }
            Self::ChallengeWindow => "the lease's challenge window has not ended, or has ended already",
            Self::RaisesCap => "lowering may raise no cap; propose a change for that",
            Self::WrongMode => "the step is not one of this auction's mode",
            Self::RevealOpen => "sealed bids can still be revealed",
            Self::RevealClosed => "the time to reveal this bid is over",
            Self::WrongFate => "this sealed bid is to be resolved another way",
            Self::ArrayShape => "the tasks, quorum, replicas or parallel tasks of the array are outside their bounds",
            Self::ArrayBudget => "the array's budget is below what one task can cost, or above what all can",
            Self::ArrayFull => "as many tasks of the array are open as may be at a time",
            Self::ArrayShort => "the array's reservation and the purse's free balance do not cover another task",
            Self::TaskOutOfOrder => "this is not the array's next task",
            Self::TasksOpen => "tasks of the array are not closed",
            Self::Kin => "the provider shares an owner, a key or a delegator with that of another replica",
            Self::NotATrade => "the lease is no trade that counts: a fault, too small a fee, or too short a time",
            Self::ParameterOutOfBounds => "a parameter of the market is outside its bounds",
            Self::NumberOutOfBounds => "the job's number is above those of the present slot",
            Self::GpusUnclaimed => "not every GPU of the offer is claimed",
            Self::GpusNotNeeded => "the offer has not that many GPUs to claim",
            Self::GpusInUse => "open leases use these GPUs",
        })
    }
}

impl core::error::Error for RuleError {}

#[cfg(test)]
mod tests {
    use super::RuleError;

    #[test]
    fn every_error_keeps_its_number_and_is_listed_once_in_order() {
        assert!(RuleError::ALL.windows(2).all(|pair| pair[0].code() < pair[1].code()));
        // One of each decade that is in use; a renumbering would move them.
        assert_eq!(RuleError::Overflow.code(), 0);
        assert_eq!(RuleError::AttemptsOutOfBounds.code(), 10);
        assert_eq!(RuleError::InvalidSpec.code(), 20);
        assert_eq!(RuleError::NotEmpty.code(), 28);
        for error in RuleError::ALL {
            assert_eq!(RuleError::from_code(error.code().into()), Some(*error), "{error}");
        }
        assert_eq!(RuleError::from_code(99), None);
    }
}
