//! The buyer's purse: open it, fill it, empty it, look into it.

use gridlease_sdk::account::{Purse, size};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{create_token_account, purse as build};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::amount::{Sol, Usdc};
use crate::buyer::event::as_text;
use crate::chain::{Chain, Sent, TOKEN_ACCOUNT_BYTES};
use crate::error::CliError;

/// A purse with the wallet behind it.
#[derive(Clone, Debug, Serialize)]
pub struct PurseView {
    /// Its owner.
    #[serde(serialize_with = "as_text")]
    pub owner: Pubkey,
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub purse: Pubkey,
    /// Recorded holdings.
    pub balance: Usdc,
    /// What can be used for jobs or withdrawn.
    pub free: Usdc,
    /// Held for open jobs and leases.
    pub reserved: Usdc,
    /// Fees recorded and not swept.
    pub fees_owed: Usdc,
    /// Ever deposited.
    pub deposited: Usdc,
    /// Ever withdrawn.
    pub withdrawn: Usdc,
    /// Ever paid to providers.
    pub paid: Usdc,
    /// Ever recorded as fees.
    pub fees: Usdc,
    /// Jobs that are not closed.
    pub open_jobs: u32,
    /// The owner's USDC outside of the purse.
    pub wallet_usdc: Usdc,
    /// The owner's SOL.
    pub wallet_sol: Sol,
}

/// What a command on a purse did.
#[derive(Clone, Debug, Serialize)]
pub struct PurseDone {
    /// What was done, in words.
    pub done: String,
    /// The amount, where there is one.
    pub amount: Option<Usdc>,
    /// The transaction; none where there was nothing to do.
    pub transaction: Option<Sent>,
    /// The purse after it.
    pub purse: PurseView,
}

/// Reads the purse of `owner`.
///
/// # Errors
/// [`CliError::Missing`] where it is not open, or the read's.
pub async fn view(chain: &Chain, owner: &Pubkey) -> Result<PurseView, CliError> {
    let config = chain.config().await?;
    let purse = chain.purse(owner).await?;
    Ok(PurseView {
        owner: *owner,
        purse: address::purse(owner),
        balance: Usdc(purse.balance),
        free: purse.free().into(),
        reserved: Usdc(purse.reserved),
        fees_owed: Usdc(purse.fees_owed),
        deposited: Usdc(purse.deposited),
        withdrawn: Usdc(purse.withdrawn),
        paid: Usdc(purse.paid),
        fees: Usdc(purse.fees),
        open_jobs: purse.open_jobs,
        wallet_usdc: chain.wallet(owner, &config.usdc_mint).await?,
        wallet_sol: Sol(chain.client().lamports(owner).await?),
    })
}

/// Opens the purse of `owner`; does nothing where it is open.
///
/// # Errors
/// [`CliError`].
pub async fn open(chain: &Chain, owner: &Keypair) -> Result<PurseDone, CliError> {
    let config = chain.config().await?;
    let key = owner.pubkey();
    if chain.client().purse_of(&key).await?.is_some() {
        let purse = view(chain, &key).await?;
        return Ok(PurseDone { done: "the purse is open already".to_owned(), amount: None, transaction: None, purse });
    }
    chain.check_sol(owner, &[size::<Purse>(), TOKEN_ACCOUNT_BYTES], "opening a purse").await?;
    let sent = chain.send("opening the purse", &[build::open(&key, &config.usdc_mint)], owner).await?;
    let purse = view(chain, &key).await?;
    Ok(PurseDone { done: "opened the purse".to_owned(), amount: None, transaction: Some(sent), purse })
}

/// Puts `amount` into the purse of `owner`, out of its own token account; opens the purse where it is not open.
///
/// # Errors
/// [`CliError`]; nothing was moved then, unless the outcome of the transaction is unknown.
pub async fn deposit(chain: &Chain, owner: &Keypair, amount: Usdc) -> Result<PurseDone, CliError> {
    not_zero(amount)?;
    let config = chain.config().await?;
    let key = owner.pubkey();
    let from = address::token_account(&key, &config.usdc_mint);
    let mut instructions = Vec::new();
    let mut accounts = Vec::new();
    if chain.client().purse_of(&key).await?.is_none() {
        instructions.push(build::open(&key, &config.usdc_mint));
        accounts.extend([size::<Purse>(), TOKEN_ACCOUNT_BYTES]);
    }
    instructions.push(build::deposit(&key, &key, &from, amount.0));
    chain.check_sol(owner, &accounts, "a deposit").await?;
    chain.check_wallet(&key, &config.usdc_mint, amount, "this deposit").await?;
    let sent = chain.send("depositing", &instructions, owner).await?;
    let purse = view(chain, &key).await?;
    Ok(PurseDone { done: "deposited".to_owned(), amount: Some(amount), transaction: Some(sent), purse })
}

/// Takes `amount`, or all that is free, out of the purse of `owner` to its own token account, which is created where it
/// does not exist.
///
/// # Errors
/// [`CliError`].
pub async fn withdraw(chain: &Chain, owner: &Keypair, amount: Option<Usdc>) -> Result<PurseDone, CliError> {
    let config = chain.config().await?;
    let key = owner.pubkey();
    let purse = chain.purse(&key).await?;
    let amount = amount.unwrap_or_else(|| purse.free().into());
    if amount.0 == 0 && purse.free().is_zero() {
        return Err(CliError::State(
            "nothing is free in the purse; what is reserved comes back when its jobs end".to_owned(),
        ));
    }
    not_zero(amount)?;
    Chain::check_free(&key, &purse, amount.atoms(), "this withdrawal").map_err(|error| match error {
        CliError::ShortOfUsdc { whose, have, detail, what, need, .. } => {
            let advice = "withdraw less, or --all that is free".to_owned();
            CliError::ShortOfUsdc { whose, have, detail, what, need, advice }
        }
        other => other,
    })?;
    let to = address::token_account(&key, &config.usdc_mint);
    let create = create_token_account(&key, &key, &config.usdc_mint);
    let there = chain.client().account(&to).await?.is_some();
    let rent: &[usize] = if there { &[] } else { &[TOKEN_ACCOUNT_BYTES] };
    chain.check_sol(owner, rent, "a withdrawal").await?;
    let sent = chain.send("withdrawing", &[create, build::withdraw(&key, &to, amount.0)], owner).await?;
    let purse = view(chain, &key).await?;
    Ok(PurseDone { done: "withdrew".to_owned(), amount: Some(amount), transaction: Some(sent), purse })
}

fn not_zero(amount: Usdc) -> Result<(), CliError> {
    if amount.0 == 0 {
        return Err(CliError::Usage("the amount is zero; give one above it, such as 5.00".to_owned()));
    }
    Ok(())
}
