//! Why a job or a lease ended, and what hangs on that.

use crate::error::{RuleError, RuleResult};

/// Why a job or a lease ended; one list for both. Never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EndReason {
    /// Not ended.
    None = 0,
    /// The container ran to its end, whatever its exit code.
    Completed = 1,
    /// The buyer stopped it.
    Stopped = 2,
    /// The reservation was used up.
    OutOfFunds = 3,
    /// The node did not start in time, or gave up starting.
    NoStart = 4,
    /// The node left without notice.
    Abandoned = 5,
    /// The node did not answer liveness challenges.
    Unreachable = 6,
    /// A verdict ended it.
    Verdict = 7,
    /// It waited for bids until its time was over, and none led to a lease.
    NoBids = 8,
    /// The buyer cancelled before an award.
    Cancelled = 9,
    /// The buyer rejected the start.
    Rejected = 10,
    /// The provider left with notice.
    Notice = 11,
    /// The job wrote more than the disk that it paid for.
    DiskFull = 12,
    /// The node said that the work was done, and the buyer reopened the job.
    Reopened = 13,
    /// The node declined, at once after the award.
    Declined = 14,
    /// The node said that it was not given what it needs: the manifest, an input, or an image as small as stated.
    NotGiven = 15,
    /// The node said that the container can never start, whoever runs it.
    BuyerError = 16,
}

impl EndReason {
    /// All of them, in order of their numbers.
    pub const ALL: [EndReason; 17] = [
        Self::None,
        Self::Completed,
        Self::Stopped,
        Self::OutOfFunds,
        Self::NoStart,
        Self::Abandoned,
        Self::Unreachable,
        Self::Verdict,
        Self::NoBids,
        Self::Cancelled,
        Self::Rejected,
        Self::Notice,
        Self::DiskFull,
        Self::Reopened,
        Self::Declined,
        Self::NotGiven,
        Self::BuyerError,
    ];

    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub fn from_byte(byte: u8) -> RuleResult<Self> {
        Self::ALL.get(usize::from(byte)).copied().ok_or(RuleError::WrongState)
    }

    /// Was the work left undone in a way that another provider may take it over?
    pub const fn is_retried(self) -> bool {
        self.costs_attempt() || matches!(self, Self::Declined | Self::NotGiven | Self::BuyerError)
    }

    /// Does a lease that ended so use up one of its job's attempts? Only one that failed: a node that declines, or that was
    /// not given what it needs, has not tried.
    pub const fn costs_attempt(self) -> bool {
        matches!(
            self,
            Self::NoStart | Self::Rejected | Self::Abandoned | Self::Unreachable | Self::Notice | Self::Reopened
        )
    }

    /// Did the provider leave before the work was done, or is it held to have left? In a job with checkpoints it is paid to
    /// the last of them.
    pub const fn left_early(self) -> bool {
        matches!(self, Self::Abandoned | Self::Unreachable | Self::Notice | Self::Reopened)
    }

    /// The words that a person reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "running",
            Self::Completed => "completed",
            Self::Stopped => "stopped by the buyer",
            Self::OutOfFunds => "out of funds",
            Self::NoStart => "did not start",
            Self::Abandoned => "abandoned by the node",
            Self::Unreachable => "unreachable",
            Self::Verdict => "ended by a verdict",
            Self::NoBids => "no bids",
            Self::Cancelled => "cancelled",
            Self::Rejected => "start rejected",
            Self::Notice => "left with notice",
            Self::DiskFull => "disk full",
            Self::Reopened => "reopened by the buyer",
            Self::Declined => "declined by the node",
            Self::NotGiven => "the node was not given what it needs",
            Self::BuyerError => "the container can never start",
        }
    }
}
