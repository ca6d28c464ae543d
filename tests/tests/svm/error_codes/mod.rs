//! Every error code of both programs is provoked by some test: by a scenario of this module, as short as it can be, or by a
//! row of the negative matrix, whose own test fails where the answer is another. A code with neither fails the last test, by
//! name.

mod arrays;
mod bidding;
mod governance;
mod lease;
mod money;
mod pools;
mod posting;
mod staking;
mod supervision;
mod supply;

use std::collections::BTreeSet;

use gridlease_core::RuleError;
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_tests::svm::outcome::errors_of;

/// An error as it shows ("market Paused"), and the steps that end in it: they return how it shows that they ended.
type Scenario = (&'static str, fn() -> String);

/// All of them.
const SCENARIOS: [&[Scenario]; 10] = [
    arrays::ALL,
    bidding::ALL,
    supervision::ALL,
    governance::ALL,
    lease::ALL,
    money::ALL,
    pools::ALL,
    posting::ALL,
    staking::ALL,
    supply::ALL,
];

/// What the programs answer to accounts with one thing wrong, checked by the test `matrix`.
const MATRIX: [&str; 2] =
    [include_str!("../../matrix/expected/market.txt"), include_str!("../../matrix/expected/staking.txt")];

/// Plays scenarios; each must end as it says.
#[track_caller]
fn play(scenarios: &[Scenario]) {
    let wrong: Vec<_> = scenarios
        .iter()
        .map(|(error, provoke)| (*error, provoke()))
        .filter(|(error, came)| error != came)
        .map(|(error, came)| format!("for {error} came {came}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Every error of the programs' own as "market Paused", and every rule's as "WindowOpen": a rule is one for both programs.
fn declared() -> BTreeSet<String> {
    let own = [("market", MARKET), ("staking", STAKING)]
        .into_iter()
        .flat_map(|(label, program)| errors_of(&program).into_iter().map(move |name| format!("{label} {name}")));
    own.chain(RuleError::ALL.iter().map(|rule| format!("{rule:?}"))).collect()
}

/// How [`declared`] names what shows as `error`; nothing where it is not one of ours.
fn code_of(error: &str, declared: &BTreeSet<String>) -> Option<String> {
    let (_, name) = error.split_once(' ')?;
    [error, name].into_iter().find(|name| declared.contains(*name)).map(str::to_owned)
}

#[test]
fn every_error_code_of_both_programs_is_provoked_by_a_scenario_or_a_row_of_the_negative_matrix() {
    let declared = declared();
    let mut provoked = BTreeSet::new();
    for (error, _) in SCENARIOS.into_iter().flatten() {
        let code = code_of(error, &declared);
        provoked.insert(code.unwrap_or_else(|| panic!("a scenario is for {error}, which neither program declares")));
    }
    for row in MATRIX.iter().flat_map(|table| table.lines()).filter(|line| !line.starts_with('#')) {
        let answers = row.rsplit(" | ").next().unwrap_or_default().split(" or ");
        provoked.extend(answers.filter_map(|answer| code_of(answer, &declared)));
    }
    let missing: Vec<_> = declared.difference(&provoked).cloned().collect();
    assert!(
        missing.is_empty(),
        "nothing provokes {}; write a scenario in tests/tests/svm/error_codes",
        missing.join(", ")
    );
}

#[test]
fn an_error_has_one_scenario_in_each_program_at_most() {
    let mut seen = BTreeSet::new();
    for (error, _) in SCENARIOS.into_iter().flatten() {
        assert!(seen.insert(error), "{error} has two");
    }
}
