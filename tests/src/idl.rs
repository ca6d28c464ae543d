//! The programs' published interface, as the tests that grow with it read it: every instruction with its accounts, every
//! account type with its discriminator.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness for tests")]

use gridlease_sdk::address::{MARKET, STAKING};
use serde_json::Value;
use solana_pubkey::Pubkey;

/// One program.
pub struct Program {
    /// Its name, as in "market".
    pub name: &'static str,
    /// Its address.
    pub id: Pubkey,
    /// Its instructions, in the order of their names.
    pub instructions: Vec<Instruction>,
    /// Its account types: name and discriminator.
    pub accounts: Vec<(String, [u8; 8])>,
}

/// One instruction.
pub struct Instruction {
    /// Its name, as in "post_job".
    pub name: String,
    /// Its discriminator.
    pub discriminator: [u8; 8],
    /// The accounts that it names, in their order.
    pub accounts: Vec<Account>,
    /// The names of its arguments, each with its width in bytes where it is an unsigned integer.
    pub args: Vec<(String, Option<usize>)>,
}

/// One account of an instruction.
pub struct Account {
    /// Its name.
    pub name: String,
    /// Must it sign?
    pub signer: bool,
    /// Is it written?
    pub writable: bool,
    /// May the program's own address stand in its place?
    pub optional: bool,
    /// The one address that it may have.
    pub address: Option<Pubkey>,
    /// How its address is derived.
    pub pda: Option<Pda>,
}

/// How an address is derived.
pub struct Pda {
    /// The program; `None` for the instruction's own.
    pub program: Option<Pubkey>,
    /// The seeds.
    pub seeds: Vec<Seed>,
}

/// One seed.
pub enum Seed {
    /// These bytes.
    Const(Vec<u8>),
    /// The address of this account of the instruction, or a field of it ("purse.owner").
    Account(String),
    /// This argument.
    Arg(String),
}

/// Both programs.
///
/// # Panics
/// Where an IDL is not what Anchor writes.
#[must_use]
pub fn programs() -> [Program; 2] {
    let read = |name, id, text: &str| {
        let idl: Value = serde_json::from_str(text).unwrap();
        assert_eq!(idl["address"].as_str().unwrap(), id_text(&id), "the IDL of {name} is of another program");
        Program {
            name,
            id,
            instructions: list(&idl["instructions"]).iter().map(instruction).collect(),
            accounts: list(&idl["accounts"]).iter().map(|one| (text_of(&one["name"]), discriminator(one))).collect(),
        }
    };
    [
        read("market", MARKET, include_str!("../../idl/market.json")),
        read("staking", STAKING, include_str!("../../idl/staking.json")),
    ]
}

fn id_text(id: &Pubkey) -> String {
    id.to_string()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn bytes(value: &Value) -> Vec<u8> {
    list(value).iter().map(|byte| u8::try_from(byte.as_u64().unwrap()).unwrap()).collect()
}

fn discriminator(value: &Value) -> [u8; 8] {
    bytes(&value["discriminator"]).try_into().unwrap()
}

fn instruction(value: &Value) -> Instruction {
    let width = |kind: &Value| match kind.as_str()? {
        "u8" => Some(1),
        "u16" => Some(2),
        "u32" => Some(4),
        "u64" => Some(8),
        _ => None,
    };
    Instruction {
        name: text_of(&value["name"]),
        discriminator: discriminator(value),
        accounts: list(&value["accounts"]).iter().map(account).collect(),
        args: list(&value["args"]).iter().map(|arg| (text_of(&arg["name"]), width(&arg["type"]))).collect(),
    }
}

fn account(value: &Value) -> Account {
    assert!(value["accounts"].is_null(), "groups of accounts are not read by these tests");
    let flag = |name: &str| value[name].as_bool().unwrap_or(false);
    Account {
        name: text_of(&value["name"]),
        signer: flag("signer"),
        writable: flag("writable"),
        optional: flag("optional"),
        address: value["address"].as_str().map(|text| text.parse().unwrap()),
        pda: value.get("pda").map(|pda| Pda {
            program: pda.get("program").and_then(|program| Pubkey::try_from(bytes(&program["value"])).ok()),
            seeds: list(&pda["seeds"]).iter().map(seed).collect(),
        }),
    }
}

fn seed(value: &Value) -> Seed {
    match value["kind"].as_str().unwrap() {
        "const" => Seed::Const(bytes(&value["value"])),
        "account" => Seed::Account(text_of(&value["path"])),
        "arg" => Seed::Arg(text_of(&value["path"])),
        other => panic!("unknown seed {other}"),
    }
}

impl Instruction {
    /// The bytes of the integer argument `name` in the instruction's `data`; `None` where something of unknown length
    /// stands before it.
    #[must_use]
    pub fn arg<'a>(&self, name: &str, data: &'a [u8]) -> Option<&'a [u8]> {
        let mut at = 8;
        for (arg, width) in &self.args {
            let width = (*width)?;
            if arg == name {
                return data.get(at..at + width);
            }
            at += width;
        }
        None
    }
}
