//! The command line: two paths, both with a default that fits the container.

use std::path::PathBuf;

use crate::failure::Failure;

/// What `--help` prints.
pub const HELP: &str = "\
Path-traces the frames of a scene and writes them as PNG files with a summary.

Usage: render [--scene FILE] [--out DIR]

Options:
  --scene FILE   the scene, JSON (default /in/scene.json)
  --out DIR      where frame-0000.png … and summary.json are written (default /out)
  --help         this text

Exit codes: 0 done, 1 wrong arguments, 2 the scene is unusable, 3 the output cannot be written.

Example: render --scene scene.json --out frames";

/// Where to read and where to write.
#[derive(Debug, PartialEq)]
pub struct Paths {
    /// The scene file.
    pub scene: PathBuf,
    /// The directory of the frames and the summary.
    pub out: PathBuf,
}

/// What the arguments ask for.
#[derive(Debug, PartialEq)]
pub enum Command {
    /// Print the help text.
    Help,
    /// Render a scene.
    Render(Paths),
}

/// Reads the arguments (without the program's name).
///
/// # Errors
/// An argument that is not known, or an option without its value.
pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, Failure> {
    let mut paths = Paths { scene: PathBuf::from("/in/scene.json"), out: PathBuf::from("/out") };
    while let Some(argument) = arguments.next() {
        let (name, inline) = match argument.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (argument, None),
        };
        let slot = match name.as_str() {
            "--help" | "-h" => return Ok(Command::Help),
            "--scene" => &mut paths.scene,
            "--out" => &mut paths.out,
            _ => {
                return Err(Failure::Usage(format!("unknown argument `{name}`; known are --scene, --out and --help")));
            }
        };
        match inline.or_else(|| arguments.next()).filter(|value| !value.is_empty()) {
            Some(value) => *slot = PathBuf::from(value),
            None => {
                return Err(Failure::Usage(format!("`{name}` needs a path after it, as in `{name} some/path`")));
            }
        }
    }
    Ok(Command::Render(paths))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Command, Failure> {
        parse(arguments.iter().map(|argument| (*argument).to_owned()))
    }

    #[test]
    fn the_defaults_are_the_container_s_paths() {
        let Ok(Command::Render(paths)) = parsed(&[]) else {
            panic!("no arguments should render");
        };
        assert_eq!(paths.scene, PathBuf::from("/in/scene.json"));
        assert_eq!(paths.out, PathBuf::from("/out"));
    }

    #[test]
    fn both_spellings_of_an_option_are_taken() {
        let expected = Command::Render(Paths { scene: "a.json".into(), out: "b".into() });
        assert_eq!(parsed(&["--scene", "a.json", "--out=b"]).unwrap(), expected);
    }

    #[test]
    fn an_unknown_argument_and_a_missing_value_are_named() {
        let unknown = parsed(&["--scenes", "a"]).unwrap_err();
        assert!(unknown.to_string().contains("`--scenes`"), "{unknown}");
        assert_eq!(unknown.exit_code(), 1);
        let missing = parsed(&["--out"]).unwrap_err();
        assert!(missing.to_string().contains("`--out` needs"), "{missing}");
    }
}
