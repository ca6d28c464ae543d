//! What a release says to whoever wants to check it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::About;

/// The text of `VERIFY.md`, with words in capitals for what differs between releases.
const TEMPLATE: &str = include_str!("verify.md");

/// The text of `VERIFY.md`.
pub fn verify(about: &About) -> String {
    let container = about.container.as_ref().map(|image| format!("--container {image}"));
    let words = [
        (" OPTIONS", container.map_or(String::new(), |options| format!(" {options}"))),
        ("PROGRAM_COMPILER", about.program_compiler.clone()),
        ("PROGRAMS", table(&about.program_hash)),
        ("VERSION", about.version.clone()),
        ("COMMIT", about.commit.clone()),
        ("RUSTC", about.rustc.clone()),
        ("TARGET", about.target.clone()),
        ("FILES", table(&about.sha256)),
    ];
    words.iter().fold(TEMPLATE.to_owned(), |text, (word, value)| text.replace(word, value))
}

fn table(hashes: &BTreeMap<String, String>) -> String {
    hashes.iter().map(|(name, hash)| format!("| `{name}` | `{hash}` |\n")).collect()
}

/// What is said at the end of the command.
pub fn summary(about: &About, dist: &Path) -> String {
    let mut text = format!("two builds in two folders gave the same bytes; {} holds\n", dist.display());
    for (name, hash) in &about.sha256 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {hash}  {name}");
    }
    text.push_str(if about.prebuilt_are_these {
        "programs/prebuilt has these very programs"
    } else {
        "programs/prebuilt has other bytes at this commit: another compiler, or other sources (cargo xtask build-programs --check)"
    });
    text
}
