//! docs/ACCOUNTS.md says what the programs do: sizes, rent, states, and who writes what.

use std::collections::{BTreeMap, BTreeSet};

use gridlease_sdk::account::{self, Kind};
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_tests::idl::programs;
use gridlease_tests::svm::World;
use solana_pubkey::Pubkey;

use crate::story;

const DOCUMENT: &str = include_str!("../../../docs/ACCOUNTS.md");

/// The rows of the table `name`, cell by cell.
fn table(name: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = DOCUMENT.split_once(&format!("<!-- accounts: {name} -->\n")).expect("the table is there");
    let (table, _) = rest.split_once("<!-- end of accounts -->").expect("the table has an end");
    table.lines().skip(2).map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// Title in the document, program, and bytes without a tail as the SDK has them.
fn known() -> Vec<(&'static str, Pubkey, &'static str, usize)> {
    fn row<T: Kind>(title: &'static str, name: &'static str) -> (&'static str, Pubkey, &'static str, usize) {
        (title, T::owner(), name, account::size::<T>())
    }
    vec![
        row::<account::Config>("Config", "Config"),
        row::<account::Purse>("Purse", "Purse"),
        row::<account::Provider>("Provider", "Provider"),
        row::<account::Machine>("Machine", "Machine"),
        row::<account::Offer>("Offer", "Offer"),
        row::<account::GpuClaim>("GpuClaim", "GpuClaim"),
        row::<account::Job>("Job", "Job"),
        row::<account::Lease>("Lease", "Lease"),
        row::<account::Commitment>("Commitment (sealed bid)", "Commitment"),
        row::<account::Array>("Array", "Array"),
        row::<account::TaskGroup>("TaskGroup", "TaskGroup"),
        row::<account::PriceIndex>("PriceIndex", "PriceIndex"),
        row::<account::StakingConfig>("Config", "Config"),
        row::<account::Bond>("Bond", "Bond"),
        row::<account::Reservation>("Reservation", "Reservation"),
        row::<account::Delegation>("Delegation", "Delegation"),
        row::<account::Unbonding>("Unbonding (request to unbond)", "Unbonding"),
    ]
}

fn program_name(program: &Pubkey) -> &'static str {
    if *program == MARKET { "market" } else { "staking" }
}

#[test]
fn sizes_and_rent_in_the_document_are_the_sdk_s_and_the_chain_s() {
    let world = World::bare();
    let table = table("layout");
    let sol = |lamports: u64| format!("{}.{:09}", lamports / 1_000_000_000, lamports % 1_000_000_000);
    let declared: usize = programs().iter().map(|program| program.accounts.len()).sum();
    assert_eq!(known().len(), declared, "every account type is compared");
    for (title, program, _, bytes) in known() {
        let row = table.iter().find(|row| row[0] == title && row[1] == program_name(&program));
        let row = row.unwrap_or_else(|| panic!("{title} has no row"));
        assert_eq!(row[3].split(' ').next().unwrap(), bytes.to_string(), "bytes of {title}");
        assert_eq!(row[4], sol(world.rent(bytes)), "rent of {title}");
    }
    for row in table.iter().filter(|row| row[0].contains("vault")) {
        assert_eq!((row[3], row[4].to_owned()), ("165", sol(world.rent(165))), "{}", row[0]);
    }
}

#[test]
fn whatever_an_instruction_writes_names_it_among_its_writers() {
    let recording = story::whole();
    let programs = programs();
    let writers: BTreeMap<(String, &str), BTreeSet<(Pubkey, &str)>> = table("writers")
        .into_iter()
        .map(|row| {
            let (title, program) = match row[0] {
                "Config of market" => ("Config", "market"),
                "Config of staking" => ("Config", "staking"),
                title => {
                    let known = known().into_iter().find(|(known, ..)| *known == title);
                    (title, known.map_or("", |(_, program, ..)| program_name(&program)))
                }
            };
            let (market, staking) = match row[1].split_once("staking: ") {
                Some((market, staking)) => (market.trim_end_matches("; "), staking),
                None => (row[1], ""),
            };
            let names = [(MARKET, market), (STAKING, staking)]
                .into_iter()
                .flat_map(|(program, names)| names.split(", ").map(move |name| (program, name.trim_matches('`'))));
            ((title.to_owned(), program), names.collect())
        })
        .collect();
    let (mut missing, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for write in &recording.writes {
        let (program, head) = write.instruction;
        let program_idl = &programs[usize::from(program == STAKING)];
        let instruction = program_idl.instructions.iter().find(|one| one.discriminator == head).unwrap();
        let (owner, head) = write.account;
        let owner_idl = &programs[usize::from(owner == STAKING)];
        let (name, _) = owner_idl.accounts.iter().find(|(_, one)| *one == head).unwrap();
        let (title, ..) = known().into_iter().find(|(_, of, known, _)| *of == owner && known == name).unwrap();
        let documented = &writers[&(title.to_owned(), program_name(&owner))];
        if !documented.contains(&(program, instruction.name.as_str())) {
            missing.insert(format!(
                "{title} of {}: {} of {}",
                program_name(&owner),
                instruction.name,
                program_idl.name
            ));
        }
        seen.insert(instruction.name.clone());
    }
    assert!(missing.is_empty(), "the document does not say who writes\n{missing:#?}");
    assert!(seen.len() > 70, "the story has only {} instructions that write something", seen.len());
}

#[test]
fn states_of_accounts_that_are_no_machine_are_those_of_the_document() {
    let recording = story::whole();
    let programs = programs();
    for (address, account) in &recording.accounts {
        let idl = &programs[usize::from(account.owner == STAKING)];
        let (name, _) = idl.accounts.iter().find(|(_, head)| account.data.starts_with(head)).unwrap();
        let (version, state, shard) = (account.data[8], account.data[9], account.data[10]);
        assert_eq!(version, account::VERSION, "{name} {address}");
        if account.owner == STAKING || name != "Config" {
            assert_eq!(shard, address.to_bytes()[0], "{name} {address}");
        }
        match (name.as_str(), account.owner == STAKING) {
            ("Job" | "Lease" | "Array", _) => {
                let states = table("states").into_iter().find(|row| row[0] == name).unwrap()[1];
                assert!(states.split(", ").any(|one| one.starts_with(&format!("{state} "))), "{name} {state}");
            }
            ("Offer" | "Machine" | "Reservation", _) => assert!(state == 1 || state == 2),
            ("TaskGroup", _) => assert_eq!(state, 3, "the replicas of the story's tasks"),
            ("Purse", _) | ("Config", false) => assert_eq!(state, 0, "{name} {address}"),
            _ => assert_eq!(state, 1, "{name} {address}"),
        }
    }
}
