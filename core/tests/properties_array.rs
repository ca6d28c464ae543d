//! Arrays under any sequence of steps: counters, budget and purse always agree, and every array comes to its end.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod common;

use common::amount;
use gridlease_core::array::{Array, ArrayEnd, ArrayState, Ended, Replica, Shape, Task, kin};
use gridlease_core::job::EndReason;
use gridlease_core::limits::{MAX_PARALLEL, MAX_REPLICAS, MAX_TASKS};
use gridlease_core::purse::Purse;
use gridlease_core::{Atoms, RuleError, invariant};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Deposit(u64),
    WithdrawAll,
    Open,
    /// The job at this place ends, having spent so many thousandths of its cap, and well or badly.
    End(usize, u16, bool),
    Close(usize),
    Cancel,
    /// The job at this place ends without a bid.
    NoBids(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0u64..10_000_000).prop_map(Step::Deposit),
        1 => Just(Step::WithdrawAll),
        8 => Just(Step::Open),
        8 => (any::<usize>(), 0u16..=1_200, prop::bool::weighted(0.8)).prop_map(|(at, part, ok)| Step::End(at, part, ok)),
        8 => any::<usize>().prop_map(Step::Close),
        1 => any::<usize>().prop_map(Step::NoBids),
    ]
}

fn with_cancel() -> impl Strategy<Value = Step> {
    prop_oneof![30 => step(), 1 => Just(Step::Cancel)]
}

fn shape() -> impl Strategy<Value = (Shape, Atoms)> {
    let numbers = (1u16..=20, any::<u16>(), 1u8..=MAX_REPLICAS, 1u8..=4, 1u64..5_000_000, any::<u64>());
    numbers.prop_map(|(count, quorum, replicas, parallel, cap, budget)| {
        let least = cap * u64::from(replicas);
        let budget = Atoms(least + budget % (least * u64::from(count) - least + 1));
        (Shape { count, quorum: quorum % count + 1, replicas, parallel, budget }, Atoms(cap))
    })
}

/// A job of a task: what it still holds, and how it ended.
#[derive(Clone, Copy, Debug)]
struct Job {
    task: usize,
    replica: u8,
    held: Atoms,
    ended: Option<Ended>,
}

/// An array in its purse, with the jobs that are not closed.
struct World {
    purse: Purse,
    array: Array,
    tasks: Vec<Task>,
    jobs: Vec<Job>,
    opened: usize,
    ends: usize,
    paid: u64,
}

impl World {
    fn new(shape: Shape, cap: Atoms) -> Self {
        let mut purse = Purse::default();
        purse.deposit(shape.budget).unwrap();
        let array = Array::post(shape, cap).unwrap();
        purse.reserve(array.reserved).unwrap();
        let tasks = vec![Task::default(); shape.count.into()];
        Self { purse, array, tasks, jobs: Vec::new(), opened: 0, ends: 0, paid: 0 }
    }

    fn reserve(&mut self, added: Atoms) {
        if !added.is_zero() {
            self.purse.reserve(added).unwrap();
        }
    }

    fn apply(&mut self, step: Step) -> Result<(), RuleError> {
        match step {
            Step::Deposit(atoms) => self.purse.deposit(Atoms(atoms)),
            Step::WithdrawAll => self.purse.withdraw(self.purse.free()?),
            Step::Open => self.open(),
            Step::End(at, part, well) => {
                let open: Vec<_> = (0..self.jobs.len()).filter(|job| self.jobs[*job].ended.is_none()).collect();
                if open.is_empty() {
                    return Err(RuleError::WrongState);
                }
                let job = &mut self.jobs[open[at % open.len()]];
                // What the lease was topped up with beyond the cap is told to the array too, which counts the cap only.
                let spent = Atoms(job.held.0 * u64::from(part) / 1_000);
                let own = spent.min(job.held);
                self.purse.pay(own, Atoms::ZERO)?;
                self.purse.release(job.held.sub(own)?)?;
                self.paid += own.0;
                (job.held, job.ended) = (Atoms::ZERO, Some(ended(well, spent)));
                Ok(())
            }
            Step::NoBids(at) => {
                let open: Vec<_> = (0..self.jobs.len()).filter(|job| self.jobs[*job].ended.is_none()).collect();
                if open.is_empty() {
                    return Err(RuleError::WrongState);
                }
                let job = &mut self.jobs[open[at % open.len()]];
                self.purse.release(core::mem::take(&mut job.held))?;
                job.ended = Some(no_bids());
                Ok(())
            }
            Step::Close(at) => {
                let over: Vec<_> = (0..self.jobs.len()).filter(|job| self.jobs[*job].ended.is_some()).collect();
                if over.is_empty() {
                    return Err(RuleError::WrongState);
                }
                self.close(over[at % over.len()])
            }
            Step::Cancel => {
                if let Some(back) = self.array.cancel() {
                    self.purse.release(back)?;
                    self.ends += 1;
                }
                Ok(())
            }
        }
    }

