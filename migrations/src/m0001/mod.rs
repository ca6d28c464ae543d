//! `0001`: both programs are deployed, and the market is configured.
//!
//! For each program: a buffer is opened, its bytes are written, and it is deployed from there. Then both configurations are
//! written in one transaction. Only the programs' upgrade authority can do that, so nobody comes between.

mod configure;
mod deploy;

use crate::buffer::{OpenBuffer, WriteBytes};
use crate::migration::{Migration, Step};
use crate::target::Target;
use configure::Configure;
use deploy::Deploy;

/// Deploys both programs and configures the market.
#[derive(Debug)]
pub struct FoundMarket;

impl Migration for FoundMarket {
    fn number(&self) -> u32 {
        1
    }

    fn name(&self) -> &'static str {
        "found the market"
    }

    fn steps(&self) -> Vec<Box<dyn Step>> {
        let mut steps: Vec<Box<dyn Step>> = Vec::new();
        for target in Target::founded() {
            steps.push(Box::new(OpenBuffer(target)));
            steps.push(Box::new(WriteBytes(target)));
            steps.push(Box::new(Deploy(target)));
        }
        steps.push(Box::new(Configure));
        steps
    }
}
