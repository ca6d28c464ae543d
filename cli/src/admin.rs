//! The first configuration of a market: what a deployment does once, right after the programs are there.

use gridlease_sdk::account::{Config, StakingConfig, size};
use gridlease_sdk::address;
use gridlease_sdk::instruction::{create_token_account, purse, stake};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::buyer::event::as_text;
use crate::chain::{Chain, Sent, TOKEN_ACCOUNT_BYTES};
use crate::error::CliError;

/// What a market is told when it begins.
#[derive(Clone, Copy, Debug)]
pub struct Genesis {
    /// The only mint that the market takes: classic SPL Token, 6 decimals.
    pub usdc_mint: Pubkey,
    /// Token account for the fees; none for the admin's own, which is created.
    pub treasury: Option<Pubkey>,
    /// Token account of the insurance fund; none for the admin's own, which is created.
    pub insurance: Option<Pubkey>,
}

/// What stands after it.
#[derive(Clone, Debug, Serialize)]
pub struct MarketView {
    /// The market program.
    #[serde(serialize_with = "as_text")]
    pub market: Pubkey,
    /// The staking program.
    #[serde(serialize_with = "as_text")]
    pub staking: Pubkey,
    /// Who may change the configuration.
    #[serde(serialize_with = "as_text")]
    pub admin: Pubkey,
    /// The mint.
    #[serde(serialize_with = "as_text")]
    pub usdc_mint: Pubkey,
    /// Where the fees go.
    #[serde(serialize_with = "as_text")]
    pub treasury: Pubkey,
    /// The insurance fund.
    #[serde(serialize_with = "as_text")]
    pub insurance: Pubkey,
    /// Fee in basis points of what is paid.
    pub fee_bps: u16,
    /// Milliseconds that one slot is billed at most.
    pub slot_ms: u32,
    /// Whether intake is paused.
    pub paused: bool,
    /// The staking program's own configuration; none where it is not written.
    pub stake: Option<StakingView>,
    /// The transaction; none where both configurations were there already.
    pub transaction: Option<Sent>,
}

/// What the staking program was told. Its mint, admin and insurance fund are to be those of the market.
#[derive(Clone, Debug, Serialize)]
pub struct StakingView {
    /// Who may change the configuration.
    #[serde(serialize_with = "as_text")]
    pub admin: Pubkey,
    /// The mint.
    #[serde(serialize_with = "as_text")]
    pub usdc_mint: Pubkey,
    /// The insurance fund.
    #[serde(serialize_with = "as_text")]
    pub insurance: Pubkey,
    /// Whether the market's authority, and nobody else, can reserve and slash stake.
    pub only_this_market_slashes: bool,
}

impl From<StakingConfig> for StakingView {
    fn from(config: StakingConfig) -> Self {
        let named = |slasher: &&Pubkey| **slasher != Pubkey::default();
        let mut slashers = config.slashers.iter().filter(named);
        let only_this_market_slashes =
            slashers.next() == Some(&address::market_authority()) && slashers.next().is_none();
        Self { admin: config.admin, usdc_mint: config.usdc_mint, insurance: config.insurance, only_this_market_slashes }
    }
}

/// Writes the configurations of both programs, in one transaction. What is there already is left as it is; a market that
/// takes another mint is refused.
///
/// # Errors
/// [`CliError`].
pub async fn init(chain: &Chain, admin: &Keypair, genesis: &Genesis) -> Result<MarketView, CliError> {
    let key = admin.pubkey();
    let mint = genesis.usdc_mint;
    chain.check_mint(&mint).await?;
    for (what, account) in [("--treasury", genesis.treasury), ("--insurance", genesis.insurance)] {
        if let Some(account) = account {
            chain.check_token_account(&account, &mint, what).await?;
        }
    }
    let own = address::token_account(&key, &mint);
    let (treasury, insurance) = (genesis.treasury.unwrap_or(own), genesis.insurance.unwrap_or(own));
    let market: Option<Config> = chain.client().find(&address::market_config()).await?;
    let staking: Option<StakingConfig> = chain.client().find(&address::staking_config()).await?;
    if let Some(config) = &market
        && config.usdc_mint != mint
    {
        return Err(CliError::State(format!(
            "the market on {} is set up already, with mint {}; it cannot be set up again with {mint}",
            chain.cluster(),
            config.usdc_mint
        )));
    }
    let mut instructions = Vec::new();
    let mut accounts = Vec::new();
    if market.is_none() {
        instructions.push(purse::init_config(&key, &mint, &treasury, &insurance));
        accounts.push(size::<Config>());
    }
    if staking.is_none() {
        instructions.push(stake::init_config(&key, &mint, &insurance));
        accounts.push(size::<StakingConfig>());
    }
    let mut transaction = None;
    if !instructions.is_empty() {
        if genesis.treasury.is_none() || genesis.insurance.is_none() {
            instructions.insert(0, create_token_account(&key, &key, &mint));
            accounts.push(TOKEN_ACCOUNT_BYTES);
        }
        chain.check_sol(admin, &accounts, "setting the market up").await?;
        transaction = Some(chain.send("setting the market up", &instructions, admin).await?);
    }
    Ok(MarketView { transaction, ..view(chain).await? })
}

/// Reads the configurations.
///
/// # Errors
/// [`CliError::NoMarket`], or the read's.
pub async fn view(chain: &Chain) -> Result<MarketView, CliError> {
    let config = chain.config().await?;
    let staking: Option<StakingConfig> = chain.client().find(&address::staking_config()).await?;
    Ok(MarketView {
        market: address::MARKET,
        staking: address::STAKING,
        admin: config.admin,
        usdc_mint: config.usdc_mint,
        treasury: config.treasury,
        insurance: config.insurance,
        fee_bps: config.fee_bps,
        slot_ms: config.slot_ms,
        paused: config.paused != 0,
        stake: staking.map(StakingView::from),
        transaction: None,
    })
}
