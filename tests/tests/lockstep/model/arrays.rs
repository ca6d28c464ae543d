//! Arrays, their tasks, and who runs the replicas of one task.

use std::collections::BTreeMap;

use gridlease_core::array::{Array, ArrayState, Ended, Mark, Shape, Task, kin};
use gridlease_core::job::{Job, JobState, Mode, Terms, check_care};
use gridlease_core::lease::LeaseState;
use gridlease_core::purse_key::PurseStep;
use gridlease_core::score::Weights;
use gridlease_core::{Atoms, Now, PricePerHour, Seconds, UnixTs, job_number, tip};
use gridlease_sdk::address;
use solana_pubkey::Pubkey;

use super::{Answer, GONE, InMarket, JOBS, Model, Posted, THERE_ALREADY, require};
use crate::command::arrays::{ArrayStep, TaskStep};
use crate::command::{By, JobTerms, WEIGHTS};
use crate::scene;

/// Places for arrays; the buyer of each is its number modulo the buyers.
pub const ARRAYS: usize = 4;

/// An array, and whether its account is still there.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub key: Pubkey,
    pub buyer: usize,
    pub open: bool,
    pub rules: Array,
    pub terms: JobTerms,
    pub tasks: Vec<Task>,
    /// Who stands behind the providers of the replicas of each open task.
    pub groups: BTreeMap<u16, [Vec<Mark>; 3]>,
    pub ended_ts: u64,
    pub due: u64,
    pub lamports: u64,
}

/// The place of a job in an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskOf {
    /// The array's place.
    pub array: usize,
    pub task: u16,
    pub replica: u8,
}

/// The rules' terms of a job.
pub fn terms_of(terms: &JobTerms) -> Terms {
    Terms {
        max_price: PricePerHour(terms.max_price),
        max_duration: Seconds(terms.max_duration_s.into()),
        window: Seconds(terms.window_s.into()),
        attempts: terms.attempts,
        mode: Default::default(),
        reveal: Seconds(terms.reveal_s.into()),
        wait: Seconds(terms.wait_s.into()),
        review: Seconds(terms.review_s.into()),
    }
}

impl Series {
    fn set_rules(&mut self, next: Array, now: Now) {
        self.rules = next;
        self.due = match next.state {
            ArrayState::Over => {
                if self.ended_ts == 0 {
                    self.ended_ts = now.ts.0;
                }
                self.ended_ts
            }
            ArrayState::Open if next.openable() => now.ts.0,
            ArrayState::Open => 0,
        };
    }

    /// The task that a command means.
    pub fn task(&self, ahead: i8) -> u16 {
        self.rules.next.saturating_add_signed(ahead.into())
    }
}

fn mark(key: &Pubkey) -> Mark {
    *key.as_ref().first_chunk().unwrap()
}

impl Model {
    /// The array in a place, whose account is there.
    pub fn series(&self, array: usize) -> Option<&Series> {
        self.arrays[array].as_ref().filter(|series| series.open)
    }

    fn series_mut(&mut self, array: usize) -> Result<&mut Series, String> {
        self.arrays[array].as_mut().filter(|series| series.open).ok_or_else(|| GONE.to_owned())
    }

    /// Free places for jobs of the array's buyer, as many as its tasks have replicas; `None` where there are not so many.
    pub fn task_places(&self, array: usize) -> Option<Vec<usize>> {
        let (buyers, replicas) = (self.buyers.len(), usize::from(self.series(array)?.rules.shape.replicas));
        let free = (0..JOBS).rev().filter(|place| place % buyers == array % buyers && self.is_free(*place));
        let places: Vec<_> = free.take(replicas).collect();
        (places.len() == replicas).then_some(places)
    }

