//! `gridlease purse`

use clap::Subcommand;
use solana_signer::Signer as _;

use super::Context;
use crate::amount::Usdc;
use crate::error::CliError;
use crate::purse;

/// The buyer's purse.
#[derive(Debug, Subcommand)]
pub enum Purse {
    /// Open the purse of the keypair; does nothing where it is open.
    #[command(after_help = "Example:\n  gridlease purse open")]
    Open,
    /// Put USDC into the purse, out of the keypair's own token account; opens the purse where it is not open.
    #[command(after_help = "Examples:\n  gridlease purse deposit 5\n  gridlease purse deposit 0.25 --json")]
    Deposit {
        /// How much, in USDC.
        #[arg(value_name = "USDC")]
        amount: Usdc,
    },
    /// Take free USDC out of the purse.
    #[command(after_help = "Examples:\n  gridlease purse withdraw 1.50\n  gridlease purse withdraw --all")]
    Withdraw {
        /// How much, in USDC.
        #[arg(value_name = "USDC", required_unless_present = "all")]
        amount: Option<Usdc>,
        /// Everything that is free.
        #[arg(long, conflicts_with = "amount")]
        all: bool,
    },
    /// Show the purse.
    #[command(after_help = "Example:\n  gridlease purse show")]
    Show,
}

pub(super) async fn run(context: &Context, command: Purse) -> Result<(), CliError> {
    let key = context.key()?;
    let chain = context.chain()?;
    let spinner = context.out.spinner("asking the chain");
    let done = match command {
        Purse::Show => {
            let view = purse::view(&chain, &key.pubkey()).await;
            spinner.finish_and_clear();
            return context.out.report(&view?);
        }
        Purse::Open => purse::open(&chain, &key).await,
        Purse::Deposit { amount } => purse::deposit(&chain, &key, amount).await,
        Purse::Withdraw { amount, .. } => purse::withdraw(&chain, &key, amount).await,
    };
    spinner.finish_and_clear();
    context.out.report(&done?)
}
