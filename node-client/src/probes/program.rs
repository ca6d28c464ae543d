//! A program that answers: run in the container without a terminal, and ended where it takes too long.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::driver::{ContainerId, Driver, DriverError, Exec, ExecSpec, ExecState};

/// Most bytes of the last line of its output that are told.
const MAX_LINE: usize = 256;
/// Most bytes of its output that are read.
const MAX_READ: usize = 256 * 1024;
/// Between two looks at a program that still writes, and at one whose output is over.
const LOOK: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// What came of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    /// It ended with this exit code.
    Ended(i64),
    /// It could not be started.
    NotStarted(i64),
    /// It had not ended in its time, and was ended.
    Late,
}

/// Runs it; with the last line that it wrote. It is a task of its own: where nobody waits any more, what was begun is still ended.
pub(super) async fn run(
    driver: Arc<dyn Driver>,
    id: ContainerId,
    command: Vec<String>,
    patience: Duration,
) -> Result<(Ran, String), DriverError> {
    let task = tokio::spawn(async move {
        let until = Instant::now() + patience;
        let Exec { mut output, control, .. } =
            driver.exec(&id, &ExecSpec { command, tty: false, stdin: false }).await?;
        let mut line = LastLine::default();
        let ended = timeout_at(until, async {
            let (mut open, mut read) = (true, 0_usize);
            let mut look = Instant::now() + LOOK;
            loop {
                tokio::select! {
                    // First: what writes without an end does not put it off.
                    biased;
                    // One that left another program behind has ended, although its output has not.
                    () = sleep_until(look) => {}
                    piece = output.next(), if open => match piece {
                        Some(piece) => {
                            let bytes = piece?.1;
                            read = read.saturating_add(bytes.len());
                            line.push(&bytes);
                            // Of one that floods nothing more is read: what is not read holds it up.
                            open = read <= MAX_READ;
                            continue;
                        }
                        None => open = false,
                    },
                }
                look = Instant::now() + if open { LOOK } else { LOOK_AGAIN };
                match control.state().await? {
                    ExecState::Starting | ExecState::Running => {}
                    ExecState::NotStarted(code) => return Ok(Ran::NotStarted(code)),
                    ExecState::Exited(code) => return Ok(Ran::Ended(code)),
                }
            }
        })
        .await;
        let ran = match ended {
            Ok(ran @ Ok(_)) => ran,
            late_or_failed => {
                if let Err(error) = control.end().await {
                    tracing::warn!(container = %id, %error, "a probe's program is left in its container");
                }
                late_or_failed.unwrap_or(Ok(Ran::Late))
            }
        };
        ran.map(|ran| (ran, line.told()))
    });
    let broken =
        |_| DriverError::Engine { what: "run a probe in a container", reason: "its task broke off".to_owned() };
    task.await.map_err(broken)?
}

/// The beginning of the last line that is not blank.
#[derive(Debug, Default)]
struct LastLine {
    whole: Vec<u8>,
    open: Vec<u8>,
}

impl LastLine {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            if byte != b'\n' {
                if self.open.len() < MAX_LINE {
                    self.open.push(byte);
                }
            } else if self.open.iter().all(u8::is_ascii_whitespace) {
                self.open.clear();
            } else {
                self.whole = std::mem::take(&mut self.open);
            }
        }
    }

    fn told(self) -> String {
        let open = !self.open.iter().all(u8::is_ascii_whitespace);
        String::from_utf8_lossy(if open { &self.open } else { &self.whole }).trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_what_a_program_writes_the_last_line_is_told_and_no_more_than_its_beginning_is_held() {
        let told = |pieces: &[&str]| {
            let mut line = LastLine::default();
            pieces.iter().for_each(|piece| line.push(piece.as_bytes()));
            assert!(line.whole.len() <= MAX_LINE && line.open.len() <= MAX_LINE);
            line.told()
        };
        assert_eq!(told(&[]), "");
        assert_eq!(told(&["one\ntw", "o\n", "\n  \n"]), "two");
        assert_eq!(told(&["one\n", "no end"]), "no end");
        assert_eq!(told(&["x".repeat(100_000).as_str()]), "x".repeat(MAX_LINE));
    }
}