    pub(super) fn array(&mut self, array: usize, step: &ArrayStep) -> Answer {
        match *step {
            ArrayStep::Post { by, shape, terms } => self.post_array(array, by, &shape, &terms),
            ArrayStep::Open { ahead } => self.open_task(array, ahead),
            ArrayStep::Cancel { by } => self.cancel_array(array, by),
            ArrayStep::Close => {
                let series = self.series_mut(array)?;
                series.rules.check_close().market()?;
                series.open = false;
                let (key, buyer, lamports, due) = (series.key, series.buyer, series.lamports, series.due);
                let shape = series.rules.shape;
                // The rent of all its tasks is back in it, and is no tip.
                let besides = self.rents.of_task(shape.replicas) * u64::from(shape.parallel);
                self.tip(lamports, self.rents.of_array(shape.count) + besides, UnixTs(due));
                self.closed.push(key);
                self.purse(buyer)?.open_jobs -= 1;
                Ok(())
            }
        }
    }

    pub(super) fn task(&mut self, job: usize, step: &TaskStep) -> Answer {
        match *step {
            TaskStep::Close => self.close_task(job),
            TaskStep::Cancel => self.cancel_task(job),
            TaskStep::Stop { lease } => self.stop_task(job, lease),
        }
    }

    fn post_array(&mut self, array: usize, by: By, shape: &Shape, terms: &JobTerms) -> Answer {
        let (buyer, now) = (array % self.buyers.len(), self.now);
        let (owner, purse_key) = (self.buyers[buyer].key, self.buyers[buyer].purse_key);
        let number = scene::job_number(self, buyer, terms);
        let key = address::array(&purse_key, number);
        require(self.buyers[buyer].purse.is_some(), GONE)?;
        require(!self.arrays.iter().flatten().any(|series| series.open && series.key == key), THERE_ALREADY)?;
        require(self.signer(by, owner) == owner, "market NotBuyer")?;
        self.intake_of(terms.verify)?;
        require(terms.mode == Mode::Open as u8, "market NotTaken")?;
        check_care(Seconds(terms.notice_s.into()), Seconds(terms.checkpoint_s.into())).market()?;
        scene::need(terms).check().market()?;
        Weights::new(WEIGHTS[usize::from(terms.weights)]).market()?;
        let purse = self.purse(buyer)?;
        require(number > purse.last_job, "market NumberUsed")?;
        job_number::check(number, now.slot).market()?;
        let asked = terms_of(terms);
        asked.check().market()?;
        let rules = Array::post(*shape, asked.cap().market()?).market()?;
        purse.amounts.reserve(rules.reserved).market()?;
        purse.last_job = number;
        purse.open_jobs += 1;
        self.under_cap(rules.reserved)?;
        let mut series = Series {
            key,
            buyer,
            open: true,
            rules,
            terms: *terms,
            tasks: vec![Task::default(); shape.count.into()],
            groups: BTreeMap::new(),
            ended_ts: 0,
            due: 0,
            lamports: self.rents.of_array(shape.count)
                + self.rents.of_task(shape.replicas) * u64::from(shape.parallel)
                + tip::prepaid_array(
                    shape.count.into(),
                    u32::from(shape.parallel) * u32::from(shape.replicas),
                    terms.attempts,
                ),
        };
        series.set_rules(rules, now);
        self.arrays[array] = Some(series);
        Ok(())
    }

    fn open_task(&mut self, array: usize, ahead: i8) -> Answer {
        let now = self.now;
        let places = self.task_places(array).ok_or(GONE)?;
        let series = self.series_mut(array)?.clone();
        let task = series.task(ahead);
        let free = self.purse(series.buyer)?.amounts.free().market()?;
        let mut next = series.rules;
        let Some(opened) = next.open_task(task, free).market()? else {
            self.noted.push("a task was open before, or its array over");
            return Ok(());
        };
        self.intake()?;
        let replicas = next.shape.replicas;
        let purse = self.purse(series.buyer)?;
        purse.open_jobs += u32::from(replicas);
        if !opened.added.is_zero() {
            purse.amounts.reserve(opened.added).market()?;
            self.noted.push("an opening reserved more of the budget");
        }
        let rules = Job::post(terms_of(&series.terms), now).market()?;
        require(rules.reserved == next.cap, "market Unrelated")?;
        let (lamports, parts) = self.hand_out(&series, &next)?;
        let changed = self.series_mut(array)?;
        changed.lamports = lamports;
        changed.set_rules(next, now);
        changed.tasks[usize::from(task)] = Task::opened(replicas);
        if replicas > 1 {
            changed.groups.insert(task, Default::default());
            self.noted.push("a task with replicas was opened");
        } else {
            self.noted.push("a task was opened");
        }
        for ((replica, place), part) in (0..replicas).zip(places).zip(parts) {
            self.jobs[place] = Some(Posted {
                key: address::task_job(&series.key, task, replicas, replica),
                buyer: series.buyer,
                open: true,
                rules,
                need: scene::need(&series.terms),
                weights: WEIGHTS[usize::from(series.terms.weights)],
                image_mb: series.terms.image_mb,
                book: Default::default(),
                excluded: Vec::new(),
                ended_ts: 0,
                leases: Vec::new(),
                payer: series.key,
                notice: Seconds(series.terms.notice_s.into()),
                checkpoint_every: Seconds(series.terms.checkpoint_s.into()),
                reporter: Default::default(),
                rejects: 0,
                checkpoint: (0, [0; 32], 0),
                lamports: self.rents.job + part,
                sealed: Vec::new(),
                spent: 0,
                exit: None,
                class: series.terms.verify,
                task: Some(TaskOf { array, task, replica }),
            });
        }
        Ok(())
    }

