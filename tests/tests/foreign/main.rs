//! The IDLs are enough: a client of another language and another origin, which has nothing but `idl/*.json`, decodes every
//! account and event of a whole story as the SDK does, and builds instructions that the programs take.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests end a test that goes wrong"
)]
#![allow(clippy::cloned_ref_to_slice_refs, reason = "one form for one instruction and for several")]

mod client;
mod debug;
mod documented;
mod story;

use std::collections::BTreeSet;

use gridlease_core::RuleError;
use gridlease_sdk::account::{self, Array, Job, Kind, Purse, decode};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::error::RULE_BASE;
use gridlease_sdk::event::{self, Event, MarketEvent, StakingEvent};
use gridlease_sdk::instruction::{purse, stake};
use gridlease_tests::idl::programs;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::recording::Recording;
use serde_json::Value;
use solana_account::Account;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use client::{Bytes, Decoded, Refusal, Request, ask};

/// The fields that differ, each with both values.
fn differences(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                let of = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or("missing".into());
                differences(&format!("{path}.{name}"), &of(a), &of(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{at}]"), a, b, found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{path}: the foreign client reads {theirs}, the SDK {ours}")),
    }
}

/// What the SDK decodes of an account: its name in the IDL, its fields, and the bytes behind them.
fn ours(address: &Pubkey, account: &Account) -> (&'static str, Value, Vec<u8>) {
    fn as_kind<T: Kind + std::fmt::Debug>(address: &Pubkey, account: &Account) -> Option<(Value, Vec<u8>)> {
        let value: T = decode(address, &account.owner, &account.data).ok()?;
        Some((debug::tree(&value), account.data[account::size::<T>()..].to_vec()))
    }
    macro_rules! first_of {
        ($($kind:ident as $name:literal),* $(,)?) => {
            $(if let Some((fields, tail)) = as_kind::<account::$kind>(address, account) { return ($name, fields, tail); })*
        };
    }
    first_of!(
        Array as "Array",
        Commitment as "Commitment",
        Config as "Config",
        GpuClaim as "GpuClaim",
        Job as "Job",
        Lease as "Lease",
        Machine as "Machine",
        Offer as "Offer",
        PriceIndex as "PriceIndex",
        Provider as "Provider",
        Purse as "Purse",
        TaskGroup as "TaskGroup",
        Bond as "Bond",
        StakingConfig as "Config",
        Delegation as "Delegation",
        Reservation as "Reservation",
        Unbonding as "Unbonding",
    );
    panic!("the SDK does not know the account {address}");
}

/// The names of all account types and of all events, with their program, as the IDLs list them.
fn declared(kind: &str) -> BTreeSet<(Pubkey, String)> {
    let idls =
        [(MARKET, include_str!("../../../idl/market.json")), (STAKING, include_str!("../../../idl/staking.json"))];
    let named = idls.iter().flat_map(|(program, text)| {
        let idl: Value = serde_json::from_str(text).unwrap();
        let all = idl[kind].as_array().unwrap().clone();
        all.into_iter().map(move |one| (*program, one["name"].as_str().unwrap().to_owned()))
    });
    named.collect()
}

fn requested(recording: &Recording) -> Request {
    let accounts = recording.accounts.iter().map(|(_, account)| Bytes::new(&account.owner, &account.data));
    let events = recording.events.iter().map(|(program, data)| Bytes::new(program, data));
    Request { accounts: accounts.collect(), events: events.collect(), ..Request::default() }
}

#[test]
fn a_foreign_client_decodes_every_account_as_the_sdk_does() {
    let recording = story::whole();
    let answer = ask(Request { events: Vec::new(), ..requested(recording) });
    assert_eq!(answer.accounts.len(), recording.accounts.len());
    let (mut told, mut tails, mut different) = (BTreeSet::new(), 0, Vec::new());
    for ((address, account), theirs) in recording.accounts.iter().zip(&answer.accounts) {
        let (name, fields, tail) = ours(address, account);
        assert_eq!(theirs.name, name, "the kind of {address}");
        differences(&format!("{name} {address}"), &theirs.fields, &fields, &mut different);
        assert_eq!(hex::decode(&theirs.tail).unwrap(), tail, "what stands behind the fields of {name} {address}");
        tails += usize::from(read_tail(address, account, theirs));
        told.insert((account.owner, name.to_owned()));
    }
    assert!(different.is_empty(), "{} fields differ:\n{}", different.len(), different.join("\n"));
    assert_eq!(told, declared("accounts"), "the story makes every kind of account");
    assert!(tails > 0, "the story has accounts with something behind their fields");
    assert_eq!(programs().map(|program| program.accounts.len()).iter().sum::<usize>(), told.len());
}

