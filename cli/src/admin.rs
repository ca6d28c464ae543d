//! A market's configuration, as both programs have it.

use gridlease_sdk::account::StakingConfig;
use gridlease_sdk::address;
use serde::Serialize;
use solana_pubkey::Pubkey;

use crate::amount::Usdc;
use crate::buyer::event::as_text;
use crate::chain::Chain;
use crate::error::CliError;

/// What is configured.
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
    /// Fee in basis points of what is paid.
    pub fee_bps: u16,
    /// Milliseconds that one slot is billed at most.
    pub slot_ms: u32,
    /// The most that a purse may hold.
    pub purse_cap: Usdc,
    /// The most that a job or an array may reserve.
    pub job_cap: Usdc,
    /// Whether intake is paused.
    pub paused: bool,
    /// The staking program's own configuration; none where it is not written.
    pub stake: Option<StakingView>,
}

/// What the staking program was told. Its mint and admin are to be those of the market.
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
    /// The most stake that a bond may hold.
    pub bond_cap: Usdc,
    /// Whether the market's authority, and nobody else, can reserve and slash stake.
    pub only_this_market_slashes: bool,
}

impl From<StakingConfig> for StakingView {
    fn from(config: StakingConfig) -> Self {
        let named = |slasher: &&Pubkey| **slasher != Pubkey::default();
        let mut slashers = config.slashers.iter().filter(named);
        let only_this_market_slashes =
            slashers.next() == Some(&address::market_authority()) && slashers.next().is_none();
        Self {
            admin: config.admin,
            usdc_mint: config.usdc_mint,
            insurance: config.insurance,
            bond_cap: Usdc(config.caps().bond.0),
            only_this_market_slashes,
        }
    }
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
        fee_bps: config.fee_bps,
        slot_ms: config.slot_ms,
        purse_cap: Usdc(config.caps().purse.0),
        job_cap: Usdc(config.caps().job.0),
        paused: config.paused != 0,
        stake: staking.map(StakingView::from),
    })
}
