//! `gridlease offer`

use clap::Subcommand;

use super::Context;
use crate::error::CliError;
use crate::provider;

/// Offers on the market.
#[derive(Debug, Subcommand)]
pub enum Offer {
    /// List the offers that take leases now, the cheapest first.
    #[command(after_help = "Examples:\n  gridlease offer list\n  gridlease offer list --all --json")]
    List {
        /// Include offers that are expired, withdrawn or full.
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn run(context: &Context, command: Offer) -> Result<(), CliError> {
    let Offer::List { all } = command;
    let chain = context.chain()?;
    let spinner = context.out.spinner("asking the chain");
    let offers = provider::offers(&chain, all).await;
    spinner.finish_and_clear();
    context.out.report(&super::report::Offers(offers?))
}
