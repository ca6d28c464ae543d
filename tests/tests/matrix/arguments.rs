//! Every number of every argument of every instruction, in turn 0, 1 and the largest or smallest that its bytes hold: the
//! programs refuse it with an error of their own or take it with their books in balance. They never fail to complete.
//!
//! Where the numbers stand is read from the IDL: in an argument, in a structure, in a list, in front of a list or a text (its
//! length), and whether an optional value is there.

use std::collections::BTreeMap;

use gridlease_tests::idl;
use gridlease_tests::svm::outcome::Refused;
use serde_json::Value;

use crate::fixtures;
use crate::stage::Stage;

/// A number in the data of an instruction.
struct Number {
    name: String,
    at: usize,
    width: usize,
    signed: bool,
}

/// The types of one program's IDL.
struct Types(BTreeMap<String, Value>);

impl Types {
    fn of(idl: &Value) -> Self {
        let types = idl["types"].as_array().unwrap();
        Self(types.iter().map(|one| (one["name"].as_str().unwrap().to_owned(), one["type"].clone())).collect())
    }

    /// Walks over a value of the type `kind` that begins at `at` in `data`; notes its numbers and returns where it ends.
    fn walk(&self, kind: &Value, name: &str, data: &[u8], mut at: usize, numbers: &mut Vec<Number>) -> usize {
        let mut note = |at: usize, width: usize, signed: bool| {
            numbers.push(Number { name: name.to_owned(), at, width, signed });
            at + width
        };
        if let Some(simple) = kind.as_str() {
            return match simple {
                "bool" | "u8" => note(at, 1, false),
                "u16" => note(at, 2, false),
                "u32" => note(at, 4, false),
                "u64" => note(at, 8, false),
                "i32" => note(at, 4, true),
                "pubkey" => at + 32,
                "string" => {
                    let name = format!("{name}{LENGTH}");
                    numbers.push(Number { name, at, width: 4, signed: false });
                    at + 4 + length(data, at)
                }
                other => panic!("{name}: this test does not know the type {other}"),
            };
        }
        if let Some(defined) = kind["defined"]["name"].as_str() {
            let defined = &self.0[defined];
            assert_eq!(defined["kind"], "struct", "{name}: this test knows structures only");
            for field in defined["fields"].as_array().unwrap() {
                let name = format!("{name}.{}", field["name"].as_str().unwrap());
                at = self.walk(&field["type"], &name, data, at, numbers);
            }
            return at;
        }
        if let Some(inner) = kind.get("option") {
            note(at, 1, false);
            return if data[at] == 0 { at + 1 } else { self.walk(inner, name, data, at + 1, numbers) };
        }
        let (inner, count) = match (kind.get("vec"), kind.get("array")) {
            (Some(inner), _) => {
                note(at, 4, false);
                let count = length(data, at);
                at += 4;
                (inner, count)
            }
            (_, Some(array)) => (&array[0], usize::try_from(array[1].as_u64().unwrap()).unwrap()),
            _ => panic!("{name}: this test does not know the type {kind}"),
        };
        // Of hashes no byte is a number.
        if inner == "u8" {
            return at + count;
        }
        for place in 0..count {
            at = self.walk(inner, &format!("{name}[{place}]"), data, at, numbers);
        }
        at
    }
}

fn length(data: &[u8], at: usize) -> usize {
    usize::try_from(u32::from_le_bytes(data[at..at + 4].try_into().unwrap())).unwrap()
}

/// What is written in place of a number.
fn extremes(number: &Number) -> Vec<u64> {
    let most = u64::MAX >> (64 - 8 * number.width);
    let signed = if number.signed { vec![most >> 1, (most >> 1) + 1] } else { vec![] };
    [vec![0, 1, most - 1, most], signed].concat()
}

/// What follows the name of a string whose length is changed.
const LENGTH: &str = " (its length)";

