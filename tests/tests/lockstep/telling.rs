//! Telling stories to both sides, the rules and the programs, and cutting down those in which they differ.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use gridlease_sdk::address;
use gridlease_sdk::instruction::tip::tipped;
use gridlease_tests::svm::World;
use solana_pubkey::Pubkey;

use crate::chain;
use crate::command::Command;
use crate::ending;
use crate::model::Model;
use crate::random::Random;
use crate::source::Source;
use crate::story::Teller;

/// After how many commands all books are audited.
const AUDIT_EVERY: usize = 250;
/// How long a story that fails is cut down.
const SHRINK_FOR: Duration = Duration::from_secs(120);

/// What was sent, by instruction and answer.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Instruction (by program and discriminator) and answer, and how often.
    pub answers: BTreeMap<(Pubkey, [u8; 8], String), u64>,
    /// Commands that made sense.
    pub sent: u64,
    /// Ways that commands took which their answers do not tell, and how often.
    pub noted: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Both together.
    pub fn add(&mut self, other: Tally) {
        self.sent += other.sent;
        for (key, count) in other.answers {
            *self.answers.entry(key).or_default() += count;
        }
        for (way, count) in other.noted {
            *self.noted.entry(way).or_default() += count;
        }
    }
}

/// Where the two sides went apart: after which command, and how.
#[derive(Clone, Debug)]
pub struct Apart {
    /// The command's number.
    pub at: usize,
    /// How.
    pub how: String,
}

/// A beginning, from which any number of stories can be told.
pub struct Stage {
    world: World,
    model: Model,
}

impl Stage {
    pub fn new() -> Self {
        let (world, model) = chain::scene();
        Self { world, model }
    }

    /// Tells a story of `length` commands.
    pub fn tell(&self, seed: u64, length: usize, tally: &mut Tally) -> Result<(), (Vec<Command>, Apart)> {
        let mut teller = Teller::new(Random::new(Source::new(seed)));
        let mut told = Vec::with_capacity(length);
        let next = |model: &Model, done: usize| {
            let command = (done < length).then(|| teller.choose(model))?;
            told.push(command);
            Some(command)
        };
        let apart = self.run(next, tally);
        apart.map_or(Ok(()), |apart| Err((told, apart)))
    }

    /// Runs commands on both sides until they go apart. `next` is told how many made sense so far.
    fn run(&self, mut next: impl FnMut(&Model, usize) -> Option<Command>, tally: &mut Tally) -> Option<Apart> {
        let (mut world, mut model) = (self.world.fork(), self.model.clone());
        let (mut at, mut done) = (0, 0);
        while let Some(command) = next(&model, done) {
            let step = catch_unwind(AssertUnwindSafe(|| {
                let made_sense = step(&mut world, &mut model, &command, tally)?;
                if at % AUDIT_EVERY == AUDIT_EVERY - 1 {
                    world.assert_books();
                }
                Ok(made_sense)
            }));
            match step {
                Ok(Ok(made_sense)) => (at, done) = (at + 1, done + usize::from(made_sense)),
                Ok(Err(how)) => return Some(Apart { at, how }),
                Err(panic) => return Some(Apart { at, how: words(&panic) }),
            }
        }
        let end = catch_unwind(AssertUnwindSafe(|| {
            ending::tell(&mut model, |model, command| step(&mut world, model, command, tally).map(drop))?;
            world.assert_books();
            Ok(())
        }));
        let last = at.saturating_sub(1);
        match end {
            Ok(Ok(())) => None,
            Ok(Err(how)) => Some(Apart { at: last, how }),
            Err(panic) => Some(Apart { at: last, how: words(&panic) }),
        }
    }

    /// Leaves out what is not needed for the two sides to go apart.
    pub fn shrink(&self, mut story: Vec<Command>, mut apart: Apart) -> (Vec<Command>, Apart) {
        let began = Instant::now();
        story.truncate(apart.at + 1);
        let mut piece = story.len() / 2;
        while piece > 0 && began.elapsed() < SHRINK_FOR {
            let mut from = 0;
            let mut shorter = false;
            while from < story.len() && began.elapsed() < SHRINK_FOR {
                let mut less = story.clone();
                less.drain(from..(from + piece).min(story.len()));
                let mut commands = less.clone().into_iter();
                match self.run(|_, _| commands.next(), &mut Tally::default()) {
                    Some(still) => {
                        less.truncate(still.at + 1);
                        (story, apart, shorter) = (less, still, true);
                    }
                    None => from += piece,
                }
            }
            if !shorter || piece > 1 {
                piece /= 2;
            }
        }
        (story, apart)
    }
}

fn words(panic: &Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// One command on both sides; tells whether it made sense in that state.
fn step(world: &mut World, model: &mut Model, command: &Command, tally: &mut Tally) -> Result<bool, String> {
    if let Command::Clock { .. } = command {
        let _ = model.step(command);
        world.set_clock(model.now);
        return Ok(true);
    }
    if let Command::Keeper { .. } = command {
        model.step(command)?;
        return Ok(true);
    }
    if let Command::Prefund { job, lamports } = *command {
        let Some(lease) = model.next_lease(job) else { return Ok(false) };
        model.step(command)?;
        world.airdrop(&lease, lamports);
        world.airdrop(&address::reservation(&lease), lamports);
        return Ok(true);
    }
    if !model.has_place_for(command) {
        return Ok(false);
    }
    let Some(instruction) = chain::build(world, model, command) else { return Ok(false) };
    let instruction = if model.tipping { tipped(instruction, &model.keeper.0) } else { instruction };
    let expected = model.step(command);
    let (answer, logs) = match world.send_light(&instruction) {
        Ok(done) => (Ok(()), done.logs),
        Err(refused) => (Err(refused.to_string()), refused.logs),
    };
    tally.sent += 1;
    if let Some(discriminator) = instruction.data.first_chunk::<8>() {
        let answer = answer.clone().err().unwrap_or_else(|| "ok".to_owned());
        *tally.answers.entry((instruction.program_id, *discriminator, answer)).or_default() += 1;
    }
    if answer != expected {
        return Err(format!("the program says {answer:?}, the rules say {expected:?}\n    {}", logs.join("\n    ")));
    }
    if expected.is_ok() {
        for way in &model.noted {
            *tally.noted.entry(way).or_default() += 1;
        }
    }
    chain::compare(world, model)?;
    Ok(true)
}
