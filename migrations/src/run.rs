//! Planning and running.

use std::time::Duration;

use gridlease_sdk::rpc::Client;
use solana_signer::Signer as _;

use crate::context::Context;
use crate::error::MigrateError;
use crate::journal::{Entry, Journal, Outcome};
use crate::migration::{Event, Look, Migration, Observer, Step};
use crate::report::{MigrationReport, Plan, Report, Status, StepReport};

/// How often a step that was applied is looked at until it is done, and the pause in between: an RPC is often several
/// machines, and not all of them have seen the last block.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// Lamports set aside for the fees of the few transactions that no step counts, priority included.
const FEES: u64 = 1_000_000;

/// The migrations up to number `to`; all where none is given.
fn chosen(to: Option<u32>) -> Result<Vec<Box<dyn Migration>>, MigrateError> {
    let all = crate::all();
    let last = all.last().map_or(0, |migration| migration.number());
    match to {
        Some(number) if number == 0 || number > last => Err(MigrateError::NoSuchMigration { number, last }),
        to => Ok(all.into_iter().filter(|migration| to.is_none_or(|to| migration.number() <= to)).collect()),
    }
}

/// Lets every step of the migrations up to `to` look. Changes nothing.
///
/// # Errors
/// The network's; what keeps a step from starting is in the plan.
pub async fn plan(context: &Context<'_>, to: Option<u32>) -> Result<Plan, MigrateError> {
    plan_of(&chosen(to)?, context).await
}

async fn plan_of(migrations: &[Box<dyn Migration>], context: &Context<'_>) -> Result<Plan, MigrateError> {
    let mut plan = Plan { report: Report::default(), refusal: None };
    for migration in migrations {
        let mut steps = Vec::new();
        for step in migration.steps() {
            let (status, detail, lamports) = match step.look(context).await {
                Ok(Look::Done { why }) => (Status::Done, why, 0),
                Ok(Look::Due { what, lamports }) => (Status::Due, what, lamports),
                Err(error) if error.is_refusal() => {
                    let said = error.to_string();
                    plan.refusal.get_or_insert(error);
                    (Status::Refused, said, 0)
                }
                Err(error) => return Err(error),
            };
            steps.push(StepReport { step: step.name(), status, detail, lamports, signatures: Vec::new() });
        }
        let (number, name) = (migration.number(), migration.name());
        plan.report.migrations.push(MigrationReport { number, name, steps });
    }
    if plan.refusal.is_none() && plan.report.is_due() {
        plan.refusal = shortage(context.client, &context.signer.pubkey(), plan.report.lamports()).await?;
    }
    Ok(plan)
}

async fn shortage(
    client: &Client,
    key: &solana_pubkey::Pubkey,
    lamports: u64,
) -> Result<Option<MigrateError>, MigrateError> {
    let (have, need) = (client.lamports(key).await?, lamports.saturating_add(FEES));
    Ok((have < need).then_some(MigrateError::ShortOfLamports { key: *key, have, need }))
}

/// Applies what is due of the migrations up to `to`, and checks each step.
///
/// Nothing is applied where any step cannot start. An intent that an earlier run left without an outcome is settled: the
/// step is applied, or it is written down that it was found done.
///
/// # Errors
/// [`MigrateError`]. What was done stays done; another run goes on from there.
pub async fn run(
    context: &Context<'_>,
    to: Option<u32>,
    journal: &mut Journal,
    observer: &dyn Observer,
) -> Result<Report, MigrateError> {
    let migrations = chosen(to)?;
    let plan = plan_of(&migrations, context).await?;
    if let Some(refusal) = plan.refusal {
        return Err(refusal);
    }
    let mut report = plan.report;
    if report.is_due() {
        journal.add(Entry::Run {
            cluster: context.client.url().shown_rpc(),
            signer: context.signer.pubkey().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        })?;
    }
    for (migration, said) in migrations.iter().zip(&mut report.migrations) {
        for (step, said) in migration.steps().iter().zip(&mut said.steps) {
            take(migration.number(), step.as_ref(), said, context, journal, observer).await?;
        }
    }
    Ok(report)
}

/// Takes one step, if it is due now.
async fn take(
    migration: u32,
    step: &dyn Step,
    said: &mut StepReport,
    context: &Context<'_>,
    journal: &mut Journal,
    observer: &dyn Observer,
) -> Result<(), MigrateError> {
    let name = step.name();
    let outcome = |outcome| Entry::Outcome { migration, step: name.clone(), outcome };
    // Again, because an earlier step has changed what the plan saw.
    let what = match step.look(context).await? {
        Look::Done { why } => {
            if journal.is_open(migration, &name) {
                journal.add(outcome(Outcome::FoundDone { why: why.clone() }))?;
                observer.tell(&Event::Finished { migration, step: &name });
            }
            (said.status, said.detail, said.lamports) = (Status::Done, why, 0);
            return Ok(());
        }
        Look::Due { what, lamports } => {
            said.lamports = lamports;
            what
        }
    };
    journal.add(Entry::Intent { migration, step: name.clone(), what: what.clone() })?;
    observer.tell(&Event::Intended { migration, step: &name, what: &what });
    let applied = async {
        let signatures = step.apply(context, observer).await?;
        until_done(step, context).await?;
        step.check(context).await?;
        Ok(signatures)
    };
    match applied.await {
        Ok(signatures) => {
            observer.tell(&Event::Applied { migration, step: &name });
            journal.add(outcome(Outcome::Done { signatures: signatures.clone() }))?;
            observer.tell(&Event::Finished { migration, step: &name });
            (said.status, said.detail, said.signatures) = (Status::Applied, what, signatures);
            Ok(())
        }
        Err(error) => {
            let error: MigrateError = error;
            journal.add(outcome(Outcome::Failed { reason: error.to_string() }))?;
            Err(error)
        }
    }
}

/// Looks until the step is done.
async fn until_done(step: &dyn Step, context: &Context<'_>) -> Result<(), MigrateError> {
    let mut left = String::new();
    for _ in 0..LOOKS {
        match step.look(context).await? {
            Look::Done { .. } => return Ok(()),
            Look::Due { what, .. } => left = what,
        }
        tokio::time::sleep(PAUSE).await;
    }
    Err(MigrateError::Check { step: step.name(), reason: format!("it would still do this: {left}") })
}
