//! `accounts`: the tables of docs/ACCOUNTS.md that follow from the IDLs and from `core`: seeds, sizes, rent, states, writers.
//!
//! A table stands between `<!-- accounts: NAME -->` and `<!-- end of accounts -->`; what is between them is replaced. What the
//! IDLs do not say (which further accounts an instruction writes) is declared here, and a test on the built programs compares
//! it with what they write.

use std::collections::BTreeSet;
use std::fmt::{Debug, Write as _};
use std::fs;

use anchor_lang_idl_spec::{
    Idl, IdlArrayLen, IdlDefinedFields, IdlInstructionAccountItem, IdlSerialization, IdlType, IdlTypeDef, IdlTypeDefTy,
};
use anyhow::{Context, Result, bail, ensure};
use gridlease_core::array::ArrayState;
use gridlease_core::job::JobState;
use gridlease_core::lease::LeaseState;

use crate::marks;
use crate::programs::PROGRAMS;
use crate::workspace::Workspace;

/// The document.
const DOCUMENT: &str = "docs/ACCOUNTS.md";
/// The marks of its tables.
const MARKS: marks::Marks = marks::Marks { begin: "accounts", end: "<!-- end of accounts -->" };
/// Lamports that a byte costs for ever, and the bytes that are charged for every account besides its own.
const LAMPORTS_A_BYTE: u64 = 6_960;
const OVERHEAD: u64 = 128;
/// Bytes of a token account.
const TOKEN_ACCOUNT: usize = 165;

/// An account type of the programs.
struct Kind {
    program: &'static str,
    /// Its name in the IDL.
    name: &'static str,
    /// What the document calls it.
    title: &'static str,
    /// What stands behind its fields.
    tail: &'static str,
    /// What the market's and the staking program's instructions call it; empty for none.
    called: [&'static str; 2],
    /// Instructions that write it as one of their further accounts.
    further: &'static [&'static str],
}

const fn market(name: &'static str, title: &'static str, called: &'static str) -> Kind {
    Kind { program: "market", name, title, tail: "", called: [called, ""], further: &[] }
}

