//! The planner's tables.

mod bids;
mod leases;
mod offers;

use std::time::Duration;

use bytemuck::Zeroable as _;
use gridlease_core::bond::Bond;
use gridlease_core::job::JobState;
use gridlease_core::requirement::{OfferSpec, flags};
use gridlease_core::score::{Merit, Weights, score};
use gridlease_core::{Atoms, Bps, Now, PricePerHour, UnixTs};
use gridlease_sdk::account::{BookEntry, Job, Offer, Provider, offer_state};
use gridlease_sdk::machine::{MachineNumber, ProviderMachine};
use solana_pubkey::Pubkey;

use super::*;

const NOW: Now = Now { slot: 2_500, ts: UnixTs(1_000) };
/// The provider record, which is its first machine.
const OWN: Pubkey = Pubkey::new_from_array([7; 32]);
const JOB: Pubkey = Pubkey::new_from_array([5; 32]);

fn provider() -> Provider {
    Provider { standing: 5_000, uptime: 5_000, ..Provider::zeroed() }
}

/// A CPU machine of four cores, with one unit, at 0.40 USDC, no less than 0.10.
fn offer() -> Offer {
    let mut offer = Offer {
        ask: 400_000,
        floor: 100_000,
        units: 1,
        units_free: 1,
        stake_limit: u64::MAX,
        provider: OWN,
        machine: OWN,
        ..Offer::zeroed()
    };
    offer.header.state = offer_state::LIVE;
    offer.header.due_ts = 2_000;
    offer.spec.cpu_milli = 4_000;
    offer.spec.memory_mib = 8_192;
    offer.spec.flags = flags::CPU_CLASS;
    offer
}

/// A job that pays 0.50 USDC an hour at most, whose window is open for twelve more seconds.
fn job() -> Job {
    let mut job = Job {
        max_price: 500_000,
        reserved: 100_000,
        close_ts: 1_012,
        max_duration_s: 600,
        window_s: 12,
        weights: gridlease_core::limits::DEFAULT_WEIGHTS,
        ..Job::zeroed()
    };
    job.header.state = JobState::Open as u8;
    job.requirement.cpu_milli = 1_000;
    job
}

/// Another provider's bid stands first in the book.
fn rival(job: &mut Job, price: u64) {
    let merit = Merit { reputation: Bps(5_000), uptime: Bps(5_000), speed: Bps(5_000) };
    let weights = Weights::new(job.weights).unwrap();
    let score = score(&weights, &merit, PricePerHour(price), PricePerHour(job.max_price)).unwrap();
    job.book[0] = BookEntry { provider: Pubkey::new_from_array([9; 32]), price, offer: 1, score };
    job.book_len = 1;
}

fn machine() -> ProviderMachine {
    ProviderMachine {
        address: OWN,
        number: MachineNumber::First,
        provider: OWN,
        node_key: Pubkey::new_from_array([1; 32]),
        cert_fingerprint: [0; 32],
        x25519: [0; 32],
        endpoint: String::new(),
        rules: Rules { limit: Atoms(u64::MAX), ..Rules::default() },
        payer: None,
    }
}

/// How things stand, to be changed by a test.
struct World {
    policy: OfferPolicy,
    unit: Unit,
    machine: ProviderMachine,
    rules: Option<Rules>,
    troubles: Vec<Trouble>,
    room_mib: Option<u64>,
    running: u32,
    leaving: Option<Leaving>,
    looked: Option<(Duration, Kept)>,
    offer: Option<Offer>,
    provider: Provider,
    bond: Bond,
    bids_stand: usize,
    now: Now,
}

impl World {
    /// A machine whose offer stands, with ten USDC of stake.
    fn new() -> Self {
        let spec = OfferSpec { cpu_milli: 4_000, memory_mib: 8_192, flags: flags::CPU_CLASS, ..OfferSpec::default() };
        Self {
            policy: OfferPolicy { ask: 400_000, floor: 100_000, auto_bid: false, ..OfferPolicy::default() },
            unit: Unit { spec, gpus: vec![Vec::new()] },
            machine: machine(),
            rules: Some(Rules { limit: Atoms(9_000_000), ..Rules::default() }),
            troubles: Vec::new(),
            room_mib: None,
            running: 0,
            leaving: None,
            looked: Some((Duration::from_secs(1), Kept::Stands)),
            offer: Some(offer()),
            provider: provider(),
            bond: Bond { amount: Atoms(10_000_000), ..Bond::default() },
            bids_stand: 0,
            now: NOW,
        }
    }

    fn with(change: impl FnOnce(&mut Self)) -> Self {
        let mut world = Self::new();
        change(&mut world);
        world
    }

    fn own(&self) -> Own<'_> {
        Own { provider_key: &OWN, provider: &self.provider, bond: self.bond }
    }

    fn state(&self) -> State<'_> {
        State {
            now: self.now,
            policy: &self.policy,
            unit: &self.unit,
            machine: &self.machine,
            rules: self.rules,
            troubles: &self.troubles,
            room_mib: self.room_mib,
            running: self.running,
            leaving: self.leaving,
            looked: self.looked,
            offer: self.offer.as_ref(),
            own: Some(self.own()),
            bids_stand: self.bids_stand,
        }
    }

    /// What is decided where this one job is on the market, known for a while.
    fn plan(&self, job: &Job) -> Vec<Decision> {
        let seen = Seen { key: &JOB, job, since: Duration::from_secs(60) };
        plan(&self.state(), [seen].into_iter(), std::iter::empty())
    }

    fn explain(&self, job: &Job) -> Explained {
        explain(&self.state(), &self.own(), &JOB, job)
    }
}

fn gpu_trouble() -> Trouble {
    Trouble { part: Part::Gpu, words: "GPU-1 is lost".to_owned() }
}

/// A sentence: it begins with a capital letter or a number, ends with a full stop, and is one line.
fn is_sentence(text: &str) -> bool {
    let begins = text.chars().next().is_some_and(|first| first.is_ascii_uppercase() || first.is_ascii_digit());
    begins && text.ends_with('.') && !text.contains('\n') && !text.contains("  ") && text.contains(' ')
}
