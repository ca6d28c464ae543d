//! Everything that can be wrong with the accounts of one instruction, each wrong alone.

use std::collections::{BTreeMap, BTreeSet};

use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::supervision::SLOT_HASHES;
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM};
use gridlease_tests::idl::{self, Program, Seed};
use gridlease_tests::svm::World;
use solana_account::Account;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::stage::{Case, Stage, TOKEN_2022};

/// Where the bump stands in every account of ours: behind the discriminator, version, state and shard.
const BUMP_AT: usize = 8 + 3;

/// One thing that was wrong, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// The fixture.
    pub fixture: String,
    /// The account.
    pub account: String,
    /// What was wrong with it.
    pub mutation: String,
    /// The refusal, or "ok", or "ok, nothing changed".
    pub result: String,
}

/// One instruction under examination.
pub struct Examination<'a> {
    fixture: String,
    stage: Stage,
    case: Case,
    program: &'a Program,
    programs: &'a [Program],
    accounts: Vec<String>,
    names: BTreeMap<Pubkey, String>,
    rows: Vec<Row>,
}

impl<'a> Examination<'a> {
    /// Sets the scene, and sees that the instruction is what the IDL says and succeeds as it is.
    pub fn new(
        fixture: String,
        mut stage: Stage,
        make: fn(&mut Stage) -> Case,
        programs: &'a [Program],
        program: &'a Program,
        spec: &idl::Instruction,
    ) -> Self {
        let case = make(&mut stage);
        stage.w.stop_auditing();
        let mut accounts: Vec<_> = spec.accounts.iter().map(|account| account.name.clone()).collect();
        accounts.extend(case.extra.iter().map(|name| (*name).to_owned()));
        assert_eq!(case.instruction.accounts.len(), accounts.len(), "{fixture}: accounts of the instruction");
        assert_eq!(case.instruction.program_id, program.id, "{fixture}: program");
        assert_eq!(case.instruction.data[..8], spec.discriminator, "{fixture}: it is another instruction");
        for (meta, account) in case.instruction.accounts.iter().zip(&spec.accounts) {
            let name = format!("{fixture}: {}", account.name);
            let absent = account.optional && meta.pubkey == program.id;
            assert!(absent || meta.is_signer == account.signer, "{name}: signer, by SDK and IDL");
            assert!(absent || meta.is_writable == account.writable, "{name}: writable, by SDK and IDL");
            assert!(account.address.is_none_or(|address| address == meta.pubkey), "{name}: address, by SDK and IDL");
        }
        let names = stage.names();
        let mut all = Self { fixture, stage, case, program, programs, accounts, names, rows: Vec::new() };
        let as_it_is = all.case.instruction.clone();
        let done = all.stage.w.attempt(&as_it_is);
        let done = done.unwrap_or_else(|refused| panic!("{}: the fixture does not succeed: {refused:?}", all.fixture));
        assert!(done.changed, "{}: the fixture's instruction changes nothing", all.fixture);
        all
    }

    /// Everything that can be wrong.
    pub fn rows(mut self, spec: &idl::Instruction) -> Vec<Row> {
        for at in 0..self.accounts.len() {
            self.flags(at);
            self.addresses(at);
            self.contents(at);
            self.bump(at, spec);
            self.duplicates(at);
        }
        self.rows
    }

    fn note(&mut self, at: usize, mutation: String, result: String) {
        let (fixture, account) = (self.fixture.clone(), self.accounts[at].clone());
        self.rows.push(Row { fixture, account, mutation, result });
    }

    fn send(world: &mut World, instruction: &Instruction) -> String {
        match world.attempt(instruction) {
            Ok(tried) if tried.changed => "ok".to_owned(),
            Ok(_) => "ok, nothing changed".to_owned(),
            Err(refused) => refused.to_string(),
        }
    }

    fn with_meta(&mut self, at: usize, mutation: &str, change: impl FnOnce(&mut solana_instruction::AccountMeta)) {
        let mut instruction = self.case.instruction.clone();
        change(&mut instruction.accounts[at]);
        let result = Self::send(&mut self.stage.w, &instruction);
        self.note(at, mutation.to_owned(), result);
    }

