//! `gridlease keeper`

use std::time::Duration;

use clap::{Args, Subcommand};
use gridlease_core::{Atoms, Seconds};
use gridlease_keeper::{Keeper as Work, KeeperConfig, KeeperSigner, Mode, Policy, Shard, Summary};
use gridlease_sdk::view::DEFAULT_LIMIT;
use tokio_util::sync::CancellationToken;

use super::Context;
use crate::amount::{Sol, Usdc};
use crate::error::CliError;
use crate::logging::LogFormat;
use crate::output::{Report, fields, rows};

/// The keeper.
#[derive(Debug, Subcommand)]
pub enum Keeper {
    /// Run a keeper until Ctrl-C: enters offers, awards, settles, expires and closes for everyone. It never chooses an
    /// outcome; it pays fees with the keypair.
    #[command(
        after_help = "Examples:\n  gridlease keeper run\n  gridlease keeper run --once --json\n  gridlease keeper run --shard 0/4 --log-format json"
    )]
    Run(Run),
}

/// How the keeper runs.
#[derive(Debug, Args)]
pub struct Run {
    /// Run one pass and exit.
    #[arg(long)]
    once: bool,
    /// Print planned transactions without sending them.
    #[arg(long)]
    dry_run: bool,
    /// Handle one part of the work: I/N, counted from 0.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<Shard>,
    /// Settle a running lease once it owes this much USDC.
    #[arg(long, value_name = "USDC", default_value = "5")]
    settle_above: Usdc,
    /// Settle a running lease once it owes what it earns in this many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    settle_every: u64,
    /// Transactions in flight at the same time, 1 to 256.
    #[arg(long, value_name = "N", default_value_t = 16)]
    concurrency: usize,
    /// The most that may be spent on fees in an hour, in lamports.
    #[arg(long, value_name = "LAMPORTS", default_value_t = 50_000_000)]
    fee_budget: u64,
    /// Seconds between two audits of the books; 0 for none.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    audit_every: u64,
    /// Most accounts kept in memory, some 0.8 kB each; where the market has more, the least urgent are left out.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT)]
    max_accounts: usize,
    /// Format of the log.
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) log_format: LogFormat,
}

fn shard(text: &str) -> Result<Shard, String> {
    let wrong = || "write I/N with I below N, such as 0/4".to_owned();
    let (index, count) = text.split_once('/').ok_or_else(wrong)?;
    let (index, count) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
    Shard::new(index, count).map_err(|error| error.to_string())
}

impl Report for Summary {
    fn human(&self) -> String {
        let mut transactions = format!("{}", self.transactions);
        if self.failed + self.without_effect > 0 {
            let (failed, nothing) = (self.failed, self.without_effect);
            transactions.push_str(&format!(" ({failed} failed, {nothing} changed nothing)"));
        }
        if self.unknown > 0 {
            let most = Sol(self.unknown_fees_lamports);
            transactions.push_str(&format!(", and {} of unknown fate ({most} SOL at most)", self.unknown));
        }
        let head = fields(&[
            ("transactions", &transactions),
            ("fees", &format!("{} SOL", Sol(self.fees_lamports))),
            ("lost connections", &self.disconnects),
            ("audits", &format!("{}, {} violations", self.audits, self.violations)),
        ]);
        if self.steps.is_empty() {
            return head;
        }
        let steps = self
            .steps
            .iter()
            .map(|step| vec![format!("{:?}", step.verb), format!("{:?}", step.outcome), step.count.to_string()]);
        format!("{head}\n\n{}", rows(&["step", "outcome", "count"], steps))
    }
}

/// Ends at Ctrl-C, or where a service manager says so.
pub(super) fn shutdown_on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        wait_for_signal().await;
        cancel.cancel();
        // Whoever asks twice does not want to wait.
        wait_for_signal().await;
        std::process::exit(130);
    });
    token
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    let _ = tokio::signal::ctrl_c().await;
}

pub(super) async fn run(context: &Context, command: Keeper) -> Result<(), CliError> {
    let Keeper::Run(run) = command;
    let signer: std::sync::Arc<KeeperSigner> = context.key()?;
    let config = KeeperConfig {
        policy: Policy {
            settle_above: Atoms(run.settle_above.0),
            settle_every: Seconds(run.settle_every),
            shard: run.shard.unwrap_or(Shard::WHOLE),
            ..Policy::default()
        },
        mode: if run.once { Mode::Once } else { Mode::Follow },
        dry_run: run.dry_run,
        concurrency: run.concurrency,
        fee_budget: run.fee_budget,
        max_accounts: run.max_accounts,
        audit_every: (run.audit_every > 0).then(|| Duration::from_secs(run.audit_every)),
        ..KeeperConfig::new(context.settings.cluster()?)
    };
    let summary = Work::new(config, signer)?.run(shutdown_on_signal()).await?;
    context.out.report(&summary)?;
    summary.undone.map_or(Ok(()), |undone| Err(CliError::Undone(undone)))
}
