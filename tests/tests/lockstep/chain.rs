//! The other side of the comparison: the scene in the test VM, the instruction of every command, and what the accounts hold.

/// Fails with both values where they differ.
macro_rules! same {
    ($what:expr, $chain:expr, $model:expr) => {{
        let (chain, model) = ($chain, $model);
        if chain != model {
            return Err(format!("{}: the program has {chain:?}, the rules have {model:?}", $what));
        }
    }};
}

mod arrays;
pub mod care;
mod governance;
mod index;
mod keys;
mod pools;
mod sealed;
pub mod settings;

use gridlease_core::job::EndReason;
use gridlease_core::requirement::{OfferSpec, Requirement, flags};
use gridlease_core::{Atoms, Bps, Now, UnixTs};
use gridlease_sdk::account::{self, OFFER_LIVE, OFFER_WITHDRAWN};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{AWARD_BIDDERS, Bidder, JobArgs};
use gridlease_sdk::instruction::lease::Outcome;
use gridlease_sdk::instruction::provider::OfferMachine;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, array, job, lease, provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Supply, USDC, machine, node_args};
use gridlease_tests::svm::steps::{GPUS, IMAGE, job_args as default_job, outcome};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use spl_token_interface::instruction as token;

use crate::command::{By, Command, JobTerms, OfferTerms, WEIGHTS};
use crate::model::arrays::ARRAYS;
use crate::model::governance::{MarketConfig, StakingConfig};
use crate::model::pools::{Holdings, Stake};
use crate::model::{Buyer, JOBS, Model, OFFERS, Pouch, Provider, Record, Rents};

/// What everybody has in the wallet at the beginning.
const FORTUNE: u64 = 100_000 * USDC;
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

/// The hash of a GPU.
fn gpu(provider: usize, offer: usize, at: usize) -> [u8; 32] {
    let mut hash = [7; 32];
    (hash[0], hash[1], hash[2]) = (provider as u8, offer as u8, at as u8);
    hash
}

/// The place of the offer with a number.
pub fn offer_place(number: u32) -> usize {
    usize::try_from(number).unwrap() - 1
}

/// The clock after a tick.
pub fn moved(now: Now, slots: u64, seconds: i64) -> Now {
    Now { slot: now.slot.saturating_add(slots), ts: UnixTs(now.ts.0.saturating_add_signed(seconds)) }
}

