//! What to do next for a lease: a pure function of what is remembered, what is seen and what time it is.
//!
//! It is asked after every event and after every restart, and it never depends on how things came to be. So a node
//! that died at any point goes on from there: what it did is seen, what it only meant to do is done now.
//!
//! Three rules stand above the rest:
//!
//! * A container is stopped only when the chain says that the lease is over, when the chain (asked after the end of
//!   the money) says that the money is used up, when its start was too late, or when the operator or its disk says so.
//!   A chain that cannot be asked ([`ChainState::Unknown`]) ends nothing and posts nothing.
//! * `ready` comes before `finish`; both are asked for as long as the chain shows that they are missing. The program
//!   accepts each once, so asking again after a crash is harmless.
//! * The container view is a fact: an engine that cannot be asked is no view, and then this is not called.

use gridlease_sdk::manifest::Restart;
use serde::{Deserialize, Serialize};

use super::stages::{Facts, Part, StageName, Stands, first_open};
use crate::driver::{ContainerState, Exit};
use crate::store::{Blame, Ended, LeaseRecord, Phase, StopReason};

/// How long after the start deadline the node takes it as passed, in seconds: its clock follows the chain's within a few
/// seconds, and a transaction that is under way may still land.
pub const DEADLINE_SLACK_S: i64 = 30;
/// How long before its last moment the node says that it was not given what it needs, in seconds: its word has to land in time.
pub const WANT_MARGIN_S: i64 = 10;
/// How long before the start deadline the node gives up on a probe that does not answer, in seconds: its word has to land in time.
pub const PROBE_MARGIN_S: i64 = 15;
/// The exit code with which the chain is told of services that cannot be run as the buyer wants them.
pub(super) const SERVICES_EXIT_CODE: i32 = 125;
/// How long the chain may take to show a posted `finish` before it is posted again, milliseconds.
pub const FINISH_SETTLE_MS: i64 = 30_000;

/// State of a lease on the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChainState {
    /// Awarded, `ready` is awaited.
    Starting,
    /// The meter runs.
    Running,
    /// Down by a challenge; the meter stands.
    Paused,
    /// The money is used up; a top-up is awaited.
    Grace,
    /// Over.
    Ended,
    /// Never started.
    Failed,
    /// The account is gone: over and settled.
    Closed,
    /// The chain cannot be asked at the moment.
    Unknown,
}

impl ChainState {
    /// Whether the chain has confirmed that the lease is over.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Ended | Self::Failed | Self::Closed)
    }

    pub(super) const fn is_metered(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Grace)
    }
}

/// The lease as the chain last showed it, all times in the chain's. Where the state is unknown, they are the last known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLease {
    /// Its state.
    pub state: ChainState,
    /// Last moment for `ready`, Unix seconds.
    pub start_deadline: i64,
    /// Last moment to say that the buyer did not give what the node needs, Unix seconds.
    pub want_deadline: i64,
    /// When the reserved money is used up, Unix seconds; 0 before `ready`.
    pub runway_end: i64,
    /// When the chain showed this, Unix seconds.
    pub seen_at: i64,
}

/// Whether something that the container needs is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It is here and verified.
    Here,
    /// The node can fetch it.
    Fetch,
    /// The buyer has to push it.
    Await,
}

/// How the services of a job stand before its own container starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Services {
    /// All are up, or there are none.
    Up,
    /// One is to be made or started.
    Due,
    /// One runs, and this node cannot ask it.
    Unasked,
    /// One runs and is not up, in these words.
    Silent(String),
    /// One has ended, in these words.
    Down(String),
}

/// What the probes say of a container that runs and whose start is not reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// All were right, or there are none.
    Right,
    /// None has answered yet.
    Unasked,
    /// One was not right.
    Wrong,
    /// One was not right, and the time is over that the manifest gives the job to become ready.
    Overdue,
}

