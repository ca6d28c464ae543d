//! What a migration is, and what a step is.

use futures_util::future::BoxFuture;

use crate::context::Context;
use crate::error::MigrateError;

/// Something that is being done.
pub type Doing<'a, T> = BoxFuture<'a, Result<T, MigrateError>>;

/// A numbered change of a market.
pub trait Migration: Send + Sync {
    /// Its number, from 1.
    fn number(&self) -> u32;
    /// Its name, for people.
    fn name(&self) -> &'static str;
    /// Its steps, in the order in which they are taken. Their names are unique in the migration and never change: the
    /// journal knows steps by them.
    fn steps(&self) -> Vec<Box<dyn Step>>;
}

/// What a step finds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Look {
    /// Nothing is to be done.
    Done {
        /// What stands on the chain.
        why: String,
    },
    /// It is to be applied.
    Due {
        /// What it is going to do.
        what: String,
        /// What it costs the signer in rent and fees, in lamports, priority fees not counted.
        lamports: u64,
    },
}

/// A step. It may be applied again at any time, by anyone who may apply it at all, and does only what is left to do.
pub trait Step: Send + Sync {
    /// Its name.
    fn name(&self) -> String;

    /// Looks at the chain.
    ///
    /// # Errors
    /// [`MigrateError::Precondition`] or [`MigrateError::Argument`] where it cannot start, else the read's.
    fn look<'a>(&'a self, context: &'a Context<'_>) -> Doing<'a, Look>;

    /// Does what is due, and returns the signatures of its transactions where they are few.
    ///
    /// # Errors
    /// [`MigrateError`]; a part may have been done.
    fn apply<'a>(&'a self, context: &'a Context<'_>, observer: &'a dyn Observer) -> Doing<'a, Vec<String>>;

    /// Checks what was applied just now, beyond that a look finds it done: as a rule nothing.
    ///
    /// # Errors
    /// [`MigrateError::Check`], or the read's.
    fn check<'a>(&'a self, _context: &'a Context<'_>) -> Doing<'a, ()> {
        Box::pin(async { Ok(()) })
    }
}

/// What happens in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// The step is written down as intended; it is about to be applied.
    Intended {
        /// Number of the migration.
        migration: u32,
        /// The step.
        step: &'a str,
        /// What it is going to do.
        what: &'a str,
    },
    /// A part of a long step is done.
    Progress {
        /// How much.
        done: u64,
        /// Of how much.
        total: u64,
    },
    /// The step was applied and checked; its outcome is about to be written down.
    Applied {
        /// Number of the migration.
        migration: u32,
        /// The step.
        step: &'a str,
    },
    /// The step's outcome is written down.
    Finished {
        /// Number of the migration.
        migration: u32,
        /// The step.
        step: &'a str,
    },
}

/// Is told what happens.
pub trait Observer: Send + Sync {
    /// Something happened.
    fn tell(&self, event: &Event<'_>);
}

impl Observer for () {
    fn tell(&self, _: &Event<'_>) {}
}
