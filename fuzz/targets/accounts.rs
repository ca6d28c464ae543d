//! Decoding of accounts and events: any bytes at all, as every account of both programs and as every event. Nothing may
//! panic, and what is decoded must be exactly the bytes it was decoded from.
#![no_main]

mod bytes;

use bytes::Bytes;
use gridlease_core::UnixTs;
use gridlease_sdk::account::{
    Bond, Config, Job, Kind, Lease, Offer, Provider, Purse, Reservation, StakingConfig, decode, manifest_uri,
};
use gridlease_sdk::event::{self, EVENT_TAG};
use gridlease_sdk::{address, error};
use solana_pubkey::Pubkey;

const AT: Pubkey = Pubkey::new_from_array([7; 32]);

/// Decodes the bytes as they are, and behind the right discriminator and version.
fn account<T: Kind>(bytes: &[u8], read: impl Fn(&T, &[u8])) {
    let mut made = T::DISCRIMINATOR.to_vec();
    made.extend_from_slice(bytes);
    if let Some(version) = made.get_mut(8) {
        *version = 1;
    }
    for data in [bytes, &made] {
        if let Ok(value) = decode::<T>(&AT, &T::owner(), data) {
            assert_eq!(bytemuck::bytes_of(&value), &data[8..8 + size_of::<T>()]);
            read(&value, data);
        }
        assert!(decode::<T>(&AT, &AT, data).is_err(), "decoded of another owner");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Bytes(data);
    let kind = input.byte();
    let bytes = input.0;
    match kind % 11 {
        0 => account::<Config>(bytes, |_, _| {}),
        1 => account::<Purse>(bytes, |purse, _| {
            let _ = purse.free();
        }),
        2 => account::<Provider>(bytes, |provider, _| {
            let _ = (provider.merit(), provider.endpoint_url(&AT));
        }),
        3 => account::<Offer>(bytes, |offer, _| {
            let _ = (offer.is_live(UnixTs(offer.ask)), offer.unit(), offer.machine(), offer.region());
        }),
        4 => account::<Job>(bytes, |job, data| {
            let _ = (job.state(), job.end_reason(), job.exit(), job.bids().len(), job.need().check());
            let _ = (job.excludes(&AT), job.current_lease(&AT), manifest_uri(&AT, job, data));
        }),
        5 => account::<Lease>(bytes, |lease, _| {
            if let Some(rules) = lease.rules() {
                let _ = (rules.held(), rules.due());
            }
        }),
        6 => account::<StakingConfig>(bytes, |_, _| {}),
        7 => account::<Bond>(bytes, |bond, _| {
            let _ = bond.amounts().free();
        }),
        8 => account::<Reservation>(bytes, |_, _| {}),
        9 => {
            let code = u32::try_from(input.short(4)).unwrap_or(0);
            let _ = (error::name(&address::MARKET, code), error::name(&address::STAKING, code));
        }
        _ => {
            let mut tagged = EVENT_TAG.to_vec();
            tagged.extend_from_slice(bytes);
            for program in [address::MARKET, address::STAKING] {
                let _ = (event::decode(&program, bytes), event::decode(&program, &tagged));
            }
        }
    }
});
