//! A thief: somebody with a purse, a provider record, an offer, a bond, a job and a lease of its own puts them in the place of
//! others', in every combination, and signs alone. It never has more afterwards than before.

use std::collections::BTreeMap;

use gridlease_sdk::account::{Bond, Job, Lease, Offer, Provider as Record, Purse};
use gridlease_sdk::address;
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use gridlease_tests::idl;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_account::Account;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use crate::fixtures;
use crate::stage::Stage;

/// The most combinations that are tried for one instruction and one signer.
const MOST: usize = 32;

/// What the thief has.
struct Thief {
    keys: Vec<Pubkey>,
    tokens: Vec<Pubkey>,
    accounts: Vec<Pubkey>,
}

impl Thief {
    /// A buyer and a provider in one hand, with a lease that runs between them and an open job.
    fn new(w: &mut World) -> Self {
        let buyer = w.buyer(50 * USDC);
        let owner = w.provider(|supply| supply.units = 4);
        let keys = w.running(&buyer, &owner, 1_200_000, |_| {});
        let posted = w.job(&buyer, |_| {});
        let vault = address::bond_vault(&owner.bond);
        let claims = w.claims_of(&owner.offer);
        Self {
            keys: vec![buyer.key.pubkey(), owner.node.pubkey(), owner.authority.pubkey()],
            tokens: vec![buyer.wallet, owner.payout, buyer.vault, vault],
            accounts: [
                vec![buyer.purse, owner.record, owner.offer, owner.bond, keys.lease, keys.job, posted],
                vec![address::reservation(&keys.lease)],
                claims.iter().map(|(hash, _)| address::gpu_claim(hash)).collect(),
            ]
            .concat(),
        }
    }

    /// Its atoms and lamports, wherever they are.
    fn wealth(&self, w: &World) -> (u64, u64) {
        let atoms = self.tokens.iter().filter(|key| w.account(key).is_some()).map(|key| w.tokens(key)).sum();
        let all = self.keys.iter().chain(&self.tokens).chain(&self.accounts);
        (atoms, all.map(|key| w.lamports(key)).sum())
    }

    /// What of its own could stand in the place of `account`.
    fn twins(&self, w: &World, account: Option<&Account>) -> Vec<Pubkey> {
        let same = |key: &&Pubkey| {
            let (Some(account), Some(own)) = (account, w.account(key)) else { return false };
            account.owner == own.owner && account.data.get(..8) == own.data.get(..8)
        };
        match account {
            Some(account) if account.owner == TOKEN_PROGRAM && account.data.len() == 165 => self.tokens.clone(),
            Some(account) if account.executable => vec![],
            Some(account) if account.data.is_empty() => vec![self.keys[0]],
            _ => self.accounts.iter().filter(same).copied().collect(),
        }
    }
}

/// Every combination of the choices, the first ones changing fastest; at most `MOST`.
fn combinations(choices: &[Vec<Pubkey>]) -> Vec<Vec<Pubkey>> {
    let mut all = vec![vec![]];
    for choice in choices.iter().rev() {
        let longer =
            |rest: &Vec<Pubkey>| choice.iter().map(|one| [&[*one], rest.as_slice()].concat()).collect::<Vec<_>>();
        all = all.iter().flat_map(longer).take(MOST).collect();
    }
    all
}

#[test]
fn whatever_of_its_own_a_thief_puts_in_place_of_others_it_signs_alone_and_has_no_more_than_before() {
    let (stage, programs) = (Stage::new(), idl::programs());
    let (mut tried, mut through) = (0, BTreeMap::new());
    for fixture in fixtures::all().into_iter().filter(|fixture| fixture.instruction != "init_config") {
        let mut scene = stage.fork();
        let case = (fixture.make)(&mut scene);
        let thief = Thief::new(&mut scene.w);
        let w = &mut scene.w;
        // A tip goes to whomever the caller names, by design: whoever turns the crank has it.
        let program = programs.iter().find(|program| program.name == fixture.program).unwrap();
        let spec = program.instructions.iter().find(|spec| spec.name == fixture.instruction).unwrap();
        let tipped = spec.accounts.iter().position(|account| account.name == "tip_to");
        for signer in &thief.keys {
            let choices: Vec<Vec<Pubkey>> = case
                .instruction
                .accounts
                .iter()
                .enumerate()
                .map(|(at, meta)| {
                    if Some(at) == tipped {
                        return vec![meta.pubkey];
                    }
                    if meta.is_signer {
                        return vec![*signer];
                    }
                    let account = w.account_or_program(&meta.pubkey);
                    let twins = thief.twins(w, account.as_ref());
                    [vec![meta.pubkey], twins].concat()
                })
                .collect();
            for accounts in combinations(&choices) {
                let mut instruction: Instruction = case.instruction.clone();
                for (meta, key) in instruction.accounts.iter_mut().zip(&accounts) {
                    meta.pubkey = *key;
                }
                tried += 1;
                let before = thief.wealth(w);
                let mut copy = None;
                if w.attempt(&instruction).is_ok() {
                    // What went through was taken back; it is done again in a copy, to see who has what.
                    let mut world = w.fork();
                    world.stop_auditing();
                    world.send(&[instruction.clone()], &[]).unwrap();
                    copy = Some(world);
                }
                let Some(copy) = copy else { continue };
                *through.entry(fixture.name()).or_insert(0) += 1;
                let after = thief.wealth(&copy);
                assert!(
                    after.0 <= before.0 && after.1 <= before.1,
                    "{} {}: the thief had {before:?} and has {after:?} by {instruction:?}",
                    fixture.program,
                    fixture.name()
                );
            }
        }
    }
    let went: usize = through.values().sum();
    println!("{tried} tried, {went} went through, of {} instructions", through.len());
    assert!(tried > 5_000 && went > 100, "{tried} tried, {went} went through");
}

#[test]
fn the_thief_s_wealth_would_show_an_atom_and_a_lamport() {
    let mut stage = Stage::new();
    let thief = Thief::new(&mut stage.w);
    let before = thief.wealth(&stage.w);
    assert!(before.0 >= 50 * USDC + 50 * USDC && before.1 > 0);
    stage.w.mint_to(&thief.tokens[0], 1);
    stage.w.airdrop(&thief.keys[2], 1);
    assert_eq!(thief.wealth(&stage.w), (before.0 + 1, before.1 + 1));
    let w = &stage.w;
    let kinds =
        (w.all::<Purse>(), w.all::<Record>(), w.all::<Offer>(), w.all::<Bond>(), w.all::<Lease>(), w.all::<Job>());
    let has = |key: &Pubkey| {
        kinds.0.contains_key(key)
            || kinds.1.contains_key(key)
            || kinds.2.contains_key(key)
            || kinds.3.contains_key(key)
            || kinds.4.contains_key(key)
            || kinds.5.contains_key(key)
    };
    assert_eq!(thief.accounts.iter().filter(|key| has(key)).count(), 7, "one of each kind, and two jobs");
}
