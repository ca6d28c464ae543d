//! Whole instructions at the programs' own entry, compiled for this machine: any arguments, and accounts that fit together
//! but for what the fuzzer changed in them. Calls to other programs do nothing and succeed. Nothing may panic, no lamport
//! may be lost, and a purse or a lease whose invariant held must keep it.
//!
//! Instructions, accounts and types come from the IDL, so a new instruction is fuzzed as soon as it is in there.
#![no_main]

mod bytes;

use std::collections::BTreeMap;
use std::sync::{LazyLock, Once};

use anchor_lang::prelude::{AccountInfo, Clock, Rent};
use bytes::Bytes;
use gridlease_core::invariant;
use gridlease_sdk::account::{Lease, Purse, decode};
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM};
use serde_json::Value;
use solana_pubkey::Pubkey;
use solana_sysvar::program_stubs::{SyscallStubs, set_syscall_stubs};

/// What the runtime leaves behind each account's data for it to grow into.
const ROOM: usize = 10_240;

/// One account as an instruction gets it.
#[derive(Clone)]
struct Given {
    key: Pubkey,
    owner: Pubkey,
    signer: bool,
    writable: bool,
    executable: bool,
    lamports: u64,
    data: Vec<u8>,
}

/// One instruction with accounts that fit together.
struct Prepared {
    program: Pubkey,
    discriminator: Vec<u8>,
    accounts: Vec<Given>,
}

struct Stubs;

impl SyscallStubs for Stubs {
    fn sol_log(&self, _message: &str) {}
    fn sol_log_data(&self, _fields: &[&[u8]]) {}
    fn sol_get_clock_sysvar(&self, to: *mut u8) -> u64 {
        let clock = Clock { slot: 1_000, unix_timestamp: 1_800_000_000, ..Clock::default() };
        // SAFETY: the caller passes the address of a `Clock`.
        unsafe { *to.cast::<Clock>() = clock };
        0
    }
    fn sol_get_rent_sysvar(&self, to: *mut u8) -> u64 {
        // SAFETY: the caller passes the address of a `Rent`.
        unsafe { *to.cast::<Rent>() = Rent::default() };
        0
    }
}

static PREPARED: LazyLock<Vec<Prepared>> = LazyLock::new(|| {
    let idls = [(MARKET, include_str!("../../idl/market.json")), (STAKING, include_str!("../../idl/staking.json"))]
        .map(|(program, text)| (program, serde_json::from_str::<Value>(text).unwrap()));
    let mut all = Vec::new();
    for (program, idl) in &idls {
        for instruction in list(&idl["instructions"]) {
            all.push(prepare(&idls, *program, instruction));
        }
    }
    all
});

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn raw(value: &Value) -> Vec<u8> {
    list(value).iter().map(|byte| byte.as_u64().unwrap() as u8).collect()
}

/// The key of whatever is called `name`.
fn key_of(name: &str) -> Pubkey {
    let mut key = [9; 32];
    for (to, from) in key.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    Pubkey::new_from_array(key)
}

fn prepare(idls: &[(Pubkey, Value); 2], program: Pubkey, instruction: &Value) -> Prepared {
    let specs = list(&instruction["accounts"]);
    // Addresses first: fixed ones, derived ones, and one for each name.
    let mut keys: BTreeMap<String, Pubkey> = BTreeMap::new();
    for spec in specs {
        let name = spec["name"].as_str().unwrap();
        let fixed = spec["address"].as_str().map(|text| text.parse().unwrap());
        let derived = match name {
            "event_authority" => Some(Pubkey::find_program_address(&[b"__event_authority"], &program).0),
            "staking_events" => Some(Pubkey::find_program_address(&[b"__event_authority"], &STAKING).0),
            "authority" if spec.get("signer").is_none() => {
                Some(Pubkey::find_program_address(&[b"authority"], &MARKET).0)
            }
            "slasher" => Some(Pubkey::find_program_address(&[b"authority"], &MARKET).0),
            "program" => Some(program),
            _ => None,
        };
        keys.insert(name.to_owned(), fixed.or(derived).unwrap_or_else(|| key_of(name)));
    }
    for spec in specs.iter().filter(|spec| spec.get("pda").is_some()) {
        let pda = &spec["pda"];
        let seeds = list(&pda["seeds"]).iter().map(|seed| match seed["kind"].as_str().unwrap() {
            "const" => raw(&seed["value"]),
            "account" => {
                let path = seed["path"].as_str().unwrap();
                keys.get(path).map_or_else(|| vec![0; 32], |key| key.to_bytes().to_vec())
            }
            // The arguments are the fuzzer's; numbers are one where it says so.
            _ if seed["path"].as_str() == Some("number") && program == MARKET => {
                let width = if instruction["name"] == "post_job" { 8 } else { 4 };
                1u64.to_le_bytes()[..width].to_vec()
            }
            _ => vec![0; 8],
        });
        let seeds: Vec<Vec<u8>> = seeds.collect();
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        let of = match pda.get("program") {
            Some(other) => Pubkey::try_from(raw(&other["value"])).unwrap_or(program),
            None => program,
        };
        let name = spec["name"].as_str().unwrap().to_owned();
        keys.insert(name, Pubkey::find_program_address(&seeds, &of).0);
    }
    let accounts = specs.iter().map(|spec| given(idls, program, spec, &keys)).collect();
    Prepared { program, discriminator: raw(&instruction["discriminator"]), accounts }
}

