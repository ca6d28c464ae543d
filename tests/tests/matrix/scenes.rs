//! The scene of every fixture, written down for the fuzzer: the instruction with the clock, all its accounts as they are where it
//! succeeds, and what else there is. `fuzz/run.sh instructions` asks for it.

use std::env::var_os;
use std::fs::write;

use gridlease_sdk::address::{MARKET, STAKING, program_data};
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use serde_json::{Value, json};
use solana_account::Account;
use solana_instruction::AccountMeta;
use solana_pubkey::Pubkey;

use crate::fixtures;
use crate::stage::{Case, Stage};

/// As much of a program, or of its code, as a program may look at.
const HEAD: usize = 64;

#[test]
#[ignore = "writes what the fuzzer begins with; `fuzz/run.sh instructions` asks for it"]
fn the_scenes_are_written_for_the_fuzzer() {
    let path = var_os("GRIDLEASE_WRITE_SCENES").unwrap_or_else(|| panic!("GRIDLEASE_WRITE_SCENES names no file"));
    let stage = Stage::new();
    let scenes = fixtures::all().into_iter().map(|fixture| {
        let mut scene = stage.fork();
        let case = (fixture.make)(&mut scene);
        told(&format!("{}: {}", fixture.program, fixture.name()), &scene, &case)
    });
    let scenes: Vec<_> = scenes.collect();
    write(path, serde_json::to_string(&scenes).unwrap()).unwrap();
}

fn told(name: &str, stage: &Stage, case: &Case) -> Value {
    let (now, metas) = (stage.w.now(), &case.instruction.accounts);
    let accounts = metas.iter().map(|meta| {
        let mut account = stage.w.account_or_program(&meta.pubkey).unwrap_or_default();
        if is_code(&meta.pubkey, &account, &case.instruction.program_id) {
            account.data.truncate(HEAD);
        }
        shown(meta, &account)
    });
    // What else there is, to be taken for one of them.
    let others = stage.w.snapshot().into_iter().filter(|(key, account)| {
        [MARKET, STAKING, TOKEN_PROGRAM].contains(&account.owner) && metas.iter().all(|meta| meta.pubkey != *key)
    });
    json!({
        "name": name,
        "program": hex::encode(case.instruction.program_id),
        "data": hex::encode(&case.instruction.data),
        "slot": now.slot,
        "unix_timestamp": now.ts.0,
        "accounts": accounts.collect::<Vec<_>>(),
        "others": others.map(|(key, account)| shown(&AccountMeta::new(key, false), &account)).collect::<Vec<_>>(),
    })
}

fn shown(meta: &AccountMeta, account: &Account) -> Value {
    json!({
        "key": hex::encode(meta.pubkey),
        "owner": hex::encode(account.owner),
        "signer": meta.is_signer,
        "writable": meta.is_writable,
        "executable": account.executable,
        "lamports": account.lamports,
        "data": hex::encode(&account.data),
    })
}

/// Megabytes that no program reads.
fn is_code(key: &Pubkey, account: &Account, program: &Pubkey) -> bool {
    account.executable || *key == program_data(program)
}
