//! Steps of many small transactions: how long it is worth to go on. What is left is read from the chain between two rounds.

use std::time::Duration;

use gridlease_sdk::rpc::SendOptions;
use gridlease_sdk::rpc::send::HandedOver;

use crate::context::Context;
use crate::error::MigrateError;

/// Most transactions that are handed over between two looks.
pub const ROUND: usize = 256;
/// Pause before a look: what was handed over needs a moment to land.
pub const PAUSE: Duration = Duration::from_millis(600);
/// How often a round may bring nothing.
const IDLE_ROUNDS: usize = 20;
/// Most that one transaction may pay for priority, in lamports. There are thousands.
const MAX_PRIORITY_FEE: u64 = 5_000;

/// How a step's transactions are sent.
pub fn options(context: &Context<'_>) -> SendOptions {
    let most = context.options.max_priority_fee.min(MAX_PRIORITY_FEE);
    SendOptions { max_priority_fee: most, ..context.options }
}

/// The rounds of a step so far.
#[derive(Debug)]
pub struct Rounds {
    fewest: usize,
    idle: usize,
    refusal: String,
}

impl Default for Rounds {
    fn default() -> Self {
        Self { fewest: usize::MAX, idle: 0, refusal: "the RPC took them, and no block has them".to_owned() }
    }
}

impl Rounds {
    /// Notes that so many transactions are left; returns how many rounds in a row brought nothing.
    ///
    /// # Errors
    /// [`MigrateError::Stuck`] of `step` where that were too many.
    pub fn left(&mut self, step: &str, left: usize) -> Result<usize, MigrateError> {
        if left < self.fewest {
            (self.fewest, self.idle) = (left, 0);
        } else if self.idle >= IDLE_ROUNDS {
            return Err(MigrateError::Stuck { step: step.to_owned(), left, reason: self.refusal.clone() });
        } else {
            self.idle += 1;
        }
        Ok(self.idle)
    }

    /// Notes what became of a round.
    pub fn handed(&mut self, handed: HandedOver) {
        if let Some(error) = handed.refusal {
            self.refused(&error);
        }
    }

    /// Notes why the network took nothing.
    pub fn refused(&mut self, error: &dyn std::error::Error) {
        self.refusal = error.to_string();
    }
}
