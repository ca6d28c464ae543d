//! The Docker engine: installed where we can, started where it is not running, never configured.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::docker::{Answer, Endpoint, ask};
use super::{Host, packages};
use crate::run;

/// How often an engine that is starting is asked.
const PAUSE: Duration = Duration::from_millis(200);
/// How many lines of the engine's log a failure shows.
const TAIL: usize = 20;

/// Makes sure that a Docker engine answers.
///
/// # Errors
/// None answers, and none can be installed or started here; or one is there and we may not talk to it.
pub fn ensure(host: &Host) -> Result<()> {
    let endpoint = Endpoint::new(host.docker_host.as_deref(), &host.docker_socket);
    let why = match ask(&endpoint) {
        Answer::Alive => {
            eprintln!("docker: answers at {endpoint}");
            return Ok(());
        }
        Answer::NotAsked => {
            eprintln!("docker: DOCKER_HOST is {endpoint}; taken as it is");
            return Ok(());
        }
        Answer::Denied => return denied(&endpoint),
        Answer::Silent(why) => why,
    };
    if host.docker_host.is_some() {
        bail!(
            "DOCKER_HOST is {endpoint}, but no Docker engine answers there ({why}); start that one, or unset DOCKER_HOST to use the one of this machine"
        );
    }
    if !host.linux {
        bail!(
            "no Docker engine answers at {endpoint} ({why}); install and start one (on a Mac: Docker Desktop, OrbStack or Colima), then run this again"
        );
    }
    if host.program("dockerd").is_none() {
        if !packages::is_debian(&host.os_release) {
            bail!(
                "Docker is not installed; install its engine with your distribution's package manager (the package is called docker, moby-engine or docker-ce: https://docs.docker.com/engine/install/), start it, then run this again"
            );
        }
        packages::install(host, &["docker.io", "ca-certificates", "iptables"])?;
    }
    start(host, &endpoint)
}

fn denied(endpoint: &Endpoint) -> Result<()> {
    bail!(
        "a Docker engine is at {endpoint}, but this user may not use it; add yourself to the group: `sudo usermod -aG docker $USER`, log in again (or run `newgrp docker`), then run this again"
    )
}

/// Starts the installed engine the way this machine starts services, and waits until it answers.
fn start(host: &Host, endpoint: &Endpoint) -> Result<()> {
    if host.systemd {
        if !host.root && !packages::sudo_works(host) {
            bail!(
                "the Docker engine is not running, and starting it needs root; run `sudo systemctl start docker`, then this again"
            );
        }
        run::run(&mut packages::privileged(host, "systemctl", &["start", "docker"]))
            .context("cannot start the Docker engine; see `journalctl -u docker`")?;
        return wait(host, endpoint, None, None);
    }
    if let Some(process) = running(&host.docker_pid) {
        eprintln!("docker: an engine is running (process {process}); waiting for it to answer");
        return wait(host, endpoint, None, None);
    }
    if !host.root {
        bail!(
            "the Docker engine is not running, and starting it needs root; run `sudo dockerd` in another terminal (or this once as root), then this again"
        );
    }
    let log = host.cache.join("dockerd.log");
    let child = launch(host, &log)?;
    eprintln!("docker: starting an engine; it stays up, its log is {}", log.display());
    wait(host, endpoint, Some(child), Some(&log))
}

/// Starts `dockerd` in a session of its own, so that neither Ctrl-C nor the end of this program stops it.
fn launch(host: &Host, log: &Path) -> Result<Child> {
    let dockerd = host
        .program("dockerd")
        .context("Docker was installed, but there is no `dockerd`; run `apt-get install docker.io`")?;
    fs::create_dir_all(&host.cache).with_context(|| format!("cannot create {}", host.cache.display()))?;
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let errors = file.try_clone().with_context(|| format!("cannot write {}", log.display()))?;
    let setsid = host.program("setsid").unwrap_or_else(|| "setsid".into());
    Command::new(setsid)
        .arg(dockerd)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(errors)
        .spawn()
        .context("cannot start dockerd in the background; is `setsid` (util-linux) installed?")
}

/// Waits until the engine answers, for as long as the host's patience lasts.
fn wait(host: &Host, endpoint: &Endpoint, mut child: Option<Child>, log: Option<&Path>) -> Result<()> {
    let start = Instant::now();
    loop {
        let why = match ask(endpoint) {
            Answer::Alive => {
                eprintln!("docker: answers at {endpoint}");
                return Ok(());
            }
            Answer::Denied => return denied(endpoint),
            Answer::NotAsked => "it cannot be asked".to_owned(),
            Answer::Silent(why) => why,
        };
        if let Some(child) = child.as_mut()
            && let Ok(Some(status)) = child.try_wait()
        {
            bail!("dockerd ended at once ({status}){}", tail(log));
        }
        if start.elapsed() > host.patience {
            bail!(
                "the Docker engine does not answer at {endpoint} after {} s ({why}){}",
                host.patience.as_secs(),
                tail(log)
            );
        }
        std::thread::sleep(PAUSE);
    }
}

/// The process that a file of this kind names, if it is alive.
fn running(pid_file: &Path) -> Option<u32> {
    let process = fs::read_to_string(pid_file).ok()?.trim().parse().ok()?;
    PathBuf::from(format!("/proc/{process}")).exists().then_some(process)
}

