//! Whole command sequences on the rules: the market in small of core's property tests, driven by the fuzzer. After each
//! command every invariant holds and every token is somewhere; a refused one changes nothing.
#![no_main]
#![allow(missing_docs)]

mod bytes;
#[path = "../../core/tests/properties_market/model.rs"]
mod model;

use bytes::Bytes;
use gridlease_core::{Atoms, Now, PricePerHour, Seconds, UnixTs};
use model::{Market, Step};

fn step(input: &mut Bytes) -> Step {
    let kind = input.byte();
    let at = usize::from(input.byte());
    let (job, provider) = (at % 8, at / 8 % 2);
    let mut money = || {
        let width = usize::from(input.byte() % 9);
        Atoms(input.short(width))
    };
    match kind % 16 {
        0 => Step::Deposit(money()),
        1 => Step::Withdraw(money()),
        2 => Step::Sweep,
        3 => Step::Stake(provider, money()),
        4 => {
            let (price, seconds) = (input.short(4), input.short(2));
            Step::Post(PricePerHour(price), Seconds(seconds), input.byte())
        }
        5 => Step::Bid(job, provider, input.number()),
        6 => Step::Award(job),
        7 => Step::Cancel(job),
        8 => Step::Ready(job),
        9 => Step::Settle(job),
        10 => Step::TopUp(job, money()),
        11 => Step::Stop(job),
        12 => Step::Finish(job, usize::from(input.byte() % 12)),
        13 => Step::FailStart(job, provider == 0),
        14 => Step::Expire(job),
        _ => Step::Close(job),
    }
}

/// The clock between two commands: mostly seconds, now and then anything, backward too.
fn tick(input: &mut Bytes, now: Now) -> Now {
    let kind = input.byte();
    let (slots, seconds) = match kind % 8 {
        0..=3 => (u64::from(kind / 8) * 5 / 2, i64::from(kind / 8)),
        4 => (input.short(1), 0),
        5 => {
            let seconds = input.short(2);
            (seconds * 5 / 2, i64::try_from(seconds).unwrap_or(0))
        }
        6 => (input.short(1), i64::try_from(input.short(3)).unwrap_or(0)),
        _ => (input.short(1), -i64::try_from(input.short(2)).unwrap_or(0)),
    };
    Now { slot: now.slot.saturating_add(slots), ts: UnixTs(now.ts.0.saturating_add_signed(seconds)) }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Bytes(data);
    let funds = [0, 100_000_000, 1_000_000_000, 10_000_000_000][usize::from(input.byte() % 4)];
    let mut market = Market::open(Atoms(funds));
    let mut now = Now { slot: 300_000_000, ts: UnixTs(1_800_000_000) };
    while input.more() {
        now = tick(&mut input, now);
        let next = step(&mut input);
        let before = market.clone();
        if market.step(next, now).is_err() {
            assert!(market == before, "a refused {next:?} changed the market");
        }
        assert_eq!(market.check(), Ok(()), "after {next:?} at {now:?}");
    }
});
