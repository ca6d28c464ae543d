//! Stories of the whole market, chosen by the fuzzer and told to the rules alone: the model that the lockstep test compares
//! with the built programs, with all its commands. After each of them every book adds up and every token is somewhere; a
//! rule never finds its own invariant broken. At the end only cranks are turned, and everything must come to its end.
#![no_main]

// Files of the tests, which know the rules of the market and nothing of a test VM; they name the tests' crate.
extern crate self as gridlease_tests;

#[path = "stories/books.rs"]
mod books;
#[path = "stories/source.rs"]
mod source;

#[path = "../../tests/tests/lockstep"]
mod lockstep {
    pub mod command;
    pub mod ending;
    pub mod model;
    pub mod random;
    pub mod scene;
    pub mod story;
}

#[path = "../../tests/src"]
#[allow(dead_code, reason = "the tests use the rest")]
mod shared {
    pub mod terms;
}

use std::sync::LazyLock;

use gridlease_core::{Now, UnixTs};
use lockstep::{command, ending, model, random, scene, story};
use shared::terms;
use solana_pubkey::Pubkey;

use command::Command;
use command::pools::PoolStep;
use model::{Model, Rents};
use random::Random;
use scene::{BUYERS, Cast, PEOPLE, PROVIDERS};
use source::Source;
use story::Teller;

/// Commands of a story at most.
const LENGTH: usize = 400;

static BEGINNING: LazyLock<Model> = LazyLock::new(|| {
    let mut at = 0u64;
    let mut key = || {
        at += 1;
        let mut bytes = [9; 32];
        // Numbers that differ in their first bytes, as true keys do: marks are made of these.
        bytes[..8].copy_from_slice(&at.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        Pubkey::new_from_array(bytes)
    };
    let mut keys = |count: usize| (0..count).map(|_| key()).collect::<Vec<_>>();
    let cast = Cast {
        now: Now { slot: 300_000_000, ts: UnixTs(1_800_000_000) },
        people: keys(PEOPLE),
        wallets: keys(BUYERS + PROVIDERS),
        last_jobs: vec![0; BUYERS],
        funds: core::array::from_fn(|_| keys(1)[0]),
        foreign: keys(1)[0],
        keeper: (keys(1)[0], 1_000_000_000),
        founder: keys(1)[0],
        // The rent of the network: 6,960 lamports a byte, 128 bytes more for each account.
        rents: Rents::new(|bytes| (bytes as u64 + 128) * 6_960),
    };
    cast.model()
});

/// Is somebody looking at one input, and wants to know its commands?
static TELLS: LazyLock<bool> = LazyLock::new(|| std::env::var_os("GRIDLEASE_TELL").is_some());

/// One command, and whether everything is where it should be after it.
fn step(model: &mut Model, command: &Command) {
    if !model.has_place_for(command) {
        return;
    }
    let all = |model: &Model| model.tokens.values().sum::<u64>();
    let before = all(model);
    if *TELLS {
        eprintln!("{command:?}");
    }
    match model.step(command) {
        Ok(()) => {
            // The mint's authority gives to vaults: as a donation, or as if a lease had paid.
            let made = match *command {
                Command::Donate { amount, .. }
                | Command::Pool { step: PoolStep::Earn { amount } | PoolStep::Endow { amount }, .. } => amount,
                _ => 0,
            };
            assert!(all(model) == before + made, "tokens were made or lost by {command:?}");
            books::check(model);
        }
        Err(refusal) => assert!(!refusal.contains("InvariantBroken"), "{command:?}: {refusal}"),
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let source = Source::new(data);
    let mut teller = Teller::new(Random::new(source.clone()));
    let mut model = BEGINNING.clone();
    for _ in 0..LENGTH {
        if !source.more() {
            break;
        }
        let command = teller.choose(&model);
        step(&mut model, &command);
    }
    let end = ending::tell(&mut model, |model, command| {
        step(model, command);
        Ok(())
    });
    assert_eq!(end, Ok(()), "the market did not come to its end");
});
