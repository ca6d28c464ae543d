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
mod governance;
mod index;
mod keys;
mod machines;
mod pools;
mod sealed;
pub mod settings;
pub mod supervision;

use std::collections::BTreeMap;

use gridlease_core::job::EndReason;
use gridlease_core::{Bps, Now};
use gridlease_sdk::account::{self, offer_state};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{AWARD_BIDDERS, BidderKeys};
use gridlease_sdk::instruction::lease::Outcome;
use gridlease_sdk::instruction::provider::OfferMachine;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, array, job, lease, provider, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::node_args;
use gridlease_tests::svm::steps::{GPUS, IMAGE, outcome};
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use spl_token_interface::instruction as token;

use crate::command::{By, Command, OfferTerms, said};
use crate::model::{MACHINES, Model, Pouch, Record, Rents};
use crate::scene::{BUYERS, Cast, FORTUNE, PROVIDERS, job_args, job_number, machine_of, node_of, offer_number, opened};

/// What a node that ends a lease at this time says of its container.
fn told(now: Now) -> Outcome {
    let ran = said(now);
    let stood_s = u32::try_from(ran.stood.0).unwrap();
    Outcome { ended_ts: ran.until.0, stood_s, ..outcome() }
}

/// The hash of a GPU.
fn gpu(provider: usize, offer: usize, at: usize) -> [u8; 32] {
    let mut hash = [7; 32];
    (hash[0], hash[1], hash[2]) = (provider as u8, offer as u8, at as u8);
    hash
}

/// The test VM and the model of it, at the beginning of every story.
pub fn scene() -> (World, Model) {
    let mut w = World::unsigned();
    let mint = w.mint;
    let mut people = Vec::new();
    let mut wallets = Vec::new();
    let mut last_jobs = Vec::new();
    for at in 0..BUYERS {
        let (key, wallet) = w.wallet(FORTUNE);
        let key = key.pubkey();
        if opened(at, BUYERS) {
            w.ok(&[purse::open(&key, &mint)], &[]);
        }
        last_jobs.push(w.find::<account::Purse>(&address::purse(&key)).map_or(0, |purse| purse.last_job));
        people.push(key);
        wallets.push(wallet);
    }
    for at in 0..PROVIDERS {
        let (key, payout) = w.wallet(FORTUNE);
        let authority = key.pubkey();
        if opened(at, PROVIDERS) {
            w.ok(&[stake::open_bond(&authority, &mint)], &[]);
        }
        people.push(authority);
        wallets.push(payout);
    }
    for _ in 0..=PROVIDERS {
        people.push(w.person().pubkey());
    }
    for at in (0..PROVIDERS).filter(|at| opened(*at, PROVIDERS)) {
        let (authority, node) = (people[BUYERS + at], people[node_of(at)]);
        w.ok(&[provider::register(&authority, &wallets[BUYERS + at], node_args(&node))], &[]);
    }
    for person in &people {
        w.airdrop(person, 1_000_000_000_000);
    }
    let funds = [w.treasury, w.insurance, w.foreign_account(), w.foreign_account()];
    let foreign = foreign_fund(&mut w);
    let keeper = w.key().pubkey();
    w.airdrop(&keeper, 1_000_000_000);
    let keeper = (keeper, w.lamports(&keeper));
    let founder = w.admin.pubkey();
    let rents = Rents::new(|bytes| w.rent(bytes));
    let cast = Cast { now: w.now(), people, wallets, last_jobs, funds, foreign, keeper, founder, rents };
    let model = cast.model();
    let balances: BTreeMap<_, _> = model.tokens.keys().map(|key| (*key, w.tokens(key))).collect();
    assert_eq!(model.tokens, balances, "the cast's accounts are those of the test VM");
    (w, model)
}

/// A token account of another mint.
fn foreign_fund(w: &mut World) -> Pubkey {
    let (mint, owner) = (w.other_mint(6, TOKEN_PROGRAM), w.key().pubkey());
    w.token_account_of(mint, owner, TOKEN_PROGRAM)
}

