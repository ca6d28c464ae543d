//! An array of tasks.

use gridlease_core::array::{Array as Rules, ArrayEnd, ArrayState, Shape, Task};
use gridlease_core::job::{Mode, Terms};
use gridlease_core::{Atoms, Now, PricePerHour, RuleResult, Seconds, invariant};

use crate::account::Array;

impl Array {
    /// The terms of each of its jobs.
    pub fn terms(&self) -> Terms {
        Terms {
            max_price: PricePerHour(self.max_price),
            max_duration: Seconds(self.max_duration_s.into()),
            window: Seconds(self.window_s.into()),
            attempts: self.attempts,
            mode: Mode::Open,
            reveal: Seconds(self.reveal_s.into()),
            wait: Seconds(self.wait_s.into()),
            review: Seconds(self.review_s.into()),
        }
    }

    /// The array's moving parts.
    pub fn rules(&self) -> RuleResult<Rules> {
        Ok(Rules {
            state: ArrayState::from_byte(self.header.state)?,
            reason: ArrayEnd::from_byte(self.reason)?,
            shape: Shape {
                count: self.count,
                quorum: self.quorum,
                replicas: self.replicas,
                parallel: self.parallel,
                budget: Atoms(self.budget),
            },
            cap: Atoms(self.cap),
            reserved: Atoms(self.reserved),
            spent: Atoms(self.spent),
            next: self.next,
            open: self.open,
            jobs: self.jobs,
            completed: self.completed,
            failed: self.failed,
        })
    }

    /// Writes the array's moving parts back, after the invariant was checked.
    pub fn set_rules(&mut self, next: &Rules, now: Now) -> RuleResult<()> {
        invariant::array(next)?;
        self.header.state = next.state as u8;
        self.reason = next.reason as u8;
        self.reserved = next.reserved.0;
        self.spent = next.spent.0;
        self.next = next.next;
        self.open = next.open;
        self.jobs = next.jobs;
        self.completed = next.completed;
        self.failed = next.failed;
        if next.state == ArrayState::Over {
            if self.ended_ts == 0 {
                self.ended_ts = now.ts.0;
            }
            self.header.due_ts = self.ended_ts;
        } else {
            self.header.due_ts = if next.openable() { now.ts.0 } else { 0 };
        }
        Ok(())
    }

    /// State; `None` for a byte that this version does not know.
    pub fn state(&self) -> Option<ArrayState> {
        ArrayState::from_byte(self.header.state).ok()
    }

    /// Why it is over.
    pub fn end_reason(&self) -> ArrayEnd {
        ArrayEnd::from_byte(self.reason).unwrap_or(ArrayEnd::None)
    }

    /// Its tasks, in order, out of the account's whole data; `None` where they are cut off.
    pub fn tasks(&self, data: &[u8]) -> Option<Vec<Task>> {
        let from = Self::space(0, 0);
        let bytes = data.get(from..from + usize::from(self.count))?;
        Some(bytes.iter().copied().map(Task).collect())
    }
}
