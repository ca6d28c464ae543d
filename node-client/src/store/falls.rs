//! The runs of a job's own container that failed and that another one followed, or follows, in the same lease.

use gridlease_sdk::manifest::Restart;
use serde::{Deserialize, Serialize};

use super::{Ended, LeaseRecord, Phase, StopReason};
use crate::driver::Exit;
use crate::stats::PeakMemory;

/// For how long after the next run was due a job counts as about to run, milliseconds.
const AT_ONCE_MS: i64 = 60_000;
/// Most falls of a lease, with those that do not count because machine or engine went away.
const MOST: usize = 40;
/// What a node needs to see an end, and to start the next run, without anybody being down, milliseconds.
const USUAL_MS: i64 = 5_000;

/// When a run began and ended, and when its end was seen, Unix milliseconds of the node's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// Its begin.
    pub began_ms: i64,
    /// Its end.
    pub ended_ms: i64,
    /// When that was seen.
    pub seen_ms: i64,
}

impl Times {
    /// Of a run on a machine whose clock is the chain's.
    #[cfg(test)]
    pub(crate) fn of(exit: &Exit, seen_ms: i64) -> Self {
        Self { began_ms: exit.started_at_ms, ended_ms: exit.finished_at_ms, seen_ms }
    }
}

/// A run that failed. Those that were not interrupted are never more than [`Restart::max`] allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fall {
    /// How it ended.
    pub ended: Ended,
    /// When it had begun, Unix milliseconds of the engine's clock: what tells it from the next.
    pub started_at_ms: i64,
    /// What its memory came to, as far as it was seen.
    pub memory: Option<PeakMemory>,
    /// Whether the node could not look while it ran, or the engine ended meanwhile, so that its end may not be the job's doing.
    pub interrupted: bool,
    /// When the node saw it, Unix milliseconds of the node's clock.
    pub at_ms: i64,
    /// How long after its end that was, milliseconds.
    #[serde(default)]
    pub seen_late_ms: i64,
    /// For how long the lease's containers had stood still by its end, milliseconds.
    #[serde(default)]
    pub stood_ms: i64,
    /// The pause before the next run, seconds.
    pub pause_s: u32,
    /// Restarts in all that the job has.
    pub of: u32,
    /// When the node was to end the lease in the pause, Unix milliseconds of its clock.
    #[serde(default)]
    pub stop_ms: Option<i64>,
    /// From when on what the container writes is the next run's, Unix milliseconds of this machine's clock; on disk before it starts.
    pub next_ms: Option<i64>,
    /// Whether the next run has begun.
    pub again: bool,
}

impl Fall {
    /// When the next run is to begin, Unix milliseconds of the node's clock.
    #[must_use]
    pub fn due_ms(&self) -> i64 {
        self.at_ms.saturating_add(i64::from(self.pause_s) * 1_000)
    }

    /// When the run ended, Unix milliseconds of the node's clock.
    #[must_use]
    pub fn ended_ms(&self) -> i64 {
        self.at_ms.saturating_sub(self.seen_late_ms)
    }
}

impl LeaseRecord {
    /// The run that failed and that no other has followed yet.
    #[must_use]
    pub fn down(&self) -> Option<&Fall> {
        self.falls.last().filter(|fall| !fall.again && self.ended.is_none())
    }

    /// Whether the job is between two runs and the next begins when it is due, as far as can be told: a sign of life is true then.
    #[must_use]
    pub fn is_about_to_run(&self, now_ms: i64) -> bool {
        self.down().is_some_and(|fall| now_ms < fall.due_ms().saturating_add(AT_ONCE_MS))
    }

    /// Whether another run follows, or has begun to, on the one that ended so.
    #[must_use]
    pub fn goes_on(&self, exit: &Exit, restart: Option<&Restart>) -> bool {
        let Some(restart) = restart else { return false };
        let noted = self.falls.last().is_some_and(|fall| fall.started_at_ms == exit.started_at_ms);
        let counted = u32::try_from(self.falls.iter().filter(|fall| !fall.interrupted).count());
        let left = self.falls.len() < MOST && (self.unseen || counted.is_ok_and(|falls| falls < restart.max));
        self.ended.is_none()
            && self.stop.is_none()
            && !matches!(self.phase, Phase::Failed { .. })
            && exit.code != 0
            && (noted || left)
    }

