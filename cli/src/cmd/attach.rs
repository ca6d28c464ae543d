//! `gridlease job attach`

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gridlease_sdk::node_api::client::{ExecEvent, ExecInput, NodeApi, NodeError};
use gridlease_sdk::node_api::pump::PING_EVERY;
use gridlease_sdk::node_api::reach::AttachStart;
use solana_pubkey::Pubkey;
use tokio::sync::mpsc;

use super::Context;
use super::reach::{Failure, as_exit_code, next, next_size, read_stdin, show, waits};
use crate::buyer::forward::patiently;
use crate::buyer::{Buyer, is_between_runs};
use crate::error::CliError;
use crate::terminal::{RawTerminal, Resizes, terminated};

/// Ctrl-P and Ctrl-Q, one after the other: what detaches, as Docker's keys do.
const KEYS: [u8; 2] = [0x10, 0x11];
/// Pause before a connection that broke is made again.
const PAUSE: Duration = Duration::from_secs(1);

/// How often in a row that is done, and how long one has to hold to count for none of them.
const TRIES: u32 = 30;
const STEADY: Duration = Duration::from_secs(20);

/// Why an attachment ended.
enum End {
    /// The program ended with this code.
    Exit(i64),
    /// The user detached.
    Detached,
}

/// The job's own program, until it ends for good or the user detaches. A connection that breaks is made again, and so is one to a
/// program that is started again.
pub(super) async fn attach(
    context: &Context,
    buyer: &Buyer,
    job: Pubkey,
    stdin: bool,
    wait: Duration,
) -> Result<ExitCode, CliError> {
    let mut pieces = stdin.then(read_stdin);
    let (mut keys, mut broken) = (Keys::default(), 0);
    loop {
        let since = Instant::now();
        let (lease, node) = match buyer.running(&job, wait, waits(context, &job)).await {
            Err(CliError::ContainerEnded { exit_code: Some(code), .. }) => return Ok(as_exit_code(code)),
            found => found?,
        };
        match once(context, &node, &lease.lease, &mut pieces, &mut keys).await {
            Ok(End::Detached) => {
                context
                    .out
                    .note(&format!("detached; job {job} goes on, and `gridlease job attach {job}` takes it up again"));
                return Ok(ExitCode::SUCCESS);
            }
            Ok(End::Exit(code)) => match node.status(&lease.lease).await {
                Ok(status) if is_between_runs(&status) => {
                    context.out.note(&format!("the program ended with code {code}, and is started again"));
                }
                _ => return Ok(as_exit_code(code)),
            },
            Err(Failure::Local(error)) => return Err(error),
            Err(Failure::Node(error)) if broken < TRIES && (error.is_container_ended() || is_broken(&error)) => {
                broken = if since.elapsed() > STEADY { 0 } else { broken + 1 };
                // Whether it has ended for good is looked at anew.
                context.out.note(&format!("{error}; attaching again"));
            }
            Err(Failure::Node(error)) => return Err(error.into()),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_broken(error: &NodeError) -> bool {
    matches!(error, NodeError::Closed(_)) || error.is_transient()
}

/// One connection.
async fn once(
    context: &Context,
    node: &NodeApi,
    lease: &Pubkey,
    pieces: &mut Option<mpsc::Receiver<Bytes>>,
    keys: &mut Keys,
) -> Result<End, Failure> {
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let start = AttachStart { size: if terminal { RawTerminal::size() } else { None } };
    let (input, mut output) = patiently(|| node.attach(lease, &start)).await.map_err(Failure::Node)?;
    let (takes, tty) = match output.next().await.map_err(Failure::Node)? {
        ExecEvent::Attached { stdin, tty } => (stdin, tty && terminal),
        _ => return Err(Failure::Local(CliError::State("the node does not say what it attached to".to_owned()))),
    };
    if pieces.is_some() && !takes {
        context.out.note("the program takes no input: its manifest does not say `stdin: true`");
    }
    // From here on every key belongs to the program, until this is dropped.
    let raw = if tty && takes && pieces.is_some() { Some(RawTerminal::enter().map_err(Failure::Local)?) } else { None };
    if raw.is_some() {
        context.out.note("attached; Ctrl-P Ctrl-Q detaches, and every other key is the program's\r");
    }
    let is_raw = raw.is_some();
    let mut unread = None;
    let given = if takes { pieces } else { &mut unread };
    tokio::select! {
        code = show(output) => code.map(End::Exit),
        () = feed(input, given, keys, tty) => Ok(End::Detached),
        () = terminated(), if is_raw => Err(Failure::Local(CliError::Interrupted("the job goes on"))),
    }
}

/// Hands on what is typed or piped, and the terminal's size, until the user detaches.
async fn feed(mut input: ExecInput, pieces: &mut Option<mpsc::Receiver<Bytes>>, keys: &mut Keys, tty: bool) {
    let mut resizes = if tty { Resizes::watch() } else { None };
    loop {
        let sent = tokio::select! {
            piece = next(pieces) => match piece {
                Some(bytes) if tty => {
                    let (kept, detached) = keys.pass(&bytes);
                    if detached {
                        return;
                    }
                    input.send(kept).await
                }
                Some(bytes) => input.send(bytes).await,
                // The end of what is piped is not the program's: whoever is attached next may have more for it.
                None => {
                    *pieces = None;
                    Ok(())
                }
            },
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
            // Why it broke, its output tells.
            std::future::pending::<()>().await;
        }
    }
}

/// Looks for the keys that detach, also where they come in two pieces.
#[derive(Debug, Default)]
struct Keys {
    first: bool,
}

impl Keys {
    /// What of this is the program's, and whether the user detached.
    fn pass(&mut self, bytes: &[u8]) -> (Bytes, bool) {
        let mut kept = Vec::with_capacity(bytes.len() + 1);
        for byte in bytes {
            match (std::mem::take(&mut self.first), *byte) {
                (true, byte) if byte == KEYS[1] => return (kept.into(), true),
                (held, byte) => {
                    if held {
                        kept.push(KEYS[0]);
                    }
                    if byte == KEYS[0] {
                        self.first = true;
                    } else {
                        kept.push(byte);
                    }
                }
            }
        }
        (kept.into(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_p_and_ctrl_q_detach_also_in_two_pieces_and_each_alone_is_the_program_s() {
        let passed = |pieces: &[&[u8]]| {
            let (mut keys, mut all) = (Keys::default(), Vec::new());
            for piece in pieces {
                let (kept, detached) = keys.pass(piece);
                all.extend_from_slice(&kept);
                if detached {
                    return (all, true);
                }
            }
            (all, false)
        };
        assert_eq!(passed(&[b"ab\x10\x11c"]), (b"ab".to_vec(), true));
        assert_eq!(passed(&[b"a\x10", b"\x11"]), (b"a".to_vec(), true));
        assert_eq!(passed(&[b"a\x10", b"b\x11\x03"]), (b"a\x10b\x11\x03".to_vec(), false));
        assert_eq!(passed(&[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(passed(&[b"\x10"]), (Vec::new(), false), "held until it is known what follows");
    }
}
