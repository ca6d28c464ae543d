//! Bonds on the chain: the instructions of their pools, and what their accounts hold.

use gridlease_core::{Atoms, UnixTs};
use gridlease_sdk::account;
use gridlease_sdk::instruction::{TOKEN_PROGRAM, stake};
use gridlease_tests::svm::World;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use spl_token_interface::instruction as token;

use super::{keys, signed_by};
use crate::command::pools::{PoolStep, To};
use crate::model::Model;
use crate::model::claims::Claim;
use crate::model::pools::{Holding, Pool, Request, Stake};

/// The instruction of a step; `None` where it makes no sense.
pub fn build(world: &World, model: &Model, provider: usize, step: &PoolStep) -> Option<Instruction> {
    let owner = &model.providers[provider];
    let (authority, bond, pool) = (owner.authority, owner.bond_key, owner.bond.and_then(|stake| stake.pool));
    let who = |by, right: Pubkey| model.signer(by, right);
    let own = |to: To| model.account(provider, to, owner.payout);
    let holding = |holder: usize| owner.holdings.delegations.get(&holder);
    let mint = |to: Pubkey, amount: u64| {
        model.tokens.get(&to)?;
        let minter = world.mint_authority.pubkey();
        token::mint_to(&TOKEN_PROGRAM, &world.mint, &to, &minter, &[], amount).ok()
    };
    Some(match *step {
        PoolStep::Endow { amount } => mint(owner.bond_vault, amount)?,
        PoolStep::Earn { amount } => mint(owner.holdings.revenue, amount)?,
        PoolStep::Open { by, terms } => {
            let open =
                stake::open_pool(&authority, &world.mint, &own(terms.to)?, terms.commission, terms.least, terms.least);
            signed_by(open, who(by, authority))
        }
        PoolStep::Change { by, terms } => {
            let change = stake::change_pool(&authority, &own(terms.to)?, terms.commission, terms.least, terms.least);
            signed_by(change, who(by, authority))
        }
        PoolStep::Join { holder, by, amount, to } => {
            let (key, wallet) = (model.holder(holder), model.wallet(holder));
            let destination = model.account(provider, to, wallet)?;
            signed_by(stake::open_delegation(&key, &bond, &wallet, &destination, amount), who(by, key))
        }
        PoolStep::Delegate { holder, by, amount } => {
            let key = model.holder(holder);
            signed_by(stake::delegate(&key, &bond, &model.wallet(holder), amount), who(by, key))
        }
        PoolStep::Undelegate { holder, by, amount, to, number_off } => {
            let key = model.holder(holder);
            let right = holding(holder).map_or(model.wallet(holder), |holding| holding.destination);
            let number = holding(holder).map_or(0, |holding| holding.next_number);
            let number = number.saturating_add_signed(number_off.into());
            let destination = model.account(provider, to, right)?;
            stake::undelegate(&who(by, key), &bond, &key, &destination, amount, number)
        }
        PoolStep::Unbond { by, amount, to, number_off } => {
            let number = owner.bond.map_or(0, |stake| stake.next_number).saturating_add_signed(number_off.into());
            signed_by(stake::unbond(&authority, &own(to)?, amount, number), who(by, authority))
        }
        PoolStep::WithdrawDelegation { holder, at, signed, to } => {
            let key = model.holder(holder);
            let request = owner.holdings.request(Some(holder), at).map(|place| owner.holdings.requests[place]);
            let (number, right, rent_to) = told(request, model.wallet(holder), key);
            let destination = model.account(provider, to, right)?;
            let withdraw = stake::withdraw_delegation(&bond, &key, number, &destination, &rent_to);
            if signed { owner_signs(withdraw) } else { withdraw }
        }
        PoolStep::WithdrawStake { at, signed, to } => {
            let request = owner.holdings.request(None, at).map(|place| owner.holdings.requests[place]);
            let (number, right, rent_to) = told(request, owner.payout, authority);
            let destination = model.account(provider, to, right)?;
            let withdraw = stake::withdraw_stake(&bond, &authority, number, &destination, &rent_to);
            if signed { owner_signs(withdraw) } else { withdraw }
        }
        PoolStep::Distribute => stake::distribute(&bond),
        PoolStep::ClaimRevenue { holder, signed, to } => {
            let key = model.holder(holder);
            let right = holding(holder).map_or(model.wallet(holder), |holding| holding.destination);
            let claim = stake::claim_revenue(&bond, &key, &model.account(provider, to, right)?);
            if signed { owner_signs(claim) } else { claim }
        }
        PoolStep::ClaimCommission { to } => {
            let right = pool.map_or(owner.payout, |pool| pool.payout);
            stake::claim_commission(&bond, &model.account(provider, to, right)?)
        }
        PoolStep::CloseDelegation { holder } => stake::close_delegation(&bond, &model.holder(holder)),
        PoolStep::Close { by, to, with_revenue } => {
            let close = stake::close_bond(&authority, &own(to)?, pool.is_some() == with_revenue);
            signed_by(close, who(by, authority))
        }
        PoolStep::PayInsurance { fund } => stake::pay_insurance(&bond, &model.fund(fund, model.staking.insurance)),
        PoolStep::PayClaim { at, to_prover, signed, to } => {
            let claim = owner.holdings.claim_at(at).map(|place| owner.holdings.claims[place])?;
            let claimant = claim.claimant(to_prover);
            let destination = model.account(provider, to, model.wallet_of(claimant)?)?;
            let offer = world.find::<account::Reservation>(&keys::reservation(&claim.lease))?.rent_to;
            let pay = stake::pay_claim(&bond, &claim.lease, &claimant, &destination, &offer);
            if signed { owner_signs(pay) } else { pay }
        }
        PoolStep::Activate { holder } => stake::activate(&bond, holder.map(|holder| model.holder(holder)).as_ref()),
        PoolStep::Sweep { by, to } => signed_by(stake::sweep_donation(&authority, &own(to)?), who(by, authority)),
    })
}

