//! Seed collisions: two accounts that would share an address.

use std::collections::BTreeSet;

use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_tests::idl::{self, Seed};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_pubkey::Pubkey;

/// First seeds of addresses that the IDL does not tell of: the programs derive them inside.
const INSIDE: [(&str, &[u8]); 6] = [
    ("market", b"lease"),
    ("market", b"gpu"),
    ("market", b"group"),
    ("market", b"index"),
    ("market", b"__event_authority"),
    ("staking", b"__event_authority"),
];

/// The first seed of every kind of account of a program.
fn tags(program: &idl::Program) -> BTreeSet<Vec<u8>> {
    let pdas =
        program.instructions.iter().flat_map(|instruction| &instruction.accounts).filter_map(|one| one.pda.as_ref());
    let own = pdas.filter(|pda| pda.program.is_none_or(|of| of == program.id));
    let mut tags: BTreeSet<_> = own
        .map(|pda| match pda.seeds.first() {
            Some(Seed::Const(tag)) => tag.clone(),
            _ => panic!("an address of {} begins with no word of its own", program.name),
        })
        .collect();
    tags.extend(INSIDE.iter().filter(|(name, _)| *name == program.name).map(|(_, tag)| tag.to_vec()));
    tags
}

#[test]
fn no_kind_of_account_begins_its_seeds_as_another_does() {
    for program in &idl::programs() {
        let tags = tags(program);
        assert!(tags.len() >= 7, "{}: {tags:?}", program.name);
        for one in &tags {
            for other in tags.iter().filter(|other| *other != one) {
                // Seeds are joined before they are hashed. Where no word is the beginning of another, no two joined seeds
                // of different kinds are the same, whatever an attacker puts behind the word.
                assert!(!other.starts_with(one), "{}: {one:?} begins {other:?}", program.name);
            }
        }
    }
}

#[test]
fn every_seed_behind_the_word_has_one_length_for_its_kind() {
    for program in &idl::programs() {
        for instruction in &program.instructions {
            for account in &instruction.accounts {
                let Some(pda) = &account.pda else { continue };
                for seed in &pda.seeds[1..] {
                    // An address has 32 bytes; an argument is a number of one width or a hash, never a string or a list,
                    // whose end could be moved into the next seed.
                    if let Seed::Arg(name) = seed {
                        let known = instruction.args.iter().find(|(arg, _)| arg == name);
                        let width = known.and_then(|(_, width)| *width);
                        assert!(width.is_some(), "{}::{}: seed {name}", program.name, instruction.name);
                    }
                }
            }
        }
    }
}

#[test]
fn numbers_at_the_ends_of_their_bytes_lead_to_different_addresses() {
    let (a, b) = (Pubkey::new_from_array([1; 32]), Pubkey::new_from_array([2; 32]));
    let ends: BTreeSet<u64> =
        (0..8).flat_map(|byte| [1u64 << (8 * byte), (1u64 << (8 * byte)) - 1]).chain([u64::MAX]).collect();
    let mut all = Vec::new();
    for number in &ends {
        for of in [&a, &b] {
            all.extend([address::job(of, *number), address::array(of, *number)]);
            if let Ok(small) = u32::try_from(*number) {
                all.extend([address::offer(of, small), address::unbonding(&a, of, small)]);
            }
            if let Ok(small) = u16::try_from(*number) {
                all.push(address::task_group(of, small));
            }
            if let Ok(small) = u8::try_from(*number) {
                all.push(address::lease(of, small));
            }
        }
    }
    all.extend([
        address::commitment(&a, &b),
        address::commitment(&b, &a),
        address::delegation(&a, &b),
        address::delegation(&b, &a),
    ]);
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!(different.len(), all.len());
    for program in [MARKET, STAKING] {
        assert!(!all.contains(&address::event_authority(&program)));
    }
}

#[test]
fn a_task_s_job_a_job_of_the_purse_and_an_array_under_one_number_are_three_accounts() {
    let mut w = World::new();
    let buyer = w.buyer(100 * USDC);
    let posted = w.array(&buyer, gridlease_tests::svm::arrays::shape());
    let number = w.read::<gridlease_sdk::account::Array>(&posted).number;
    let task = w.open_task(&posted)[0];
    let addresses = BTreeSet::from([posted, task, address::job(&buyer.purse, number), address::job(&posted, number)]);
    assert_eq!(addresses.len(), 4);
    // A task's job is no job of the purse: closing it past its array is refused.
    w.cancel_array(&buyer, &posted);
    let state: gridlease_sdk::account::Job = w.read(&task);
    w.ok(&[gridlease_sdk::instruction::array::cancel_task(&task, &state)], &[]);
    let close = gridlease_sdk::instruction::job::close(&task, &buyer.purse, &state.payer);
    assert_eq!(w.refuse(close, &[]), "market TaskOfArray");
}