const fn staking(name: &'static str, title: &'static str, called: [&'static str; 2]) -> Kind {
    Kind { program: "staking", name, title, tail: "", called, further: &[] }
}

/// Every account type, in the order of the document.
const KINDS: [Kind; 17] = [
    market("Config", "Config", "config"),
    market("Purse", "Purse", "purse"),
    Kind { further: &["award", "post_instant"], ..market("Provider", "Provider", "provider") },
    Kind { further: &["award", "post_instant"], ..market("Offer", "Offer", "offer") },
    market("Machine", "Machine", "machine"),
    Kind { further: &["claim_gpus", "withdraw_offer"], ..market("GpuClaim", "GpuClaim", "claim") },
    Kind { tail: "+ URI", further: &["open_task"], ..market("Job", "Job", "job") },
    market("Lease", "Lease", "lease"),
    market("Commitment", "Commitment (sealed bid)", "commitment"),
    Kind { tail: "+ tasks + URI", ..market("Array", "Array", "array") },
    Kind { further: &["award", "open_task"], ..market("TaskGroup", "TaskGroup", "group") },
    market("PriceIndex", "PriceIndex", "index"),
    staking("Config", "Config", ["", "config"]),
    Kind { further: &["award", "post_instant"], ..staking("Bond", "Bond", ["bond", "bond"]) },
    staking("Reservation", "Reservation", ["reservation", "reservation"]),
    staking("Delegation", "Delegation", ["", "delegation"]),
    staking("Unbonding", "Unbonding (request to unbond)", ["", "unbonding"]),
];

/// The programs' token accounts: what the document calls them, their program, seeds, and what the instructions of both programs call them.
const VAULTS: [(&str, &str, &str, [&str; 2]); 3] = [
    ("vault of a purse", "market", "\"vault\", purse", ["vault", ""]),
    ("vault of a bond", "staking", "\"vault\", bond", ["bond_vault", "vault"]),
    ("revenue vault of a bond", "staking", "\"revenue\", bond", ["", "revenue"]),
];

/// Both IDLs: the market's, the staking program's.
pub struct Idls([Idl; 2]);

impl Idls {
    /// Those of the workspace.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn read(workspace: &Workspace) -> Result<Self> {
        let read = |program: &str| -> Result<Idl> {
            let path = workspace.root.join("idl").join(format!("{program}.json"));
            let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            serde_json::from_str(&text).with_context(|| format!("{} is no IDL", path.display()))
        };
        let [market, staking] = PROGRAMS;
        Ok(Self([read(market)?, read(staking)?]))
    }

    /// The rent of an account type of a program, in lamports.
    ///
    /// # Errors
    /// The IDL has no such type, or it has no fixed size.
    pub fn rent(&self, program: &str, name: &str) -> Result<u64> {
        self.bytes(program, name).map(rent)
    }

    /// Bytes of an account of this type, with the discriminator.
    fn bytes(&self, program: &str, name: &str) -> Result<usize> {
        let idl = self.of(program);
        let ty = type_of(idl, name)?;
        ensure!(ty.serialization == IdlSerialization::Bytemuck, "{name} is not zero-copy");
        Ok(8 + size(idl, &defined(name))?.0)
    }

    /// Each program with its IDL, in their order.
    pub fn each(&self) -> impl Iterator<Item = (&'static str, &Idl)> {
        PROGRAMS.into_iter().zip(&self.0)
    }

    fn of(&self, program: &str) -> &Idl {
        &self.0[usize::from(program == "staking")]
    }

    /// Instructions that write an account by one of these names: the market's, then behind a mark the staking program's.
    fn writers(&self, called: [&str; 2], further: &[&str]) -> String {
        let mut writers = Vec::new();
        for (idl, (called, mark)) in self.0.iter().zip(called.iter().zip(["", "staking: "])) {
            let of_program: BTreeSet<&str> = idl
                .instructions
                .iter()
                .filter(|instruction| {
                    let named = instruction.accounts.iter().any(|account| match account {
                        IdlInstructionAccountItem::Single(account) => account.writable && account.name == *called,
                        IdlInstructionAccountItem::Composite(_) => false,
                    });
                    named || (mark.is_empty() && further.contains(&instruction.name.as_str()))
                })
                .map(|instruction| instruction.name.as_str())
                .collect();
            if !of_program.is_empty() {
                let names: Vec<_> = of_program.iter().map(|name| format!("`{name}`")).collect();
                writers.push(format!("{mark}{}", names.join(", ")));
            }
        }
        writers.join("; ")
    }
}

/// Writes the tables into the document.
///
/// # Errors
/// The document or an IDL cannot be read, or the IDLs have an account type that is not declared here.
pub fn write(workspace: &Workspace) -> Result<()> {
    marks::write(workspace, DOCUMENT, &MARKS, &tables(&Idls::read(workspace)?)?)
}

/// Are the tables of the document those of the IDLs?
///
/// # Errors
/// As of [`write`].
pub fn check(workspace: &Workspace) -> Result<bool> {
    marks::check(workspace, DOCUMENT, &MARKS, &tables(&Idls::read(workspace)?)?, "cargo xtask accounts")
}

fn tables(idls: &Idls) -> Result<Vec<(&'static str, String)>> {
    for (program, idl) in ["market", "staking"].iter().zip(&idls.0) {
        for account in &idl.accounts {
            let known = KINDS.iter().any(|kind| kind.program == *program && kind.name == account.name);
            ensure!(known, "account type {} of {program} is not declared in xtask/src/accounts.rs", account.name);
        }
    }
    Ok(vec![("layout", layout(idls)?), ("states", states()), ("writers", writers(idls))])
}

