//! This process's terminal while it belongs to a program elsewhere.

use gridlease_sdk::node_api::reach::TerminalSize;

use crate::error::CliError;

/// The terminal in raw mode: every key is handed on. Restored when this is dropped, whatever the reason.
#[derive(Debug)]
pub struct RawTerminal(());

impl RawTerminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// [`CliError::Local`] where there is none.
    pub fn enter() -> Result<Self, CliError> {
        crossterm::terminal::enable_raw_mode()
            .map_err(|error| CliError::Local(format!("this terminal cannot be handed over: {error}")))?;
        Ok(Self(()))
    }

    /// Its size, where the system tells.
    #[must_use]
    pub fn size() -> Option<TerminalSize> {
        crossterm::terminal::size().ok().map(|(columns, rows)| TerminalSize { columns, rows })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Err(error) = crossterm::terminal::disable_raw_mode() {
            tracing::warn!(%error, "the terminal could not be restored; run `reset`");
        }
    }
}

/// New sizes of the terminal.
#[derive(Debug)]
pub struct Resizes {
    #[cfg(unix)]
    changes: tokio::signal::unix::Signal,
}

impl Resizes {
    /// Begins to watch; `None` where the system does not tell.
    #[must_use]
    pub fn watch() -> Option<Self> {
        #[cfg(unix)]
        {
            let changes = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).ok()?;
            Some(Self { changes })
        }
        #[cfg(not(unix))]
        None
    }

    /// The next size; `None` where none will come.
    pub async fn next(&mut self) -> Option<TerminalSize> {
        #[cfg(unix)]
        loop {
            self.changes.recv().await?;
            if let Some(size) = RawTerminal::size() {
                return Some(size);
            }
        }
        #[cfg(not(unix))]
        None
    }
}

/// Waits until this process is told to end otherwise than by Ctrl-C, so that its terminal can be restored first.
pub async fn terminated() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let (Ok(mut term), Ok(mut hangup)) = (signal(SignalKind::terminate()), signal(SignalKind::hangup())) {
            tokio::select! {
                _ = term.recv() => return,
                _ = hangup.recv() => return,
            }
        }
    }
    std::future::pending().await
}
