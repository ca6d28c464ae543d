//! A whole lease in a small world, with a crash at every point: before an effect, and between an effect and its
//! record. Whatever happens, the lease ends finished, once.

use super::*;
use crate::driver::ContainerId;
use crate::store::Times;
use proptest::prelude::*;

/// When a step is cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Cut {
    Never,
    BeforeEffect,
    AfterEffect,
}

#[derive(Debug)]
struct World {
    record: LeaseRecord,
    container: ContainerState,
    chain: ChainLease,
    manifest: bool,
    inputs: bool,
    image: bool,
    now: i64,
    restart: Option<Restart>,
    // How many runs have yet to fail.
    failures: u32,
    // What the outside has seen.
    starts: u32,
    readies: u32,
    finishes: u32,
    outages: u32,
}

impl World {
    fn new() -> Self {
        Self {
            record: LeaseRecord::some(),
            container: ContainerState::Missing,
            chain: ChainLease {
                state: ChainState::Starting,
                start_deadline: 500,
                want_deadline: 250,
                runway_end: 0,
                seen_at: 0,
            },
            manifest: false,
            inputs: false,
            image: false,
            now: 100,
            restart: None,
            failures: 0,
            starts: 0,
            readies: 0,
            finishes: 0,
            outages: 0,
        }
    }

    fn action(&mut self) -> Action {
        let need = |here| if here { Need::Here } else { Need::Fetch };
        let inputs = if self.manifest { need(self.inputs) } else { Need::Here };
        let local = Local { manifest: need(self.manifest), inputs, restart: self.restart, ..Local::HERE };
        let mut view = self.chain;
        if self.outages > 0 {
            self.outages -= 1;
            view.state = ChainState::Unknown;
        }
        next(&self.record, &self.container, &view, &local, self.now)
    }

    /// What the action does outside the store.
    fn effect(&mut self, action: &Action) {
        match action {
            Action::Do(StageName::Manifest) => self.manifest = true,
            Action::Do(StageName::Inputs) => self.inputs = true,
            Action::Do(StageName::Image) => self.image = true,
            Action::Do(StageName::Container) => {
                assert!(self.image, "created without an image");
                self.container = ContainerState::Created;
            }
            Action::Do(StageName::Start) => {
                assert_eq!(self.container, ContainerState::Created);
                self.container = ContainerState::Running { started_at_ms: self.now * 1000, paused: false };
                self.starts += 1;
            }
            Action::Restart => {
                assert!(matches!(self.container, ContainerState::Exited(_)));
                self.container = ContainerState::Running { started_at_ms: self.now * 1000, paused: false };
                self.starts += 1;
            }
            // As the program does it: accepted in one state, refused without a trace in all others.
            Action::PostReady if self.chain.state == ChainState::Starting => {
                self.chain.state = ChainState::Running;
                self.chain.runway_end = self.now + 1_000;
                self.readies += 1;
            }
            Action::PostFinish if self.chain.state.is_metered() => {
                self.chain.state = ChainState::Ended;
                self.finishes += 1;
            }
            Action::Stop(_) => self.exit(137),
            Action::Do(StageName::Wipe) => self.container = ContainerState::Missing,
            _ => {}
        }
    }

    /// What is written down after it.
    fn write_down(&mut self, action: &Action) {
        let record = &mut self.record;
        match action {
            Action::Do(StageName::Inputs) => record.reach(Phase::InputsReady),
            Action::Do(StageName::Image) => record.reach(Phase::Pulled),
            Action::Do(StageName::Container) => {
                record.container = Some(ContainerId("c".to_owned()));
                record.reach(Phase::Created);
            }
            Action::Record(Note::Started(at)) => {
                record.started_at_ms = Some(*at);
                record.reach(Phase::Started);
            }
            Action::PostReady | Action::Record(Note::Ready) => record.reach(Phase::ReadyPosted),
            Action::Record(Note::Fell(exit, restart)) => {
                record.fell(exit, restart, None, Times::of(exit, self.now * 1000))
            }
            Action::Restart | Action::Record(Note::Again(_)) => record.begun_again(self.now * 1000),
            Action::Record(Note::Ended(end)) => {
                record.ended = Some(end.clone());
                record.reach(Phase::Exited);
            }
            Action::Record(Note::Failed(reason, blame)) => {
                record.blame = *blame;
                record.reach(Phase::Failed { reason: reason.clone() });
            }
            Action::Do(StageName::Collect) => {
                record.output_root = Some([7; 32]);
                record.reach(Phase::OutputsCollected);
            }
            Action::PostFinish => {
                record.finished_at_ms = Some(self.now * 1000);
                record.reach(Phase::FinishPosted);
            }
            Action::Do(StageName::Wipe) => record.clear(self.now * 1000),
            _ => {}
        }
    }

    fn exit(&mut self, code: i64) {
        if let ContainerState::Running { started_at_ms, .. } = self.container {
            let finished_at_ms = self.now * 1000;
            self.container = ContainerState::Exited(Exit { code, oom_killed: false, started_at_ms, finished_at_ms });
        }
    }

    fn step(&mut self, cut: Cut) -> Action {
        let action = self.action();
        match cut {
            Cut::BeforeEffect => return action,
            Cut::AfterEffect => self.effect(&action),
            Cut::Never => {
                self.effect(&action);
                self.write_down(&action);
            }
        }
        // Waiting takes time; everything else is quick.
        self.now += match action {
            Action::AwaitChain | Action::Watch { .. } => 20,
            Action::AwaitRestart { .. } => 2,
            _ => 1,
        };
        action
    }
}

