//! `diagrams`: the state diagrams in docs/PROTOCOL.md, printed from the tables in `core`.
//!
//! A diagram stands between `<!-- diagram: NAME -->` and `<!-- end of diagram -->`; what is between them is replaced.

use std::fmt::{Debug, Write as _};

use anyhow::Result;
use gridlease_core::transition::Transition;
use gridlease_core::{job, lease};

use crate::marks;
use crate::workspace::Workspace;

/// The document.
const DOCUMENT: &str = "docs/PROTOCOL.md";
/// The marks of a diagram.
const MARKS: marks::Marks = marks::Marks { begin: "diagram", end: "<!-- end of diagram -->" };

/// Every diagram by its name.
fn all() -> [(&'static str, String); 2] {
    [("job", mermaid(job::TRANSITIONS)), ("lease", mermaid(lease::TRANSITIONS))]
}

/// Writes the diagrams into the document.
///
/// # Errors
/// The document cannot be read or written, or lacks the marks of a diagram.
pub fn write(workspace: &Workspace) -> Result<()> {
    marks::write(workspace, DOCUMENT, &MARKS, &all())
}

/// Are the diagrams of the document those of the tables?
///
/// # Errors
/// The document cannot be read or lacks the marks of a diagram.
pub fn check(workspace: &Workspace) -> Result<bool> {
    marks::check(workspace, DOCUMENT, &MARKS, &all(), "cargo xtask diagrams")
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
}