/// Where something stands behind the fields, it is what the foreign client's fields say: the manifest's URI of a job, one byte
/// for each task of an array and then the URI.
fn read_tail(address: &Pubkey, account: &Account, theirs: &Decoded) -> bool {
    let tail = hex::decode(&theirs.tail).unwrap();
    let number = |name: &str| theirs.fields[name].as_str().unwrap().parse::<usize>().unwrap();
    match theirs.name.as_str() {
        "Job" => {
            let job: Job = decode(address, &account.owner, &account.data).unwrap();
            let uri = std::str::from_utf8(&tail[..number("uri_len")]).unwrap();
            assert_eq!(account::manifest_uri(address, &job, &account.data).unwrap().as_deref().unwrap_or(""), uri);
        }
        "Array" => {
            let array: Array = decode(address, &account.owner, &account.data).unwrap();
            let tasks = array.tasks(&account.data).unwrap();
            assert_eq!(tasks.iter().map(|task| task.0).collect::<Vec<_>>(), tail[..number("count")]);
            let uri = &tail[number("count")..][..number("uri_len")];
            assert!(uri.starts_with(b"https://"), "the URI of the array's jobs");
        }
        _ => assert!(tail.is_empty(), "{} has bytes that no field names", theirs.name),
    }
    !tail.is_empty()
}

#[test]
fn a_foreign_client_decodes_every_event_as_the_sdk_does() {
    let recording = story::whole();
    let answer = ask(Request { accounts: Vec::new(), ..requested(recording) });
    assert_eq!(answer.events.len(), recording.events.len());
    let (mut told, mut different) = (BTreeSet::new(), Vec::new());
    for ((program, data), theirs) in recording.events.iter().zip(&answer.events) {
        let event = event::decode(program, data).unwrap_or_else(|| panic!("the SDK does not know {}", theirs.name));
        let (name, fields) = match &event {
            Event::Market(event) => (MarketEvent::name(event), debug::tree(event)),
            Event::Staking(event) => (StakingEvent::name(event), debug::tree(event)),
        };
        assert_eq!(theirs.name, name);
        differences(name, &theirs.fields, &fields, &mut different);
        told.insert((*program, name.to_owned()));
    }
    assert!(different.is_empty(), "{} fields differ:\n{}", different.len(), different.join("\n"));
    let untold: Vec<_> = declared("events").difference(&told).map(|(_, name)| name.clone()).collect();
    assert!(untold.is_empty(), "the story tells no {}", untold.join(", "));
}

#[test]
fn a_foreign_client_builds_instructions_that_the_programs_take() {
    let mut world = World::new();
    let (key, wallet) = world.wallet(20 * USDC);
    let owner = key.pubkey();
    let number = world.next_number();
    let answer = ask(Request {
        buyer: Some(client::Buyer {
            owner: owner.to_string(),
            config: address::market_config().to_string(),
            mint: world.mint.to_string(),
            wallet: wallet.to_string(),
            amount: (10 * USDC).to_string(),
            number: number.to_string(),
        }),
        ..Request::default()
    });
    let built = answer.instructions();
    let told = world.ok(&built, &[&key]).told();
    assert_eq!(told, ["PurseOpened", "Deposited", "JobPosted"]);
    let purse = address::purse(&owner);
    assert_eq!(world.read::<Purse>(&purse).balance, 10 * USDC);
    let address = address::job(&purse, number);
    let job: Job = world.read(&address);
    assert_eq!((job.max_price, job.max_duration_s, job.manifest_hash), (1_800_000, 7_200, [21; 32]));
    let data = world.account(&address).unwrap().data;
    let uri = account::manifest_uri(&address, &job, &data).unwrap();
    assert_eq!(uri.as_deref(), Some("https://foreign.example/job.json"));
}

/// The log said `custom program error: 0x17d7` and nothing else, so that a person was shown a number.
#[test]
fn issue9_19_a_foreign_client_finds_the_sentence_of_a_rule_in_the_log_of_either_program() {
    let mut world = World::new();
    let (key, wallet) = world.wallet(20 * USDC);
    let owner = key.pubkey();
    let mint = world.mint;
    world.ok(&[purse::open(&owner, &mint), stake::open_bond(&owner, &mint)], &[&key]);
    let refused = [
        (world.send(&[purse::withdraw(&owner, &wallet, 1)], &[&key]), RuleError::InsufficientFree),
        (world.send(&[stake::add_stake(&owner, &wallet, 0)], &[&key]), RuleError::ZeroAmount),
    ];
    let logs = refused.iter().map(|(answer, _)| answer.as_ref().err().unwrap().logs.clone()).collect();
    let shown = ask(Request { logs, ..Request::default() }).refusals;
    for ((_, rule), shown) in refused.iter().zip(shown) {
        let expected = Refusal {
            name: format!("Rule{rule:?}"),
            code: RULE_BASE + u32::from(rule.code()),
            sentence: rule.to_string(),
        };
        assert_eq!(shown, Some(expected));
    }
}
