//! `tidy`: the house rules that a program can check, over every file of the project.

mod relations;
mod rust;
mod source;
mod text;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use walkdir::WalkDir;

use crate::run;
use source::Source;

/// The rules, with what each asks for.
pub const RULES: [(&str, &str); 13] = [
    ("big-file", "no file over 1 MiB but the programs' bytecode"),
    ("machine-path", "no path of one person's machine"),
    ("registry-host", "no address of a package registry"),
    ("trailing-blank", "no blanks or carriage returns at the end of a line"),
    ("final-newline", "a text file ends with one line feed"),
    ("todo", "a TODO or FIXME says why: \"TODO: the reason in words\""),
    ("long-file", "a Rust file has 600 lines at most, its tests not counted"),
    ("module-doc", "a Rust file begins with //! and what it is for"),
    ("panic", "no unwrap, todo!, unimplemented! or dbg! outside tests"),
    ("dead-code", "no commented-out code"),
    ("wall-clock", "the time of day is read in a module `clock` only"),
    ("pure-interface", "no tokio in the interface"),
    ("relations", "a program asks of an account what its IDL says of it"),
];

/// One broken rule.
#[derive(Debug, PartialEq)]
pub struct Finding {
    /// The file, relative to the root.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// The name of the rule.
    pub rule: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, line, rule, message } = self;
        write!(f, "{path}:{line}: {rule}: {message}")
    }
}

/// Prints the rules.
pub fn list_rules() {
    for (rule, meaning) in RULES {
        println!("{rule:15} {meaning}");
    }
}

/// Checks the project and prints what is wrong. `true` if nothing is.
///
/// # Errors
/// A file cannot be listed or read.
pub fn run(root: &Path) -> Result<bool> {
    let files = list(root)?;
    let findings = check(root, &files)?;
    for finding in &findings {
        println!("{finding}");
    }
    eprintln!("tidy: {} files, {} findings", files.len(), findings.len());
    Ok(findings.is_empty())
}

/// Checks files, in their order.
fn check(root: &Path, files: &BTreeSet<String>) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for path in files {
        let bytes = fs::read(root.join(path)).with_context(|| format!("cannot read {path}"))?;
        let source = Source::new(path, &bytes);
        text::check(&source, &mut findings);
        if path.ends_with(".rs") {
            rust::check(&source, &mut findings);
            relations::check(&source, &mut findings);
        }
    }
    Ok(findings)
}

/// The files of the project: what git tracks or would; in a tree without git, everything but hidden and built files.
fn list(root: &Path) -> Result<BTreeSet<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let listed: BTreeSet<String> = if root.join(".git").exists() {
        let names = run::capture(&mut git)?;
        names.split_terminator('\0').map(str::to_owned).collect()
    } else {
        walk(root)?
    };
    // A tracked file may be gone from disk; a link leads to a file that is checked under its own name.
    let is_file = |name: &String| fs::symlink_metadata(root.join(name)).is_ok_and(|metadata| metadata.is_file());
    Ok(listed.into_iter().filter(is_file).collect())
}

