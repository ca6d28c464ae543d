//! Where every story begins: who takes part, what each has, and what offers and jobs are like. Nothing here knows of the
//! test VM, so that the rules can be told stories without it, too (`fuzz/`).

use std::collections::BTreeMap;

use gridlease_core::machine::Machine;
use gridlease_core::requirement::{OfferSpec, Requirement, flags};
use gridlease_core::{Atoms, Bps, Now, UnixTs};
use gridlease_sdk::account;
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_sdk::instruction::provider::OfferMachine;
use gridlease_tests::terms::{USDC, job_args as default_job, machine, offered};
use solana_pubkey::Pubkey;

use crate::command::{JobTerms, WEIGHTS};
use crate::model::arrays::ARRAYS;
use crate::model::governance::{MarketConfig, StakingConfig};
use crate::model::pools::{Holdings, Stake};
use crate::model::{Buyer, JOBS, MACHINES, Model, OFFERS, Pouch, Provider, Record, Rents};

/// What everybody has in the wallet at the beginning.
pub const FORTUNE: u64 = 100_000 * USDC;
/// Buyers and providers; the last of each comes to the market by commands only.
pub const BUYERS: usize = 2;
/// Enough to fill a book and displace from it.
pub const PROVIDERS: usize = 10;
/// Buyers, authorities, node keys, and a stranger, in this order.
pub const PEOPLE: usize = BUYERS + 2 * PROVIDERS + 1;

/// Where the node key of a provider stands among the people: behind buyers and authorities.
pub fn node_of(provider: usize) -> usize {
    BUYERS + PROVIDERS + provider
}

/// The number of the offer in a place.
pub fn offer_number(place: usize) -> u32 {
    u32::try_from(place).unwrap() + 1
}

/// The place of the offer with a number.
pub fn offer_place(number: u32) -> usize {
    usize::try_from(number).unwrap() - 1
}

/// A provider's first machine, which allots whatever its offers ask for.
pub fn first_machine() -> Machine {
    Machine { limit: Atoms(u64::MAX), ..Machine::default() }
}

/// The clock after a tick.
pub fn moved(now: Now, slots: u64, seconds: i64) -> Now {
    Now { slot: now.slot.saturating_add(slots), ts: UnixTs(now.ts.0.saturating_add_signed(seconds)) }
}

/// The machine of an offer: in their second place, every other provider offers one that leaves at short notice.
pub fn machine_of(provider: usize, offer: usize) -> OfferMachine {
    let mut of = offered(machine());
    if provider % 2 == 1 && offer == 1 {
        of.spec.flags |= flags::SPOT;
    }
    of
}

/// The same, as the rules see it.
pub fn unit_of(provider: usize, offer: usize) -> OfferSpec {
    OfferSpec { flags: machine_of(provider, offer).spec.flags, ..unit() }
}

/// What was measured of an offer that is posted in this slot: value, hash, slot.
pub fn benchmark(slot: u64) -> (u64, [u8; 32], u64) {
    let machine = offered(machine());
    (machine.benchmark, machine.benchmark_hash, slot)
}

/// The machine of every offer but for its flags, as the rules see it.
pub fn unit() -> OfferSpec {
    let spec = machine();
    OfferSpec {
        gpu_model: spec.gpu_model,
        gpu_count: spec.gpu_count,
        vram_mib: spec.vram_mib,
        compute_capability: spec.compute_capability,
        cuda: spec.cuda,
        cpu_milli: spec.cpu_milli,
        memory_mib: spec.memory_mib,
        disk_mib: spec.disk_mib,
        region: spec.region,
        down_mbit: spec.down_mbit,
        up_mbit: spec.up_mbit,
        flags: spec.flags,
    }
}

pub fn job_args(terms: &JobTerms) -> JobArgs {
    let mut args = default_job();
    args.requirement.min_stake = terms.min_stake;
    args.requirement.min_reputation = terms.min_reputation;
    args.requirement.gpu_count = terms.gpu_count;
    args.requirement.flags |= if terms.spot { flags::SPOT } else { 0 };
    args.mode = terms.mode;
    args.reveal_s = terms.reveal_s;
    args.notice_s = terms.notice_s;
    args.checkpoint_s = terms.checkpoint_s;
    args.wait_s = terms.wait_s;
    args.review_s = terms.review_s;
    args.verify_class = terms.verify;
    args.max_price = terms.max_price;
    args.max_duration_s = terms.max_duration_s;
    args.window_s = terms.window_s;
    args.image_mb = terms.image_mb;
    args.attempts = terms.attempts;
    args.weights = WEIGHTS[usize::from(terms.weights)];
    args
}

/// What a job needs, as the rules see it.
pub fn need(terms: &JobTerms) -> Requirement {
    let need = job_args(terms).requirement;
    Requirement {
        gpu_models: need.models(),
        gpu_count: need.gpu_count,
        vram_mib: need.vram_mib,
        compute_capability: need.compute_capability,
        cuda: need.cuda,
        cpu_milli: need.cpu_milli,
        memory_mib: need.memory_mib,
        disk_mib: need.disk_mib,
        regions: need.regions,
        down_mbit: need.down_mbit,
        up_mbit: need.up_mbit,
        flags: need.flags & flags::KNOWN,
        min_stake: Atoms(need.min_stake),
        min_reputation: Bps(need.min_reputation),
    }
}

