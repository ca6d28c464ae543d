//! Errors of pools: delegating, earning, leaving.

use gridlease_core::limits::{MAX_DELEGATORS, MAX_REQUESTS, UNBONDING_TIME};
use gridlease_sdk::instruction::stake;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("staking PoolClosed", pool_closed),
    ("staking OwnDelegation", own_delegation),
    ("staking OperatorShareTooSmall", operator_share_too_small),
    ("staking TooManyDelegators", too_many_delegators),
    ("staking DelegationTooSmall", delegation_too_small),
    ("staking CommissionOutOfBounds", commission_out_of_bounds),
    ("staking MinimumOutOfBounds", minimum_out_of_bounds),
    ("staking PoolSpent", pool_spent),
    ("staking TooManyRequests", too_many_requests),
    ("staking NotMatured", not_matured),
    ("staking StakeBound", stake_bound),
    ("staking NothingToClaim", nothing_to_claim),
    ("staking PositionTooSmall", position_too_small),
];

#[test]
fn the_errors_of_pools_come_as_they_are_named() {
    play(ALL);
}

/// The refusal of a pool with `commission` and the least delegation `minimum`.
fn refused(commission: u16, minimum: u64) -> String {
    let mut w = World::new();
    let owner = w.registered(10 * USDC);
    let open = stake::open_pool(&owner.authority.pubkey(), &w.mint, &owner.payout, commission, minimum, USDC);
    w.refuse(open, &[&owner.authority])
}

fn commission_out_of_bounds() -> String {
    refused(3_001, USDC)
}

fn minimum_out_of_bounds() -> String {
    refused(0, USDC - 1)
}

fn pool_closed() -> String {
    let mut w = World::new();
    let owner = w.registered(10 * USDC);
    w.refuse(stake::distribute(&owner.bond), &[])
}

fn own_delegation() -> String {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    w.mint_to(&owner.payout, USDC);
    let own = stake::open_delegation(&owner.authority.pubkey(), &owner.bond, &owner.payout, &owner.payout, USDC);
    w.refuse(own, &[&owner.authority])
}

/// The refusal of a delegation of `amount` to an operator with ten USDC of its own.
fn delegated(amount: u64) -> String {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    let (key, wallet) = w.wallet(amount);
    w.refuse(stake::open_delegation(&key.pubkey(), &owner.bond, &wallet, &wallet, amount), &[&key])
}

fn operator_share_too_small() -> String {
    delegated(40 * USDC + 1)
}

fn delegation_too_small() -> String {
    delegated(USDC - 1)
}

fn too_many_delegators() -> String {
    let mut w = World::new();
    let owner = w.pool(100 * USDC, 0);
    for _ in 0..MAX_DELEGATORS {
        w.delegator(&owner, USDC);
    }
    let (late, wallet) = w.wallet(USDC);
    w.refuse(stake::open_delegation(&late.pubkey(), &owner.bond, &wallet, &wallet, USDC), &[&late])
}

/// A slash took all of the delegated stake; shares of nothing cannot be bought.
fn pool_spent() -> String {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(10 * USDC, 0);
    let backer = w.delegator(&owner, 10 * USDC);
    let lease = w.reserve(&owner, 20 * USDC);
    w.slash(&owner, &lease, 0, 20 * USDC);
    w.mint_to(&owner.payout, 50 * USDC);
    w.ok(&[stake::add_stake(&owner.authority.pubkey(), &owner.payout, 50 * USDC)], &[]);
    w.refuse(stake::delegate(&backer.key.pubkey(), &backer.bond, &backer.wallet, USDC), &[])
}

fn too_many_requests() -> String {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    let backer = w.delegator(&owner, 20 * USDC);
    for _ in 0..MAX_REQUESTS {
        w.undelegate(&backer, USDC);
    }
    let (more, _) = w.undelegation_of(&backer, USDC);
    w.refuse(more, &[&backer.key])
}

fn not_matured() -> String {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    let number = w.unbond(&owner, USDC);
    w.pass(UNBONDING_TIME.0 - 1);
    w.refuse(w.withdrawal_of_stake(&owner, number), &[])
}

fn stake_bound() -> String {
    let mut w = World::unsigned();
    w.make_leases_up();
    let owner = w.pool(10 * USDC, 0);
    w.reserve(&owner, 10 * USDC);
    let number = w.unbond(&owner, 10 * USDC);
    w.pass(UNBONDING_TIME.0);
    w.refuse(w.withdrawal_of_stake(&owner, number), &[])
}

fn nothing_to_claim() -> String {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    w.refuse(stake::claim_commission(&owner.bond, &owner.payout), &[])
}

fn position_too_small() -> String {
    let mut w = World::new();
    let owner = w.pool(10 * USDC, 0);
    let unbond = stake::unbond(&owner.authority.pubkey(), &owner.payout, 10 * USDC + 1, 0);
    w.refuse(unbond, &[&owner.authority])
}