    /// The array pays the rent of a task's accounts and hands its jobs what it has for tips; what it has then, and what each
    /// job gets beside its rent.
    fn hand_out(&mut self, series: &Series, next: &Array) -> Result<(u64, Vec<u64>), String> {
        let shape = next.shape;
        let (own, of_task) = (self.rents.of_array(shape.count), self.rents.of_task(shape.replicas));
        let left = series.lamports.checked_sub(of_task).filter(|left| *left >= own);
        let mut left = left.ok_or("market NoTaskRent")?;
        let others = u64::from(u16::from(shape.parallel).saturating_sub(next.open));
        // The rent of jobs that are closed is not for tips where another replica of the task is open.
        let closed = u64::from(next.open * u16::from(shape.replicas) - next.jobs);
        let besides = of_task * others + self.rents.job * closed;
        let of_itself = tip::prepaid(u64::from(shape.count - next.next) + 1);
        let wanted = tip::prepaid_job(series.terms.attempts);
        let mut parts = Vec::new();
        for _ in 0..shape.replicas {
            let part = tip::payable(wanted, left, own + besides + of_itself);
            left -= part;
            parts.push(part);
            self.noted.push(match part {
                0 => "a task got nothing for tips",
                part if part < wanted => "a task got for tips what its array had",
                _ => "a task got all that it can need for tips",
            });
        }
        Ok((self.tip(left, own + besides, UnixTs(series.due)), parts))
    }

    fn cancel_array(&mut self, array: usize, by: By) -> Answer {
        let now = self.now;
        self.series_mut(array)?;
        self.in_the_name_of(array % self.buyers.len(), by, PurseStep::Cancel)?;
        let series = self.series_mut(array)?;
        let mut next = series.rules;
        let Some(back) = next.cancel() else { return Ok(()) };
        series.set_rules(next, now);
        let buyer = series.buyer;
        self.noted.push("an array was cancelled");
        self.purse(buyer)?.amounts.release(back).market()
    }

    /// The job in that place with what it is a task of.
    fn task_of(&mut self, job: usize) -> Result<(Posted, TaskOf), String> {
        let posted = self.posted(job)?.clone();
        let task = posted.task.ok_or("no task of an array")?;
        Ok((posted, task))
    }

