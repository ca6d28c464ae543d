//! The staking program by itself: what a person sends, and what only the market's PDA may.

use anchor_lang::{InstructionData, ToAccountMetas};
use gridlease_sdk::account::VERSION as ACCOUNT_VERSION;
use gridlease_sdk::account::{Bond, RELEASED, Reservation, StakingConfig};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM, stake};
use gridlease_sdk::program::staking::client::{accounts, args};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Provider, USDC};
use gridlease_tests::svm::pools::{claimant, slash_call};
use solana_instruction::{AccountMeta, Instruction};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::{TOKEN_2022, swapped, unsigned};

/// A call of the market's: everything that the staking program is told.
struct Call {
    bond: Pubkey,
    lease: Pubkey,
    slasher: Pubkey,
    rent_to: Pubkey,
    insurance: Pubkey,
}

impl Call {
    fn new(world: &World, owner: &Provider, lease: Pubkey) -> Self {
        Self {
            bond: owner.bond,
            lease,
            slasher: address::market_authority(),
            rent_to: owner.offer,
            insurance: world.insurance,
        }
    }

    fn build(accounts: &impl ToAccountMetas, args: &impl InstructionData) -> Instruction {
        Instruction { program_id: STAKING, accounts: accounts.to_account_metas(None), data: args.data() }
    }

    fn reserve(&self, amount: u64) -> Instruction {
        let accounts = accounts::Reserve {
            bond: self.bond,
            reservation: address::reservation(&self.lease),
            slasher: self.slasher,
            config: address::staking_config(),
            lease: self.lease,
            rent_to: self.rent_to,
            system_program: SYSTEM_PROGRAM,
            event_authority: address::event_authority(&STAKING),
            program: STAKING,
        };
        Self::build(&accounts, &args::Reserve { amount })
    }

    fn release(&self) -> Instruction {
        let accounts = accounts::Release {
            bond: self.bond,
            reservation: address::reservation(&self.lease),
            slasher: self.slasher,
            rent_to: self.rent_to,
            event_authority: address::event_authority(&STAKING),
            program: STAKING,
        };
        Self::build(&accounts, &args::Release {})
    }

    /// Claims `claimed` for somebody, and slashes the rest for the insurance fund.
    fn slash(&self, claimed: u64, insurance: u64) -> Instruction {
        let slash = slash_call(&self.bond, &self.lease, &self.insurance, claimed, insurance);
        swapped(&slash, &address::market_authority(), self.slasher)
    }
}

/// Sends an instruction in a world that checks no signature.
fn forged(w: &mut World, instruction: Instruction) -> String {
    match w.send(&[instruction], &[]) {
        Ok(_) => "ok".to_owned(),
        Err(refused) => refused.to_string(),
    }
}

/// Reserves stake as the market would, which pays in the rent.
fn reserved(w: &mut World, owner: &Provider, amount: u64) -> Pubkey {
    let lease = w.key().pubkey();
    let rent = w.rent(8 + size_of::<Reservation>());
    w.airdrop(&address::reservation(&lease), rent);
    let reserve = Call::new(w, owner, lease).reserve(amount);
    assert_eq!(forged(w, reserve), "ok");
    lease
}

#[test]
fn a_bond_is_opened_once_by_its_authority_for_the_configured_mint() {
    let mut w = World::new();
    let (authority, _) = w.wallet(0);
    let key = authority.pubkey();
    let other = w.other_mint(6, TOKEN_PROGRAM);
    let new = w.other_mint(6, TOKEN_2022);
    let stranger = w.person();
    let open = stake::open_bond(&key, &w.mint);
    let cases = [
        ("another mint", stake::open_bond(&key, &other), "staking WrongMint"),
        ("a mint of Token-2022", stake::open_bond(&key, &new), "staking AccountOwnedByWrongProgram"),
        ("under Token-2022", swapped(&open, &TOKEN_PROGRAM, TOKEN_2022), "staking InvalidProgramId"),
        (
            "bond of another",
            swapped(&open, &address::bond(&key), address::bond(&stranger.pubkey())),
            "staking ConstraintSeeds",
        ),
        (
            "another configuration",
            swapped(&open, &address::staking_config(), address::market_config()),
            "staking AccountOwnedByWrongProgram",
        ),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&authority]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &open, 0), "staking AccountNotSigner");
    assert_eq!(w.ok(&[open.clone()], &[&authority]).told(), ["BondOpened"]);
    assert_eq!(w.refuse(open, &[&authority]), "system 0", "there is one already");
}

