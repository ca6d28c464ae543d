//! `gridlease lease`

use clap::Subcommand;
use solana_pubkey::Pubkey;

use super::{Context, address};
use crate::error::CliError;
use crate::steps::{self, LeaseStep};

/// Single steps on a lease.
#[derive(Debug, Subcommand)]
pub enum Lease {
    /// Show a lease with its money as it stands now.
    #[command(after_help = "Example:\n  gridlease lease show 4Fh…")]
    Show {
        /// The lease.
        #[arg(value_name = "LEASE", value_parser = address)]
        lease: Pubkey,
    },
    /// Pay the provider what has accrued. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease lease settle 4Fh…")]
    Settle {
        /// The lease.
        #[arg(value_name = "LEASE", value_parser = address)]
        lease: Pubkey,
    },
    /// End the paid time or the grace period of a lease that has run out of either. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease lease expire 4Fh…")]
    Expire {
        /// The lease.
        #[arg(value_name = "LEASE", value_parser = address)]
        lease: Pubkey,
    },
    /// Fail a lease that did not start in time. Anyone can do this, after its deadline.
    #[command(after_help = "Example:\n  gridlease lease fail-start 4Fh…")]
    FailStart {
        /// The lease.
        #[arg(value_name = "LEASE", value_parser = address)]
        lease: Pubkey,
    },
    /// Close a lease that is over and paid. Anyone can do this.
    #[command(after_help = "Example:\n  gridlease lease close 4Fh…")]
    Close {
        /// The lease.
        #[arg(value_name = "LEASE", value_parser = address)]
        lease: Pubkey,
    },
}

pub(super) async fn run(context: &Context, command: Lease) -> Result<(), CliError> {
    let chain = context.chain()?;
    let (lease, step) = match command {
        Lease::Show { lease } => {
            let spinner = context.out.spinner("asking the chain");
            let view = steps::lease_view(&chain, &lease).await;
            spinner.finish_and_clear();
            return context.out.report(&view?);
        }
        Lease::Settle { lease } => (lease, LeaseStep::Settle),
        Lease::Expire { lease } => (lease, LeaseStep::Expire),
        Lease::FailStart { lease } => (lease, LeaseStep::FailStart),
        Lease::Close { lease } => (lease, LeaseStep::Close),
    };
    let key = context.key()?;
    let spinner = context.out.spinner("sending");
    let done = steps::lease_step(&chain, &key, &lease, step).await;
    spinner.finish_and_clear();
    context.out.report(&done?)
}
