//! Decoding of accounts and events: any bytes at all, as every account of both programs and as every event. Nothing may
//! panic, neither decoding nor what the SDK reads out of what was decoded, and that must be exactly the bytes it came from.
#![no_main]

mod bytes;
mod idl;

use std::sync::LazyLock;

use bytes::Bytes;
use gridlease_core::{Atoms, UnixTs};
use gridlease_sdk::account::{
    Array, Bond, Commitment, Config, Delegation, First, GpuClaim, Job, Kind, Lease, Offer, PriceIndex, Provider, Purse,
    Reservation, StakingConfig, TaskGroup, Unbonding, VERSION, decode, manifest_uri,
};
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::error;
use gridlease_sdk::event::{self, EVENT_TAG};
use solana_pubkey::Pubkey;

const AT: Pubkey = Pubkey::new_from_array([7; 32]);

/// Program, name and discriminator of every event.
static EVENTS: LazyLock<Vec<(Pubkey, String, Vec<u8>)>> = LazyLock::new(|| idl::named("events"));

/// The account with these bytes behind its discriminator, of the present version.
fn made<T: Kind>(bytes: &[u8]) -> Option<(T, Vec<u8>)> {
    of_version(VERSION, bytes)
}

fn of_version<T: Kind>(version: u8, bytes: &[u8]) -> Option<(T, Vec<u8>)> {
    let mut data = T::DISCRIMINATOR.to_vec();
    data.extend_from_slice(bytes);
    *data.get_mut(8)? = version;
    let value = decode::<T>(&AT, &T::owner(), &data).ok()?;
    is_as_written(&value, &data);
    Some((value, data))
}

/// What was read is what was written; an account of the first layout may have grown since, and is then put together anew.
fn is_as_written<T: Kind>(value: &T, data: &[u8]) {
    if data[8] == VERSION || T::FIRST == First::Same {
        assert_eq!(bytemuck::bytes_of(value), &data[8..8 + size_of::<T>()]);
    }
}

/// Decodes the bytes as they are, and as [`made`].
fn account<T: Kind>(bytes: &[u8], read: impl Fn(&T, &[u8])) {
    if let Ok(value) = decode::<T>(&AT, &T::owner(), bytes) {
        is_as_written(&value, bytes);
        read(&value, bytes);
    }
    assert!(decode::<T>(&AT, &AT, bytes).is_err(), "decoded of another owner");
    for version in [1, VERSION] {
        if let Some((value, data)) = of_version::<T>(version, bytes) {
            read(&value, &data);
        }
    }
}

/// Two accounts that are read together, one behind the other.
fn both<T: Kind, O: Kind>(bytes: &[u8], read: impl Fn(&T, &O)) {
    if let (Some((one, _)), Some((other, _))) = (made::<T>(bytes), bytes.get(size_of::<T>()..).and_then(made::<O>)) {
        read(&one, &other);
    }
}

fn is_bidder(bytes: &[u8]) {
    let Some((job, _)) = made::<Job>(bytes) else { return };
    let rest = bytes.get(size_of::<Job>()..).unwrap_or_default();
    let Some((offer, _)) = made::<Offer>(rest) else { return };
    both::<Provider, Bond>(rest.get(size_of::<Offer>()..).unwrap_or_default(), |provider, bond| {
        let bidder = job.bidder(&AT, provider, &offer, bond.amounts());
        let price = gridlease_core::PricePerHour(job.max_price);
        if let Err(refusal) = bidder.check(&job.wanted(), price, job.award_ts()) {
            let _ = (refusal.own_doing(true), refusal.own_doing(false), format!("{refusal:?}"));
        }
    });
}

fn is_event(bytes: &[u8]) {
    for program in [MARKET, STAKING] {
        let _ = event::decode(&program, bytes);
    }
    let mut input = Bytes(bytes);
    let (program, _, discriminator) = &EVENTS[usize::from(input.byte()) % EVENTS.len()];
    let mut told = [EVENT_TAG, discriminator.as_slice()].concat();
    told.extend_from_slice(input.0);
    if let Some(event) = event::decode(program, &told) {
        // Whoever follows the market prints them.
        let _ = format!("{event:?}");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let mut input = Bytes(data);
    let kind = input.byte();
    let bytes = input.0;
    match kind % 21 {
        0 => account::<Config>(bytes, |_, _| {}),
        1 => account::<Purse>(bytes, |purse, _| {
            let _ = (purse.free(), purse.spender_rules());
        }),
        2 => account::<Provider>(bytes, |provider, _| {
            let _ = (provider.merit(), provider.endpoint_url());
        }),
        3 => account::<Offer>(bytes, |offer, _| {
            let _ = (offer.is_live(UnixTs(offer.ask)), offer.unit().check(), offer.machine(), offer.region());
            let _ = offer.claims();
        }),
        4 => account::<Job>(bytes, |job, data| {
            let _ = (job.state(), job.end_reason(), job.exit(), job.bids().len(), job.need().check());
            let _ = (job.excludes(&AT), job.current_lease(&AT), manifest_uri(&AT, job, data), job.award_ts());
        }),
        5 => account::<Lease>(bytes, |lease, _| {
            let _ = (lease.state(), lease.end_reason(), lease.exit());
            if let Ok(rules) = lease.rules() {
                let _ = (rules.held(), rules.due());
            }
        }),
        6 => account::<StakingConfig>(bytes, |_, _| {}),
        7 => account::<Bond>(bytes, |bond, _| {
            let _ = (bond.amounts().free(), bond.stake(), bond.revenue_owed(), bond.has_pool());
            let _ = bond.stake().operators_part_down(Atoms(bond.reserved), Atoms(bond.claims_assets));
        }),
        8 => account::<Reservation>(bytes, |_, _| {}),
        9 => account::<Commitment>(bytes, |_, _| {}),
        10 => account::<GpuClaim>(bytes, |_, _| {}),
        11 => account::<TaskGroup>(bytes, |_, _| {}),
        12 => account::<PriceIndex>(bytes, |index, _| {
            let _ = (index.class(), index.in_ring().len(), index.buyers());
        }),
        13 => account::<Array>(bytes, |array, data| {
            let _ = (array.state(), array.end_reason(), array.rules(), array.tasks(data));
        }),
        14 => both::<Delegation, Bond>(bytes, |delegation, bond| {
            let _ = (delegation.worth(bond), delegation.claimable(bond));
        }),
        15 => both::<Unbonding, Bond>(bytes, |request, bond| {
            let _ = (request.worth(bond), request.matures(), request.is_operators());
        }),
        16 => both::<Bond, Bond>(bytes, |bond, other| {
            let _ = bond.shares_anyone_with(other);
        }),
        17 => is_bidder(bytes),
        18 => {
            account::<Delegation>(bytes, |_, _| {});
            account::<Unbonding>(bytes, |_, _| {});
        }
        19 => {
            let code = u32::try_from(input.short(4)).unwrap_or(0);
            let _ = (error::name(&MARKET, code), error::name(&STAKING, code));
        }
        _ => is_event(bytes),
    }
});
