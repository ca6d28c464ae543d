//! What brings a market from one state of its programs and accounts to the next: numbered migrations of small steps, each of
//! which may be taken again at any time.
//!
//! * A [`Migration`] is a number, a name, and [`Step`]s in an order.
//! * A [`Step`] looks at the chain and says whether it is done, due (and what that costs), or cannot start. Applied, it looks
//!   again: that is its check. It decides by what it finds on the chain alone, never by what it remembers.
//! * [`plan`] lets every step look and changes nothing. [`run`] plans, then applies what is due, one step after the other, and
//!   keeps a [`Journal`]: the intent before the effect, the outcome after it.
//!
//! So a run that was killed at any moment is taken up by the next one, on this machine or on another, with or without the
//! journal.
//!
//! # Adding a migration
//!
//! A module `m000N` with a type that implements [`Migration`], and a line in [`all`]. Its steps
//!
//! 1. decide in [`Step::look`] by the chain: an account's version byte, a program's bytes, a configuration's field;
//! 2. refuse there, with [`MigrateError::Precondition`], what they cannot start from: what was found, what was expected, what
//!    to do. A step that needs what an earlier one brings takes its absence for due, or no plan could be made;
//! 3. split what touches many accounts into transactions of which each is complete in itself. `look` counts what is left, so
//!    a second run goes on where the first one ended; `apply` tells its progress;
//! 4. never undo: a market goes forward.

mod buffer;
mod clock;
mod context;
mod error;
mod first;
mod journal;
mod loader;
mod m0001;
mod m0002;
mod migration;
mod program;
mod report;
mod rounds;
mod run;
mod target;

pub use context::{Context, Genesis};
pub use error::MigrateError;
pub use journal::{Entry, Journal, JournalError, Line, Outcome};
pub use loader::program_hash;
pub use migration::{Doing, Event, Look, Migration, Observer, Step};
pub use program::{PROGRAMS_DIR_VAR, Program, ProgramError, find_program, find_program_in};
pub use report::{MigrationReport, Plan, Report, Status, StepReport};
pub use run::{plan, run};

/// Every migration there is, in the order of their numbers, which start at 1 and leave none out.
pub fn all() -> Vec<Box<dyn Migration>> {
    vec![Box::new(m0001::FoundMarket), Box::new(m0002::SecondLayout)]
}

#[cfg(test)]
mod tests {
    #[test]
    fn migrations_are_numbered_from_one_without_gaps_and_no_step_has_the_name_of_another() {
        for (at, migration) in super::all().iter().enumerate() {
            assert_eq!(migration.number() as usize, at + 1);
            let mut names: Vec<String> = migration.steps().iter().map(|step| step.name()).collect();
            let count = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), count, "migration {}", migration.number());
        }
    }
}
