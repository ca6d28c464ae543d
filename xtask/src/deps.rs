//! `deps`: which crate may import which. The table below is docs/ARCHITECTURE.md, "Doors", in code.

use anyhow::Result;
use cargo_metadata::DependencyKind;

use crate::workspace::Workspace;

/// A crate of the workspace with the crates of the workspace that it may import.
const DOORS: [(&str, &[&str]); 18] = [
    ("gridlease-core", &[]),
    ("gridlease-market-interface", &["gridlease-core"]),
    ("gridlease-staking-interface", &["gridlease-core"]),
    ("gridlease-program-common", &["gridlease-core"]),
    (
        "gridlease-market",
        &["gridlease-core", "gridlease-market-interface", "gridlease-staking-interface", "gridlease-program-common"],
    ),
    ("gridlease-staking", &["gridlease-core", "gridlease-staking-interface", "gridlease-program-common"]),
    ("gridlease-interface", &["gridlease-core", "gridlease-market-interface", "gridlease-staking-interface"]),
    ("gridlease-sdk", &["gridlease-core", "gridlease-interface", "gridlease-testkit"]),
    ("gridlease-keeper", &["gridlease-core", "gridlease-sdk"]),
    ("gridlease-node", &["gridlease-core", "gridlease-sdk", "gridlease-testkit"]),
    ("gridlease-migrations", &["gridlease-core", "gridlease-sdk"]),
    ("gridlease-localnet", &["gridlease-core", "gridlease-sdk"]),
    (
        "gridlease-cli",
        &[
            "gridlease-core",
            "gridlease-sdk",
            "gridlease-migrations",
            "gridlease-keeper",
            "gridlease-node",
            "gridlease-localnet",
        ],
    ),
    (
        "gridlease-demo",
        &[
            "gridlease-core",
            "gridlease-sdk",
            "gridlease-migrations",
            "gridlease-keeper",
            "gridlease-node",
            "gridlease-localnet",
            "gridlease-cli",
        ],
    ),
    (
        "gridlease-tests",
        &[
            "gridlease-core",
            "gridlease-sdk",
            "gridlease-migrations",
            "gridlease-keeper",
            "gridlease-node",
            "gridlease-localnet",
            "gridlease-cli",
            "gridlease-demo",
            "gridlease-testkit",
        ],
    ),
    ("gridlease-testkit", &[]),
    ("gridlease-render", &[]),
    ("xtask", &["gridlease-core", "gridlease-testkit"]),
];

/// A crate that is for tests, and the crates that may have it in what they build besides their tests.
const FOR_TESTS: (&str, [&str; 2]) = ("gridlease-testkit", ["gridlease-tests", "xtask"]);

/// Crates whose dependencies from outside are limited too, with the ones they may have.
const OUTSIDE: [(&str, &[&str]); 6] = [
    ("gridlease-core", &[]),
    ("gridlease-market-interface", &["anchor-lang", "bytemuck", "solana-sha256-hasher"]),
    (
        "gridlease-program-common",
        // System calls that Anchor does not pass on: SHA-256, and whether a point is on the curve.
        &["anchor-lang", "anchor-spl", "bytemuck", "solana-curve25519", "solana-sha256-hasher"],
    ),
    ("gridlease-staking-interface", &["anchor-lang", "bytemuck"]),
    (
        "gridlease-market",
        // System calls that Anchor does not pass on: SHA-256, and whether a point is on the curve.
        // And the macro that says whom to tell of a hole, which is text and no code.
        &["anchor-lang", "anchor-spl", "bytemuck", "solana-curve25519", "solana-security-txt", "solana-sha256-hasher"],
    ),
    (
        "gridlease-staking",
        &["anchor-lang", "anchor-spl", "bytemuck", "solana-curve25519", "solana-security-txt", "solana-sha256-hasher"],
    ),
];

/// A crate of the workspace and what its manifest asks for.
#[derive(Debug)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its dependencies.
    pub imports: Vec<Import>,
}

/// One dependency of a manifest.
#[derive(Debug)]
pub struct Import {
    /// The crate's own name, even where it is renamed.
    pub name: String,
    /// Whether only tests use it.
    pub development: bool,
    /// Whether it is a crate of the workspace.
    pub ours: bool,
}

/// Checks the workspace and prints what is wrong. `true` if nothing is.
///
/// # Errors
/// None of its own; the workspace has been read before.
pub fn run(workspace: &Workspace) -> Result<bool> {
    let crates = read(workspace);
    let findings = check(&crates);
    for finding in &findings {
        println!("{finding}");
    }
    eprintln!("deps: {} crates, {} wrong arrows", crates.len(), findings.len());
    Ok(findings.is_empty())
}

fn read(workspace: &Workspace) -> Vec<Crate> {
    let packages = &workspace.metadata.packages;
    packages
        .iter()
        .map(|package| Crate {
            name: package.name.to_string(),
            imports: package
                .dependencies
                .iter()
                .map(|dependency| Import {
                    name: dependency.name.clone(),
                    development: dependency.kind == DependencyKind::Development,
                    ours: dependency.path.is_some(),
                })
                .collect(),
        })
        .collect()
}

