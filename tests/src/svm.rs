//! The built programs in a test VM: a whole small market that audits itself after every transaction.
//!
//! [`World`] loads the same `.so` files that are deployed, makes a USDC-like mint, writes both configurations, and offers
//! every step of a job's life. Each transaction is followed by an audit: the books of every account add up
//! ([`books`]), the events alone rebuild every balance ([`ledger`]), and no token and no lamport is lost. A refused
//! transaction must leave every byte as it was.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a harness for tests: a step that goes wrong ends the test"
)]

pub mod arrays;
pub mod attempt;
pub mod books;
pub mod first_edition;
pub mod idle;
pub mod ledger;
pub mod outcome;
pub mod parties;
pub mod pools;
pub mod recording;
pub mod steps;
pub mod supervision;
#[cfg(feature = "trace")]
pub mod trace;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use gridlease_core::{Now, UnixTs, job_number};
use gridlease_migrations::{Genesis, find_program};
use gridlease_sdk::account::{Kind, decode};
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::instruction::TOKEN_PROGRAM;
use litesvm::LiteSVM;
use sha2::{Digest, Sha256};
use solana_account::{Account, ReadableAccount};
use solana_clock::Clock;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::Message;
use solana_program_pack::Pack;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use solana_transaction::Transaction;
use spl_token_interface::state::{Account as TokenAccount, AccountState, Mint};

use ledger::Ledger;
use outcome::{Done, Refused};
use recording::Recording;
#[cfg(feature = "trace")]
use trace::vm;

/// Unix time at which every world begins.
pub const GENESIS: u64 = 1_800_000_000;
/// Slot at which every world begins.
pub const GENESIS_SLOT: u64 = 1_000;
/// Lamports that every party begins with.
pub const PURSE_OF_SOL: u64 = 10_000_000_000;

/// Every account but the sysvars, as it stands.
pub type Snapshot = BTreeMap<Pubkey, Account>;

/// A market in the test VM.
pub struct World {
    svm: LiteSVM,
    keys_made: u64,
    job_numbers: u64,
    audited: bool,
    made_up: bool,
    recording: Option<Recording>,
    ledger: Ledger,
    /// Who owns which purse, so that a buyer can accept what was finished for it.
    buyers: BTreeMap<Pubkey, Keypair>,
    /// Pays the fee of every transaction that names no other payer, so that a party's lamports change by rent only.
    pub payer: Keypair,
    /// Wrote the configurations.
    pub admin: Keypair,
    /// Mints and freezes the USDC.
    pub mint_authority: Keypair,
    /// The USDC mint.
    pub mint: Pubkey,
    /// Gets its half of the fees.
    pub treasury: Pubkey,
    /// Gets the other half, and the insurance part of slashes.
    pub insurance: Pubkey,
}

