//! The scenes: one instruction each that succeeds, with the clock and every account that it takes. The negative matrix of the
//! tests writes them; `fuzz/run.sh` says where they are.

use std::sync::{Arc, LazyLock};

use serde_json::{Value, from_str};
use solana_pubkey::Pubkey;

use super::idl;

/// One account as an instruction gets it.
#[derive(Clone, PartialEq, Eq)]
pub struct Given {
    pub key: Pubkey,
    pub owner: Pubkey,
    pub signer: bool,
    pub writable: bool,
    pub executable: bool,
    pub lamports: u64,
    pub data: Vec<u8>,
}

/// One instruction and the world that it sees.
#[derive(Clone)]
pub struct Scene {
    /// "market: settle".
    pub name: String,
    pub program: Pubkey,
    pub data: Vec<u8>,
    pub slot: u64,
    pub unix_timestamp: i64,
    pub accounts: Vec<Given>,
    /// What else there is in that world.
    pub others: Arc<[Given]>,
}

/// All of them, read once.
pub static SCENES: LazyLock<Vec<Scene>> = LazyLock::new(|| {
    let how = "run the target by `fuzz/run.sh instructions`, which writes the scenes and says where they are";
    let path = std::env::var_os("GRIDLEASE_SCENES").unwrap_or_else(|| panic!("GRIDLEASE_SCENES names no file; {how}"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}; {how}", path.display()));
    let told: Vec<Value> = from_str(&text).unwrap_or_else(|error| panic!("{}: {error}; {how}", path.display()));
    let scenes: Vec<Scene> = told.iter().map(scene).collect();
    for (program, name, bytes) in idl::named("instructions") {
        let shown = scenes.iter().any(|scene| scene.program == program && scene.data.starts_with(&bytes));
        assert!(shown, "{}: no scene shows {name}; {how}", path.display());
    }
    scenes
});

fn scene(told: &Value) -> Scene {
    Scene {
        name: told["name"].as_str().unwrap().to_owned(),
        program: key(&told["program"]),
        data: bytes(&told["data"]),
        slot: told["slot"].as_u64().unwrap(),
        unix_timestamp: told["unix_timestamp"].as_i64().unwrap(),
        accounts: told["accounts"].as_array().unwrap().iter().map(given).collect(),
        others: told["others"].as_array().unwrap().iter().map(given).collect(),
    }
}

fn given(told: &Value) -> Given {
    Given {
        key: key(&told["key"]),
        owner: key(&told["owner"]),
        signer: told["signer"].as_bool().unwrap(),
        writable: told["writable"].as_bool().unwrap(),
        executable: told["executable"].as_bool().unwrap(),
        lamports: told["lamports"].as_u64().unwrap(),
        data: bytes(&told["data"]),
    }
}

fn key(told: &Value) -> Pubkey {
    Pubkey::try_from(bytes(told)).unwrap()
}

/// Two digits a byte.
fn bytes(told: &Value) -> Vec<u8> {
    let digits = told.as_str().unwrap();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}
