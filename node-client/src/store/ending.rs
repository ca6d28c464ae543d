//! Why and how a container ended, in words for the buyer.

use gridlease_core::job::EndReason;

use nix::sys::signal::Signal;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::events::with_code;
use super::{Ended, Fall, LeaseRecord, StopReason};
use crate::stats::PeakMemory;

/// What a process ends with that was killed by signal 9, as the memory limit kills.
const KILLED: i64 = 137;

impl StopReason {
    /// Why the node stopped the container.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::LeaseOver => "the lease was over, so the node stopped the container",
            Self::OutOfFunds => "the reserved money was used up, so the node stopped the container",
            Self::Operator => "the node's operator stopped the container",
            Self::DiskFull => "the job filled its disk (`resources.disk`), and that ended it",
            Self::TooLate => "the start could not be reported before its deadline, so the node stopped the container",
        }
    }
}

impl LeaseRecord {
    /// The reason that the chain is told. `money_again`: a top-up came while the container was being stopped, so there is
    /// money, but nothing left to pay for.
    #[must_use]
    pub fn end_reason(&self, money_again: bool) -> EndReason {
        match self.stop {
            // A node that loses its container, or whose operator ends it, leaves without notice: the bond answers for it.
            Some(StopReason::Operator) => EndReason::Abandoned,
            _ if self.ended.as_ref().is_none_or(|ended| ended.lost) => EndReason::Abandoned,
            Some(StopReason::OutOfFunds) if !money_again => EndReason::OutOfFunds,
            Some(StopReason::DiskFull) => EndReason::DiskFull,
            Some(StopReason::OutOfFunds | StopReason::LeaseOver | StopReason::TooLate) | None => EndReason::Completed,
        }
    }

    /// Why the container ended where that was not its own doing, in words; none while it runs and where its exit code says all.
    #[must_use]
    pub fn ending(&self) -> Option<String> {
        let mut words: Vec<String> = self.stop.iter().map(|why| why.words().to_owned()).collect();
        if let Some(ended) = &self.ended {
            // Whose signal it was that ended a container that the node stopped needs no guess.
            if self.stop.is_none() || ended.lost || ended.oom_killed {
                words.extend(ended.words(self.memory.as_ref(), self.interrupted));
            }
            words.extend(self.not_again.clone());
            if self.stop.is_some() && !ended.lost {
                words.push(format!("it ended with code {}", ended.code));
            }
        }
        (!words.is_empty()).then(|| words.join("; "))
    }

    /// Which restart follows on this fall.
    pub(super) fn restart_in_words(&self, n: usize) -> String {
        let counted = self.falls.iter().take(n.saturating_add(1)).filter(|fall| !fall.interrupted).count();
        match self.falls.get(n) {
            Some(fall) if !fall.interrupted => format!("restart {counted} of {}", fall.of),
            _ => "a restart that does not count, as the machine or its engine went away".to_owned(),
        }
    }

    /// How often it was started again, and what for.
    fn falls_in_words(&self) -> Option<String> {
        let last = self.falls.last()?;
        Some(match self.down() {
            Some(fall) => format!(
                "its program ended {}; the container is started again at {} ({}), and the lease goes on",
                fall.words(),
                at(fall.due_ms()),
                self.restart_in_words(self.falls.len().saturating_sub(1))
            ),
            None => {
                let again = self.falls.iter().filter(|fall| fall.again);
                let (uncounted, counted): (Vec<_>, Vec<_>) = again.partition(|fall| fall.interrupted);
                let more = match uncounted.len() {
                    0 => String::new(),
                    times => format!(" and {times} more that do not count"),
                };
                let count = counted.len();
                format!("started again {count} of {} times{more}, before which it ended {}", last.of, last.words())
            }
        })
    }

