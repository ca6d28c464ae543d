//! Arrays: one post, N tasks, done when k of them completed; each task is one job, or up to three replicas of it.
//!
//! | from | step | to |
//! |---|---|---|
//! | `Open` | the k-th task completed | `Over` (quorum) |
//! | `Open` | the last open task closed, none left or the budget used up | `Over` (exhausted) |
//! | `Open` | the buyer cancels | `Over` (cancelled) |
//! | `Over` | the last job closed | closed by anybody |
//!
//! **Money.** An array names a budget: at least what one task can cost, at most what all of them can. The budget is
//! reserved when the array is posted. Opening a task hands what it can cost at most to its jobs; what they do not spend
//! goes back to the purse's free balance, as with every job. When a job is closed, and when a task is opened, the array
//! reserves again what its budget still allows, as far as the purse's free balance goes: `reserved + what open jobs can
//! cost + spent ≤ budget`, so a budget smaller than the sum of all caps is used to the full, and never exceeded. Where the
//! purse is too poor for that the array waits; it is not over, and goes on when money comes in.
//!
//! **Completion.** A job completes where its container ended with exit code 0. A task completes when the majority of its
//! replicas has (one of one, two of two, two of three), and fails when that cannot happen any more. Failures never end an
//! array: who renders a thousand frames wants the other 999. Who does not cancels.
//!
//! **A quiet market** does not burn an array: a task's job without bids waits, as every job does.
//!
//! **Replicas** of one task run at providers that are no kin: see [`kin`].

use crate::error::{RuleError, RuleResult};
use crate::job::EndReason;
use crate::limits::{MAX_PARALLEL, MAX_REPLICAS, MAX_TASKS};
use crate::quantity::Atoms;

/// States of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ArrayState {
    /// Opens tasks.
    Open = 1,
    /// Opens no more; closed once its jobs are.
    Over = 2,
}

impl ArrayState {
    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub const fn from_byte(byte: u8) -> RuleResult<Self> {
        match byte {
            1 => Ok(Self::Open),
            2 => Ok(Self::Over),
            _ => Err(RuleError::WrongState),
        }
    }
}

/// Why an array is over. Never renumbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ArrayEnd {
    /// It is not.
    None = 0,
    /// As many tasks completed as were asked for.
    Quorum = 1,
    /// No further task can be opened, and fewer completed than were asked for.
    Exhausted = 2,
    /// The buyer cancelled it.
    Cancelled = 3,
}

impl ArrayEnd {
    /// From its byte in an account.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] for an unknown byte.
    pub const fn from_byte(byte: u8) -> RuleResult<Self> {
        match byte {
            0 => Ok(Self::None),
            1 => Ok(Self::Quorum),
            2 => Ok(Self::Exhausted),
            3 => Ok(Self::Cancelled),
            _ => Err(RuleError::WrongState),
        }
    }

    /// The words that a person reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "open",
            Self::Quorum => "as many tasks completed as were asked for",
            Self::Exhausted => "no further task can be opened",
            Self::Cancelled => "cancelled",
        }
    }
}

/// What a buyer asks for besides the terms of each job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Tasks, N.
    pub count: u16,
    /// Tasks that must complete, k.
    pub quorum: u16,
    /// Jobs of each task.
    pub replicas: u8,
    /// Tasks that may be open at a time.
    pub parallel: u8,
    /// The most that all of it may cost.
    pub budget: Atoms,
}

impl Shape {
    /// Is the shape inside its bounds, where one job can cost `cap`?
    ///
    /// # Errors
    /// [`RuleError::ArrayShape`], [`RuleError::ArrayBudget`], [`RuleError::Overflow`].
    pub fn check(&self, cap: Atoms) -> RuleResult<()> {
        let whole = self.count > 0
            && self.count <= MAX_TASKS
            && self.quorum > 0
            && self.quorum <= self.count
            && self.replicas > 0
            && self.replicas <= MAX_REPLICAS
            && self.parallel > 0
            && self.parallel <= MAX_PARALLEL;
        if !whole {
            return Err(RuleError::ArrayShape);
        }
        let least = times(cap, self.replicas.into())?;
        if self.budget < least || self.budget > times(least, self.count.into())? {
            return Err(RuleError::ArrayBudget);
        }
        Ok(())
    }

    /// Replicas that must complete for a task to complete: the majority.
    pub const fn majority(&self) -> u8 {
        self.replicas / 2 + 1
    }
}

fn times(amount: Atoms, count: u32) -> RuleResult<Atoms> {
    amount.0.checked_mul(count.into()).map(Atoms).ok_or(RuleError::Overflow)
}

/// State of one replica's job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Replica {
    /// Not opened.
    Waiting = 0,
    /// Its job is not closed.
    Open = 1,
    /// Closed; its container ended with exit code 0.
    Completed = 2,
    /// Closed; it ended in any other way.
    Failed = 3,
}

/// The replicas of one task: two bits each, in the byte that the array keeps for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task(pub u8);

