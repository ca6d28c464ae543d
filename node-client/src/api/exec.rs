//! A program in a lease's container, over a websocket.

use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Error as SocketError;
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use gridlease_sdk::node_api::LogStream;
use gridlease_sdk::node_api::pump::{PING_EVERY, farewell};
use gridlease_sdk::node_api::reach::{
    AttachStart, Closing, ExecAsk, ExecStart, ExecTold, Frame, MAX_EXEC_WORDS, STDERR, STDOUT, TerminalSize,
    close_codes,
};
use solana_pubkey::Pubkey;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};

use super::ReachAccess;
use super::reach::PATIENCE;
use super::sessions::Session;
use super::socket::Socket;
use crate::driver::{Attached, DriverError, Exec, ExecControl, ExecSpec, ExecState};
use crate::for_buyer::ForBuyer as _;

/// For the first frame, which says what to run.
const FIRST: Duration = Duration::from_secs(15);
/// How long the engine may take to tell how a program ended.
const LAST_WORD: Duration = Duration::from_secs(10);
/// Between two questions for it.
const LOOK: Duration = Duration::from_millis(50);
/// How long what is left is carried over once the container has ended.
const DRAIN: Duration = Duration::from_secs(2);
/// How long an attached client may leave a piece untaken. While it does, the engine holds up the job's own program, and does not
/// tell of its end.
const TOO_SLOW: Duration = Duration::from_secs(5);

type Boxed = Pin<Box<dyn Socket>>;
type Output = SplitSink<Boxed, Frame>;
type Input = SplitStream<Boxed>;
type Pieces = futures_util::stream::BoxStream<'static, Result<(LogStream, Bytes), DriverError>>;

/// What is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A program that the client names.
    Exec,
    /// The container's own.
    Own,
}

/// Serves one program to its end, or ends it where the client is gone.
pub(super) async fn serve(socket: Boxed, what: What, access: &ReachAccess, lease: &Pubkey, session: &Session) {
    let (mut out, mut input) = socket.split();
    let begun = match what {
        What::Exec => begin(&mut input, access).await,
        What::Own => attach(&mut out, &mut input, access).await,
    };
    let closing = match begun {
        Ok((exec, size)) => {
            let Exec { input: stdin, mut output, control } = exec;
            if let Some(size) = size
                && let Err(error) = control.resize(size).await
            {
                tracing::debug!(%lease, %error, "a terminal keeps its size");
            }
            let most = matches!(what, What::Own).then_some(TOO_SLOW);
            let closing = run(&mut out, &mut input, stdin, &mut output, control.as_ref(), (session, most)).await;
            // A program that nobody hears or speaks to any more is not left running.
            if closing.code != close_codes::DONE
                && closing.code != close_codes::CONTAINER_ENDED
                && let Err(error) = control.end().await
            {
                tracing::warn!(%lease, %error, "a program of exec may still run in the container");
            }
            closing
        }
        Err(Unbegun::Bad(reason)) => Closing::new(close_codes::BAD_FRAME, reason),
        Err(Unbegun::Driver(DriverError::NotRunningContainer { .. } | DriverError::NoSuchContainer { .. })) => {
            Closing::container_ended()
        }
        Err(Unbegun::Driver(error)) => {
            tracing::warn!(%lease, %error, "a program was not started");
            Closing::new(close_codes::FAILED, error.for_buyer())
        }
    };
    farewell(&mut out, &mut input, &closing).await;
}

/// Why nothing was begun.
enum Unbegun {
    /// The first frame is not what it has to be.
    Bad(String),
    /// The engine.
    Driver(DriverError),
}

/// A program, and the size of the client's terminal.
type Begun = (Exec, Option<TerminalSize>);

async fn begin(input: &mut Input, access: &ReachAccess) -> Result<Begun, Unbegun> {
    let bad = |reason: &str| Unbegun::Bad(reason.to_owned());
    let Ok(Some(Ok(Frame::Text(text)))) = timeout(FIRST, input.next()).await else {
        return Err(bad("the first frame has to say what to run"));
    };
    let start: ExecStart = serde_json::from_str(&text).map_err(|error| Unbegun::Bad(error.to_string()))?;
    if start.command.is_empty() || start.command.len() > MAX_EXEC_WORDS {
        return Err(Unbegun::Bad(format!("a command has 1 to {MAX_EXEC_WORDS} words")));
    }
    if start.command.iter().any(|word| word.contains('\0')) || start.command.first().is_some_and(String::is_empty) {
        return Err(bad("a command's words hold no zero bytes, and its first one is not empty"));
    }
    let spec = ExecSpec { command: start.command, tty: start.tty, stdin: start.stdin };
    let exec = access.driver.exec(&access.container, &spec).await.map_err(Unbegun::Driver)?;
    Ok((exec, start.size.filter(|_| start.tty)))
}

async fn attach(out: &mut Output, input: &mut Input, access: &ReachAccess) -> Result<Begun, Unbegun> {
    let Ok(Some(Ok(Frame::Text(text)))) = timeout(FIRST, input.next()).await else {
        return Err(Unbegun::Bad("the first frame has to say how it is attached".to_owned()));
    };
    let start: AttachStart = serde_json::from_str(&text).map_err(|error| Unbegun::Bad(error.to_string()))?;
    let Attached { program, stdin, tty } = access.driver.attach(&access.container).await.map_err(Unbegun::Driver)?;
    let told = ExecTold::Attached { stdin, tty };
    let text = serde_json::to_string(&told).map_err(|error| Unbegun::Bad(error.to_string()))?;
    out.send(Frame::Text(text)).await.map_err(|error| Unbegun::Bad(error.to_string()))?;
    Ok((program, start.size.filter(|_| tty)))
}

