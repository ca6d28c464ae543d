//! Reads what the programs say of themselves: their events and refusals out of `idl/`, and what to do about a refusal out of its
//! page in `docs/errors/`. The macros of `src/event.rs` and `src/error.rs` make enums of it, so that nothing is written twice.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use gridlease_core::error::RULE_BASE;
use serde_json::Value;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Where a page says what to do.
const ADVICE: &str = "**What to do:** ";

fn main() -> Result<()> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let pages = here.join("errors");
    println!("cargo::rerun-if-changed={}", pages.display());
    let (mut events, mut errors) = (String::new(), String::new());
    for (program, prefix) in [("market", "Market"), ("staking", "Staking")] {
        let path = here.join("idls").join(format!("{program}.json"));
        println!("cargo::rerun-if-changed={}", path.display());
        let idl: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let names: Vec<&str> = list(&idl, "events")?.iter().filter_map(|event| event["name"].as_str()).collect();
        writeln!(events, "events!({prefix}Event, {program}, {});", names.join(", "))?;
        writeln!(errors, "refusals!({prefix}Error, {program:?},")?;
        for error in list(&idl, "errors")? {
            let code = error["code"].as_u64().ok_or("an error has no code")?;
            // A rule's refusal has its sentence in `core`.
            if code < RULE_BASE.into() {
                let (name, words) = (error["name"].as_str(), error["msg"].as_str());
                let (name, words) = name.zip(words).ok_or("an error has no name or no words")?;
                let advice = advice(&pages, program, code)?;
                writeln!(errors, "    {name} = {code}, {words:?}, {advice:?};")?;
            }
        }
        writeln!(errors, ");")?;
    }
    writeln!(errors, "rules!(")?;
    let mut rules = Vec::new();
    for page in fs::read_dir(pages.join("rules"))? {
        let path = page?.path();
        let code = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        rules.push(code.ok_or_else(|| format!("{} is not named by a number", path.display()))?);
    }
    rules.sort_unstable();
    for code in rules {
        writeln!(errors, "    {code}, {:?};", advice(&pages, "rules", code)?)?;
    }
    writeln!(errors, ");")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("events.rs"), events)?;
    Ok(fs::write(out.join("errors.rs"), errors)?)
}

fn list<'a>(idl: &'a Value, what: &str) -> Result<&'a Vec<Value>> {
    idl[what].as_array().ok_or_else(|| format!("the description has no list of {what}").into())
}

/// What the page of an error says to do, on one line.
fn advice(pages: &Path, folder: &str, code: u64) -> Result<String> {
    let path = pages.join(folder).join(format!("{code}.md"));
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (_, rest) = text.split_once(ADVICE).ok_or_else(|| format!("{} does not say what to do", path.display()))?;
    let paragraph = rest.split("\n\n").next().unwrap_or(rest);
    let line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    Ok(line.trim_end_matches('.').to_owned())
}
