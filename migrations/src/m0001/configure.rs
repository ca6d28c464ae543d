//! The step that writes both configurations.

use gridlease_core::limits::USDC_DECIMALS;
use gridlease_sdk::account::{Config, StakingConfig, size};
use gridlease_sdk::address;
use solana_program_pack::Pack as _;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use spl_token_interface::state::{Account as TokenAccount, Mint};

use crate::context::{Context, Genesis};
use crate::error::MigrateError;
use crate::loader::{self, FEE, Standing};
use crate::migration::{Doing, Look, Observer, Step};

/// Writes both configurations, in one transaction. What is there is left as it is.
#[derive(Debug)]
pub struct Configure;

/// The configurations that are there.
struct Found {
    market: Option<Config>,
    staking: Option<StakingConfig>,
}

impl Found {
    async fn read(context: &Context<'_>) -> Result<Self, MigrateError> {
        Ok(Self {
            market: context.client.find(&address::market_config()).await?,
            staking: context.client.find(&address::staking_config()).await?,
        })
    }
}

impl Configure {
    fn refuse(&self, reason: String) -> MigrateError {
        MigrateError::Precondition { step: self.name(), reason }
    }

    fn genesis(&self, context: &Context<'_>) -> Result<Genesis, MigrateError> {
        context.genesis.ok_or_else(|| MigrateError::Argument {
            step: self.name(),
            reason: format!(
                "the market on {} is not configured yet; name the mint that it takes with --usdc-mint (it can never be changed)",
                context.client.url().shown_rpc()
            ),
        })
    }

    /// What is there takes the mint that was named, and both programs the same.
    fn compare(&self, found: &Found, genesis: Option<&Genesis>) -> Result<(), MigrateError> {
        let mints = [found.market.map(|config| config.usdc_mint), found.staking.map(|config| config.usdc_mint)];
        let wanted = genesis.map(|genesis| genesis.usdc_mint);
        let mut known = mints.into_iter().flatten().chain(wanted);
        let Some(first) = known.next() else { return Ok(()) };
        match known.find(|mint| *mint != first) {
            None => Ok(()),
            Some(other) => Err(self.refuse(format!(
                "the market is set up already, with mint {first}; it cannot be set up again with {other}"
            ))),
        }
    }

    /// The signer may configure the programs that are there. What is not there yet will be the signer's.
    async fn check_authority(&self, context: &Context<'_>) -> Result<(), MigrateError> {
        let key = context.signer.pubkey();
        for (name, id) in [("staking", address::STAKING), ("market", address::MARKET)] {
            if let Standing::Deployed(found) = loader::standing(context.client, &id).await?
                && let Some(authority) = found.authority.filter(|authority| *authority != key)
            {
                return Err(self.refuse(format!(
                    "only the {name} program's upgrade authority {authority} can configure it, the signer is {key}; sign with \
                     that key (--keypair)"
                )));
            }
        }
        Ok(())
    }

    async fn check_mint(&self, context: &Context<'_>, mint: &Pubkey) -> Result<(), MigrateError> {
        let wrong = |is: String| {
            let step = self.name();
            Err(MigrateError::Argument {
                step,
                reason: format!(
                    "mint {mint} {is}; the market takes a classic SPL Token mint with {USDC_DECIMALS} decimals"
                ),
            })
        };
        let Some(account) = context.client.account(mint).await?.filter(|account| account.lamports > 0) else {
            return wrong(format!("does not exist on {}", context.client.url().shown_rpc()));
        };
        if account.owner != spl_token_interface::ID {
            return wrong(format!("belongs to program {}", account.owner));
        }
        match Mint::unpack(&account.data) {
            Ok(token) if token.decimals == USDC_DECIMALS => Ok(()),
            Ok(token) => wrong(format!("has {} decimals", token.decimals)),
            Err(_) => wrong("is no mint".to_owned()),
        }
    }

    async fn check_account(
        &self,
        context: &Context<'_>,
        flag: &str,
        given: Option<Pubkey>,
        mint: &Pubkey,
    ) -> Result<(), MigrateError> {
        let Some(address) = given else { return Ok(()) };
        let wrong = |is: String| {
            let step = self.name();
            let reason = format!("{flag} {address} {is}; give a token account of mint {mint}, the market's USDC");
            Err(MigrateError::Argument { step, reason })
        };
        let Some(account) = context.client.account(&address).await?.filter(|account| account.lamports > 0) else {
            return wrong(format!("does not exist on {}", context.client.url().shown_rpc()));
        };
        if account.owner != spl_token_interface::ID {
            return wrong(format!("belongs to program {}, not to SPL Token", account.owner));
        }
        match TokenAccount::unpack(&account.data) {
            Ok(token) if token.mint == *mint => Ok(()),
            Ok(token) => wrong(format!("holds tokens of mint {}", token.mint)),
            Err(_) => wrong("is no token account".to_owned()),
        }
    }