    fn open(&mut self) -> Result<(), RuleError> {
        let task = self.array.next;
        let Some(opened) = self.array.open_task(task, self.purse.free()?)? else { return Ok(()) };
        self.reserve(opened.added);
        let replicas = self.array.shape.replicas;
        assert_eq!(opened.handed.0, self.array.cap.0 * u64::from(replicas));
        self.tasks[usize::from(task)] = Task::opened(replicas);
        for replica in 0..replicas {
            self.jobs.push(Job { task: task.into(), replica, held: self.array.cap, ended: None });
            self.opened += 1;
        }
        Ok(())
    }

    fn close(&mut self, at: usize) -> Result<(), RuleError> {
        let Job { task, replica, ended, .. } = self.jobs.remove(at);
        let ended = ended.unwrap();
        let before = self.tasks[task];
        let closed = self.array.close_job(before, replica, &ended, self.purse.free()?)?;
        self.reserve(closed.added);
        self.purse.release(closed.released)?;
        self.tasks[task] = closed.task;
        self.ends += usize::from(closed.ended);
        assert_eq!(closed.task_over, !self.jobs.iter().any(|job| job.task == task));
        let again = self.array.clone().close_job(closed.task, replica, &ended, Atoms::ZERO);
        assert_eq!(again, Err(RuleError::WrongState), "a job was counted twice");
        Ok(())
    }

    fn check(&self) -> Result<(), TestCaseError> {
        let array = &self.array;
        prop_assert_eq!(invariant::array(array), Ok(()));
        let held = self.jobs.iter().map(|job| job.held).chain([array.reserved]);
        prop_assert_eq!(invariant::purse_holds(&self.purse, held), Ok(()));
        prop_assert!(self.paid <= array.shape.budget.0, "more was paid than the budget");
        prop_assert!(self.opened <= usize::from(array.shape.count) * usize::from(array.shape.replicas));
        prop_assert_eq!(usize::from(array.jobs), self.jobs.len());
        let open = self.tasks.iter().filter(|task| task.count(Replica::Open) > 0).count();
        prop_assert_eq!(usize::from(array.open), open);
        let majority = array.shape.majority();
        let completed = self.tasks.iter().filter(|task| task.count(Replica::Completed) >= majority).count();
        prop_assert_eq!(usize::from(array.completed), completed);
        let lost = array.shape.replicas - majority + 1;
        let failed = self.tasks.iter().filter(|task| task.count(Replica::Failed) >= lost).count();
        prop_assert_eq!(usize::from(array.failed), failed);
        prop_assert_eq!(self.ends, usize::from(array.state == ArrayState::Over), "an array ends exactly once");
        prop_assert_eq!(array.reason == ArrayEnd::None, array.state == ArrayState::Open);
        Ok(())
    }

    /// Somebody does whatever can be done: with money in the purse, every array comes to its end.
    fn wind_up(&mut self) -> Result<(), TestCaseError> {
        self.purse.deposit(self.array.shape.budget).unwrap();
        for _ in 0..=self.array.shape.count {
            while self.apply(Step::End(0, 100, false)).is_ok() {}
            while self.apply(Step::Close(0)).is_ok() {
                self.check()?;
            }
            if self.array.state == ArrayState::Over {
                break;
            }
            prop_assert_eq!(self.apply(Step::Open), Ok(()), "nothing runs, nothing opens, and it is not over");
            self.check()?;
        }
        prop_assert_eq!(self.array.check_close(), Ok(()));
        prop_assert_eq!(self.purse.reserved, Atoms::ZERO);
        Ok(())
    }
}