/// Seeds, bytes and rent.
fn layout(idls: &Idls) -> Result<String> {
    let mut out = String::from("| account | of | seeds | bytes | rent in SOL |\n|---|---|---|---:|---:|\n");
    for kind in &KINDS {
        let idl = idls.of(kind.program);
        let bytes = idls.bytes(kind.program, kind.name)?;
        let seeds = seeds(type_of(idl, kind.name)?)
            .with_context(|| format!("the documentation of {} names no seeds", kind.name))?;
        let tail = if kind.tail.is_empty() { String::new() } else { format!(" {}", kind.tail) };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "| {} | {} | {seeds} | {bytes}{tail} | {} |", kind.title, kind.program, sol(rent(bytes)));
    }
    for (title, program, seeds, _) in VAULTS {
        let _ = writeln!(
            out,
            "| {title} | SPL Token, at an address of {program} | {seeds} | {TOKEN_ACCOUNT} | {} |",
            sol(rent(TOKEN_ACCOUNT))
        );
    }
    Ok(out)
}

/// What `header.state` can be, where it is the state of a machine in `core`.
fn states() -> String {
    let mut out = String::from("| account | `header.state` |\n|---|---|\n");
    for (name, states) in [
        ("Job", named(|byte| JobState::from_byte(byte).ok())),
        ("Lease", named(|byte| LeaseState::from_byte(byte).ok())),
        ("Array", named(|byte| ArrayState::from_byte(byte).ok())),
    ] {
        let _ = writeln!(out, "| {name} | {states} |");
    }
    out
}

/// The bytes that mean a state: "1 Open, 2 Over".
fn named<S: Debug>(from_byte: impl Fn(u8) -> Option<S>) -> String {
    let all = (0..=u8::MAX).filter_map(|byte| from_byte(byte).map(|state| format!("{byte} {state:?}")));
    all.collect::<Vec<_>>().join(", ")
}

fn writers(idls: &Idls) -> String {
    let mut out = String::from("| account | written by |\n|---|---|\n");
    for kind in &KINDS {
        let of = if kind.name == "Config" { format!(" of {}", kind.program) } else { String::new() };
        let _ = writeln!(out, "| {}{of} | {} |", kind.title, idls.writers(kind.called, kind.further));
    }
    for (title, _, _, called) in VAULTS {
        let _ = writeln!(out, "| {title} | {} |", idls.writers(called, &[]));
    }
    out
}

fn type_of<'a>(idl: &'a Idl, name: &str) -> Result<&'a IdlTypeDef> {
    idl.types.iter().find(|ty| ty.name == name).with_context(|| format!("the IDL has no type {name}"))
}

fn defined(name: &str) -> IdlType {
    IdlType::Defined { name: name.to_owned(), generics: Vec::new() }
}

/// What the type's documentation says between "at seeds `[" and "]`".
fn seeds(ty: &IdlTypeDef) -> Option<String> {
    let docs = ty.docs.join(" ");
    let (_, rest) = docs.split_once("at seeds `[")?;
    Some(rest.split_once("]`")?.0.to_owned())
}

/// The rent of an account of so many bytes, in lamports.
fn rent(bytes: usize) -> u64 {
    (bytes as u64 + OVERHEAD) * LAMPORTS_A_BYTE
}

/// The rent of a token account, in lamports.
pub fn token_account_rent() -> u64 {
    rent(TOKEN_ACCOUNT)
}

fn sol(lamports: u64) -> String {
    format!("{}.{:09}", lamports / 1_000_000_000, lamports % 1_000_000_000)
}

