//! R22: slots were the meter, and slots of another length than the configured one changed what a provider earned in an hour.

use gridlease_core::{Now, UnixTs};

use crate::books::{T, Won, at, running, won};

/// What an hour earned in the first edition: slots at 400 ms, but no more than the clock.
fn hour_in_the_first_edition(slot_length_ms: u64) -> Won {
    let slots = 3_600_000 / slot_length_ms;
    Won::try_from((slots * 400).min(3_600_000)).unwrap()
}

#[test]
fn r22_an_hour_is_paid_as_an_hour_whatever_the_slots_do() {
    for (slot_length_ms, before) in [(400, 3_600_000), (410, 3_512_000), (450, 3_200_000)] {
        assert_eq!(hour_in_the_first_edition(slot_length_ms), before, "slots of {slot_length_ms} ms");
        let now = Now { slot: at(T).slot + 3_600_000 / slot_length_ms, ts: UnixTs(T + 3_600) };
        assert_eq!(won(running().gross(now).unwrap()), 3_600_000, "slots of {slot_length_ms} ms");
    }
}
