//! What the fuzzer changes in a scene. Zeros change nothing.

use std::sync::LazyLock;

use anchor_lang::prelude::Rent;
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM};

use super::bytes::Bytes;
use super::scene::{Given, SCENES, Scene};

/// More changes than an input is allowed to make.
const MOST: usize = 32;
/// More accounts than an instruction is given.
const ACCOUNTS: usize = 48;
/// More bytes than the data of an instruction has.
const CALL: usize = 1_232;

/// The scene that the first two bytes choose, with the changes that the others make. Each change has twelve bytes, so that the
/// fuzzer can move, double and drop it as a whole.
pub fn chosen(mut input: Bytes) -> Scene {
    let mut scene = pick(input.short(2)).clone();
    for _ in 0..MOST {
        if !input.more() {
            break;
        }
        let (kind, at) = (input.byte(), usize::from(input.byte()));
        let (place, value) = (input.short(2), input.number());
        let before = tells().then(|| scene.clone());
        change(&mut scene, kind % 32, at, place, value);
        if let Some(before) = before {
            tell(&before, &scene);
        }
    }
    possible(&mut scene.accounts);
    scene
}

/// Is somebody looking at one input, and wants to know what it changes?
fn tells() -> bool {
    static TELLS: LazyLock<bool> = LazyLock::new(|| std::env::var_os("GRIDLEASE_TELL").is_some());
    *TELLS
}

fn tell(before: &Scene, after: &Scene) {
    let name = &before.name;
    if before.data != after.data {
        eprintln!("{name}: data {:02x?}, was {:02x?}", after.data, before.data);
    }
    if (before.slot, before.unix_timestamp) != (after.slot, after.unix_timestamp) {
        eprintln!("{name}: slot {}, time {}", after.slot, after.unix_timestamp);
    }
    for (at, is) in after.accounts.iter().enumerate() {
        let Some(was) = before.accounts.get(at) else {
            eprintln!("{name}: account {at} is {}, owned by {}", is.key, is.owner);
            continue;
        };
        if was == is {
            continue;
        }
        let flags = |account: &Given| (account.signer, account.writable, account.executable, account.lamports);
        eprintln!("{name}: account {at} was {} owned by {}: {:?}", was.key, was.owner, flags(was));
        eprintln!("{name}: account {at} is {} owned by {}: {:?}", is.key, is.owner, flags(is));
        let bytes = was.data.iter().zip(&is.data).enumerate().filter(|(_, (was, is))| was != is);
        let bytes: Vec<_> = bytes.take(16).map(|(at, (was, is))| format!("{at}: {was:02x} -> {is:02x}")).collect();
        eprintln!("{name}: {} bytes, were {}: {}", is.data.len(), was.data.len(), bytes.join(", "));
    }
}

fn pick(number: u64) -> &'static Scene {
    &SCENES[number as usize % SCENES.len()]
}

