//! Starting other programs, saying so, and measuring how long steps take. Everything here is said on standard error.

use std::fmt::Write as _;
use std::io;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a command to its end, its standard output on our standard error.
///
/// # Errors
/// It cannot be started or does not succeed; the message carries the command line.
pub fn run(command: &mut Command) -> Result<()> {
    let line = describe(command);
    eprintln!("+ {line}");
    command.stdout(Stdio::from(io::stderr()));
    let status = command.status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` failed ({status}); its output is above");
    }
    Ok(())
}

/// Runs a command as [`run`] does, for so long at most.
///
/// # Errors
/// Those of [`run`]; it takes longer, and is ended.
pub fn run_within(command: &mut Command, patience: Duration) -> Result<()> {
    let line = describe(command);
    eprintln!("+ {line}");
    command.stdout(Stdio::from(io::stderr()));
    let mut child = command.spawn().with_context(|| format!("cannot start `{line}`"))?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for `{line}`"))? {
            if !status.success() {
                bail!("`{line}` failed ({status}); its output is above");
            }
            return Ok(());
        }
        if start.elapsed() > patience {
            // It may have ended in this moment; either way it is over.
            let _ = child.kill();
            let _ = child.wait();
            bail!("`{line}` took longer than {} and was ended", pretty(patience));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Runs a command to its end and returns its standard output.
///
/// # Errors
/// It cannot be started, does not succeed, or does not print UTF-8.
pub fn capture(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command.stderr(Stdio::piped()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
}

/// Runs a command to its end and returns its standard output; its standard error is shown as it comes.
///
/// # Errors
/// It cannot be started, does not succeed, or does not print UTF-8.
pub fn capture_loud(command: &mut Command) -> Result<String> {
    let line = describe(command);
    eprintln!("+ {line}");
    let output = command.stderr(Stdio::inherit()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` failed ({}); its output is above", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{line}` printed no text"))
}

/// The command line as one would type it; the program without its directory.
pub fn describe(command: &Command) -> String {
    let program = command.get_program().to_string_lossy();
    let mut line = program.rsplit('/').next().unwrap_or_default().to_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        // Writing to a string cannot fail.
        let _ = if argument.is_empty() || argument.contains([' ', '"', '\'', '*']) {
            write!(line, " '{argument}'")
        } else {
            write!(line, " {argument}")
        };
    }
    line
}

/// Steps that were taken, with how long each took.
#[derive(Debug, Default)]
pub struct Steps {
    taken: Vec<(String, Duration, bool)>,
}

impl Steps {
    /// Takes a step, announcing it. The step's result is noted and returned.
    ///
    /// # Errors
    /// Those of the step, with its name.
    pub fn take<T>(&mut self, name: &str, step: impl FnOnce() -> Result<T>) -> Result<T> {
        eprintln!("\n== {name}");
        let start = Instant::now();
        let result = step();
        self.taken.push((name.to_owned(), start.elapsed(), result.is_ok()));
        result.with_context(|| format!("step \"{name}\""))
    }

    /// A table of the steps, their times and the sum.
    pub fn table(&self) -> String {
        let width = self.taken.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0).max("total".len());
        let mut table = String::new();
        let mut total = Duration::ZERO;
        for (name, time, ok) in &self.taken {
            total += *time;
            let outcome = if *ok { "ok" } else { "FAILED" };
            // Writing to a string cannot fail.
            let _ = writeln!(table, "{name:width$}  {:>8}  {outcome}", pretty(*time));
        }
        let _ = writeln!(table, "{:width$}  {:>8}", "total", pretty(total));
        table
    }
}

/// A duration in seconds, or in minutes and seconds.
pub fn pretty(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_every_step_with_its_outcome_and_a_total() {
        let mut steps = Steps::default();
        steps.take("first", || Ok(())).unwrap();
        let failed: Result<()> = steps.take("second one", || bail!("broken"));
        assert_eq!(format!("{:#}", failed.unwrap_err()), "step \"second one\": broken");
        let table = steps.table();
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with("first") && lines[0].ends_with("ok"));
        assert!(lines[1].starts_with("second one") && lines[1].ends_with("FAILED"));
        assert!(lines[2].starts_with("total"));
    }

    #[test]
    fn a_failing_command_is_named_with_its_arguments_and_its_complaint() {
        let error = capture(Command::new("/bin/sh").args(["-c", "echo no luck >&2; exit 3"])).unwrap_err().to_string();
        assert!(error.contains("sh -c 'echo no luck >&2; exit 3'"), "{error}");
        assert!(error.contains("no luck") && error.contains('3'), "{error}");
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let within = |script: &str, millis: u64| {
            run_within(Command::new("/bin/sh").args(["-c", script]), Duration::from_millis(millis))
        };
        assert!(within("exit 0", 10_000).is_ok());
        assert!(within("exit 3", 10_000).unwrap_err().to_string().contains("failed"));
        let error = within("exec sleep 600", 100).unwrap_err().to_string();
        assert!(error.contains("took longer than 0.1 s"), "{error}");
    }

    #[test]
    fn times_are_told_in_seconds_and_then_in_minutes() {
        assert_eq!(pretty(Duration::from_millis(1_540)), "1.5 s");
        assert_eq!(pretty(Duration::from_secs(125)), "2m 05s");
    }
}
