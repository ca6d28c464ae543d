//! `diagrams`: the state diagrams in docs/PROTOCOL.md, printed from the tables in `core`.
//!
//! A diagram stands between `<!-- diagram: NAME -->` and `<!-- end of diagram -->`; what is between them is replaced.

use std::fmt::{Debug, Write as _};
use std::fs;

use anyhow::{Context, Result, bail};
use gridlease_core::transition::Transition;
use gridlease_core::{job, lease};

use crate::workspace::Workspace;

/// The document.
const DOCUMENT: &str = "docs/PROTOCOL.md";
/// The line that ends a diagram.
const END: &str = "<!-- end of diagram -->";

/// Every diagram by its name.
fn all() -> [(&'static str, String); 2] {
    [("job", mermaid(job::TRANSITIONS)), ("lease", mermaid(lease::TRANSITIONS))]
}

/// Writes the diagrams into the document.
///
/// # Errors
/// The document cannot be read or written, or lacks the marks of a diagram.
pub fn write(workspace: &Workspace) -> Result<()> {
    let (old, new) = both(workspace)?;
    if old == new {
        eprintln!("{DOCUMENT}: no difference");
        return Ok(());
    }
    fs::write(workspace.root.join(DOCUMENT), new).with_context(|| format!("cannot write {DOCUMENT}"))?;
    eprintln!("{DOCUMENT}: written");
    Ok(())
}

/// Are the diagrams of the document those of the tables?
///
/// # Errors
/// The document cannot be read or lacks the marks of a diagram.
pub fn check(workspace: &Workspace) -> Result<bool> {
    let (old, new) = both(workspace)?;
    let same = old == new;
    println!(
        "{DOCUMENT}: {}",
        if same { "diagrams up to date" } else { "a diagram is old; run `cargo xtask diagrams`" }
    );
    Ok(same)
}

fn both(workspace: &Workspace) -> Result<(String, String)> {
    let old = fs::read_to_string(workspace.root.join(DOCUMENT)).with_context(|| format!("cannot read {DOCUMENT}"))?;
    let mut new = old.clone();
    for (name, diagram) in all() {
        new = replaced(&new, name, &diagram).with_context(|| format!("{DOCUMENT}, diagram {name}"))?;
    }
    Ok((old, new))
}

/// The text with another diagram `name`.
fn replaced(text: &str, name: &str, diagram: &str) -> Result<String> {
    let begin = format!("<!-- diagram: {name} -->\n");
    let Some((before, rest)) = text.split_once(&begin) else { bail!("there is no line \"{}\"", begin.trim_end()) };
    let Some((_, after)) = rest.split_once(END) else { bail!("there is no line \"{END}\" behind it") };
    Ok(format!("{before}{begin}{diagram}{END}{after}"))
}

/// The arrows in the language of Mermaid, in the order of the table.
fn mermaid<S: Copy + Debug>(arrows: &[Transition<S>]) -> String {
    let name = |state: Option<S>| state.map_or_else(|| "[*]".to_owned(), |state| format!("{state:?}"));
    let mut out = String::from("```mermaid\nstateDiagram-v2\n");
    for arrow in arrows {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "    {} --> {}: {}", name(arrow.from), name(arrow.to), arrow.label);
    }
    out.push_str("```\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Light {
        Red,
        Green,
    }

    const ARROWS: &[Transition<Light>] = &[
        Transition::begins("on", Light::Red, "switch on"),
        Transition::new(Light::Red, "turn", Light::Green, "after a while"),
        Transition::ends(Light::Green, "off", "switch off"),
    ];

    #[test]
    fn a_table_becomes_a_diagram_with_its_arrows_in_order() {
        let lines = "[*] --> Red: switch on\n    Red --> Green: after a while\n    Green --> [*]: switch off";
        assert_eq!(mermaid(ARROWS), format!("```mermaid\nstateDiagram-v2\n    {lines}\n```\n"));
    }

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let text = "a\n<!-- diagram: one -->\nold\n<!-- end of diagram -->\nb\n<!-- diagram: two -->\nx\n<!-- end of diagram -->\n";
        let new = replaced(text, "one", "new\n").unwrap();
        assert_eq!(new, text.replace("old", "new"));
        assert_eq!(replaced(&new, "one", "new\n").unwrap(), new);
        assert!(replaced(text, "three", "").is_err());
        assert!(replaced("<!-- diagram: one -->\nold\n", "one", "").is_err());
    }
}
