//! The staking program of Gridlease: the stake that stands behind every lease.
//!
//! A provider opens one [`state::Bond`] and adds USDC to its vault. A program that the configuration names (the market,
//! by its authority PDA) reserves a part of the bond for each lease, and later releases it or slashes some of it. What
//! is reserved for one lease can never be slashed for another, and a slash moves tokens. Every amount is decided by
//! `gridlease_core::bond`; this crate checks accounts, moves money and tells what happened.
//!
//! Others can delegate stake to a bond whose operator opens a pool for them; the operator's stake is lost first. What a
//! bond earns arrives in its revenue vault and is divided there. Stake leaves seven days after it was asked back, and
//! never while a lease needs it. Nothing that the configuration holds can keep it from leaving.

#![allow(missing_docs, reason = "the macros of Anchor generate items without documentation")]

use anchor_lang::prelude::*;

pub mod checks;
pub mod constants;
mod derive;
pub mod emit;
pub mod entrypoint;
pub mod error;
pub mod event;
pub mod instructions;
pub mod new_account;
mod token;

use instructions::*;

pub use staking_interface::{EVENT_AUTHORITY_AND_BUMP, ID, ID_CONST, account as state, check_id, id};

/// The instructions, first those that the market calls (each is asked after those before it); the specification of each stands
/// above its accounts.
#[program]
pub mod staking {
    use super::*;

    /// Reserves free stake for one lease. See [`Reserve`].
    ///
    /// - `amount`: in atoms.
    pub fn reserve(ctx: Context<Reserve>, amount: u64) -> Result<()> {
        Reserve::handle(ctx, amount)
    }

    /// Releases what is left of a lease's reservation. See [`Release`].
    pub fn release(ctx: Context<Release>) -> Result<()> {
        Release::handle(ctx)
    }

    /// Reserves more free stake for a lease. See [`Extend`].
    ///
    /// - `amount`: in atoms.
    pub fn extend(ctx: Context<Extend>, amount: u64) -> Result<()> {
        Extend::handle(ctx, amount)
    }

    /// Slashes a part of a lease's reservation. See [`Slash`].
    ///
    /// - `taken`: what it takes, and for whom.
    pub fn slash(ctx: Context<Slash>, taken: Taken) -> Result<()> {
        Slash::handle(ctx, taken)
    }

    /// Writes the configuration, once. See [`InitConfig`].
    ///
    /// - `slasher`: the PDA of the program that may reserve and slash.
    pub fn init_config(ctx: Context<InitConfig>, slasher: Pubkey) -> Result<()> {
        InitConfig::handle(ctx, slasher)
    }

    /// Opens the signer's bond, empty. See [`OpenBond`].
    pub fn open_bond(ctx: Context<OpenBond>) -> Result<()> {
        OpenBond::handle(ctx)
    }

    /// Adds stake to the signer's bond. See [`AddStake`].
    ///
    /// - `amount`: in atoms.
    pub fn add_stake(ctx: Context<AddStake>, amount: u64) -> Result<()> {
        AddStake::handle(ctx, amount)
    }

    /// Names who is to become the admin. See [`ProposeAdmin`].
    ///
    /// - `pending_admin`: who may become the admin.
    pub fn propose_admin(ctx: Context<ProposeAdmin>, pending_admin: Pubkey) -> Result<()> {
        ProposeAdmin::handle(ctx, pending_admin)
    }

    /// Makes the signer the admin. See [`AcceptAdmin`].
    pub fn accept_admin(ctx: Context<AcceptAdmin>) -> Result<()> {
        AcceptAdmin::handle(ctx)
    }

    /// Proposes another insurance account, other slashers and another cap. See [`ProposeConfig`].
    ///
    /// - `slashers`: the PDAs that may reserve and slash; zero for none.
    /// - `bond_cap`: the most stake that a bond may hold, in atoms, above zero.
    pub fn propose_config(ctx: Context<ProposeConfig>, slashers: [Pubkey; 4], bond_cap: u64) -> Result<()> {
        ProposeConfig::handle(ctx, slashers, bond_cap)
    }

    /// Lowers the cap of bonds, at once. See [`LowerCap`].
    ///
    /// - `bond_cap`: in atoms, above zero.
    pub fn lower_cap(ctx: Context<LowerCap>, bond_cap: u64) -> Result<()> {
        LowerCap::handle(ctx, bond_cap)
    }

    /// Takes the proposal back. See [`CancelConfig`].
    pub fn cancel_config(ctx: Context<CancelConfig>) -> Result<()> {
        CancelConfig::handle(ctx)
    }

    /// Executes the proposal. See [`ExecuteConfig`].
    pub fn execute_config(ctx: Context<ExecuteConfig>) -> Result<()> {
        ExecuteConfig::handle(ctx)
    }

    /// Opens the signer's bond to delegators. See [`OpenPool`].
    ///
    /// - `commission`: in basis points of the delegators' revenue.
    /// - `min_delegation`: the least that a delegation may hold, in atoms.
    /// - `kin_least`: the least delegation that makes the bond kin to others of the same delegator, in atoms.
    pub fn open_pool(ctx: Context<OpenPool>, commission: u16, min_delegation: u64, kin_least: u64) -> Result<()> {
        OpenPool::handle(ctx, commission, min_delegation, kin_least)
    }

