//! What follows where a job's own container fails: another run of it in the same lease, a bounded number of times.

use super::check::Check;
use super::units::show_seconds;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Restarts where only `on-failure` is said.
pub const DEFAULT_RESTARTS: u32 = 5;
/// Seconds before the first one where nothing is said.
pub const DEFAULT_RESTART_DELAY_S: u32 = 5;
/// The longest pause before a restart, seconds.
pub const LONGEST_RESTART_DELAY_S: u32 = 300;
/// After a run of so many seconds the pauses begin anew.
pub const STEADY_RUN_S: u64 = 600;
/// Bounds of [`Restart::max`].
const COUNTS: RangeInclusive<u32> = 1..=20;
/// Bounds of [`Restart::delay_s`].
const DELAYS_S: RangeInclusive<u32> = 1..=LONGEST_RESTART_DELAY_S;

/// A container that ends with another code than 0, by whatever cause, is started again in the same lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// How often in all, 1 to 20.
    pub max: u32,
    /// The pause before the first restart, seconds, 1 to 300; doubled with each further one, up to 300.
    pub delay_s: u32,
}

impl Default for Restart {
    fn default() -> Self {
        Self { max: DEFAULT_RESTARTS, delay_s: DEFAULT_RESTART_DELAY_S }
    }
}

impl Restart {
    /// The pause before the next restart, seconds. `before`: the pause before the last one; `ran_s`: how long the run took that has
    /// just failed.
    #[must_use]
    pub fn pause_s(&self, before: Option<u32>, ran_s: u64) -> u32 {
        match before {
            Some(before) if ran_s < STEADY_RUN_S => before.saturating_mul(2).min(LONGEST_RESTART_DELAY_S),
            _ => self.delay_s,
        }
    }
}

/// `parent` is empty, or ends in a dot.
pub(super) fn check(check: &mut Check, parent: &str, restart: Option<&Restart>) {
    let Some(Restart { max, delay_s }) = restart else { return };
    check.within(&format!("{parent}restart.max"), *max, COUNTS);
    check.within_as(&format!("{parent}restart.delay"), *delay_s, DELAYS_S, |seconds| show_seconds(seconds.into()));
}

#[cfg(test)]
mod tests {
    use super::super::Manifest;
    use super::*;

    fn read(restart: &str) -> Result<Manifest, String> {
        let text = format!(
            "version: 1\nname: j\nimage: a.example/b@sha256:{}\nprice: {{ max: 1.80 }}\nduration: {{ max: 1h }}\n{restart}",
            "ab".repeat(32)
        );
        Manifest::from_yaml(&text, "job.yaml").map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_job_is_never_started_again_unless_it_says_so_in_compose_s_words_or_with_its_own_pause() {
        let of = |text: &str| read(&format!("restart: {text}\n")).unwrap().restart;
        assert_eq!(read("").unwrap().restart, None);
        assert_eq!(of("never"), None);
        assert_eq!(of("\"no\""), None, "as Compose writes it");
        assert_eq!(of("on-failure"), Some(Restart { max: 5, delay_s: 5 }));
        assert_eq!(of("on-failure:3"), Some(Restart { max: 3, delay_s: 5 }));
        assert_eq!(of("{ policy: on-failure, max: 20, delay: 5m }"), Some(Restart { max: 20, delay_s: 300 }));
        assert_eq!(of("{ policy: never }"), None);
    }

    #[test]
    fn what_is_wrong_with_a_restart_is_told_by_its_key_and_line() {
        for (text, says) in [
            ("always", "job.yaml:6:10: restart: \"always\" is not a policy; write never, on-failure or on-failure:5"),
            ("on-failure:0", "restart.max: is 0; allowed: 1 to 20"),
            ("on-failure:many", "restart: \"on-failure:many\" is not a policy"),
            ("{ policy: on-failure, max: 21 }", "restart.max: is 21; allowed: 1 to 20"),
            ("{ policy: on-failure, delay: 6m }", "restart.delay: is 6m; allowed: 1s to 5m"),
            ("{ policy: on-failure, delay: 5 }", "restart.delay: \"5\" has no unit"),
            ("{ policy: never, max: 3 }", "restart: has a number for restarts that there are not"),
            ("{ max: 3 }", "restart.policy: is missing"),
            ("{ policy: on-failure, count: 3 }", "restart.count: unknown key"),
            ("[on-failure]", "restart: is a list"),
        ] {
            let told = read(&format!("restart: {text}\n")).unwrap_err();
            assert!(told.contains(says), "{text}: {told}");
        }
    }

    #[test]
    fn a_manifest_that_is_not_started_again_keeps_its_bytes_and_one_that_is_comes_back_the_same() {
        let plain = read("").unwrap().canonical().unwrap();
        assert_eq!(plain, read("restart: never\n").unwrap().canonical().unwrap());
        assert!(!String::from_utf8_lossy(&plain).contains("restart"));
        let job = read("restart: on-failure:2\n").unwrap();
        let bytes = job.canonical().unwrap();
        assert!(String::from_utf8_lossy(&bytes).contains(r#""restart":{"delay_s":5,"max":2}"#));
        assert_eq!(Manifest::from_canonical(&bytes).unwrap(), job);
    }

    #[test]
    fn a_job_has_an_input_and_a_terminal_only_where_it_says_so_and_else_keeps_its_bytes() {
        let plain = read("").unwrap();
        assert_eq!((plain.stdin, plain.tty), (false, false));
        assert_eq!(read("stdin: false\ntty: false\n").unwrap().canonical(), plain.canonical());
        let job = read("stdin: true\ntty: true\n").unwrap();
        assert_eq!((job.stdin, job.tty), (true, true));
        assert_eq!(Manifest::from_canonical(&job.canonical().unwrap()).unwrap(), job);
        assert!(read("tty: yes\n").unwrap_err().contains("tty: \"yes\" is not known"));
    }

    #[test]
    fn pauses_double_to_the_longest_and_begin_anew_after_a_long_run() {
        let restart = Restart { max: 20, delay_s: 7 };
        let mut before = None;
        let pauses: Vec<_> = (0..8)
            .map(|_| {
                let pause = restart.pause_s(before, STEADY_RUN_S - 1);
                before = Some(pause);
                pause
            })
            .collect();
        assert_eq!(pauses, [7, 14, 28, 56, 112, 224, 300, 300]);
        assert_eq!(restart.pause_s(before, STEADY_RUN_S), 7);
    }
}
