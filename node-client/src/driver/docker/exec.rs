//! Programs started in a container that runs.
//!
//! The engine's stream is read here and not by its client's decoder, which takes a terminal's raw output for framed output where
//! it begins with the right byte, and would then hold as much of it in memory as the container's program says.

use std::time::Duration;

use axum::body::Body;
use bollard::models::ExecConfig;
use bollard::query_parameters::InspectContainerOptions;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};
use gridlease_sdk::node_api::LogStream;
use gridlease_sdk::node_api::reach::TerminalSize;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, UPGRADE};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::UnixStream;

use super::{DockerDriver, engine, is_conflict, is_missing, reason};
use crate::driver::{ContainerId, DriverError, Exec, ExecControl, ExecSpec, ExecState, INIT, Process};

/// Bytes of output read at a time.
const PIECE: usize = 32 * 1024;
/// Most bytes of an engine's refusal that are read.
const MAX_REFUSAL: usize = 4_096;
/// For the engine to begin a program.
const BEGIN: Duration = Duration::from_secs(30);
/// Between a hangup and a kill.
const GRACE: Duration = Duration::from_secs(3);
/// Between two looks at a program that is to end or to start.
const LOOK: Duration = Duration::from_millis(100);
/// How often a program that is about to start is waited for.
const START_TRIES: u32 = 50;

/// Keys at which an engine would let go of a terminal: there have to be some, and nobody types these.
pub(super) const DETACH_KEYS: &str = "ctrl-^,ctrl-_,ctrl-^,ctrl-_,ctrl-^,ctrl-_";

/// A program that the engine knows.
#[derive(Debug)]
struct Program {
    driver: DockerDriver,
    exec: String,
}

impl DockerDriver {
    pub(super) async fn start_exec(&self, id: &ContainerId, spec: &ExecSpec) -> Result<Exec, DriverError> {
        let command = self.as_its_own(id, &spec.command).await?;
        let config = ExecConfig {
            attach_stdin: Some(spec.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(spec.tty),
            privileged: Some(false),
            // The usual ones would keep back what a person types at a shell, and leave a program without its client.
            detach_keys: Some(DETACH_KEYS.to_owned()),
            cmd: Some(command),
            ..ExecConfig::default()
        };
        let exec = match self.docker.create_exec(&id.0, config).await {
            Ok(created) => created.id,
            Err(e) if is_missing(&e) => return Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            Err(e) if is_conflict(&e) && !reason(&e).contains("paused") => {
                return Err(DriverError::NotRunningContainer { id: id.0.clone() });
            }
            Err(e) => return Err(engine("prepare a program in a container", &e)),
        };
        let began = tokio::time::timeout(BEGIN, self.hijack(&exec, spec.tty)).await;
        let stream = began.map_err(|_| failed("it did not begin in time".to_owned()))??;
        let (read, write) = tokio::io::split(stream);
        let output = if spec.tty { raw(read) } else { framed(read) };
        Ok(Exec { input: Box::pin(write), output, control: Box::new(Program { driver: self.clone(), exec }) })
    }

    /// A program as the container's own is run: by the node's own one, where that reads secrets into its environment.
    async fn as_its_own(&self, id: &ContainerId, command: &[String]) -> Result<Vec<String>, DriverError> {
        let found = match self.docker.inspect_container(&id.0, None::<InspectContainerOptions>).await {
            Ok(found) => found,
            Err(e) if is_missing(&e) => return Err(DriverError::NoSuchContainer { id: id.0.clone() }),
            Err(e) => return Err(engine("look at a container", &e)),
        };
        let own = found.config.and_then(|config| config.entrypoint).unwrap_or_default();
        Ok(match own.as_slice() {
            [init, variables, _, ..] if init == INIT && !variables.is_empty() => {
                [init.clone(), variables.clone()].into_iter().chain(command.iter().cloned()).collect()
            }
            _ => command.to_vec(),
        })
    }

    /// Starts a prepared program and takes the engine's connection over as its input and output.
    async fn hijack(
        &self,
        exec: &str,
        tty: bool,
    ) -> Result<impl AsyncRead + tokio::io::AsyncWrite + Send + use<>, DriverError> {
        let body = serde_json::json!({ "Detach": false, "Tty": tty }).to_string();
        self.taken_over(&format!("/exec/{exec}/start"), body).await
    }

    /// Asks the engine for this and takes its connection over.
    pub(super) async fn taken_over(
        &self,
        path: &str,
        body: String,
    ) -> Result<impl AsyncRead + tokio::io::AsyncWrite + Send + use<>, DriverError> {
        let socket = UnixStream::connect(&self.socket).await.map_err(|e| failed(e.to_string()))?;
        let shaken = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await;
        let (mut sender, connection) = shaken.map_err(|e| failed(e.to_string()))?;
        tokio::spawn(connection.with_upgrades());
        let request = Request::post(format!("/v{}{path}", self.docker.client_version()))
            .header(HOST, "docker")
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .map_err(|e| failed(e.to_string()))?;
        let answer = sender.send_request(request).await.map_err(|e| failed(e.to_string()))?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let status = answer.status();
            let words = axum::body::to_bytes(Body::new(answer.into_body()), MAX_REFUSAL).await.unwrap_or_default();
            return Err(failed(format!("{status}: {}", String::from_utf8_lossy(&words))));
        }
        let upgraded = hyper::upgrade::on(answer).await.map_err(|e| failed(e.to_string()))?;
        Ok(TokioIo::new(upgraded))
    }
}

