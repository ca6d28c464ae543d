//! `gridlease admin migrate`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gridlease_migrations::{
    Context as Work, Event, Genesis, Journal, Observer, Plan, Report as Steps, plan, run as migrate,
};
use indicatif::ProgressBar;
use serde::Serialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;

use super::{Context, address};
use crate::amount::Sol;
use crate::error::CliError;
use crate::output::{Output, Report, rows};

/// What stands below the help.
pub(super) const HELP: &str = "\
Examples:
  gridlease admin migrate --usdc-mint MINT --dry-run
  gridlease admin migrate --usdc-mint MINT --program-keypair market.json --program-keypair staking.json
  gridlease admin migrate --json --yes

Exit codes: 0 everything is done (with --dry-run: could be done), 1 a built program or the journal cannot be used, \
2 something that a step needs was not given or is wrong, 3 a step cannot start from what is on the chain, or the keypair has \
too little SOL, 4 network or RPC, 130 interrupted. Whatever it was, run it again: what is done stays done.";

/// What to migrate, and with what.
#[derive(Debug, Args)]
pub struct Migrate {
    /// Go no further than migration N [default: the last one].
    #[arg(long, value_name = "N")]
    to: Option<u32>,
    /// Only say what would be done and what it costs.
    #[arg(long)]
    dry_run: bool,
    /// Skip the confirmation prompt.
    #[arg(short, long)]
    yes: bool,
    /// Folder with market.so, staking.so and record.json [default: GRIDLEASE_PROGRAMS_DIR, else programs/prebuilt here or above].
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Keypair file of a program that is not on the network yet; once for each.
    #[arg(long, value_name = "FILE")]
    program_keypair: Vec<PathBuf>,
    /// The only mint that a new market takes: classic SPL Token with 6 decimals. It can never be changed.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    usdc_mint: Option<Pubkey>,
    /// Token account for the fees of a new market [default: the keypair's own, created where it does not exist].
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = "usdc_mint")]
    treasury: Option<Pubkey>,
    /// Token account of a new market's insurance fund [default: the keypair's own].
    #[arg(long, value_name = "ADDRESS", value_parser = address, requires = "usdc_mint")]
    insurance: Option<Pubkey>,
}

/// What was done, or would be.
#[derive(Debug, Serialize)]
struct Migrated {
    /// The network.
    cluster: String,
    /// Whether nothing was changed.
    dry_run: bool,
    /// What is due costs so much, priority fees not counted. Zero where it was done.
    due_sol: Sol,
    /// The journal; none where nothing was changed.
    journal: Option<PathBuf>,
    /// The steps.
    #[serde(flatten)]
    steps: Steps,
}

impl Report for Migrated {
    fn human(&self) -> String {
        let mut text = String::new();
        for migration in &self.steps.migrations {
            text.push_str(&format!("{:04} {} on {}\n", migration.number, migration.name, self.cluster));
            let lines = migration.steps.iter().map(|step| {
                vec![
                    step.step.clone(),
                    step.status.word().to_owned(),
                    Sol(step.lamports).to_string(),
                    step.detail.clone(),
                ]
            });
            text.push_str(&rows(&["step", "is", "SOL", "detail"], lines));
            text.push_str("\n\n");
        }
        if self.due_sol.0 > 0 {
            text.push_str(&format!("due: {} SOL of rent and fees", self.due_sol));
        }
        if let Some(journal) = &self.journal {
            text.push_str(&format!("journal: {}", journal.display()));
        }
        text
    }
}

/// Says what happens, on standard error.
struct Progress {
    out: Output,
    bar: ProgressBar,
}

impl Observer for Progress {
    fn tell(&self, event: &Event<'_>) {
        match event {
            Event::Intended { migration, step, what } => {
                self.bar.suspend(|| self.out.note(&format!("{migration:04} {step}: {what}")));
            }
            Event::Progress { done, total } => {
                self.bar.set_length(*total);
                self.bar.set_position(*done);
            }
            Event::Applied { .. } => {}
            Event::Finished { .. } => self.bar.reset(),
        }
    }
}

pub(super) async fn run(context: &Context, command: Migrate) -> Result<(), CliError> {
    let (client, key) = (context.client()?, context.key()?);
    let mut work = Work::new(&client, &key);
    work.programs = command.programs;
    work.program_keys = program_keys(&command.program_keypair)?;
    let (treasury, insurance) = (command.treasury, command.insurance);
    work.genesis = command.usdc_mint.map(|usdc_mint| Genesis { usdc_mint, treasury, insurance });

    let cluster = client.url().shown_rpc();
    let spinner = context.out.spinner("asking the chain");
    let planned = plan(&work, command.to).await;
    spinner.finish_and_clear();
    let Plan { report, refusal } = planned?;
    let due = report.is_due();
    let shown = Migrated { cluster, dry_run: true, due_sol: Sol(report.lamports()), journal: None, steps: report };
    if command.dry_run {
        context.out.report(&shown)?;
        return refusal.map_or(Ok(()), |error| Err(error.into()));
    }
    if let Some(error) = refusal {
        return Err(error.into());
    }
    if due && !command.yes && context.out.is_interactive() {
        context.out.note(&shown.human());
        if !context.out.confirm("\nDo this?").await? {
            context.out.note("nothing was done");
            return Ok(());
        }
    }
    // One journal for each network: the same state folder may serve several.
    let folder = context.settings.state_dir.value.join("migrations");
    let path = folder.join(format!("{}.jsonl", client.genesis_hash().await?));
    let mut journal = Journal::open(&path).map_err(gridlease_migrations::MigrateError::from)?;
    let progress = Progress { out: context.out, bar: context.out.bytes_bar() };
    let done = migrate(&work, command.to, &mut journal, &progress).await;
    progress.bar.finish_and_clear();
    let (steps, journal) = (done?, due.then_some(path));
    context.out.report(&Migrated { dry_run: false, due_sol: Sol(0), journal, steps, ..shown })
}

/// Reads the keypairs of programs.
fn program_keys(files: &[PathBuf]) -> Result<Vec<Arc<Keypair>>, CliError> {
    files.iter().map(|file| Ok(crate::key::read(file)?)).collect()
}
