//! Child processes that never outlive their parent.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

/// Lines of a log that an error shows.
const TAIL: usize = 20;

/// A running child.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with its output in `log`. It is killed when this value is dropped and when this process dies; Ctrl-C
    /// in the terminal reaches only this process, which stops its children in order.
    ///
    /// # Errors
    /// The program cannot be started.
    pub fn start<I, S>(name: &str, program: &Path, args: I, env: &[(&str, &OsStr)], log: &Path) -> Result<Self>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let out = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        let err = out.try_clone().context("cannot share a log file")?;
        // util-linux's setpriv asks the kernel to end the child with its parent, however that dies.
        let mut command = match self::program("setpriv") {
            Some(setpriv) => {
                let mut command = Command::new(setpriv);
                command.args(["--pdeathsig", "KILL", "--"]).arg(program);
                command
            }
            None => Command::new(program),
        };
        let child = command
            .args(args)
            .envs(env.iter().map(|(key, value)| (OsStr::new(*key), *value)))
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {name} ({})", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// An error with the end of its log where it has ended.
    ///
    /// # Errors
    /// It has ended.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("cannot look at a child process")? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}; the end of its log:\n{}", self.name, self.tail()),
        }
    }

    /// The end of its log.
    pub fn tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }

    /// Asks it to end, and kills it after `grace`.
    pub async fn stop(mut self, grace: Duration) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            // Whether it is gone already is seen by waiting.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if tokio::time::timeout(grace, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    /// Kills it at once, as a power cut would.
    ///
    /// # Errors
    /// The system refuses.
    pub async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }
}

/// The full path of a program on PATH.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}

/// A port on loopback that was free a moment ago.
///
/// # Errors
/// No port is free.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("no free port on loopback")?;
    Ok(listener.local_addr().context("cannot read a port")?.port())
}

/// The `gridlease` binary: `GRIDLEASE_BIN`, else the one beside this program.
///
/// # Errors
/// It is in neither place.
pub fn gridlease_binary() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("GRIDLEASE_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("cannot find this program's own path")?;
    // A test binary lies one folder further down.
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join("gridlease")).find(|path| path.exists());
    found.context(
        "the `gridlease` binary is not built; run `cargo xtask demo` or `cargo xtask test`, or set GRIDLEASE_BIN",
    )
}
