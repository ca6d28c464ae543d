//! Every refusal of the staking program, numbered once and never renumbered.

use anchor_lang::prelude::*;
use gridlease_core::{RuleError, RuleResult};

/// Refusals. Those that concern accounts and arguments count from 6000; a rule's refusal is 6100 + `RuleError::code()`.
#[error_code]
pub enum StakingError {
    /// 6000
    #[msg("the mint does not have 6 decimals, or is not the configured one")]
    WrongMint,
    /// 6001
    #[msg("the insurance account is not of the configured mint, or not the configured one")]
    WrongInsurance,
    /// 6002
    #[msg("the vault is not the one that the bond records")]
    WrongVault,
    /// 6003
    #[msg("the signer is not the bond's authority")]
    WrongAuthority,
    /// 6004
    #[msg("the signer is not one of the slashers that the configuration names")]
    UnknownSlasher,
    /// 6005
    #[msg("the signer is not the slasher that made this reservation")]
    WrongSlasher,
    /// 6006
    #[msg("the reservation is of another bond")]
    WrongBond,
    /// 6007
    #[msg("the rent of the reservation goes to the account that it records")]
    WrongRentTo,
    /// 6008
    #[msg("the lease already has a reservation")]
    ReservationExists,
    /// 6009
    #[msg("the account's layout version is not the one of this program")]
    WrongVersion,
    /// 6010
    #[msg("a slash must leave the vault; it cannot be paid into it")]
    PaysItself,
    /// 6011
    #[msg("the key must not be zero")]
    ZeroKey,
    /// 6012
    #[msg("the tokens that moved are not the amount that was recorded")]
    NotMoved,

    /// 6100
    #[msg("an amount left the range of its type")]
    RuleOverflow = 100,
    /// 6101
    #[msg("the step is not allowed in the present state")]
    RuleWrongState = 101,
    /// 6102
    #[msg("the amount must be greater than zero")]
    RuleZeroAmount = 102,
    /// 6103
    #[msg("the purse's free balance is too small")]
    RuleInsufficientFree = 103,
    /// 6104
    #[msg("more was asked than is reserved")]
    RuleInsufficientReserved = 104,
    /// 6105
    #[msg("the bond's free stake is too small")]
    RuleInsufficientStake = 105,
    /// 6106
    #[msg("the slash is larger than the lease's reservation")]
    RuleSlashAboveReservation = 106,
    /// 6107
    #[msg("the price is zero or above the market's ceiling")]
    RulePriceOutOfBounds = 107,
    /// 6108
    #[msg("the duration or window is outside its bounds")]
    RuleDurationOutOfBounds = 108,
    /// 6109
    #[msg("the score weights do not add up to 10,000")]
    RuleWeightsNotWhole = 109,
    /// 6110
    #[msg("the number of attempts is outside its bounds")]
    RuleAttemptsOutOfBounds = 110,
    /// 6111
    #[msg("the bid is above the most that the job pays")]
    RuleBidAboveMax = 111,
    /// 6112
    #[msg("the bid is below the offer's floor")]
    RuleBidBelowFloor = 112,
    /// 6113
    #[msg("the bid does not improve the provider's standing bid")]
    RuleBidNotImproved = 113,
    /// 6114
    #[msg("the book is full of better bids")]
    RuleBookFull = 114,
    /// 6115
    #[msg("the bidding window is over")]
    RuleWindowClosed = 115,
    /// 6116
    #[msg("the bidding window is still open")]
    RuleWindowOpen = 116,
    /// 6117
    #[msg("the time of this step has not come")]
    RuleTooEarly = 117,
    /// 6118
    #[msg("the deadline of this step has passed")]
    RuleTooLate = 118,
    /// 6119
    #[msg("the offer does not satisfy the requirement")]
    RuleUnsatisfied = 119,
    /// 6120
    #[msg("a field of the specification is outside its bounds")]
    RuleInvalidSpec = 120,
    /// 6121
    #[msg("the provider is excluded from this job")]
    RuleExcluded = 121,
    /// 6122
    #[msg("basis points outside their bounds")]
    RuleBpsOutOfBounds = 122,
    /// 6123
    #[msg("something is still owed")]
    RuleStillOwed = 123,
    /// 6124
    #[msg("leases are still open")]
    RuleStillLeased = 124,
    /// 6125
    #[msg("the offer has no free unit")]
    RuleNoFreeUnit = 125,
    /// 6126
    #[msg("an invariant does not hold")]
    RuleInvariantBroken = 126,
    /// 6127
    #[msg("this signer may not give this reason")]
    RuleReasonNotAllowed = 127,
    /// 6128
    #[msg("the account is not empty")]
    RuleNotEmpty = 128,
}

impl From<RuleError> for StakingError {
    fn from(error: RuleError) -> Self {
        match error {
            RuleError::Overflow => Self::RuleOverflow,
            RuleError::WrongState => Self::RuleWrongState,
            RuleError::ZeroAmount => Self::RuleZeroAmount,
            RuleError::InsufficientFree => Self::RuleInsufficientFree,
            RuleError::InsufficientReserved => Self::RuleInsufficientReserved,
            RuleError::InsufficientStake => Self::RuleInsufficientStake,
            RuleError::SlashAboveReservation => Self::RuleSlashAboveReservation,
            RuleError::PriceOutOfBounds => Self::RulePriceOutOfBounds,
            RuleError::DurationOutOfBounds => Self::RuleDurationOutOfBounds,
            RuleError::WeightsNotWhole => Self::RuleWeightsNotWhole,
            RuleError::AttemptsOutOfBounds => Self::RuleAttemptsOutOfBounds,
            RuleError::BidAboveMax => Self::RuleBidAboveMax,
            RuleError::BidBelowFloor => Self::RuleBidBelowFloor,
            RuleError::BidNotImproved => Self::RuleBidNotImproved,
            RuleError::BookFull => Self::RuleBookFull,
            RuleError::WindowClosed => Self::RuleWindowClosed,
            RuleError::WindowOpen => Self::RuleWindowOpen,
            RuleError::TooEarly => Self::RuleTooEarly,
            RuleError::TooLate => Self::RuleTooLate,
            RuleError::Unsatisfied => Self::RuleUnsatisfied,
            RuleError::InvalidSpec => Self::RuleInvalidSpec,
            RuleError::Excluded => Self::RuleExcluded,
            RuleError::BpsOutOfBounds => Self::RuleBpsOutOfBounds,
            RuleError::StillOwed => Self::RuleStillOwed,
            RuleError::StillLeased => Self::RuleStillLeased,
            RuleError::NoFreeUnit => Self::RuleNoFreeUnit,
            RuleError::InvariantBroken => Self::RuleInvariantBroken,
            RuleError::ReasonNotAllowed => Self::RuleReasonNotAllowed,
            RuleError::NotEmpty => Self::RuleNotEmpty,
        }
    }
}

/// `?` for results of rules.
pub trait OrRule<T> {
    /// Maps the rule's refusal to its program error.
    ///
    /// # Errors
    /// The mapped refusal.
    fn or_rule(self) -> Result<T>;
}

impl<T> OrRule<T> for RuleResult<T> {
    fn or_rule(self) -> Result<T> {
        self.map_err(|error| StakingError::from(error).into())
    }
}
