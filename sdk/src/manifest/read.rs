//! Walking the tree: known keys, kinds of values, and where each key stands, so that later checks can point at it.

use super::error::{ManifestError, ManifestErrors, Problem};
use super::yaml::{Entry, Node, Position, Value};
use std::collections::BTreeMap;

/// Collects errors and positions while the sections are read.
#[derive(Default)]
pub(super) struct Reader {
    errors: Vec<ManifestError>,
    positions: BTreeMap<String, Position>,
}

/// A mapping whose keys have been looked at.
#[derive(Clone, Copy)]
pub(super) struct Fields<'n> {
    entries: &'n [Entry],
    at: Position,
}

impl<'n> Fields<'n> {
    /// Where the mapping begins.
    pub fn at(&self) -> Position {
        self.at
    }

    /// The value of a key, if it is there.
    pub fn get(&self, key: &str) -> Option<&'n Node> {
        let found = self.entries.iter().find(|entry| entry.key == key);
        found.map(|entry| &entry.value)
    }

    /// All entries, in the order of the text.
    pub fn entries(&self) -> &'n [Entry] {
        self.entries
    }
}

/// Path of `key` within `parent`.
pub(super) fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() { key.to_owned() } else { format!("{parent}.{key}") }
}

/// A word in a message: quoted, shortened, without control characters.
pub(super) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    format!("{short:?}")
}

impl Reader {
    /// Reports an error at a place.
    pub fn report(&mut self, key: &str, at: Position, problem: impl Into<String>, advice: impl Into<String>) {
        self.errors.push(ManifestError {
            key: key.to_owned(),
            line: at.line,
            column: at.column,
            problem: problem.into(),
            advice: advice.into(),
        });
    }

    /// Reads a mapping that may have the `known` keys: others and repeated ones are reported.
    pub fn fields<'n>(&mut self, path: &str, node: &'n Node, known: &[&str]) -> Option<Fields<'n>> {
        let example = known.first().copied().unwrap_or_default();
        let advice = format!("write a mapping such as {{ {example}: … }}; known here: {}", known.join(", "));
        let fields = self.open_map(path, node, &advice)?;
        for entry in fields.entries {
            if known.contains(&entry.key.as_str()) {
                continue;
            }
            let mut advice = format!("known here: {}", known.join(", "));
            if let Some(nearest) = nearest(&entry.key, known) {
                advice = format!("did you mean `{nearest}`? {advice}");
            }
            self.report(&join(path, &entry.key), entry.key_at, "unknown key", advice);
        }
        Some(fields)
    }

    /// Reads a mapping with keys of the buyer's choice: repeated ones are reported.
    pub fn open_map<'n>(&mut self, path: &str, node: &'n Node, advice: &str) -> Option<Fields<'n>> {
        let Value::Map(entries) = &node.value else {
            let subject = if path.is_empty() { "the manifest " } else { "" };
            let problem = format!("{subject}is {}", node.kind());
            self.report(path, node.at, problem, advice);
            return None;
        };
        for (index, entry) in entries.iter().enumerate() {
            if entries[..index].iter().any(|before| before.key == entry.key) {
                let key = join(path, &entry.key);
                self.report(&key, entry.key_at, "is given twice", "keep one of them");
            }
            self.positions.insert(join(path, &entry.key), entry.value.at);
        }
        Some(Fields { entries, at: node.at })
    }

    /// Reads a list; its items get the paths `path[0]`, `path[1]`, …
    pub fn items<'n>(&mut self, path: &str, node: &'n Node, advice: &str) -> &'n [Node] {
        let Value::List(items) = &node.value else {
            self.report(path, node.at, format!("is {}", node.kind()), advice);
            return &[];
        };
        for (index, item) in items.iter().enumerate() {
            self.positions.insert(format!("{path}[{index}]"), item.at);
        }
        items
    }

    /// Reads a single value as its text.
    pub fn text<'n>(&mut self, path: &str, node: &'n Node, advice: &str) -> Option<&'n str> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(text),
            _ => {
                self.report(path, node.at, format!("is {}", node.kind()), advice);
                None
            }
        }
    }

    /// Reads a single value and converts it; what the conversion says is reported at the value.
    pub fn convert<T>(
        &mut self,
        path: &str,
        node: &Node,
        advice: &str,
        convert: impl FnOnce(&str) -> Result<T, (String, String)>,
    ) -> Option<T> {
        let text = self.text(path, node, advice)?;
        match convert(text) {
            Ok(value) => Some(value),
            Err((problem, advice)) => {
                self.report(path, node.at, problem, advice);
                None
            }
        }
    }

    /// Reads one word of a fixed set.
    pub fn choice<T: Copy>(&mut self, path: &str, node: &Node, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let allowed = format!("allowed: {}", words.join(", "));
        self.convert(path, node, &allowed, |text| {
            let found = choices.iter().find(|(word, _)| *word == text);
            found.map(|(_, value)| *value).ok_or_else(|| {
                let advice = match nearest(text, &words) {
                    Some(word) => format!("did you mean `{word}`? {allowed}"),
                    None => allowed.clone(),
                };
                (format!("{} is not known", quoted(text)), advice)
            })
        })
    }

    /// Adds what the checks of the typed manifest found, except where reading found something already: a value that
    /// could not be read was replaced by a default, about which there is nothing to say.
    pub fn add_problems(&mut self, problems: Vec<Problem>) {
        let read: Vec<String> = self.errors.iter().map(|error| error.key.clone()).collect();
        for problem in problems {
            let concerned =
                |key: &String| !key.is_empty() && (is_within(&problem.key, key) || is_within(key, &problem.key));
            if read.iter().any(concerned) {
                continue;
            }
            let at = self.locate(&problem.key);
            self.report(&problem.key, at, problem.problem, problem.advice);
        }
    }

    /// Place of the key, or of the nearest key around it that is written.
    fn locate(&self, key: &str) -> Position {
        let mut path = key;
        loop {
            if let Some(at) = self.positions.get(path) {
                return *at;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return Position { line: 1, column: 1 },
            }
        }
    }

    /// Nothing, or everything that is wrong.
    pub fn finish(mut self, file: &str) -> Result<(), ManifestErrors> {
        if self.errors.is_empty() {
            return Ok(());
        }
        self.errors.sort_by_key(|error| (error.line, error.column));
        Err(ManifestErrors { file: file.to_owned(), errors: self.errors })
    }
}

fn is_within(inner: &str, outer: &str) -> bool {
    inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The known word that is most like `word`, if one is like it at all.
pub(super) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    if word.len() < 2 || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    known
        .iter()
        .map(|candidate| (strsim::jaro_winkler(&lower, candidate), *candidate))
        .filter(|(likeness, _)| *likeness >= 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}