fn ended(well: bool, spent: Atoms) -> Ended {
    Ended { reason: EndReason::Completed, exit_code: Some(i32::from(!well)), spent }
}

fn no_bids() -> Ended {
    Ended { reason: EndReason::NoBids, exit_code: None, spent: Atoms::ZERO }
}

fn walk(shape: Shape, cap: Atoms, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new(shape, cap);
    world.check()?;
    for step in steps {
        let before = (world.array, world.purse);
        if world.apply(step).is_err() {
            prop_assert_eq!((world.array, world.purse), before, "a refusal changed something");
        }
        world.check()?;
    }
    world.wind_up()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn counters_budget_and_purse_agree_after_every_step_and_every_array_comes_to_its_end(
        (shape, cap) in shape(), steps in prop::collection::vec(step(), 0..120),
    ) {
        walk(shape, cap, steps)?;
    }

    #[test]
    fn a_cancellation_at_any_moment_ends_it_once(
        (shape, cap) in shape(), steps in prop::collection::vec(with_cancel(), 0..120),
    ) {
        walk(shape, cap, steps)?;
    }

    #[test]
    fn jobs_that_cost_nothing_let_every_task_run_on_the_smallest_budget(count in 1u16..=40, cap in 1u64..1_000_000) {
        let shape = Shape { count, quorum: count, replicas: 1, parallel: 1, budget: Atoms(cap) };
        let mut world = World::new(shape, Atoms(cap));
        for _ in 0..count {
            prop_assert_eq!(world.apply(Step::Open), Ok(()));
            prop_assert_eq!(world.apply(Step::End(0, 0, true)), Ok(()));
            prop_assert_eq!(world.apply(Step::Close(0)), Ok(()));
            world.check()?;
        }
        prop_assert_eq!(world.array.reason, ArrayEnd::Quorum);
    }

    #[test]
    fn a_budget_is_used_to_the_full(count in 2u16..=40, part in 1u16..=1_000, caps in 1u64..=20) {
        let (cap, caps) = (Atoms(1_000_000), caps.min(count.into()));
        let budget = Atoms(cap.0 * caps);
        let mut world = World::new(Shape { count, quorum: count, replicas: 1, parallel: 3, budget }, cap);
        while world.array.state == ArrayState::Open {
            while world.apply(Step::Open).is_ok() {}
            world.apply(Step::End(0, part, false)).unwrap();
            world.apply(Step::Close(0)).unwrap();
            world.check()?;
        }
        let all_ran = world.array.next == count;
        prop_assert!(all_ran || budget.0 - world.paid < cap.0, "{} of {} used", world.paid, budget.0);
    }

    #[test]
    fn any_shape_is_taken_or_refused_without_a_panic(
        numbers in any::<(u16, u16, u8, u8)>(), budget in any::<u64>(), cap in amount(),
    ) {
        let (count, quorum, replicas, parallel) = numbers;
        let shape = Shape { count, quorum, replicas, parallel, budget: Atoms(budget) };
        if let Ok(array) = Array::post(shape, cap) {
            prop_assert_eq!(invariant::array(&array), Ok(()));
            prop_assert!(shape.quorum <= shape.count && shape.count <= MAX_TASKS && shape.parallel <= MAX_PARALLEL);
        }
    }

    #[test]
    fn kin_is_symmetric_and_means_a_common_mark(
        one in prop::collection::vec(prop::array::uniform8(0u8..2), 0..12),
        other in prop::collection::vec(prop::array::uniform8(0u8..2), 0..12),
    ) {
        let common = one.iter().any(|mark| *mark != [0; 8] && other.contains(mark));
        prop_assert_eq!(kin(&one, &other), common);
        prop_assert_eq!(kin(&other, &one), common);
    }
}

