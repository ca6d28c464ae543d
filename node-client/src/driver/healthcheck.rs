//! An image's own check of its service (`HEALTHCHECK`). The engine never runs it for a lease's container; the node may.

use std::time::Duration;

/// Most parts, and most bytes, of a check; no image has such a one.
const MAX_PARTS: usize = 64;
const MAX_BYTES: usize = 16 * 1024;
/// What holds where the image does not say.
const USUAL_TIME: Duration = Duration::from_secs(30);
const USUAL_RETRIES: u32 = 3;
/// The longest that is waited for one answer.
const MAX_TIMEOUT: Duration = Duration::from_secs(30);
const MAX_TIME: Duration = Duration::from_secs(3_600);
const MAX_RETRIES: u32 = 100;

/// A check that an image brings along, within bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Program and arguments; it ends with 0 where the service is well.
    pub command: Vec<String>,
    /// Between two checks, 1 s to 1 h.
    pub interval: Duration,
    /// For one, 1 s to 30 s.
    pub timeout: Duration,
    /// After the start of the container, in which a failure says nothing; at most 1 h.
    pub start_period: Duration,
    /// How many failures in a row say that the service is not well, 1 to 100.
    pub retries: u32,
}

/// The times of a check as an image states them, in nanoseconds; 0 for the usual.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StatedTimes {
    pub interval: i64,
    pub timeout: i64,
    pub start_period: i64,
    pub retries: i64,
}

impl HealthCheck {
    /// Reads what an image says: `CMD` and its parts, or `CMD-SHELL` and a line for the image's shell (`shell`, empty for
    /// `/bin/sh -c`). None for `NONE`, for nothing, and for what no engine would run.
    pub(crate) fn read(test: &[String], shell: &[String], stated: StatedTimes) -> Option<Self> {
        let command: Vec<String> = match test {
            [kind, command @ ..] if kind == "CMD" => command.to_vec(),
            [kind, line] if kind == "CMD-SHELL" && shell.is_empty() => {
                vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()]
            }
            [kind, line] if kind == "CMD-SHELL" => shell.iter().chain([line]).cloned().collect(),
            _ => return None,
        };
        let bytes: usize = command.iter().map(String::len).sum();
        if command.first().is_none_or(String::is_empty) || command.len() > MAX_PARTS || bytes > MAX_BYTES {
            return None;
        }
        let time = |nanos: i64| u64::try_from(nanos).ok().filter(|nanos| *nanos > 0).map(Duration::from_nanos);
        let second = Duration::from_secs(1);
        Some(Self {
            command,
            interval: time(stated.interval).unwrap_or(USUAL_TIME).clamp(second, MAX_TIME),
            timeout: time(stated.timeout).unwrap_or(USUAL_TIME).clamp(second, MAX_TIMEOUT),
            start_period: time(stated.start_period).unwrap_or_default().min(MAX_TIME),
            retries: u32::try_from(stated.retries).ok().filter(|n| *n > 0).unwrap_or(USUAL_RETRIES).min(MAX_RETRIES),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(test: &[&str], shell: &[&str], times: StatedTimes) -> Option<HealthCheck> {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        HealthCheck::read(&owned(test), &owned(shell), times)
    }

    #[test]
    fn a_check_is_a_program_or_a_line_for_the_image_s_shell_and_none_is_none() {
        let command =
            |test: &[&str], shell: &[&str]| read(test, shell, StatedTimes::default()).map(|check| check.command);
        assert_eq!(command(&["CMD", "curl", "-f", "localhost"], &[]).unwrap(), ["curl", "-f", "localhost"]);
        assert_eq!(command(&["CMD-SHELL", "test -e /up"], &[]).unwrap(), ["/bin/sh", "-c", "test -e /up"]);
        assert_eq!(command(&["CMD-SHELL", "x"], &["/bin/bash", "-ec"]).unwrap(), ["/bin/bash", "-ec", "x"]);
        for none in [&[][..], &["NONE"], &["CMD"], &["CMD", ""], &["CMD-SHELL"], &["CMD-SHELL", "a", "b"], &["curl"]] {
            assert_eq!(command(none, &[]), None, "{none:?}");
        }
        let many = vec!["x"; MAX_PARTS + 1];
        assert_eq!(command(&[&["CMD"], many.as_slice()].concat(), &[]), None);
        assert_eq!(command(&["CMD-SHELL", &"x".repeat(MAX_BYTES)], &[]), None);
    }

    #[test]
    fn its_times_are_the_image_s_within_bounds_and_the_engine_s_usual_ones_where_it_states_none() {
        let of = |times| read(&["CMD", "x"], &[], times).unwrap();
        let usual = of(StatedTimes { timeout: -1, retries: -5, ..StatedTimes::default() });
        assert_eq!((usual.interval, usual.timeout, usual.retries), (USUAL_TIME, USUAL_TIME, 3));
        assert_eq!(usual.start_period, Duration::ZERO);
        let second = 1_000_000_000;
        let stated = of(StatedTimes { interval: 5 * second, timeout: second, start_period: 90 * second, retries: 7 });
        assert_eq!((stated.interval.as_secs(), stated.timeout.as_secs()), (5, 1));
        assert_eq!((stated.start_period.as_secs(), stated.retries), (90, 7));
        let wild = of(StatedTimes { interval: 1, timeout: i64::MAX, start_period: i64::MAX, retries: i64::MAX });
        assert_eq!((wild.interval.as_secs(), wild.timeout.as_secs()), (1, 30));
        assert_eq!((wild.start_period.as_secs(), wild.retries), (3_600, USUAL_RETRIES));
    }
}
