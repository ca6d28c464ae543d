//! `gridlease admin`

use clap::Subcommand;

use super::{Context, migrate};
use crate::admin;
use crate::error::CliError;

/// A market's programs and configuration.
#[derive(Debug, Subcommand)]
pub enum Admin {
    /// Bring the market up to date: deploy both programs and configure them, then whatever later versions add. Safe to repeat;
    /// a run that was cut off is taken up where it ended.
    #[command(after_help = migrate::HELP)]
    Migrate(migrate::Migrate),
    /// Show the market's configuration.
    #[command(after_help = "Example:\n  gridlease admin show")]
    Show,
}

pub(super) async fn run(context: &Context, command: Admin) -> Result<(), CliError> {
    match command {
        Admin::Migrate(command) => migrate::run(context, command).await,
        Admin::Show => {
            let spinner = context.out.spinner("asking the chain");
            let view = admin::view(&context.chain()?).await;
            spinner.finish_and_clear();
            context.out.report(&view?)
        }
    }
}
