//! `gridlease provider`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::machine::{Changes, Machine};
use super::{Context, address};
use crate::amount::Usdc;
use crate::error::CliError;
use crate::provider::{self, Registration, fingerprint_of_file, parse_fingerprint};

/// The node's certificate, in one of two ways.
#[derive(Clone, Debug, Args)]
#[group(multiple = false)]
pub struct Certificate {
    /// The node's certificate file (PEM or DER); `gridlease node init` makes it.
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// SHA-256 of the certificate (DER), 64 hex digits.
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
}

impl Certificate {
    pub(super) fn read(&self) -> Result<Option<[u8; 32]>, CliError> {
        match (&self.cert, &self.fingerprint) {
            (Some(file), _) => fingerprint_of_file(file).map(Some),
            (None, Some(text)) => parse_fingerprint(text).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// The node of a machine that is registered.
#[derive(Clone, Debug, Args)]
pub struct Node {
    /// Address of the node's hot key: it bids, starts and finishes leases of its machine, and can never withdraw.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(super) node_key: Pubkey,
    /// URL at which buyers reach the node: https://host[:port].
    #[arg(long, value_name = "URL")]
    pub(super) endpoint: String,
    /// The node's certificate.
    #[command(flatten)]
    certificate: Certificate,
}

impl Node {
    /// Of its certificate, which has to be given.
    pub(super) fn fingerprint(&self) -> Result<[u8; 32], CliError> {
        self.certificate.read()?.ok_or_else(|| {
            CliError::Usage("buyers trust the node by its certificate: give it with --cert or --fingerprint".to_owned())
        })
    }
}

/// A provider's record and stake.
#[derive(Debug, Subcommand)]
pub enum Provider {
    /// Register the keypair as a provider: its cold key, which owns the stake.
    #[command(
        after_help = "Example:\n  gridlease provider register --node-key 7Xy… --endpoint https://gpu.example:8443 --cert ~/node/cert.pem"
    )]
    Register {
        /// Token account that is paid [default: the keypair's own, created where it does not exist].
        #[arg(long, value_name = "ADDRESS", value_parser = address)]
        payout: Option<Pubkey>,
        /// The first machine's node.
        #[command(flatten)]
        node: Node,
    },
    /// Change node key, endpoint, certificate or limit of stake of the first machine.
    #[command(after_help = "Example:\n  gridlease provider update --endpoint https://gpu2.example:8443")]
    Update(Changes),
    /// Further machines behind the same bond: each with its own hot key, endpoint and limit of stake.
    #[command(subcommand)]
    Machine(Machine),
    /// Add stake, out of the keypair's own token account; opens the bond where there is none.
    #[command(after_help = "Example:\n  gridlease provider stake 25")]
    Stake {
        /// How much, in USDC.
        #[arg(value_name = "USDC")]
        amount: Usdc,
    },
    /// Show a provider with its stake, machines and offers.
    #[command(after_help = "Examples:\n  gridlease provider show\n  gridlease provider show 9qR… --json")]
    Show {
        /// Address of its cold key [default: the keypair's].
        #[arg(value_name = "AUTHORITY", value_parser = address)]
        authority: Option<Pubkey>,
    },
}

pub(super) async fn run(context: &Context, command: Provider) -> Result<(), CliError> {
    let chain = context.chain()?;
    let spinner = context.out.spinner("asking the chain");
    let done = match command {
        Provider::Machine(command) => {
            spinner.finish_and_clear();
            return super::machine::run(context, command).await;
        }
        Provider::Show { authority } => {
            let authority = match authority {
                Some(authority) => authority,
                None => context.key()?.pubkey(),
            };
            let view = provider::view(&chain, &authority).await;
            spinner.finish_and_clear();
            return context.out.report(&view?);
        }
        Provider::Register { payout, node } => {
            let fingerprint = node.fingerprint()?;
            let Node { node_key, endpoint, .. } = node;
            provider::register(&chain, &*context.key()?, &Registration { payout, node_key, endpoint, fingerprint })
                .await
        }
        Provider::Update(changes) => provider::update(&chain, &*context.key()?, &changes.read()?).await,
        Provider::Stake { amount } => provider::add_stake(&chain, &*context.key()?, amount).await,
    };
    spinner.finish_and_clear();
    context.out.report(&done?)
}
