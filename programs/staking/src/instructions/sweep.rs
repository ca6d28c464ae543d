//! `sweep_donation` and `pay_insurance`: tokens in a bond's vault that are no stake.

use anchor_lang::prelude::*;
use anchor_spl::token::Token;
use gridlease_core::RuleError;
use program_common::{require_keys_eq, require_keys_neq};

use crate::checks::Checked as _;
use crate::emit::tell;
use crate::error::{OrRule, StakingError, check, rule};
use crate::event::{DonationSwept, InsurancePaid};
use crate::state::{Bond, Config};
use crate::token::{self, BondSigner};
use program_common::raw_token::TokenAccount;

/// Takes what nobody staked out of the vault.
///
/// - Only the bond's authority shall do so. Exactly what the vault holds beyond the recorded stake and what the
///   insurance fund is owed shall move; something shall.
#[event_cpi]
#[derive(Accounts)]
pub struct SweepDonation<'info> {
    /// The bond's authority.
    pub authority: Signer<'info>,
    /// The bond; signs for its vault.
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// Where the tokens go.
    /// CHECK: SPL Token checks that it is of the vault's mint; that it is none of the vaults is checked below.
    #[account(mut)]
    pub destination: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl SweepDonation<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &mut *ctx.accounts;
        let (amount, bump) = {
            let bond = accounts.bond.load()?;
            bond.header.check()?;
            require_keys_eq!(accounts.authority.key(), bond.authority, StakingError::WrongAuthority);
            require_keys_eq!(accounts.vault.key(), bond.vault, StakingError::WrongVault);
            let to = accounts.destination.key();
            token::check_destination(&bond, &accounts.authority, &to, &to)?;
            let kept = bond.amount.checked_add(bond.insurance_owed).ok_or_else(|| rule(RuleError::Overflow))?;
            (accounts.vault.amount.saturating_sub(kept), bond.header.bump)
        };
        check(amount > 0, RuleError::NothingToClaim)?;
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority: accounts.authority.key(), bump };
        let to = accounts.destination.as_ref();
        token::out_of_vault(&mut accounts.vault, to, &signer, amount)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        let swept = DonationSwept { bond: accounts.bond.key(), destination: accounts.destination.key(), amount };
        tell(&ctx.accounts.event_authority, &swept)?;
        Ok(())
    }
}

/// Pays the insurance fund what its account could not take when a bond was slashed.
///
/// - Anybody shall do so, to the account that the configuration names now. Something shall be owed.
#[event_cpi]
#[derive(Accounts)]
pub struct PayInsurance<'info> {
    /// The configuration.
    pub config: AccountLoader<'info, Config>,
    /// The bond; signs for its vault.
    #[account(mut)]
    pub bond: AccountLoader<'info, Bond>,
    /// The bond's token account.
    // `dup`: Anchor would search for duplicates among this one alone.
    #[account(mut, dup)]
    pub vault: Box<Account<'info, TokenAccount>>,
    /// The configured insurance account.
    /// CHECK: it is the one that the configuration records.
    #[account(mut)]
    pub insurance_account: UncheckedAccount<'info>,
    /// The classic SPL Token program.
    pub token_program: Program<'info, Token>,
}

impl PayInsurance<'_> {
    pub(crate) fn handle(ctx: Context<Self>) -> Result<()> {
        let accounts = &mut *ctx.accounts;
        let (amount, authority, bump) = {
            let config = accounts.config.load()?;
            config.header.check()?;
            let mut bond = accounts.bond.load_mut()?;
            bond.header.check()?;
            require_keys_eq!(accounts.vault.key(), bond.vault, StakingError::WrongVault);
            require_keys_eq!(accounts.insurance_account.key(), config.insurance, StakingError::WrongInsurance);
            require_keys_neq!(accounts.insurance_account.key(), bond.vault, StakingError::PaysItself);
            check(bond.insurance_owed > 0, RuleError::NothingToClaim)?;
            let amount = bond.insurance_owed;
            bond.insurance_owed = 0;
            (amount, bond.authority, bond.header.bump)
        };
        let signer = BondSigner { bond: accounts.bond.as_ref(), authority, bump };
        let to = accounts.insurance_account.as_ref();
        token::out_of_vault(&mut accounts.vault, to, &signer, amount)?;
        accounts.bond.load()?.invariant(accounts.vault.amount).or_rule()?;
        let paid = InsurancePaid { bond: accounts.bond.key(), amount };
        tell(&ctx.accounts.event_authority, &paid)?;
        Ok(())
    }
}
