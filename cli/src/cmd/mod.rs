//! The commands: arguments in, one report out.

pub mod admin;
mod attach;
pub mod config;
pub mod describe;
mod events;
mod exit;
mod explain;
pub mod job;
pub mod keeper;
pub mod key;
pub mod lease;
mod leaving;
mod logs;
pub mod machine;
pub mod migrate;
pub mod node;
pub mod offer;
mod outputs;
pub mod provider;
pub mod purse;
mod reach;
mod report;
mod stats;
mod watch;

use std::process::ExitCode;
use std::sync::Arc;

use gridlease_sdk::rpc::Client;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

use crate::args::{Args, Command, Global};
use crate::buyer::Buyer;
use crate::chain::Chain;
use crate::error::CliError;
use crate::output::Output;
use crate::settings::{Home, Settings};

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// The settings in force.
    pub settings: Settings,
    /// Where results go.
    pub out: Output,
    /// The global flags.
    pub global: Global,
}

impl Context {
    /// Reads the settings.
    ///
    /// # Errors
    /// [`CliError::Settings`].
    pub fn new(global: Global) -> Result<Self, CliError> {
        let env = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let home = Home::of_this_user().ok();
        let settings = Settings::resolve(&global.flags(), &env, home.as_ref())?;
        Ok(Self { settings, out: Output::new(global.json), global })
    }

    /// A connection; nothing is asked yet.
    ///
    /// # Errors
    /// [`CliError::Settings`] for an address that is none.
    pub fn client(&self) -> Result<Client, CliError> {
        Ok(Client::new(self.settings.cluster()?)?)
    }

    /// The chain.
    ///
    /// # Errors
    /// As [`Context::client`].
    pub fn chain(&self) -> Result<Chain, CliError> {
        Ok(Chain::new(self.client()?))
    }

    /// The key that signs.
    ///
    /// # Errors
    /// [`CliError::Key`].
    pub fn key(&self) -> Result<Arc<Keypair>, CliError> {
        Ok(crate::key::read(&self.settings.keypair.value)?)
    }

    /// The buyer.
    ///
    /// # Errors
    /// As [`Context::client`] and [`Context::key`].
    pub fn buyer(&self) -> Result<Buyer, CliError> {
        let key = self.key()?;
        Ok(Buyer::new(self.client()?, key, &self.settings.state_dir.value))
    }
}

/// Runs a command to its end and returns its exit code: 0, or that of a container that was followed to its end.
///
/// # Errors
/// [`CliError`], whose kind is the exit code.
pub async fn run(args: Args) -> Result<ExitCode, CliError> {
    if let Command::Completions { shell } = args.command {
        let mut command = <Args as clap::CommandFactory>::command();
        clap_complete::generate(shell, &mut command, "gridlease", &mut std::io::stdout());
        return Ok(ExitCode::SUCCESS);
    }
    let context = Context::new(args.global)?;
    match args.command {
        // Daemons end in their own time.
        Command::Keeper(command) => keeper::run(&context, command).await.map(|()| ExitCode::SUCCESS),
        Command::Node(command) => node::run(&context, command).await.map(|()| ExitCode::SUCCESS),
        command => {
            tokio::select! {
                done = short(&context, command) => done,
                _ = tokio::signal::ctrl_c() => Err(CliError::Interrupted(
                    "what was sent stays sent, and a job that is on chain goes on without this command"
                )),
            }
        }
    }
}

async fn short(context: &Context, command: Command) -> Result<ExitCode, CliError> {
    let done = match command {
        Command::Job(command) => return job::run(context, command).await,
        Command::Purse(command) => purse::run(context, command).await,
        Command::Offer(command) => offer::run(context, command).await,
        Command::Provider(command) => provider::run(context, command).await,
        Command::Lease(command) => lease::run(context, command).await,
        Command::Key(command) => key::run(context, command),
        Command::Config(command) => config::run(context, command),
        Command::Admin(command) => admin::run(context, command).await,
        Command::Keeper(_) | Command::Node(_) | Command::Completions { .. } => Ok(()),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Reads an address.
///
/// # Errors
/// What is wrong with it, for clap.
pub fn address(text: &str) -> Result<Pubkey, String> {
    text.parse().map_err(|_| "it is not an address: 32 bytes in base58 are needed".to_owned())
}
