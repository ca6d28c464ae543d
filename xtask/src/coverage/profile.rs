//! Where an instruction of the programs spends its compute units: one for each instruction of bytecode that it executes, by
//! the function that it stands in, also where that was inlined.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::programs::Built;
use super::traced::Traced;
use crate::workspace::Workspace;

/// How many functions are told.
const MOST: usize = 60;

/// What this needs of an interface description.
#[derive(Deserialize)]
struct Idl {
    instructions: Vec<Declared>,
}

#[derive(Deserialize)]
struct Declared {
    name: String,
    discriminator: Vec<u8>,
}

/// What a function costs in one call of the instruction, on average.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    own: u64,
    with_inlined: u64,
}

/// Prints where `instruction` spends what it costs. System calls and calls of other programs cost beside that; they are not in
/// these figures.
///
/// # Errors
/// There is no such instruction, the tests did not call it, or the debug information cannot be read.
pub fn print(workspace: &Workspace, built: &[Built], traced: &Traced, instruction: &str) -> Result<()> {
    let mut found = false;
    for built in built {
        let path = workspace.root.join("idl").join(format!("{}.json", built.name));
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let idl: Idl = serde_json::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        let Some(declared) = idl.instructions.into_iter().find(|declared| declared.name == instruction) else {
            continue;
        };
        found = true;
        let Some(ran) = traced.instruction(built.name, &hex::encode(&declared.discriminator)) else {
            bail!("the tests that were run never call {instruction} of {}", built.name);
        };
        let lookup = built.object.lookup()?;
        let mut costs: BTreeMap<String, Cost> = BTreeMap::new();
        let mut total = 0;
        for (made, origin) in built.made.iter().zip(&built.origins) {
            let Some(count) = ran.slots.get(&made.slot) else { continue };
            total += count;
            let Some(origin) = origin else { continue };
            let mut frames =
                lookup.find_frames(*origin).skip_all_loads().context("the debug information is not valid")?;
            let mut seen = BTreeSet::new();
            while let Some(frame) = frames.next().context("the debug information is not valid")? {
                let name = frame.function.as_ref().and_then(|name| Some(readable(&name.demangle().ok()?)));
                let name = name.unwrap_or_else(|| "?".to_owned());
                let cost = costs.entry(name.clone()).or_default();
                cost.own += if seen.is_empty() { *count } else { 0 };
                cost.with_inlined += if seen.insert(name) { *count } else { 0 };
            }
        }
        let calls = ran.calls.max(1);
        println!("{} {instruction}: {} calls, {} instructions each", built.name, ran.calls, total / calls);
        println!(
            "{:>9} {:>12}  function (a call's average: its own, and with what was inlined into it)",
            "own", "with inlined"
        );
        let mut costs: Vec<_> = costs.into_iter().collect();
        costs.sort_by_key(|(_, cost)| std::cmp::Reverse(cost.with_inlined));
        for (name, cost) in costs.iter().take(MOST) {
            println!("{:>9} {:>12}  {name}", cost.own / calls, cost.with_inlined / calls);
        }
    }
    if !found {
        bail!("neither program has an instruction {instruction}; their names are those of idl/*.json");
    }
    Ok(())
}

/// A function's name with the signs that the linker writes as `_3C_`: it takes letters and digits only, and cuts long names.
fn readable(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find('_') {
        let (before, sign) = rest.split_at(at);
        out.push_str(before);
        let code = sign.get(1..3).filter(|_| sign.as_bytes().get(3) == Some(&b'_'));
        match code.and_then(|code| u8::from_str_radix(code, 16).ok()) {
            Some(byte) => {
                out.push(char::from(byte));
                rest = sign.get(4..).unwrap_or_default();
            }
            None => {
                out.push('_');
                rest = sign.get(1..).unwrap_or_default();
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn signs_in_names_are_read_and_other_underscores_stay() {
        assert_eq!(readable("eq_3C_u8_2C__20_u8_3E_"), "eq<u8, u8>");
        assert_eq!(readable("try_accounts"), "try_accounts");
        assert_eq!(readable("_ab"), "_ab");
    }
}
