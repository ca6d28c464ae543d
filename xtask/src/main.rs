//! `cargo xtask`: what a developer of the market runs. Of the market's crates it imports only `core` and the tests' `testkit`, so it builds in seconds.

mod accounts;
mod coverage;
mod cu;
mod demo;
mod deny;
mod deps;
mod diagrams;
mod errors;
mod examples;
mod figures;
mod idl;
mod lock;
mod marks;
mod programs;
mod prove;
mod reference;
mod release;
mod render;
mod run;
mod setup;
mod test;
mod tidy;
mod tools;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use workspace::Workspace;

/// What a developer of the market runs: set up, build, check, test, show.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Installs and starts what is missing: the Docker engine and a container registry
    ///
    /// Safe to repeat, and done in an instant when nothing is missing. Installs on Debian and Ubuntu, says what to do
    /// elsewhere, and never touches the configuration of a running daemon. `test` and `demo` do this first.
    #[command(after_help = "Example:\n  cargo xtask setup")]
    Setup,

    /// Makes the images of examples/ that are missing or have changed
    ///
    /// From Debian's and PyPI's packages alone: no registry of images is asked. They are kept by the Docker engine as
    /// `gridlease-examples/NAME`, some 2.6 GB. `test` does this first.
    #[command(after_help = "Example:\n  cargo xtask examples")]
    Examples,

    /// Builds the on-chain programs if the committed ones do not match their sources
    ///
    /// The bytecode in programs/prebuilt/ is used while programs/prebuilt/record.json matches the sources, the locked
    /// dependencies and the files themselves. Otherwise it is rebuilt with `cargo build-sbf`. `test` and `demo` do this
    /// first: nothing is ever tested or deployed that does not match its sources.
    #[command(after_help = "Examples:\n  cargo xtask build-programs\n  cargo xtask build-programs --check")]
    BuildPrograms {
        /// Only say whether they match; exit code 1 if not
        #[arg(long)]
        check: bool,
    },

    /// Writes the programs' interface descriptions to idl/
    ///
    /// They are printed by the programs' own code, compiled for this machine with the feature `idl-build`.
    #[command(after_help = "Examples:\n  cargo xtask idl\n  cargo xtask idl --check")]
    Idl {
        /// Only say whether the committed ones are up to date; exit code 1 if not
        #[arg(long)]
        check: bool,
    },

    /// Says what every instruction costs in compute units
    ///
    /// The figures are those of docs/CU.md, which a test measures on the built programs and holds to within five per cent.
    #[command(
        after_help = "Examples:\n  cargo xtask cu\n  cargo xtask cu --json\n  cargo xtask cu --json --situations\n  cargo xtask cu --write   (measure anew)"
    )]
    Cu(cu::Options),

    /// Measures which lines of the rules and of the built programs the tests run, and writes docs/COVERAGE.md
    ///
    /// Takes a quarter of an hour the first time: the rules, the tests of the programs and the programs are built apart from
    /// everything else. With --profile it says instead where an instruction of the programs spends its compute units.
    #[command(
        after_help = "Examples:\n  cargo xtask coverage\n  cargo xtask coverage --json\n  cargo xtask coverage --rules --uncovered core/src/job/mod.rs\n  cargo xtask coverage --profile settle --tests batch::\n  cargo xtask coverage --again --uncovered programs/market"
    )]
    Coverage(coverage::Options),

    /// Prints the state diagrams of docs/PROTOCOL.md from the tables in core
    #[command(after_help = "Examples:\n  cargo xtask diagrams\n  cargo xtask diagrams --check")]
    Diagrams {
        /// Only say whether the document's are up to date; exit code 1 if not
        #[arg(long)]
        check: bool,
    },

    /// Prints the tables of docs/ACCOUNTS.md from the IDLs and from core
    ///
    /// Seeds, bytes, rent, states, and which instructions write which account.
    #[command(after_help = "Examples:\n  cargo xtask accounts\n  cargo xtask accounts --check")]
    Accounts {
        /// Only say whether the document's are up to date; exit code 1 if not
        #[arg(long)]
        check: bool,
    },

    /// Prints docs/REFERENCE.md: instructions, events, errors and limits, from the IDLs and from core
    #[command(after_help = "Examples:\n  cargo xtask reference\n  cargo xtask reference --check")]
    Reference {
        /// Only say whether the document is up to date; exit code 1 if not
        #[arg(long)]
        check: bool,
    },

    /// Prints the figures of docs/OPERATORS.md from core and from the sizes of accounts
    ///
    /// What is locked, how long things take, what they cost.
    #[command(after_help = "Examples:\n  cargo xtask figures\n  cargo xtask figures --check")]
    Figures {
        /// Only say whether the document's are up to date; exit code 1 if not
        #[arg(long)]
        check: bool,
    },

    /// Checks that every error has its page in docs/errors, and writes their index
    ///
    /// The pages are written by hand. This says which are missing, which belong to no error, and which lack a section or the
    /// program's own words.
    #[command(after_help = "Examples:\n  cargo xtask errors\n  cargo xtask errors --check")]
    Errors {
        /// Do not write the index, only say whether it is up to date
        #[arg(long)]
        check: bool,
    },

    /// Has z3 prove what core/proofs claim of the rules' arithmetic
    ///
    /// For amounts of any size: rounding, accrual, fees, shares, slashes, purses, revenue. Prints a table; exit code 1 where a
    /// claim is not shown, or its premises contradict each other.
    #[command(after_help = "Example:\n  cargo xtask prove")]
    Prove,

    /// Checks that no crate imports one that it must not
    ///
    /// The allowed edges are those of docs/ARCHITECTURE.md, "Doors".
    #[command(after_help = "Example:\n  cargo xtask deps")]
    Deps,

    /// Checks under which licences dependencies come, and from where
    ///
    /// What is allowed, and why, is in deny.toml. Installs cargo-deny into the cache the first time, which takes some minutes.
    #[command(after_help = "Example:\n  cargo xtask deny")]
    Deny,

    /// Checks the house rules on every file of the project
    ///
    /// One line a finding: path:line: rule: message. A line that must break a rule says why, in a comment on it or
    /// above it: "tidy: allow(rule): reason".
    #[command(after_help = "Examples:\n  cargo xtask tidy\n  cargo xtask tidy --rules")]
    Tidy {
        /// List the rules instead
        #[arg(long)]
        rules: bool,
    },

    /// Builds what is released, twice, and writes it to dist/ with hashes, an SBOM and the commands that compare
    ///
    /// Programs and binary are built from HEAD in two folders and must be the same bytes. Takes as long as four builds from
    /// nothing.
    #[command(
        after_help = "Examples:\n  cargo xtask release\n  cargo xtask release --programs-only\n  cargo xtask release --container solanafoundation/solana-verifiable-build:3.0.0"
    )]
    Release(release::Options),

    /// Sets up, builds and runs every check and every test
    ///
    /// In this order: setup, build-programs, format, deps, tidy, diagrams, accounts, figures, errors, reference, deny, clippy (of the fuzz targets, too), build, static renderer, tests, idl --check.
    /// Ends with a table of what took how long.
    #[command(after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --no-lint --filter award")]
    Test(test::Options),

    /// Runs the whole market on loopback and one job on it, start to end
    ///
    /// Everything after `demo` goes to the demo itself. Standard output carries only what the demo prints.
    #[command(
        after_help = "Examples:\n  cargo xtask demo\n  cargo xtask demo --json > result.json\n  cargo xtask demo --keep\n  cargo xtask demo -- --help   (the demo's own options)"
    )]
    Demo {
        /// Arguments of the demo
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    match perform(Arguments::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Does a task. `false` means that a check found something and has said so.
fn perform(task: Task) -> Result<bool> {
    match task {
        Task::Setup => setup::run().map(|()| true),
        Task::Examples => setup::run().and_then(|()| examples::ensure(&Workspace::load()?)).map(|()| true),
        Task::BuildPrograms { check: true } => programs::check(&Workspace::load()?),
        Task::BuildPrograms { check: false } => programs::ensure(&Workspace::load()?).map(|_| true),
        Task::Idl { check: true } => idl::check(&Workspace::load()?),
        Task::Idl { check: false } => idl::write(&Workspace::load()?).map(|()| true),
        Task::Coverage(options) => coverage::run(&Workspace::load()?, &options).map(|()| true),
        Task::Cu(options) => cu::run(&Workspace::load()?, &options).map(|()| true),
        Task::Diagrams { check: true } => diagrams::check(&Workspace::load()?),
        Task::Diagrams { check: false } => diagrams::write(&Workspace::load()?).map(|()| true),
        Task::Accounts { check: true } => accounts::check(&Workspace::load()?),
        Task::Accounts { check: false } => accounts::write(&Workspace::load()?).map(|()| true),
        Task::Figures { check: true } => figures::check(&Workspace::load()?),
        Task::Figures { check: false } => figures::write(&Workspace::load()?).map(|()| true),
        Task::Reference { check } => reference::run(&Workspace::load()?, check),
        Task::Errors { check } => errors::run(&Workspace::load()?.root, check),
        Task::Prove => prove::run(&Workspace::load()?.root),
        Task::Release(options) => release::run(&Workspace::load()?, &options),
        Task::Deps => deps::run(&Workspace::load()?),
        Task::Deny => deny::run(&Workspace::load()?),
        Task::Tidy { rules: true } => {
            tidy::list_rules();
            Ok(true)
        }
        Task::Tidy { rules: false } => tidy::run(&Workspace::load()?.root),
        Task::Test(options) => test::run(&options),
        Task::Demo { arguments } => demo::run(&arguments).map(|()| true),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_task_has_an_example() {
        let command = super::Arguments::command();
        command.clone().debug_assert();
        for task in command.get_subcommands() {
            let help = task.get_after_help().map(ToString::to_string);
            assert!(help.is_some_and(|help| help.contains("cargo xtask")), "{} has no example", task.get_name());
        }
    }
}
