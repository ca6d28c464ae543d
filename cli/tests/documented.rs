//! The commands that README and OPERATORS show are commands of this binary, and OPERATORS tells of every flag of a daemon with
//! its present default.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use gridlease_cli::args::Args;
use gridlease_cli::error::Kind;
use gridlease_node::gpu::HealthLimits;
use gridlease_node::store::KEEP_FINISHED_MS;

/// An address, for whatever stands in capitals where one is wanted.
const ADDRESS: &str = "11111111111111111111111111111112";

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The words of a documented command, with something real in the place of what stands for it.
fn words(command: &str) -> Vec<String> {
    let code = command.split(" # ").next().unwrap_or(command);
    let real = |word: &str| match word {
        "JOB" => "last".to_owned(),
        "IMAGE" => "busybox".to_owned(),
        "LEASE" | "OFFER" | "MINT" | "ACCOUNT" | "NODE_KEY" | "COLD_KEY" | "ADDRESS" => ADDRESS.to_owned(),
        other => other.to_owned(),
    };
    code.split_whitespace().map(|word| real(word.trim_matches(['[', ']']))).collect()
}

/// The commands of a document: whole ones, that stand on a line of their own, and mentioned ones, between ticks.
fn commands(text: &str) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let whole = text.lines().filter_map(|line| line.strip_prefix("    gridlease ")).map(words).collect();
    let mut mentioned = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with("    ")) {
        // What begins with the binary's name, and what goes on behind it: `gridlease job list` · `show JOB` · `stop`.
        let mut group: Option<&str> = None;
        for (at, piece) in line.split('`').enumerate() {
            if at % 2 == 0 {
                group = group.filter(|_| piece == " · ");
            } else if let Some(command) = piece.strip_prefix("gridlease ") {
                group = command.split_whitespace().next();
                mentioned.push(words(command));
            } else if let Some(group) = group {
                mentioned.push(words(&format!("{group} {piece}")));
            }
        }
    }
    (whole, mentioned)
}

fn parse(words: &[String]) -> Result<(), clap::Error> {
    Args::try_parse_from(std::iter::once("gridlease").chain(words.iter().map(String::as_str))).map(|_| ())
}

#[test]
fn issue9_22_every_command_that_the_documents_show_is_one() {
    let mut seen = 0;
    let examples = ["render", "langid", "blender", "train", "jupyter", "postgres"];
    let examples = examples.map(|name| format!("examples/{name}/README.md"));
    let documents = ["README.md", "docs/OPERATORS.md"].map(str::to_owned);
    for name in documents.into_iter().chain(examples) {
        let (whole, mentioned) = commands(&document(&name));
        for command in &whole {
            parse(command).unwrap_or_else(|error| panic!("{name}: gridlease {}\n{error}", command.join(" ")));
        }
        for command in &mentioned {
            // One that is only mentioned may leave out what it needs.
            let left_out = [
                ErrorKind::MissingRequiredArgument,
                ErrorKind::MissingSubcommand,
                ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
            ];
            if let Err(error) = parse(command)
                && !left_out.contains(&error.kind())
            {
                panic!("{name}: `gridlease {}`\n{error}", command.join(" "));
            }
        }
        seen += whole.len() + mentioned.len();
    }
    assert!(seen > 40, "{seen}");
}

#[test]
fn issue9_22_the_text_tells_the_exit_codes_and_the_nodes_own_figures() {
    let text = document("docs/OPERATORS.md");
    for kind in
        [Kind::General, Kind::Usage, Kind::Refused, Kind::Network, Kind::Node, Kind::NotCompleted, Kind::Interrupted]
    {
        assert!(text.contains(&format!("\n| {} | ", kind as u8)), "{kind:?}");
    }
    let told = |words: &str| assert!(text.contains(words), "OPERATORS.md does not say: {words}");
    told(&format!("else {} °C", HealthLimits::default().max_temperature_c));
    let days = KEEP_FINISHED_MS / (24 * 3_600 * 1_000);
    assert_eq!(days, 7, "OPERATORS.md says seven days");
    told("nodes keep log and outputs for seven days");
}

#[test]
fn issue9_22_the_tables_of_flags_name_every_flag_with_its_default() {
    let text = document("docs/OPERATORS.md");
    for path in [["node", "run"], ["keeper", "run"], ["admin", "migrate"]] {
        let mut command = Args::command();
        for name in path {
            command = command.find_subcommand(name).unwrap().clone();
        }
        let heading = format!("| flag of `{}` |", path.join(" "));
        let (_, rest) = text.split_once(&heading).unwrap_or_else(|| panic!("no table {heading}"));
        let rows: Vec<&str> = rest.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
        let documented = |flag: &str| {
            let row = rows.iter().find(|row| row.split('`').any(|piece| piece.split(' ').next() == Some(flag)));
            *row.unwrap_or_else(|| panic!("{heading} has no row for {flag}"))
        };
        let mut flags = 0;
        for argument in command.get_arguments().filter(|argument| argument.get_id() != "help") {
            let flag = format!("--{}", argument.get_long().unwrap());
            let row = documented(&flag);
            let told = row.rsplit('|').nth(1).unwrap().replace(", ", " ").replace(',', "");
            for default in argument.get_default_values().iter().filter(|_| argument.get_action().takes_values()) {
                let default = default.to_string_lossy();
                let is_told = told.split_whitespace().any(|word| word.trim_matches('`') == default);
                assert!(is_told, "the default of {flag} is {default}: {row}");
            }
            flags += 1;
        }
        assert!(flags > 5, "{flags} flags of {path:?}");
    }
}
