//! Parts of documents that are printed by the project itself: each stands between two lines that mark it.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// How the parts of a document are marked: `<!-- BEGIN: NAME -->` above each and a line below it.
pub struct Marks {
    /// The word before the name.
    pub begin: &'static str,
    /// The line below.
    pub end: &'static str,
}

/// The parts by their names.
type Parts = [(&'static str, String)];

/// Writes the parts into the document.
///
/// # Errors
/// The document cannot be read or written, or lacks the marks of a part.
pub fn write(workspace: &Workspace, document: &str, marks: &Marks, parts: &Parts) -> Result<()> {
    let (old, new) = both(workspace, document, marks, parts)?;
    if old == new {
        eprintln!("{document}: no difference");
        return Ok(());
    }
    fs::write(workspace.root.join(document), new).with_context(|| format!("cannot write {document}"))?;
    eprintln!("{document}: written");
    Ok(())
}

/// Are the parts of the document these? `command` is what writes them.
///
/// # Errors
/// The document cannot be read or lacks the marks of a part.
pub fn check(workspace: &Workspace, document: &str, marks: &Marks, parts: &Parts, command: &str) -> Result<bool> {
    let (old, new) = both(workspace, document, marks, parts)?;
    let same = old == new;
    let outcome = if same { "up to date".to_owned() } else { format!("a part is old; run `{command}`") };
    println!("{document}: {outcome}");
    Ok(same)
}

fn both(workspace: &Workspace, document: &str, marks: &Marks, parts: &Parts) -> Result<(String, String)> {
    let old = fs::read_to_string(workspace.root.join(document)).with_context(|| format!("cannot read {document}"))?;
    let mut new = old.clone();
    for (name, part) in parts {
        new = replaced(&new, marks, name, part).with_context(|| format!("{document}, {} {name}", marks.begin))?;
    }
    Ok((old, new))
}

/// The text with another part `name`.
fn replaced(text: &str, marks: &Marks, name: &str, part: &str) -> Result<String> {
    let begin = format!("<!-- {}: {name} -->\n", marks.begin);
    let Some((before, rest)) = text.split_once(&begin) else { bail!("there is no line \"{}\"", begin.trim_end()) };
    let Some((_, after)) = rest.split_once(marks.end) else { bail!("there is no line \"{}\" behind it", marks.end) };
    Ok(format!("{before}{begin}{part}{}{after}", marks.end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let marks = Marks { begin: "diagram", end: "<!-- end of diagram -->" };
        let text = "a\n<!-- diagram: one -->\nold\n<!-- end of diagram -->\nb\n<!-- diagram: two -->\nx\n<!-- end of diagram -->\n";
        let new = replaced(text, &marks, "one", "new\n").unwrap();
        assert_eq!(new, text.replace("old", "new"));
        assert_eq!(replaced(&new, &marks, "one", "new\n").unwrap(), new);
        assert!(replaced(text, &marks, "three", "").is_err());
        assert!(replaced("<!-- diagram: one -->\nold\n", &marks, "one", "").is_err());
    }
}
