//! What is needed of a container engine to reach into a container that runs.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use gridlease_sdk::node_api::LogStream;
use gridlease_sdk::node_api::reach::TerminalSize;
use tokio::io::AsyncWrite;
use tokio::net::{TcpSocket, TcpStream};

use super::{ContainerId, DriverError};

/// A program to be run in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Whether it gets a terminal.
    pub tty: bool,
    /// Whether it gets a standard input.
    pub stdin: bool,
}

/// The first process of a running container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The container's full id.
    pub container: String,
    /// The process's number. It may be another's by the time that it is used: see [`Process::groups`].
    pub pid: i64,
}

impl Process {
    /// Its `/proc/PID/cgroup`; `None` where the process is none of the container's: it has ended, or the node lives in another
    /// namespace of processes than the engine.
    #[must_use]
    pub fn groups(&self) -> Option<String> {
        let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", self.pid)).ok()?;
        (!self.container.is_empty() && groups.contains(&self.container)).then_some(groups)
    }
}

/// A program that was started in a container.
pub struct Exec {
    /// Its standard input, or its terminal. Shut down, it is at its end.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// What it writes, in pieces of at most 32 KiB, until it has ended. A terminal's output comes on standard output.
    pub output: BoxStream<'static, Result<(LogStream, Bytes), DriverError>>,
    /// What else can be done with it.
    pub control: Box<dyn ExecControl>,
}

/// The streams of a container's own program.
#[derive(Debug)]
pub struct Attached {
    /// The program. Ending it does nothing.
    pub program: Exec,
    /// Whether it reads what is written to it.
    pub stdin: bool,
    /// Whether it has a terminal.
    pub tty: bool,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exec").field("control", &self.control).finish_non_exhaustive()
    }
}

/// How a program in a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecState {
    /// It has not been started yet.
    Starting,
    /// It runs.
    Running,
    /// It could not be started; with this exit code shells tell of that.
    NotStarted(i64),
    /// It ended with this exit code; 128 + n after signal n.
    Exited(i64),
}

/// A handle on a program in a container.
pub trait ExecControl: Send + Sync + std::fmt::Debug {
    /// How it is doing.
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DriverError>>;

    /// Gives its terminal another size.
    fn resize(&self, size: TerminalSize) -> BoxFuture<'_, Result<(), DriverError>>;

    /// Ends it and its process group: a hangup, and some seconds later a kill. What has left the group runs on until the container ends.
    fn end(&self) -> BoxFuture<'_, Result<(), DriverError>>;
}

/// Reaching into a container.
pub trait Reach {
    /// The first process of a running container, by this machine's numbers, and the container's full id.
    fn process<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Process, DriverError>>;

    /// A connection to a TCP port of a running container, made from inside its own network: to 127.0.0.1, else to ::1.
    fn connect<'a>(&'a self, id: &'a ContainerId, port: u16) -> BoxFuture<'a, Result<TcpStream, DriverError>>;

    /// Up to `count` sockets that are not connected yet, IPv4, of a running container's own network: for who makes many connections,
    /// each of which then costs no look at the engine. None where they cannot be made beforehand.
    fn sockets<'a>(&'a self, _: &'a ContainerId, _count: usize) -> BoxFuture<'a, Result<Vec<TcpSocket>, DriverError>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// Starts a program in a running container, as the container's user, with its environment and its working directory.
    fn exec<'a>(&'a self, id: &'a ContainerId, spec: &'a ExecSpec) -> BoxFuture<'a, Result<Exec, DriverError>>;

    /// The streams of a running container's own program, from now on. It goes on when they are let go of.
    fn attach<'a>(&'a self, id: &'a ContainerId) -> BoxFuture<'a, Result<Attached, DriverError>>;
}

/// Whether this process may enter the network of a container: it needs two capabilities, which root has.
#[must_use]
pub fn can_enter_networks() -> bool {
    /// Bits of CAP_SYS_PTRACE, which opens another user's /proc/PID/ns, and CAP_SYS_ADMIN, which enters what is opened.
    const NEEDED: u64 = 1 << 19 | 1 << 21;
    let Ok(status) = std::fs::read_to_string("/proc/self/status") else { return false };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).is_some_and(|caps| caps & NEEDED == NEEDED)
}
