//! Waiting until a job's container can be reached into: it may have just been posted, load its inputs, or be between two runs.

use std::time::Duration;

use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Job, Lease};
use gridlease_sdk::node_api::client::{NodeApi, NodeError};
use gridlease_sdk::node_api::{LeaseStatus, codes};
use solana_pubkey::Pubkey;
use tokio::time::Instant;

use super::{Buyer, LeaseAt};
use crate::error::CliError;
use crate::printable::printable;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);
/// Most characters of what a node says.
const MAX_WORDS: usize = 300;

/// How a job stands.
enum Standing {
    /// Its container runs, and the meter does.
    Runs(Box<(LeaseAt, NodeApi)>),
    /// Not yet, in these words.
    NotYet(String),
}

impl Buyer {
    /// The lease of a job that can be reached into, and its node; waited for as long as `wait`. What it is waited for is told by
    /// `progress`, each word once.
    ///
    /// # Errors
    /// [`CliError::ContainerEnded`] where it is over, [`CliError::State`] where it does not run in that time, or the read's.
    pub async fn running(
        &self,
        job: &Pubkey,
        wait: Duration,
        mut progress: impl FnMut(&str),
    ) -> Result<(LeaseAt, NodeApi), CliError> {
        let since = Instant::now();
        let mut told = String::new();
        loop {
            let words = match self.standing(job).await? {
                Standing::Runs(found) => return Ok(*found),
                Standing::NotYet(words) => words,
            };
            if since.elapsed() >= wait {
                return Err(CliError::State(format!(
                    "job {job} cannot be reached yet: {words}; `gridlease job watch {job}` shows how far it is, and a longer --wait waits for it"
                )));
            }
            if words != told {
                progress(&words);
                told = words;
            }
            tokio::time::sleep(LOOK.min(wait.saturating_sub(since.elapsed()))).await;
        }
    }

    async fn standing(&self, job: &Pubkey) -> Result<Standing, CliError> {
        let client = self.chain().client();
        let found = client.find::<Job>(job).await?;
        let waits = |of: &Job| matches!(of.state(), Some(JobState::Open | JobState::Waiting));
        if found.as_ref().is_some_and(waits) {
            return Ok(Standing::NotYet("it has no lease yet, and waits for an award".to_owned()));
        }
        let lease = self.lease_of(job).await?;
        if lease.over {
            return Err(CliError::ContainerEnded { job: *job, exit_code: None });
        }
        let starts =
            client.find::<Lease>(&lease.lease).await?.is_some_and(|of| of.state() == Some(LeaseState::Starting));
        let node = self.node_of(&lease.provider, &lease.lease).await?;
        match node.status(&lease.lease).await {
            Ok(LeaseStatus { exit_code: Some(code), .. }) => {
                Err(CliError::ContainerEnded { job: *job, exit_code: Some(code) })
            }
            Ok(status) if starts || is_between_runs(&status) => Ok(Standing::NotYet(in_words(&status))),
            Ok(_) => Ok(Standing::Runs(Box::new((lease, node)))),
            Err(error) if error.is_transient() || is_early(&error) => {
                Ok(Standing::NotYet(format!("its node does not answer for it yet: {error}")))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether its container has ended and is to be started again.
pub(crate) fn is_between_runs(status: &LeaseStatus) -> bool {
    status.container_state.as_deref() == Some("restarting")
}

/// The node hears of its award some seconds later.
fn is_early(error: &NodeError) -> bool {
    matches!(error, NodeError::Refused { detail, .. } if [codes::NOT_KNOWN_YET, codes::BUSY].contains(&detail.code.as_str()))
}

/// How far it is; the node is a stranger's machine.
fn in_words(status: &LeaseStatus) -> String {
    let step = status.phase.replace('_', " ");
    let words = if status.message.is_empty() { step } else { format!("{step}: {}", status.message) };
    printable(&words).chars().take(MAX_WORDS).collect()
}
