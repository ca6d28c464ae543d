//! Runs a job's program, and says in words where it cannot. Secrets come into its environment that nothing outside the
//! container's memory ever shows: neither the engine's description of the container nor its arguments hold them.
//!
//! `init NAMES PROGRAM [ARGUMENT…]`, with the names separated by commas, reads `/run/secrets/NAME` for each name, and becomes the program. Built statically,
//! because it runs in images of every kind. `init --pause` waits for its end instead: it holds the network that the containers of one job
//! share. Exit codes as a shell's: 127 no such program, 126 one that cannot be run; 125 for
//! a secret that cannot be read.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

const FOLDER: &str = "/run/secrets";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (names, program) = (arguments.next(), arguments.next());
    if program.is_none() && names.as_ref().is_some_and(|only| only == "--pause") {
        loop {
            std::thread::park();
        }
    }
    let (Some(names), Some(program)) = (names, program) else {
        return fail(125, "it was started without names and a program");
    };
    let mut command = Command::new(&program);
    command.args(arguments);
    for name in names.to_string_lossy().split(',').filter(|name| !name.is_empty()) {
        match std::fs::read(format!("{FOLDER}/{name}")) {
            Ok(value) => command.env(name, OsString::from_vec(value)),
            Err(error) => return fail(125, &format!("secret {name} cannot be read: {error}")),
        };
    }
    // Only comes back where it failed.
    let error = command.exec();
    let program = program.to_string_lossy();
    match error.kind() {
        ErrorKind::NotFound => fail(127, &format!("no such program in the image: {program}")),
        _ => fail(126, &format!("{program} cannot be run: {error}")),
    }
}

fn fail(code: u8, words: &str) -> ExitCode {
    eprintln!("gridlease: {words}");
    ExitCode::from(code)
}
