//! `gridlease`: the market on the command line.

use std::process::ExitCode;

use clap::Parser as _;
use gridlease_cli::args::Args;
use gridlease_cli::cmd;
use gridlease_cli::error::Kind;
use gridlease_cli::logging;
use serde_json::json;

fn main() -> ExitCode {
    // Wrong usage ends here with exit code 2, help and version with 0.
    let args = Args::parse();
    let json = args.global.json;
    logging::init(args.global.verbose, logging::daemon_format(&args.command));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: this system gives no threads: {error}");
            return ExitCode::from(Kind::General as u8);
        }
    };
    let done = runtime.block_on(cmd::run(args));
    // Nobody waits for a thread that waits for an answer at the terminal.
    runtime.shutdown_background();
    let error = match done {
        Ok(code) => return code,
        Err(error) => error,
    };
    let kind = error.kind();
    if json {
        eprintln!("{}", json!({ "error": { "message": error.to_string(), "exit_code": kind as u8 } }));
    } else {
        eprintln!("error: {error}");
    }
    ExitCode::from(kind as u8)
}
