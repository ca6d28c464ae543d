//! What Rust's `{:?}` prints of a value, as JSON: the SDK's types have no other generic view of their fields.
//!
//! Structs become objects, lists arrays, `None` null, `Some(x)` x, and everything else the text that it is printed as.

use std::fmt::Debug;

use serde_json::{Map, Value};

/// The fields of `value`, by name.
///
/// # Panics
/// Where it prints something unexpected.
pub fn tree(value: &impl Debug) -> Value {
    let printed = format!("{value:?}");
    let mut rest = Reader(&printed);
    let tree = rest.value();
    assert!(rest.0.is_empty(), "there is more behind the value: {}", rest.0);
    tree
}

struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn value(&mut self) -> Value {
        if self.take("[") {
            return Value::Array(self.list("]"));
        }
        if self.0.starts_with('"') {
            return self.text();
        }
        let end = self.0.find(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at(end);
        assert!(!word.is_empty(), "a value is missing before: {rest}");
        self.0 = rest;
        if self.take(" { ") {
            return Value::Object(self.fields());
        }
        if self.take("(") {
            let mut inner = self.list(")");
            assert_eq!(inner.len(), 1, "{word} wraps one value");
            return inner.remove(0);
        }
        if word == "None" { Value::Null } else { Value::String(word.to_owned()) }
    }

    fn fields(&mut self) -> Map<String, Value> {
        let mut fields = Map::new();
        loop {
            let (name, rest) = self.0.split_once(": ").expect("a field has a name");
            self.0 = rest;
            let old = fields.insert(name.to_owned(), self.value());
            assert!(old.is_none(), "two fields {name}");
            if self.take(" }") {
                return fields;
            }
            assert!(self.take(", "), "no end of the fields: {}", self.0);
        }
    }

    fn list(&mut self, end: &str) -> Vec<Value> {
        let mut items = Vec::new();
        while !self.take(end) {
            assert!(items.is_empty() || self.take(", "), "no end of the list: {}", self.0);
            items.push(self.value());
        }
        items
    }

    /// A text in quotes. What Rust escapes in the texts of these accounts, JSON escapes alike.
    fn text(&mut self) -> Value {
        let mut texts = serde_json::Deserializer::from_str(self.0).into_iter::<String>();
        let text = texts.next().expect("a text").expect("a text that JSON can read");
        self.0 = &self.0[texts.byte_offset()..];
        Value::String(text)
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.0.strip_prefix(word);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

#[test]
fn every_shape_of_value_becomes_its_json() {
    #[derive(Debug)]
    #[allow(dead_code, reason = "read by their names")]
    struct Inner {
        pair: [i32; 2],
    }
    #[derive(Debug)]
    #[allow(dead_code, reason = "read by their names")]
    struct Outer {
        inner: Vec<Inner>,
        none: Option<u8>,
        some: Option<u8>,
        text: String,
        empty: [u8; 0],
        yes: bool,
        large: u128,
    }
    let value = Outer {
        inner: vec![Inner { pair: [-1, 2] }],
        none: None,
        some: Some(0),
        text: "a \"b\" }, c".to_owned(),
        empty: [],
        yes: true,
        large: u128::MAX,
    };
    let expected = serde_json::json!({
        "inner": [{ "pair": ["-1", "2"] }], "none": null, "some": "0", "text": "a \"b\" }, c", "empty": [], "yes": "true",
        "large": u128::MAX.to_string(),
    });
    assert_eq!(tree(&value), expected);
}
