//! What happened, told by self-CPI so that no log limit can swallow it. All amounts are in atoms of USDC; totals are
//! those after the step.

use anchor_lang::prelude::*;
use gridlease_core::revenue::Distributed;

use crate::state::Bond;

/// A bond was opened, empty.
#[event]
pub struct BondOpened {
    /// The bond.
    pub bond: Pubkey,
    /// Who opened it and may add stake.
    pub authority: Pubkey,
    /// Its token account.
    pub vault: Pubkey,
}

/// Stake was added to a bond.
#[event]
pub struct StakeAdded {
    /// The bond.
    pub bond: Pubkey,
    /// Token account that it came from.
    pub from: Pubkey,
    /// How much.
    pub added: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Ever added.
    pub added_total: u64,
    /// Of the operator's that stays, what was not activated.
    pub fresh: u64,
}

/// Stake was reserved for a lease.
#[event]
pub struct Reserved {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who reserved it, and alone may release or slash it.
    pub slasher: Pubkey,
    /// How much.
    pub reservation: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Open reservations.
    pub leases: u32,
}

/// More stake was reserved for a lease.
#[event]
pub struct Extended {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who reserved it.
    pub slasher: Pubkey,
    /// How much more.
    pub added: u64,
    /// The reservation after it.
    pub reservation: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
}

/// What was left of a reservation is free again.
#[event]
pub struct Released {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who released it.
    pub slasher: Pubkey,
    /// How much was left and became free.
    pub released: u64,
    /// All stake in the bond.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake on its way out.
    pub unbonding: u64,
    /// Open reservations.
    pub leases: u32,
}

/// A part of a reservation was slashed and paid out.
#[event]
pub struct Slashed {
    /// The bond.
    pub bond: Pubkey,
    /// The lease.
    pub lease: Pubkey,
    /// Who slashed.
    pub slasher: Pubkey,
    /// The buyer; zero for none.
    pub buyer: Pubkey,
    /// Claimed by it, to be paid later.
    pub claimed: u64,
    /// Who proved the fault; zero for none.
    pub prover: Pubkey,
    /// Claimed by it, to be paid later.
    pub claimed_by_prover: u64,
    /// When claims out of this reservation can be paid, in Unix seconds; zero where none was ever made.
    pub due: u64,
    /// Paid to the configured insurance account, or recorded as owed to it: slashed.
    pub insurance: u64,
    /// Left of the reservation.
    pub reservation: u64,
    /// Ever slashed.
    pub slashed_total: u64,
    /// Of what was slashed, borne by the operator.
    pub of_operator: u64,
    /// Of what was slashed, borne by those who claim.
    pub of_claims: u64,
    /// Of what was slashed, borne by the delegators.
    pub of_delegators: u64,
    /// Slashed for the insurance fund, here or before, and still in the vault because its account cannot take it.
    pub insurance_owed: u64,
    /// The stake after it.
    pub totals: Totals,
}

/// A claim was paid.
#[event]
pub struct ClaimPaid {
    /// The bond.
    pub bond: Pubkey,
    /// The lease out of whose reservation it was claimed.
    pub lease: Pubkey,
    /// Whose claim it was.
    pub claimant: Pubkey,
    /// Token account that it went to.
    pub destination: Pubkey,
    /// How much.
    pub paid: u64,
    /// Shares that it cost.
    pub burned: u64,
    /// Ever paid to claims out of the bond.
    pub claimed_total: u64,
    /// The stake after it.
    pub totals: Totals,
}

/// New stake began to earn.
#[event]
pub struct Activated {
    /// The bond.
    pub bond: Pubkey,
    /// Whose stake: the operator or a delegator.
    pub owner: Pubkey,
    /// How much: the operator's in atoms, a delegator's in shares.
    pub activated: u64,
    /// What the delegator is owed of the bond's revenue from now on, in atoms; zero for the operator's.
    pub owed: u64,
    /// The stake after it.
    pub totals: Totals,
}