    fn flags(&mut self, at: usize) {
        let meta = self.case.instruction.accounts[at].clone();
        if meta.is_signer {
            // Who signs may also pay, and stand there twice.
            let unsigned = self.case.instruction.clone();
            for other in self.case.instruction.accounts.iter_mut().filter(|other| other.pubkey == meta.pubkey) {
                other.is_signer = false;
            }
            self.with_meta(at, "not signed", |_| {});
            self.case.instruction = unsigned;
        }
        if meta.is_writable {
            self.with_meta(at, "read-only", |meta| meta.is_writable = false);
        }
    }

    /// Another account in its place: each that is of the same kind, and one that is none.
    fn addresses(&mut self, at: usize) {
        let key = self.case.instruction.accounts[at].pubkey;
        let mut others: BTreeSet<(String, Pubkey)> = BTreeSet::new();
        let name = |key: &Pubkey| self.names.get(key).cloned();
        match self.stage.w.account_or_program(&key) {
            Some(account) if account.executable => {
                let programs = [SYSTEM_PROGRAM, TOKEN_PROGRAM, TOKEN_2022, MARKET, STAKING];
                others.extend(programs.iter().map(|key| (name(key).unwrap(), *key)));
            }
            Some(account) => {
                for (other, twin) in self.stage.w.snapshot() {
                    if self.same_kind(&account, &twin) {
                        let kind = kind(self.programs, &twin);
                        // People that nobody named take no part.
                        let Some(label) = name(&other).or_else(|| kind.map(|kind| format!("another {kind}"))) else {
                            continue;
                        };
                        others.insert((label, other));
                    }
                }
            }
            None => {
                let derived = [
                    address::event_authority(&MARKET),
                    address::event_authority(&STAKING),
                    address::market_authority(),
                ];
                others.extend(derived.iter().map(|key| (name(key).unwrap(), *key)));
            }
        }
        others.insert(("an address without an account".to_owned(), Pubkey::new_from_array([77; 32])));
        for (label, other) in others.into_iter().filter(|(_, other)| *other != key) {
            self.with_meta(at, &format!("is {label}"), |meta| meta.pubkey = other);
        }
    }

    /// Are both of one kind: the same type of account, whatever program owns it?
    fn same_kind(&self, one: &Account, other: &Account) -> bool {
        let ours = |account: &Account| account.owner == MARKET || account.owner == STAKING;
        if ours(one) {
            return ours(other) && one.data.get(..8) == other.data.get(..8);
        }
        let token = |account: &Account| account.owner == TOKEN_PROGRAM || account.owner == TOKEN_2022;
        if token(one) {
            return token(other) && one.data.len() == other.data.len();
        }
        one.owner == other.owner && one.data.len() == other.data.len()
    }

    /// The right address, with something wrong behind it.
    fn contents(&mut self, at: usize) {
        let key = self.case.instruction.accounts[at].pubkey;
        let Some(account) = self.stage.w.account_or_program(&key) else {
            if self.case.instruction.accounts[at].is_writable {
                let lamports = self.stage.w.rent(8);
                let there = Account { lamports, data: vec![0; 8], owner: self.program.id, ..Account::default() };
                self.with_account(at, "there already", there);
            }
            return;
        };
        // Nobody but the runtime writes a sysvar, and the test VM takes no wrong one.
        if account.executable || key == SLOT_HASHES {
            return;
        }
        let foreign = if account.owner == TOKEN_PROGRAM {
            TOKEN_2022
        } else if account.owner == STAKING {
            MARKET
        } else {
            STAKING
        };
        self.with_account(at, "owned by another program", Account { owner: foreign, ..account.clone() });
        let length = account.data.len();
        if length > 0 {
            let cut = |to: usize| Account { data: account.data[..to].to_vec(), ..account.clone() };
            self.with_account(at, "one byte short", cut(length - 1));
            self.with_account(at, "cut to 8 bytes", cut(8.min(length)));
            self.with_account(at, "empty", cut(0));
        }
        let programs = self.programs;
        let Some(owner) = programs.iter().find(|program| program.id == account.owner) else { return };
        let mut results = BTreeSet::new();
        for (_, discriminator) in owner.accounts.iter().filter(|(_, other)| !account.data.starts_with(other)) {
            let mut posing = account.clone();
            posing.data[..8].copy_from_slice(discriminator);
            results.insert(self.result_with(at, posing));
        }
        self.note(
            at,
            "with another type's discriminator".to_owned(),
            results.into_iter().collect::<Vec<_>>().join(" or "),
        );
        let mut bumped = account;
        bumped.data[BUMP_AT] = bumped.data[BUMP_AT].wrapping_sub(1);
        self.with_account(at, "with another bump stored", bumped);
    }

