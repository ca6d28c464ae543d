//! What the keeper tells those who watch it: the same as its log, as values.

use std::fmt;
use std::time::Duration;

use gridlease_core::Now;
use solana_pubkey::Pubkey;
use tokio::sync::broadcast;

use crate::audit::Violation;
use crate::execute::Outcome;
use gridlease_sdk::crank::{Action, Step};
use gridlease_sdk::view::Sizes;

/// Events that wait for a slow watcher; it is told how many it missed.
pub const EVENT_QUEUE: usize = 1_024;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum KeeperEvent {
    /// The picture is as fresh as the network.
    Connected {
        /// What it holds.
        sizes: Sizes,
    },
    /// The connection is lost; the keeper goes on trying.
    Disconnected {
        /// What happened.
        reason: String,
    },
    /// Something is due; told once, in a dry run only.
    Planned {
        /// What would be sent.
        action: Action,
        /// The market's time.
        now: Now,
    },
    /// A step was tried.
    Step {
        /// The step.
        step: Box<Step>,
        /// What became of it.
        outcome: Outcome,
    },
    /// The RPC endpoint fails: nothing is sent until it answers. Told once an outage.
    EndpointFails {
        /// What happened.
        reason: String,
        /// How many steps are due, which is the first of them, and since when.
        due: String,
    },
    /// The RPC endpoint answers again.
    EndpointAnswers {
        /// How long it did not.
        after: Duration,
    },
    /// The fee budget is used up; told once each time.
    BudgetExhausted {
        /// Lamports an hour.
        per_hour: u64,
    },
    /// The keeper's account has little SOL left.
    LowSol {
        /// The account.
        payer: Pubkey,
        /// What it has, in lamports.
        lamports: u64,
    },
    /// An audit was completed.
    Audited {
        /// Purses and bonds looked at.
        accounts: usize,
        /// What was found.
        violations: Vec<Violation>,
    },
}

impl fmt::Display for KeeperEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected { sizes } => write!(
                f,
                "connected: {} jobs, {} leases, {} offers, {} providers, {} purses",
                sizes.jobs, sizes.leases, sizes.offers, sizes.providers, sizes.purses
            ),
            Self::Disconnected { reason } => write!(f, "connection lost, trying again: {reason}"),
            Self::Planned { action, .. } => write!(f, "due: {action}"),
            Self::Step { step, outcome } => write!(f, "{step}: {outcome}"),
            Self::EndpointFails { reason, due } => {
                write!(f, "the RPC endpoint fails, and nothing is sent until it answers: {reason}; due: {due}")
            }
            Self::EndpointAnswers { after } => write!(f, "the RPC endpoint answers again, after {} s", after.as_secs()),
            Self::BudgetExhausted { per_hour } => {
                write!(f, "the fee budget of {per_hour} lamports an hour is used up; work waits until it refills")
            }
            Self::LowSol { payer, lamports } => {
                write!(f, "the keeper's account {payer} has only {lamports} lamports left; fund it")
            }
            Self::Audited { accounts, violations } if violations.is_empty() => {
                write!(f, "audit of {accounts} accounts: the books balance")
            }
            Self::Audited { violations, .. } => {
                write!(f, "audit: {} INVARIANTS DO NOT HOLD", violations.len())?;
                violations.iter().try_for_each(|violation| write!(f, "; {violation}"))
            }
        }
    }
}

/// Where events go. Telling never blocks, and works with nobody listening.
#[derive(Clone, Debug)]
pub(crate) struct Events {
    sender: broadcast::Sender<KeeperEvent>,
}

impl Events {
    pub(crate) fn new() -> Self {
        Self { sender: broadcast::Sender::new(EVENT_QUEUE) }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<KeeperEvent> {
        self.sender.subscribe()
    }

    pub(crate) fn tell(&self, event: KeeperEvent) {
        // An error only says that nobody listens.
        let _ = self.sender.send(event);
    }
}