    /// A run failed, and another is to follow. What is noted already stays.
    pub fn fell(&mut self, exit: &Exit, restart: &Restart, memory: Option<PeakMemory>, times: Times) {
        if self.falls.last().is_some_and(|fall| fall.started_at_ms == exit.started_at_ms) {
            return;
        }
        self.begun_again(times.began_ms);
        self.seen_paused(false, times.ended_ms);
        self.unwell = None;
        let ran_s = exit.finished_at_ms.saturating_sub(exit.started_at_ms).max(0).unsigned_abs() / 1_000;
        let before = self.falls.last().map(|fall| fall.pause_s);
        self.falls.push(Fall {
            ended: Ended::from(exit),
            started_at_ms: exit.started_at_ms,
            memory,
            interrupted: false,
            at_ms: times.seen_ms,
            seen_late_ms: times.seen_ms.saturating_sub(times.ended_ms).max(0),
            stood_ms: self.stood_ms,
            pause_s: restart.pause_s(before, ran_s),
            of: restart.max,
            stop_ms: None,
            next_ms: None,
            again: false,
        });
    }

    /// The run that is to follow has begun, at `began_ms` of the node's clock. The pause is paid for; that nobody was there to see the
    /// fall, or to start the next run when it was due, is not.
    pub fn begun_again(&mut self, began_ms: i64) {
        let metered_ms = self.metered_ms.unwrap_or(0);
        let Some(fall) = self.falls.last_mut().filter(|fall| !fall.again) else { return };
        fall.again = true;
        self.unseen = false;
        let unseen = down_ms(metered_ms, fall.ended_ms(), fall.at_ms);
        let idle = unseen.saturating_add(down_ms(metered_ms, fall.due_ms(), began_ms));
        self.stood_ms = self.stood_ms.saturating_add(idle);
    }

    /// When a job ended between two runs, Unix milliseconds of the node's clock; none where it is not between two. A pause that no run
    /// follows is not paid, but for one in which the job did something: its services ran on, or it is what filled the disk.
    pub fn end_between_runs(&mut self, services: bool) -> Option<i64> {
        let (stop, metered_ms) = (self.stop, self.metered_ms.unwrap_or(0));
        let fall = self.falls.last().filter(|fall| !fall.again)?;
        let paid = services || stop == Some(StopReason::DiskFull);
        match fall.stop_ms.filter(|_| paid && stop.is_some()) {
            Some(stop_ms) => {
                self.stood_ms = self.stood_ms.saturating_add(down_ms(metered_ms, fall.ended_ms(), fall.at_ms));
                Some(stop_ms.min(fall.due_ms()).max(fall.ended_ms()))
            }
            None => {
                self.stood_ms = fall.stood_ms;
                Some(fall.ended_ms())
            }
        }
    }

    /// When each run but the first began, or was about to, Unix milliseconds of this machine's clock.
    #[must_use]
    pub fn later_runs_ms(&self) -> Vec<i64> {
        self.falls.iter().filter_map(|fall| fall.next_ms).collect()
    }
}

