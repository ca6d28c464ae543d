//! Lockstep: long random stories told to the rules of `gridlease-core` alone and to the built programs. After every command
//! both must have given the same answer, refusals included, and every account, balance and rent must hold the same; every
//! few hundred commands all books are audited, and the events must rebuild them. At the end of every story nobody acts any more but
//! for cranks: everything must come to its end, and every buyer get the rest of its money.
//!
//! `GRIDLEASE_LOCKSTEP_COMMANDS` says how many commands are told in all (100,000 where it says nothing: about a minute on two
//! cores). Where the two sides
//! go apart, the story's seed is told, and the shortest story found that still goes apart; `GRIDLEASE_LOCKSTEP_SEED` tells
//! that one story again.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests end a test that goes wrong")]
#![allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "random numbers of any kind")]

mod chain;
mod command;
mod ending;
mod model;
mod random;
mod scene;
mod source;
mod story;
mod telling;
mod ways;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gridlease_tests::idl;
use telling::{Stage, Tally};
use ways::{NOT_SENT, RARE, REFUSALS, WAYS};

/// Commands of one story.
const LENGTH: usize = 2_000;
/// Below this many commands it is not asked whether everything was tried.
const ENOUGH: u64 = 50_000;
/// What to do where something is never tried.
const CHOOSE: &str = "choose the commands in tests/tests/lockstep/story/ so that it happens";

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.replace('_', "").parse().unwrap_or_else(|_| panic!("{variable}={text} is no number")))
}

#[test]
fn the_programs_do_what_the_rules_say_command_by_command() {
    let one = number("GRIDLEASE_LOCKSTEP_SEED");
    let commands = number("GRIDLEASE_LOCKSTEP_COMMANDS").unwrap_or(100_000);
    let stories = if one.is_some() { 1 } else { commands.div_ceil(LENGTH as u64).max(1) };
    let (next, tally, failed) = (AtomicU64::new(0), Mutex::new(Tally::default()), Mutex::new(None));
    let began = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(stories as usize);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let stage = Stage::new();
                let mut own = Tally::default();
                while failed.lock().unwrap().is_none() {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= stories {
                        break;
                    }
                    let seed = one.unwrap_or(at + 1);
                    if let Err((story, apart)) = stage.tell(seed, LENGTH, &mut own) {
                        *failed.lock().unwrap() = Some((seed, story, apart));
                    }
                }
                tally.lock().unwrap().add(own);
            });
        }
    });
    let (tally, seconds) = (tally.into_inner().unwrap(), began.elapsed().as_secs_f64());
    let told = stories * LENGTH as u64;
    let seeds = one.map_or_else(|| format!("seeds 1 to {stories}"), |seed| format!("seed {seed}"));
    println!("{told} commands in {stories} stories ({seeds}), {} sent to the programs, {seconds:.1} s", tally.sent);
    if let Some((seed, story, apart)) = failed.into_inner().unwrap() {
        let (short, how) = Stage::new().shrink(story, apart);
        let listed: Vec<_> = short.iter().map(|command| format!("    {command:?}")).collect();
        panic!(
            "the programs and the rules went apart in story {seed}; tell it again with GRIDLEASE_LOCKSTEP_SEED={seed}\n\
             {} commands are enough:\n{}\nafter the last of them: {}",
            short.len(),
            listed.join("\n"),
            how.how
        );
    }
    report(&tally);
    for way in WAYS.iter().chain(RARE) {
        println!("  {way} ×{}", tally.noted.get(way).copied().unwrap_or(0));
    }
    if one.is_none() && told >= ENOUGH {
        let wrong = untried(&tally);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// What was answered, instruction by instruction.
fn report(tally: &Tally) {
    for program in &idl::programs() {
        for instruction in &program.instructions {
            let answers =
                tally.answers.iter().filter(|((id, of, _), _)| (*id, *of) == (program.id, instruction.discriminator));
            let mut answers: Vec<_> = answers.map(|((.., answer), count)| (*count, answer.as_str())).collect();
            answers.sort_unstable_by(|a, b| b.cmp(a));
            let answers: Vec<_> = answers.iter().map(|(count, answer)| format!("{answer} ×{count}")).collect();
            println!("  {}::{}: {}", program.name, instruction.name, answers.join(", "));
        }
    }
}

/// What should have happened and never did.
fn untried(tally: &Tally) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut refusals: Vec<_> = REFUSALS.to_vec();
    for program in &idl::programs() {
        for instruction in &program.instructions {
            let name = format!("{}::{}", program.name, instruction.name);
            let met =
                |answer: &str| tally.answers.contains_key(&(program.id, instruction.discriminator, answer.to_owned()));
            let known = NOT_SENT.iter().any(|(not_sent, _)| *not_sent == name);
            if !known && !met("ok") {
                wrong.push(format!(
                    "{name} never went through in lockstep: add a command for it in tests/tests/lockstep/command.rs \
                     (or, where no command can send it, a line with the reason in NOT_SENT)"
                ));
            }
            refusals.retain(|(refuses, answer)| *refuses != name || !met(answer));
        }
    }
    let refused = |(name, answer)| format!("{name} was never refused with \"{answer}\": {CHOOSE}");
    wrong.extend(refusals.into_iter().map(refused));
    let missing = WAYS.iter().filter(|way| !tally.noted.contains_key(*way));
    wrong.extend(missing.map(|way| format!("it never happened that {way}: {CHOOSE}")));
    wrong
}