/// The wrong arrows of a workspace, one line each.
pub fn check(crates: &[Crate]) -> Vec<String> {
    crates.iter().flat_map(check_crate).collect()
}

fn check_crate(krate: &Crate) -> Vec<String> {
    let name = &krate.name;
    let Some((_, allowed)) = DOORS.iter().find(|(known, _)| known == name) else {
        return vec![format!(
            "{name}: not in the table of who may import whom; add a row to DOORS in xtask/src/deps.rs and to docs/ARCHITECTURE.md"
        )];
    };
    let outside = OUTSIDE.iter().find(|(known, _)| known == name);
    let mut findings = Vec::new();
    for import in &krate.imports {
        let other = &import.name;
        if import.ours {
            if !allowed.contains(&other.as_str()) {
                findings.push(format!(
                    "{name} -> {other}: not allowed; {name} may import {} (docs/ARCHITECTURE.md, Doors)",
                    list(allowed)
                ));
            } else if *other == FOR_TESTS.0 && !import.development && !FOR_TESTS.1.contains(&name.as_str()) {
                findings.push(format!(
                    "{name} -> {other}: not allowed; it is for tests, so name it under dev-dependencies"
                ));
            }
        } else if let Some((_, allowed)) = outside
            && !import.development
            && !allowed.contains(&other.as_str())
        {
            findings.push(format!(
                "{name} -> {other}: not allowed; from outside the workspace {name} may import {} (docs/ARCHITECTURE.md, Doors)",
                list(allowed)
            ));
        }
    }
    findings
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn krate(name: &str, imports: &[(&str, bool)]) -> Crate {
        Crate {
            name: name.to_owned(),
            imports: imports
                .iter()
                .map(|(name, development)| Import {
                    name: (*name).to_owned(),
                    development: *development,
                    ours: name.starts_with("gridlease-") || *name == "xtask",
                })
                .collect(),
        }
    }

    fn findings(name: &str, imports: &[(&str, bool)]) -> Vec<String> {
        check(&[krate(name, imports)])
    }

    #[test]
    fn every_arrow_of_the_house_is_allowed() {
        for (name, imports) in [
            ("gridlease-core", vec![("proptest", true)]),
            ("gridlease-market", vec![("gridlease-core", false), ("anchor-spl", false)]),
            ("gridlease-sdk", vec![("gridlease-core", false), ("tokio", false)]),
            ("gridlease-cli", vec![("gridlease-keeper", false), ("gridlease-node", false)]),
            ("gridlease-tests", vec![("gridlease-demo", true)]),
        ] {
            assert_eq!(findings(name, &imports), Vec::<String>::new());
        }
    }

    #[test]
    fn the_keeper_and_the_node_never_meet() {
        for (one, other) in [("gridlease-keeper", "gridlease-node"), ("gridlease-node", "gridlease-keeper")] {
            for development in [false, true] {
                let found = findings(one, &[(other, development)]);
                assert_eq!(found.len(), 1);
                assert!(found[0].starts_with(&format!("{one} -> {other}: not allowed")));
            }
        }
    }

    #[test]
    fn nobody_imports_a_program_crate() {
        for (name, _) in DOORS {
            for program in ["gridlease-market", "gridlease-staking"] {
                assert_eq!(findings(name, &[(program, false)]).len(), 1, "{name}");
                assert_eq!(findings(name, &[(program, true)]).len(), 1, "{name}");
            }
        }
    }

    #[test]
    fn core_imports_nothing_and_programs_only_anchor_and_bytemuck_from_outside() {
        assert_eq!(findings("gridlease-core", &[("serde", false)]).len(), 1);
        assert_eq!(findings("gridlease-core", &[("gridlease-sdk", true)]).len(), 1);
        let found = findings("gridlease-market", &[("tokio", false)]);
        assert!(found[0].contains("anchor-lang, anchor-spl, bytemuck"), "{found:?}");
    }

    #[test]
    fn the_renderer_imports_none_of_ours_and_this_tool_only_the_rules() {
        assert_eq!(findings("gridlease-render", &[("gridlease-core", false)]).len(), 1);
        assert_eq!(findings("xtask", &[("gridlease-core", false), ("gridlease-sdk", false)]).len(), 1);
    }

    #[test]
    fn what_is_for_tests_stays_out_of_what_runs() {
        assert_eq!(findings("gridlease-node", &[("gridlease-testkit", true)]), Vec::<String>::new());
        let found = findings("gridlease-node", &[("gridlease-testkit", false)]);
        assert!(found.len() == 1 && found[0].contains("dev-dependencies"), "{found:?}");
    }

    #[test]
    fn a_crate_without_a_row_is_asked_for_one() {
        let found = findings("gridlease-new", &[]);
        assert!(found[0].contains("add a row"), "{found:?}");
    }
}
