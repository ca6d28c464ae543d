//! Puts the printed parts of an interface description together.

use std::collections::{BTreeMap, BTreeSet};

use anchor_lang_idl_spec::{Idl, IdlErrorCode, IdlEvent, IdlTypeDef};
use anyhow::{Context, Result, bail, ensure};
use gridlease_core::RuleError;
use gridlease_core::error::RULE_BASE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::document;

/// An event as it is printed, with the types that it needs.
#[derive(Deserialize)]
struct PrintedEvent {
    event: IdlEvent,
    types: Vec<IdlTypeDef>,
}

/// Finds the parts in what the tests printed and makes one description of them, sorted by name.
///
/// # Errors
/// The program's own part is missing, a part is cut off or not of the expected shape, two parts exclude each other, or a
/// discriminator could be taken for another one.
pub fn assemble(printed: &str) -> Result<Idl> {
    let parts = parts(printed)?;
    let of = |kind: &'static str| parts.iter().filter(move |part| part.kind == kind);

    let mut programs = of("program");
    let program =
        programs.next().context("nothing was printed; is there a `#[program]` module and a feature `idl-build`?")?;
    ensure!(programs.next().is_none(), "two programs were printed");
    let mut idl: Idl = program.read()?;

    if let Some(address) = of("address").next() {
        // Printed as a path of the code, in quotes or not; the address itself is letters and digits.
        let kept = address.text.chars().filter(|c| c.is_alphanumeric());
        idl.address = kept.collect();
    }
    let mut types: BTreeMap<String, IdlTypeDef> = BTreeMap::new();
    for part in of("event") {
        let printed: PrintedEvent = part.read()?;
        idl.events.push(printed.event);
        types.extend(named(printed.types));
    }
    types.extend(named(std::mem::take(&mut idl.types)));
    idl.types = types.into_values().collect();
    for part in of("const") {
        idl.constants.push(part.read()?);
    }
    let mut errors = of("errors");
    if let Some(part) = errors.next() {
        idl.errors = part.read()?;
    }
    ensure!(errors.next().is_none(), "two `#[error_code]` enums were printed; a program has one");
    idl.errors.extend(rule_errors());
    let mut idl = shorten(&idl)?;
    document::complete(&mut idl);
    sort(&mut idl);
    verify(&idl)?;
    Ok(idl)
}

/// The refusals of the rules, which both programs pass on as 6100 + the rule's number. They are no part of the programs'
/// own lists, so that a rule's refusal is declared once, in `core`.
fn rule_errors() -> impl Iterator<Item = IdlErrorCode> {
    RuleError::ALL.iter().map(|error| IdlErrorCode {
        code: RULE_BASE + u32::from(error.code()),
        name: format!("Rule{error:?}"),
        msg: Some(error.to_string()),
    })
}

/// What stands between one pair of marker lines.
struct Part {
    kind: String,
    text: String,
}

impl Part {
    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.text)
            .with_context(|| format!("the printed part \"{}\" is not as expected", self.kind))
    }
}

/// Cuts the output of the tests into the marked parts.
fn parts(printed: &str) -> Result<Vec<Part>> {
    let marker = |line: &str, word: &str| -> Option<String> {
        let kind = line.strip_prefix(&format!("--- IDL {word} "))?;
        kind.strip_suffix(" ---").map(str::to_owned)
    };
    let mut parts = Vec::new();
    let mut open: Option<Part> = None;
    for line in printed.lines() {
        match open.as_mut() {
            None => {
                open = marker(line, "begin").map(|kind| Part { kind, text: String::new() });
            }
            Some(part) => {
                if marker(line, "end").is_some_and(|kind| kind == part.kind) {
                    parts.extend(open.take());
                } else {
                    part.text.push_str(line);
                    part.text.push('\n');
                }
            }
        }
    }
    if let Some(part) = open {
        bail!("the printed part \"{}\" has no end", part.kind);
    }
    Ok(parts)
}

fn named(types: Vec<IdlTypeDef>) -> impl Iterator<Item = (String, IdlTypeDef)> {
    types.into_iter().map(|ty| (ty.name.clone(), ty))
}

/// Replaces the full path of a type by its name wherever that leaves no doubt.
fn shorten(idl: &Idl) -> Result<Idl> {
    let mut value = serde_json::to_value(idl).context("cannot rewrite type names")?;
    let mut paths: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    visit(&mut value, &mut |text| {
        if let Some(name) = last_of_path(text) {
            let all = paths.entry(name.to_owned()).or_default();
            all.insert(text.clone());
        }
    });
    visit(&mut value, &mut |text| {
        if let Some(name) = last_of_path(text).map(str::to_owned)
            && paths.get(&name).is_some_and(|all| all.len() == 1)
        {
            *text = name;
        }
    });
    serde_json::from_value(value).context("cannot rewrite type names")
}

