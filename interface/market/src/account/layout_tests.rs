//! Sizes and discriminators never change by accident.

use core::mem::size_of;

use anchor_lang::Discriminator;

use super::*;

#[test]
fn account_sizes_are_pinned() {
    assert_eq!(size_of::<Header>(), 16);
    assert_eq!(size_of::<Config>(), 432);
    assert_eq!(size_of::<GpuClaim>(), 160);
    assert_eq!(size_of::<Purse>(), 360);
    assert_eq!(size_of::<Provider>(), 584);
    assert_eq!(size_of::<SpecData>(), 36);
    assert_eq!(size_of::<RequirementData>(), 64);
    assert_eq!(size_of::<Offer>(), 376);
    assert_eq!(size_of::<Machine>(), 392);
    assert_eq!(size_of::<BookEntry>(), 48);
    assert_eq!(size_of::<Job>(), 952);
    assert_eq!(size_of::<Lease>(), 672);
    assert_eq!(size_of::<Commitment>(), 248);
    assert_eq!(size_of::<TradeData>(), 24);
    assert_eq!(size_of::<PriceIndex>(), 1_616);
    assert_eq!(size_of::<Array>(), 432);
    assert_eq!(size_of::<TaskGroup>(), 896);
}

#[test]
fn discriminators_are_distinct() {
    let all = [
        Config::DISCRIMINATOR,
        GpuClaim::DISCRIMINATOR,
        Purse::DISCRIMINATOR,
        Provider::DISCRIMINATOR,
        Offer::DISCRIMINATOR,
        Machine::DISCRIMINATOR,
        Job::DISCRIMINATOR,
        Lease::DISCRIMINATOR,
        Commitment::DISCRIMINATOR,
        PriceIndex::DISCRIMINATOR,
        Array::DISCRIMINATOR,
        TaskGroup::DISCRIMINATOR,
    ];
    for (at, one) in all.iter().enumerate() {
        assert_eq!(one.len(), 8);
        assert!(!all[..at].contains(one), "discriminator {at} is used twice");
    }
}