/// The stake of a bond by whom it belongs to, after the step.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// All stake.
    pub amount: u64,
    /// Σ of open reservations.
    pub reserved: u64,
    /// Stake that can be reserved no more.
    pub unbonding: u64,
    /// The operator's that stays.
    pub own: u64,
    /// The operator's on its way out.
    pub exit_assets: u64,
    /// Shares of that.
    pub exit_shares: u64,
    /// The delegators'.
    pub delegated_assets: u64,
    /// Shares of that.
    pub delegated_shares: u64,
    /// Those of them on their way out.
    pub leaving_shares: u64,
    /// Those of them that were not activated.
    pub pending_shares: u64,
    /// Of the operator's that stays, what was not activated.
    pub fresh: u64,
    /// What is claimed.
    pub claims_assets: u64,
    /// Shares of that.
    pub claims_shares: u64,
}

impl Totals {
    /// Those of a bond.
    pub fn of(bond: &Bond) -> Self {
        Self {
            amount: bond.amount,
            reserved: bond.reserved,
            unbonding: bond.unbonding,
            own: bond.own,
            exit_assets: bond.exit_assets,
            exit_shares: bond.exit_shares,
            delegated_assets: bond.delegated_assets,
            delegated_shares: bond.delegated_shares,
            leaving_shares: bond.leaving_shares,
            pending_shares: bond.pending_shares,
            fresh: bond.fresh,
            claims_assets: bond.claims_assets,
            claims_shares: bond.claims_shares,
        }
    }
}

/// A bond was opened to delegators.
#[event]
pub struct PoolOpened {
    /// The bond.
    pub bond: Pubkey,
    /// Token account that its revenue arrives in.
    pub revenue: Pubkey,
    /// Token account that the operator's part goes to.
    pub payout: Pubkey,
    /// What the operator keeps of the delegators' revenue, in basis points.
    pub commission: u16,
    /// The least that a delegator can add.
    pub min_delegation: u64,
    /// The least delegation that makes the bond kin to others of the same delegator.
    pub kin_least: u64,
}

/// The operator changed the terms of its pool.
#[event]
pub struct PoolChanged {
    /// The bond.
    pub bond: Pubkey,
    /// Token account that the operator's part goes to.
    pub payout: Pubkey,
    /// The commission that holds, in basis points.
    pub commission: u16,
    /// The commission that will hold.
    pub next_commission: u16,
    /// From when on; zero where no change is announced.
    pub commission_from: u64,
    /// The least that a delegator can add.
    pub min_delegation: u64,
    /// The least delegation that makes the bond kin to others of the same delegator.
    pub kin_least: u64,
}

/// What arrived in the revenue vault was divided. No tokens moved.
#[event]
pub struct RevenueDistributed {
    /// The bond.
    pub bond: Pubkey,
    /// To the operator: for its stake, and its commission.
    pub operator: u64,
    /// To the delegators.
    pub delegators: u64,
    /// All that the operator is owed.
    pub operator_owed: u64,
    /// All that the delegators are owed.
    pub delegators_owed: u64,
    /// What one share earned since the pool was opened, in 2⁻⁶⁴ atoms.
    pub per_share: u128,
}

impl RevenueDistributed {
    /// The event of a distribution; `None` where nothing arrived.
    pub fn of(key: Pubkey, bond: &Bond, parts: &Distributed) -> Option<Self> {
        if parts.operator.is_zero() && parts.delegators.is_zero() {
            return None;
        }
        let owed = bond.revenue_owed();
        Some(Self {
            bond: key,
            operator: parts.operator.0,
            delegators: parts.delegators.0,
            operator_owed: owed.operator_owed.0,
            delegators_owed: owed.delegators_owed.0,
            per_share: owed.per_share,
        })
    }
}

/// A delegator added stake.
#[event]
pub struct Delegated {
    /// The bond.
    pub bond: Pubkey,
    /// The delegator.
    pub delegator: Pubkey,
    /// Token account that it came from.
    pub from: Pubkey,
    /// How much.
    pub added: u64,
    /// Shares given for it.
    pub issued: u64,
    /// All of the delegator's shares that are not on their way out.
    pub shares: u64,
    /// Revenue that the delegator is owed.
    pub owed: u64,
    /// The stake after it.
    pub totals: Totals,
}

/// Stake was put on its way out.
#[event]
pub struct UnbondingRequested {
    /// The bond.
    pub bond: Pubkey,
    /// Whose stake: the operator or a delegator.
    pub owner: Pubkey,
    /// Number of the request.
    pub number: u32,
    /// 1 for the operator's stake, 2 for a delegator's.
    pub kind: u8,
    /// Who asked: the owner, or the operator who sends a delegator off.
    pub by: Pubkey,
    /// Shares of the request.
    pub shares: u64,
    /// When it matures, in Unix seconds.
    pub matures: u64,
    /// What stays of the owner's: a delegator's shares, or the operator's stake.
    pub stays: u64,
    /// Revenue that a delegator is owed; zero for the operator.
    pub owed: u64,
    /// The stake after it.
    pub totals: Totals,
}

