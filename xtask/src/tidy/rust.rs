//! Rules for Rust files.

use super::Finding;
use super::source::Source;

/// The most lines of a file, its tests not counted.
const LONG: usize = 600;

// In pieces, so that this file does not break its own rules.
/// What ends a program instead of saying what is wrong.
const PANICS: [&str; 4] =
    [concat!(".unw", "rap()"), concat!("to", "do!("), concat!("unimpl", "emented!("), concat!("db", "g!(")];
/// How the time of day is read.
const CLOCKS: [&str; 3] =
    [concat!("System", "Time::now("), concat!("OffsetDate", "Time::now"), concat!("Utc", "::now(")];
/// The asynchronous runtime, as code names it.
const RUNTIME: &str = concat!("tok", "io::");

/// Checks a Rust file.
pub fn check(source: &Source, findings: &mut Vec<Finding>) {
    let Some(lines) = &source.lines else { return };
    let first = lines.iter().position(|line| !line.trim().is_empty() && !line.starts_with("#!["));
    if !first.is_some_and(|index| lines[index].starts_with("//!")) {
        let message = "begin with `//!` and what this file is for";
        source.report(findings, first.unwrap_or(0), "module-doc", message);
    }
    if source.own_lines() > LONG {
        let message = format!("{} lines without tests; split it, {LONG} are allowed", source.own_lines());
        source.report(findings, LONG, "long-file", message);
    }
    for (index, line) in lines.iter().enumerate() {
        if is_dead_code(line) {
            let message = "remove commented-out code; git remembers it";
            source.report(findings, index, "dead-code", message);
        }
        if !source.is_test(index) && !line.trim_start().starts_with("//") {
            check_code(source, index, line, findings);
        }
    }
}

fn check_code(source: &Source, index: usize, line: &str, findings: &mut Vec<Finding>) {
    if let Some(call) = PANICS.iter().find(|call| calls(line, call)) {
        let message = format!("`{call}` outside tests; return an error that says what to do");
        source.report(findings, index, "panic", message);
    }
    let in_clock = source.path.split('/').any(|part| part == "clock" || part == "clock.rs");
    if !in_clock && let Some(call) = CLOCKS.iter().find(|call| line.contains(**call)) {
        let message = format!("`{call}` belongs into this crate's module `clock`");
        source.report(findings, index, "wall-clock", message);
    }
    if source.path.starts_with("interface/") && line.contains(RUNTIME) {
        let message = "the interface does no I/O and must work without the runtime";
        source.report(findings, index, "pure-interface", message);
    }
}

/// Whether a line has this call, and not one whose name merely ends like it.
fn calls(line: &str, call: &str) -> bool {
    line.match_indices(call).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        call.starts_with('.') || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Whether a comment is code that was put out of use. Kept simple: it looks at how the line begins and ends.
fn is_dead_code(line: &str) -> bool {
    let Some(comment) = line.trim_start().strip_prefix("//") else {
        return false;
    };
    if comment.starts_with(['/', '!']) {
        return false;
    }
    let comment = comment.trim();
    let begins = |words: &[&str]| words.iter().any(|word| comment.starts_with(word));
    let is_statement = comment.ends_with(';')
        && (begins(&["let ", "use ", "pub ", "return ", "mod ", "const ", "static "]) || is_call(comment));
    let is_block = comment.ends_with('{')
        && begins(&[
            "fn ", "pub ", "if ", "for ", "while ", "match ", "loop ", "impl ", "struct ", "enum ", "mod ", "async ",
            "else ", "} else",
        ]);
    let is_rest = ["}", "});", "};", "})?;"].contains(&comment);
    let is_attribute = comment.starts_with("#[") && comment.ends_with(']');
    is_statement || is_block || is_rest || is_attribute
}

/// Whether this is nothing but a call: a path or field access, brackets, a semicolon.
fn is_call(comment: &str) -> bool {
    let Some((name, _)) = comment.split_once('(') else {
        return false;
    };
    let end = comment.ends_with(");") || comment.ends_with(")?;");
    end && !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "_.:".contains(c))
}