    /// The rent of what is missing, and the fee.
    async fn cost(&self, context: &Context<'_>, found: &Found, genesis: &Genesis) -> Result<u64, MigrateError> {
        let mut sizes = Vec::new();
        if found.market.is_none() {
            sizes.push(size::<Config>());
        }
        if found.staking.is_none() {
            sizes.push(size::<StakingConfig>());
        }
        let own = address::token_account(&context.signer.pubkey(), &genesis.usdc_mint);
        if genesis.uses_own_account() && context.client.lamports(&own).await? == 0 {
            sizes.push(TokenAccount::LEN);
        }
        let mut cost = FEE;
        for bytes in sizes {
            cost += context.client.rent_exempt_lamports(bytes).await?;
        }
        Ok(cost)
    }
}

impl Step for Configure {
    fn name(&self) -> String {
        "configure".to_owned()
    }

    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look> {
        Box::pin(async move {
            let found = Found::read(context).await?;
            self.compare(&found, context.genesis.as_ref())?;
            if let (Some(market), Some(_)) = (&found.market, &found.staking) {
                let why = format!("configured: mint {}, admin {}", market.usdc_mint, market.admin);
                return Ok(Look::Done { why });
            }
            let genesis = self.genesis(context)?;
            let mint = genesis.usdc_mint;
            self.check_authority(context).await?;
            self.check_mint(context, &mint).await?;
            self.check_account(context, "--treasury", genesis.treasury, &mint).await?;
            self.check_account(context, "--insurance", genesis.insurance, &mint).await?;
            let key = context.signer.pubkey();
            let what = format!(
                "configure the market: mint {mint} (for ever), admin {key}, treasury {}, insurance {}",
                genesis.treasury(&key),
                genesis.insurance(&key)
            );
            Ok(Look::Due { what, lamports: self.cost(context, &found, &genesis).await? })
        })
    }

    fn apply<'a>(&'a self, context: &'a Context<'_>, _: &'a dyn Observer) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            let found = Found::read(context).await?;
            let genesis = self.genesis(context)?;
            let key = context.signer.pubkey();
            let mut instructions = genesis.instructions(&key);
            let there = [
                found.staking.is_some().then(|| genesis.staking(&key)),
                found.market.is_some().then(|| genesis.market(&key)),
            ];
            instructions.retain(|instruction| !there.iter().flatten().any(|done| done == instruction));
            let sent = context.client.send(&instructions, context.signer, &[], &context.options).await;
            Ok(vec![sent.map_err(MigrateError::send(&self.name()))?.signature.to_string()])
        })
    }

    /// The configurations say what they were told, and only this market can slash.
    fn check<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, ()> {
        Box::pin(async move {
            let genesis = self.genesis(context)?;
            let key = context.signer.pubkey();
            let (treasury, insurance) = (genesis.treasury(&key), genesis.insurance(&key));
            let Found { market: Some(market), staking: Some(staking) } = Found::read(context).await? else {
                return Err(MigrateError::Check { step: self.name(), reason: "a configuration is missing".to_owned() });
            };
            let mut slashers = staking.slashers.iter().filter(|slasher| **slasher != Pubkey::default());
            let only_ours = slashers.next() == Some(&address::market_authority()) && slashers.next().is_none();
            let pairs = [
                ("the market's mint", market.usdc_mint, genesis.usdc_mint),
                ("the market's treasury", market.treasury, treasury),
                ("the staking program's mint", staking.usdc_mint, genesis.usdc_mint),
                ("the staking program's insurance", staking.insurance, insurance),
                ("the staking program's admin", staking.admin, market.admin),
            ];
            let wrong = pairs.iter().find(|(_, is, should)| is != should);
            let reason = match wrong {
                Some((what, is, should)) => format!("{what} is {is}, expected {should}"),
                None if !only_ours => "another program than this market can slash".to_owned(),
                None => return Ok(()),
            };
            Err(MigrateError::Check { step: self.name(), reason })
        })
    }
}