/// What the node knows besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The manifest.
    pub manifest: Need,
    /// The inputs: `Fetch` as long as one can be fetched, then `Await` as long as one is missing. `Here` without a manifest.
    pub inputs: Need,
    /// The secrets: `Await` as long as they are missing. `Here` without a manifest.
    pub secrets: Need,
    /// What was pushed before: `Fetch` as long as an output is to begin with it and does not. `Here` without a manifest.
    pub restore: Need,
    /// Whether the lease has the network that its job asks for.
    pub network: bool,
    /// Its services.
    pub services: Services,
    /// The operator ended the lease.
    pub operator_stop: bool,
    /// The container that holds the network of the job's containers is gone.
    pub pod_lost: bool,
    /// So what it needs to do what it was sold for: it has no way out any more.
    pub cut_off: bool,
    /// The outputs are larger than the job's disk.
    pub disk_full: bool,
    /// What its probes say, until its start is reported.
    pub probes: Probes,
    /// Whether its own container is started again where it fails.
    pub restart: Option<Restart>,
}

impl Local {
    /// Everything is here, and nothing stands against the lease.
    pub(super) const HERE: Self = Self {
        manifest: Need::Here,
        inputs: Need::Here,
        secrets: Need::Here,
        restore: Need::Here,
        network: true,
        services: Services::Up,
        operator_stop: false,
        pod_lost: false,
        cut_off: false,
        disk_full: false,
        probes: Probes::Right,
        restart: None,
    };
}

/// Something that is seen and not yet written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// The container runs since this time, Unix milliseconds ([`Phase::Started`]).
    Started(i64),
    /// The chain has the `ready` ([`Phase::ReadyPosted`]).
    Ready,
    /// The container ended, and is to be started again.
    Fell(Exit, Restart),
    /// The container ended, and cannot be started again: the network that it shared with the job's services is gone.
    Stranded(Exit),
    /// It runs again, since this time, Unix milliseconds of the engine's clock.
    Again(i64),
    /// The container ended ([`Phase::Exited`]).
    Ended(Ended),
    /// The start is given up because a probe did not answer ([`Phase::Failed`]), in the words of its last answer.
    Unready,
    /// The start is given up ([`Phase::Failed`]), in these words, and by whose doing.
    Failed(String, Blame),
}

/// The next thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write down what is seen.
    Record(Note),
    /// Go through this stage.
    Do(StageName),
    /// Nothing can be done before the buyer has pushed manifest or inputs. Look again at this time (Unix seconds).
    AwaitBuyer {
        /// When the node says that it was not given what it needs.
        until: i64,
    },
    /// The container runs, and a probe does not answer yet. Ask it again.
    AwaitProbe,
    /// Post `ready`.
    PostReady,
    /// The container runs as it should. Look again at this time (Unix seconds), if any.
    Watch {
        /// The end of the money.
        until: Option<i64>,
    },
    /// Ask the chain now: what to do depends on what it says at this time.
    RefreshChain,
    /// The container failed. It is started again at this time, Unix milliseconds.
    AwaitRestart {
        /// When.
        due_ms: i64,
    },
    /// Start it again.
    Restart,
    /// Stop the container, or let one that is down stay so.
    Stop(StopReason),
    /// Post `finish`.
    PostFinish,
    /// Tell the chain that the lease will not start.
    PostFailed,
    /// Nothing can be done before the chain can be asked or shows what was posted.
    AwaitChain,
    /// Nothing is left to do.
    Nothing,
}

/// What to do next. `now` is chain time in Unix seconds.
#[must_use]
pub fn next(record: &LeaseRecord, container: &ContainerState, chain: &ChainLease, local: &Local, now: i64) -> Action {
    if record.is_cleared() {
        return if *container == ContainerState::Missing { Action::Nothing } else { Action::Do(StageName::Wipe) };
    }
    match container {
        ContainerState::Running { started_at_ms, .. } => running(record, *started_at_ms, chain, local, now),
        ContainerState::Exited(exit) => after_end(record, Some(exit), chain, local, now),
        ContainerState::Created | ContainerState::Missing if has_run(record) => {
            after_end(record, None, chain, local, now)
        }
        ContainerState::Created => before_start(record, true, chain, local, now),
        ContainerState::Missing => before_start(record, false, chain, local, now),
    }
}