/// Size and alignment of a type in memory, which is its size in the account; the layout must have no holes.
fn size(idl: &Idl, ty: &IdlType) -> Result<(usize, usize)> {
    Ok(match ty {
        IdlType::Bool | IdlType::U8 | IdlType::I8 => (1, 1),
        IdlType::U16 | IdlType::I16 => (2, 2),
        IdlType::U32 | IdlType::I32 => (4, 4),
        IdlType::U64 | IdlType::I64 => (8, 8),
        IdlType::Pubkey => (32, 1),
        IdlType::Array(item, IdlArrayLen::Value(length)) => {
            let (bytes, align) = size(idl, item)?;
            (bytes * length, align)
        }
        IdlType::Defined { name, .. } => {
            let IdlTypeDefTy::Struct { fields: Some(IdlDefinedFields::Named(fields)) } = &type_of(idl, name)?.ty else {
                bail!("{name} is no structure with named fields");
            };
            let (mut end, mut largest) = (0, 1);
            for field in fields {
                let (bytes, align) = size(idl, &field.ty).with_context(|| format!("{name}.{}", field.name))?;
                ensure!(end % align == 0, "there is a hole before {name}.{}", field.name);
                end += bytes;
                largest = largest.max(align);
            }
            ensure!(end % largest == 0, "there is a hole at the end of {name}");
            (end, largest)
        }
        other => bail!("{other:?} has no fixed size"),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Those that this was built with.
    pub fn idls() -> Idls {
        let read = |text: &str| serde_json::from_str(text).unwrap();
        Idls([read(include_str!("../../idl/market.json")), read(include_str!("../../idl/staking.json"))])
    }

    #[test]
    fn sizes_follow_from_the_fields_and_holes_are_refused() {
        let idl = |fields: &str| -> Idl {
            let text = format!(
                r#"{{ "address": "", "metadata": {{ "name": "m", "version": "0.1.0", "spec": "0.1.0" }}, "instructions": [],
                    "types": [ {{ "name": "A", "type": {{ "kind": "struct", "fields": [{fields}] }} }} ] }}"#
            );
            serde_json::from_str(&text).unwrap()
        };
        let of = |fields: &str| size(&idl(fields), &defined("A"));
        let small = r#"{ "name": "a", "type": "u64" }, { "name": "b", "type": { "array": ["u16", 4] } }"#;
        assert_eq!(of(small).unwrap(), (16, 8));
        let before = r#"{ "name": "a", "type": "u8" }, { "name": "b", "type": "u16" }"#;
        assert!(of(before).unwrap_err().to_string().contains("hole before A.b"));
        let end = r#"{ "name": "a", "type": "u16" }, { "name": "b", "type": "u8" }"#;
        assert!(of(end).unwrap_err().to_string().contains("hole at the end"));
        assert!(of(r#"{ "name": "a", "type": "string" }"#).is_err());
    }

    #[test]
    fn the_seeds_in_words_are_those_of_the_instructions_that_create_the_account() {
        // The constant seed of a PDA in an instruction, for each type that an instruction creates by seeds in its accounts.
        let idls = idls();
        let mut seen = 0;
        for kind in &KINDS {
            let words = seeds(type_of(idls.of(kind.program), kind.name).unwrap()).unwrap();
            let called = kind.called[usize::from(kind.program == "staking")];
            for instruction in &idls.of(kind.program).instructions {
                for account in &instruction.accounts {
                    let IdlInstructionAccountItem::Single(account) = account else { continue };
                    let Some(pda) = account.pda.as_ref().filter(|pda| account.name == called && pda.program.is_none())
                    else {
                        continue;
                    };
                    let Some(anchor_lang_idl_spec::IdlSeed::Const(first)) = pda.seeds.first() else { continue };
                    let first = format!("\"{}\"", String::from_utf8(first.value.clone()).unwrap());
                    assert!(words.starts_with(&first), "{}: \"{words}\", but {first}", kind.name);
                    assert_eq!(words.split(", ").count(), pda.seeds.len(), "{}: {words}", kind.name);
                    seen += 1;
                }
            }
        }
        assert!(seen >= 8, "{seen}");
    }

    #[test]
    fn every_account_type_has_a_row_in_each_table_and_somebody_who_writes_it() {
        let tables = tables(&idls()).unwrap();
        assert_eq!(tables[0].1.lines().count(), 2 + KINDS.len() + VAULTS.len());
        let writers = &tables[2].1;
        assert_eq!(writers.lines().count(), 2 + KINDS.len() + VAULTS.len());
        assert!(!writers.contains("|  |"), "{writers}");
        assert!(tables[1].1.contains("| Lease | 1 Starting, 2 Running, "));
    }

    #[test]
    fn rent_is_told_in_sol() {
        assert_eq!(sol(rent(165)), "0.002039280");
    }
}
