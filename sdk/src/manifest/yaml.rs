//! YAML text to a tree with positions, within bounds.
//!
//! The parser is driven event by event instead of through a loader, because a loader resolves aliases (so that a small
//! text can grow without limit), drops all but the last of equal keys, and turns `1.80` into a binary fraction.

use super::error::ManifestError;
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput};

const MAX_DEPTH: usize = 16;
const MAX_NODES: usize = 10_000;

/// Line and column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub line: usize,
    pub column: usize,
}

/// A value with its place.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub at: Position,
    pub value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    /// The text as written, without quotes; `plain` if it had none.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<Entry>),
}

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub key: String,
    pub key_at: Position,
    pub value: Node,
}

impl Node {
    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "empty",
            Value::Scalar { .. } => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Whether nothing is written, or `null` or `~` without quotes.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }
}

/// Reads the one document of `text`.
pub(super) fn parse(text: &str) -> Result<Node, ManifestError> {
    // The parser takes a zero byte for the end of the text; what follows would be ignored.
    if let Some(line) = text.lines().position(|line| line.contains('\0')) {
        let at = Position { line: line + 1, column: 1 };
        return Err(failure(at, "the line contains a zero byte".to_owned(), "save the file as UTF-8 text"));
    }
    let mut builder = Builder::default();
    for event in Parser::new(StrInput::new(text)) {
        let (event, span) = event.map_err(|error| {
            let at = position(error.marker());
            failure(at, format!("this is not YAML: {}", error.info()), "")
        })?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| {
        let start = Position { line: 1, column: 1 };
        failure(start, "the manifest is empty".to_owned(), "start from `gridlease job init`")
    })
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn failure(at: Position, problem: String, advice: &str) -> ManifestError {
    ManifestError { key: String::new(), line: at.line, column: at.column, problem, advice: advice.to_owned() }
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

/// A list or mapping that has begun.
struct Open {
    node: Node,
    /// In a mapping, the key whose value comes next.
    key: Option<(String, Position)>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), ManifestError> {
        let at = position(&span.start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
            Event::Alias(_) => Err(failure(at, "aliases (*name) are not accepted".to_owned(), "write the value out")),
            Event::Scalar(text, style, anchor, tag) => {
                refuse_decoration(at, anchor, tag.is_some())?;
                let plain = style == ScalarStyle::Plain;
                let text = text.into_owned();
                self.add(Node { at, value: Value::Scalar { text, plain } })
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_decoration(at, anchor, tag.is_some())?;
                self.begin(at, Value::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                refuse_decoration(at, anchor, tag.is_some())?;
                self.begin(at, Value::Map(Vec::new()))
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(finished) => self.add(finished.node),
                None => Err(failure(at, "this is not YAML".to_owned(), "")),
            },
        }
    }

    fn begin(&mut self, at: Position, value: Value) -> Result<(), ManifestError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(failure(at, format!("nested more than {MAX_DEPTH} deep"), "no manifest needs that"));
        }
        self.open.push(Open { node: Node { at, value }, key: None });
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), ManifestError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(failure(node.at, format!("more than {MAX_NODES} values"), "no manifest needs that"));
        }
        let Some(parent) = self.open.last_mut() else {
            if self.root.is_some() {
                return Err(failure(node.at, "a second document begins here".to_owned(), "one file holds one job"));
            }
            self.root = Some(node);
            return Ok(());
        };
        match &mut parent.node.value {
            Value::List(items) => items.push(node),
            Value::Map(entries) => match parent.key.take() {
                Some((key, key_at)) => entries.push(Entry { key, key_at, value: node }),
                None => match node.value {
                    Value::Scalar { text, .. } => parent.key = Some((text, node.at)),
                    _ => {
                        return Err(failure(node.at, "a key must be a single word".to_owned(), ""));
                    }
                },
            },
            Value::Scalar { .. } => {}
        }
        Ok(())
    }
}

fn refuse_decoration(at: Position, anchor: usize, tagged: bool) -> Result<(), ManifestError> {
    if anchor != 0 {
        let problem = "anchors (&name) are not accepted".to_owned();
        return Err(failure(at, problem, "write the value out where it is needed"));
    }
    if tagged {
        let problem = "tags (!name) are not accepted".to_owned();
        return Err(failure(at, problem, "leave it out"));
    }
    Ok(())
}