/// How much of this time nobody was there, milliseconds, of what is billed.
fn down_ms(metered_ms: i64, from: i64, to: i64) -> i64 {
    to.saturating_sub(from.max(metered_ms)).saturating_sub(USUAL_MS).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exit(code: i64, started_at_ms: i64) -> Exit {
        Exit { code, oom_killed: false, started_at_ms, finished_at_ms: started_at_ms + 1_000 }
    }

    const TWICE: Restart = Restart { max: 2, delay_s: 3 };

    #[test]
    fn each_run_that_fails_is_counted_once_and_none_after_the_last_that_is_allowed() {
        let mut record = LeaseRecord::some();
        for (n, at) in [(0, 10_000), (1, 20_000)] {
            assert!(record.goes_on(&exit(3, at), Some(&TWICE)));
            for _ in 0..2 {
                record.fell(&exit(3, at), &TWICE, None, Times::of(&exit(3, at), at + 1_500));
            }
            assert_eq!(record.falls.len(), n + 1);
            assert_eq!(record.down().unwrap().due_ms(), at + 1_500 + 3_000 * (1 << n));
            let due = record.falls[n].due_ms();
            assert!(
                record.is_about_to_run(due) && !record.is_about_to_run(due + AT_ONCE_MS),
                "no life is shown for ever"
            );
            assert!(record.goes_on(&exit(3, at), Some(&TWICE)), "the one that is noted still waits for its next");
        }
        assert!(record.falls[0].again, "a run that ended had begun");
        assert!(!record.goes_on(&exit(3, 30_000), Some(&TWICE)));
        record.falls[0].interrupted = true;
        assert!(record.goes_on(&exit(3, 30_000), Some(&TWICE)), "what the machine's owner did is not counted");
        record.falls[0].interrupted = false;
        record.unseen = true;
        assert!(record.goes_on(&exit(3, 30_000), Some(&TWICE)), "nor is it before it is noted");
        record.falls = vec![record.falls[0].clone(); MOST];
        assert!(!record.goes_on(&exit(3, 30_000), Some(&TWICE)), "it has its bound, too");
    }

    const HOUR: i64 = 3_600_000;

    #[test]
    fn hours_in_which_nobody_was_there_to_start_the_next_run_are_not_billed_and_the_pause_is() {
        let fallen = |metered_ms, seen_ms| {
            let mut record = LeaseRecord::some();
            record.meter_started(metered_ms);
            record.fell(&exit(3, 60_000), &TWICE, None, Times::of(&exit(3, 60_000), seen_ms));
            assert_eq!((record.stood_s(), record.falls[0].ended_ms()), (0, 61_000), "no run has followed yet");
            record
        };
        let usual = USUAL_MS / 1_000;
        let stood = |mut record: LeaseRecord, began_ms| {
            for _ in 0..2 {
                record.begun_again(began_ms);
            }
            i64::from(record.stood_s())
        };
        assert_eq!(stood(fallen(0, 62_000), 65_500), 0, "a node that was there");
        assert_eq!(stood(fallen(0, 61_000 + 5 * HOUR), 5 * HOUR + 64_500), 5 * 3_600 - usual, "down at the fall");
        assert_eq!(stood(fallen(0, 62_000), 65_000 + 5 * HOUR), 5 * 3_600 - usual, "down when the next was due");
        let both = stood(fallen(0, 61_000 + HOUR), 64_000 + 2 * HOUR);
        assert_eq!(both, 2 * (3_600 - usual));
        assert_eq!(stood(fallen(HOUR, HOUR + 1_000), HOUR + 4_000), 0, "what was before the meter ran was not billed");
        // The next run began unseen, and ended.
        let mut unseen = fallen(0, 62_000);
        let second = exit(3, 65_000);
        unseen.fell(&second, &TWICE, None, Times::of(&second, 5 * HOUR));
        assert_eq!((unseen.stood_s(), unseen.falls[1].stood_ms), (0, 0), "it began in time");
        assert_eq!(stood(unseen, 5 * HOUR + 6_000), (5 * HOUR - 66_000) / 1_000 - usual);
    }

    #[test]
    fn a_pause_that_no_run_followed_is_paid_where_the_job_s_services_ran_on_or_it_filled_the_disk_and_not_otherwise() {
        let end = |stop: Option<(StopReason, i64)>, services, seen_ms| {
            let mut record = LeaseRecord::some();
            record.meter_started(0);
            let fallen = exit(3, 60_000);
            record.fell(&fallen, &Restart { max: 2, delay_s: 300 }, None, Times::of(&fallen, seen_ms));
            record.seen_paused(true, 70_000);
            record.seen_paused(false, 72_000);
            record.stop = stop.map(|(why, _)| why);
            record.falls[0].stop_ms = stop.map(|(_, at_ms)| at_ms);
            (record.end_between_runs(services).unwrap(), record.stood_s())
        };
        let (full, over) = (StopReason::DiskFull, StopReason::LeaseOver);
        assert_eq!(end(Some((full, 350_000)), false, 62_000), (350_000, 2), "by its own doing");
        assert_eq!(end(Some((over, 350_000)), true, 62_000), (350_000, 2), "its services ran on");
        assert_eq!(end(Some((over, 350_000)), false, 62_000), (61_000, 0));
        assert_eq!(end(None, true, 62_000), (61_000, 0), "no run could follow");
        assert_eq!(end(Some((full, 9_000_000)), false, 62_000), (362_000, 2), "no longer than the pause");
        let unseen = u32::try_from((HOUR - USUAL_MS) / 1_000).unwrap();
        assert_eq!(end(Some((full, HOUR + 90_000)), false, HOUR + 61_000), (HOUR + 90_000, unseen + 2));
        assert_eq!(LeaseRecord::some().end_between_runs(true), None);
    }

    #[test]
    fn only_a_failure_of_the_job_s_own_is_followed_by_another_run() {
        let goes_on = |change: fn(&mut LeaseRecord), code, restart: Option<&Restart>| {
            let mut record = LeaseRecord::some();
            change(&mut record);
            record.goes_on(&exit(code, 1), restart)
        };
        assert!(goes_on(|_| (), 137, Some(&TWICE)), "killed by its memory limit or by a signal, too");
        assert!(!goes_on(|_| (), 0, Some(&TWICE)));
        assert!(!goes_on(|_| (), 1, None), "never by default");
        assert!(!goes_on(|record| record.stop = Some(StopReason::OutOfFunds), 143, Some(&TWICE)));
        assert!(!goes_on(|record| record.reach(Phase::Failed { reason: String::new() }), 1, Some(&TWICE)));
        assert!(!goes_on(|record| record.ended = Some(Ended::lost()), 1, Some(&TWICE)));
    }
}