impl Task {
    /// A task whose first `replicas` jobs are open.
    #[must_use]
    pub const fn opened(replicas: u8) -> Self {
        match replicas {
            1 => Self(0b01),
            2 => Self(0b0101),
            _ => Self(0b01_0101),
        }
    }

    /// State of replica number `replica`, from 0.
    pub const fn get(self, replica: u8) -> Replica {
        if replica >= MAX_REPLICAS {
            return Replica::Waiting;
        }
        match self.0 >> (2 * replica) & 0b11 {
            1 => Replica::Open,
            2 => Replica::Completed,
            3 => Replica::Failed,
            _ => Replica::Waiting,
        }
    }

    const fn set(self, replica: u8, state: Replica) -> Self {
        Self(self.0 & !(0b11 << (2 * replica)) | (state as u8) << (2 * replica))
    }

    /// How many of its replicas are in `state`.
    pub fn count(self, state: Replica) -> u8 {
        let mut count = 0;
        for replica in 0..MAX_REPLICAS {
            if self.get(replica) == state {
                count += 1;
            }
        }
        count
    }
}

/// The moving parts of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// State.
    pub state: ArrayState,
    /// Why it is over, or [`ArrayEnd::None`].
    pub reason: ArrayEnd,
    /// What was asked for.
    pub shape: Shape,
    /// The most that one job can cost.
    pub cap: Atoms,
    /// What the purse holds for the array itself (not for its jobs and leases).
    pub reserved: Atoms,
    /// What closed jobs have spent; what a buyer added to a lease beyond its job's cap does not count.
    pub spent: Atoms,
    /// The next task to open; the number of tasks opened so far.
    pub next: u16,
    /// Tasks with a job that is not closed.
    pub open: u16,
    /// Jobs that are not closed.
    pub jobs: u16,
    /// Tasks completed.
    pub completed: u16,
    /// Tasks failed.
    pub failed: u16,
}

/// How a task's job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Why.
    pub reason: EndReason,
    /// Exit code of the container, where one ran.
    pub exit_code: Option<i32>,
    /// What its leases owe and have paid, fee included.
    pub spent: Atoms,
}

impl Ended {
    /// Did its container end with exit code 0?
    pub fn completed(&self) -> bool {
        self.reason == EndReason::Completed && self.exit_code == Some(0)
    }
}

/// What opening a task moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// To reserve in the purse for the array, before.
    pub added: Atoms,
    /// To hand to the task's jobs, the cap to each; the purse stays as it is.
    pub handed: Atoms,
}

/// What closing a task's job leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The task after it.
    pub task: Task,
    /// The task has no open job any more.
    pub task_over: bool,
    /// What counts as spent: at most the job's cap.
    pub spent: Atoms,
    /// To reserve in the purse for the array.
    pub added: Atoms,
    /// To release from the array to the purse's free balance.
    pub released: Atoms,
    /// The array is over by this.
    pub ended: bool,
}

impl Array {
    /// An array whose jobs can cost `cap` each, with its budget reserved.
    ///
    /// # Errors
    /// Those of [`Shape::check`].
    pub fn post(shape: Shape, cap: Atoms) -> RuleResult<Self> {
        shape.check(cap)?;
        Ok(Self {
            state: ArrayState::Open,
            reason: ArrayEnd::None,
            shape,
            cap,
            reserved: shape.budget,
            spent: Atoms::ZERO,
            next: 0,
            open: 0,
            jobs: 0,
            completed: 0,
            failed: 0,
        })
    }