fn has_run(record: &LeaseRecord) -> bool {
    record.started_at_ms.is_some() || record.ended.is_some()
}

fn too_late(chain: &ChainLease, now: i64) -> bool {
    now > chain.start_deadline.saturating_add(DEADLINE_SLACK_S)
}

fn running(record: &LeaseRecord, started_at_ms: i64, chain: &ChainLease, local: &Local, now: i64) -> Action {
    if record.started_at_ms.is_none() {
        return Action::Record(Note::Started(started_at_ms));
    }
    if record.down().is_some() {
        return Action::Record(Note::Again(started_at_ms));
    }
    // Its containers may still reach each other, and nothing else.
    if local.cut_off && record.stop.is_none() && !chain.state.is_over() {
        return Action::Stop(StopReason::Operator);
    }
    up(record, chain, local, now)
}

/// What is due for a container that runs, or is down and to run again.
fn up(record: &LeaseRecord, chain: &ChainLease, local: &Local, now: i64) -> Action {
    // A stop that was begun is carried through: its reason is on record and may not be replaced by a later one.
    if let Some(why) = record.stop {
        return Action::Stop(why);
    }
    if chain.state.is_over() {
        return Action::Stop(StopReason::LeaseOver);
    }
    if local.operator_stop {
        return Action::Stop(StopReason::Operator);
    }
    if local.disk_full {
        return Action::Stop(StopReason::DiskFull);
    }
    match chain.state {
        // The chain is told first and the container stopped after it: there is little time left.
        ChainState::Starting if given_up(record) => post_failed(record, now),
        ChainState::Starting if too_late(chain, now) => Action::Stop(StopReason::TooLate),
        ChainState::Starting if local.probes == Probes::Overdue => Action::Record(Note::Unready),
        ChainState::Starting
            if local.probes == Probes::Wrong && now >= chain.start_deadline.saturating_sub(PROBE_MARGIN_S) =>
        {
            Action::Record(Note::Unready)
        }
        _ => open(Part::Running, &Facts { record, created: true, chain, local, now }),
    }
}

/// The next thing to do in this part of the lease's life, where nothing ends it.
fn open(part: Part, facts: &Facts<'_>) -> Action {
    match first_open(part, facts) {
        Stands::Due(action) => action,
        Stands::Lacks(_) => Action::AwaitBuyer { until: want_until(facts.chain) },
        Stands::Done => Action::Nothing,
    }
}

/// When the node says that it was not given what it needs.
pub(crate) fn want_until(chain: &ChainLease) -> i64 {
    chain.want_deadline.saturating_sub(WANT_MARGIN_S)
}

/// A run has failed, and another is to follow. What ends a run ends the lease here, too, and what is told to the chain is told first.
fn down(record: &LeaseRecord, exit: &Exit, restart: Restart, chain: &ChainLease, local: &Local, now: i64) -> Action {
    if record.started_at_ms.is_none() {
        return Action::Record(Note::Started(exit.started_at_ms));
    }
    // Who restarted the engine took its services along, too; that is no more the job's doing than for one that is not started again.
    if local.pod_lost && !chain.state.is_over() && !local.operator_stop {
        return Action::Record(Note::Stranded(exit.clone()));
    }
    match up(record, chain, local, now) {
        Action::Watch { .. } | Action::AwaitProbe => {}
        other => return other,
    }
    match record.falls.last().filter(|fall| fall.started_at_ms == exit.started_at_ms) {
        None => Action::Record(Note::Fell(exit.clone(), restart)),
        Some(fall) if now.saturating_mul(1_000) < fall.due_ms() => Action::AwaitRestart { due_ms: fall.due_ms() },
        Some(_) => Action::Restart,
    }
}

