//! Running a program in a lease's container.

use super::socket::{PATIENCE, Socket};
use super::{NodeApi, NodeError};
use crate::node_api::reach::{
    AttachStart, Closing, ExecAsk, ExecStart, ExecTold, Frame, MAX_FRAME_BYTES, STDERR, STDOUT, TerminalSize,
    close_codes,
};
use crate::node_api::{LogStream, paths};
use bytes::{Buf as _, Bytes};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Serialize;
use solana_pubkey::Pubkey;
use std::pin::Pin;
use tokio::time::timeout;

type Boxed = Pin<Box<dyn Socket>>;

/// What goes to a program in a container. When it is dropped with [`ExecOutput`], the node ends the program.
pub struct ExecInput(SplitSink<Boxed, Frame>);

/// What comes from a program in a container.
pub struct ExecOutput(SplitStream<Boxed>);

impl std::fmt::Debug for ExecInput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ExecInput").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ExecOutput {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ExecOutput").finish_non_exhaustive()
    }
}

/// What a program did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExecEvent {
    /// It wrote this. A terminal's output comes on standard output.
    Output(LogStream, Bytes),
    /// It is attached to, and has a standard input, or a terminal.
    Attached {
        /// Whether it reads what is sent.
        stdin: bool,
        /// Whether it has a terminal.
        tty: bool,
    },
    /// It ended with this exit code; 128 + n after signal n.
    Exit(i64),
}

impl NodeApi {
    /// Starts a program in the lease's container. It is tried once: a program is not started twice.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where the container does not run or too many are running; what keeps the program from starting
    /// is told by [`ExecOutput::next`].
    pub async fn exec(&self, lease: &Pubkey, start: &ExecStart) -> Result<(ExecInput, ExecOutput), NodeError> {
        self.program(paths::exec(lease), start).await
    }

    /// The streams of the lease's own program, from now on; the first event says what it has ([`ExecEvent::Attached`]). It goes on when
    /// they are let go of.
    ///
    /// # Errors
    /// [`NodeError::Refused`] where the container does not run.
    pub async fn attach(&self, lease: &Pubkey, start: &AttachStart) -> Result<(ExecInput, ExecOutput), NodeError> {
        self.program(paths::attach(lease), start).await
    }

    async fn program(&self, request: String, start: &impl Serialize) -> Result<(ExecInput, ExecOutput), NodeError> {
        let first = serde_json::to_string(start)
            .map_err(|error| NodeError::BadAnswer { request: request.clone(), reason: error.to_string() })?;
        let socket: Boxed = Box::pin(self.socket(&request).await?);
        let (mut input, output) = socket.split();
        input.send(Frame::Text(first)).await.map_err(|_| NodeError::Closed(Closing::lost()))?;
        Ok((ExecInput(input), ExecOutput(output)))
    }
}

impl ExecInput {
    /// Hands bytes to the program's standard input, waiting while it takes none.
    ///
    /// # Errors
    /// [`NodeError::Closed`]; why, [`ExecOutput::next`] tells.
    pub async fn send(&mut self, mut bytes: Bytes) -> Result<(), NodeError> {
        while bytes.has_remaining() {
            let piece = bytes.split_to(bytes.len().min(MAX_FRAME_BYTES / 2));
            self.frame(Frame::Data(piece)).await?;
        }
        Ok(())
    }

    /// Ends the program's standard input.
    ///
    /// # Errors
    /// As [`ExecInput::send`].
    pub async fn end(&mut self) -> Result<(), NodeError> {
        self.ask(ExecAsk::Eof).await
    }

    /// Gives the program's terminal another size.
    ///
    /// # Errors
    /// As [`ExecInput::send`].
    pub async fn resize(&mut self, size: TerminalSize) -> Result<(), NodeError> {
        self.ask(ExecAsk::Resize(size)).await
    }

    /// Says that this side is there, as it has to every [`PING_EVERY`](crate::node_api::pump::PING_EVERY) where nothing else is said.
    ///
    /// # Errors
    /// As [`ExecInput::send`].
    pub async fn alive(&mut self) -> Result<(), NodeError> {
        self.frame(Frame::Alive).await
    }

    async fn ask(&mut self, ask: ExecAsk) -> Result<(), NodeError> {
        let text = serde_json::to_string(&ask).map_err(|_| NodeError::Closed(Closing::lost()))?;
        self.frame(Frame::Text(text)).await
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), NodeError> {
        self.0.send(frame).await.map_err(|_| NodeError::Closed(Closing::lost()))
    }
}

impl ExecOutput {
    /// What the program does next. After [`ExecEvent::Exit`] there is nothing more. May be dropped while it waits.
    ///
    /// # Errors
    /// [`NodeError::NotStarted`], or [`NodeError::Closed`] where the connection ended before the program.
    pub async fn next(&mut self) -> Result<ExecEvent, NodeError> {
        let bad = |reason: &str| NodeError::BadAnswer { request: "an exec".to_owned(), reason: reason.to_owned() };
        loop {
            let frame = match timeout(PATIENCE, self.0.next()).await {
                Err(_) => Frame::Close(Closing::new(close_codes::SILENT, "nothing was heard of it for too long")),
                Ok(None | Some(Err(_))) => Frame::Close(Closing::lost()),
                Ok(Some(Ok(frame))) => frame,
            };
            match frame {
                Frame::Alive => {}
                Frame::Data(mut bytes) => {
                    let stream = match bytes.first() {
                        Some(&STDOUT) => LogStream::Stdout,
                        Some(&STDERR) => LogStream::Stderr,
                        _ => return Err(bad("it names no channel")),
                    };
                    bytes.advance(1);
                    return Ok(ExecEvent::Output(stream, bytes));
                }
                Frame::Text(text) => match serde_json::from_str(&text) {
                    Ok(ExecTold::Exit(code)) => return Ok(ExecEvent::Exit(code)),
                    Ok(ExecTold::Attached { stdin, tty }) => return Ok(ExecEvent::Attached { stdin, tty }),
                    Ok(ExecTold::Failed { exit_code, reason }) => {
                        let reason = reason.chars().map(|c| if c.is_control() { ' ' } else { c }).take(500).collect();
                        return Err(NodeError::NotStarted { exit_code, reason });
                    }
                    Err(error) => return Err(bad(&error.to_string())),
                },
                Frame::Close(closing) => return Err(NodeError::Closed(closing)),
            }
        }
    }
}
