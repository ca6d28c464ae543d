//! The definitions of an SMT-LIB file, read and evaluated: as much of the language as the files in `core/proofs` use.

use std::collections::BTreeMap;

/// An expression.
#[derive(Clone, Debug)]
enum Term {
    Word(String),
    List(Vec<Term>),
}

/// A function of a file: the names of its parameters, and its body.
struct Function {
    parameters: Vec<String>,
    body: Term,
}

/// The functions that a file defines for all of it.
pub struct Formulas(BTreeMap<String, Function>);

fn terms(text: &str) -> Vec<Term> {
    let text: String =
        text.lines().map(|line| line.split_once(';').map_or(line, |(code, _)| code)).collect::<Vec<_>>().join("\n");
    let mut stack = vec![Vec::new()];
    let mut quoted = false;
    for part in text.split('"') {
        if !quoted {
            let spaced = part.replace('(', " ( ").replace(')', " ) ");
            for word in spaced.split_whitespace() {
                match word {
                    "(" => stack.push(Vec::new()),
                    ")" => {
                        let list = stack.pop().unwrap();
                        stack.last_mut().expect("a bracket is closed that was never opened").push(Term::List(list));
                    }
                    word => stack.last_mut().unwrap().push(Term::Word(word.to_owned())),
                }
            }
        }
        quoted = !quoted;
    }
    assert_eq!(stack.len(), 1, "a bracket is left open");
    stack.remove(0)
}

impl Term {
    fn word(&self) -> &str {
        let Term::Word(word) = self else { panic!("{self:?} is no word") };
        word
    }

    fn list(&self) -> &[Term] {
        let Term::List(list) = self else { panic!("{self:?} is no list") };
        list
    }
}

impl Formulas {
    /// Reads a file. Only what stands before the first `push` is for all of it.
    pub fn read(text: &str) -> Self {
        let mut functions = BTreeMap::new();
        for term in terms(text) {
            match term.list() {
                [Term::Word(verb), ..] if verb == "push" => break,
                [Term::Word(verb), name, parameters, _, body] if verb == "define-fun" => {
                    let parameters = parameters.list().iter().map(|one| one.list()[0].word().to_owned()).collect();
                    let known = functions.insert(name.word().to_owned(), Function { parameters, body: body.clone() });
                    assert!(known.is_none(), "{} is defined twice", name.word());
                }
                _ => {}
            }
        }
        Self(functions)
    }

    /// The names of the functions that take something.
    pub fn names(&self) -> Vec<&str> {
        self.0.iter().filter(|(_, function)| !function.parameters.is_empty()).map(|(name, _)| name.as_str()).collect()
    }

    /// The value of `name` for `arguments`; a truth is 1 or 0.
    pub fn value(&self, name: &str, arguments: &[i128]) -> i128 {
        let function = self.0.get(name).unwrap_or_else(|| panic!("the file defines no {name}"));
        assert_eq!(function.parameters.len(), arguments.len(), "arguments of {name}");
        let known: BTreeMap<_, _> =
            function.parameters.iter().map(String::as_str).zip(arguments.iter().copied()).collect();
        self.eval(&function.body, &known)
    }

    fn eval(&self, term: &Term, known: &BTreeMap<&str, i128>) -> i128 {
        let list = match term {
            Term::Word(word) => {
                return match known.get(word.as_str()) {
                    Some(value) => *value,
                    None => word.parse().unwrap_or_else(|_| self.value(word, &[])),
                };
            }
            Term::List(list) => list,
        };
        let verb = list[0].word();
        if verb == "ite" {
            return self.eval(&list[if self.eval(&list[1], known) == 1 { 2 } else { 3 }], known);
        }
        let values: Vec<_> = list[1..].iter().map(|term| self.eval(term, known)).collect();
        let chain = |fits: fn(&i128, &i128) -> bool| i128::from(values.windows(2).all(|pair| fits(&pair[0], &pair[1])));
        let product = |values: &[i128]| values.iter().copied().reduce(|a, b| a.checked_mul(b).unwrap()).unwrap();
        match verb {
            "+" => values.iter().sum(),
            "-" => values[0] - values[1..].iter().sum::<i128>(),
            "*" => product(&values),
            "div" => values[0].div_euclid(values[1]),
            "mod" => values[0].rem_euclid(values[1]),
            "and" => i128::from(values.iter().all(|value| *value == 1)),
            "or" => i128::from(values.contains(&1)),
            "not" => 1 - values[0],
            "=" => chain(i128::eq),
            "<=" => chain(i128::le),
            "<" => chain(i128::lt),
            ">=" => chain(i128::ge),
            ">" => chain(i128::gt),
            name => self.value(name, &values),
        }
    }
}