fn change(scene: &mut Scene, kind: u8, at: usize, place: u64, value: u64) {
    let count = scene.accounts.len();
    let account = &mut scene.accounts[at % count];
    match kind {
        1 => account.signer ^= true,
        2 => account.writable ^= true,
        3 => account.owner = [MARKET, STAKING, TOKEN_PROGRAM, SYSTEM_PROGRAM][place as usize % 4],
        4 => account.lamports = value,
        5 => account.lamports = account.lamports.wrapping_add_signed(i64::from(value as i16)),
        6 => {
            // A new account: nothing there yet.
            account.owner = SYSTEM_PROGRAM;
            account.executable = false;
            account.data.clear();
        }
        7 => {
            let twin = scene.accounts[place as usize % count].clone();
            replace(&mut scene.accounts[at % count], twin);
        }
        8 => {
            let other = from_beside(scene, place);
            replace(&mut scene.accounts[at % count], other);
        }
        9 => replace(account, from_elsewhere(place, value)),
        10 => {
            // More accounts behind, as `award` takes them.
            let more = account.clone();
            append(scene, more);
        }
        11 => append(scene, from_elsewhere(place, value)),
        16 => {
            let other = from_beside(scene, place);
            append(scene, other);
        }
        12 => write(&mut account.data, place, &value.to_le_bytes()[..1]),
        13 => write(&mut account.data, place, &value.to_le_bytes()[..2]),
        14 => write(&mut account.data, place, &value.to_le_bytes()[..4]),
        15 => write(&mut account.data, place, &value.to_le_bytes()),
        17 => {
            // A little more or less than it was: at the edge of what is allowed.
            let number = read(&account.data, place).wrapping_add_signed(i64::from(value as i8));
            write(&mut account.data, place, &number.to_le_bytes());
        }
        18 => account.data.truncate(place as usize),
        19 => scene.unix_timestamp = scene.unix_timestamp.wrapping_add(i64::from(value as i16)),
        20 => scene.unix_timestamp = scene.unix_timestamp.wrapping_add(i64::from(value as i32)),
        21 => scene.unix_timestamp = value as i64,
        22 => scene.slot = scene.slot.wrapping_add_signed(i64::from(value as i16)),
        23 => scene.slot = value,
        24 => write(&mut scene.data, place, &value.to_le_bytes()[..1]),
        25 => write(&mut scene.data, place, &value.to_le_bytes()[..2]),
        26 | 27 => write(&mut scene.data, place, &value.to_le_bytes()),
        28 => {
            let number = read(&scene.data, place).wrapping_add_signed(i64::from(value as i8));
            write(&mut scene.data, place, &number.to_le_bytes());
        }
        29 => scene.data.truncate(place as usize),
        30 => {
            let more = &value.to_le_bytes()[..place as usize % 9];
            scene.data.extend(&more[..more.len().min(CALL.saturating_sub(scene.data.len()))]);
        }
        31 => {
            // Another instruction of the same program with these accounts.
            let other = pick(place);
            if other.program == scene.program {
                scene.data.clone_from(&other.data);
            }
        }
        _ => {}
    }
}

/// Another account in the place of one: whether it signs and is written is said by the place.
fn replace(account: &mut Given, by: Given) {
    let (signer, writable) = (account.signer, account.writable);
    *account = Given { signer, writable, ..by };
}

/// An account of the same world: mostly one of the same kind that belongs to somebody else.
fn from_beside(scene: &Scene, place: u64) -> Given {
    let all = if scene.others.is_empty() { &scene.accounts[..] } else { &scene.others[..] };
    all[place as usize % all.len()].clone()
}

/// One that the instruction of another scene takes.
fn from_elsewhere(scene: u64, account: u64) -> Given {
    let accounts = &pick(scene).accounts;
    accounts[account as usize % accounts.len()].clone()
}

fn append(scene: &mut Scene, more: Given) {
    if scene.accounts.len() < ACCOUNTS {
        scene.accounts.push(more);
    }
}

/// The eight bytes at `place`, zeros behind the end.
fn read(data: &[u8], place: u64) -> u64 {
    let at = place as usize % data.len().max(1);
    Bytes(data.get(at..).unwrap_or_default()).number()
}

/// Writes as much as there is room for.
fn write(data: &mut [u8], place: u64, bytes: &[u8]) {
    let length = data.len();
    if length > 0 {
        let at = place as usize % length;
        let end = (at + bytes.len()).min(length);
        data[at..end].copy_from_slice(&bytes[..end - at]);
    }
}

/// What no runtime hands to a program is set right: an address stands for one account, which signs and is written wherever it
/// stands if it does so anywhere; programs are not written; an account without lamports does not exist, and one with data
/// holds its rent, without which it could not have been made.
fn possible(accounts: &mut [Given]) {
    for at in 0..accounts.len() {
        let Given { key, signer, writable, .. } = accounts[at];
        if let Some(first) = accounts[..at].iter_mut().find(|one| one.key == key) {
            first.signer |= signer;
            first.writable |= writable;
        }
    }
    for at in 0..accounts.len() {
        let (before, rest) = accounts.split_at_mut(at);
        let account = &mut rest[0];
        if let Some(first) = before.iter().find(|one| one.key == account.key) {
            account.clone_from(first);
        }
        account.writable &= !account.executable;
        if account.lamports == 0 {
            account.owner = SYSTEM_PROGRAM;
            account.executable = false;
            account.data.clear();
        }
        if !account.data.is_empty() {
            account.lamports = account.lamports.max(Rent::default().minimum_balance(account.data.len()));
        }
    }
}