/// Number, destination and payer of the rent of a request, or what is told where there is none.
fn told(request: Option<Request>, wallet: Pubkey, owner: Pubkey) -> (u32, Pubkey, Pubkey) {
    request.map_or((0, wallet, owner), |request| (request.number, request.destination, request.rent_to))
}

/// The owner, who stands first, signs.
fn owner_signs(mut instruction: Instruction) -> Instruction {
    instruction.accounts[0].is_signer = true;
    instruction
}

/// Do bond, delegations and requests of a provider hold what the model says?
pub fn compare(world: &World, model: &Model, provider: usize) -> Result<(), String> {
    let owner = &model.providers[provider];
    let chain: Option<account::Bond> = world.find(&owner.bond_key);
    if let Some(bond) = &chain {
        same!("sums of the bond", Ok(bond.amounts()), bond.stake().bond());
        same!("places", usize::from(bond.delegators_len), owner.holdings.places.len());
        let mut marks: Vec<_> = bond.marks.iter().filter(|mark| **mark != [0; 8]).map(|mark| mark.to_vec()).collect();
        let kin = owner.holdings.kin.iter().map(|holder| model.holder(*holder).as_ref()[..8].to_vec());
        let mut kin: Vec<_> = kin.collect();
        marks.sort();
        kin.sort();
        same!("marks", marks, kin);
        let revenue = if bond.has_pool() { bond.revenue } else { owner.holdings.revenue };
        same!("revenue vault", revenue, owner.holdings.revenue);
    }
    let found = chain.map(|bond| Stake {
        totals: bond.stake(),
        slashed: bond.slashed_total,
        added: bond.added_total,
        withdrawn: bond.withdrawn_total,
        claimed: bond.claimed_total,
        insurance_owed: bond.insurance_owed,
        leases: bond.leases,
        requests: bond.requests,
        next_number: bond.next_number,
        pool: bond.has_pool().then(|| Pool {
            revenue: bond.revenue_owed(),
            commission: bond.commission(),
            least: bond.min_delegation,
            payout: bond.payout,
        }),
    });
    same!("bond", found, owner.bond);
    for (holder, holding) in &owner.holdings.delegations {
        let chain: Option<account::Delegation> = world.find(&holding.key);
        let found = chain.map(|delegation| Holding {
            key: keys::delegation(&delegation.bond, &delegation.delegator),
            rules: delegation.position(),
            owed: delegation.owed,
            entry: u128::from_le_bytes(delegation.entry),
            next_number: delegation.next_number,
            destination: delegation.destination,
        });
        same!(format!("delegation of {holder}"), found, Some(*holding));
        let placed = chain.is_some_and(|delegation| delegation.place > 0);
        same!(format!("place of {holder}"), placed, owner.holdings.places.contains(holder));
    }
    for claim in &owner.holdings.claims {
        let chain: Option<account::Reservation> = world.find(&keys::reservation(&claim.lease));
        let found = chain.map(|one| Claim {
            lease: one.lease,
            buyer: one.buyer,
            prover: one.prover,
            claimed: Atoms(one.claimed),
            shares: one.buyer_shares,
            prover_shares: one.prover_shares,
            due: UnixTs(one.header.due_ts),
            released: one.header.state == account::RELEASED,
        });
        same!("claim", found, Some(*claim));
    }
    for request in &owner.holdings.requests {
        let chain: Option<account::Unbonding> = world.find(&request.key);
        let found = chain.map(|unbonding| {
            let of_operator = unbonding.is_operators() && unbonding.owner == owner.authority;
            Request {
                key: keys::unbonding(&unbonding.bond, &unbonding.owner, unbonding.number),
                owner: if of_operator { None } else { model.people.iter().position(|key| *key == unbonding.owner) },
                number: unbonding.number,
                shares: unbonding.shares,
                matures: unbonding.matures(),
                destination: unbonding.destination,
                rent_to: unbonding.rent_to,
            }
        });
        same!("request", found, Some(*request));
    }
    Ok(())
}
