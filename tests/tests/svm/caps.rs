//! R29: what an unproven market may hold of anybody's.

use gridlease_core::limits::{BOND_CAP, GOVERNANCE_DELAY, JOB_CAP, PURSE_CAP};
use gridlease_sdk::account::{Bond, Config, Purse, StakingConfig};
use gridlease_sdk::address;
use gridlease_sdk::instruction::governance::ChangeArgs;
use gridlease_sdk::instruction::{array, governance, purse, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::arrays::shape;
use gridlease_tests::svm::parties::USDC;
use gridlease_tests::svm::steps::job_args;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// Lowers all three.
fn lower(w: &mut World, purse: u64, job: u64, bond: u64) {
    let admin = w.admin.insecure_clone();
    let lowered = w.ok(&[governance::lower_caps(&admin.pubkey(), purse, job)], &[&admin]);
    assert_eq!(lowered.told(), ["CapsLowered"]);
    assert_eq!(w.ok(&[stake::lower_cap(&admin.pubkey(), bond)], &[&admin]).told(), ["ConfigWritten"]);
}

#[test]
fn r29_a_purse_a_job_an_array_and_a_bond_go_up_to_their_cap_and_not_an_atom_further() {
    let mut w = World::new();
    let (buyer, owner) = (w.buyer(9 * USDC), w.pool(20 * USDC, 0));
    // A job of the tests reserves 3.60 USDC.
    lower(&mut w, 10 * USDC, 3_600_000, 30 * USDC);
    let (key, wallet) = (buyer.key.pubkey(), buyer.wallet);
    w.mint_to(&wallet, 10 * USDC);
    let deposit = |amount| purse::deposit(&key, &key, &wallet, amount);
    assert_eq!(w.refuse(deposit(USDC + 1), &[&buyer.key]), "market PurseCap");
    w.ok(&[deposit(USDC)], &[&buyer.key]);
    let (post, _) = w.post(&buyer, |args| args.max_duration_s = 7_201);
    assert_eq!(w.refuse(post, &[&buyer.key]), "market JobCap");
    let job = w.job(&buyer, |_| {});
    let two = array::post(&key, w.next_number(), array::ArrayShape { budget: 3_600_001, ..shape() }, job_args());
    assert_eq!(w.refuse(two, &[&buyer.key]), "market JobCap");

    let (from, authority) = (owner.payout, owner.authority.insecure_clone());
    w.mint_to(&from, 20 * USDC);
    let add = |amount| stake::add_stake(&authority.pubkey(), &from, amount);
    assert_eq!(w.refuse(add(10 * USDC + 1), &[&authority]), "staking BondCap");
    w.ok(&[add(6 * USDC)], &[&authority]);
    let (backer, its) = w.wallet(20 * USDC);
    let open = |amount| stake::open_delegation(&backer.pubkey(), &owner.bond, &its, &its, amount);
    assert_eq!(w.refuse(open(4 * USDC + 1), &[&backer]), "staking BondCap", "its delegators' included");
    w.ok(&[open(3 * USDC)], &[&backer]);
    let more = |amount| stake::delegate(&backer.pubkey(), &owner.bond, &its, amount);
    assert_eq!(w.refuse(more(USDC + 1), &[&backer]), "staking BondCap");
    w.ok(&[more(USDC)], &[&backer]);
    assert_eq!(w.read::<Bond>(&owner.bond).amount, 30 * USDC);
    w.ok(&[gridlease_sdk::instruction::job::cancel(&key, &job)], &[&buyer.key]);
}

#[test]
fn r29_a_cap_is_lowered_at_once_and_raised_like_every_change_and_what_is_above_it_comes_back_and_goes_out() {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    let buyer = w.buyer(50 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.running(&buyer, &owner, 1_800_000, |_| {});
    lower(&mut w, USDC, USDC, USDC);
    let raised = |purse, job| governance::lower_caps(&admin.pubkey(), purse, job);
    for (purse, job) in [(USDC + 1, USDC), (USDC, USDC + 1)] {
        assert_eq!(w.refuse(raised(purse, job), &[&admin]), "market RaisesCap");
    }
    assert_eq!(w.refuse(raised(0, 1), &[&admin]), "market ParameterOutOfBounds");
    assert_eq!(w.refuse(stake::lower_cap(&admin.pubkey(), USDC + 1), &[&admin]), "staking RaisesCap");
    assert_eq!(w.refuse(stake::lower_cap(&admin.pubkey(), 0), &[&admin]), "staking ParameterOutOfBounds");
    let thief = w.person();
    assert_eq!(w.refuse(governance::lower_caps(&thief.pubkey(), 1, 1), &[&thief]), "market NotAdmin");
    assert_eq!(w.refuse(stake::lower_cap(&thief.pubkey(), 1), &[&thief]), "staking WrongAdmin");

    // A refund into a purse above its cap is a refund.
    w.pass(100);
    w.stop(&buyer, &keys);
    w.wind_up(&buyer, &keys);
    let balance = w.read::<Purse>(&buyer.purse).balance;
    assert!(balance > 49 * USDC);
    let key = buyer.key.pubkey();
    w.ok(&[purse::withdraw(&key, &buyer.wallet, 10 * USDC)], &[&buyer.key]);
    assert_eq!(w.refuse(purse::deposit(&key, &key, &buyer.wallet, 1), &[&buyer.key]), "market PurseCap");

    let change = ChangeArgs {
        verifier: Pubkey::default(),
        slot_ms: 400,
        fee_bps: 200,
        purse_cap: 2 * PURSE_CAP.0,
        job_cap: 2 * JOB_CAP.0,
    };
    let slashers = [address::market_authority(), Pubkey::default(), Pubkey::default(), Pubkey::default()];
    let propose = [
        governance::propose_change(&admin.pubkey(), &w.treasury, change),
        stake::propose_config(&admin.pubkey(), &w.insurance, slashers, 2 * BOND_CAP.0),
    ];
    w.ok(&propose, &[&admin]);
    w.pass(GOVERNANCE_DELAY.0);
    let caps: Config = w.read(&address::market_config());
    assert_eq!((caps.purse_cap, caps.job_cap), (USDC, USDC), "not before it is executed");
    w.ok(&[governance::execute_change(&w.treasury), stake::execute_config(&w.insurance)], &[]);
    let caps: Config = w.read(&address::market_config());
    assert_eq!((caps.purse_cap, caps.job_cap), (2 * PURSE_CAP.0, 2 * JOB_CAP.0));
    assert_eq!(w.read::<StakingConfig>(&address::staking_config()).bond_cap, 2 * BOND_CAP.0);
    w.ok(&[purse::deposit(&key, &key, &buyer.wallet, 1)], &[&buyer.key]);
}

#[test]
fn r29_a_configuration_of_the_first_edition_has_the_genesis_caps() {
    let mut w = World::new();
    w.edit_as::<Config>(&address::market_config(), |config| (config.purse_cap, config.job_cap) = (0, 0));
    w.edit_as::<StakingConfig>(&address::staking_config(), |config| config.bond_cap = 0);
    let buyer = w.buyer(PURSE_CAP.0);
    let key = buyer.key.pubkey();
    w.mint_to(&buyer.wallet, 1);
    assert_eq!(w.refuse(purse::deposit(&key, &key, &buyer.wallet, 1), &[&buyer.key]), "market PurseCap");
    let owner = w.provider(|supply| supply.stake = BOND_CAP.0);
    w.mint_to(&owner.payout, 1);
    let add = stake::add_stake(&owner.authority.pubkey(), &owner.payout, 1);
    assert_eq!(w.refuse(add, &[&owner.authority]), "staking BondCap");
}
