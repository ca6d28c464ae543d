//! What rules tell people is said once, and differently for each thing.

use std::collections::BTreeSet;

use gridlease_core::RuleError;
use gridlease_core::job::EndReason;
use gridlease_core::requirement::Field;

/// Every text is one, and no two are the same.
fn all_different(texts: impl IntoIterator<Item = String>) {
    let mut seen = BTreeSet::new();
    for text in texts {
        assert!(!text.trim().is_empty());
        assert!(seen.insert(text.clone()), "\"{text}\" is said twice");
    }
}

#[test]
fn every_refusal_has_words_of_its_own() {
    all_different(RuleError::ALL.iter().map(ToString::to_string));
}

#[test]
fn every_reason_for_an_end_has_words_of_its_own() {
    all_different(EndReason::ALL.iter().map(|reason| reason.name().to_owned()));
}

#[test]
fn every_field_of_a_requirement_has_words_of_its_own() {
    all_different(Field::ALL.iter().map(|field| field.name().to_owned()));
}