/// Runs a lease to its end. `cut(step)` says how each step goes; the container ends by itself at `exit_at`.
fn run(cut: impl Fn(usize) -> Cut, exit_at: i64, outage: Option<(usize, u32)>) -> World {
    let mut world = World::new();
    for step in 0..400 {
        if outage.is_some_and(|(at, _)| at == step) {
            world.outages = outage.map_or(0, |(_, length)| length);
        }
        if world.now >= exit_at {
            world.exit(0);
        }
        if world.step(cut(step)) == Action::Nothing {
            return world;
        }
    }
    panic!("no end in sight: {world:?}");
}

fn assert_finished_once(world: &World) {
    assert_eq!((world.starts, world.readies, world.finishes), (1, 1, 1), "{world:?}");
    assert_eq!(world.record.phase, Phase::Done);
    assert_eq!(world.container, ContainerState::Missing);
    assert_eq!(world.record.ended.as_ref().map(|e| (e.code, e.lost)), Some((0, false)));
    assert!(world.record.output_root.is_some());
}

#[test]
fn without_a_crash_every_phase_is_passed_once() {
    assert_finished_once(&run(|_| Cut::Never, 200, None));
}

#[test]
fn threat_14_a_crash_at_any_one_point_ends_with_the_lease_finished_once() {
    for at in 0..40 {
        for kind in [Cut::BeforeEffect, Cut::AfterEffect] {
            assert_finished_once(&run(|step| if step == at { kind } else { Cut::Never }, 200, None));
        }
    }
}

#[test]
fn a_chain_that_cannot_be_asked_for_a_while_changes_nothing_about_the_end() {
    for at in 0..40 {
        assert_finished_once(&run(|_| Cut::Never, 200, Some((at, 3))));
    }
}

#[test]
fn a_container_without_an_end_is_stopped_when_the_money_is_used_up() {
    let mut world = World::new();
    let mut stopped = None;
    for _ in 0..400 {
        world.chain.seen_at = world.now;
        match world.step(Cut::Never) {
            Action::Nothing => break,
            Action::Stop(why) => stopped = Some((why, world.now >= world.chain.runway_end)),
            _ => {}
        }
    }
    assert_eq!(stopped, Some((StopReason::OutOfFunds, true)));
    assert_eq!((world.finishes, world.record.phase.clone()), (1, Phase::Done));
}

/// A lease whose runs fail so often, each soon after it began, and are started again at most `max` times.
fn run_again(cut: impl Fn(usize) -> Cut, failures: u32, max: u32) -> World {
    let mut world = World { failures, restart: Some(Restart { max, delay_s: 5 }), ..World::new() };
    for step in 0..1_000 {
        if let ContainerState::Running { started_at_ms, .. } = world.container
            && world.now * 1000 > started_at_ms + 3_000
        {
            let fails = world.failures > 0;
            world.failures = world.failures.saturating_sub(1);
            world.exit(i64::from(fails));
        }
        if world.step(cut(step)) == Action::Nothing {
            return world;
        }
    }
    panic!("no end in sight: {world:?}");
}

#[test]
fn a_crash_at_any_one_point_between_the_runs_of_a_job_costs_it_none_of_them_and_gives_it_no_other() {
    for at in 0..80 {
        for kind in [Cut::Never, Cut::BeforeEffect, Cut::AfterEffect] {
            let world = run_again(|step| if step == at { kind } else { Cut::Never }, 2, 3);
            assert_eq!((world.starts, world.readies, world.finishes), (3, 1, 1), "{at} {kind:?} {world:?}");
            assert_eq!(world.record.falls.len(), 2, "{at} {kind:?}");
            assert_eq!(world.record.ended.as_ref().map(|e| e.code), Some(0), "the last run's");
            let last = run_again(|step| if step == at { kind } else { Cut::Never }, 9, 3);
            assert_eq!((last.starts, last.finishes, last.record.falls.len()), (4, 1, 3), "{at} {kind:?}");
            assert_eq!(last.record.ended.as_ref().map(|e| e.code), Some(1));
        }
    }
}

proptest! {
    #[test]
    fn any_number_of_crashes_leaves_a_job_the_runs_that_it_has(
        cuts in prop::collection::vec(prop_oneof![3 => Just(Cut::Never), 1 => Just(Cut::BeforeEffect), 1 => Just(Cut::AfterEffect)], 100),
        failures in 0u32..6,
    ) {
        let world = run_again(|step| cuts.get(step).copied().unwrap_or(Cut::Never), failures, 3);
        prop_assert_eq!(world.starts, 1 + failures.min(3));
        prop_assert_eq!((world.readies, world.finishes), (1, 1));
    }

    #[test]
    fn any_number_of_crashes_ends_with_the_lease_finished_once(
        cuts in prop::collection::vec(prop_oneof![3 => Just(Cut::Never), 1 => Just(Cut::BeforeEffect), 1 => Just(Cut::AfterEffect)], 60),
        exit_at in 100i64..300,
        outage in prop::option::of((0usize..40, 1u32..4)),
    ) {
        assert_finished_once(&run(|step| cuts.get(step).copied().unwrap_or(Cut::Never), exit_at, outage));
    }
}