    /// What one task can cost at most.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn task_cap(&self) -> RuleResult<Atoms> {
        times(self.cap, self.shape.replicas.into())
    }

    /// What the budget still allows to reserve, and the tasks that are not open can cost.
    ///
    /// # Errors
    /// [`RuleError::Overflow`].
    pub fn headroom(&self) -> RuleResult<Atoms> {
        let bound = self.reserved.add(self.spent)?.add(times(self.cap, self.jobs.into())?)?;
        let left = times(self.task_cap()?, self.shape.count.saturating_sub(self.next).into())?;
        Ok(self.shape.budget.saturating_sub(bound).min(left.saturating_sub(self.reserved)))
    }

    /// Can a task be opened with what the array holds now?
    pub fn openable(&self) -> bool {
        self.state == ArrayState::Open
            && self.next < self.shape.count
            && self.open < u16::from(self.shape.parallel)
            && self.task_cap().is_ok_and(|cap| cap <= self.reserved)
    }

    /// Opens task number `task`, with `free` in the purse. `None` where it was opened before or the array is over.
    ///
    /// # Errors
    /// [`RuleError::TaskOutOfOrder`], [`RuleError::ArrayFull`], [`RuleError::ArrayShort`], [`RuleError::Overflow`].
    pub fn open_task(&mut self, task: u16, free: Atoms) -> RuleResult<Option<Opened>> {
        if self.state == ArrayState::Over || task < self.next {
            return Ok(None);
        }
        if task > self.next || task >= self.shape.count {
            return Err(RuleError::TaskOutOfOrder);
        }
        if self.open >= u16::from(self.shape.parallel) {
            return Err(RuleError::ArrayFull);
        }
        let added = self.headroom()?.min(free);
        let handed = self.task_cap()?;
        let reserved = self.reserved.add(added)?.sub(handed).map_err(|_| RuleError::ArrayShort)?;
        let jobs = self.jobs.checked_add(self.shape.replicas.into()).ok_or(RuleError::Overflow)?;
        self.reserved = reserved;
        self.jobs = jobs;
        self.open += 1; // at most `parallel`
        self.next += 1; // at most `count`
        Ok(Some(Opened { added, handed }))
    }

    /// Closes the job of `replica` (from 0) of a task that stands at `task`, after it `ended`, with `free` in the purse.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where that job is not open; [`RuleError::Overflow`], [`RuleError::InvariantBroken`].
    pub fn close_job(&mut self, task: Task, replica: u8, ended: &Ended, free: Atoms) -> RuleResult<Closed> {
        if task.get(replica) != Replica::Open {
            return Err(RuleError::WrongState);
        }
        let mut next = *self;
        let completed = ended.completed();
        let task = task.set(replica, if completed { Replica::Completed } else { Replica::Failed });
        next.jobs = next.jobs.checked_sub(1).ok_or(RuleError::InvariantBroken)?;
        let spent = ended.spent.min(next.cap);
        next.spent = next.spent.add(spent)?;
        let task_over = task.count(Replica::Open) == 0;
        if task_over {
            next.open = next.open.checked_sub(1).ok_or(RuleError::InvariantBroken)?;
        }
        let majority = next.shape.majority();
        if completed && task.count(Replica::Completed) == majority {
            next.completed = next.completed.checked_add(1).ok_or(RuleError::Overflow)?;
        }
        // So many failed that the others are no majority any more.
        let failed = u16::from(task.count(Replica::Failed));
        if !completed && failed + u16::from(majority) == u16::from(next.shape.replicas) + 1 {
            next.failed = next.failed.checked_add(1).ok_or(RuleError::Overflow)?;
        }
        let mut closed = Closed { task, task_over, spent, added: Atoms::ZERO, released: Atoms::ZERO, ended: false };
        if next.state == ArrayState::Open {
            match next.reason_to_end()? {
                ArrayEnd::None => {
                    closed.added = next.headroom()?.min(free);
                    next.reserved = next.reserved.add(closed.added)?;
                }
                reason => {
                    closed.released = next.end(reason);
                    closed.ended = true;
                }
            }
        }
        *self = next;
        Ok(closed)
    }

    /// The buyer wants no further task; returns what goes back to the purse, `None` where the array is over already.
    pub fn cancel(&mut self) -> Option<Atoms> {
        (self.state == ArrayState::Open).then(|| self.end(ArrayEnd::Cancelled))
    }

    /// May anybody cancel a task that has no lease yet? Once the array is over.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn check_cancel_task(&self) -> RuleResult<()> {
        if self.state == ArrayState::Over { Ok(()) } else { Err(RuleError::WrongState) }
    }

    /// May anybody stop the lease of a task? Once as many completed as were asked for; after a cancellation that is the
    /// buyer's decision.
    ///
    /// # Errors
    /// [`RuleError::WrongState`].
    pub fn check_stop_task(&self) -> RuleResult<()> {
        if self.reason == ArrayEnd::Quorum { Ok(()) } else { Err(RuleError::WrongState) }
    }

    /// The array is over, and so are its jobs.
    ///
    /// # Errors
    /// [`RuleError::WrongState`], [`RuleError::TasksOpen`].
    pub fn check_close(&self) -> RuleResult<()> {
        if self.state != ArrayState::Over {
            return Err(RuleError::WrongState);
        }
        if self.jobs != 0 { Err(RuleError::TasksOpen) } else { Ok(()) }
    }

    fn reason_to_end(&self) -> RuleResult<ArrayEnd> {
        if self.completed >= self.shape.quorum {
            return Ok(ArrayEnd::Quorum);
        }
        let used_up = self.shape.budget.saturating_sub(self.spent) < self.task_cap()?;
        let none_left = self.next == self.shape.count || used_up;
        Ok(if none_left && self.open == 0 { ArrayEnd::Exhausted } else { ArrayEnd::None })
    }

    fn end(&mut self, reason: ArrayEnd) -> Atoms {
        self.state = ArrayState::Over;
        self.reason = reason;
        core::mem::take(&mut self.reserved)
    }
}

/// First eight bytes of an address: enough to tell that two are the same.
pub type Mark = [u8; 8];

/// Are two providers kin? Each is told by the marks of everybody who stands behind it: its authority, its node key, its
/// payout account, and the delegators of its bond. They are kin where one mark is in both; zero marks count for nothing.
/// Eight bytes cannot be forged to differ, and an accidental or ground match costs a provider one replica, never money.
pub fn kin(one: &[Mark], other: &[Mark]) -> bool {
    one.iter().any(|mark| *mark != [0; 8] && other.contains(mark))
}
