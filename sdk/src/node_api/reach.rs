//! What is said on a websocket into a running lease: the frames of a port's tunnel and those of an exec.
//!
//! Data travels in binary frames, everything else in text. On a **tunnel** the only text is [`EOF`]: its sender has nothing more
//! to send, and still listens. On an **exec** the client's first frame is an [`ExecStart`], later ones are bytes for standard
//! input and [`ExecAsk`]s; the node's are a byte for the channel ([`STDOUT`], [`STDERR`]) with bytes of the program's, and at the
//! end one [`ExecTold`]. An **attachment** is an exec of the program that the container runs by itself: its first frame is an
//! [`AttachStart`], which [`ExecTold::Attached`] answers. Both sides end with a close frame that says why ([`Closing`]).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// The text frame that ends one direction of a tunnel.
pub const EOF: &str = "eof";
/// Channel of a program's standard output, or of its terminal.
pub const STDOUT: u8 = 1;
/// Channel of a program's standard error.
pub const STDERR: u8 = 2;
/// Largest frame that either side sends or takes, in bytes.
pub const MAX_FRAME_BYTES: usize = 64 * 1024;
/// Most words of an exec's command.
pub const MAX_EXEC_WORDS: usize = 256;
/// Longest reason in a close frame, in bytes; the protocol has no room for more.
const MAX_REASON_BYTES: usize = 123;

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// Characters in a row.
    pub columns: u16,
    /// Rows.
    pub rows: u16,
}

/// The first frame of an exec, from the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecStart {
    /// Program and arguments, at most [`MAX_EXEC_WORDS`]; no shell is added.
    pub command: Vec<String>,
    /// Whether the program gets a terminal.
    #[serde(default)]
    pub tty: bool,
    /// Whether it gets a standard input; without, it reads the end at once.
    #[serde(default)]
    pub stdin: bool,
    /// Size of its terminal.
    #[serde(default)]
    pub size: Option<TerminalSize>,
}

/// The first frame of an attachment to the container's own program, from the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachStart {
    /// Size of the client's terminal.
    #[serde(default)]
    pub size: Option<TerminalSize>,
}

/// A later text frame of an exec, from the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecAsk {
    /// The client's terminal has another size.
    Resize(TerminalSize),
    /// Standard input ends here.
    Eof,
}

/// The last text frame of an exec, from the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecTold {
    /// The program ended with this exit code; 128 + n after signal n.
    Exit(i64),
    /// The first frame of an attachment: this is what the program has.
    Attached {
        /// Whether it reads what is sent.
        stdin: bool,
        /// Whether it has a terminal.
        tty: bool,
    },
    /// The program was not started.
    Failed {
        /// With which exit code a shell tells of it: 126 where it may not be executed, 127 where there is none of that name.
        exit_code: i64,
        /// In words.
        reason: String,
    },
}

/// Why a websocket was closed: the numbers of close frames.
pub mod close_codes {
    /// Both sides had nothing more to send.
    pub const DONE: u16 = 1000;
    /// The node shuts down.
    pub const GOING_AWAY: u16 = 1001;
    /// A frame made no sense.
    pub const BAD_FRAME: u16 = 1003;
    /// The lease's container has ended.
    pub const CONTAINER_ENDED: u16 = 4000;
    /// The connection behind it was broken off.
    pub const RESET: u16 = 4001;
    /// Nothing was heard of the other side.
    pub const SILENT: u16 = 4002;
    /// The node could not do what was asked.
    pub const FAILED: u16 = 4003;
    /// Never sent: the websocket broke without a word.
    pub const LOST: u16 = 1006;
}

/// Why a websocket was closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// One of [`close_codes`].
    pub code: u16,
    /// In words; may be empty.
    pub reason: String,
}

impl Closing {
    /// A reason of at most 123 bytes; what is longer is cut.
    pub fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        let mut end = reason.len().min(MAX_REASON_BYTES);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        reason.truncate(end);
        Self { code, reason }
    }

    /// Both sides had nothing more to send.
    pub fn done() -> Self {
        Self::new(close_codes::DONE, "")
    }

    /// The websocket broke without a word.
    pub fn lost() -> Self {
        Self::new(close_codes::LOST, "the connection between client and node broke")
    }

    /// The lease's container has ended.
    pub fn container_ended() -> Self {
        Self::new(close_codes::CONTAINER_ENDED, "the lease's container has ended")
    }
}

/// A frame, whichever library carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Bytes.
    Data(Bytes),
    /// A word about them.
    Text(String),
    /// A sign of life: a ping where it is sent, a ping or its answer where it comes.
    Alive,
    /// The last frame.
    Close(Closing),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_are_written_as_the_protocol_says() {
        let start: ExecStart = serde_json::from_str(r#"{"command":["sh"],"tty":true}"#).unwrap();
        assert_eq!(start, ExecStart { command: vec!["sh".to_owned()], tty: true, stdin: false, size: None });
        let text = |ask: ExecAsk| serde_json::to_string(&ask).unwrap();
        assert_eq!(text(ExecAsk::Eof), "\"eof\"");
        assert_eq!(
            text(ExecAsk::Resize(TerminalSize { columns: 80, rows: 24 })),
            r#"{"resize":{"columns":80,"rows":24}}"#
        );
        assert_eq!(serde_json::to_string(&ExecTold::Exit(3)).unwrap(), r#"{"exit":3}"#);
    }

    #[test]
    fn a_reason_fits_into_a_close_frame_whatever_it_says() {
        let long = Closing::new(close_codes::FAILED, "ü".repeat(100));
        assert_eq!(long.reason, "ü".repeat(61));
    }
}
