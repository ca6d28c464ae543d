//! `gridlease admin`

use clap::Subcommand;
use solana_pubkey::Pubkey;

use super::{Context, address};
use crate::admin::{self, Genesis};
use crate::error::CliError;

/// A market's first configuration.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Write the configurations of both programs, once, right after they are deployed; the keypair becomes the admin.
    #[command(after_help = "Example:\n  gridlease admin init --usdc-mint EPj… --treasury 5Ab… --insurance 8Cd…")]
    Init {
        /// The only mint that the market takes: classic SPL Token with 6 decimals.
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        usdc_mint: Pubkey,
        /// Token account for the fees [default: the keypair's own, created where it does not exist].
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        treasury: Option<Pubkey>,
        /// Token account of the insurance fund [default: the keypair's own].
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        insurance: Option<Pubkey>,
    },
    /// Show the market's configuration.
    #[command(after_help = "Example:\n  gridlease admin show")]
    Show,
}

pub(super) async fn run(context: &Context, command: Admin) -> Result<(), CliError> {
    let chain = context.chain()?;
    let spinner = context.out.spinner("asking the chain");
    let view = match command {
        Admin::Show => admin::view(&chain).await,
        Admin::Init { usdc_mint, treasury, insurance } => {
            admin::init(&chain, &*context.key()?, &Genesis { usdc_mint, treasury, insurance }).await
        }
    };
    spinner.finish_and_clear();
    context.out.report(&view?)
}