#[test]
fn only_the_authority_adds_stake_and_what_is_given_otherwise_does_not_count() {
    let mut w = World::new();
    let owner = w.registered(10 * USDC);
    let other = w.registered(10 * USDC);
    let vault = address::bond_vault(&owner.bond);
    w.mint_to(&owner.payout, 100);
    let key = owner.authority.pubkey();
    let good = stake::add_stake(&key, &owner.payout, 60);
    let nine = w.other_mint(9, TOKEN_PROGRAM);
    let of_nine = w.token_account_of(nine, key, TOKEN_PROGRAM);
    w.edit(&of_nine, |data| data[64] = 100); // its amount
    let cases = [
        ("nothing", stake::add_stake(&key, &owner.payout, 0), "staking ZeroAmount"),
        ("more than there is", stake::add_stake(&key, &owner.payout, 101), "token 1"),
        ("vault of another", swapped(&good, &vault, address::bond_vault(&other.bond)), "staking WrongVault"),
        ("bond of another", swapped(&good, &owner.bond, other.bond), "staking WrongAuthority"),
        ("out of another mint", swapped(&good, &owner.payout, of_nine), "token 3"),
        ("out of the vault", swapped(&good, &owner.payout, vault), "token 4"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(w.refuse(instruction, &[&owner.authority]), reason, "{what}");
    }
    assert_eq!(unsigned(&mut w, &good, 0), "staking AccountNotSigner");
    let by_node = swapped(&good, &key, owner.node.pubkey());
    assert_eq!(w.refuse(by_node, &[&owner.node]), "staking WrongAuthority");
    w.mint_to(&vault, 1_000);
    w.ok(&[good], &[&owner.authority]);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.added_total, w.tokens(&vault)), (10 * USDC + 60, 10 * USDC + 60, 10 * USDC + 1_060));
}

#[test]
fn nobody_but_the_market_reserves_releases_or_slashes() {
    let mut w = World::new();
    let buyer = w.buyer(20 * USDC);
    let owner = w.provider(|_| {});
    let keys = w.starting(&buyer, &owner, 1_000_000, |_| {});
    let stranger = w.person();
    let by = |w: &World, slasher: Pubkey| {
        let call = Call { slasher, ..Call::new(w, &owner, keys.lease) };
        let free = Call { slasher, ..Call::new(w, &owner, buyer.purse) };
        [free.reserve(1), call.release(), call.slash(1, 0)]
    };
    let signers: [&Keypair; 3] = [&stranger, &owner.authority, &w.admin.insecure_clone()];
    for signer in signers {
        let [reserve, release, slash] = by(&w, signer.pubkey());
        assert_eq!(w.refuse(reserve, &[signer]), "staking UnknownSlasher");
        assert_eq!(w.refuse(release, &[signer]), "staking WrongSlasher");
        assert_eq!(w.refuse(slash, &[signer]), "staking WrongSlasher");
    }
    let authority = address::market_authority();
    for mut instruction in by(&w, authority) {
        instruction.accounts[2] = AccountMeta::new_readonly(authority, false);
        assert_eq!(w.refuse(instruction, &[]), "staking AccountNotSigner");
    }
}

#[test]
fn a_reservation_takes_free_stake_only_and_stands_once_for_a_lease() {
    let mut w = World::unsigned();
    w.stop_auditing(); // these leases are made up
    let owner = w.registered(10 * USDC);
    let lease = reserved(&mut w, &owner, 6 * USDC);
    let other = w.key().pubkey();
    let call = Call::new(&w, &owner, other);
    let cases = [
        ("nothing", call.reserve(0), "staking ZeroAmount"),
        ("an atom more than is free", call.reserve(4 * USDC + 1), "staking InsufficientStake"),
        ("a second time", Call::new(&w, &owner, lease).reserve(1), "staking ReservationExists"),
        (
            "rent to itself",
            Call { rent_to: address::reservation(&other), ..Call::new(&w, &owner, other) }.reserve(1),
            "staking WrongRentTo",
        ),
        (
            "another address",
            swapped(&call.reserve(1), &address::reservation(&other), address::reservation(&owner.record)),
            "staking ConstraintSeeds",
        ),
        (
            "nobody's PDA",
            Call { slasher: Pubkey::default(), ..Call::new(&w, &owner, other) }.reserve(1),
            "staking UnknownSlasher",
        ),
    ];
    for (what, instruction, reason) in cases {
        let answer = forged(&mut w, instruction);
        assert_eq!(answer, reason, "{what}");
    }
    reserved(&mut w, &owner, 4 * USDC);
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((bond.amount, bond.reserved, bond.leases), (10 * USDC, 10 * USDC, 2));
}

