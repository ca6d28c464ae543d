//! What a plan or a run says about each step.

use serde::Serialize;

use crate::error::MigrateError;

/// Where a step stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing was to be done.
    Done,
    /// It is to be applied.
    Due,
    /// It was applied, and its check passed.
    Applied,
    /// It cannot start.
    Refused,
}

impl Status {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Due => "due",
            Self::Applied => "applied",
            Self::Refused => "refused",
        }
    }
}

/// A step.
#[derive(Clone, Debug, Serialize)]
pub struct StepReport {
    /// Its name.
    pub step: String,
    /// Where it stands.
    pub status: Status,
    /// What was found, is to be done, or keeps it from starting.
    pub detail: String,
    /// What it costs, in lamports, where it is due or was applied.
    pub lamports: u64,
    /// Signatures of its transactions, base58, where they are few.
    pub signatures: Vec<String>,
}

/// A migration.
#[derive(Clone, Debug, Serialize)]
pub struct MigrationReport {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Its steps.
    pub steps: Vec<StepReport>,
}

/// Every migration that was asked for.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// The migrations, in order.
    pub migrations: Vec<MigrationReport>,
}

impl Report {
    /// Every step.
    pub fn steps(&self) -> impl Iterator<Item = &StepReport> {
        self.migrations.iter().flat_map(|migration| &migration.steps)
    }

    /// Whether any step is due.
    pub fn is_due(&self) -> bool {
        self.steps().any(|step| step.status == Status::Due)
    }

    /// What is due costs so many lamports.
    pub fn lamports(&self) -> u64 {
        let due = self.steps().filter(|step| step.status == Status::Due);
        due.fold(0, |sum, step| sum.saturating_add(step.lamports))
    }
}

/// What would be done.
#[derive(Debug)]
pub struct Plan {
    /// Every step.
    pub report: Report,
    /// Why the first of those that cannot start cannot, or why the signer cannot pay.
    pub refusal: Option<MigrateError>,
}