#[test]
fn the_bounds_of_a_shape_are_these() {
    let cap = Atoms(100);
    let good = Shape { count: 10, quorum: 5, replicas: 2, parallel: 4, budget: Atoms(2_000) };
    assert_eq!(good.check(cap), Ok(()));
    assert_eq!(Shape { budget: Atoms(200), ..good }.check(cap), Ok(()));
    for bad in [
        Shape { count: 0, ..good },
        Shape { count: MAX_TASKS + 1, ..good },
        Shape { quorum: 0, ..good },
        Shape { quorum: 11, ..good },
        Shape { replicas: 0, ..good },
        Shape { replicas: MAX_REPLICAS + 1, ..good },
        Shape { parallel: 0, ..good },
        Shape { parallel: MAX_PARALLEL + 1, ..good },
    ] {
        assert_eq!(bad.check(cap), Err(RuleError::ArrayShape), "{bad:?}");
    }
    for budget in [199, 2_001] {
        assert_eq!(Shape { budget: Atoms(budget), ..good }.check(cap), Err(RuleError::ArrayBudget));
    }
    let largest = Shape { count: MAX_TASKS, quorum: 1, replicas: 3, parallel: 64, budget: Atoms(u64::MAX) };
    assert_eq!(largest.check(Atoms(u64::MAX / 2)), Err(RuleError::Overflow));
}

#[test]
fn a_task_is_decided_by_the_majority_of_its_replicas() {
    let majority = |replicas| Shape { count: 1, quorum: 1, replicas, parallel: 1, budget: Atoms(1) }.majority();
    assert_eq!([1, 2, 3].map(majority), [1, 2, 2]);
    assert_eq!([1, 2, 3].map(|replicas| Task::opened(replicas).count(Replica::Open)), [1, 2, 3]);
    assert_eq!(Task::opened(3).get(3), Replica::Waiting);
}

#[test]
fn each_door_of_an_array_opens_in_its_state_only() {
    let shape = Shape { count: 2, quorum: 1, replicas: 1, parallel: 1, budget: Atoms(200) };
    let mut array = Array::post(shape, Atoms(100)).unwrap();
    let none = Atoms::ZERO;
    assert_eq!(array.check_close(), Err(RuleError::WrongState));
    assert_eq!(array.check_cancel_task(), Err(RuleError::WrongState));
    assert_eq!(array.check_stop_task(), Err(RuleError::WrongState));
    assert_eq!(array.open_task(1, none), Err(RuleError::TaskOutOfOrder));
    assert!(array.openable());
    assert!(array.open_task(0, none).unwrap().is_some());
    assert!(!array.openable());
    assert_eq!(array.open_task(0, none), Ok(None));
    assert_eq!(array.open_task(1, none), Err(RuleError::ArrayFull));
    let task = Task::opened(1);
    assert_eq!(
        array.close_job(task, 1, &ended(true, none), none),
        Err(RuleError::WrongState),
        "it has no second replica"
    );
    let mut cancelled = array;
    assert_eq!(cancelled.cancel(), Some(Atoms(100)));
    assert_eq!(cancelled.cancel(), None);
    assert_eq!(cancelled.open_task(1, none), Ok(None));
    assert_eq!(cancelled.check_cancel_task(), Ok(()));
    assert_eq!(cancelled.check_stop_task(), Err(RuleError::WrongState), "its leases are the buyer's to stop");
    assert_eq!(cancelled.check_close(), Err(RuleError::TasksOpen));
    let closed = array.close_job(task, 0, &ended(true, Atoms(40)), none).unwrap();
    assert_eq!((closed.released, closed.ended, closed.task_over), (Atoms(100), true, true));
    assert_eq!(array.check_stop_task(), Ok(()));
    assert_eq!(array.check_close(), Ok(()));
}

#[test]
fn every_byte_of_state_and_reason_is_known_or_refused() {
    for state in [ArrayState::Open, ArrayState::Over] {
        assert_eq!(ArrayState::from_byte(state as u8), Ok(state));
    }
    assert_eq!(ArrayState::from_byte(0), Err(RuleError::WrongState));
    let reasons = [ArrayEnd::None, ArrayEnd::Quorum, ArrayEnd::Exhausted, ArrayEnd::Cancelled];
    for (byte, reason) in (0..).zip(reasons) {
        assert_eq!(ArrayEnd::from_byte(byte), Ok(reason));
        assert!(!reason.name().is_empty());
    }
    assert_eq!(ArrayEnd::from_byte(4), Err(RuleError::WrongState));
}