    /// Changes the terms of the signer's pool. See [`ChangePool`].
    ///
    /// - `commission`: in basis points of the delegators' revenue; a higher one takes effect after its notice.
    /// - `min_delegation`: the least that a delegation may hold, in atoms.
    /// - `kin_least`: the least delegation that makes the bond kin to others of the same delegator, in atoms.
    pub fn change_pool(ctx: Context<ChangePool>, commission: u16, min_delegation: u64, kin_least: u64) -> Result<()> {
        ChangePool::handle(ctx, commission, min_delegation, kin_least)
    }

    /// Opens the signer's delegation to a bond. See [`OpenDelegation`].
    ///
    /// - `amount`: in atoms.
    pub fn open_delegation(ctx: Context<OpenDelegation>, amount: u64) -> Result<()> {
        OpenDelegation::handle(ctx, amount)
    }

    /// Adds stake to the signer's delegation. See [`Delegate`].
    ///
    /// - `amount`: in atoms.
    pub fn delegate(ctx: Context<Delegate>, amount: u64) -> Result<()> {
        Delegate::handle(ctx, amount)
    }

    /// Puts stake of the operator on its way out. See [`Unbond`].
    ///
    /// - `amount`: in atoms.
    /// - `number`: the request's number, which must be the bond's next.
    pub fn unbond(ctx: Context<Unbond>, amount: u64, number: u32) -> Result<()> {
        Unbond::handle(ctx, amount, number)
    }

    /// Puts a delegator's stake on its way out. See [`Undelegate`].
    ///
    /// - `amount`: in atoms.
    /// - `number`: the request's number, which must be the delegation's next.
    pub fn undelegate(ctx: Context<Undelegate>, amount: u64, number: u32) -> Result<()> {
        Undelegate::handle(ctx, amount, number)
    }

    /// Pays out a matured request of the operator. See [`WithdrawStake`].
    pub fn withdraw_stake(ctx: Context<WithdrawStake>) -> Result<()> {
        WithdrawStake::handle(ctx)
    }

    /// Pays out a matured request of a delegator. See [`WithdrawDelegation`].
    pub fn withdraw_delegation(ctx: Context<WithdrawDelegation>) -> Result<()> {
        WithdrawDelegation::handle(ctx)
    }

    /// Pays what a buyer claimed out of a lease's reservation. See [`PayClaim`].
    pub fn pay_claim(ctx: Context<PayClaim>) -> Result<()> {
        PayClaim::handle(ctx)
    }

    /// Activates stake that came in a day ago. See [`Activate`].
    pub fn activate(ctx: Context<Activate>) -> Result<()> {
        Activate::handle(ctx)
    }

    /// Divides what arrived in the revenue vault. See [`Distribute`].
    pub fn distribute(ctx: Context<Distribute>) -> Result<()> {
        Distribute::handle(ctx)
    }

    /// Pays a delegator what it earned. See [`ClaimRevenue`].
    pub fn claim_revenue(ctx: Context<ClaimRevenue>) -> Result<()> {
        ClaimRevenue::handle(ctx)
    }

    /// Pays the operator its part of the revenue. See [`ClaimCommission`].
    pub fn claim_commission(ctx: Context<ClaimCommission>) -> Result<()> {
        ClaimCommission::handle(ctx)
    }

    /// Takes what nobody staked out of the vault. See [`SweepDonation`].
    pub fn sweep_donation(ctx: Context<SweepDonation>) -> Result<()> {
        SweepDonation::handle(ctx)
    }

    /// Pays the insurance fund what its account could not take before. See [`PayInsurance`].
    pub fn pay_insurance(ctx: Context<PayInsurance>) -> Result<()> {
        PayInsurance::handle(ctx)
    }

    /// Closes an empty delegation. See [`CloseDelegation`].
    pub fn close_delegation(ctx: Context<CloseDelegation>) -> Result<()> {
        CloseDelegation::handle(ctx)
    }

    /// Closes the signer's empty bond. See [`CloseBond`].
    pub fn close_bond(ctx: Context<CloseBond>) -> Result<()> {
        CloseBond::handle(ctx)
    }

    /// Brings a bond of the first edition to the present layout. See [`Migrate`].
    pub fn migrate_bond(ctx: Context<Migrate>) -> Result<()> {
        Migrate::bond(ctx)
    }

    /// Brings a delegation of the first edition to the present layout. See [`MigrateDelegation`].
    pub fn migrate_delegation(ctx: Context<MigrateDelegation>) -> Result<()> {
        MigrateDelegation::handle(ctx)
    }

    /// Brings a reservation of the first edition to the present layout. See [`Migrate`].
    pub fn migrate_reservation(ctx: Context<Migrate>) -> Result<()> {
        Migrate::reservation(ctx)
    }
}

#[cfg(test)]
mod tests;
