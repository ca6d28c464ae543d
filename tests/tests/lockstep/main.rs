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

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use gridlease_tests::idl;
use telling::{Stage, Tally};

/// Commands of one story.
const LENGTH: usize = 2_000;
/// Below this many commands it is not asked whether everything was tried.
const ENOUGH: u64 = 50_000;

/// Instructions that no command sends, and why.
const NOT_SENT: &[(&str, &str)] = &[
    ("market::init_config", "sent once, when the scene is set"),
    ("staking::init_config", "sent once, when the scene is set"),
    ("staking::reserve", "the market sends it: every award"),
    ("staking::release", "the market sends it: every closed lease"),
    ("staking::slash", "the market sends it: every fault"),
    ("staking::extend", "the market sends it: every extension that binds more"),
    (
        "market::migrate_purse",
        "only accounts of the first edition are migrated, and no command makes one: svm/migration.rs",
    ),
    ("market::migrate_provider", "as migrate_purse"),
    ("market::migrate_offer", "as migrate_purse"),
    ("market::migrate_job", "as migrate_purse"),
    ("market::migrate_array", "as migrate_purse"),
    ("market::migrate_lease", "as migrate_purse"),
    ("staking::migrate_bond", "as migrate_purse"),
    ("staking::migrate_delegation", "as migrate_purse"),
    ("staking::migrate_reservation", "as migrate_purse"),
    ("market::set_guardian", "not told here yet: core's purse_key and period_cap properties, svm/guardian.rs"),
    ("market::register_machine", "not told here yet: core's machine properties, svm/machines.rs"),
    ("market::update_machine", "as register_machine"),
    ("market::retire_machine", "as register_machine"),
    ("market::close_machine", "as register_machine"),
    ("market::verdict", "not told here yet: core's verdict properties and vectors, svm/verdict.rs"),
];

/// Ways that commands take and their answers do not tell; every run of any length must take each.
const WAYS: &[&str] = &[
    "revenue was shared with delegators",
    "revenue went to the operator alone",
    "a slash was borne by delegators",
    "a slash was borne while stake was on its way out",
    "a higher commission was announced",
    "a commission holds at once",
    "a delegator left",
    "the operator sent a delegator off",
    "a request was paid out",
    "a bond was closed",
    "a bond was closed with a rest",
    "a task was opened",
    "a task with replicas was opened",
    "a task was open before, or its array over",
    "an opening reserved more of the budget",
    "a closing reserved more of the budget",
    "a task's job completed",
    "a task's job failed",
    "a task was cancelled",
    "a task's lease was stopped",
    "a task's lease was over when it was stopped",
    "an array reached its quorum",
    "an array was exhausted",
    "an array was cancelled",
    "intake was paused",
    "intake was opened",
    "a change was executed",
    "no change was there to be executed",
    "a proposal took the place of one that had lapsed",
    "a new slasher was proposed",
    "no new slasher was proposed",
    "slashers were set",
    "the market's caps were lowered",
    "the cap of bonds was lowered",
    "a lease was extended, and more stake reserved",
    "a lease was extended that reserves the most already",
    "the market lost its right",
    "a tip was paid",
    "a tip was paid that had grown",
    "the highest tip was paid",
    "a tip was what was left",
    "nothing was left for a tip",
    "a task got all that it can need for tips",
    "a task got for tips what its array had",
    "a lease is paid elsewhere",
    "a payout account was left as it was",
    "a slash of a frozen bond is owed to insurance",
    "a challenge could still be answered",
    "a challenge was missed",
    "a challenge was missed by a lease that is over",
    "a challenge was moot",
    "a node lived again, and its credit was held back already",
    "a node lived again, and owes credit out of its stake",
    "a credit was claimed",
    "a buyer claims stake",
    "a claim was paid",
    "an operator's stake became active",
    "a delegator's stake became active",
    "no stake waited",
    "an unreachable lease ended its job",
    "the job of an unreachable lease went on",
    "a rejected start ended its job",
    "the job of a rejected start went on",
    "notice was given",
    "notice was given again",
    "a lease ended with notice",
    "a revealed bid entered the book",
    "a revealed bid was good for nothing",
    "a bid was revealed after its job's end",
    "a forfeited bond went to insurance",
    "a bid was released of an ended job",
    "a bid was released of a gone job",
    "a failed start took the bond of the sealed bid that won",
    "an instant job took its first offer",
    "an instant job took a later offer",
    "a bidder that closed its record was passed over",
    "a spender was set",
    "a spender was removed",
    "a spender posted",
    "a spender posted in a new period",
    "there was no donation",
    "a donation was swept",
    "a purse was closed",
    "a purse was closed with a donation",
    "a purse was closed, its empty vault frozen",
    "no payout account was proposed",
    "a payout account took effect",
    "a trade entered as it was",
    "a trade was clamped",
    "a trade took the place of its buyer's last",
    "a trade took a new place",
    "a trade was recorded before",
];

/// Ways that are taken too seldom to be asked of every run; they are counted.
const RARE: &[&str] = &[
    "shares were given after a slash",
    "a request was paid in part, the rest stands behind leases",
    "a buyer claims no more than the operator's part",
    "a credit was claimed as far as the operator's part went",
    "a claim was slashed to nothing",
    "a place was freed whose delegator is still owed revenue",
    "a revealed bid stands behind a lease",
    "a task was leased or over when it was cancelled",
];

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

/// Instructions that never succeeded.
fn untried(tally: &Tally) -> Vec<String> {
    let mut wrong = Vec::new();
    for program in &idl::programs() {
        for instruction in &program.instructions {
            let name = format!("{}::{}", program.name, instruction.name);
            let known = NOT_SENT.iter().any(|(not_sent, _)| *not_sent == name);
            let done = tally.answers.contains_key(&(program.id, instruction.discriminator, "ok".to_owned()));
            if !known && !done {
                wrong.push(format!(
                    "{name} never went through in lockstep: add a command for it in tests/tests/lockstep/command.rs \
                     (or, where no command can send it, a line with the reason in NOT_SENT)"
                ));
            }
        }
    }
    let missing = WAYS.iter().filter(|way| !tally.noted.contains_key(*way));
    wrong.extend(missing.map(|way| {
        format!("it never happened that {way}: choose the commands in tests/tests/lockstep/story/ so that it does")
    }));
    wrong
}
