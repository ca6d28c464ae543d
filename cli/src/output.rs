//! How results reach people and programs: one structure, shown as a table or as JSON. Data on standard output, everything
//! else on standard error.

use std::fmt::Display;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use comfy_table::{ContentArrangement, Table, presets};
use gridlease_sdk::node_api::LogStream;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::error::CliError;
use crate::printable::shown;

/// Something that a command reports.
pub trait Report: Serialize {
    /// For people.
    fn human(&self) -> String;
}

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    json: bool,
    terminal: bool,
    /// Whether styles of text are shown on standard output, and on standard error.
    styles: (bool, bool),
}

impl Output {
    /// For this process; with `json` for programs.
    pub fn new(json: bool) -> Self {
        // https://no-color.org
        let styles = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let terminal = io::stderr().is_terminal();
        Self { json, terminal, styles: (styles && io::stdout().is_terminal(), styles && terminal) }
    }

    /// For programs?
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody sits there who sees progress and can answer.
    pub fn is_interactive(&self) -> bool {
        self.terminal && io::stdin().is_terminal()
    }

    /// Prints a result.
    ///
    /// # Errors
    /// [`CliError::Local`] where standard output does not take it.
    pub fn report(&self, report: &impl Report) -> Result<(), CliError> {
        if self.json {
            let text = serde_json::to_string_pretty(report)
                .map_err(|error| CliError::Local(format!("the result cannot be written as JSON: {error}")))?;
            return self.line(&text);
        }
        self.line(report.human().trim_end())
    }

    /// Prints one line of JSON, for streams.
    ///
    /// # Errors
    /// [`CliError::Local`] where standard output does not take it.
    pub fn json_line(&self, value: &impl Serialize) -> Result<(), CliError> {
        let text = serde_json::to_string(value)
            .map_err(|error| CliError::Local(format!("an event cannot be written as JSON: {error}")))?;
        self.line(&text)
    }

    /// Prints data as it is.
    ///
    /// # Errors
    /// [`CliError::Local`] where standard output does not take it.
    pub fn line(&self, text: &str) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        let written =
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush());
        match written {
            // Whoever read has seen enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(CliError::Local(format!("standard output cannot be written: {error}"))),
            Ok(()) => Ok(()),
        }
    }

    /// Prints a line that a container wrote to its standard output, or to its standard error, to the same of this process. Colours
    /// are kept where that is a terminal; nothing else in it steers one.
    ///
    /// # Errors
    /// [`CliError::Local`] where standard output does not take it.
    pub fn container_line(&self, stream: LogStream, line: &str) -> Result<(), CliError> {
        match stream {
            LogStream::Stdout => self.line(&shown(line, self.styles.0)),
            LogStream::Stderr => {
                self.note(&shown(line, self.styles.1));
                Ok(())
            }
        }
    }

    /// Tells people something that is not data.
    pub fn note(&self, text: &str) {
        // Nobody can be told that standard error is gone.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A spinner while something takes its time; invisible where nobody sees it.
    pub fn spinner(&self, doing: &'static str) -> ProgressBar {
        if self.json || !self.terminal {
            return ProgressBar::hidden();
        }
        let spinner = ProgressBar::new_spinner().with_message(doing);
        spinner.enable_steady_tick(Duration::from_millis(120));
        spinner
    }

    /// A bar for bytes that are written; invisible where nobody sees it.
    pub fn bytes_bar(&self) -> ProgressBar {
        if self.json || !self.terminal {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {bytes} of {total_bytes}, {eta} left") {
            bar.set_style(style);
        }
        bar
    }

    /// A bar for money that moves; invisible where nobody sees it.
    pub fn money_bar(&self) -> ProgressBar {
        if self.json || !self.terminal {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(1);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {bar:30} {percent:>3} %  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Asks whether to go on; `true` where nobody can be asked.
    ///
    /// # Errors
    /// [`CliError::Local`] where the answer cannot be read.
    pub async fn confirm(&self, question: &str) -> Result<bool, CliError> {
        if !self.is_interactive() {
            return Ok(true);
        }
        let question = format!("{question} [y/N] ");
        let answer = tokio::task::spawn_blocking(move || {
            let mut stderr = io::stderr().lock();
            stderr.write_all(question.as_bytes())?;
            stderr.flush()?;
            let mut answer = String::new();
            io::stdin().read_line(&mut answer)?;
            Ok::<_, io::Error>(answer)
        });
        let answer = answer.await.map_err(|_| CliError::Local("the question was interrupted".to_owned()))?;
        let answer = answer.map_err(|error| CliError::Local(format!("the answer cannot be read: {error}")))?;
        Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// A list of things, a row each, under headings.
pub fn rows(headings: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = table();
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    lines(&table)
}

/// One thing with its fields, a line each.
pub fn fields(fields: &[(&str, &dyn Display)]) -> String {
    pairs(fields.iter().map(|(name, value)| (*name, value.to_string())))
}

/// As [`fields`], for fields that are not always there.
pub fn pairs<'a>(pairs: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let mut table = table();
    for (name, value) in pairs {
        table.add_row(vec![name.to_owned(), value]);
    }
    lines(&table)
}

fn lines(table: &Table) -> String {
    let trimmed: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    trimmed.join("\n")
}

/// A length of time as people write it: `1h 2m 3s`.
pub fn span(seconds: u64) -> String {
    let (hours, minutes, rest) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m {rest}s"),
        _ => format!("{hours}h {minutes}m {rest}s"),
    }
}

/// A time of the past or the future, seen from `now`; a dash for zero.
pub fn relative(at: u64, now: u64) -> String {
    match at {
        0 => "-".to_owned(),
        _ if at > now => format!("in {}", span(at - now)),
        _ => format!("{} ago", span(now - at)),
    }
}

/// MiB as people write them.
pub fn mib(mib: u64) -> String {
    bytesize::ByteSize::mib(mib).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_sizes_are_shown_as_people_write_them() {
        assert_eq!((span(59).as_str(), span(61).as_str(), span(3_723).as_str()), ("59s", "1m 1s", "1h 2m 3s"));
        assert_eq!((relative(0, 9), relative(12, 9), relative(7, 9)), ("-".into(), "in 3s".into(), "2s ago".into()));
        assert_eq!(mib(1_536), "1.5 GiB");
    }

    #[test]
    fn tables_have_headings_and_no_blanks_at_the_end_of_lines() {
        let text = rows(&["job", "state"], [vec!["a".to_owned(), "open".to_owned()]]);
        assert!(text.contains("JOB") && text.contains("open"), "{text}");
        assert!(text.lines().all(|line| line == line.trim_end()), "{text:?}");
    }
}
