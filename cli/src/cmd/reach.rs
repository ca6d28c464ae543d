//! `gridlease job port-forward` and `gridlease job exec`

use std::io::{IsTerminal as _, Read as _};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use gridlease_sdk::node_api::LogStream;
use gridlease_sdk::node_api::client::{ExecEvent, ExecInput, ExecOutput, NodeError};
use gridlease_sdk::node_api::pump::PING_EVERY;
use gridlease_sdk::node_api::reach::{ExecStart, TerminalSize};
use solana_pubkey::Pubkey;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;

use super::Context;
use crate::buyer::Buyer;
use crate::buyer::forward::{PortPair, patiently};
use crate::error::CliError;
use crate::terminal::{RawTerminal, Resizes, terminated};

/// Bytes of standard input that are read at a time, and how many such pieces wait.
const PIECE: usize = 16 * 1024;
const PIECES: usize = 4;

/// How a program is run.
pub(super) struct Terms {
    /// With standard input.
    pub interactive: bool,
    /// With a terminal.
    pub tty: bool,
    /// How long a job that does not run yet is waited for.
    pub wait: Duration,
}

/// Tells people what is waited for.
pub(super) fn waits(context: &Context, job: &Pubkey) -> impl FnMut(&str) {
    let (out, job) = (context.out, *job);
    move |words| out.note(&format!("waiting for job {job}: {words}"))
}

/// Forwards ports until the job's container ends.
pub(super) async fn forward(
    context: &Context,
    buyer: &Buyer,
    job: Pubkey,
    ports: &[PortPair],
    address: IpAddr,
    wait: Duration,
) -> Result<ExitCode, CliError> {
    let forward = buyer.forward(&job, ports, address, wait, waits(context, &job)).await?;
    for port in forward.ports()? {
        if context.out.is_json() {
            context.out.json_line(&port)?;
        } else {
            context.out.line(&format!("{} leads to port {} of job {job}", port.local, port.remote))?;
        }
    }
    Err(forward.run(|trouble| context.out.note(&format!("a connection failed: {trouble}"))).await)
}

/// Runs a program in the job's container; its exit code is the command's.
pub(super) async fn exec(
    context: &Context,
    buyer: &Buyer,
    job: Pubkey,
    command: Vec<String>,
    Terms { interactive, tty, wait }: Terms,
) -> Result<ExitCode, CliError> {
    if tty && !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
        return Err(CliError::Usage(
            "standard input or output is no terminal; leave --tty out, and write --interactive to hand on what is piped"
                .to_owned(),
        ));
    }
    let (lease, node) = buyer.running(&job, wait, waits(context, &job)).await?;
    let size = if tty { RawTerminal::size() } else { None };
    let start = ExecStart { command, tty, stdin: interactive || tty, size };
    let ended = |error: NodeError| match error {
        error if error.is_container_ended() => CliError::ContainerEnded { job, exit_code: None },
        error => error.into(),
    };
    let (input, output) = patiently(|| node.exec(&lease.lease, &start)).await.map_err(ended)?;
    // From here on every key belongs to the program, until this is dropped.
    let raw = if tty { Some(RawTerminal::enter()?) } else { None };
    let done = tokio::select! {
        done = show(output) => done,
        never = feed(input, start.stdin, tty) => match never {},
        () = terminated(), if tty => return Err(CliError::Interrupted("the node ends the program")),
    };
    drop(raw);
    match done {
        Ok(code) => Ok(as_exit_code(code)),
        Err(Failure::Local(error)) => Err(error),
        Err(Failure::Node(NodeError::NotStarted { exit_code, reason })) => {
            context.out.note(&format!("error: {reason}"));
            Ok(as_exit_code(exit_code))
        }
        Err(Failure::Node(error)) => Err(ended(error)),
    }
}

/// A process can return one byte. A code that does not fit into it is a failure all the same.
pub(super) fn as_exit_code(code: i64) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// Why a program was not followed to its end.
pub(super) enum Failure {
    /// The node.
    Node(NodeError),
    /// This machine.
    Local(CliError),
}

/// What the program writes, byte for byte, to its end; the code that it ended with.
pub(super) async fn show(mut output: ExecOutput) -> Result<i64, Failure> {
    loop {
        match output.next().await.map_err(Failure::Node)? {
            ExecEvent::Output(stream, bytes) => write_out(stream, &bytes).await?,
            ExecEvent::Exit(code) => return Ok(code),
            ExecEvent::Attached { .. } => {}
        }
    }
}

/// Writes what a program wrote to the same stream here.
async fn write_out(stream: LogStream, bytes: &[u8]) -> Result<(), Failure> {
    match stream {
        LogStream::Stdout => write(&mut tokio::io::stdout(), bytes).await,
        LogStream::Stderr => write(&mut tokio::io::stderr(), bytes).await,
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), Failure> {
    let written = async {
        to.write_all(bytes).await?;
        to.flush().await
    };
    let failed = |error| Failure::Local(CliError::Local(format!("the program's output cannot be written: {error}")));
    written.await.map_err(failed)
}

/// Hands on what is typed or piped, and the terminal's size. Ends with the program only: why a connection broke, its output tells.
async fn feed(mut input: ExecInput, stdin: bool, tty: bool) -> std::convert::Infallible {
    let mut pieces = stdin.then(read_stdin);
    let mut resizes = if tty { Resizes::watch() } else { None };
    loop {
        let sent = tokio::select! {
            piece = next(&mut pieces) => match piece {
                Some(bytes) => input.send(bytes).await,
                None => {
                    pieces = None;
                    input.end().await
                }
            },
            // While nobody takes the program's output nothing else is said to the node, which would take this for dead.
            () = tokio::time::sleep(PING_EVERY) => input.alive().await,
            size = next_size(&mut resizes) => match size {
                Some(size) => input.resize(size).await,
                None => {
                    resizes = None;
                    Ok(())
                }
            },
        };
        if sent.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

pub(super) async fn next(pieces: &mut Option<mpsc::Receiver<Bytes>>) -> Option<Bytes> {
    match pieces {
        Some(pieces) => pieces.recv().await,
        None => std::future::pending().await,
    }
}

pub(super) async fn next_size(resizes: &mut Option<Resizes>) -> Option<TerminalSize> {
    match resizes {
        Some(resizes) => resizes.next().await,
        None => std::future::pending().await,
    }
}

/// Standard input in pieces, read on a thread of its own: a read cannot be taken back, and ends with the process at the latest.
pub(super) fn read_stdin() -> mpsc::Receiver<Bytes> {
    let (sender, receiver) = mpsc::channel(PIECES);
    std::thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        let mut piece = vec![0; PIECE];
        loop {
            match stdin.read(&mut piece) {
                Ok(0) => return,
                Ok(count) => {
                    let bytes = Bytes::copy_from_slice(piece.get(..count).unwrap_or_default());
                    if sender.blocking_send(bytes).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    });
    receiver
}
