//! Rules for any file.

use super::Finding;
use super::source::Source;

/// The largest file, in bytes.
const BIG: usize = 1 << 20;

// In pieces, so that this file does not break its own rules.
/// Homes within containers, which are the same on every machine: the node's choice, and where many an image keeps its caches.
const IN_CONTAINERS: [&str; 2] = ["/home/gridlease", "/root/.cache"];
/// Beginnings of paths that exist on one person's machine only.
const HOMES: [&str; 3] = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
/// Build machines' working directories.
const WORK: [&str; 2] = [concat!("/wo", "rk/"), concat!("/works", "pace/")];
/// Hosts that serve packages.
const HOSTS: [&str; 10] = [
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("registry.np", "mjs.org"),
    concat!("registry.ya", "rnpkg.com"),
    concat!("files.python", "hosted.org"),
    concat!("py", "pi.org"),
    concat!("deb.deb", "ian.org"),
    concat!("security.deb", "ian.org"),
    concat!("archive.ubu", "ntu.com"),
    concat!("proxy.go", "lang.org"),
];
/// Words for work that is left.
const LEFT: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Checks a file.
pub fn check(source: &Source, findings: &mut Vec<Finding>) {
    let bytecode = source.path.starts_with("programs/prebuilt/") && source.path.ends_with(".so");
    if source.bytes.len() > BIG && !bytecode {
        let size = source.bytes.len();
        source.report(findings, 0, "big-file", format!("{size} bytes; {BIG} are allowed"));
    }
    match &source.lines {
        Some(lines) => {
            for (index, line) in lines.iter().enumerate() {
                check_line(source, index, line, findings);
            }
            check_end(source, lines, findings);
        }
        None => {
            let text = String::from_utf8_lossy(source.bytes);
            places(source, 0, &text, findings);
        }
    }
}

fn check_line(source: &Source, index: usize, line: &str, findings: &mut Vec<Finding>) {
    places(source, index, line, findings);
    if line.ends_with([' ', '\t', '\r']) {
        let message = "remove the blanks at the end of the line";
        source.report(findings, index, "trailing-blank", message);
    }
    let is_code = [".rs", ".toml", ".sh", ".yaml", ".yml"].iter().any(|end| source.path.ends_with(end));
    if is_code && LEFT.iter().any(|word| is_bare(line, word)) {
        let message = "say why it is left, in words, after a colon; or do it";
        source.report(findings, index, "todo", message);
    }
}

fn check_end(source: &Source, lines: &[&str], findings: &mut Vec<Finding>) {
    let last = lines.len().saturating_sub(1);
    let blank_end = lines.last().is_some_and(|line| line.is_empty());
    if blank_end || !(source.bytes.is_empty() || source.bytes.ends_with(b"\n")) {
        let message = "end the file with exactly one line feed";
        source.report(findings, last, "final-newline", message);
    }
}

/// Finds paths and hosts that say where something was made.
fn places(source: &Source, index: usize, text: &str, findings: &mut Vec<Finding>) {
    let text = &IN_CONTAINERS.iter().fold(text.to_owned(), |text, path| text.replace(path, ""));
    if let Some(path) = HOMES.iter().chain(&WORK).find(|path| begins(text, path)) {
        let message = format!("`{path}` is a path of one machine; name it relative to the project");
        source.report(findings, index, "machine-path", message);
    }
    if let Some(host) = HOSTS.iter().find(|host| text.contains(**host)) {
        let message = format!("`{host}` serves packages; leave it to the tools' configuration");
        source.report(findings, index, "registry-host", message);
    }
}

/// Whether an absolute path begins with this somewhere in the text: not in the middle of another path or word.
fn begins(text: &str, path: &str) -> bool {
    text.match_indices(path).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-}$~/".contains(c))
    })
}

/// Whether the word stands in the line without a colon and a reason of at least three words.
fn is_bare(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let joins = |c: char| c.is_alphanumeric() || c == '_';
        let after = &line[at + word.len()..];
        let whole = !line[..at].ends_with(joins) && !after.starts_with(joins);
        let reason = after.split_once(':').map_or("", |(_, reason)| reason);
        whole && reason.split_whitespace().count() < 3
    })
}
