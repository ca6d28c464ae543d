//! What is logged, where, and how: to standard error, so that standard output stays data.

use std::io::IsTerminal as _;

use clap::ValueEnum;
use tracing_subscriber::EnvFilter;

use crate::args::Command;
use crate::cmd::{keeper, node};

/// How daemons write their log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The format that a command asks for; none for one that ends by itself.
pub fn daemon_format(command: &Command) -> Option<LogFormat> {
    match command {
        Command::Keeper(keeper::Keeper::Run(run)) => Some(run.log_format),
        Command::Node(node::Node::Run(run)) => Some(run.log_format),
        _ => None,
    }
}

/// Starts logging. Daemons tell what they do, other commands only what is wrong, unless `verbose` or `GRIDLEASE_LOG` says
/// otherwise.
pub fn init(verbose: u8, daemon: Option<LogFormat>) {
    let level = match (verbose, daemon) {
        (0, None) => "warn",
        (0, Some(_)) | (1, None) => "info",
        (1, Some(_)) | (2, _) => {
            "info,gridlease_cli=debug,gridlease_sdk=debug,gridlease_keeper=debug,gridlease_node=debug"
        }
        _ => "debug",
    };
    let filter = EnvFilter::try_from_env("GRIDLEASE_LOG").unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    // A second start, as in tests, changes nothing.
    let _ = match daemon {
        Some(LogFormat::Json) => builder.json().try_init(),
        Some(LogFormat::Text) => builder.try_init(),
        None => builder.without_time().with_target(false).try_init(),
    };
}