/// Stake that had matured was paid out.
#[event]
pub struct StakeWithdrawn {
    /// The bond.
    pub bond: Pubkey,
    /// Whose stake: the operator or a delegator.
    pub owner: Pubkey,
    /// Number of the request.
    pub number: u32,
    /// 1 for the operator's stake, 2 for a delegator's.
    pub kind: u8,
    /// Token account that it went to.
    pub destination: Pubkey,
    /// How much.
    pub paid: u64,
    /// Shares that it cost.
    pub burned: u64,
    /// Shares left in the request; at zero it is closed.
    pub shares: u64,
    /// Ever withdrawn from the bond.
    pub withdrawn_total: u64,
    /// The stake after it.
    pub totals: Totals,
}

/// A delegator was paid its revenue.
#[event]
pub struct RevenueClaimed {
    /// The bond.
    pub bond: Pubkey,
    /// The delegator.
    pub delegator: Pubkey,
    /// Token account that it went to.
    pub destination: Pubkey,
    /// How much.
    pub amount: u64,
    /// All that the delegators are owed.
    pub delegators_owed: u64,
}

/// The operator was paid its part of the revenue.
#[event]
pub struct CommissionClaimed {
    /// The bond.
    pub bond: Pubkey,
    /// Token account that it went to.
    pub payout: Pubkey,
    /// How much.
    pub amount: u64,
}

/// A delegator has left.
#[event]
pub struct DelegationClosed {
    /// The bond.
    pub bond: Pubkey,
    /// The delegator.
    pub delegator: Pubkey,
    /// Delegators left.
    pub delegators: u8,
    /// Revenue that it is still owed: while that is more than nothing, its account stays.
    pub owed: u64,
}

/// Tokens that nobody staked were taken out of a vault.
#[event]
pub struct DonationSwept {
    /// The bond.
    pub bond: Pubkey,
    /// Token account that they went to.
    pub destination: Pubkey,
    /// How much.
    pub amount: u64,
}

/// The insurance fund got what its account could not take before.
#[event]
pub struct InsurancePaid {
    /// The bond.
    pub bond: Pubkey,
    /// How much.
    pub amount: u64,
}

/// A bond was closed, empty.
#[event]
pub struct BondClosed {
    /// The bond.
    pub bond: Pubkey,
    /// Its operator, who got the rent.
    pub authority: Pubkey,
    /// Token account that the rest of both vaults went to.
    pub destination: Pubkey,
    /// How much was left in the vault.
    pub of_vault: u64,
    /// How much was left in the revenue vault.
    pub of_revenue: u64,
}

/// The configuration was written, or a proposal executed.
#[event]
pub struct ConfigWritten {
    /// Who may change it.
    pub admin: Pubkey,
    /// Gets the insurance part of every slash.
    pub insurance: Pubkey,
    /// Who may reserve and slash.
    pub slashers: [Pubkey; 4],
    /// The most stake that a bond may hold, in atoms.
    pub bond_cap: u64,
}

/// A change of the configuration was proposed; zero keys and times where a proposal was taken back.
#[event]
pub struct ConfigProposed {
    /// The insurance account.
    pub insurance: Pubkey,
    /// The slashers.
    pub slashers: [Pubkey; 4],
    /// The most stake that a bond may hold, in atoms.
    pub bond_cap: u64,
    /// From when on it may be executed, in Unix seconds.
    pub from: u64,
}

/// Somebody was named to become the admin; the zero key takes that back.
#[event]
pub struct AdminProposed {
    /// The admin.
    pub admin: Pubkey,
    /// Who was named.
    pub pending_admin: Pubkey,
}

/// Who was named has become the admin.
#[event]
pub struct AdminAccepted {
    /// The admin.
    pub admin: Pubkey,
}

/// An account was brought to the present layout.
#[event]
pub struct Migrated {
    /// The account.
    pub account: Pubkey,
    /// The layout version that it has now.
    pub version: u8,
}