fn after_end(record: &LeaseRecord, exit: Option<&Exit>, chain: &ChainLease, local: &Local, now: i64) -> Action {
    if let (Some(exit), Some(restart)) = (exit, local.restart)
        && record.goes_on(exit, Some(&restart))
    {
        return down(record, exit, restart, chain, local, now);
    }
    if record.ended.is_none() {
        return Action::Record(Note::Ended(exit.map_or_else(Ended::lost, Ended::from)));
    }
    match chain.state {
        // Nothing was delivered, nothing is paid, and the buyer's next node starts from the beginning.
        ChainState::Failed => Action::Do(StageName::Wipe),
        ChainState::Starting if given_up(record) => post_failed(record, now),
        ChainState::Starting if too_late(chain, now) => {
            Action::Record(Note::Failed("the start was reported too late".to_owned(), Blame::Provider))
        }
        ChainState::Starting if record.ended.as_ref().is_some_and(|e| e.lost) => Action::Record(Note::Failed(
            "its container was lost before its start was reported".to_owned(),
            Blame::Provider,
        )),
        // What never was what its buyer calls ready is no start: work done before the meter runs would be free.
        ChainState::Starting if local.probes != Probes::Right && record.stop.is_none() => Action::Record(Note::Unready),
        // The deadline of `ready` presses; collecting does not.
        ChainState::Starting => Action::PostReady,
        _ => open(Part::Ending, &Facts { record, created: exit.is_some(), chain, local, now }),
    }
}

fn before_start(record: &LeaseRecord, created: bool, chain: &ChainLease, local: &Local, now: i64) -> Action {
    if chain.state.is_over() {
        return Action::Do(StageName::Wipe);
    }
    if chain.state.is_metered() {
        // The chain knows of a start that this machine does not: its memory or its engine was lost. To start now
        // would sell a second run as the first.
        return Action::Record(Note::Ended(Ended::lost()));
    }
    if given_up(record) {
        return if chain.state == ChainState::Unknown { Action::AwaitChain } else { post_failed(record, now) };
    }
    if local.operator_stop {
        return Action::Record(Note::Failed("the operator ended it".to_owned(), Blame::Provider));
    }
    if local.disk_full {
        let blame = Blame::Engine { exit_code: SERVICES_EXIT_CODE };
        return Action::Record(Note::Failed("its services filled the job's disk".to_owned(), blame));
    }
    if too_late(chain, now) {
        // Without the chain's word the lease may have gone on; it is not given up, and not started either.
        return if chain.state == ChainState::Unknown {
            Action::AwaitChain
        } else {
            Action::Record(Note::Failed("it could not be started before its deadline".to_owned(), Blame::Provider))
        };
    }
    let facts = Facts { record, created, chain, local, now };
    match first_open(Part::Making, &facts) {
        Stands::Lacks(what) if now >= want_until(chain) && chain.state != ChainState::Unknown => {
            Action::Record(Note::Failed(format!("{what} in half of the time to start"), Blame::Buyer))
        }
        _ => open(Part::Making, &facts),
    }
}

fn given_up(record: &LeaseRecord) -> bool {
    matches!(record.phase, Phase::Failed { .. })
}

fn post_failed(record: &LeaseRecord, now: i64) -> Action {
    if just_posted(record, now) { Action::AwaitChain } else { Action::PostFailed }
}

/// The end was posted a moment ago, and the chain's view may be older than that.
pub(super) fn just_posted(record: &LeaseRecord, now: i64) -> bool {
    record.finished_at_ms.is_some_and(|at| now.saturating_mul(1000).saturating_sub(at) < FINISH_SETTLE_MS)
}

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod table_tests;
