//! The steps between states, as data: the diagrams of the documentation are printed from it, and a test walks every state
//! machine and compares (`core/tests/state_diagrams.rs`), so that neither can lie.

/// One arrow of a state diagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition<S: 'static> {
    /// Where it begins; `None`: the thing comes into being.
    pub from: Option<S>,
    /// The step that takes it, by the name that the tests give it; the same name may lead to several states.
    pub step: &'static str,
    /// Where it ends; `None`: the account is gone.
    pub to: Option<S>,
    /// What the reader sees: the instruction, and when.
    pub label: &'static str,
}

impl<S> Transition<S> {
    /// An arrow between two states.
    pub const fn new(from: S, step: &'static str, to: S, label: &'static str) -> Self {
        Self { from: Some(from), step, to: Some(to), label }
    }

    /// The arrow by which it comes into being.
    pub const fn begins(step: &'static str, to: S, label: &'static str) -> Self {
        Self { from: None, step, to: Some(to), label }
    }

    /// The arrow by which its account goes.
    pub const fn ends(from: S, step: &'static str, label: &'static str) -> Self {
        Self { from: Some(from), step, to: None, label }
    }
}
