//! A file as the rules see it.

use super::Finding;

/// A file with its lines and what of it is test code.
#[derive(Debug)]
pub struct Source<'a> {
    /// The path relative to the root, with `/`.
    pub path: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Its lines if it is text; their line feeds are gone, carriage returns are not.
    pub lines: Option<Vec<&'a str>>,
    /// For every line, whether it is test code.
    test: Vec<bool>,
}

impl<'a> Source<'a> {
    /// Looks at a file.
    pub fn new(path: &'a str, bytes: &'a [u8]) -> Self {
        let text = std::str::from_utf8(bytes).ok();
        let text = text.filter(|text| !text.contains('\0'));
        let lines = text.map(|text| text.split_terminator('\n').collect::<Vec<_>>());
        let test = match &lines {
            Some(lines) if is_test_path(path) => vec![true; lines.len()],
            Some(lines) if path.ends_with(".rs") => test_lines(lines),
            Some(lines) => vec![false; lines.len()],
            None => Vec::new(),
        };
        Self { path, bytes, lines, test }
    }

    /// Whether a line (counted from 0) is test code.
    pub fn is_test(&self, index: usize) -> bool {
        self.test.get(index).copied().unwrap_or(false)
    }

    /// How many lines are no test code.
    pub fn own_lines(&self) -> usize {
        self.test.iter().filter(|test| !**test).count()
    }

    /// Notes a broken rule, unless the line or the one above allows it with a reason.
    pub fn report(&self, findings: &mut Vec<Finding>, index: usize, rule: &'static str, message: impl Into<String>) {
        let lines = self.lines.as_deref().unwrap_or_default();
        let above = index.checked_sub(1).and_then(|above| lines.get(above));
        let allowed = [lines.get(index), above].into_iter().flatten().any(|line| allows(line, rule));
        if !allowed {
            findings.push(Finding { path: self.path.to_owned(), line: index + 1, rule, message: message.into() });
        }
    }
}

/// Whether a line says `tidy: allow(rule): reason`.
fn allows(line: &str, rule: &str) -> bool {
    let mark = format!("tidy: allow({rule}):");
    line.split_once(&mark).is_some_and(|(_, reason)| !reason.trim().is_empty())
}

/// Whether everything in a file of this path is test code.
fn is_test_path(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let file = parts.pop().unwrap_or_default();
    parts.iter().any(|part| ["tests", "benches", "fuzz"].contains(part))
        || file == "tests.rs"
        || file.ends_with("_tests.rs")
}

/// Which lines belong to `#[cfg(test)]` items. The files are formatted, so an item ends at the first line that closes it
/// with the blanks that it began with.
fn test_lines(lines: &[&str]) -> Vec<bool> {
    let mut test = vec![false; lines.len()];
    let mut index = 0;
    while index < lines.len() {
        let line = lines[index];
        if !line.trim_start().starts_with("#[cfg(test)]") {
            index += 1;
            continue;
        }
        let indent = &line[..line.len() - line.trim_start().len()];
        let closing = format!("{indent}}}");
        let mut opened = false;
        while index < lines.len() {
            let line = lines[index];
            test[index] = true;
            index += 1;
            opened |= line.ends_with('{');
            let whole = !opened && (line.ends_with(';') || line.ends_with('}'));
            if whole || (opened && line.starts_with(&closing)) {
                break;
            }
        }
    }
    test
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_items_end_where_they_close() {
        let code =
            "fn a() {}\n#[cfg(test)]\nuse x;\nfn b() {}\n#[cfg(test)]\nmod t {\n    fn c() {\n    }\n}\nfn d() {}";
        let source = Source::new("src/a.rs", code.as_bytes());
        let test: Vec<usize> = (0..10).filter(|index| source.is_test(*index)).collect();
        assert_eq!(test, [1, 2, 4, 5, 6, 7, 8]);
        assert_eq!(source.own_lines(), 3);
    }
}