/// The last lines of a log, to be put behind a message.
fn tail(log: Option<&Path>) -> String {
    let Some(log) = log else {
        return String::new();
    };
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(TAIL)..];
    format!("; the end of {}:\n  {}", log.display(), last.join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{install, machine};
    use super::*;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixListener;

    /// An engine that answers every question with OK, after a while.
    fn serve(socket: PathBuf, after: Duration) {
        std::thread::spawn(move || {
            std::thread::sleep(after);
            let listener = UnixListener::bind(socket).unwrap();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 256]);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nOK");
            }
        });
    }

    fn message(host: &Host) -> String {
        format!("{:#}", ensure(host).unwrap_err())
    }

    #[test]
    fn an_engine_that_answers_is_left_alone() {
        let (_directory, host) = machine();
        serve(host.docker_socket.clone(), Duration::ZERO);
        while !host.docker_socket.exists() {
            std::thread::sleep(PAUSE / 10);
        }
        install(&host, "dockerd", "touch \"$(dirname \"$0\")/started\"");
        ensure(&host).unwrap();
        assert!(!host.path[0].join("started").exists());
    }

    #[test]
    fn a_stopped_engine_is_started_in_a_session_of_its_own_and_waited_for() {
        let (directory, mut host) = machine();
        host.path.push("/usr/bin".into());
        let session = directory.path().join("session");
        install(
            &host,
            "dockerd",
            &format!("echo hello; cut -d ' ' -f 1,6 /proc/$$/stat > {}; exec sleep 2", session.display()),
        );
        serve(host.docker_socket.clone(), Duration::from_millis(700));
        ensure(&host).unwrap();
        let ids = fs::read_to_string(session).unwrap();
        let (process, session) = ids.trim().split_once(' ').unwrap();
        assert_eq!(process, session, "dockerd must lead its session");
        let log = fs::read_to_string(host.cache.join("dockerd.log")).unwrap();
        assert_eq!(log, "hello\n");
    }

    #[test]
    fn an_engine_that_dies_at_once_is_reported_with_the_end_of_its_log() {
        let (_directory, mut host) = machine();
        host.path.push("/usr/bin".into());
        install(&host, "dockerd", "seq 1 100; echo no iptables >&2; exit 1");
        let error = message(&host);
        assert!(error.contains("dockerd ended at once"), "{error}");
        assert!(error.contains("no iptables") && error.contains("\n  82\n"), "{error}");
        assert!(!error.contains("\n  80\n"), "{error}");
    }

    #[test]
    fn an_engine_that_never_answers_is_given_up_after_the_patience() {
        let (_directory, mut host) = machine();
        host.path.push("/usr/bin".into());
        host.patience = Duration::from_millis(300);
        install(&host, "dockerd", "echo thinking; exec sleep 2");
        let error = message(&host);
        assert!(error.contains("does not answer") && error.contains("thinking"), "{error}");
    }

    #[test]
    fn a_missing_engine_is_installed_on_debian_only() {
        let (directory, mut host) = machine();
        let log = directory.path().join("apt.log");
        install(&host, "apt-get", &format!("echo \"$*\" >> {}", log.display()));
        // The made-up package brings no dockerd, which is an error of its own.
        assert!(message(&host).contains("there is no `dockerd`"));
        assert!(fs::read_to_string(&log).unwrap().contains("docker.io"));

        fs::remove_file(&log).unwrap();
        host.os_release = "ID=arch\n".to_owned();
        assert!(message(&host).contains("package manager"));
        host.linux = false;
        assert!(message(&host).contains("Docker Desktop"));
        assert!(!log.exists());
    }

    #[test]
    fn docker_host_is_respected_and_nothing_is_started_instead() {
        let (directory, mut host) = machine();
        install(&host, "dockerd", "touch \"$(dirname \"$0\")/started\"");
        let elsewhere = directory.path().join("elsewhere.sock");
        host.docker_host = Some(format!("unix://{}", elsewhere.display()));
        let error = message(&host);
        assert!(error.contains("elsewhere.sock") && error.contains("unset DOCKER_HOST"), "{error}");
        assert!(!host.path[0].join("started").exists());
        host.docker_host = Some("ssh://somewhere".to_owned());
        ensure(&host).unwrap();
    }

    #[test]
    fn without_root_the_message_says_how_to_start_it() {
        let (_directory, mut host) = machine();
        install(&host, "dockerd", "exit 1");
        host.root = false;
        assert!(message(&host).contains("sudo dockerd"));
        host.systemd = true;
        assert!(message(&host).contains("sudo systemctl start docker"));
    }

    #[test]
    fn a_running_engine_that_is_silent_is_waited_for_and_not_started_twice() {
        let (_directory, mut host) = machine();
        host.patience = Duration::from_millis(300);
        fs::write(&host.docker_pid, std::process::id().to_string()).unwrap();
        install(&host, "dockerd", "touch \"$(dirname \"$0\")/started\"");
        assert!(message(&host).contains("does not answer"));
        assert!(!host.path[0].join("started").exists());
    }

    #[test]
    fn no_permission_is_answered_with_the_group() {
        let error = denied(&Endpoint::Socket("/x.sock".into())).unwrap_err();
        assert!(error.to_string().contains("usermod -aG docker"), "{error}");
    }
}