fn failed(reason: String) -> DriverError {
    DriverError::Engine { what: "run a program in a container", reason }
}

type Output = BoxStream<'static, Result<(LogStream, Bytes), DriverError>>;

/// What comes out of a terminal.
pub(super) fn raw(read: impl AsyncRead + Send + 'static) -> Output {
    stream::try_unfold(Box::pin(read), |mut read| async move {
        let mut piece = BytesMut::with_capacity(PIECE);
        match read.read_buf(&mut piece).await {
            Ok(0) => Ok(None),
            Ok(_) => Ok(Some(((LogStream::Stdout, piece.freeze()), read))),
            Err(e) => Err(failed(e.to_string())),
        }
    })
    .boxed()
}

/// What comes out of two pipes: the engine puts eight bytes before each piece, of which the first names the stream and the last
/// four the length. However long that says it is, it is handed on in small pieces.
pub(super) fn framed(read: impl AsyncRead + Send + 'static) -> Output {
    stream::try_unfold((Box::pin(read), LogStream::Stdout, 0usize), |(mut read, mut stream, mut left)| async move {
        while left == 0 {
            let mut header = [0u8; 8];
            match read.read_exact(&mut header).await {
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
                Err(e) => return Err(failed(e.to_string())),
            }
            let [kind, _, _, _, length @ ..] = header;
            stream = if kind == 2 { LogStream::Stderr } else { LogStream::Stdout };
            left = usize::try_from(u32::from_be_bytes(length)).unwrap_or(0);
        }
        let mut piece = BytesMut::zeroed(left.min(PIECE));
        let count = read.read(&mut piece).await.map_err(|e| failed(e.to_string()))?;
        if count == 0 {
            return Ok(None);
        }
        piece.truncate(count);
        Ok(Some(((stream, piece.freeze()), (read, stream, left - count))))
    })
    .boxed()
}

impl Program {
    async fn look(&self) -> Result<bollard::models::ExecInspectResponse, DriverError> {
        self.driver.docker.inspect_exec(&self.exec).await.map_err(|e| engine("look at a program in a container", &e))
    }

    async fn now(&self) -> Result<ExecState, DriverError> {
        let mut found = self.look().await?;
        if found.running == Some(false) && found.exit_code.is_some() && found.pid.unwrap_or(0) == 0 {
            // The engine notes the process of one that ended at once a moment later.
            tokio::time::sleep(LOOK).await;
            found = self.look().await?;
        }
        let began = found.pid.is_some_and(|pid| pid > 0);
        Ok(match (found.running, found.exit_code) {
            (Some(true), _) if began => ExecState::Running,
            (Some(false), Some(code)) if began => ExecState::Exited(code),
            // A program that could not be started has these two, and no process.
            (Some(false), Some(code @ (126 | 127))) => ExecState::NotStarted(code),
            _ => ExecState::Starting,
        })
    }

    async fn set_size(&self, size: TerminalSize) -> Result<(), DriverError> {
        let mut tries = 0;
        loop {
            let options = bollard::exec::ResizeExecOptions { height: size.rows, width: size.columns };
            match self.driver.docker.resize_exec(&self.exec, options).await {
                Ok(()) => return Ok(()),
                Err(_) if tries < START_TRIES && self.now().await? == ExecState::Starting => {
                    tries += 1;
                    tokio::time::sleep(LOOK).await;
                }
                Err(e) => return Err(engine("give a terminal its size", &e)),
            }
        }
    }

    async fn stop(&self) -> Result<(), DriverError> {
        let mut tries = 0;
        while tries < START_TRIES && self.now().await? == ExecState::Starting {
            // What is about to start is not missed.
            tries += 1;
            tokio::time::sleep(LOOK).await;
        }
        for (signal, wait) in [(Signal::SIGHUP, GRACE), (Signal::SIGKILL, GRACE)] {
            let found = self.look().await?;
            let (Some(true), Some(pid)) = (found.running, found.pid.filter(|pid| *pid > 1)) else { return Ok(()) };
            if (Process { container: found.container_id.unwrap_or_default(), pid }).groups().is_none() {
                return Err(failed(format!("process {pid} is not the container's; it was not ended")));
            }
            let Ok(group) = i32::try_from(pid) else { return Ok(()) };
            // The engine makes every such program the leader of a session. One that is gone already is as good as ended.
            if let Err(error) = killpg(Pid::from_raw(group), signal)
                && error != nix::errno::Errno::ESRCH
            {
                return Err(failed(format!("process {pid} cannot be ended: {error}")));
            }
            let until = tokio::time::Instant::now() + wait;
            while tokio::time::Instant::now() < until {
                if self.look().await?.running != Some(true) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        }
        Err(failed("it does not end".to_owned()))
    }
}

impl ExecControl for Program {
    fn state(&self) -> BoxFuture<'_, Result<ExecState, DriverError>> {
        self.now().boxed()
    }

    fn resize(&self, size: TerminalSize) -> BoxFuture<'_, Result<(), DriverError>> {
        self.set_size(size).boxed()
    }

    fn end(&self) -> BoxFuture<'_, Result<(), DriverError>> {
        self.stop().boxed()
    }
}
