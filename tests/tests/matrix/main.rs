//! The negative matrix: for every account of every instruction of both programs, one thing wrong at a time. Each must be
//! refused with the error that `expected/` records and change no byte; what succeeds must be in `allowed.txt`, with the
//! reason why that harms nobody.
//!
//! It is driven by the IDL: an instruction without a fixture fails the first test, by name. The tables are written anew with
//! `GRIDLEASE_WRITE_MATRIX=1`; read what changed in them before committing it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests end a test that goes wrong")]

mod arguments;
mod configurations;
mod effects;
mod fixtures;
mod mutate;
mod scenes;
mod stage;
mod table;
mod thief;

use gridlease_tests::idl;
use mutate::{Examination, Row};
use stage::Stage;

#[test]
fn every_instruction_has_a_fixture_and_every_fixture_an_instruction() {
    let fixtures = fixtures::all();
    let mut wrong = Vec::new();
    for program in &idl::programs() {
        for instruction in &program.instructions {
            let known = |fixture: &fixtures::Fixture| {
                fixture.program == program.name && fixture.instruction == instruction.name
            };
            if !fixtures.iter().any(known) {
                wrong.push(format!(
                    "{}::{} has no fixture; add one to tests/tests/matrix/fixtures/{0}.rs and run `{}`",
                    program.name,
                    instruction.name,
                    table::COMMAND
                ));
            }
        }
        for fixture in fixtures.iter().filter(|fixture| fixture.program == program.name) {
            if !program.instructions.iter().any(|instruction| instruction.name == fixture.instruction) {
                wrong.push(format!("the IDL of {} has no instruction {}", program.name, fixture.instruction));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_market_refuses_every_wrong_account_with_the_error_written_down() {
    check("market");
}

#[test]
fn the_staking_program_refuses_every_wrong_account_with_the_error_written_down() {
    check("staking");
}

fn check(program: &str) {
    let rows = measure(program);
    let allowed = table::allowed(program);
    let succeeded = |row: &&Row| row.result.split(" or ").any(|result| result.starts_with("ok"));
    let mut wrong = Vec::new();
    for row in rows.iter().filter(succeeded) {
        if !allowed.iter().any(|entry| entry.covers(row)) {
            wrong.push(format!(
                "{program} | {} | {} | {} | went through: {}",
                row.fixture, row.account, row.mutation, row.result
            ));
        }
    }
    for entry in &allowed {
        if !rows.iter().filter(succeeded).any(|row| entry.covers(row)) {
            wrong.push(format!("allowed.txt: nothing goes through any more by `{}`; take it out", entry.line));
        }
    }
    let found = table::text(program, &rows);
    if std::env::var_os("GRIDLEASE_WRITE_MATRIX").is_some() {
        std::fs::write(table::path(program), &found).unwrap();
    } else {
        let expected = std::fs::read_to_string(table::path(program)).unwrap_or_default();
        let differences = table::differences(&expected, &found);
        if !differences.is_empty() {
            wrong.push(format!(
                "the answers are others than written; if that is meant, run `{}`:\n{differences}",
                table::COMMAND
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// All rows of one program.
fn measure(name: &str) -> Vec<Row> {
    let programs = idl::programs();
    let program = programs.iter().find(|program| program.name == name).unwrap();
    let stage = Stage::new();
    let mut rows = Vec::new();
    for fixture in fixtures::all().into_iter().filter(|fixture| fixture.program == name) {
        let instructions = &program.instructions;
        let Some(spec) = instructions.iter().find(|instruction| instruction.name == fixture.instruction) else {
            continue; // the first test tells
        };
        let examination = Examination::new(fixture.name(), stage.fork(), fixture.make, &programs, program, spec);
        rows.extend(examination.rows(spec));
    }
    rows
}
