//! When a job counts as ready.

use super::error::Problem;
use super::types::Manifest;
use super::units::show_seconds;
use gridlease_core::limits::START_MAX;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// Bounds of [`Ready::interval_s`].
const INTERVALS_S: RangeInclusive<u32> = 1..=60;
/// Bounds of [`Ready::timeout_s`].
const TIMEOUTS_S: RangeInclusive<u32> = 1..=30;

/// How to see that the job is ready, beside the probes of its ports, and how all of them are asked. The canonical form leaves out what
/// is not said, and the whole where nothing is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ready {
    /// Program and arguments, run in the container; it ends with 0 where the job is ready. Empty for none, at most 64 parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exec: Vec<String>,
    /// Whether the image's own `HEALTHCHECK` is asked. None: where the job has ports, no probe of its own, and the image's program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<bool>,
    /// How long after its start the job may take to become ready, seconds, 1 to 900; none for all of the time to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period_s: Option<u32>,
    /// Between an answer and the next question, seconds, 1 to 60; none for 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_s: Option<u32>,
    /// For one answer, seconds, 1 to 30; none for 2, for 10 where a program answers, and for what the image says of its `HEALTHCHECK`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<u32>,
}

impl Ready {
    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Everything that is wrong with it.
pub(super) fn problems(manifest: &Manifest) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut fail = |key: &str, problem: String, advice: String| {
        problems.push(Problem { key: key.to_owned(), problem, advice });
    };
    let ready = &manifest.ready;
    let longest = u32::try_from(START_MAX.0).unwrap_or(u32::MAX);
    for (key, value, allowed) in [
        ("ready.start_period", ready.start_period_s, 1..=longest),
        ("ready.interval", ready.interval_s, INTERVALS_S),
        ("ready.timeout", ready.timeout_s, TIMEOUTS_S),
    ] {
        if let Some(value) = value.filter(|value| !allowed.contains(value)) {
            let show = |seconds: u32| show_seconds(seconds.into());
            let bounds = format!("allowed: {} to {}", show(*allowed.start()), show(*allowed.end()));
            fail(key, format!("is {}", show(value)), bounds);
        }
    }
    if ready.exec.first().is_some_and(String::is_empty) {
        fail("ready.exec[0]", "is empty".to_owned(), "write the program's name or path in the container".to_owned());
    }
    let asks = !ready.exec.is_empty() || manifest.ports.iter().any(|port| port.probe.is_some());
    let times = ready.start_period_s.or(ready.interval_s).or(ready.timeout_s).is_some();
    if times && !asks && ready.healthcheck == Some(false) {
        let advice =
            "name one: exec here, or probe: { http: /path } or { tcp: true } beside a port; or leave the times out";
        fail("ready", "has times for a probe that there is not".to_owned(), advice.to_owned());
    }
    problems
}