fn walk(root: &Path) -> Result<BTreeSet<String>> {
    let belongs = |entry: &walkdir::DirEntry| {
        let name = entry.file_name().to_string_lossy();
        entry.depth() == 0 || !(name.starts_with('.') || name == "target")
    };
    let mut files = BTreeSet::new();
    for entry in WalkDir::new(root).into_iter().filter_entry(belongs) {
        let entry = entry.context("cannot list the project")?;
        if let Ok(path) = entry.path().strip_prefix(root)
            && entry.file_type().is_file()
        {
            let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
            files.insert(parts.join("/"));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules that a made-up tree breaks, with path and line.
    fn broken(files: &[(&str, &str)]) -> Vec<(String, usize, &'static str)> {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let listed = list(root.path()).unwrap();
        assert_eq!(listed.len(), files.len());
        check(root.path(), &listed)
            .unwrap()
            .into_iter()
            .map(|finding| (finding.path, finding.line, finding.rule))
            .collect()
    }

    fn one(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        let found = broken(&[(path, text)]).into_iter();
        found.map(|(_, line, rule)| (line, rule)).collect()
    }

    #[test]
    fn a_tidy_tree_breaks_no_rule() {
        let code = "//! What it is for.\n\n/// Does it.\npub fn act() -> Option<u8> {\n    Some(1)\n}\n";
        assert_eq!(broken(&[("a/src/lib.rs", code), ("README.md", "# Words\n")]), []);
    }

    #[test]
    fn panics_are_found_outside_tests_only() {
        let call = concat!("    x.unw", "rap();\n");
        let code = format!(
            "//! Doc.\nfn a() {{\n{call}}}\n\n#[cfg(test)]\nmod tests {{\n    fn b() {{\n    {call}    }}\n}}\n\nfn c() {{\n{call}}}\n"
        );
        assert_eq!(one("src/a.rs", &code), [(3, "panic"), (14, "panic")]);
        assert_eq!(one("a/tests/a.rs", &code), []);
        assert_eq!(one("tests/src/a.rs", &code), []);
        let comment = format!("//! Doc.\n// like{call}");
        assert_eq!(one("src/a.rs", &comment), []);
        for (name, line) in [
            ("dbg", concat!("db", "g!(x);")),
            ("todo", concat!("to", "do!()")),
            ("unimplemented", concat!("unimpl", "emented!()")),
        ] {
            let code = format!("//! Doc.\nfn a() {{\n    {line}\n}}\n");
            assert_eq!(one("src/a.rs", &code), [(3, "panic")], "{name}");
        }
    }

    #[test]
    fn a_rust_file_needs_a_module_comment_and_an_end() {
        assert_eq!(one("src/a.rs", "fn a() {}\n"), [(1, "module-doc")]);
        assert_eq!(one("src/a.rs", ""), [(1, "module-doc")]);
        let attribute = "#![no_std]\n\n//! Doc.\n";
        assert_eq!(one("src/a.rs", attribute), []);
        let long = |lines: usize| format!("//! Doc.\n{}", "fn a() {}\n".repeat(lines - 1));
        assert_eq!(one("src/a.rs", &long(600)), []);
        assert_eq!(one("src/a.rs", &long(601)), [(601, "long-file")]);
        assert_eq!(one("a/tests/a.rs", &long(2000)), []);
    }

    #[test]
    fn machine_paths_and_registries_are_found_in_any_file() {
        let home = concat!("/ro", "ot/x");
        assert_eq!(one("a.md", &format!("see {home}\n")), [(1, "machine-path")]);
        let user = concat!("/ho", "me/someone/x");
        assert_eq!(one("a.toml", &format!("a = \"{user}\"\n")), [(1, "machine-path")]);
        assert_eq!(one("a.md", "see /rootfs/x and /homework and src/root/x\n"), []);
        let host = concat!("https://static.cra", "tes.io/x");
        assert_eq!(one("a.yaml", &format!("a: {host}\n")), [(1, "registry-host")]);
        // Also inside what is no text.
        let bytes = format!("\0\0{home}\0");
        assert_eq!(one("a.bin", &bytes), [(1, "machine-path")]);
    }

    #[test]
    fn blanks_at_the_end_and_a_missing_line_feed_are_found() {
        assert_eq!(one("a.md", "a \nb\t\n"), [(1, "trailing-blank"), (2, "trailing-blank")]);
        assert_eq!(one("a.md", "a\r\n"), [(1, "trailing-blank")]);
        assert_eq!(one("a.md", "a"), [(1, "final-newline")]);
        assert_eq!(one("a.md", "a\n\n"), [(2, "final-newline")]);
        assert_eq!(one("a.md", ""), []);
    }

    #[test]
    fn a_todo_must_say_why() {
        let todo = concat!("TO", "DO");
        for (text, found) in [
            (format!("//! Doc.\n// {todo}\n"), true),
            (format!("//! Doc.\n// {todo}: later\n"), true),
            (format!("//! Doc.\n// {todo}: sealed bids need the commit hash\n"), false),
            (format!("//! Doc.\nconst {todo}S: u8 = 1;\n"), false),
        ] {
            let expected: &[_] = if found { &[(2, "todo")] } else { &[] };
            assert_eq!(one("src/a.rs", &text), expected, "{text}");
        }
        assert_eq!(one("a.md", &format!("A {todo} list.\n")), []);
    }

    #[test]
    fn big_files_are_refused_but_for_bytecode() {
        let big = "x".repeat((1 << 20) + 1) + "\n";
        assert_eq!(one("a.bin", &big), [(1, "big-file")]);
        assert_eq!(one("programs/prebuilt/market.so", &big), []);
        assert_eq!(one("programs/prebuilt/notes.txt", &big), [(1, "big-file")]);
    }

    #[test]
    fn commented_out_code_is_told_from_prose() {
        let dead = ["// let x = 1;", "//     return x;", "// if x {", "// }", "// #[test]", "// foo(x);"];
        for line in dead {
            let code = format!("//! Doc.\n{line}\n");
            assert_eq!(one("src/a.rs", &code), [(2, "dead-code")], "{line}");
        }
        for line in ["// Let x be 1; then go on.", "// use it (always)", "/// let x = 1;", "// if so, wait"] {
            let code = format!("//! Doc.\n{line}\nfn a() {{}}\n");
            assert_eq!(one("src/a.rs", &code), [], "{line}");
        }
    }

    #[test]
    fn the_time_of_day_and_tokio_have_their_places() {
        let now = concat!("//! Doc.\nfn a() {\n    System", "Time::now();\n}\n");
        assert_eq!(one("keeper/src/plan.rs", now), [(3, "wall-clock")]);
        assert_eq!(one("keeper/src/clock.rs", now), []);
        let tokio = concat!("//! Doc.\nuse tok", "io::time;\n");
        assert_eq!(one("interface/src/address.rs", tokio), [(2, "pure-interface")]);
        assert_eq!(one("interface/market/src/convert/job.rs", tokio), [(2, "pure-interface")]);
        assert_eq!(one("sdk/src/send.rs", tokio), []);
    }

    #[test]
    fn what_a_program_asks_of_an_account_is_what_its_idl_says() {
        let field = |told: &str, asked: &str| {
            format!(
                "//! Doc.\n/// Of it.\npub struct A {{\n    #[cfg_attr(feature = \"idl-build\", account({told}))]\n    #[account(mut, {asked})]\n    \
                 pub lease: AccountLoader<'info, Lease>,\n}}\n"
            )
        };
        let path = "programs/market/src/a.rs";
        let (job, purse) = ("names!(lease: Lease, job) @ E", "names!(lease: Lease, purse) @ E");
        let both = format!("constraint = {job}, constraint = {purse}");
        assert_eq!(one(path, &field("has_one = job, has_one = purse", &both)), []);
        for told in ["has_one = job", "has_one = job, has_one = bond", "has_one = job, has_one = purse, has_one = bond"]
        {
            assert_eq!(one(path, &field(told, &both)), [(4, "relations")], "{told}");
        }
        let as_another = both.replace("lease: Lease, job", "lease: Job, job");
        assert_eq!(one(path, &field("has_one = job, has_one = purse", &as_another)), [(4, "relations")]);
        let of_another = both.replace("(lease: Lease, job", "(job: Lease, job");
        assert_eq!(one(path, &field("has_one = job, has_one = purse", &of_another)), [(4, "relations")]);
    }

    #[test]
    fn a_line_may_break_a_rule_if_it_says_why() {
        let call = concat!("x.unw", "rap();");
        let with = |comment: &str| format!("//! Doc.\nfn a() {{\n    // {comment}\n    {call}\n}}\n");
        assert_eq!(one("src/a.rs", &with("tidy: allow(panic): x was checked above")), []);
        assert_eq!(one("src/a.rs", &with("tidy: allow(panic):")), [(4, "panic")]);
        assert_eq!(one("src/a.rs", &with("tidy: allow(todo): wrong rule")), [(4, "panic")]);
    }

    #[test]
    fn every_finding_names_a_listed_rule() {
        let root = tempfile::tempdir().unwrap();
        let text = format!("fn a() {{}} \n// {}\n// let x = 1;\n\n", concat!("TO", "DO"));
        fs::write(root.path().join("a.rs"), text).unwrap();
        let findings = check(root.path(), &list(root.path()).unwrap()).unwrap();
        assert!(findings.len() >= 4);
        for finding in findings {
            assert!(RULES.iter().any(|(rule, _)| *rule == finding.rule), "{finding}");
        }
    }
}
