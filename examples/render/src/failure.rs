//! Why a run ends without a picture, and the exit code that says so.

use std::fmt;

/// A run that failed. The exit code lets a buyer tell a bad scene from a full disk.
#[derive(Debug)]
pub enum Failure {
    /// The arguments are wrong: exit code 1.
    Usage(String),
    /// The scene cannot be read or is not within its bounds: exit code 2.
    Scene(anyhow::Error),
    /// Frames, summary or progress cannot be written: exit code 3.
    Output(anyhow::Error),
}

impl Failure {
    /// The process exit code of this failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 1,
            Self::Scene(_) => 2,
            Self::Output(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(what) => write!(f, "{what} (see `render --help`)"),
            Self::Scene(error) | Self::Output(error) => write!(f, "{error:#}"),
        }
    }
}
