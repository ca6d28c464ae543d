//! Money as people write and read it: decimal text, exact to the last digit, never a float.

use std::fmt;
use std::str::FromStr;

use gridlease_core::{Atoms, PricePerHour};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Atoms in one USDC.
const ATOMS: u64 = 1_000_000;
/// Lamports in one SOL.
const LAMPORTS: u64 = 1_000_000_000;
/// Longest amount that is read.
const MAX_TEXT: usize = 32;

/// An amount of USDC, held in atoms (10⁻⁶ USDC), written with exactly six decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Usdc(
    /// Atoms.
    pub u64,
);

/// A text that is no amount of USDC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an amount of USDC: {reason}")]
pub struct AmountError {
    /// The text, shortened.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl Usdc {
    /// As the rules count it.
    pub const fn atoms(self) -> Atoms {
        Atoms(self.0)
    }
}

impl From<Atoms> for Usdc {
    fn from(atoms: Atoms) -> Self {
        Self(atoms.0)
    }
}

impl From<PricePerHour> for Usdc {
    /// What one hour costs.
    fn from(price: PricePerHour) -> Self {
        Self(price.0)
    }
}

impl fmt::Display for Usdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:06}", self.0 / ATOMS, self.0 % ATOMS))
    }
}

impl FromStr for Usdc {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        let fail = |reason| AmountError { text: text.chars().take(MAX_TEXT).collect(), reason };
        if text.len() > MAX_TEXT {
            return Err(fail("it is too long"));
        }
        if text.contains(',') {
            return Err(fail("write a point before the decimals and nothing between thousands, such as 1250.50"));
        }
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(decimals) || text.ends_with('.') {
            return Err(fail("write digits with a point before the decimals, such as 12.50"));
        }
        if decimals.len() > 6 {
            return Err(fail("USDC has six decimals"));
        }
        let whole: u64 = whole.parse().map_err(|_| fail("it is too large"))?;
        let fraction: u64 = format!("{decimals:0<6}").parse().map_err(|_| fail("it is too large"))?;
        let atoms = whole.checked_mul(ATOMS).and_then(|atoms| atoms.checked_add(fraction));
        atoms.map(Self).ok_or_else(|| fail("it is too large"))
    }
}

impl Serialize for Usdc {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Usdc {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// An amount of SOL, held in lamports (10⁻⁹ SOL), written with exactly nine decimals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sol(
    /// Lamports.
    pub u64,
);

impl fmt::Display for Sol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:09}", self.0 / LAMPORTS, self.0 % LAMPORTS))
    }
}

impl Serialize for Sol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written_to_the_last_atom() {
        for (text, atoms, shown) in [
            ("0", 0, "0.000000"),
            ("12", 12_000_000, "12.000000"),
            ("0.5", 500_000, "0.500000"),
            ("1.000001", 1_000_001, "1.000001"),
            ("18446744073709.551615", u64::MAX, "18446744073709.551615"),
        ] {
            let amount: Usdc = text.parse().unwrap();
            assert_eq!((amount.0, amount.to_string().as_str()), (atoms, shown));
            assert_eq!(amount.to_string().parse::<Usdc>().unwrap(), amount);
        }
    }

    #[test]
    fn what_is_no_amount_is_refused_with_what_to_write_instead() {
        for (text, reason) in [
            ("", "digits with a point"),
            ("-1", "digits with a point"),
            ("+1", "digits with a point"),
            ("1e3", "digits with a point"),
            (".5", "digits with a point"),
            ("1.", "digits with a point"),
            ("1.2.3", "digits with a point"),
            ("1,5", "nothing between thousands"),
            ("0.0000001", "six decimals"),
            ("18446744073709.551616", "too large"),
            ("99999999999999999999999", "too large"),
        ] {
            let error = text.parse::<Usdc>().unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn lamports_are_shown_as_sol_with_nine_decimals() {
        assert_eq!(Sol(5_000).to_string(), "0.000005000");
    }
}
