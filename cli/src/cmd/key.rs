//! `gridlease key`

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::Context;
use crate::buyer::event::as_text;
use crate::error::CliError;
use crate::key;
use crate::output::Report;

/// Keypair files.
#[derive(Debug, Subcommand)]
pub enum Key {
    /// Create a keypair file, readable by you only, and print its address. The secret is never printed.
    #[command(after_help = "Examples:\n  gridlease key new\n  gridlease key new --out node.json")]
    New {
        /// The file to write [default: the configured keypair, see `gridlease config show`].
        #[arg(short, long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Replace a file that exists. Whatever its key owns is lost unless you have a copy.
        #[arg(long)]
        force: bool,
    },
    /// Print the address of the keypair.
    #[command(after_help = "Examples:\n  gridlease key show\n  gridlease key show --keypair node.json --json")]
    Show,
}

/// A key without its secret. People get the bare address, which other commands take.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(serialize_with = "as_text")]
    address: Pubkey,
    keypair: PathBuf,
}

impl Report for Shown {
    fn human(&self) -> String {
        self.address.to_string()
    }
}

pub(super) fn run(context: &Context, command: Key) -> Result<(), CliError> {
    let configured = &context.settings.keypair.value;
    match command {
        Key::New { out, force } => {
            let keypair = out.unwrap_or_else(|| configured.clone());
            let address = key::create(&keypair, force)?;
            context.out.note(&format!(
                "wrote {}; keep a copy in a safe place: whoever has this file controls the account, and no one can restore it",
                keypair.display()
            ));
            context.out.report(&Shown { address, keypair })
        }
        Key::Show => context.out.report(&Shown { address: context.key()?.pubkey(), keypair: configured.clone() }),
    }
}
