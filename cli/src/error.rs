//! Everything that a command can fail with, and the exit code that says of which kind it was.

use std::path::PathBuf;

use gridlease_core::RuleError;
use gridlease_migrations::MigrateError;
use gridlease_sdk::account::DecodeError;
use gridlease_sdk::image::{ImageError, ReferenceError};
use gridlease_sdk::manifest::requirement::Unfit;
use gridlease_sdk::manifest::{CanonicalError, ManifestErrors, PinError};
use gridlease_sdk::market::ReadError;
use gridlease_sdk::node_api::client::NodeError;
use gridlease_sdk::rpc::{RpcError, SendError};
use gridlease_sdk::source::{RemoteError, SourceFault};
use solana_pubkey::Pubkey;

use crate::amount::{Sol, Usdc};
use crate::buyer::store::StoreError;
use crate::history::HistoryError;
use crate::key::KeyError;
use crate::settings::SettingsError;

/// Kinds of failure; the number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Something on this machine.
    General = 1,
    /// Wrong usage or bad input: nothing was tried.
    Usage = 2,
    /// The chain refused, or would certainly have.
    Refused = 3,
    /// The network or the RPC.
    Network = 4,
    /// The node, or something that does not verify.
    Node = 5,
    /// A job that was followed ended before its work was done, or one that was reached into ended.
    NotCompleted = 6,
    /// Ctrl-C.
    Interrupted = 130,
}

