//! From a manifest, and from what its image says, to questions.

use std::time::Duration;

use gridlease_sdk::manifest::{Manifest, Probe};

use crate::driver::HealthCheck;

/// For an answer over the network, where the manifest does not say.
const PATIENCE: Duration = Duration::from_secs(2);
/// For the answer of a program, where the manifest does not say.
const PROGRAM_PATIENCE: Duration = Duration::from_secs(10);
/// Between an answer and the next question, until the job is ready.
const INTERVAL: Duration = Duration::from_secs(1);
/// The least between an answer and the next question once it is ready: then nothing hangs on it.
const LATER: Duration = Duration::from_secs(10);
/// How many failures in a row say that a job that was ready is not well.
const RETRIES: u32 = 3;
/// How long a job with ports has to run that gives no better sign of being ready.
const RUNS: Duration = Duration::from_secs(2);

/// One thing that has to be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// A GET is answered with 200 to 399.
    Http {
        /// The port.
        port: u16,
        /// The path.
        path: String,
    },
    /// A connection is taken.
    Tcp {
        /// The port.
        port: u16,
    },
    /// A program in the container ends with 0.
    Program {
        /// Program and arguments.
        command: Vec<String>,
        /// Whether it is the image's `HEALTHCHECK`, and not the buyer's own.
        of_image: bool,
    },
    /// The container runs for so long.
    Runs(Duration),
}

/// What is asked, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probing {
    /// All of these have to be right; each with the time for its answer.
    pub questions: Vec<(Question, Duration)>,
    /// Between an answer and the next question until the job is ready.
    pub interval: Duration,
    /// The same after that.
    pub later: Duration,
    /// How many failures in a row say that a job that was ready is not well.
    pub retries: u32,
    /// After the start of the container, in which failures do not count.
    pub start_period: Duration,
}

/// Whether it has to be known what the image says of its check. By default it counts where the job is a service, gives no sign of its
/// own, and runs the image's program: the check of a server says nothing of a program that the buyer runs in its place.
#[must_use]
pub fn wants_image(manifest: &Manifest) -> bool {
    manifest
        .ready
        .healthcheck
        .unwrap_or(!has_own(manifest) && !manifest.ports.is_empty() && manifest.command.is_empty())
}

/// Whether the job has a probe of its own: of a port, or a program.
fn has_own(manifest: &Manifest) -> bool {
    !manifest.ready.exec.is_empty() || manifest.ports.iter().any(|port| port.probe.is_some())
}

/// Whether the manifest itself says when the job is ready, and leaves it neither to what the node assumes nor to the image.
#[must_use]
pub fn is_said(manifest: &Manifest) -> bool {
    has_own(manifest) || manifest.ready.healthcheck == Some(true)
}