    fn with_account(&mut self, at: usize, mutation: &str, account: Account) {
        let result = self.result_with(at, account);
        self.note(at, mutation.to_owned(), result);
    }

    fn result_with(&mut self, at: usize, account: Account) -> String {
        let key = self.case.instruction.accounts[at].pubkey;
        let before = self.stage.w.account(&key);
        self.stage.w.put(key, account);
        let result = Self::send(&mut self.stage.w, &self.case.instruction);
        self.stage.w.put_back(key, before);
        result
    }

    /// A derived address found with a bump below the canonical one.
    fn bump(&mut self, at: usize, spec: &idl::Instruction) {
        let Some((seeds, program)) = self.seeds(at, spec) else { return };
        let key = self.case.instruction.accounts[at].pubkey;
        let seeds: Vec<&[u8]> = seeds.iter().map(Vec::as_slice).collect();
        let (canonical, bump) = Pubkey::find_program_address(&seeds, &program);
        assert_eq!(canonical, key, "{}: the seeds of {} are others", self.fixture, self.accounts[at]);
        let other = (0..bump).rev().find_map(|bump| {
            let bump = [bump];
            let seeds: Vec<&[u8]> = seeds.iter().copied().chain([&bump[..]]).collect();
            Pubkey::create_program_address(&seeds, &program).ok()
        });
        let Some(other) = other else { return };
        self.with_meta(at, "found with a bump that is not canonical", |meta| meta.pubkey = other);
    }

    fn seeds(&self, at: usize, spec: &idl::Instruction) -> Option<(Vec<Vec<u8>>, Pubkey)> {
        if let Some((_, seeds, program)) = self.case.seeds.iter().find(|(name, ..)| *name == self.accounts[at]) {
            return Some((seeds.clone(), *program));
        }
        let key = self.case.instruction.accounts[at].pubkey;
        for program in [MARKET, STAKING] {
            if key == address::event_authority(&program) {
                return Some((vec![b"__event_authority".to_vec()], program));
            }
        }
        if key == address::market_authority() {
            return Some((vec![b"authority".to_vec()], MARKET));
        }
        let pda = spec.accounts.get(at)?.pda.as_ref()?;
        let seeds = pda.seeds.iter().map(|seed| match seed {
            Seed::Const(bytes) => Some(bytes.clone()),
            Seed::Arg(name) => spec.arg(name, &self.case.instruction.data).map(<[u8]>::to_vec),
            Seed::Account(name) => {
                let place = self.accounts.iter().position(|account| account == name)?;
                Some(self.case.instruction.accounts[place].pubkey.to_bytes().to_vec())
            }
        });
        Some((seeds.collect::<Option<_>>()?, pda.program.unwrap_or(self.program.id)))
    }

    /// The same account passed for two that are both written.
    fn duplicates(&mut self, at: usize) {
        let metas = self.case.instruction.accounts.clone();
        let owner = |key: &Pubkey| self.stage.w.account(key).map(|account| account.owner);
        let mut pairs = Vec::new();
        for (other, meta) in metas.iter().enumerate() {
            let both = meta.is_writable && metas[at].is_writable && meta.pubkey != metas[at].pubkey;
            if both && owner(&meta.pubkey).is_some() && owner(&meta.pubkey) == owner(&metas[at].pubkey) {
                pairs.push((other, meta.pubkey));
            }
        }
        for (other, key) in pairs {
            let label = format!("is the account of `{}`", self.accounts[other]);
            self.with_meta(at, &label, |meta| meta.pubkey = key);
        }
    }
}

/// The type of an account of ours.
fn kind(programs: &[Program], account: &Account) -> Option<String> {
    let program = programs.iter().find(|program| program.id == account.owner)?;
    let (name, _) = program.accounts.iter().find(|(_, discriminator)| account.data.starts_with(discriminator))?;
    Some(name.clone())
}