/// Why a command failed: what was wrong, where, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Bad input.
    #[error("{0}")]
    Usage(String),
    /// The settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The manifest's text.
    #[error(transparent)]
    Manifest(#[from] ManifestErrors),
    /// The manifest's file.
    #[error("cannot read {}: {source}", path.display())]
    ManifestFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Parts of the manifest that would not be honoured.
    #[error("{}", list(file, .parts))]
    Unsupported {
        /// The manifest's file.
        file: String,
        /// The parts.
        parts: Vec<Unfit>,
    },
    /// An input file.
    #[error(transparent)]
    Pin(#[from] PinError),
    /// An input that is elsewhere.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The canonical form.
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    /// The image's name.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The image's registry.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A rule of the market.
    #[error("{what}: {error}")]
    Rule {
        /// Of what.
        what: &'static str,
        /// The rule's words.
        error: RuleError,
    },
    /// What is remembered on this machine.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Reading from the chain.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Reading past events.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// A transaction.
    #[error("{doing}: {error}")]
    Send {
        /// What it was for.
        doing: &'static str,
        /// What became of it.
        error: Box<SendError>,
    },
    /// The market is not on this network.
    #[error("there is no market on {cluster}; check --url (`gridlease config show` tells where it comes from)")]
    NoMarket {
        /// The network.
        cluster: String,
    },
    /// Too little USDC.
    #[error("{whose} has {have} USDC{detail}, {what} needs {need}: {missing} USDC are missing; {advice}", missing = Usdc(need.0.saturating_sub(have.0)))]
    ShortOfUsdc {
        /// What holds it.
        whose: String,
        /// What is there.
        have: Usdc,
        /// More about it, such as what is reserved; may be empty.
        detail: String,
        /// For what.
        what: String,
        /// What is needed.
        need: Usdc,
        /// What to do.
        advice: String,
    },
    /// Too little SOL.
    #[error("{key} has {have} SOL on {cluster}, {what} needs about {need} SOL: send it some ({advice})", advice = faucet(cluster, key))]
    ShortOfSol {
        /// The key that pays.
        key: Pubkey,
        /// What is there.
        have: Sol,
        /// What is needed.
        need: Sol,
        /// For what.
        what: String,
        /// The network.
        cluster: String,
    },
    /// There is nothing of this kind at this address.
    #[error("there is no {kind} at {address} on {cluster}; {advice}")]
    Missing {
        /// What was looked for.
        kind: &'static str,
        /// Where.
        address: Pubkey,
        /// The network.
        cluster: String,
        /// What to do.
        advice: String,
    },
    /// A step that the present state does not allow.
    #[error("{0}")]
    State(String),
    /// A job that was followed ended otherwise than by its container's end.
    #[error("job {job} did not run to its end: {reason}; `gridlease job show {job}` shows what became of it")]
    NotCompleted {
        /// The job.
        job: Pubkey,
        /// Why it ended.
        reason: &'static str,
    },
    /// A lease that was reached into ended.
    #[error("the container of job {job} has ended{}: nothing in it can be reached any more; `gridlease job show {job}` shows what became of it", exit(*.exit_code))]
    ContainerEnded {
        /// The job.
        job: Pubkey,
        /// The container's exit code, where the node told it.
        exit_code: Option<i64>,
    },
    /// The node.
    #[error(transparent)]
    Node(#[from] NodeError),
    /// Something does not verify.
    #[error("{0}")]
    Unverified(String),
    /// The keeper.
    #[error(transparent)]
    Keeper(#[from] gridlease_keeper::KeeperError),
    /// Steps of a keeper that were due and could not be taken.
    #[error("{0}")]
    Undone(gridlease_keeper::Undone),
    /// This machine's own node.
    #[error(transparent)]
    OwnNode(Box<gridlease_node::agent::NodeError>),
    /// A migration.
    #[error(transparent)]
    Migrate(Box<MigrateError>),
    /// This machine.
    #[error("{0}")]
    Local(String),
    /// Ctrl-C.
    #[error("interrupted; {0}")]
    Interrupted(&'static str),
}

fn exit(code: Option<i64>) -> String {
    code.map_or_else(String::new, |code| format!(" with exit code {code}"))
}

fn list(file: &str, parts: &[Unfit]) -> String {
    let lines: Vec<String> = parts.iter().map(|part| format!("{file}: {part}")).collect();
    lines.join("\n")
}

fn faucet(cluster: &str, key: &Pubkey) -> String {
    if cluster.contains("mainnet") {
        "from a wallet or an exchange".to_owned()
    } else {
        format!("`solana airdrop 1 {key} --url {cluster}`")
    }
}

impl CliError {
    /// A transaction that came to nothing.
    pub fn send(doing: &'static str) -> impl FnOnce(SendError) -> Self {
        move |error| Self::Send { doing, error: Box::new(error) }
    }

    /// A rule that refuses what was asked for.
    pub fn rule(what: &'static str) -> impl FnOnce(RuleError) -> Self {
        move |error| Self::Rule { what, error }
    }

    /// Of which kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Key(KeyError::Unwritable { .. }) => Kind::General,
            Self::Usage(_)
            | Self::Settings(_)
            | Self::Key(_)
            | Self::Manifest(_)
            | Self::ManifestFile { .. }
            | Self::Unsupported { .. }
            | Self::Pin(_)
            | Self::Canonical(_)
            | Self::Reference(_)
            | Self::Rule { .. }
            | Self::Missing { .. } => Kind::Usage,
            Self::Image(ImageError::Unreachable { .. } | ImageError::Refused { .. } | ImageError::Http(_)) => {
                Kind::Network
            }
            Self::Image(_) => Kind::Usage,
            Self::Remote(error) => match error.fault {
                SourceFault::Unreachable { .. } | SourceFault::Status { .. } => Kind::Network,
                _ => Kind::Usage,
            },
            Self::Read(ReadError::Rpc(error)) => rpc_kind(error),
            Self::Read(ReadError::Missing { .. }) => Kind::Usage,
            Self::Read(_) | Self::NoMarket { .. } | Self::History(_) => Kind::Network,
            Self::Send { error, .. } => send_kind(error),
            Self::ShortOfUsdc { .. } | Self::ShortOfSol { .. } | Self::State(_) => Kind::Refused,
            Self::Node(_) | Self::Unverified(_) => Kind::Node,
            Self::NotCompleted { .. } | Self::ContainerEnded { .. } => Kind::NotCompleted,
            Self::Keeper(error) => keeper_kind(error),
            Self::Undone(undone) => undone_kind(undone),
            Self::OwnNode(error) => own_node_kind(error),
            Self::Migrate(error) => migrate_kind(error),
            Self::Store(_) | Self::Local(_) => Kind::General,
            Self::Interrupted(_) => Kind::Interrupted,
        }
    }
}

fn keeper_kind(error: &gridlease_keeper::KeeperError) -> Kind {
    use gridlease_keeper::KeeperError;
    match error {
        KeeperError::Config { .. } => Kind::Usage,
        KeeperError::NoMarket { .. } => Kind::Network,
        KeeperError::Rpc(error) => rpc_kind(error),
        KeeperError::Signer { .. } | KeeperError::Runtime => Kind::General,
    }
}

fn undone_kind(undone: &gridlease_keeper::Undone) -> Kind {
    use gridlease_keeper::Cause;
    match undone.cause {
        Cause::Endpoint => Kind::Network,
        Cause::Funds | Cause::Budget => Kind::Refused,
    }
}

fn own_node_kind(error: &gridlease_node::agent::NodeError) -> Kind {
    use gridlease_node::agent::NodeError;
    match error {
        NodeError::Chain(ReadError::Rpc(error)) => rpc_kind(error),
        NodeError::Chain(_) => Kind::Network,
        NodeError::Offer(_) => Kind::Usage,
        NodeError::NotRegistered(_)
        | NodeError::OtherNodeKey { .. }
        | NodeError::NoMachine { .. }
        | NodeError::SeveralMachines { .. }
        | NodeError::NoSuchMachine { .. }
        | NodeError::Retired(_)
        | NodeError::OtherOffer { .. }
        | NodeError::OtherCertificate { .. }
        | NodeError::OtherUrl { .. }
        | NodeError::NoSol { .. } => Kind::Refused,
        _ => Kind::General,
    }
}

fn migrate_kind(error: &MigrateError) -> Kind {
    match error {
        MigrateError::Argument { .. } | MigrateError::NoSuchMigration { .. } => Kind::Usage,
        MigrateError::Precondition { .. } | MigrateError::ShortOfLamports { .. } | MigrateError::Check { .. } => {
            Kind::Refused
        }
        MigrateError::Program(_) | MigrateError::Journal(_) => Kind::General,
        MigrateError::Read(ReadError::Rpc(error)) => rpc_kind(error),
        MigrateError::Read(_) | MigrateError::Stuck { .. } => Kind::Network,
        MigrateError::Send { error, .. } => send_kind(error),
    }
}

fn rpc_kind(error: &RpcError) -> Kind {
    match error {
        RpcError::Url(_) | RpcError::Invalid { .. } => Kind::Usage,
        _ => Kind::Network,
    }
}

impl From<RpcError> for CliError {
    fn from(error: RpcError) -> Self {
        Self::Read(ReadError::Rpc(error))
    }
}

impl From<MigrateError> for CliError {
    fn from(error: MigrateError) -> Self {
        Self::Migrate(Box::new(error))
    }
}

impl From<gridlease_node::agent::NodeError> for CliError {
    fn from(error: gridlease_node::agent::NodeError) -> Self {
        Self::OwnNode(Box::new(error))
    }
}

impl From<DecodeError> for CliError {
    fn from(error: DecodeError) -> Self {
        Self::Read(ReadError::Decode(error))
    }
}

fn send_kind(error: &SendError) -> Kind {
    match error {
        SendError::Failed(_) => Kind::Refused,
        SendError::Expired { .. } | SendError::StaleBlockhash { .. } | SendError::Unknown { .. } => Kind::Network,
        SendError::Rpc(error) => rpc_kind(error),
        SendError::TooLarge { .. } | SendError::Invalid { .. } | SendError::Sign { .. } => Kind::General,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_small_enough_to_be_returned_everywhere() {
        assert!(size_of::<CliError>() <= 128, "{}", size_of::<CliError>());
    }
}