impl Probing {
    /// What a job is asked before its start is reported; none where it is ready as soon as it runs. `check`: of its image, where
    /// [`wants_image`] says that it counts.
    #[must_use]
    pub fn of(manifest: &Manifest, check: Option<&HealthCheck>) -> Option<Self> {
        let ready = &manifest.ready;
        let said = ready.timeout_s.map(|s| Duration::from_secs(s.into()));
        let mut questions = Vec::new();
        for port in &manifest.ports {
            let question = match &port.probe {
                Some(Probe::Http(path)) => Question::Http { port: port.container, path: path.clone() },
                Some(Probe::Tcp) => Question::Tcp { port: port.container },
                None => continue,
            };
            questions.push((question, said.unwrap_or(PATIENCE)));
        }
        if !ready.exec.is_empty() {
            let question = Question::Program { command: ready.exec.clone(), of_image: false };
            questions.push((question, said.unwrap_or(PROGRAM_PATIENCE)));
        }
        let check = check.filter(|_| wants_image(manifest));
        if let Some(check) = check {
            let question = Question::Program { command: check.command.clone(), of_image: true };
            questions.push((question, said.unwrap_or(check.timeout)));
        }
        if questions.is_empty() && !manifest.ports.is_empty() {
            questions.push((Question::Runs(RUNS), PATIENCE));
        }
        if questions.is_empty() {
            return None;
        }
        let interval = ready.interval_s.map(|s| Duration::from_secs(s.into()));
        let later = interval.or(check.map(|check| check.interval)).unwrap_or(LATER).max(LATER);
        let start_period = ready.start_period_s.map(|s| Duration::from_secs(s.into()));
        Some(Self {
            questions,
            interval: interval.unwrap_or(INTERVAL),
            later,
            retries: check.map_or(RETRIES, |check| check.retries),
            start_period: start_period.or(check.map(|check| check.start_period)).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(more: &str) -> Manifest {
        let yaml = format!(
            "version: 1\nname: j\nimage: a.example/b@sha256:{}\nprice: {{ max: 1.00 }}\nduration: {{ max: 1h }}\n{more}",
            "0".repeat(64)
        );
        Manifest::from_yaml(&yaml, "job.yaml").unwrap()
    }

    fn check() -> HealthCheck {
        HealthCheck {
            command: vec!["check".to_owned()],
            interval: Duration::from_secs(40),
            timeout: Duration::from_secs(7),
            start_period: Duration::from_secs(90),
            retries: 5,
        }
    }

    fn asked(more: &str) -> Vec<(Question, Duration)> {
        Probing::of(&manifest(more), Some(&check())).map_or_else(Vec::new, |probing| probing.questions)
    }

    #[test]
    fn a_job_without_ports_and_probes_is_asked_nothing_so_that_a_small_one_is_not_held_up() {
        assert_eq!(asked(""), []);
        assert_eq!(asked("command: [\"/bin/true\"]\n"), []);
    }

    #[test]
    fn a_service_that_names_no_probe_is_asked_by_its_image_s_check_unless_it_runs_another_program_or_says_no() {
        let of_image = Question::Program { command: vec!["check".to_owned()], of_image: true };
        let runs = Question::Runs(RUNS);
        let first = |more: &str| asked(more).into_iter().map(|(question, _)| question).collect::<Vec<_>>();
        let ports = "ports: [ { container: 80 } ]\n";
        assert_eq!(first(ports), std::slice::from_ref(&of_image));
        assert_eq!(first(&format!("{ports}command: [\"/srv\"]\n")), std::slice::from_ref(&runs));
        assert_eq!(first(&format!("{ports}ready: {{ healthcheck: false }}\n")), std::slice::from_ref(&runs));
        assert_eq!(
            first(&format!("{ports}command: [\"/srv\"]\nready: {{ healthcheck: true }}\n")),
            std::slice::from_ref(&of_image)
        );
        assert_eq!(first("ready: { healthcheck: true }\n"), std::slice::from_ref(&of_image));
        assert_eq!(first("ports: [ { container: 80, probe: { tcp: true } } ]\n"), [Question::Tcp { port: 80 }]);
        let without = Probing::of(&manifest(ports), None).unwrap();
        assert_eq!(without.questions, [(runs, PATIENCE)], "an image without a check");
    }

    #[test]
    fn the_times_are_the_manifest_s_else_the_image_s_else_the_usual_ones() {
        let usual = asked("ports: [ { container: 80, probe: { http: / } } ]\nready: { exec: [a] }\n");
        assert_eq!(usual.iter().map(|(_, time)| time.as_secs()).collect::<Vec<_>>(), [2, 10]);
        let said = "ports: [ { container: 80, probe: { http: / } } ]\nready: { exec: [a], timeout: 5s, interval: 20s, start_period: 1m }\n";
        let said = Probing::of(&manifest(said), None).unwrap();
        assert!(said.questions.iter().all(|(_, time)| time.as_secs() == 5));
        assert_eq!((said.interval.as_secs(), said.later.as_secs(), said.retries), (20, 20, 3));
        assert_eq!(said.start_period.as_secs(), 60);
        let image = Probing::of(&manifest("ports: [ { container: 80 } ]\n"), Some(&check())).unwrap();
        assert_eq!((image.interval.as_secs(), image.later.as_secs(), image.retries), (1, 40, 5));
        assert_eq!((image.start_period.as_secs(), image.questions[0].1.as_secs()), (90, 7));
        let often = Probing::of(&manifest("ready: { exec: [a], interval: 1s }\n"), None).unwrap();
        assert_eq!(often.later, LATER, "once it is ready it is asked less often");
    }
}
