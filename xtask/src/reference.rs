//! `reference`: docs/REFERENCE.md, printed from the interface descriptions (instructions, events, errors) and from
//! `core/src/limits.rs` (every limit with its own words). Nothing in that document is written by hand.

use std::fmt::Write as _;
use std::fs;

use anchor_lang_idl_spec::{IdlErrorCode, IdlInstruction, IdlInstructionAccountItem};
use anyhow::{Context, Result, ensure};
use gridlease_core::error::RULE_BASE;

use crate::accounts::Idls;
use crate::workspace::Workspace;

/// The document.
const DOCUMENT: &str = "docs/REFERENCE.md";
/// Where the limits stand.
const LIMITS: &str = "core/src/limits.rs";

/// Writes the document, or with `check` only compares it. `true` where it is as it should be.
///
/// # Errors
/// A description or the limits cannot be read, or the document cannot be written.
pub fn run(workspace: &Workspace, check: bool) -> Result<bool> {
    let path = workspace.root.join(DOCUMENT);
    let (old, new) = (fs::read_to_string(&path).unwrap_or_default(), document(workspace)?);
    if old == new {
        println!("{DOCUMENT}: up to date");
        return Ok(true);
    }
    if check {
        println!("{DOCUMENT}: is old; run `cargo xtask reference`");
        return Ok(false);
    }
    fs::write(&path, new).with_context(|| format!("cannot write {DOCUMENT}"))?;
    eprintln!("{DOCUMENT}: written");
    Ok(true)
}

fn document(workspace: &Workspace) -> Result<String> {
    let idls = Idls::read(workspace)?;
    let mut text = String::from(
        "# Reference\n\nPrinted by `cargo xtask reference` from the code; edit the doc comments there, not this file. What the rules are for, and how \
         they hang together: [PROTOCOL.md](PROTOCOL.md), [STAKING.md](STAKING.md). Accounts: [ACCOUNTS.md](ACCOUNTS.md). \
         Compute units: [CU.md](CU.md).\n\n## Instructions\n\n\"–\": nobody need sign but the payer of the transaction.\n",
    );
    for (program, idl) in idls.each() {
        write!(text, "\n| {program} | signers | arguments | what it does |\n|---|---|---|---|\n")?;
        for instruction in &idl.instructions {
            writeln!(text, "{}", row(instruction))?;
        }
    }
    text.push_str(
        "\n## Events\n\nBy self-CPI (PDA `__event_authority` of each program), so that no log limit can swallow them.\n",
    );
    for (program, idl) in idls.each() {
        write!(text, "\n| {program} | when |\n|---|---|\n")?;
        for event in &idl.events {
            let words = idl.types.iter().find(|ty| ty.name == event.name).map(|ty| words(&ty.docs)).unwrap_or_default();
            writeln!(text, "| `{}` | {words} |", event.name)?;
        }
    }
    text.push_str(
        "\n## Errors\n\nNever renumbered. Each has a page that says what was compared and what to do; rules refuse with 6100 + their number in both \
         programs.\n\n| code | name | words |\n|---|---|---|\n",
    );
    for (program, idl) in idls.each() {
        for error in idl.errors.iter().filter(|error| error.code < RULE_BASE) {
            errors_row(&mut text, program, error)?;
        }
    }
    // Both programs list the rules' refusals, and the same.
    for (_, idl) in idls.each().take(1) {
        for error in idl.errors.iter().filter(|error| error.code >= RULE_BASE) {
            errors_row(&mut text, "rules", error)?;
        }
    }
    text.push_str("\n## Limits and genesis values\n\n| name | value | what it is |\n|---|---|---|\n");
    let source = fs::read_to_string(workspace.root.join(LIMITS)).with_context(|| format!("cannot read {LIMITS}"))?;
    for limit in limits(&source)? {
        writeln!(text, "| `{}` | `{}` | {} |", limit.name, limit.value, limit.words)?;
    }
    Ok(text)
}

fn errors_row(text: &mut String, folder: &str, error: &IdlErrorCode) -> Result<()> {
    let words = error.msg.as_deref().unwrap_or_default();
    writeln!(text, "| [{folder} {0}](errors/{folder}/{0}.md) | {1} | {words} |", error.code, error.name)?;
    Ok(())
}

/// One instruction. Its words are its documentation but for the lines on its arguments, which have a column of their own.
fn row(instruction: &IdlInstruction) -> String {
    let docs: Vec<String> = instruction.docs.iter().filter(|line| !line.starts_with("- `")).cloned().collect();
    let mut signers = Vec::new();
    signers_of(&instruction.accounts, &mut signers);
    let signers = if signers.is_empty() { "–".to_owned() } else { signers.join(", ") };
    let arguments: Vec<String> = instruction.args.iter().map(|argument| format!("`{}`", argument.name)).collect();
    format!("| `{}` | {signers} | {} | {} |", instruction.name, arguments.join(", "), words(&docs))
}

fn signers_of(items: &[IdlInstructionAccountItem], signers: &mut Vec<String>) {
    for item in items {
        match item {
            IdlInstructionAccountItem::Single(account) if account.signer => {
                signers.push(account.name.replace('_', " "));
            }
            IdlInstructionAccountItem::Single(_) => {}
            IdlInstructionAccountItem::Composite(inner) => signers_of(&inner.accounts, signers),
        }
    }
}

/// Documentation on one line, fit for a cell of a table.
fn words(docs: &[String]) -> String {
    let line = docs.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    line.replace("\\|", "|").replace('|', "\\|")
}

#[derive(Debug, PartialEq)]
struct Limit {
    name: String,
    value: String,
    words: String,
}

/// The public constants of a source, each with its documentation.
fn limits(source: &str) -> Result<Vec<Limit>> {
    let (mut found, mut docs, mut open) = (Vec::new(), Vec::new(), String::new());
    for line in source.lines().map(str::trim) {
        if let Some(doc) = line.strip_prefix("///") {
            docs.push(doc.to_owned());
        } else if !open.is_empty() || line.starts_with("pub const ") && !line.starts_with("pub const fn") {
            open.push_str(line);
            if let Some(declared) = open.strip_suffix(';') {
                let (head, value) = declared.split_once('=').context("a constant has no value")?;
                let name = head.trim_start_matches("pub const ").split(':').next().unwrap_or_default();
                ensure!(!docs.is_empty(), "{LIMITS}: `{name}` has no words");
                found.push(Limit {
                    name: name.trim().to_owned(),
                    value: value.trim().to_owned(),
                    words: words(&std::mem::take(&mut docs)),
                });
                open.clear();
            }
        } else {
            docs.clear();
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_constant_comes_with_its_words_and_its_value() {
        let source = "//! Numbers.\n\n/// Longest\n/// life.\npub const LIFE: Seconds = Seconds(3 * 60);\nconst OWN: u8 = 1;\n\
                      /// Both | ends.\npub const ENDS: (u8, u8) =\n    (1, 2);\n/// No constant.\npub const fn f() {}\n";
        let limit = |name: &str, value: &str, words: &str| Limit {
            name: name.to_owned(),
            value: value.to_owned(),
            words: words.to_owned(),
        };
        let found = limits(source).unwrap();
        assert_eq!(
            found,
            [limit("LIFE", "Seconds(3 * 60)", "Longest life."), limit("ENDS", "(1, 2)", "Both \\| ends.")]
        );
    }

    #[test]
    fn a_constant_without_words_is_refused() {
        assert!(limits("pub const LIFE: u8 = 1;").unwrap_err().to_string().contains("LIFE"));
    }
}