fn given(idls: &[(Pubkey, Value); 2], program: Pubkey, spec: &Value, keys: &BTreeMap<String, Pubkey>) -> Given {
    let name = spec["name"].as_str().unwrap();
    let flag = |name: &str| spec[name].as_bool().unwrap_or(false);
    let mut account = Given {
        key: keys[name],
        owner: SYSTEM_PROGRAM,
        signer: flag("signer"),
        writable: flag("writable"),
        executable: false,
        lamports: 1_000_000_000,
        data: Vec::new(),
    };
    let camel: String = name.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    let (camel, only) = match camel.strip_prefix("Staking") {
        Some(rest) if !rest.is_empty() => (rest.to_owned(), Some(STAKING)),
        _ => (camel, None),
    };
    let own_first = idls.iter().filter(|(id, _)| *id == program).chain(idls.iter().filter(|(id, _)| *id != program));
    let found = own_first.filter(|(id, _)| only.is_none_or(|only| only == *id)).find_map(|(id, idl)| {
        let kind = list(&idl["accounts"]).iter().find(|kind| kind["name"] == camel.as_str())?;
        Some((*id, idl, raw(&kind["discriminator"])))
    });
    let is_program = name.ends_with("program") || name == "program";
    if is_program {
        account.executable = true;
    } else if let Some((id, idl, discriminator)) = found {
        account.owner = id;
        account.data = discriminator;
        fill(idl, &camel, keys, &mut account.data);
    } else if name.ends_with("mint") {
        account.owner = TOKEN_PROGRAM;
        account.data = vec![0; 82];
        (account.data[44], account.data[45]) = (6, 1);
    } else if !flag("signer") && spec.get("address").is_none() && (flag("writable") || spec.get("pda").is_none()) {
        account.owner = TOKEN_PROGRAM;
        account.data = vec![0; 165];
        let mint = keys.get("usdc_mint").copied().unwrap_or_else(|| key_of("usdc_mint"));
        account.data[..32].copy_from_slice(mint.as_ref());
        account.data[64..72].copy_from_slice(&1_000_000_000_000u64.to_le_bytes());
        account.data[108] = 1;
    }
    account
}

/// Writes one value of the IDL's type `kind`: keys are those of the accounts of that name, numbers a million.
fn fill(idl: &Value, kind: &str, keys: &BTreeMap<String, Pubkey>, to: &mut Vec<u8>) {
    let types = list(&idl["types"]);
    let Some(fields) = types.iter().find(|one| one["name"] == kind).map(|one| list(&one["type"]["fields"])) else {
        return;
    };
    for field in fields {
        let name = field["name"].as_str().unwrap_or_default();
        value(idl, name, &field["type"], keys, to);
    }
}

fn value(idl: &Value, name: &str, kind: &Value, keys: &BTreeMap<String, Pubkey>, to: &mut Vec<u8>) {
    if let Some(array) = kind.get("array") {
        let count = array[1].as_u64().unwrap_or(0);
        // The first slasher is the market's authority; nothing else needs an array.
        for at in 0..count {
            if name == "slashers" && at == 0 {
                to.extend_from_slice(Pubkey::find_program_address(&[b"authority"], &MARKET).0.as_ref());
            } else {
                value(idl, "", &array[0], keys, to);
            }
        }
        return;
    }
    if let Some(defined) = kind["defined"]["name"].as_str() {
        return fill(idl, defined, keys, to);
    }
    match kind.as_str() {
        Some("pubkey") => {
            let key = if name.is_empty() {
                Pubkey::default()
            } else {
                keys.get(name).copied().unwrap_or_else(|| key_of(name))
            };
            to.extend_from_slice(key.as_ref());
        }
        Some("u64" | "i64") => {
            let much = matches!(name, "balance" | "amount" | "added_total");
            let number: u64 = if name.is_empty() {
                0
            } else if much {
                1_000_000_000_000
            } else {
                1_000_000
            };
            to.extend_from_slice(&number.to_le_bytes());
        }
        Some("u32" | "i32") => to.extend_from_slice(&[0; 4]),
        Some("u16" | "i16") => to.extend_from_slice(&[0; 2]),
        Some("u8" | "bool") => to.push(u8::from(matches!(name, "version" | "state"))),
        other => panic!("a type that this target does not know: {other:?} {kind}"),
    }
}

