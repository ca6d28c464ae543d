//! The stages of a lease on this machine, in order: one file each, and one list ([`STAGES`]).
//!
//! A stage says how it stands, as a pure function of what is seen ([`Stage::stands`]); what it does, once or again after a crash
//! ([`Stage::run`]); and how what it made is taken back when the lease is over ([`Stage::undo`], in reverse order, by
//! [`StageName::Wipe`]). "Done" is never remembered in the process: it is on disk, in the engine or on the chain. To add a stage,
//! write its file and its line in the list; the planner ([`super::reconcile`]) finds it there.

mod accept;
mod again;
mod collect;
pub(super) mod container;
mod deliver;
mod image;
mod inputs;
mod manifest;
mod network;
pub(super) mod ready;
mod restore;
mod run;
mod secrets;
mod services;
mod start;
mod wipe;

pub(super) use collect::limits as output_limits;

use futures_util::future::BoxFuture;

use super::reconcile::{Action, ChainLease, ChainState, Local, Need, want_until};
use super::{WorkError, Worker};
use crate::store::LeaseRecord;

/// A stage, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StageName {
    /// The lease's record and its folder.
    Accept,
    /// The manifest, with the hash that was sold.
    Manifest,
    /// The inputs, verified.
    Inputs,
    /// The secrets, in memory.
    Secrets,
    /// What was pushed before, verified, where the job asks for it.
    Restore,
    /// The image, pulled by digest and verified.
    Image,
    /// The lease's network, behind its fence.
    Network,
    /// The containers beside the job's own, up.
    Services,
    /// The container, with the folders that it writes to.
    Container,
    /// Its start.
    Start,
    /// The probes, and the word to the chain that it runs.
    Ready,
    /// The run itself, for as long as there is money.
    Run,
    /// The log closed, the outputs listed and hashed.
    Collect,
    /// The word to the chain how it ended.
    Deliver,
    /// Everything taken back that nobody will ask for.
    Wipe,
}

/// In which part of a lease's life a stage is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before the container has run.
    Making,
    /// While it runs.
    Running,
    /// After it has.
    Ending,
}

/// How a stage stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stands {
    /// Nothing is left to do in it.
    Done,
    /// This is to be done next.
    Due(Action),
    /// Neither the buyer nor whom it names has given what it needs; the words say so, as in "the manifest was not pushed".
    Lacks(&'static str),
}

/// What a stage looks at. Nothing in it is remembered from before a crash but what was written down.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// What is written down of the lease.
    pub record: &'a LeaseRecord,
    /// Whether the engine has its container.
    pub created: bool,
    /// The lease on the chain.
    pub chain: &'a ChainLease,
    /// What else this machine knows.
    pub local: &'a Local,
    /// Chain time, Unix seconds.
    pub now: i64,
}

/// One stage.
pub trait Stage: Sync {
    /// Its name.
    fn name(&self) -> StageName;

    /// When it is looked at.
    fn part(&self) -> Part;

    /// How it stands. Pure.
    fn stands(&self, facts: &Facts<'_>) -> Stands;

    /// Does what it is for: intent on disk, effect, record. Can be run again at any point. Stages whose work needs the chain are
    /// done by the lease's task and refuse this.
    fn run<'a>(&'a self, _: &'a Worker, _: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(async { Err(WorkError::NotLocal(format!("{:?}", self.name()))) })
    }

    /// Takes back what it made, where the lease is over. Succeeds where there is nothing.
    fn undo<'a>(&'a self, _: &'a Worker, _: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async { Ok(()) })
    }
}

/// All stages, in the order in which a lease goes through them.
pub static STAGES: [&dyn Stage; 15] = [
    &accept::Accept,
    &manifest::Manifest,
    &inputs::Inputs,
    &secrets::Secrets,
    &restore::Restore,
    &image::Image,
    &network::Network,
    &services::Services,
    &container::Container,
    &start::Start,
    &ready::Ready,
    &run::Run,
    &collect::Collect,
    &deliver::Deliver,
    &wipe::Wipe,
];

/// How the first stage stands that is not done in this part of a lease's life.
#[must_use]
pub fn first_open(part: Part, facts: &Facts<'_>) -> Stands {
    let of_part = STAGES.iter().filter(|stage| stage.part() == part);
    of_part.map(|stage| stage.stands(facts)).find(|stands| *stands != Stands::Done).unwrap_or(Stands::Done)
}

/// The stage of this name.
pub(super) fn stage(name: StageName) -> Option<&'static dyn Stage> {
    STAGES.iter().copied().find(|stage| stage.name() == name)
}

/// How a stage stands that takes something from the buyer (`pushed` says that it lacks), or fetches it (`fetched` does).
fn by_need(facts: &Facts<'_>, need: Need, name: StageName, pushed: &'static str, fetched: &'static str) -> Stands {
    // A source that the buyer names and that is slow, or down, is as one who does not push. Later than that nobody is told, and it
    // may still come.
    let last_word = want_until(facts.chain)..=facts.chain.want_deadline;
    match need {
        Need::Here => Stands::Done,
        Need::Fetch if last_word.contains(&facts.now) && facts.chain.state != ChainState::Unknown => {
            Stands::Lacks(fetched)
        }
        Need::Fetch => Stands::Due(Action::Do(name)),
        Need::Await => Stands::Lacks(pushed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_stands_once_in_the_list_and_the_parts_of_a_life_follow_each_other() {
        let names: std::collections::HashSet<_> = STAGES.iter().map(|stage| stage.name()).collect();
        assert_eq!(names.len(), STAGES.len());
        let parts: Vec<_> = STAGES.iter().map(|stage| stage.part() as u8).collect();
        assert!(parts.is_sorted(), "{parts:?}");
        assert!(STAGES.iter().all(|of| stage(of.name()).is_some_and(|found| found.name() == of.name())));
    }
}
