//! Generators that the property tests share.
#![allow(dead_code)] // every test file uses some of them

use gridlease_core::limits::MAX_PRICE;
use gridlease_core::{Atoms, Now, PricePerHour, UnixTs};
use proptest::prelude::*;

/// When the stories of these tests begin: a slot and a second that look like the chain's.
pub const START: Now = Now { slot: 300_000_000, ts: UnixTs(1_800_000_000) };

/// Any 64-bit number, of every length, with the corners often.
pub fn any_u64() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => prop_oneof![Just(0u64), Just(1), Just(2), Just(u64::MAX - 1), Just(u64::MAX)],
        5 => (0u32..64, any::<u64>()).prop_map(|(shift, bits)| bits >> shift),
    ]
}

/// An amount that may stand in a purse: zero up to a hundred million USDC.
pub fn amount() -> impl Strategy<Value = Atoms> {
    prop_oneof![
        1 => prop_oneof![Just(0u64), Just(1), Just(100_000_000_000_000)],
        5 => (0u32..47, any::<u64>()).prop_map(|(bits, raw)| raw % (1u64 << bits).max(1)),
    ]
    .prop_map(Atoms)
}

/// A price that can be quoted, from one atom an hour to the ceiling.
pub fn price() -> impl Strategy<Value = PricePerHour> {
    prop_oneof![
        2 => prop_oneof![Just(1u64), Just(2), Just(3_599), Just(3_600), Just(3_601), Just(MAX_PRICE.0)],
        5 => (0u32..37, any::<u64>()).prop_map(|(bits, raw)| (raw % (1u64 << bits)).clamp(1, MAX_PRICE.0)),
    ]
    .prop_map(PricePerHour)
}

/// A fee that a configuration may name.
pub fn fee() -> impl Strategy<Value = gridlease_core::Bps> {
    (0u16..=500).prop_map(gridlease_core::Bps)
}

/// How the clock moves between two steps.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    /// Slots forward.
    pub slots: u64,
    /// Seconds forward, or backward where negative.
    pub seconds: i64,
}

impl Tick {
    /// The moment after the tick.
    pub fn from(self, now: Now) -> Now {
        Now { slot: now.slot.saturating_add(self.slots), ts: UnixTs(now.ts.0.saturating_add_signed(self.seconds)) }
    }
}

/// A clock that never goes backward: slots of about 400 ms, slots of any length, a clock that stands, a clock that jumps.
pub fn forward() -> impl Strategy<Value = Tick> {
    prop_oneof![
        4 => (0i64..2_000, 200u64..=800).prop_map(|(seconds, ms)| Tick { slots: seconds.unsigned_abs() * 1_000 / ms, seconds }),
        1 => (0u64..5_000).prop_map(|slots| Tick { slots, seconds: 0 }),
        1 => (0i64..100_000, 0u64..100).prop_map(|(seconds, slots)| Tick { slots, seconds }),
        1 => Just(Tick { slots: 0, seconds: 0 }),
    ]
}

/// A clock that may do anything: as [`forward`], and backward.
pub fn erratic() -> impl Strategy<Value = Tick> {
    prop_oneof![
        6 => forward(),
        1 => (-5_000i64..0, 0u64..5_000).prop_map(|(seconds, slots)| Tick { slots, seconds }),
        1 => (-10_000_000i64..10_000_000, any_u64()).prop_map(|(seconds, slots)| Tick { slots: slots >> 20, seconds }),
    ]
}

/// A clock for stories with short windows in them: mostly seconds, now and then anything.
pub fn brisk() -> impl Strategy<Value = Tick> {
    prop_oneof![
        12 => (0i64..4).prop_map(|seconds| Tick { slots: seconds.unsigned_abs() * 5 / 2, seconds }),
        4 => (0i64..100).prop_map(|seconds| Tick { slots: seconds.unsigned_abs() * 5 / 2, seconds }),
        2 => forward(),
        1 => erratic(),
    ]
}
