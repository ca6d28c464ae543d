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
    /// 6013
    #[msg("the signer is not the program's upgrade authority; who deployed the program configures it")]
    NotUpgradeAuthority,
    /// 6014
    #[msg("the accounts are not this program and its program data")]
    WrongProgramData,
    /// 6015
    #[msg("the signer is not the admin, nor the one named to become it")]
    WrongAdmin,
    /// 6016
    #[msg("nothing was proposed")]
    NothingProposed,
    /// 6017
    #[msg("the bond takes no delegations; its operator has opened no pool")]
    PoolClosed,
    /// 6018
    #[msg("the account is not the bond's revenue vault")]
    WrongRevenue,
    /// 6019
    #[msg("the signer is neither the delegator nor the bond's operator")]
    WrongDelegator,
    /// 6020
    #[msg("the delegation is of another bond or delegator")]
    WrongDelegation,
    /// 6021
    #[msg("tokens go to the recorded account, or to another if their owner signs; never into the bond's own vaults")]
    WrongDestination,
    /// 6022
    #[msg("the request to unbond is of another bond, owner or kind")]
    WrongUnbonding,
    /// 6023
    #[msg("the bond has no lamport to lend to another reservation; send it some")]
    NoSpareLamport,
    /// 6024
    #[msg("the operator adds stake; it does not delegate to itself")]
    OwnDelegation,

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
    /// 6129
    #[msg("the operator's own stake must be at least a fifth of the bond's")]
    RuleOperatorShareTooSmall = 129,
    /// 6130
    #[msg("the bond has as many delegators as it can have")]
    RuleTooManyDelegators = 130,
    /// 6131
    #[msg("the delegation, or what would be left of it, is below the bond's minimum")]
    RuleDelegationTooSmall = 131,
    /// 6132
    #[msg("the commission is above 30 per cent")]
    RuleCommissionOutOfBounds = 132,
    /// 6133
    #[msg("the shares are slashed to next to nothing; whoever holds them must leave before anybody joins")]
    RulePoolSpent = 133,
    /// 6134
    #[msg("too many requests to unbond are open; withdraw one that has matured first")]
    RuleTooManyRequests = 134,
    /// 6135
    #[msg("the stake on its way out has not matured")]
    RuleNotMatured = 135,
    /// 6136
    #[msg("the stake that matured still stands behind leases; withdraw it when they are closed")]
    RuleStakeBound = 136,
    /// 6137
    #[msg("there is nothing to pay out")]
    RuleNothingToClaim = 137,
    /// 6138
    #[msg("the least delegation is outside its bounds")]
    RuleMinimumOutOfBounds = 138,
    /// 6139
    #[msg("more was asked than the position holds")]
    RulePositionTooSmall = 139,
}

/// Number of the first rule error.
pub const RULE_BASE: u32 = 6_100;

/// A rule's refusal as a program error. By its number, so that a rule which this program never meets needs no name here.
pub fn rule(error: RuleError) -> Error {
    Error::from(ProgramError::Custom(RULE_BASE + u32::from(error.code())))
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
        self.map_err(rule)
    }
}
