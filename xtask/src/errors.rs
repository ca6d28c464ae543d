//! `errors`: one page per error code in docs/errors, written by hand, checked against the programs' interface descriptions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use gridlease_core::RuleError;
use gridlease_core::error::RULE_BASE;
use serde::Deserialize;

use crate::programs::PROGRAMS;

/// Where the pages are.
const FOLDER: &str = "docs/errors";
/// The folder of the refusals that both programs share.
const RULES: &str = "rules";
/// What every page has to say.
const SECTIONS: [&str; 3] = ["**Compared:** ", "**Who sees it:** ", "**What to do:** "];

/// What this needs of an interface description.
#[derive(Deserialize)]
struct Idl {
    errors: Vec<Declared>,
}

#[derive(Deserialize)]
struct Declared {
    code: u32,
    name: String,
    msg: String,
}

/// An error that must have a page.
#[derive(Debug, PartialEq)]
struct Expected {
    title: String,
    name: String,
    words: String,
}

/// Pages by folder and code.
type Pages = BTreeMap<(String, u32), Expected>;

/// Checks the pages; writes the index, or with `check` only compares it. `true` where nothing is wrong.
///
/// # Errors
/// An interface description or a page cannot be read, or the index not be written.
pub fn run(root: &Path, check: bool) -> Result<bool> {
    let expected = expected(root)?;
    let mut wrong = findings(root, &expected)?;
    let path = root.join(FOLDER).join("README.md");
    let (old, new) = (fs::read_to_string(&path).unwrap_or_default(), index(&expected));
    if old != new && check {
        wrong.push(format!("{FOLDER}/README.md: is old; run `cargo xtask errors`"));
    } else if old != new {
        fs::write(&path, new).with_context(|| format!("cannot write {}", path.display()))?;
        eprintln!("{FOLDER}/README.md: written");
    }
    for line in &wrong {
        println!("{line}");
    }
    println!("{FOLDER}: {} errors, {} findings", expected.len(), wrong.len());
    Ok(wrong.is_empty())
}

/// Every error of both programs, the shared ones once.
fn expected(root: &Path) -> Result<Pages> {
    let mut pages = Pages::new();
    for program in PROGRAMS {
        let path = root.join("idl").join(format!("{program}.json"));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let idl: Idl = serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        for error in idl.errors.into_iter().filter(|error| error.code < RULE_BASE) {
            let title = format!("# {} {} ({program})", error.code, error.name);
            pages.insert((program.to_owned(), error.code), Expected { title, name: error.name, words: error.msg });
        }
    }
    // The programs' descriptions repeat these; the rules themselves are where they are declared.
    for rule in RuleError::ALL {
        let (code, name) = (RULE_BASE + u32::from(rule.code()), format!("{rule:?}"));
        let title = format!("# {code} {name} (both programs)");
        pages.insert((RULES.to_owned(), code), Expected { title, name, words: rule.to_string() });
    }
    Ok(pages)
}

/// What is wrong with the pages, a line each.
fn findings(root: &Path, expected: &Pages) -> Result<Vec<String>> {
    let mut wrong = Vec::new();
    for ((folder, code), error) in expected {
        let name = format!("{FOLDER}/{folder}/{code}.md");
        match fs::read_to_string(root.join(&name)) {
            Ok(text) => wrong.extend(faults(&text, error).into_iter().map(|fault| format!("{name}: {fault}"))),
            Err(_) => {
                wrong.push(format!("{name}: missing; write it like its neighbours, beginning \"{}\"", error.title))
            }
        }
    }
    let folders: BTreeSet<_> = expected.keys().map(|(folder, _)| folder.clone()).collect();
    for folder in folders {
        let Ok(files) = fs::read_dir(root.join(FOLDER).join(&folder)) else { continue };
        for file in files {
            let file = file.with_context(|| format!("cannot list {FOLDER}/{folder}"))?.file_name();
            let file = file.to_string_lossy();
            let code = file.strip_suffix(".md").and_then(|code| code.parse().ok());
            if !code.is_some_and(|code| expected.contains_key(&(folder.clone(), code))) {
                wrong.push(format!("{FOLDER}/{folder}/{file}: there is no such error"));
            }
        }
    }
    Ok(wrong)
}

/// What is wrong with one page.
fn faults(text: &str, error: &Expected) -> Vec<String> {
    let mut faults = Vec::new();
    if text.lines().next() != Some(error.title.as_str()) {
        faults.push(format!("the first line must be \"{}\"", error.title));
    }
    let quote = format!("> {}", error.words);
    if !text.lines().any(|line| line == quote) {
        faults.push(format!("the program's own words are missing: \"{quote}\""));
    }
    for section in SECTIONS {
        let said = text.lines().find_map(|line| line.strip_prefix(section.trim_end()));
        if said.is_none_or(|said| said.trim().is_empty()) {
            faults.push(format!("a line beginning \"{}\" is missing or empty", section.trim_end()));
        }
    }
    faults
}

/// The page that lists all pages.
fn index(expected: &Pages) -> String {
    let mut out = String::from(
        "# Errors\n\nA refused transaction changes nothing. `gridlease` prints a sentence and the number; the page of the number says what was\n\
         compared with what, who sees it, and what to do. Numbers are never reused. This list is written by `cargo xtask errors`,\n\
         the pages by hand.\n",
    );
    for (folder, title) in [("market", "Market"), ("staking", "Staking"), (RULES, "Rules, in both programs")] {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "\n## {title}\n\n| | | |\n|---|---|---|");
        for ((_, code), error) in expected.iter().filter(|((of, _), _)| of == folder) {
            let _ = writeln!(out, "| [{code}]({folder}/{code}.md) | `{}` | {} |", error.name, error.words);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Expected {
        Expected { title: "# 6000 WrongMint (market)".to_owned(), name: "WrongMint".to_owned(), words: "no".to_owned() }
    }

    const PAGE: &str =
        "# 6000 WrongMint (market)\n\n> no\n\n**Compared:** a\n\n**Who sees it:** b\n\n**What to do:** c\n";

    #[test]
    fn a_whole_page_has_no_fault_and_each_missing_part_is_named() {
        assert_eq!(faults(PAGE, &error()), Vec::<String>::new());
        for part in ["# 6000 WrongMint (market)", "> no", "**Compared:** a", "**Who sees it:** b", "**What to do:** c"]
        {
            assert_eq!(faults(&PAGE.replace(part, ""), &error()).len(), 1, "{part}");
        }
        assert_eq!(faults(&PAGE.replace("**Compared:** a", "**Compared:**"), &error()).len(), 1, "an empty section");
        assert_eq!(faults("", &error()).len(), 5);
    }

    #[test]
    fn a_missing_page_and_a_page_of_no_error_are_found() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER).join("market");
        fs::create_dir_all(&folder).unwrap();
        let expected = Pages::from([(("market".to_owned(), 6_000), error())]);
        let missing = findings(root.path(), &expected).unwrap();
        assert!(missing.len() == 1 && missing[0].contains("6000.md: missing"), "{missing:?}");
        fs::write(folder.join("6000.md"), PAGE).unwrap();
        assert_eq!(findings(root.path(), &expected).unwrap(), Vec::<String>::new());
        fs::write(folder.join("6999.md"), PAGE).unwrap();
        assert!(findings(root.path(), &expected).unwrap()[0].contains("there is no such error"));
    }
}
