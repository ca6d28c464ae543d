//! `0002`: a market of the first layout is brought to the second one.
//!
//! Both programs are upgraded, then every account that has grown since is migrated: kind by kind, in an order in which each can
//! be, and each in a transaction of its own. Where no account of the first layout is there, nothing is due and no program is
//! touched. Accounts may be migrated by anyone at any time, so whoever comes first does no harm; until it is migrated, an
//! account is refused by every other instruction.

mod accounts;
mod upgrade;

use crate::buffer::{OpenBuffer, WriteBytes};
use crate::first;
use crate::migration::{Migration, Step};
use crate::target::Target;
use accounts::MigrateAll;
use upgrade::Upgrade;

/// Upgrades both programs and migrates all accounts.
#[derive(Debug)]
pub struct SecondLayout;

impl Migration for SecondLayout {
    fn number(&self) -> u32 {
        2
    }

    fn name(&self) -> &'static str {
        "bring accounts to the second layout"
    }

    fn steps(&self) -> Vec<Box<dyn Step>> {
        let mut steps: Vec<Box<dyn Step>> = Vec::new();
        for target in Target::upgraded() {
            steps.push(Box::new(OpenBuffer(target)));
            steps.push(Box::new(WriteBytes(target)));
            steps.push(Box::new(Upgrade(target)));
        }
        steps.extend(first::kinds().map(|kind| Box::new(MigrateAll(kind)) as Box<dyn Step>));
        steps
    }
}