async fn run(
    out: &mut Output,
    input: &mut Input,
    stdin: Pin<Box<dyn AsyncWrite + Send>>,
    output: &mut Pieces,
    control: &dyn ExecControl,
    (session, most): (&Session, Option<Duration>),
) -> Closing {
    let mut tell = pin!(tell(out, output, control, most));
    let mut hear = pin!(hear(input, stdin, control));
    let over = async {
        session.ended.cancelled().await;
        // What it wrote before is on its way.
        sleep(DRAIN).await;
        Closing::container_ended()
    };
    tokio::select! {
        biased;
        closing = &mut tell => closing,
        closing = &mut hear => closing,
        closing = over => closing,
    }
}

/// What the program writes, and how it ended. A client that does not take a piece within `most` is let go of.
async fn tell(out: &mut Output, output: &mut Pieces, control: &dyn ExecControl, most: Option<Duration>) -> Closing {
    let mut begun = false;
    loop {
        let piece = tokio::select! {
            piece = output.next() => piece,
            () = sleep(PING_EVERY) => {
                if out.send(Frame::Alive).await.is_err() {
                    return Closing::lost();
                }
                continue;
            }
        };
        let Some(Ok((stream, bytes))) = piece else { break };
        // An engine says on the program's own output why it could not be started, in words that are not for a buyer.
        if !begun {
            match control.state().await {
                Ok(ExecState::NotStarted(_)) => break,
                Ok(_) => begun = true,
                Err(error) => return Closing::new(close_codes::FAILED, error.for_buyer()),
            }
        }
        let sending = out.send(Frame::Data(on_channel(stream, &bytes)));
        let sent = match most {
            Some(most) => timeout(most, sending).await.ok(),
            None => Some(sending.await),
        };
        match sent {
            Some(Ok(())) => {}
            Some(Err(_)) => return Closing::lost(),
            None => {
                return Closing::new(
                    close_codes::FAILED,
                    "what the program writes was not taken in time; attach again",
                );
            }
        }
    }
    let told = match last_word(control).await {
        Some(ExecState::Exited(code)) => ExecTold::Exit(code),
        Some(ExecState::NotStarted(exit_code)) => ExecTold::Failed { exit_code, reason: why_not(exit_code).to_owned() },
        _ => return Closing::new(close_codes::FAILED, "how the program ended is not known"),
    };
    let Ok(text) = serde_json::to_string(&told) else { return Closing::lost() };
    if out.send(Frame::Text(text)).await.is_ok() { Closing::done() } else { Closing::lost() }
}

fn why_not(exit_code: i64) -> &'static str {
    if exit_code == 127 {
        "the container has no program of that name; no shell is added, so a shell's own words need `sh -c`"
    } else {
        "the program may not be executed in the container, or there is none of that name; no shell is added, so a shell's own words need `sh -c`"
    }
}

fn on_channel(stream: LogStream, bytes: &Bytes) -> Bytes {
    let mut framed = BytesMut::with_capacity(bytes.len() + 1);
    framed.put_u8(if stream == LogStream::Stderr { STDERR } else { STDOUT });
    framed.put_slice(bytes);
    framed.freeze()
}

/// How the program ended, once the engine knows; a moment after its output's end.
async fn last_word(control: &dyn ExecControl) -> Option<ExecState> {
    timeout(LAST_WORD, async {
        loop {
            match control.state().await {
                Ok(end @ (ExecState::Exited(_) | ExecState::NotStarted(_))) => return Some(end),
                Ok(ExecState::Running | ExecState::Starting) => sleep(LOOK).await,
                Err(_) => return None,
            }
        }
    })
    .await
    .ok()
    .flatten()
}

/// What the client sends. Ends only with the client: a program goes on without an input.
async fn hear(input: &mut Input, mut stdin: Pin<Box<dyn AsyncWrite + Send>>, control: &dyn ExecControl) -> Closing {
    let mut open = true;
    loop {
        let frame = match timeout(PATIENCE, input.next()).await {
            Err(_) => return Closing::new(close_codes::SILENT, "nothing was heard for too long"),
            Ok(None | Some(Err::<_, SocketError>(_))) => return Closing::lost(),
            Ok(Some(Ok(frame))) => frame,
        };
        match frame {
            Frame::Alive => {}
            Frame::Close(_) => return Closing::lost(),
            // A program that has ended, or closed its input, reads nothing more.
            Frame::Data(bytes) => open = open && stdin.write_all(&bytes).await.is_ok() && stdin.flush().await.is_ok(),
            Frame::Text(text) => match serde_json::from_str(&text) {
                Ok(ExecAsk::Eof) => {
                    let _ = stdin.shutdown().await;
                    open = false;
                }
                Ok(ExecAsk::Resize(size)) => {
                    // One that has just ended has no terminal.
                    let _ = control.resize(size).await;
                }
                Err(error) => return Closing::new(close_codes::BAD_FRAME, error.to_string()),
            },
        }
    }
}
