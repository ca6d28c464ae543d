//! The programs' refusals: typed, each with its sentence (the program's own) and what to do about it (out of its page in
//! `docs/errors/`).

use gridlease_core::RuleError;
use solana_pubkey::Pubkey;

pub use gridlease_core::error::RULE_BASE;

/// First number of Anchor's own refusals.
const ANCHOR_RANGE: core::ops::Range<u32> = 100..5_000;

macro_rules! refusals {
    ($name:ident, $label:literal, $($variant:ident = $code:literal, $words:literal, $advice:literal;)*) => {
        #[doc = concat!("A refusal of the ", $label, " program's own; rules refuse with [`RuleError`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
        #[repr(u32)]
        pub enum $name { $(#[doc = $words] #[error($words)] $variant = $code),* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The one with this number.
            pub const fn from_code(code: u32) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }

            /// Its number.
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// What to do about it.
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice),* }
            }
        }
    };
}

macro_rules! rules {
    ($($code:literal, $advice:literal;)*) => {
        fn rule_advice(code: u32) -> Option<&'static str> {
            match code { $($code => Some($advice),)* _ => None }
        }
    };
}

include!(concat!(env!("OUT_DIR"), "/errors.rs"));

/// Why a program refused an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The market, for an account or an argument.
    Market(MarketError),
    /// The staking program, for an account or an argument.
    Staking(StakingError),
    /// A rule, in either program.
    Rule(RuleError),
    /// Anchor, before the program looked: an account is missing or of the wrong kind.
    Account,
    /// A number that this version does not know.
    Unknown,
}

impl Refusal {
    /// The refusal with number `code` of `program`; `None` for a program that is not ours.
    pub fn from_code(program: &Pubkey, code: u32) -> Option<Self> {
        let own = if *program == crate::address::MARKET {
            MarketError::from_code(code).map(Self::Market)
        } else if *program == crate::address::STAKING {
            StakingError::from_code(code).map(Self::Staking)
        } else {
            return None;
        };
        let rule = || code.checked_sub(RULE_BASE).and_then(RuleError::from_code).map(Self::Rule);
        let anchor = || ANCHOR_RANGE.contains(&code).then_some(Self::Account);
        Some(own.or_else(rule).or_else(anchor).unwrap_or(Self::Unknown))
    }

    /// What was compared with what, in a sentence.
    pub fn sentence(self) -> String {
        match self {
            Self::Market(error) => error.to_string(),
            Self::Staking(error) => error.to_string(),
            Self::Rule(error) => error.to_string(),
            Self::Account => "an account of the transaction is missing or not the one expected".to_owned(),
            Self::Unknown => "the program refuses with a number that this version does not know".to_owned(),
        }
    }

    /// What to do about it.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::Market(error) => Some(error.advice()),
            Self::Staking(error) => Some(error.advice()),
            Self::Rule(error) => rule_advice(RULE_BASE + u32::from(error.code())),
            Self::Account => None,
            Self::Unknown => Some("update gridlease"),
        }
    }
}

/// The sentence for error `code` of `program` with what to do; `None` for a program that is not ours.
pub fn name(program: &Pubkey, code: u32) -> Option<String> {
    let refusal = Refusal::from_code(program, code)?;
    let label = if *program == crate::address::MARKET { "market" } else { "staking" };
    let sentence = refusal.sentence();
    Some(match refusal.advice() {
        Some(advice) => format!("{sentence} ({label} error {code}); {advice}"),
        None => format!("{sentence} ({label} error {code})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_of_both_programs_has_a_sentence_and_says_what_to_do() {
        let own = MarketError::ALL.iter().map(|error| (crate::address::MARKET, error.code()));
        let own = own.chain(StakingError::ALL.iter().map(|error| (crate::address::STAKING, error.code())));
        let rules = RuleError::ALL.iter().map(|error| (crate::address::STAKING, RULE_BASE + u32::from(error.code())));
        let mut seen = 0;
        for (program, code) in own.chain(rules) {
            let refusal = Refusal::from_code(&program, code).unwrap();
            assert!(!matches!(refusal, Refusal::Unknown | Refusal::Account), "{program} {code}");
            assert!(refusal.sentence().len() > 10 && refusal.advice().is_some_and(|advice| advice.len() > 5), "{code}");
            seen += 1;
        }
        assert!(seen > 100);
    }

    #[test]
    fn a_refusal_is_the_one_that_the_program_means() {
        let market = |code| Refusal::from_code(&crate::address::MARKET, code).unwrap();
        assert_eq!(market(6_001), Refusal::Market(MarketError::Paused));
        assert_eq!(market(6_103), Refusal::Rule(RuleError::InsufficientFree));
        assert_eq!(market(3_012), Refusal::Account);
        assert_eq!(market(9_999), Refusal::Unknown);
        assert_eq!(
            Refusal::from_code(&crate::address::STAKING, 6_004),
            Some(Refusal::Staking(StakingError::UnknownSlasher))
        );
    }

    #[test]
    fn a_sentence_stands_with_its_number_and_what_to_do() {
        let words = name(&crate::address::MARKET, 6_103).unwrap();
        assert!(words.starts_with("the amount is above the purse's free balance (market error 6103); "), "{words}");
        assert!(words.contains("gridlease purse deposit"), "{words}");
        assert!(name(&crate::address::MARKET, 9_999).unwrap().ends_with("update gridlease"));
    }

    #[test]
    fn an_unknown_program_has_no_sentence() {
        assert_eq!(name(&Pubkey::new_unique(), 6_000), None);
    }
}