/// The last name of `a::b::Name`; nothing for any other text.
fn last_of_path(text: &str) -> Option<&str> {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_alphanumeric() || c == '_');
    let (_, last) = text.rsplit_once("::")?;
    text.split("::").all(is_name).then_some(last)
}

/// Calls a function on every text in a JSON value that is no key.
fn visit(value: &mut Value, on_text: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => on_text(text),
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, on_text)),
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| visit(member, on_text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn sort(idl: &mut Idl) {
    idl.accounts.sort_by(|a, b| a.name.cmp(&b.name));
    idl.constants.sort_by(|a, b| a.name.cmp(&b.name));
    idl.events.sort_by(|a, b| a.name.cmp(&b.name));
    idl.instructions.sort_by(|a, b| a.name.cmp(&b.name));
    idl.types.sort_by(|a, b| a.name.cmp(&b.name));
}

/// Something's name and the bytes that tell it from others of its kind.
type Discriminator<'a> = (&'a str, &'a [u8]);

/// Refuses discriminators that are empty, all zero, or the beginning of another one of their kind.
fn verify(idl: &Idl) -> Result<()> {
    let kinds: [(&str, Vec<Discriminator>); 3] = [
        ("account", pairs(&idl.accounts, |it| (&it.name, &it.discriminator))),
        ("event", pairs(&idl.events, |it| (&it.name, &it.discriminator))),
        ("instruction", pairs(&idl.instructions, |it| (&it.name, &it.discriminator))),
    ];
    for (kind, all) in &kinds {
        for (index, (name, bytes)) in all.iter().enumerate() {
            ensure!(!bytes.is_empty(), "{kind} `{name}` has no discriminator");
            ensure!(
                *kind != "account" || bytes.iter().any(|byte| *byte != 0),
                "account `{name}` has a discriminator of zeros, which is what an empty account has"
            );
            for (other_index, (other, other_bytes)) in all.iter().enumerate() {
                ensure!(
                    index == other_index || !other_bytes.starts_with(bytes),
                    "the discriminator of {kind} `{other}` begins with that of `{name}`"
                );
            }
        }
    }
    Ok(())
}

fn pairs<'a, T>(items: &'a [T], pair: impl Fn(&'a T) -> (&'a String, &'a Vec<u8>)) -> Vec<Discriminator<'a>> {
    let pairs = items.iter().map(pair);
    pairs.map(|(name, bytes)| (name.as_str(), bytes.as_slice())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(first: u8, second: u8) -> String {
        format!(
            r#"
running 4 tests
--- IDL begin address ---
"Abc123"
--- IDL end address ---
--- IDL begin event ---
{{ "event": {{ "name": "m::Paid", "discriminator": [9] }},
  "types": [ {{ "name": "m::Paid", "type": {{ "kind": "struct", "fields": [] }} }} ] }}
--- IDL end event ---
--- IDL begin errors ---
[ {{ "code": 6000, "name": "Late" }} ]
--- IDL end errors ---
--- IDL begin program ---
{{ "address": "", "metadata": {{ "name": "m", "version": "0.1.0", "spec": "0.1.0" }},
  "instructions": [
    {{ "name": "zap", "discriminator": [{first}], "accounts": [], "args": [] }},
    {{ "name": "act", "discriminator": [{second}], "accounts": [], "args": [] }} ],
  "types": [ {{ "name": "m::a::Two", "type": {{ "kind": "struct", "fields": [] }} }},
             {{ "name": "m::b::Two", "type": {{ "kind": "struct", "fields": [] }} }} ] }}
--- IDL end program ---
test result: ok. 4 passed; 0 failed
"#
        )
    }

    #[test]
    fn parts_become_one_description_sorted_by_name() {
        let idl = assemble(&printed(1, 2)).unwrap();
        assert_eq!(idl.address, "Abc123");
        let names: Vec<_> = idl.instructions.iter().map(|i| i.name.as_str()).collect();
        assert_eq!(names, ["act", "zap"]);
        assert_eq!(idl.events[0].name, "Paid");
        assert_eq!(idl.errors[0].name, "Late");
        let types: Vec<_> = idl.types.iter().map(|ty| ty.name.as_str()).collect();
        // A name that two types share keeps its path.
        assert_eq!(types, ["Paid", "m::a::Two", "m::b::Two"]);
    }

    #[test]
    fn discriminators_that_could_be_confused_are_refused() {
        let error = assemble(&printed(1, 1)).unwrap_err().to_string();
        assert!(error.contains("discriminator of instruction"), "{error}");
    }

    #[test]
    fn output_without_a_program_or_with_a_part_cut_off_is_an_error() {
        let error = assemble("running 0 tests").unwrap_err().to_string();
        assert!(error.contains("nothing was printed"), "{error}");
        let cut = printed(1, 2).replace("--- IDL end program ---", "");
        let error = assemble(&cut).unwrap_err().to_string();
        assert!(error.contains("\"program\" has no end"), "{error}");
    }
}
