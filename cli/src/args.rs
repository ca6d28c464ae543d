//! The command line's grammar.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::cmd::{admin, config, job, keeper, key, lease, node, offer, provider, purse};
use crate::settings::Flags;

const ABOUT: &str = "\
Rent GPU time on Solana, or rent it out.

A buyer fills a purse with USDC and posts jobs; providers underbid each other for them; the winner's node runs the \
container and is paid slot by slot for as long as it runs. What is not used comes back.";

const AFTER: &str = "\
Settings, the first that is there: flag, environment (GRIDLEASE_URL, GRIDLEASE_WS, GRIDLEASE_KEYPAIR, GRIDLEASE_CONFIG, \
GRIDLEASE_STATE_DIR), ~/.config/gridlease/config.toml, Solana's own configuration, default.

Data goes to standard output, everything else to standard error. GRIDLEASE_LOG sets what is logged (such as debug).

Exit codes: 0 done, 1 failure on this machine, 2 wrong usage or bad input, 3 refused by the chain, 4 network or RPC, \
5 node or verification, 6 the job ended before its container did, or while something in it was reached, 130 interrupted. \
A command that follows a job (job post --watch, job watch) ends with the container's own exit code once that has ended, \
unless --ignore-exit-code is given; job exec ends with that of the program it ran. With --json the last line on standard output then tells how the job ended; where the \
command itself failed there is an \"error\" on standard error instead.

A first job:
  gridlease key new
  gridlease purse deposit 5
  gridlease job init
  gridlease job post job.yaml --watch --output out";

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(name = "gridlease", version, about = "Rent GPU time on Solana, or rent it out", long_about = ABOUT, after_help = AFTER)]
#[command(propagate_version = true, subcommand_required = true, arg_required_else_help = true)]
pub struct Args {
    /// What holds for every command.
    #[command(flatten)]
    pub global: Global,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// What holds for every command.
#[derive(Clone, Debug, Default, ClapArgs)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// RPC address, or localhost, devnet, testnet, mainnet-beta (or their first letter) [default: localhost].
    #[arg(short, long, global = true, value_name = "URL_OR_MONIKER")]
    pub url: Option<String>,
    /// Websocket address, where it does not follow from the RPC address.
    #[arg(long, global = true, value_name = "URL")]
    pub ws: Option<String>,
    /// Keypair file that signs and pays [default: ~/.config/solana/id.json].
    #[arg(short, long, global = true, value_name = "FILE")]
    pub keypair: Option<PathBuf>,
    /// Configuration file [default: ~/.config/gridlease/config.toml].
    #[arg(short = 'C', long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Folder in which this machine remembers its jobs, or its node its leases [default: ~/.local/share/gridlease].
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Print data as JSON: one value, or one line for each event.
    #[arg(long, global = true)]
    pub json: bool,
    /// Log more; twice for even more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

impl Global {
    /// The part that decides the settings.
    pub fn flags(&self) -> Flags {
        Flags {
            url: self.url.clone(),
            ws: self.ws.clone(),
            keypair: self.keypair.clone(),
            config: self.config.clone(),
            state_dir: self.state_dir.clone(),
        }
    }
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The buyer's purse: open, deposit, withdraw, show.
    #[command(subcommand)]
    Purse(purse::Purse),
    /// Jobs: write a manifest, post it, follow it, fetch its results.
    #[command(subcommand)]
    Job(job::Job),
    /// Offers on the market.
    #[command(subcommand)]
    Offer(offer::Offer),
    /// A provider's record and stake.
    #[command(subcommand)]
    Provider(provider::Provider),
    /// Single steps on a lease; most of them anyone can take.
    #[command(subcommand)]
    Lease(lease::Lease),
    /// The keeper: sends the transactions that move the market on, for everyone.
    #[command(subcommand)]
    Keeper(keeper::Keeper),
    /// The node: runs jobs on this machine.
    #[command(subcommand)]
    Node(node::Node),
    /// Keypair files: create one, show its address.
    #[command(subcommand)]
    Key(key::Key),
    /// This user's settings.
    #[command(subcommand)]
    Config(config::Config),
    /// A market's programs and configuration: bring them up to date, show them.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Print a completion script for a shell.
    #[command(after_help = "Example:\n  gridlease completions bash > /etc/bash_completion.d/gridlease")]
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_grammar_contradicts_itself_nowhere() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_command_explains_itself_and_every_last_one_has_an_example() {
        fn visit(command: &clap::Command, path: &str) {
            let path = format!("{path} {}", command.get_name());
            assert!(command.get_about().is_some(), "{path} has no description");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{path} {} has no help", argument.get_id());
            }
            if command.has_subcommands() {
                command.get_subcommands().filter(|sub| sub.get_name() != "help").for_each(|sub| visit(sub, &path));
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("gridlease"), "{path} shows no example");
            }
        }
        visit(&Args::command(), "");
    }
}