    fn close_task(&mut self, job: usize) -> Answer {
        let now = self.now;
        let (mut posted, of) = self.task_of(job)?;
        posted.rules.check_close().market()?;
        let ended = Ended { reason: posted.rules.reason, exit_code: posted.exit, spent: Atoms(posted.spent) };
        let free = self.purse(posted.buyer)?.amounts.free().market()?;
        let (rent, of_group) = (self.rents.job, self.rents.group);
        let series = self.series_mut(of.array)?;
        let mut next = series.rules;
        let before = series.tasks[usize::from(of.task)];
        let closed = next.close_job(before, of.replica, &ended, free).market()?;
        series.set_rules(next, now);
        series.tasks[usize::from(of.task)] = closed.task;
        if closed.task_over && series.groups.remove(&of.task).is_some() {
            series.lamports += of_group;
            let group = address::task_group(&series.key, of.task);
            self.closed.push(group);
        }
        let purse = self.purse(posted.buyer)?;
        if !closed.added.is_zero() {
            purse.amounts.reserve(closed.added).market()?;
            self.noted.push("a closing reserved more of the budget");
        }
        self.purse(posted.buyer)?.amounts.release(closed.released).market()?;
        self.purse(posted.buyer)?.open_jobs -= 1;
        self.noted.push(if ended.completed() { "a task's job completed" } else { "a task's job failed" });
        if closed.ended {
            self.noted.push(match next.reason {
                gridlease_core::array::ArrayEnd::Quorum => "an array reached its quorum",
                _ => "an array was exhausted",
            });
        }
        let left = self.tip(posted.lamports, rent, posted.due());
        self.series_mut(of.array)?.lamports += left;
        posted.open = false;
        self.closed.push(posted.key);
        self.jobs[job] = Some(posted);
        Ok(())
    }

    fn cancel_task(&mut self, job: usize) -> Answer {
        let now = self.now;
        let (mut posted, of) = self.task_of(job)?;
        let series = self.series_mut(of.array)?;
        series.rules.check_cancel_task().market()?;
        let due = UnixTs(series.due);
        let mut next = posted.rules;
        if !matches!(next.state, JobState::Open | JobState::Waiting) {
            self.noted.push("a task was leased or over when it was cancelled");
            return Ok(());
        }
        let back = next.cancel().market()?;
        posted.set_rules(&next, now);
        self.purse(posted.buyer)?.amounts.release(back).market()?;
        self.jobs[job] = Some(posted);
        self.tip_of_job(job, due);
        self.noted.push("a task was cancelled");
        Ok(())
    }

    fn stop_task(&mut self, job: usize, lease: usize) -> Answer {
        let now = self.now;
        let (_, of) = self.task_of(job)?;
        let (posted, at) = self.let_with_job(job, lease)?;
        let series = self.series_mut(of.array)?;
        series.rules.check_stop_task().market()?;
        let due = UnixTs(series.due);
        let state = posted.leases[at].rules.state;
        if state.is_over() || state == LeaseState::Finished {
            self.noted.push("a task's lease was over when it was stopped");
            return Ok(());
        }
        self.noted.push("a task's lease was stopped");
        self.end(posted, at, job, |lease| lease.stop(now))?;
        self.tip_of_job(job, due);
        Ok(())
    }

    /// Everybody who stands behind a provider.
    fn behind(&self, provider: usize) -> Vec<Mark> {
        let owner = &self.providers[provider];
        let (node, payout) = owner.record.map(|record| (record.node, record.payout)).unwrap_or_default();
        let own = [mark(&owner.authority), mark(&node), mark(&payout)];
        let delegators = owner.holdings.kin.iter().map(|holder| mark(&self.holder(*holder)));
        own.into_iter().chain(delegators).collect()
    }

    /// Is the provider no kin of those that were awarded the other replicas of the task? (Who has no bond is refused for
    /// that.)
    pub(super) fn check_kin(&self, posted: &Posted, provider: usize) -> Answer {
        let Some(of) = posted.task else { return Ok(()) };
        let group = self.series(of.array).and_then(|series| series.groups.get(&of.task));
        let Some(group) = group.filter(|_| self.providers[provider].bond.is_some()) else { return Ok(()) };
        let own = self.behind(provider);
        let others = group.iter().enumerate().filter(|(replica, _)| *replica != usize::from(of.replica));
        for (_, other) in others {
            require(!kin(&own, other), "market Kin")?;
        }
        Ok(())
    }

    /// The provider was awarded a replica.
    pub(super) fn admit(&mut self, posted: &Posted, provider: usize) {
        let Some(of) = posted.task else { return };
        let behind = self.behind(provider);
        let series = self.arrays[of.array].as_mut();
        if let Some(group) = series.and_then(|series| series.groups.get_mut(&of.task)) {
            group[usize::from(of.replica)] = behind;
        }
    }
}