/// The number of a job that is posted in this place.
pub fn job_number(model: &Model, job: usize, terms: &JobTerms) -> u64 {
    let last = model.buyers[job % BUYERS].purse.map_or(0, |purse| purse.last_job);
    (last + 1).saturating_add_signed(terms.number_off.into())
}

/// Did this one come to the market before the story? All did but the last of their kind.
pub fn opened(at: usize, of: usize) -> bool {
    at + 1 < of
}

/// The hash of every benchmark's record.
pub const BENCHMARK: [u8; 32] = [14; 32];

/// The hash of a checkpoint.
pub fn checkpoint_hash(seq: u32) -> [u8; 32] {
    let mut hash = [12; 32];
    hash[..4].copy_from_slice(&seq.to_le_bytes());
    hash
}

impl Rents {
    /// What accounts must hold, where `of` says it of their bytes.
    pub fn new(of: impl Fn(usize) -> u64) -> Self {
        let uri = default_job().manifest_uri.len();
        let size = |bytes: usize| of(8 + bytes);
        Self {
            offer: size(size_of::<account::Offer>()),
            lease: size(size_of::<account::Lease>()),
            reservation: size(size_of::<account::Reservation>()),
            job: size(size_of::<account::Job>() + uri),
            group: size(size_of::<account::TaskGroup>()),
            array: size(size_of::<account::Array>() + uri),
            byte: of(1) - of(0),
            commitment: size(size_of::<account::Commitment>()),
        }
    }
}

/// Who takes part, by their addresses.
pub struct Cast {
    pub now: Now,
    /// As [`PEOPLE`] says.
    pub people: Vec<Pubkey>,
    /// Token accounts of the buyers and of the authorities, with [`FORTUNE`] in each.
    pub wallets: Vec<Pubkey>,
    /// The number below which the buyer's first job cannot be.
    pub last_jobs: Vec<u64>,
    /// Token accounts that can become treasury or insurance: first those that are.
    pub funds: [Pubkey; 4],
    /// A token account of another mint.
    pub foreign: Pubkey,
    /// Who gets tips, and its lamports.
    pub keeper: (Pubkey, u64),
    /// Who configured both programs.
    pub founder: Pubkey,
    pub rents: Rents,
}

impl Cast {
    /// The beginning of every story.
    pub fn model(self) -> Model {
        let buyers: Vec<_> = (0..BUYERS).map(|at| self.buyer(at)).collect();
        let providers: Vec<_> = (0..PROVIDERS).map(|at| self.provider(at)).collect();
        let [treasury, insurance, ..] = self.funds;
        let vaults = buyers.iter().flat_map(|buyer| [buyer.wallet, buyer.vault]);
        let bonds = providers.iter().flat_map(|provider| [provider.payout, provider.bond_vault]);
        let mut freezable: Vec<_> = vaults.chain(bonds).chain(self.funds).collect();
        freezable.extend(providers.iter().map(|provider| provider.holdings.revenue));
        let mut tokens: BTreeMap<_, _> = self.wallets.iter().map(|wallet| (*wallet, FORTUNE)).collect();
        tokens.extend(self.funds.map(|fund| (fund, 0)));
        tokens.extend(buyers.iter().filter(|buyer| buyer.purse.is_some()).map(|buyer| (buyer.vault, 0)));
        let bonded = providers.iter().filter(|provider| provider.bond.is_some());
        tokens.extend(bonded.map(|provider| (provider.bond_vault, 0)));
        Model {
            now: self.now,
            people: self.people,
            buyers,
            providers,
            jobs: [const { None }; JOBS],
            tokens,
            frozen: Default::default(),
            prefunded: Default::default(),
            freezable,
            treasury,
            rents: self.rents,
            keeper: self.keeper,
            tipping: false,
            payees: [self.funds.as_slice(), &self.wallets].concat(),
            indices: Default::default(),
            arrays: [const { None }; ARRAYS],
            market: MarketConfig::new(self.founder),
            staking: StakingConfig::new(self.founder, insurance, address::market_authority()),
            founder: self.founder,
            funds: [self.funds.as_slice(), &[self.foreign]].concat(),
            closed: Vec::new(),
            noted: Vec::new(),
        }
    }

    fn buyer(&self, at: usize) -> Buyer {
        let key = self.people[at];
        let purse_key = address::purse(&key);
        let purse = opened(at, BUYERS).then(|| Pouch { last_job: self.last_jobs[at], ..Pouch::default() });
        Buyer { key, wallet: self.wallets[at], purse_key, vault: address::purse_vault(&purse_key), purse }
    }

    fn provider(&self, at: usize) -> Provider {
        let (authority, payout) = (self.people[BUYERS + at], self.wallets[BUYERS + at]);
        let bond_key = address::bond(&authority);
        let record = opened(at, PROVIDERS).then(|| Record {
            node: self.people[node_of(at)],
            history: Default::default(),
            recent: Default::default(),
            earned: 0,
            offers: 0,
            leases: 0,
            machines: 0,
            own: first_machine(),
            payout,
            pending: Pubkey::default(),
            pending_since: 0,
        });
        Provider {
            authority,
            payout,
            record_key: address::provider(&authority),
            bond_key,
            bond_vault: address::bond_vault(&bond_key),
            bond: opened(at, PROVIDERS).then(Stake::default),
            record,
            offers: [None; OFFERS],
            machines: [None; MACHINES],
            claims: Default::default(),
            holdings: Holdings::new(&bond_key),
        }
    }
}