/// As the runtime hands accounts and data to a program. Room for eight-byte words keeps everything aligned.
fn serialize(program: &Pubkey, accounts: &[Given], data: &[u8]) -> Vec<u64> {
    let mut out = Vec::with_capacity(accounts.len() * (ROOM + 1_200) + data.len() + 64);
    out.extend_from_slice(&(accounts.len() as u64).to_le_bytes());
    for (at, account) in accounts.iter().enumerate() {
        // The same account again is told by its place, and is the same bytes.
        if let Some(first) = accounts[..at].iter().position(|one| one.key == account.key) {
            out.extend_from_slice(&(first as u64).to_le_bytes());
            continue;
        }
        out.extend_from_slice(&[0xff, account.signer.into(), account.writable.into(), account.executable.into()]);
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(account.key.as_ref());
        out.extend_from_slice(account.owner.as_ref());
        out.extend_from_slice(&account.lamports.to_le_bytes());
        out.extend_from_slice(&(account.data.len() as u64).to_le_bytes());
        out.extend_from_slice(&account.data);
        let end = (out.len() + ROOM).next_multiple_of(8);
        out.resize(end, 0);
        out.extend_from_slice(&u64::MAX.to_le_bytes());
    }
    out.extend_from_slice(&(data.len() as u64).to_le_bytes());
    out.extend_from_slice(data);
    out.extend_from_slice(program.as_ref());
    out.resize(out.len().next_multiple_of(8), 0);
    out.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect()
}

fn purse(data: &[u8]) -> Option<bool> {
    let purse: Purse = decode(&MARKET, &MARKET, data).ok()?;
    Some(purse.amounts().free().is_ok())
}

fn lease(data: &[u8]) -> Option<bool> {
    let lease: Lease = decode(&MARKET, &MARKET, data).ok()?;
    Some(lease.rules().is_some_and(|rules| invariant::lease(&rules).is_ok()))
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static STUBS: Once = Once::new();
    STUBS.call_once(|| drop(set_syscall_stubs(Box::new(Stubs))));
    let mut input = Bytes(data);
    let prepared = &PREPARED[usize::from(input.byte()) % PREPARED.len()];
    let mut accounts = prepared.accounts.clone();
    let count = accounts.len();
    // What the fuzzer changes in them.
    for _ in 0..input.byte() % 24 {
        let at = usize::from(input.byte());
        let other = at / 32;
        let account = &mut accounts[at % count];
        match input.byte() % 16 {
            0 => account.signer ^= true,
            1 => account.writable ^= true,
            2 => account.owner = [MARKET, STAKING, TOKEN_PROGRAM, SYSTEM_PROGRAM][other % 4],
            3 => account.lamports = input.number(),
            4 => {
                // A new account: nothing there yet.
                account.owner = SYSTEM_PROGRAM;
                account.data.clear();
            }
            5 => {
                let twin = accounts[usize::from(input.byte()) % count].clone();
                accounts[at % count] = twin;
            }
            kind => {
                let place = usize::from(input.byte()) | usize::from(input.byte()) << 8;
                let width = if kind < 11 { 1 } else { 8 };
                let bytes = input.take(width).to_vec();
                let length = account.data.len();
                if length > 0 {
                    let place = place % length;
                    let end = (place + bytes.len()).min(length);
                    account.data[place..end].copy_from_slice(&bytes[..end - place]);
                }
            }
        }
    }
    // More accounts behind, as `award` takes them.
    for _ in 0..input.byte() % 7 {
        let more = accounts[usize::from(input.byte()) % count].clone();
        accounts.push(more);
    }
    let mut call = if input.byte() % 16 == 0 { Vec::new() } else { prepared.discriminator.clone() };
    call.extend_from_slice(input.0);
    let mut buffer = serialize(&prepared.program, &accounts, &call);
    // SAFETY: the buffer is laid out as the runtime does it, and outlives the accounts.
    let (program, infos, call) = unsafe { solana_program_entrypoint::deserialize(buffer.as_mut_ptr().cast()) };
    let sum = |infos: &[AccountInfo]| {
        let each: BTreeMap<Pubkey, u64> = infos.iter().map(|info| (*info.key, info.lamports())).collect();
        each.values().map(|lamports| u128::from(*lamports)).sum::<u128>()
    };
    let before = sum(&infos);
    // The accounts live as long as the buffer; the program wants one lifetime for everything.
    let kept: &'static [AccountInfo<'static>] = unsafe { core::mem::transmute(infos.as_slice()) };
    let done =
        if *program == MARKET { market::entry(program, kept, call) } else { staking::entry(program, kept, call) };
    if done.is_ok() {
        assert_eq!(sum(&infos), before, "lamports were made or lost");
        for (at, (was, is)) in accounts.iter().zip(infos.iter()).enumerate() {
            if accounts[..at].iter().any(|one| one.key == was.key) {
                continue;
            }
            let now = is.data.borrow();
            if was.owner == MARKET && *is.owner == MARKET {
                assert!(purse(&was.data) != Some(true) || purse(&now) != Some(false), "a purse binds more than it has");
                assert!(lease(&was.data) != Some(true) || lease(&now) != Some(false), "a lease's sums do not add up");
            }
        }
    }
});
