//! What the tests of several crates share: what becomes of a test where the machine lacks a part that it needs, and servers on
//! loopback that a job's inputs come from ([`origin`]).
//!
//! A developer without Docker runs the other tests, and is told which were skipped. Where tests have to prove something, in
//! CI and under `cargo xtask test`, a test that did not run is a failure.

#![allow(clippy::panic, reason = "a test that cannot run ends here")]

pub mod origin;

use std::ffi::OsString;
use std::fmt::Display;

/// Set to anything but `0`, no test is skipped. `cargo xtask test` sets it.
pub const REQUIRE_VAR: &str = "GRIDLEASE_TESTS_REQUIRE";
/// What continuous integration sets; it means the same here.
const CI_VAR: &str = "CI";

/// A part that a test needs; `None`, and a line that says why, where it is missing and the test is to return early.
///
/// # Panics
/// It is missing, and tests must not be skipped.
#[track_caller]
pub fn needed<T, E: Display>(part: Result<T, E>) -> Option<T> {
    let missing = match part {
        Ok(part) => return Some(part),
        Err(missing) => missing,
    };
    if let Some(var) = required_by(|name| std::env::var_os(name)) {
        panic!("{missing:#} (with {var} set, a test that cannot run fails)");
    }
    eprintln!("skipped: {missing:#}");
    None
}

/// The variable that forbids skipping, where one does.
fn required_by(env: impl Fn(&str) -> Option<OsString>) -> Option<&'static str> {
    let set = |name: &&str| env(name).is_some_and(|value| !matches!(value.to_str(), Some("" | "0" | "false")));
    [REQUIRE_VAR, CI_VAR].into_iter().find(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(set: &[(&str, &str)]) -> Option<&'static str> {
        required_by(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
    }

    #[test]
    fn issue9_24_ci_and_xtask_forbid_skipping() {
        assert_eq!(required(&[]), None);
        for value in ["1", "true", "docker"] {
            assert_eq!(required(&[(CI_VAR, value)]), Some(CI_VAR));
            assert_eq!(required(&[(REQUIRE_VAR, value)]), Some(REQUIRE_VAR));
        }
        for value in ["", "0", "false"] {
            assert_eq!(required(&[(CI_VAR, value), (REQUIRE_VAR, value)]), None, "{value:?}");
        }
    }

    #[test]
    fn a_part_that_is_there_is_handed_over() {
        assert_eq!(needed(Ok::<_, &str>(7)), Some(7));
    }
}