#[test]
fn a_slash_stays_inside_its_reservation_and_goes_only_to_the_two_it_names() {
    let mut w = World::unsigned();
    w.stop_auditing(); // these leases are made up
    let (owner, second) = (w.registered(10 * USDC), w.registered(10 * USDC));
    let lease = reserved(&mut w, &owner, 6 * USDC);
    let vault = address::bond_vault(&owner.bond);
    let of_second = address::bond_vault(&second.bond);
    let call = Call::new(&w, &owner, lease);
    let cases = [
        ("nothing", call.slash(0, 0), "staking ZeroAmount"),
        ("more than reserved", call.slash(6 * USDC, 1), "staking SlashAboveReservation"),
        ("more than 64 bits", call.slash(u64::MAX, 1), "staking Overflow"),
        ("to another insurance", swapped(&call.slash(0, 1), &w.insurance, w.treasury), "staking WrongInsurance"),
        ("out of another vault", swapped(&call.slash(1, 0), &vault, of_second), "staking WrongVault"),
        ("bond of another", swapped(&call.slash(1, 0), &owner.bond, second.bond), "staking WrongBond"),
    ];
    for (what, instruction, reason) in cases {
        let answer = forged(&mut w, instruction);
        assert_eq!(answer, reason, "{what}");
    }
    let slash = Call::new(&w, &owner, lease).slash(5 * USDC, USDC);
    assert_eq!(forged(&mut w, slash), "ok");
    let bond: Bond = w.read(&owner.bond);
    assert_eq!((w.tokens(&w.insurance), w.tokens(&vault)), (USDC, 9 * USDC));
    assert_eq!((bond.own, bond.claims_assets, bond.reserved), (4 * USDC, 5 * USDC, 0));
    let again = Call::new(&w, &owner, lease).slash(1, 0);
    assert_eq!(forged(&mut w, again), "staking SlashAboveReservation", "free stake is not touched");
    let release = Call::new(&w, &owner, lease).release();
    assert_eq!(forged(&mut w, release), "ok");
    let left: Reservation = w.read(&address::reservation(&lease));
    assert_eq!((left.header.state, left.buyer), (RELEASED, claimant()), "it stays until the claim is paid");
}

#[test]
fn a_release_goes_to_the_bond_and_the_payer_that_the_reservation_records() {
    let mut w = World::unsigned();
    w.stop_auditing(); // these leases are made up
    let (owner, second) = (w.registered(10 * USDC), w.registered(10 * USDC));
    let lease = reserved(&mut w, &owner, 6 * USDC);
    let release = Call::new(&w, &owner, lease).release();
    let cases = [
        ("bond of another", swapped(&release, &owner.bond, second.bond), "staking WrongBond"),
        ("another slasher", swapped(&release, &address::market_authority(), owner.record), "staking WrongSlasher"),
        ("rent to another", swapped(&release, &owner.offer, w.treasury), "staking WrongRentTo"),
    ];
    for (what, instruction, reason) in cases {
        assert_eq!(forged(&mut w, instruction), reason, "{what}");
    }
    let rent = w.lamports(&address::reservation(&lease));
    assert_eq!(forged(&mut w, release.clone()), "ok");
    assert_eq!(w.lamports(&owner.offer), rent);
    assert_eq!(w.read::<Bond>(&owner.bond).reserved, 0);
    assert_eq!(forged(&mut w, release), "staking AccountOwnedByWrongProgram", "it is gone");
}

#[test]
fn r13_what_was_reserved_is_finished_even_when_the_configuration_names_the_slasher_no_more() {
    let mut w = World::unsigned();
    w.stop_auditing(); // this lease is made up
    let owner = w.registered(10 * USDC);
    let lease = reserved(&mut w, &owner, 6 * USDC);
    w.edit_as::<StakingConfig>(&address::staking_config(), |config| config.slashers[0] = MARKET);
    let call = Call::new(&w, &owner, lease);
    let (slash, release) = (call.slash(1, 0), call.release());
    assert_eq!(forged(&mut w, slash), "ok", "nor is a fault");
    assert_eq!(forged(&mut w, release), "ok", "an exit is never blocked");
}

#[test]
fn accounts_of_another_layout_version_are_refused() {
    let mut w = World::unsigned();
    w.stop_auditing(); // this lease is made up
    let owner = w.registered(10 * USDC);
    w.mint_to(&owner.payout, 100);
    let lease = reserved(&mut w, &owner, 6 * USDC);
    let call = Call::new(&w, &owner, lease);
    let (slash, release) = (call.slash(1, 0), call.release());
    let add = stake::add_stake(&owner.authority.pubkey(), &owner.payout, 1);
    let open = |w: &mut World| {
        let (authority, _) = w.wallet(0);
        stake::open_bond(&authority.pubkey(), &w.mint)
    };
    let version = |w: &mut World, key: &Pubkey, version: u8| w.edit(key, |data| data[8] = version);
    version(&mut w, &owner.bond, ACCOUNT_VERSION + 1);
    for instruction in [slash.clone(), release.clone(), add] {
        assert_eq!(forged(&mut w, instruction), "staking WrongVersion");
    }
    version(&mut w, &owner.bond, ACCOUNT_VERSION);
    version(&mut w, &address::reservation(&lease), ACCOUNT_VERSION + 1);
    for instruction in [slash.clone(), release] {
        assert_eq!(forged(&mut w, instruction), "staking WrongVersion");
    }
    version(&mut w, &address::reservation(&lease), ACCOUNT_VERSION);
    version(&mut w, &address::staking_config(), ACCOUNT_VERSION + 1);
    let open = open(&mut w);
    for instruction in [slash, open] {
        assert_eq!(forged(&mut w, instruction), "staking WrongVersion");
    }
}

#[test]
fn a_zero_key_is_no_slasher() {
    let mut w = World::bare();
    let admin = w.admin.insecure_clone();
    let mut init = stake::init_config(&admin.pubkey(), &w.mint, &w.insurance);
    init.data[8..40].fill(0);
    assert_eq!(w.refuse(init, &[&admin]), "staking ZeroKey");
}