/// The same instruction, signed by another than who stands first, who also pays where that one would.
fn signed_by(mut instruction: Instruction, signer: Pubkey) -> Instruction {
    let first = instruction.accounts[0].pubkey;
    instruction.accounts[0].pubkey = signer;
    if let Some(payer) = instruction.accounts.get_mut(1).filter(|meta| meta.is_signer && meta.pubkey == first) {
        payer.pubkey = signer;
    }
    instruction
}

/// The instruction of a command; `None` where it makes no sense in this state (or moves the clock), so that it is passed over.
pub fn build(world: &World, model: &Model, command: &Command) -> Option<Instruction> {
    let mint = world.mint;
    let authority = world.mint_authority.pubkey();
    let buyer = |at: usize| &model.buyers[at];
    let owner = |at: usize| &model.providers[at];
    let node = |provider: usize, offer: usize| model.node_of(provider, offer);
    let who = |by: By, right: Pubkey| model.signer(by, right);
    let lease_keys = |job: usize, lease: usize| {
        let at = model.lease_at(job, lease)?;
        model.jobs[job].as_ref().map(|posted| (posted.leases[at].keys, posted.leases[at].at()))
    };
    let bidder = |provider: usize, offer: usize| BidderKeys {
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
        Command::SweepFees { buyer: at } => {
            purse::sweep_fees(&buyer(at).purse_key, &model.treasury, &model.staking.insurance)
        }
        Command::OpenBond { provider } => stake::open_bond(&owner(provider).authority, &mint),
        Command::AddStake { provider, by, amount } => {
            let authority = owner(provider).authority;
            signed_by(stake::add_stake(&authority, &owner(provider).payout, amount), who(by, authority))
        }
        Command::Register { provider } => {
            let node = node_args(&model.people[node_of(provider)]);
            provider::register(&owner(provider).authority, &owner(provider).payout, node)
        }
        Command::UpdateNode { provider, by, terms, missing } => {
            let (authority, node) = (owner(provider).authority, machines::told(model, terms));
            let offers = machines::passed(model, provider, None, missing);
            signed_by(provider::update_node(&authority, node, &offers), who(by, authority))
        }
        Command::Machine { provider, machine, step } => machines::build(model, provider, machine, &step),
        Command::PostOffer { provider, by, offer, allotment, terms: said } => {
            let signer = who(by, model.node_of_new(provider, allotment)?);
            let of = model.allotted_by(provider, allotment);
            let of =
                of.map(|(owner, at)| keys::machine(&model.providers[owner].record_key, machines::machine_number(at)));
            let machine = OfferMachine { stake_limit: allotment.limit, ..machine_of(provider, offer) };
            let (record, number) = (owner(provider).record_key, offer_number(offer));
            provider::post_offer_of(&signer, &record, of, number, machine, terms(&said))
        }
        Command::RefreshOffer { provider, by, offer, terms: said } => {
            let key = owner(provider).record_key;
            provider::refresh_offer(&who(by, node(provider, offer)?), &key, offer_number(offer), terms(&said))
        }
        Command::WithdrawOffer { provider, by, offer, wrong } => {
            let (signer, record) = (who(by, node(provider, offer)?), owner(provider).record_key);
            let payer = owner(provider).offers[offer].map_or(signer, |offer| offer.payer);
            let own = owner(provider).offers[offer].and_then(|offer| offer.machine);
            let named = if wrong { own.is_none().then_some(0) } else { own };
            let machine = named.map(|at| keys::machine(&record, machines::machine_number(at)));
            provider::withdraw_offer_of(&signer, &record, machine, offer_number(offer), &payer)
        }
        Command::ClaimGpus { provider, by, offer, count } => {
            let from = owner(provider).claims[offer].len();
            let hashes: Vec<_> = (from..from + usize::from(count)).map(|at| gpu(provider, offer, at)).collect();
            let signer = who(by, node(provider, offer)?);
            let of = owner(provider);
            provider::claim_gpus(&signer, &of.record_key, &of.bond_key, offer_number(offer), &hashes)
        }
        Command::ReleaseGpus { provider, by, offer, count } => {
            let claims = &owner(provider).claims[offer];
            let from = claims.len().checked_sub(count.into())?;
            let given: Vec<_> = (from..claims.len()).map(|at| (gpu(provider, offer, at), claims[at])).collect();
            let (first, more) = given.split_first()?;
            let signer = who(by, node(provider, offer)?);
            provider::release_gpus(&signer, &owner(provider).record_key, offer_number(offer), first, more)
        }
        Command::PostJob { job: at, by, terms } => {
            let owner = buyer(at % BUYERS).key;
            signed_by(job::post(&owner, job_number(model, at, &terms), job_args(&terms)), who(by, owner))
        }
        Command::PlaceBid { job: at, provider, by, offer, price } => {
            let posted = model.jobs[at].as_ref()?;
            let bid = job::bid(&who(by, node(provider, offer)?), &posted.key, &bidder(provider, offer), price);
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
            let (keys, (provider, offer)) = lease_keys(job, at)?;
            let image = if image { IMAGE } else { [1; 32] };
            lease::ready(&who(by, node(provider, offer)?), &keys, image, GPUS)
        }
        Command::Settle { job, lease: at } => lease::settle(&lease_keys(job, at)?.0),
        Command::Extend { job, lease: at, by, by_s } => {
            lease::extend(&who(by, buyer(job % BUYERS).key), &lease_keys(job, at)?.0, by_s)
        }
        Command::TopUp { job, lease: at, by, amount } => {
            let owner = buyer(job % BUYERS).key;
            let (keys, at) = (lease_keys(job, at)?.0, model.lease_at(job, at)?);
            let one = &model.jobs[job].as_ref()?.leases[at];
            let challenger = (!one.rules.challenge_end.is_zero()).then_some(one.challenger);
            signed_by(lease::top_up(&owner, &keys.lease, amount, challenger), who(by, owner))
        }
        Command::Stop { job, lease: at, by } => lease::stop(&who(by, buyer(job % BUYERS).key), &lease_keys(job, at)?.0),
        Command::Finish { job, lease: at, by, reason, exit } => {
            let (keys, (provider, offer)) = lease_keys(job, at)?;
            let outcome = Outcome { exit_code: Some(exit.into()), ..told(model.now) };
            let mut finish = lease::finish(&who(by, node(provider, offer)?), &keys, EndReason::Completed, outcome);
            finish.data[8] = reason;
            finish
        }
        Command::Abandon { job, lease: at, by } => {
            let (keys, (provider, offer)) = lease_keys(job, at)?;
            lease::abandon(&who(by, node(provider, offer)?), &keys, &model.staking.insurance, told(model.now))
        }
        Command::FailStart { job, lease: at, by } => {
            let (keys, (provider, offer)) = lease_keys(job, at)?;
            lease::fail_start(&who(by, node(provider, offer)?), &keys, &model.staking.insurance)
        }
        Command::Expire { job, lease: at } => lease::expire(&lease_keys(job, at)?.0),
        Command::CloseLease { job, lease: at } => lease::close(&lease_keys(job, at)?.0),
        Command::ExpireJob { job: at } => {
            let posted = model.jobs[at].as_ref()?;
            job::expire(&posted.key, &buyer(posted.buyer).purse_key)
        }
        Command::CloseJob { job: at } => {
            let posted = model.jobs[at].as_ref()?;
            job::close(&posted.key, &buyer(posted.buyer).purse_key, &posted.payer)
        }
        Command::PostInstant { job: at, by, terms, offers, count } => {
            let owner = buyer(at % BUYERS).key;
            let bidders = offers.map(|(provider, offer)| bidder(provider.into(), offer.into()));
            let given = &bidders[..bidders.len().min(count.into())];
            let number = job_number(model, at, &terms);
            job::post_instant_by(&who(by, owner), &owner, number, job_args(&terms), given)
        }
        Command::Supervision { job, lease: at, step } => supervision::build(model, job, at, &step)?,
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
            forfeits: purse.forfeits,
            last_job: purse.last_job,
            open_jobs: purse.open_jobs,
            spender: purse.spender,
            spending: purse.spender_rules(),
            guardian: purse.guardian,
            guarding: purse.guardian_rules(),
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
            pending_since: record.pending_payout_ts,
            machines: record.machines,
            own: record.own_machine(),
        });
        same!(format!("record {at}"), found, provider.record);
        machines::compare(world, model, at)?;
        for (place, offer) in provider.offers.iter().enumerate() {
            let key = keys::offer(&provider.record_key, offer_number(place));
            same!(format!("offer {place} of provider {at}"), offer_at(world, &key, &provider.record_key), *offer);
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

fn offer_at(world: &World, key: &Pubkey, record: &Pubkey) -> Option<crate::model::Offer> {
    let offer: account::Offer = world.find(key)?;
    let of_machine = |at: &usize| keys::machine(record, machines::machine_number(*at)) == offer.machine;
    let live = match offer.header.state {
        offer_state::LIVE => true,
        offer_state::WITHDRAWN => false,
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
        machine: match offer.machine == *record {
            true => None,
            // Nothing else is a machine.
            false => Some((0..MACHINES).find(of_machine).unwrap_or(usize::MAX)),
        },
        node: offer.node_key,
        limit: offer.limit(),
        retired: offer.retired == 1,
        sealed: offer.sealed,
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
        same!("expires", chain.expires_at, rules.expires_at.0);
        same!("mark", (chain.mark_slot, chain.mark_ts), (rules.mark.slot, rules.mark.ts.0));
        same!("reporter", chain.reporter, posted.reporter.0);
        same!("class", chain.verify_class, posted.class);
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
        let book: Vec<_> = chain.bids().iter().map(|bid| (bid.provider, bid.offer, bid.price, bid.score)).collect();
        let automatic: Vec<_> = (0..book.len()).map(|at| chain.is_automatic(at)).collect();
        same!("automatic", automatic, posted.book.entries().iter().map(|bid| bid.automatic).collect::<Vec<_>>());
        let entries = posted.book.entries().iter();
        let entries: Vec<_> =
            entries.map(|bid| (Pubkey::new_from_array(bid.provider), bid.offer, bid.price.0, bid.score)).collect();
        same!("book", book, entries);
        arrays::compare_task(model, posted, &chain)?;
    }
    for (at, one) in posted.leases.iter().enumerate() {
        let chain: Option<account::Lease> = world.find(&one.keys.lease);
        same!(format!("lease {at} open"), chain.is_some(), one.open);
        let reservation: Option<account::Reservation> = world.find(&keys::reservation(&one.keys.lease));
        let bound = reservation.is_some_and(|reservation| reservation.header.state == account::ACTIVE);
        same!(format!("reservation {at} open"), bound, one.open && !one.released);
        if let Some(chain) = chain {
            same!(format!("lease {at}"), chain.rules(), Ok(one.rules));
            same!(format!("lease {at} due"), chain.header.due_ts, one.rules.due().0);
            same!(format!("stake {at}"), (chain.stake, chain.awarded_ts), (one.stake.0, one.awarded_ts));
            let left = reservation.map_or(0, |reservation| reservation.amount);
            same!(format!("reservation {at}"), left, one.reservation.0);
            same!(format!("released {at}"), chain.released == 1, one.released);
            supervision::compare(world, one, &chain).map_err(|wrong| format!("lease {at}: {wrong}"))?;
        }
    }
    Ok(())
}