/// The machine of an offer: in their second place, every other provider offers one that leaves at short notice.
fn machine_of(provider: usize, offer: usize) -> OfferMachine {
    let mut of = Supply::default().machine();
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
    let machine = Supply::default().machine();
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

fn job_args(terms: &JobTerms) -> JobArgs {
    let mut args = default_job();
    args.requirement.min_stake = terms.min_stake;
    args.requirement.min_reputation = terms.min_reputation;
    args.requirement.gpu_count = terms.gpu_count;
    args.requirement.flags |= if terms.spot { flags::SPOT } else { 0 };
    args.mode = terms.mode;
    args.reveal_s = terms.reveal_s;
    args.notice_s = terms.notice_s;
    args.checkpoint_s = terms.checkpoint_s;
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
        gpu_models: need.gpu_models,
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

/// The test VM and the model of it, at the beginning of every story.
pub fn scene() -> (World, Model) {
    let mut w = World::unsigned();
    let mint = w.mint;
    let mut people = Vec::new();
    let mut buyers = Vec::new();
    for at in 0..BUYERS {
        let (key, wallet) = w.wallet(FORTUNE);
        let key = key.pubkey();
        let purse_key = address::purse(&key);
        let opened = at + 1 < BUYERS;
        if opened {
            w.ok(&[purse::open(&key, &mint)], &[]);
        }
        let vault = address::purse_vault(&purse_key);
        let last_job = |purse: account::Purse| Pouch { last_job: purse.last_job, ..Pouch::default() };
        let purse = w.find::<account::Purse>(&purse_key).map(last_job);
        buyers.push(Buyer { key, wallet, purse_key, vault, purse });
        people.push(key);
    }
    let mut providers = Vec::new();
    for at in 0..PROVIDERS {
        let (key, payout) = w.wallet(FORTUNE);
        let authority = key.pubkey();
        let opened = at + 1 < PROVIDERS;
        if opened {
            w.ok(&[stake::open_bond(&authority, &mint)], &[]);
        }
        let bond_key = address::bond(&authority);
        providers.push(Provider {
            authority,
            payout,
            record_key: address::provider(&authority),
            bond_key,
            bond_vault: address::bond_vault(&bond_key),
            bond: opened.then(Stake::default),
            record: None,
            offers: [None; OFFERS],
            claims: Default::default(),
            holdings: Holdings::new(&bond_key),
        });
        people.push(authority);
    }
    for _ in 0..PROVIDERS {
        people.push(w.person().pubkey());
    }
    people.push(w.person().pubkey());
    for (at, provider) in providers[..PROVIDERS - 1].iter_mut().enumerate() {
        let node = people[node_of(at)];
        w.ok(&[provider::register(&provider.authority, &provider.payout, node_args(&node))], &[]);
        provider.record = Some(Record {
            node,
            history: Default::default(),
            recent: Default::default(),
            earned: 0,
            offers: 0,
            leases: 0,
            payout: provider.payout,
            pending: Pubkey::default(),
            pending_due: 0,
        });
    }
    for person in &people {
        w.airdrop(person, 1_000_000_000_000);
    }
    let mut freezable: Vec<_> = buyers.iter().flat_map(|buyer| [buyer.wallet, buyer.vault]).collect();
    freezable.extend(providers.iter().flat_map(|provider| [provider.payout, provider.bond_vault]));
    let funds = vec![w.treasury, w.insurance, w.foreign_account(), w.foreign_account()];
    freezable.extend(&funds);
    let payees = [funds.clone(), wallets(&buyers, &providers)].concat();
    let existing = freezable.iter().filter(|key| w.account(key).is_some());
    let tokens = existing.map(|key| (*key, w.tokens(key))).collect();
    freezable.extend(providers.iter().map(|provider| provider.holdings.revenue));
    let funds = [funds, vec![foreign_fund(&mut w)]].concat();
    let keeper = w.key().pubkey();
    w.airdrop(&keeper, 1_000_000_000);
    let keeper = (keeper, w.lamports(&keeper));
    let uri = default_job().manifest_uri.len();
    let size = |bytes: usize| w.rent(8 + bytes);
    let rents = Rents {
        offer: size(size_of::<account::Offer>()),
        lease: size(size_of::<account::Lease>()),
        reservation: size(size_of::<account::Reservation>()),
        job: size(size_of::<account::Job>() + uri),
        group: size(size_of::<account::TaskGroup>()),
        array: size(size_of::<account::Array>() + uri),
        byte: w.rent(1) - w.rent(0),
        commitment: size(size_of::<account::Commitment>()),
    };
    let (treasury, insurance, founder) = (w.treasury, w.insurance, w.admin.pubkey());
    let model = Model {
        now: w.now(),
        people,
        buyers,
        providers,
        jobs: [const { None }; JOBS],
        tokens,
        frozen: Default::default(),
        prefunded: Default::default(),
        freezable,
        treasury,
        insurance,
        rents,
        keeper,
        tipping: false,
        payees,
        indices: Default::default(),
        arrays: [const { None }; ARRAYS],
        market: MarketConfig::new(founder),
        staking: StakingConfig::new(founder, insurance, address::market_authority()),
        founder,
        funds,
        closed: Vec::new(),
        noted: Vec::new(),
    };
    (w, model)
}

fn wallets(buyers: &[Buyer], providers: &[Provider]) -> Vec<Pubkey> {
    let payouts = providers.iter().map(|provider| provider.payout);
    buyers.iter().map(|buyer| buyer.wallet).chain(payouts).collect()
}

/// A token account of another mint.
fn foreign_fund(w: &mut World) -> Pubkey {
    let (mint, owner) = (w.other_mint(6, TOKEN_PROGRAM), w.key().pubkey());
    w.token_account_of(mint, owner, TOKEN_PROGRAM)
}

/// The same instruction, signed by another than who stands first.
fn signed_by(mut instruction: Instruction, signer: Pubkey) -> Instruction {
    instruction.accounts[0].pubkey = signer;
    instruction
}

/// The instruction of a command; `None` where it makes no sense in this state (or moves the clock), so that it is passed over.
pub fn build(world: &World, model: &Model, command: &Command) -> Option<Instruction> {
    let mint = world.mint;
    let authority = world.mint_authority.pubkey();
    let buyer = |at: usize| &model.buyers[at];
    let owner = |at: usize| &model.providers[at];
    let node = |at: usize| owner(at).record.as_ref().map(|record| record.node);
    let who = |by: By, right: Pubkey| model.signer(by, right);
    let lease_keys = |job: usize, lease: usize| {
        let at = model.lease_at(job, lease)?;
        model.jobs[job].as_ref().map(|posted| (posted.leases[at].keys, posted.leases[at].provider))
    };
    let bidder = |provider: usize, offer: usize| Bidder {
        provider: owner(provider).record_key,
        offer: offer_number(offer),
        bond: owner(provider).bond_key,
    };
    let terms = |terms: &OfferTerms| provider::OfferTerms {
        ask: terms.ask,
        floor: terms.floor,
        expires_ts: model.now.ts.0.saturating_add_signed(terms.life),
        units: terms.units,
        auto_bid: terms.auto_bid,
    };
    Some(match *command {
        Command::Clock { .. } | Command::Keeper { .. } | Command::Prefund { .. } => return None,
        Command::Donate { buyer: at, amount } => {
            buyer(at).purse?;
            token::mint_to(&TOKEN_PROGRAM, &mint, &buyer(at).vault, &authority, &[], amount).ok()?
        }
        Command::Freeze { place, frozen } => {
            let account = model.freezable[place % model.freezable.len()];
            model.tokens.get(&account)?;
            let change = if frozen { token::freeze_account } else { token::thaw_account };
            change(&TOKEN_PROGRAM, &account, &mint, &authority, &[]).ok()?
        }
        Command::OpenPurse { buyer: at } => purse::open(&buyer(at).key, &mint),
        Command::Deposit { buyer: at, by, amount } => {
            purse::deposit(&who(by, buyer(at).key), &buyer(at).key, &buyer(at).wallet, amount)
        }
        Command::Withdraw { buyer: at, by, amount } => {
            signed_by(purse::withdraw(&buyer(at).key, &buyer(at).wallet, amount), who(by, buyer(at).key))
        }
        Command::SweepFees { buyer: at } => purse::sweep_fees(&buyer(at).purse_key, &model.treasury, &model.insurance),
        Command::OpenBond { provider } => stake::open_bond(&owner(provider).authority, &mint),
        Command::AddStake { provider, by, amount } => {
            let authority = owner(provider).authority;
            signed_by(stake::add_stake(&authority, &owner(provider).payout, amount), who(by, authority))
        }
        Command::Register { provider } => {
            let node = node_args(&model.people[node_of(provider)]);
            provider::register(&owner(provider).authority, &owner(provider).payout, node)
        }
        Command::UpdateNode { provider, by, node } => {
            let node = node_args(&model.people[usize::from(node) % model.people.len()]);
            let authority = owner(provider).authority;
            signed_by(provider::update_node(&authority, node), who(by, authority))
        }
        Command::PostOffer { provider, by, offer, terms: said } => provider::post_offer(
            &who(by, node(provider)?),
            &owner(provider).record_key,
            offer_number(offer),
            machine_of(provider, offer),
            terms(&said),
        ),
        Command::RefreshOffer { provider, by, offer, terms: said } => {
            let key = owner(provider).record_key;
            provider::refresh_offer(&who(by, node(provider)?), &key, offer_number(offer), terms(&said))
        }
        Command::WithdrawOffer { provider, by, offer } => {
            let signer = who(by, node(provider)?);
            let payer = owner(provider).offers[offer].map_or(signer, |offer| offer.payer);
            provider::withdraw_offer(&signer, &owner(provider).record_key, offer_number(offer), &payer)
        }
        Command::ClaimGpus { provider, by, offer, count } => {
            let from = owner(provider).claims[offer].len();
            let hashes: Vec<_> = (from..from + usize::from(count)).map(|at| gpu(provider, offer, at)).collect();
            let signer = who(by, node(provider)?);
            provider::claim_gpus(&signer, &owner(provider).record_key, offer_number(offer), &hashes)
        }
        Command::ReleaseGpus { provider, by, offer, count } => {
            let claims = &owner(provider).claims[offer];
            let from = claims.len().checked_sub(count.into())?;
            let given: Vec<_> = (from..claims.len()).map(|at| (gpu(provider, offer, at), claims[at])).collect();
            let (first, more) = given.split_first()?;
            let signer = who(by, node(provider)?);
            provider::release_gpus(&signer, &owner(provider).record_key, offer_number(offer), first, more)
        }
        Command::PostJob { job: at, by, terms } => {
            if !model.is_free(at) {
                return None;
            }
            let owner = buyer(at % BUYERS).key;
            signed_by(job::post(&owner, job_number(model, at, &terms), job_args(&terms)), who(by, owner))
        }
        Command::PlaceBid { job: at, provider, by, offer, price } => {
            let posted = model.jobs[at].as_ref()?;
            let bid = job::bid(&who(by, node(provider)?), &posted.key, &bidder(provider, offer), price);
            arrays::with_group(world, posted, bid, array::bid_with_group)
        }
        Command::EnterOffer { job: at, provider, offer } => {
            let posted = model.jobs[at].as_ref()?;
            let enter = job::enter_offer(&posted.key, &bidder(provider, offer));
            arrays::with_group(world, posted, enter, array::bid_with_group)
        }
        Command::Award { job: at, given } => {
            let posted = model.jobs[at].as_ref()?;
            let bidders = posted.book.entries().iter().map(|entry| {
                let (provider, offer) = model.bidder(entry);
                bidder(provider, offer)
            });
            let bidders: Vec<_> = bidders.take(given.min(AWARD_BIDDERS)).collect();
            let award = job::award(&posted.key, &buyer(posted.buyer).purse_key, posted.rules.leases, &bidders);
            arrays::with_group(world, posted, award, array::award_with_group)
        }
        Command::CancelJob { job: at, by } => {
            let (posted, owner) = (model.jobs[at].as_ref()?, buyer(at % BUYERS).key);
            signed_by(job::cancel(&owner, &posted.key), who(by, owner))
        }
        Command::Ready { job, lease: at, by, image } => {
            let (keys, provider) = lease_keys(job, at)?;
            let image = if image { IMAGE } else { [1; 32] };
            lease::ready(&who(by, node(provider)?), &keys, image, GPUS)
        }
        Command::Settle { job, lease: at } => lease::settle(&lease_keys(job, at)?.0),
        Command::TopUp { job, lease: at, by, amount } => {
            let owner = buyer(job % BUYERS).key;
            signed_by(lease::top_up(&owner, &lease_keys(job, at)?.0.lease, amount), who(by, owner))
        }
        Command::Stop { job, lease: at, by } => lease::stop(&who(by, buyer(job % BUYERS).key), &lease_keys(job, at)?.0),
        Command::Finish { job, lease: at, by, reason, exit } => {
            let (keys, provider) = lease_keys(job, at)?;
            let outcome = Outcome { exit_code: Some(exit.into()), ..outcome() };
            let mut finish = lease::finish(&who(by, node(provider)?), &keys, EndReason::Completed, outcome);
            finish.data[8] = reason;
            finish
        }
        Command::Abandon { job, lease: at, by } => {
            let (keys, provider) = lease_keys(job, at)?;
            lease::abandon(&who(by, node(provider)?), &keys, &model.insurance, outcome())
        }
        Command::FailStart { job, lease: at, by } => {
            let (keys, provider) = lease_keys(job, at)?;
            lease::fail_start(&who(by, node(provider)?), &keys, &model.insurance)
        }
        Command::Expire { job, lease: at } => lease::expire(&lease_keys(job, at)?.0),
        Command::CloseLease { job, lease: at } => lease::close(&lease_keys(job, at)?.0),
        Command::CloseJob { job: at } => {
            let posted = model.jobs[at].as_ref()?;
            job::close(&posted.key, &buyer(posted.buyer).purse_key, &posted.payer)
        }
        Command::PostInstant { job: at, by, terms, offers, count } => {
            if !model.is_free(at) {
                return None;
            }
            let owner = buyer(at % BUYERS).key;
            let bidders = offers.map(|(provider, offer)| bidder(provider.into(), offer.into()));
            let given = &bidders[..bidders.len().min(count.into())];
            let number = job_number(model, at, &terms);
            job::post_instant_by(&who(by, owner), &owner, number, job_args(&terms), given)
        }
        Command::Care { job, lease: at, step } => care::build(model, job, at, &step)?,
        Command::Sealed { job, provider, step } => sealed::build(model, job, provider, &step)?,
        Command::Buyer { buyer, by, step } => settings::build_buyer(model, buyer, by, &step),
        Command::Supplier { provider, by, step } => settings::build_supplier(model, provider, by, &step)?,
        Command::Index(step) => index::build(model, &step)?,
        Command::Pool { provider, step } => pools::build(world, model, provider, &step)?,
        Command::Array { array, step } => arrays::build(model, array, &step)?,
        Command::Task { job, step } => arrays::build_task(world, model, job, &step)?,
        Command::Governance(step) => governance::build(model, &step),
    })
}

/// Does every account hold what the model says?
pub fn compare(world: &World, model: &Model) -> Result<(), String> {
    for (at, buyer) in model.buyers.iter().enumerate() {
        let chain: Option<account::Purse> = world.find(&buyer.purse_key);
        let found = chain.map(|purse| Pouch {
            amounts: purse.amounts(),
            deposited: purse.deposited,
            withdrawn: purse.withdrawn,
            paid: purse.paid,
            fees: purse.fees,
            compensated: purse.compensated,
            last_job: purse.last_job,
            open_jobs: purse.open_jobs,
            spender: purse.spender,
            spending: purse.spender_rules(),
        });
        same!(format!("purse {at}"), found, buyer.purse);
    }
    for (at, provider) in model.providers.iter().enumerate() {
        pools::compare(world, model, at).map_err(|wrong| format!("provider {at}: {wrong}"))?;
        let chain: Option<account::Provider> = world.find(&provider.record_key);
        let found = chain.map(|record| Record {
            node: record.node_key,
            history: gridlease_core::reputation::Reputation {
                standing: Bps(record.standing),
                uptime: Bps(record.uptime),
                start_s: record.start_s,
                started: record.started,
                completed: record.completed,
                faulted: record.faulted,
            },
            recent: gridlease_core::reputation::RecentBuyers { marks: record.buyers, next: record.next_buyer },
            earned: record.earned,
            offers: record.offers,
            leases: record.leases,
            payout: record.payout,
            pending: record.pending_payout,
            pending_due: record.pending_payout_ts,
        });
        same!(format!("record {at}"), found, provider.record);
        for (place, offer) in provider.offers.iter().enumerate() {
            let key = keys::offer(&provider.record_key, offer_number(place));
            same!(format!("offer {place} of provider {at}"), offer_at(world, &key), *offer);
        }
    }
    for (at, posted) in model.jobs.iter().enumerate() {
        if let Some(posted) = posted {
            compare_job(world, model, posted).map_err(|wrong| format!("job {at}: {wrong}"))?;
            sealed::compare(world, model, posted).map_err(|wrong| format!("job {at}: {wrong}"))?;
        }
    }
    for (at, series) in model.arrays.iter().enumerate() {
        if let Some(series) = series {
            arrays::compare(world, series).map_err(|wrong| format!("array {at}: {wrong}"))?;
        }
    }
    index::compare(world, model)?;
    governance::compare(world, model)?;
    same!("lamports of the keeper", world.lamports(&model.keeper.0), model.keeper.1);
    for buyer in model.buyers.iter().filter(|buyer| buyer.purse.is_none()) {
        same!("vault of a purse that is closed", world.account(&buyer.vault), None);
    }
    for key in &model.closed {
        same!(format!("what stands at {key}, which was closed"), world.account(key), None);
    }
    for (key, amount) in &model.tokens {
        same!(format!("tokens of {key}"), world.tokens(key), *amount);
    }
    Ok(())
}

fn offer_at(world: &World, key: &Pubkey) -> Option<crate::model::Offer> {
    let offer: account::Offer = world.find(key)?;
    let live = match offer.header.state {
        OFFER_LIVE => true,
        OFFER_WITHDRAWN => false,
        other => panic!("an offer in state {other}"),
    };
    Some(crate::model::Offer {
        live,
        due: offer.header.due_ts,
        ask: offer.ask,
        floor: offer.floor,
        units: offer.units,
        free: offer.units_free,
        auto_bid: offer.auto_bid == 1,
        unpaid: offer.unpaid,
        claimed: offer.claimed,
        payer: offer.payer,
        lamports: world.lamports(key),
        benchmark: (offer.benchmark, offer.benchmark_hash, offer.benchmark_slot),
    })
}

fn compare_job(world: &World, model: &Model, posted: &crate::model::Posted) -> Result<(), String> {
    let chain: Option<account::Job> = world.find(&posted.key);
    same!("open", chain.is_some(), posted.open);
    if let Some(chain) = chain {
        let rules = &posted.rules;
        same!("state", chain.state(), Some(rules.state));
        same!("reason", chain.end_reason(), rules.reason);
        same!("reserved", chain.reserved, rules.reserved.0);
        same!("close_ts", chain.close_ts, rules.close_ts.0);
        same!("extensions", chain.extensions, rules.extensions);
        same!("attempts left", chain.attempts_left, rules.attempts_left);
        same!("leases", chain.leases, rules.leases);
        same!("ended_ts", chain.ended_ts, posted.ended_ts);
        same!("payer", chain.payer, posted.payer);
        let round = (chain.reveal_end, chain.sealed, chain.sealed_bond);
        same!("round", round, (rules.reveal_end.0, rules.sealed, rules.sealed_bond.0));
        let checkpoint = (chain.checkpoint_seq, chain.checkpoint_hash, chain.checkpoint_bytes);
        same!("checkpoint", checkpoint, posted.checkpoint);
        same!("rejects", chain.rejects, posted.rejects);
        same!("excluded", usize::from(chain.excluded_len), posted.excluded.len());
        same!("due", chain.header.due_ts, posted.due().0);
        same!("lamports", world.lamports(&posted.key), posted.lamports);
        let book: Vec<_> =
            chain.bids().iter().map(|bid| (bid.provider, bid.offer, bid.price, bid.score, bid.tie)).collect();
        let entries = posted.book.entries().iter();
        let entries: Vec<_> = entries
            .map(|bid| (Pubkey::new_from_array(bid.provider), bid.offer, bid.price.0, bid.score, bid.tie))
            .collect();
        same!("book", book, entries);
        arrays::compare_task(model, posted, &chain)?;
    }
    for (at, one) in posted.leases.iter().enumerate() {
        let chain: Option<account::Lease> = world.find(&one.keys.lease);
        same!(format!("lease {at} open"), chain.is_some(), one.open);
        let reservation: Option<account::Reservation> = world.find(&keys::reservation(&one.keys.lease));
        same!(format!("reservation {at} open"), reservation.is_some(), one.open && !one.released);
        if let Some(chain) = chain {
            same!(format!("lease {at}"), chain.rules(), Some(one.rules));
            same!(format!("lease {at} due"), chain.header.due_ts, one.rules.due().0);
            same!(format!("stake {at}"), (chain.stake, chain.awarded_ts), (one.stake.0, one.awarded_ts));
            let left = reservation.map_or(0, |reservation| reservation.amount);
            same!(format!("reservation {at}"), left, one.reservation.0);
            same!(format!("released {at}"), chain.released == 1, one.released);
            care::compare(world, one, &chain).map_err(|wrong| format!("lease {at}: {wrong}"))?;
        }
    }
    Ok(())
}
