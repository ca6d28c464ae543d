//! In the programs: what the IDL is told of an account and what the program asks of it are the same.

use std::collections::BTreeSet;

use super::Finding;
use super::source::Source;

/// Compares, for each field of the programs' accounts, the `has_one` that only the IDL sees with the `names!` that is asked.
pub fn check(source: &Source, findings: &mut Vec<Finding>) {
    let Some(lines) = &source.lines else { return };
    if !source.path.starts_with("programs/") {
        return;
    }
    let (mut told, mut asked, mut kinds, mut first) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), 0);
    for (index, line) in lines.iter().enumerate() {
        let line = line.trim();
        if line.starts_with("#[") && told.is_empty() && asked.is_empty() {
            first = index;
        }
        // Without the condition it is Anchor's own question, which stands for both.
        if line.starts_with("#[cfg_attr(feature = \"idl-build\"") {
            told.extend(line.split("has_one = ").skip(1).map(|rest| word(rest).to_owned()));
        }
        for call in line.split("names!(").skip(1) {
            let (account, rest) = call.split_once(':').unwrap_or_default();
            let field = rest.split_once(", ").map_or("", |(_, field)| word(field));
            asked.insert((account.to_owned(), field.to_owned()));
            kinds.insert(word(rest.trim_start()).to_owned());
        }
        let Some(field) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(':')).map(|(field, _)| field)
        else {
            continue;
        };
        let expected: BTreeSet<_> = told.iter().map(|other| (field.to_owned(), other.clone())).collect();
        // The places of fields are those of the type that is named: it has to be the account's.
        if asked != expected || kinds.iter().any(|kind| !line.contains(&format!(", {kind}>"))) {
            let message = format!("`{field}`: the `has_one` for the IDL and the `names!` beside it differ");
            source.report(findings, first, "relations", message);
        }
        told.clear();
        asked.clear();
        kinds.clear();
    }
}

/// The identifier at the front of a text.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}
