//! Units as types: an amount cannot be added to a duration, a price is not an amount.

use crate::error::{RuleError, RuleResult};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            /// Nothing of it.
            pub const ZERO: Self = Self(0);
            /// The most that the type holds.
            pub const MAX: Self = Self(<$inner>::MAX);

            /// The bare number.
            pub const fn get(self) -> $inner {
                self.0
            }

            /// Sum.
            ///
            /// # Errors
            /// [`RuleError::Overflow`] where the sum does not fit.
            pub const fn add(self, other: Self) -> RuleResult<Self> {
                match self.0.checked_add(other.0) {
                    Some(sum) => Ok(Self(sum)),
                    None => Err(RuleError::Overflow),
                }
            }

            /// Difference.
            ///
            /// # Errors
            /// [`RuleError::Overflow`] where it would be negative.
            pub const fn sub(self, other: Self) -> RuleResult<Self> {
                match self.0.checked_sub(other.0) {
                    Some(difference) => Ok(Self(difference)),
                    None => Err(RuleError::Overflow),
                }
            }

            /// Difference, zero where it would be negative.
            pub const fn saturating_sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }

            /// Is it zero?
            pub const fn is_zero(self) -> bool {
                self.0 == 0
            }
        }
    };
}

quantity!(
    /// USDC base units: 10⁻⁶ USDC.
    Atoms(u64)
);
quantity!(
    /// Atoms per hour for the whole lease (all its GPUs); what bids and offers quote.
    PricePerHour(u64)
);
quantity!(
    /// A length of time in whole seconds.
    Seconds(u64)
);
quantity!(
    /// A point in time: seconds since the Unix epoch.
    UnixTs(u64)
);
quantity!(
    /// Basis points: 1/10,000.
    Bps(u16)
);

impl Bps {
    /// The whole: 10,000 basis points.
    pub const WHOLE: Bps = Bps(10_000);
}

impl UnixTs {
    /// The point `length` later.
    ///
    /// # Errors
    /// [`RuleError::Overflow`] at the end of time.
    pub const fn after(self, length: Seconds) -> RuleResult<Self> {
        match self.0.checked_add(length.0) {
            Some(ts) => Ok(Self(ts)),
            None => Err(RuleError::Overflow),
        }
    }

    /// Seconds from `earlier` to here, zero where the clock went backward.
    pub const fn since(self, earlier: UnixTs) -> Seconds {
        Seconds(self.0.saturating_sub(earlier.0))
    }
}

/// The present, as the chain's Clock tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now {
    /// Slot height.
    pub slot: u64,
    /// Unix time of the Clock sysvar.
    pub ts: UnixTs,
}
