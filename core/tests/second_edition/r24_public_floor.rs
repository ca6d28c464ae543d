//! R24, kept: an automatic offer's floor is public, so a shill can bid it down to it. What that costs, and whom.

use gridlease_core::score::{Merit, Weights, auto_bid_price, score};
use gridlease_core::{Bps, PricePerHour};

const ASK: PricePerHour = PricePerHour(1_500_000);
const FLOOR: PricePerHour = PricePerHour(500_000);
const MAX: PricePerHour = PricePerHour(1_800_000);

fn same_merit() -> Merit {
    Merit { reputation: Bps(5_000), uptime: Bps(10_000), speed: Bps(10_000) }
}

fn entered(best: Option<u32>) -> PricePerHour {
    let weights = Weights::new([4_000, 3_000, 2_000, 1_000]).unwrap();
    auto_bid_price(&weights, &same_merit(), ASK, FLOOR, MAX, best).unwrap()
}

#[test]
fn r24_a_shill_brings_an_automatic_offer_down_to_its_floor_and_never_below() {
    let weights = Weights::new([4_000, 3_000, 2_000, 1_000]).unwrap();
    let of_shill = |price| score(&weights, &same_merit(), PricePerHour(price), MAX).unwrap();
    assert_eq!(entered(None), ASK, "alone it stands at its ask");
    let pressed = entered(Some(of_shill(520_000)));
    assert!(pressed >= FLOOR && pressed.0 < 520_000, "the owner earns {} instead of {}", pressed.0, ASK.0);
    for price in [1, 100_000, 499_999] {
        let answer = entered(Some(of_shill(price)));
        assert_eq!(
            answer, ASK,
            "below its floor it is not dragged: the shill stands alone with {price}, and must run the job"
        );
    }
}
