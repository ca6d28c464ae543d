//! The exit code of a command that followed a job to its end: the container's own, so that a script can tell whether its
//! work was done.

use std::process::ExitCode;

use gridlease_core::job::EndReason;
use solana_pubkey::Pubkey;

use crate::error::CliError;

/// How a job ended, for whoever started the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// The job.
    pub job: Pubkey,
    /// Why it ended.
    pub reason: EndReason,
    /// Exit code of the container, where one was reported.
    pub container: Option<i32>,
}

impl Ending {
    /// The container's exit code, or 0 whatever it was with `ignore`.
    ///
    /// # Errors
    /// [`CliError::NotCompleted`] for every end but that of the container.
    pub fn exit_code(self, ignore: bool) -> Result<ExitCode, CliError> {
        let Self { job, reason, container } = self;
        if reason != EndReason::Completed {
            return Err(CliError::NotCompleted { job, reason: reason.name() });
        }
        Ok(if ignore { ExitCode::SUCCESS } else { ExitCode::from(as_byte(container)) })
    }
}

/// A process can return one byte. A code that does not fit into it, or that nobody reported, is a failure all the same.
fn as_byte(container: Option<i32>) -> u8 {
    container.map_or(1, |code| u8::try_from(code).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn ending(reason: EndReason, container: Option<i32>) -> Ending {
        Ending { job: Pubkey::new_from_array([7; 32]), reason, container }
    }

    #[test]
    fn issue9_20_the_containers_exit_code_is_the_commands() {
        for (container, code) in
            [(Some(0), 0), (Some(1), 1), (Some(137), 137), (Some(255), 255), (Some(256), 1), (Some(-1), 1), (None, 1)]
        {
            assert_eq!(as_byte(container), code, "{container:?}");
            let ending = ending(EndReason::Completed, container);
            assert_eq!(ending.exit_code(false).unwrap(), ExitCode::from(code), "{container:?}");
            assert_eq!(ending.exit_code(true).unwrap(), ExitCode::SUCCESS, "{container:?}");
        }
    }

    #[test]
    fn issue9_20_every_end_that_is_no_completion_is_a_failure_whatever_is_ignored() {
        for reason in EndReason::ALL.into_iter().filter(|reason| *reason != EndReason::Completed) {
            for ignore in [false, true] {
                let error = ending(reason, Some(0)).exit_code(ignore).unwrap_err();
                assert_eq!(error.kind(), Kind::NotCompleted, "{reason:?}");
                assert!(error.to_string().contains(reason.name()), "{error}");
            }
        }
    }
}
