//! Every refusal of the staking program, numbered once and never renumbered.

use anchor_lang::prelude::*;

pub use program_common::error::{OrRule, RULE_BASE, check, rule};

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
    #[msg("no change and no admin is proposed")]
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
    /// 6025
    #[msg("the reservation records another buyer or prover than the one that is named")]
    WrongClaimant,
}
