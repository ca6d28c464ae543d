//! What our programs log beside the number of an error, in words: which values were compared.

use gridlease_core::requirement::{Field, Unmet};

use crate::address::MARKET;

/// A log line in words that a buyer or a provider understands; `None` where it is not one of these.
pub fn in_words(line: &str) -> Option<String> {
    let said = line.strip_prefix("Program log: ")?;
    unmet(said).map(|unmet| unmet.to_string()).or_else(|| unfit(said))
}

/// The first field that an offer does not meet, with both values: "unmet 2 required 24576 offered 16384".
fn unmet(said: &str) -> Option<Unmet> {
    let (field, values) = said.strip_prefix("unmet ")?.split_once(" required ")?;
    let (required, offered) = values.split_once(" offered ")?;
    let field = *Field::ALL.get(field.parse::<usize>().ok()?)?;
    Some(Unmet { field, required: required.parse().ok()?, offered: offered.parse().ok()? })
}

/// An offer that an instant posting passed over, counted from zero, and why: "offer 0 does not fit: 6125".
fn unfit(said: &str) -> Option<String> {
    let (offer, code) = said.strip_prefix("offer ")?.split_once(" does not fit: ")?;
    let place = offer.parse::<u32>().ok()?.checked_add(1)?;
    let code = code.parse().ok()?;
    let refusal = crate::error::Refusal::from_code(&MARKET, code)?;
    Some(format!("offer {place}: {} (market error {code})", refusal.sentence()))
}

#[cfg(test)]
mod tests {
    use super::in_words;

    #[test]
    fn an_unmet_field_is_told_with_both_values() {
        let words = in_words("Program log: unmet 2 required 24576 offered 16384").unwrap();
        assert_eq!(words, "GPU memory (MiB): the job needs 24576, the offer has 16384");
        let words = in_words("Program log: unmet 11 required 8 offered 0").unwrap();
        assert_eq!(words, "flags: the job needs egress, the offer has none");
    }

    #[test]
    fn an_offer_that_was_passed_over_is_told_with_the_reason() {
        let words = in_words("Program log: offer 1 does not fit: 6125").unwrap();
        assert_eq!(words, "offer 2: the offer has no free unit (market error 6125)");
    }

    #[test]
    fn other_lines_are_not_put_into_words() {
        for line in [
            "unmet 2 required 1 offered 0",
            "Program log: unmet 14 required 1 offered 0",
            "Program log: unmet x required 1 offered 0",
            "Program log: unmet 2 required 1",
            "Program log: offer -1 does not fit: 6125",
            "Program log: Instruction: PlaceBid",
            "",
        ] {
            assert_eq!(in_words(line), None, "{line}");
        }
    }
}
