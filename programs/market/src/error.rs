//! Every refusal of the market, numbered once and never renumbered.

use anchor_lang::prelude::*;

pub use program_common::error::{OrRule, RULE_BASE, rule};

/// Refusals that concern accounts and arguments. Rules refuse with `6100 + RuleError::code()`.
#[error_code]
pub enum MarketError {
    /// 6000
    #[msg("the mint is not a classic SPL Token mint with 6 decimals")]
    WrongMint,
    /// 6001
    #[msg("intake is paused; settling, stopping and withdrawing stay open")]
    Paused,
    /// 6002
    #[msg("the signer is not a key of the purse that may take this step")]
    NotBuyer,
    /// 6003
    #[msg("the signer is not the provider's node key")]
    NotNodeKey,
    /// 6004
    #[msg("the signer is not the provider's authority")]
    NotAuthority,
    /// 6005
    #[msg("the account does not belong to this lease, job, offer or purse")]
    Unrelated,
    /// 6006
    #[msg("the offer is not live: it has expired or was withdrawn")]
    OfferNotLive,
    /// 6007
    #[msg("the offer does not take automatic bids")]
    NoAutoBid,
    /// 6008
    #[msg("the bond is not the provider's bond in the staking program")]
    WrongBond,
    /// 6009
    #[msg("the award needs offer, provider and bond of the next bidder in the book's order")]
    CandidateMissing,
    /// 6010
    #[msg("the number must be higher than that of the purse's last job")]
    NumberUsed,
    /// 6011
    #[msg("the endpoint or the manifest's address is empty, too long, or not ASCII without blanks")]
    BadString,
    /// 6012
    #[msg("the reported image digest is not the job's")]
    WrongImage,
    /// 6013
    #[msg("the spender's cap for this period is used up")]
    SpenderCap,
    /// 6014
    #[msg("the offer lives longer than an hour or ends in the past")]
    BadExpiry,
    /// 6015
    #[msg("the purse has its 4,096 open jobs, or the provider its 256 offers; close some first")]
    TooMany,
    /// 6016
    #[msg("this auction mode or verification class is not taken by this version")]
    NotTaken,
    /// 6017
    #[msg("the ask is below the floor")]
    AskBelowFloor,
    /// 6018
    #[msg("the units are outside their bounds, or fewer than the open leases")]
    BadUnits,
    /// 6019
    #[msg("the offer does not hold the rent of another lease; refresh it to pay that in")]
    NoRent,
    /// 6020
    #[msg("the token account is not of the market's mint, or not the recorded one")]
    WrongTokenAccount,
    /// 6021
    #[msg("the account's layout version is not the one of this program")]
    WrongVersion,
    /// 6022
    #[msg("none of the offers passed can take the job now")]
    NoneFits = 22,
    /// 6023
    #[msg("an instant posting takes one to four offers: offer, provider and bond of each")]
    BadOffers = 23,
    /// 6024
    #[msg("price, salt and offer are not those of the sealed bid")]
    WrongReveal = 24,
    /// 6030
    #[msg("the signer is not the market's admin")]
    NotAdmin = 30,
    /// 6031
    #[msg("the signer is not the program's upgrade authority, or an account is not the program's own")]
    NotDeployer = 31,
    /// 6032
    #[msg("nobody, or somebody else, was named to become the admin")]
    NotPendingAdmin = 32,
    /// 6033
    #[msg("a change is proposed already; execute or cancel it first")]
    ProposalPending = 33,
    /// 6034
    #[msg("no change is proposed")]
    NoProposal = 34,
    /// 6035
    #[msg("a GPU is claimed already, for this offer or another")]
    GpuClaimed = 35,
    /// 6036
    #[msg("the claims passed are not the offer's, or not their addresses, or too many or too few")]
    WrongClaims = 36,
    /// 6037
    #[msg("the token account is frozen")]
    FrozenTokenAccount = 37,
    /// 6038
    #[msg("no other payout account is proposed")]
    NoPendingPayout = 38,
    /// 6039
    #[msg("a benchmark needs a result and the hash of its record")]
    EmptyBenchmark = 39,
    /// 6045
    #[msg("the job is a task of an array; close it with close_task")]
    TaskOfArray = 45,
    /// 6046
    #[msg("bids and awards of a replica need the group of its task, before the other additional accounts")]
    GroupMissing = 46,
    /// 6047
    #[msg("the array does not hold the rent of another task")]
    NoTaskRent = 47,
    /// 6055
    #[msg("the buyer is the provider's own authority or node key; such a lease is no trade")]
    SelfDealing = 55,
    /// 6056
    #[msg("the price index is not the one of the offer's GPU model and region")]
    WrongIndex = 56,
    /// 6060
    #[msg("the answer is not the slot hash that the challenge asked for")]
    WrongNonce = 60,
    /// 6062
    #[msg("a lease of the batch is of another purse or paid to another account")]
    MixedBatch = 62,
    /// 6063
    #[msg("the guardian's cap for this period is used up")]
    GuardianCap = 63,
    /// 6064
    #[msg(
        "the account has the layout of an earlier version and has grown since; migrate it first, which anyone may do"
    )]
    Outdated = 64,
    /// 6066
    #[msg("the signer is not the verifier that the configuration names")]
    NotVerifier = 66,
}