    /// Everything that a person should know: how it ended, and the message; empty where there is nothing to say.
    #[must_use]
    pub fn words(&self) -> String {
        let paused = (self.paused_since_ms.is_some() && self.ended.is_none()).then(|| {
            "the container was paused from outside the node, and this time is not billed; \
             the machine's owner can resume it with `docker unpause`"
                .to_owned()
        });
        let unwell = self.unwell.as_ref().filter(|_| self.ended.is_none()).map(|unwell| {
            format!("the job is not well since {}, and the lease goes on: {}", at(unwell.since_ms), unwell.answer)
        });
        let message = (!self.message.is_empty()).then(|| self.message.clone());
        self.ending()
            .into_iter()
            .chain(self.falls_in_words())
            .chain(paused)
            .chain(unwell)
            .chain(message)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// A time as people read it, in UTC.
fn at(ms: i64) -> String {
    let at = OffsetDateTime::from_unix_timestamp(ms.div_euclid(1_000)).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_else(|| "an unknown time".to_owned())
}

/// The signal that an exit code stands for, in a shell's way of counting, with its name; none for those that a program would
/// rather choose itself.
fn signal(code: i64) -> Option<(i32, &'static str)> {
    let number = i32::try_from(code.checked_sub(128)?).ok()?;
    Signal::try_from(number).ok().map(|signal| (number, signal.as_str()))
}

impl Fall {
    /// How the run ended.
    #[must_use]
    pub fn words(&self) -> String {
        with_code(&self.ended, self.ended.words(self.memory.as_ref(), self.interrupted))
    }
}

impl Ended {
    fn words(&self, memory: Option<&PeakMemory>, interrupted: bool) -> Option<String> {
        if self.lost {
            return Some("the container vanished from the machine, so nobody knows how its program ended".to_owned());
        }
        // Engines miss kills, and the kernel's own counter goes with the container: either of them is proof enough.
        let by_limit = self.oom_killed || memory.is_some_and(|memory| memory.kills > 0);
        let peak = memory.map_or_else(String::new, |memory| format!(": {}", memory.words()));
        // Whatever else may have been: nobody is told of a memory limit for what the machine's owner did.
        if interrupted && !by_limit && self.code != 0 {
            return Some(format!(
                "the machine or its container engine was restarted, or did not answer, before this end was seen; that may be what ended its program, with code {}",
                self.code
            ));
        }
        // Both say that the limit killed a process, not which: only the first one's death ends the container.
        match (by_limit, self.code) {
            (false, KILLED) if memory.is_some_and(PeakMemory::is_nearly_all) => {
                Some(format!("its program was killed by signal 9 (SIGKILL), perhaps for memory{peak}"))
            }
            (false, KILLED) => Some(format!(
                "its program was killed by signal 9 (SIGKILL); where nothing in the job sent it, that was the memory limit (`resources.memory`, of which `/tmp` and `/dev/shm` are){peak}"
            )),
            (false, code) => signal(code).map(|(number, name)| {
                format!(
                    "its program was ended by signal {number} ({name}), or returned {code} because one of its own was"
                )
            }),
            (true, KILLED) => Some(format!("the container was killed by its memory limit (`resources.memory`){peak}")),
            (true, code) => Some(format!(
                "a process in the container was killed by the memory limit (`resources.memory`){peak}; the container itself ended with {code}"
            )),
        }
    }
}

impl PeakMemory {
    /// So much that the next request may have been too much.
    fn is_nearly_all(&self) -> bool {
        self.limit.is_some_and(|limit| self.peak >= limit / 10 * 9)
    }

    fn words(&self) -> String {
        fn size(bytes: u64, unit: u64) -> String {
            if bytes < unit / 100 {
                return "less than 0.01".to_owned();
            }
            let hundredths = u128::from(bytes) * 100 / u128::from(unit);
            let text = format!("{}.{:02}", hundredths / 100, hundredths % 100);
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        let largest = self.limit.unwrap_or(self.peak);
        let (unit, name) = if largest >= 1 << 30 { (1 << 30, "GiB") } else { (1 << 20, "MiB") };
        let peak = size(self.peak, unit);
        self.limit.map_or(format!("peak {peak} {name}"), |limit| format!("peak {peak} of {} {name}", size(limit, unit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Unwell;

    fn record(stop: Option<StopReason>, ended: Option<Ended>) -> LeaseRecord {
        LeaseRecord { stop, ended, ..LeaseRecord::some() }
    }

    fn exit(code: i64, oom_killed: bool) -> Option<Ended> {
        Some(Ended { code, oom_killed, at_ms: 1, lost: false })
    }

    #[test]
    fn issue9_10_a_killed_child_is_told_apart_from_a_killed_container() {
        let ending = |code| record(None, exit(code, true)).ending().unwrap();
        assert_eq!(ending(137), "the container was killed by its memory limit (`resources.memory`)");
        assert!(ending(0).starts_with("a process in the container was killed by the memory limit"), "{}", ending(0));
        assert!(ending(0).ends_with("the container itself ended with 0"), "{}", ending(0));
    }

    #[test]
    fn report12_an_end_by_a_signal_is_told_by_its_name_and_a_kill_without_the_engine_s_flag_as_perhaps_memory() {
        let ending = |code| record(None, exit(code, false)).ending();
        assert!(ending(137).unwrap().contains("signal 9 (SIGKILL)") && ending(137).unwrap().contains("memory"));
        assert!(ending(139).unwrap().contains("signal 11 (SIGSEGV)"));
        assert!(ending(134).unwrap().contains("signal 6 (SIGABRT)"));
        for own in [0, 1, 2, 126, 127, 128, 200, 255, -1, i64::MIN] {
            assert_eq!(ending(own), None, "{own}");
        }
    }

    #[test]
    fn report12_flag_code_and_what_the_kernel_counted_are_told_together() {
        let ending = |code, flag, peak: u64, kills| {
            let memory = Some(PeakMemory { peak, limit: Some(1 << 30), kills });
            LeaseRecord { memory, ..record(None, exit(code, flag)) }.ending()
        };
        let nearly = (1 << 30) / 100 * 99 + (1 << 20);
        assert_eq!(
            ending(137, false, nearly, 0).unwrap(),
            "its program was killed by signal 9 (SIGKILL), perhaps for memory: peak 0.99 of 1 GiB"
        );
        // The engine missed it, the kernel did not.
        let killed = "the container was killed by its memory limit (`resources.memory`): peak 1 of 1 GiB";
        assert_eq!(ending(137, false, 1 << 30, 1).unwrap(), killed);
        assert_eq!(ending(137, true, 1 << 30, 0).unwrap(), killed);
        // Only a child was killed, by whomever's word.
        for (flag, kills) in [(true, 0), (false, 3)] {
            let told = ending(0, flag, 1 << 30, kills).unwrap();
            assert!(told.starts_with("a process in the container was killed by the memory limit"), "{told}");
            assert!(told.ends_with("peak 1 of 1 GiB; the container itself ended with 0"), "{told}");
        }
        // What was seen may be older than the rise that killed it, so little is no proof of the opposite.
        let little = ending(137, false, 3 << 20, 0).unwrap();
        assert!(
            little.contains("that was the memory limit") && little.ends_with("peak less than 0.01 of 1 GiB"),
            "{little}"
        );
        assert_eq!(ending(0, false, 1 << 30, 0), None, "full of files that were read");
        assert!(ending(139, false, 1 << 30, 0).unwrap().contains("SIGSEGV"));
    }

    #[test]
    fn issue9_10_every_stop_has_its_reason_and_its_exit_code_in_words() {
        use StopReason::{DiskFull, LeaseOver, Operator, OutOfFunds, TooLate};
        for why in [LeaseOver, OutOfFunds, Operator, DiskFull, TooLate] {
            assert_eq!(record(Some(why), None).ending().unwrap(), why.words());
            assert_eq!(
                record(Some(why), exit(143, false)).ending().unwrap(),
                format!("{}; it ended with code 143", why.words())
            );
        }
    }

    #[test]
    fn issue9_10_a_full_disk_is_an_end_of_its_own() {
        let reason = |stop, ended, money_again| record(stop, ended).end_reason(money_again);
        assert_eq!(reason(Some(StopReason::DiskFull), exit(143, false), false), EndReason::DiskFull);
        assert_eq!(reason(None, exit(137, true), false), EndReason::Completed);
        assert_eq!(reason(Some(StopReason::OutOfFunds), exit(137, false), false), EndReason::OutOfFunds);
        assert_eq!(reason(Some(StopReason::OutOfFunds), exit(137, false), true), EndReason::Completed);
        assert_eq!(reason(Some(StopReason::Operator), exit(0, false), false), EndReason::Abandoned);
        assert_eq!(reason(Some(StopReason::DiskFull), Some(Ended::lost()), false), EndReason::Abandoned);
    }

    #[test]
    fn threat_15_an_end_while_the_engine_was_away_accuses_no_job_of_its_memory() {
        let told =
            |code, oom_killed| LeaseRecord { interrupted: true, ..record(None, exit(code, oom_killed)) }.ending();
        for code in [137, 143, 255, 1] {
            let told = told(code, false).unwrap();
            assert!(told.contains("engine was restarted") && told.contains(&code.to_string()), "{told}");
            assert!(!told.contains("memory"), "{told}");
        }
        assert_eq!(told(0, false), None);
        assert!(told(137, true).unwrap().contains("memory limit"));
    }

    #[test]
    fn an_end_of_its_own_needs_no_words_and_a_message_joins_those_that_there_are() {
        assert_eq!(record(None, exit(3, false)).words(), "");
        let mut full = record(Some(StopReason::DiskFull), exit(143, false));
        full.message = "2 entries are not part of the outputs".to_owned();
        assert!(full.words().contains("disk") && full.words().ends_with("; 2 entries are not part of the outputs"));
        let unwell = Unwell { since_ms: 90_000, answer: "`check` ended with exit code 1".to_owned() };
        let unwell = LeaseRecord { unwell: Some(unwell), ..record(None, None) };
        assert_eq!(
            unwell.words(),
            "the job is not well since 1970-01-01T00:01:30Z, and the lease goes on: `check` ended with exit code 1"
        );
        let paused = LeaseRecord { paused_since_ms: Some(1), ..record(None, None) };
        assert!(paused.words().contains("docker unpause"), "{}", paused.words());
    }
}