/// The bytes of a built program, read once for all tests.
///
/// # Panics
/// Where the program is not built, or does not match its record.
pub fn program(name: &str) -> &'static [u8] {
    static MARKET_SO: OnceLock<Vec<u8>> = OnceLock::new();
    static STAKING_SO: OnceLock<Vec<u8>> = OnceLock::new();
    let place = if name == "market" { &MARKET_SO } else { &STAKING_SO };
    place.get_or_init(|| find_program(name).unwrap().so)
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A market with its configurations written, and nobody in it.
    #[must_use]
    pub fn new() -> Self {
        Self::bare().configured()
    }

    /// Both programs and the mint, but no configuration yet.
    #[must_use]
    pub fn bare() -> Self {
        Self::with_vm(vm())
    }

    /// A world in which anybody can sign for anybody: for calls that only the market's PDA may make.
    #[must_use]
    pub fn unsigned() -> Self {
        Self::with_vm(vm().with_sigverify(false)).configured()
    }

    fn configured(mut self) -> Self {
        let (treasury, insurance) = (Some(self.treasury), Some(self.insurance));
        let genesis = Genesis { usdc_mint: self.mint, treasury, insurance };
        let admin = self.admin.insecure_clone();
        self.ok(&genesis.instructions(&admin.pubkey()), &[&admin]);
        self
    }

    fn with_vm(svm: LiteSVM) -> Self {
        let mut svm = svm.with_log_bytes_limit(Some(64 * 1024));
        svm.add_program(MARKET, program("market")).unwrap();
        svm.add_program(STAKING, program("staking")).unwrap();
        let made = |number: u64| key_number(number);
        let mut world = Self {
            svm,
            keys_made: 4,
            job_numbers: 0,
            audited: true,
            made_up: false,
            recording: None,
            ledger: Ledger::default(),
            buyers: BTreeMap::new(),
            payer: made(0),
            admin: made(1),
            mint_authority: made(2),
            mint: made(3).pubkey(),
            treasury: Pubkey::default(),
            insurance: Pubkey::default(),
        };
        world.set_clock(Now { slot: GENESIS_SLOT, ts: UnixTs(GENESIS) });
        for key in [world.payer.pubkey(), world.admin.pubkey()] {
            world.svm.airdrop(&key, PURSE_OF_SOL * 1_000).unwrap();
        }
        let mint = world.mint;
        world.put_mint(mint, 6, TOKEN_PROGRAM);
        world.treasury = world.foreign_account();
        world.insurance = world.foreign_account();
        world
    }

    /// A new key, the same in every run: figures that depend on addresses stay comparable.
    pub fn key(&mut self) -> Keypair {
        self.keys_made += 1;
        key_number(self.keys_made)
    }

    /// A new key with SOL.
    pub fn person(&mut self) -> Keypair {
        let key = self.key();
        self.svm.airdrop(&key.pubkey(), PURSE_OF_SOL).unwrap();
        key
    }

    /// The number of the next job: among those of the present slot.
    ///
    /// # Panics
    /// Beyond the end of time.
    pub fn next_number(&mut self) -> u64 {
        self.job_numbers += 1;
        job_number::first(self.now().slot).unwrap() + self.job_numbers
    }

    // --- sending -------------------------------------------------------------------------------------------------

    /// Sends a transaction paid by [`World::payer`], and audits the world after it.
    ///
    /// # Errors
    /// What the programs refused, and why.
    ///
    /// # Panics
    /// Where the audit finds something wrong.
    pub fn send(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Result<Done, Refused> {
        let payer = self.payer.insecure_clone();
        self.send_from(&payer, instructions, signers)
    }

    /// Sends a transaction paid by `payer`, and audits the world after it.
    ///
    /// # Errors
    /// What the programs refused, and why.
    ///
    /// # Panics
    /// Where the audit finds something wrong.
    pub fn send_from(
        &mut self,
        payer: &Keypair,
        instructions: &[Instruction],
        signers: &[&Keypair],
    ) -> Result<Done, Refused> {
        self.svm.expire_blockhash();
        let message = Message::new(instructions, Some(&payer.pubkey()));
        let mut transaction = Transaction::new_unsigned(message);
        let mut all = vec![payer];
        all.extend(signers.iter().filter(|key| key.pubkey() != payer.pubkey()));
        transaction.partial_sign(&all, self.svm.latest_blockhash());
        self.submit(transaction, &payer.pubkey())
    }

    fn submit(&mut self, transaction: Transaction, payer: &Pubkey) -> Result<Done, Refused> {
        let keys = transaction.message.account_keys.clone();
        let bytes = outcome::wire_size(&transaction);
        let only = recording::only_instruction(&transaction);
        let before = self.snapshot();
        match self.svm.send_transaction(transaction) {
            Ok(meta) => {
                let done = Done::new(meta, &keys, bytes);
                // Of a market that it did not see grow the ledger knows nothing.
                for event in done.events.iter().filter(|_| self.audited) {
                    self.ledger.apply(event);
                }
                let (had, has) = (lamports(&before), lamports(&self.snapshot()));
                assert_eq!(has + u128::from(done.fee), had, "lamports were made or lost");
                if self.audited {
                    self.assert_books();
                }
                self.note(only, &before, &done);
                Ok(done)
            }
            Err(failed) => {
                let mut after = self.snapshot();
                // A refused transaction still pays its fee.
                if let (Some(was), Some(is)) = (before.get(payer), after.get_mut(payer)) {
                    is.lamports = was.lamports;
                }
                assert!(before == after, "a refused transaction changed an account");
                Err(Refused::new(failed, &keys))
            }
        }
    }

    /// Sends a transaction that must succeed.
    ///
    /// # Panics
    /// Where it is refused.
    #[track_caller]
    pub fn ok(&mut self, instructions: &[Instruction], signers: &[&Keypair]) -> Done {
        match self.send(instructions, signers) {
            Ok(done) => done,
            Err(refused) => panic!("refused: {refused:?}"),
        }
    }

    /// Sends an instruction that must be refused; returns by whom and why, as in "market NotBuyer".
    ///
    /// # Panics
    /// Where it succeeds.
    #[track_caller]
    pub fn refuse(&mut self, instruction: Instruction, signers: &[&Keypair]) -> String {
        match self.send(&[instruction], signers) {
            Ok(done) => panic!("it was not refused: {:#?}", done.logs),
            Err(refused) => refused.to_string(),
        }
    }

    /// Sends an instruction that must succeed and change no byte of any account.
    ///
    /// # Panics
    /// Where it is refused or changes something.
    #[track_caller]
    pub fn changes_nothing(&mut self, instruction: Instruction) -> Done {
        self.changes_nothing_by(instruction, &[])
    }

    /// As [`World::changes_nothing`], signed by others than the payer.
    ///
    /// # Panics
    /// Where it is refused or changes something.
    #[track_caller]
    pub fn changes_nothing_by(&mut self, instruction: Instruction, signers: &[&Keypair]) -> Done {
        let payer = self.payer.pubkey();
        let mut before = self.snapshot();
        let done = self.ok(&[instruction], signers);
        let mut after = self.snapshot();
        before.remove(&payer);
        after.remove(&payer);
        assert!(before == after, "it changed an account");
        done
    }

    /// Allows reservations of the market's for leases that it knows nothing of, and marks of delegators that a test wrote into
    /// a bond by hand; everything else is audited.
    pub fn make_leases_up(&mut self) {
        self.made_up = true;
    }

    /// Sends transactions whose changes break the books on purpose.
    pub fn stop_auditing(&mut self) {
        self.audited = false;
    }

    // --- time ----------------------------------------------------------------------------------------------------

    /// The present.
    #[must_use]
    pub fn now(&self) -> Now {
        let clock = self.svm.get_sysvar::<Clock>();
        Now { slot: clock.slot, ts: UnixTs(u64::try_from(clock.unix_timestamp).unwrap()) }
    }

    /// Sets slot and time apart from each other.
    pub fn set_clock(&mut self, now: Now) {
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot = now.slot;
        clock.unix_timestamp = i64::try_from(now.ts.0).unwrap();
        self.svm.set_sysvar(&clock);
        self.set_slot_hashes(now.slot);
    }

    /// Lets `seconds` pass, with as many slots of 400 ms as fit, rounded up: see [`metered_ms`].
    pub fn pass(&mut self, seconds: u64) {
        let now = self.now();
        self.set_clock(Now { slot: now.slot + slots_of(seconds), ts: UnixTs(now.ts.0 + seconds) });
    }

    /// Goes to the time `ts`, forward as [`World::pass`] does, or backward without a slot.
    pub fn at(&mut self, ts: u64) {
        let now = self.now();
        match ts.checked_sub(now.ts.0) {
            Some(seconds) => self.pass(seconds),
            None => self.set_clock(Now { ts: UnixTs(ts), ..now }),
        }
    }

    // --- reading -------------------------------------------------------------------------------------------------

    /// The account at `address`, decoded; `None` where there is none.
    ///
    /// # Panics
    /// Where it is another kind of account.
    #[must_use]
    #[track_caller]
    pub fn find<T: Kind>(&self, address: &Pubkey) -> Option<T> {
        let account = self.account(address).filter(|account| !account.data.is_empty())?;
        Some(decode(address, &account.owner, &account.data).unwrap())
    }

    /// The account at `address`, decoded.
    ///
    /// # Panics
    /// Where there is none, or it is another kind of account.
    #[must_use]
    #[track_caller]
    pub fn read<T: Kind>(&self, address: &Pubkey) -> T {
        self.find(address).unwrap_or_else(|| panic!("there is no {} at {address}", T::KIND))
    }

    /// The account at `address` as it is.
    #[must_use]
    pub fn account(&self, address: &Pubkey) -> Option<Account> {
        self.svm.get_account(address).filter(|account| account.lamports > 0)
    }

    /// Lamports of `address`.
    #[must_use]
    pub fn lamports(&self, address: &Pubkey) -> u64 {
        self.svm.get_balance(address).unwrap_or(0)
    }

    /// Atoms in the token account `address`.
    ///
    /// # Panics
    /// Where it is no token account.
    #[must_use]
    #[track_caller]
    pub fn tokens(&self, address: &Pubkey) -> u64 {
        TokenAccount::unpack(&self.account(address).unwrap().data).unwrap().amount
    }

    /// Rent of an account of `bytes`.
    #[must_use]
    pub fn rent(&self, bytes: usize) -> u64 {
        self.svm.minimum_balance_for_rent_exemption(bytes)
    }

    /// Every account but sysvars and programs.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let all = self.svm.accounts_db().inner.iter();
        let kept = all.filter(|(_, account)| {
            let system = *account.owner() == solana_sdk_ids::sysvar::ID
                || *account.owner() == solana_sdk_ids::native_loader::ID
                || *account.owner() == solana_sdk_ids::feature::ID;
            account.lamports() > 0 && !account.executable() && !system
        });
        kept.map(|(key, account)| (*key, account.clone().into())).collect()
    }

    // --- things that come from outside the market ------------------------------------------------------------------

    /// Sends `lamports` to any address.
    pub fn airdrop(&mut self, to: &Pubkey, lamports: u64) {
        self.svm.airdrop(to, lamports).unwrap();
    }

    /// Writes any account: what no transaction could do.
    pub fn put(&mut self, address: Pubkey, account: Account) {
        self.svm.set_account(address, account).unwrap();
    }

    /// Changes the bytes of an account: what no transaction could do.
    pub fn edit(&mut self, address: &Pubkey, change: impl FnOnce(&mut Vec<u8>)) {
        let mut account = self.account(address).unwrap();
        change(&mut account.data);
        self.put(*address, account);
    }

    /// Changes the decoded account at `address`: what no transaction could do.
    pub fn edit_as<T: Kind>(&mut self, address: &Pubkey, change: impl FnOnce(&mut T)) {
        let mut value: T = self.read(address);
        change(&mut value);
        self.edit(address, |data| data[8..8 + size_of::<T>()].copy_from_slice(bytemuck::bytes_of(&value)));
    }

    /// Another mint, of `decimals`, under the token program `program`.
    pub fn other_mint(&mut self, decimals: u8, program: Pubkey) -> Pubkey {
        let mint = self.key().pubkey();
        self.put_mint(mint, decimals, program);
        mint
    }

    fn put_mint(&mut self, address: Pubkey, decimals: u8, program: Pubkey) {
        let authority = self.mint_authority.pubkey();
        let mint = Mint {
            mint_authority: Some(authority).into(),
            supply: 0,
            decimals,
            is_initialized: true,
            freeze_authority: Some(authority).into(),
        };
        let mut data = vec![0; Mint::LEN];
        Mint::pack(mint, &mut data).unwrap();
        let lamports = self.rent(Mint::LEN);
        self.put(address, Account { lamports, data, owner: program, executable: false, rent_epoch: u64::MAX });
    }

    /// An empty token account of `owner` for `mint`, under the token program `program`.
    pub fn token_account_of(&mut self, mint: Pubkey, owner: Pubkey, program: Pubkey) -> Pubkey {
        let address = self.key().pubkey();
        let account = TokenAccount { mint, owner, state: AccountState::Initialized, ..TokenAccount::default() };
        let mut data = vec![0; TokenAccount::LEN];
        TokenAccount::pack(account, &mut data).unwrap();
        let lamports = self.rent(TokenAccount::LEN);
        self.put(address, Account { lamports, data, owner: program, executable: false, rent_epoch: u64::MAX });
        address
    }

    /// An empty USDC account of somebody who takes no part.
    pub fn foreign_account(&mut self) -> Pubkey {
        let owner = self.key().pubkey();
        self.token_account_of(self.mint, owner, TOKEN_PROGRAM)
    }

    /// Freezes the token account `account`, or thaws it.
    pub fn freeze(&mut self, account: &Pubkey, frozen: bool) {
        let authority = self.mint_authority.insecure_clone();
        let (mint, key) = (self.mint, authority.pubkey());
        let change = if frozen {
            spl_token_interface::instruction::freeze_account
        } else {
            spl_token_interface::instruction::thaw_account
        };
        let instruction = change(&TOKEN_PROGRAM, account, &mint, &key, &[]).unwrap();
        self.ok(&[instruction], &[&authority]);
    }

    /// Mints `atoms` to the token account `to`.
    pub fn mint_to(&mut self, to: &Pubkey, atoms: u64) {
        let authority = self.mint_authority.insecure_clone();
        let (mint, key) = (self.mint, authority.pubkey());
        let instruction =
            spl_token_interface::instruction::mint_to(&TOKEN_PROGRAM, &mint, to, &key, &[], atoms).unwrap();
        self.ok(&[instruction], &[&authority]);
    }
}

/// Slots in one [`World::pass`] of `seconds`.
const fn slots_of(seconds: u64) -> u64 {
    (seconds * 5).div_ceil(2)
}

/// Milliseconds that a meter counts in one [`World::pass`] of `seconds` (R22): those, and what the last slot reaches beyond the
/// second, since inside a second the meter goes on by 400 ms a slot. An even number of seconds is counted as it is.
#[must_use]
pub const fn metered_ms(seconds: u64) -> u64 {
    slots_of(seconds) * 400
}

#[cfg(not(feature = "trace"))]
fn vm() -> LiteSVM {
    LiteSVM::new()
}

fn key_number(number: u64) -> Keypair {
    let seed = Sha256::new().chain_update("gridlease test key").chain_update(number.to_le_bytes()).finalize();
    Keypair::new_from_array(seed.into())
}

fn lamports(accounts: &Snapshot) -> u128 {
    accounts.values().map(|account| u128::from(account.lamports)).sum()
}