/// A string that says it is longer than a program's memory: the runtime's allocator refuses it before the program reads on.
fn is_too_long(number: &Number, refused: &Refused) -> bool {
    number.name.ends_with(LENGTH) && refused.logs.iter().any(|line| line.contains("memory allocation failed"))
}

/// A refusal that the programs meant: an error of theirs by number, or one of the runtime that names an argument.
fn is_meant(refused: &Refused) -> bool {
    let panicked = refused.logs.iter().any(|line| line.contains("panicked") || line.contains("out of memory"));
    let completed = !refused.to_string().contains("ProgramFailedToComplete");
    // A rent that nobody could pay is told by the runtime, after the program came to its end.
    let said = refused.code.is_some() || format!("{:?}", refused.error).contains("InsufficientFundsForRent");
    !panicked && completed && said
}

#[test]
fn no_number_at_its_ends_makes_a_program_fail_to_complete_or_puts_its_books_out_of_balance() {
    let idls =
        [("market", include_str!("../../../idl/market.json")), ("staking", include_str!("../../../idl/staking.json"))];
    let stage = Stage::new();
    let (mut tried, mut taken, mut wrong) = (0, 0, Vec::new());
    for (program, text) in idls {
        let json: Value = serde_json::from_str(text).unwrap();
        let types = Types::of(&json);
        for fixture in fixtures::all().into_iter().filter(|fixture| fixture.program == program) {
            let name = format!("{program} {}", fixture.name());
            let spec = json["instructions"].as_array().unwrap().iter().find(|one| one["name"] == fixture.instruction);
            let mut scene = stage.fork();
            let case = (fixture.make)(&mut scene);
            let data = case.instruction.data.clone();
            let (mut numbers, mut at) = (Vec::new(), 8);
            for arg in spec.unwrap()["args"].as_array().unwrap() {
                at = types.walk(&arg["type"], arg["name"].as_str().unwrap(), &data, at, &mut numbers);
            }
            assert_eq!(at, data.len(), "{name}: the IDL tells of other arguments");
            for number in &numbers {
                for value in extremes(number) {
                    let mut instruction = case.instruction.clone();
                    let bytes = &value.to_le_bytes()[..number.width];
                    instruction.data[number.at..number.at + number.width].copy_from_slice(bytes);
                    tried += 1;
                    match scene.w.attempt(&instruction) {
                        Err(refused) if !is_meant(&refused) && !is_too_long(number, &refused) => {
                            wrong.push(format!("{name}: {} = {value}: {refused:?}", number.name));
                        }
                        Err(_) => {}
                        Ok(_) => {
                            taken += 1;
                            // Once more, with the books audited behind it.
                            let mut copy = scene.w.fork();
                            if program == "staking" {
                                copy.make_leases_up(); // its fixtures reserve for leases that the market knows nothing of
                            }
                            if let Err(refused) = copy.send(&[instruction], &[]) {
                                wrong.push(format!("{name}: {} = {value}: then {refused:?}", number.name));
                            }
                        }
                    }
                }
            }
        }
    }
    println!("{tried} extremes tried, {taken} of them taken");
    assert!(wrong.is_empty(), "{} of {tried}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tried > 500 && taken > 100, "{tried} tried, {taken} taken");
}

#[test]
fn arguments_that_are_cut_short_are_refused() {
    let stage = Stage::new();
    for program in &idl::programs() {
        for fixture in fixtures::all().into_iter().filter(|fixture| fixture.program == program.name) {
            let mut scene = stage.fork();
            let case = (fixture.make)(&mut scene);
            let length = case.instruction.data.len();
            for keep in [0, 7, length - 1].into_iter().filter(|keep| *keep < length) {
                let mut instruction = case.instruction.clone();
                instruction.data.truncate(keep);
                let refused = scene.w.attempt(&instruction).err();
                let meant = refused.as_ref().is_some_and(is_meant);
                assert!(meant, "{} {} with {keep} of {length} bytes: {refused:?}", program.name, fixture.name());
            }
        }
    }
}
