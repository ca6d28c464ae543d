//! Refusals, built out of line.
//!
//! Anchor's `require!` and its kin build the whole error where they stand: its name and its sentence as strings, the place,
//! the box around them, some 700 bytes of code each time. The macros here take the same arguments and refuse with the same
//! error, but call a function that builds it.

use anchor_lang::error::{AnchorError, Source};
use anchor_lang::prelude::*;
use core::panic::Location;
use gridlease_core::{RuleError, RuleResult};

pub use gridlease_core::error::RULE_BASE;

/// A rule's refusal as a program error: `6100 + RuleError::code()`, with the name and the sentence that the IDL gives it.
///
/// In Anchor's own form, so that the entrypoint logs it as it logs the program's own refusals, and any Anchor client finds the
/// sentence in the log.
#[cold]
#[inline(never)]
pub fn rule(error: RuleError) -> Error {
    Error::from(AnchorError {
        error_name: format!("Rule{error:?}"),
        error_code_number: RULE_BASE + u32::from(error.code()),
        error_msg: error.to_string(),
        error_origin: None,
        compared_values: None,
    })
}

/// Refuses with a rule's error where a condition does not hold.
///
/// # Errors
/// The rule's.
pub fn check(holds: bool, error: RuleError) -> Result<()> {
    if holds { Ok(()) } else { Err(rule(error)) }
}

/// `?` for results of rules.
pub trait OrRule<T> {
    /// Maps the rule's refusal to its program error.
    ///
    /// # Errors
    /// The mapped refusal.
    fn or_rule(self) -> Result<T>;
}

impl<T> OrRule<T> for RuleResult<T> {
    fn or_rule(self) -> Result<T> {
        self.map_err(rule)
    }
}

/// The error with the place of the caller.
#[cold]
#[inline(never)]
#[track_caller]
pub fn refusal(error: impl Into<Error>) -> Error {
    let place = Location::caller();
    error.into().with_source(Source { filename: place.file(), line: place.line() })
}

/// The error with the place of the caller, and the two keys that were compared.
#[cold]
#[inline(never)]
#[track_caller]
pub fn refusal_of_keys(error: impl Into<Error>, left: &Pubkey, right: &Pubkey) -> Error {
    refusal(error).with_pubkeys((*left, *right))
}

/// Refuses with an error where a condition does not hold.
#[macro_export]
macro_rules! require {
    ($holds:expr, $error:expr $(,)?) => {
        if !($holds) {
            return Err($crate::error::refusal($error));
        }
    };
}

/// Refuses with an error where two keys differ.
#[macro_export]
macro_rules! require_keys_eq {
    ($left:expr, $right:expr, $error:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if left != right {
                    return Err($crate::error::refusal_of_keys($error, left, right));
                }
            }
        }
    };
}

/// Refuses with an error where two keys are the same.
#[macro_export]
macro_rules! require_keys_neq {
    ($left:expr, $right:expr, $error:expr $(,)?) => {
        match (&$left, &$right) {
            (left, right) => {
                if left == right {
                    return Err($crate::error::refusal_of_keys($error, left, right));
                }
            }
        }
    };
}

/// An error with the place where it is written.
#[macro_export]
macro_rules! error {
    ($error:expr $(,)?) => {
        $crate::error::refusal($error)
    };
}

/// A refusal with the place where it is written.
#[macro_export]
macro_rules! err {
    ($error:expr $(,)?) => {
        Err($crate::error::refusal($error))
    };
}

#[cfg(test)]
mod tests {
    use anchor_lang::error::{ComparedValues, ErrorCode, ErrorOrigin};

    use super::*;

    /// Number, name, sentence, place and compared keys of a refusal.
    type Parts = (u32, String, String, Option<(String, u32)>, Option<(Pubkey, Pubkey)>);

    fn parts(error: Error) -> Parts {
        let Error::AnchorError(error) = error else { panic!("{error:?}") };
        let place = match error.error_origin {
            Some(ErrorOrigin::Source(source)) => Some((source.filename.to_owned(), source.line)),
            _ => None,
        };
        let keys = match error.compared_values {
            Some(ComparedValues::Pubkeys(keys)) => Some(keys),
            _ => None,
        };
        (error.error_code_number, error.error_name, error.error_msg, place, keys)
    }

    fn ours(a: Pubkey, b: Pubkey) -> Result<()> {
        crate::require_keys_eq!(a, b, ErrorCode::ConstraintAddress);
        Ok(())
    }

    #[rustfmt::skip] // both refusals on one line, so that both name the same one
    fn both(a: Pubkey, b: Pubkey) -> [Error; 2] {
        [crate::error!(ErrorCode::ConstraintAddress), anchor_lang::error!(ErrorCode::ConstraintAddress).with_pubkeys((a, b))]
    }

    #[test]
    fn they_refuse_with_what_anchors_own_refuse_with() {
        let (a, b) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
        let [mine, theirs] = both(a, b).map(parts);
        assert_eq!((&mine.0, &mine.1, &mine.2, &mine.3), (&theirs.0, &theirs.1, &theirs.2, &theirs.3));
        assert!(mine.3.is_some());
        let keys = parts(ours(a, b).unwrap_err());
        assert_eq!((keys.0, keys.4), (theirs.0, theirs.4));
        assert!(ours(a, a).is_ok());
    }

    #[test]
    fn a_rules_refusal_has_its_number_its_name_and_its_sentence() {
        let (number, name, sentence, ..) = parts(rule(RuleError::Overflow));
        assert_eq!(number, RULE_BASE + u32::from(RuleError::Overflow.code()));
        assert_eq!((name.as_str(), sentence), ("RuleOverflow", RuleError::Overflow.to_string()));
    }
}
