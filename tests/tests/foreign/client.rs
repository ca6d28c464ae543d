//! The foreign client: node with npm's Anchor, in a process of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

/// Names the folder with the client's packages.
const DIRECTORY: &str = "GRIDLEASE_FOREIGN_DIR";

/// What the client is asked for.
#[derive(Default, Serialize)]
pub struct Request {
    /// The interface descriptions; [`ask`] names those of the project.
    pub idls: Vec<PathBuf>,
    /// Accounts to decode.
    pub accounts: Vec<Bytes>,
    /// Events to decode.
    pub events: Vec<Bytes>,
    /// Logs of refused transactions, to be searched for what a person is shown.
    pub logs: Vec<Vec<String>>,
    /// Whose first instructions to build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buyer: Option<Buyer>,
}

/// Bytes of a program's.
#[derive(Serialize)]
pub struct Bytes {
    program: String,
    data: String,
}

impl Bytes {
    /// `data` that belongs to `program`.
    pub fn new(program: &Pubkey, data: &[u8]) -> Self {
        Self { program: program.to_string(), data: hex::encode(data) }
    }
}

/// Somebody who is to become a buyer: addresses and numbers as text.
#[derive(Serialize)]
pub struct Buyer {
    pub owner: String,
    pub config: String,
    pub mint: String,
    pub wallet: String,
    pub amount: String,
    pub number: String,
}

/// What the client answers, in the order of the request.
#[derive(Deserialize)]
pub struct Answer {
    pub accounts: Vec<Decoded>,
    pub events: Vec<Decoded>,
    pub refusals: Vec<Option<Refusal>>,
    instructions: Vec<Built>,
}

/// What a person is shown of a refused transaction.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Refusal {
    pub name: String,
    pub code: u32,
    pub sentence: String,
}

/// A decoded account or event.
#[derive(Deserialize)]
pub struct Decoded {
    /// Its name in the IDL.
    pub name: String,
    /// Its fields.
    pub fields: Value,
    /// Of an account what stands behind them, in hex.
    #[serde(default)]
    pub tail: String,
}

#[derive(Deserialize)]
struct Built {
    program: String,
    accounts: Vec<(String, bool, bool)>,
    data: String,
}

impl Answer {
    /// The instructions that the client built.
    pub fn instructions(&self) -> Vec<Instruction> {
        let meta = |(key, is_signer, is_writable): &(String, bool, bool)| AccountMeta {
            pubkey: key.parse().unwrap(),
            is_signer: *is_signer,
            is_writable: *is_writable,
        };
        let built = self.instructions.iter().map(|built| Instruction {
            program_id: built.program.parse().unwrap(),
            accounts: built.accounts.iter().map(meta).collect(),
            data: hex::decode(&built.data).unwrap(),
        });
        built.collect()
    }
}

/// Asks the client.
///
/// # Panics
/// Where it is not set up, or cannot answer.
pub fn ask(mut request: Request) -> Answer {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(packages) = std::env::var_os(DIRECTORY) else {
        panic!(
            "{DIRECTORY} is not set, so there is no foreign client; run `cargo xtask test --filter foreign`, which sets it up, or \
             `npm ci` in tests/foreign and name that folder in {DIRECTORY}"
        );
    };
    request.idls = ["market", "staking"].map(|name| here.join(format!("../idl/{name}.json"))).to_vec();
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("request.json");
    std::fs::write(&path, serde_json::to_vec(&request).unwrap()).unwrap();
    let mut node = Command::new("node");
    node.arg(here.join("foreign/client.mjs")).arg(&path).env(DIRECTORY, packages);
    let output = node.output().unwrap_or_else(|error| panic!("cannot start node ({error}); run `cargo xtask test`"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the foreign client failed ({}):\n{complaint}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}
