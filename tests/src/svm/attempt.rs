//! What-ifs: copies of a world, and transactions that leave no trace.

use solana_account::Account;
use solana_instruction::Instruction;
use solana_message::Message;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use solana_transaction::Transaction;

use super::outcome::{Done, Refused};
use super::{Snapshot, World};

/// What a transaction that went through, and was taken back, had done.
pub struct Tried {
    /// Did any account change, the payer's fee apart?
    pub changed: bool,
    /// The transaction.
    pub done: Done,
}

impl World {
    /// A world in which anybody can sign for anybody, with no configuration yet.
    #[must_use]
    pub fn bare_unsigned() -> Self {
        Self::with_vm(super::vm().with_sigverify(false))
    }

    /// A copy that goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            svm: self.svm.clone(),
            keys_made: self.keys_made,
            job_numbers: self.job_numbers,
            audited: self.audited,
            made_up: self.made_up,
            recording: None,
            ledger: self.ledger.clone(),
            buyers: self.buyers.iter().map(|(owner, key)| (*owner, key.insecure_clone())).collect(),
            payer: self.payer.insecure_clone(),
            admin: self.admin.insecure_clone(),
            mint_authority: self.mint_authority.insecure_clone(),
            mint: self.mint,
            treasury: self.treasury,
            insurance: self.insurance,
        }
    }

    /// Sends an instruction, signed by nobody but the payer (whoever else must sign is believed to have, in a world that
    /// checks no signatures), and takes it back where it went through.
    ///
    /// # Errors
    /// What the programs refused, and why.
    ///
    /// # Panics
    /// Where a refused transaction changed a byte of any account.
    pub fn attempt(&mut self, instruction: &Instruction) -> Result<Tried, Refused> {
        self.svm.expire_blockhash();
        let payer = self.payer.pubkey();
        let message = Message::new(core::slice::from_ref(instruction), Some(&payer));
        let mut transaction = Transaction::new_unsigned(message);
        transaction.partial_sign(&[&self.payer], self.svm.latest_blockhash());
        let keys = transaction.message.account_keys.clone();
        let bytes = super::outcome::wire_size(&transaction);
        let before = self.snapshot();
        let sent = self.svm.send_transaction(transaction);
        let after = self.snapshot();
        let changed = self.take_back(&before, after);
        match sent {
            Ok(meta) => Ok(Tried { changed, done: Done::new(meta, &keys, bytes) }),
            Err(failed) => {
                assert!(!changed, "a refused transaction changed an account: {instruction:?}");
                Err(Refused::new(failed, &keys))
            }
        }
    }

    /// Puts every account back to what it was; tells whether any, the payer's fee apart, had to be.
    fn take_back(&mut self, before: &Snapshot, mut after: Snapshot) -> bool {
        let payer = self.payer.pubkey();
        let mut changed = false;
        for (key, was) in before {
            match after.remove(key) {
                Some(is) if is == *was => {}
                is => {
                    let only_fee =
                        *key == payer && is.is_some_and(|is| Account { lamports: was.lamports, ..is } == *was);
                    changed |= !only_fee;
                    self.put(*key, was.clone());
                }
            }
        }
        for new in after.into_keys() {
            changed = true;
            self.put(new, Account::default());
        }
        changed
    }

    /// The account at `address`, a program's too.
    #[must_use]
    pub fn account_or_program(&self, address: &Pubkey) -> Option<Account> {
        self.svm.get_account(address).filter(|account| account.executable || account.lamports > 0)
    }

    /// The account at `address` is as it is in `account`, or there is none.
    pub fn put_back(&mut self, address: Pubkey, account: Option<Account>) {
        self.put(address, account.unwrap_or_default());
    }
}

/// What the accounts of one instruction were before it.
struct Touched(Vec<(Pubkey, Option<Account>)>);

impl World {
    /// As [`World::attempt`], but what went through stays, and only the instruction's own accounts are looked at: no byte of
    /// them may change where it is refused, and no lamport may be lost where it is not. The books are not audited; call
    /// [`World::assert_books`] now and then.
    ///
    /// # Errors
    /// What the programs refused, and why.
    ///
    /// # Panics
    /// Where a refused transaction changed an account, or lamports were made or lost.
    pub fn send_light(&mut self, instruction: &Instruction) -> Result<Done, Refused> {
        self.svm.expire_blockhash();
        let payer = self.payer.pubkey();
        let message = Message::new(core::slice::from_ref(instruction), Some(&payer));
        let mut transaction = Transaction::new_unsigned(message);
        transaction.partial_sign(&[&self.payer], self.svm.latest_blockhash());
        let keys = transaction.message.account_keys.clone();
        let before = self.touched(&keys);
        let sent = self.svm.send_transaction(transaction);
        let after = self.touched(&keys);
        match sent {
            Ok(meta) => {
                let done = Done::new(meta, &keys, 0);
                assert_eq!(after.lamports() + u128::from(done.fee), before.lamports(), "lamports were made or lost");
                for event in &done.events {
                    self.ledger.apply(event);
                }
                Ok(done)
            }
            Err(failed) => {
                let same =
                    before.0.iter().zip(&after.0).filter(|((key, _), _)| *key != payer).all(|(was, is)| was == is);
                assert!(same, "a refused transaction changed an account: {instruction:?}");
                Err(Refused::new(failed, &keys))
            }
        }
    }

    fn touched(&self, keys: &[Pubkey]) -> Touched {
        let unless_program = |account: &Account| !account.executable;
        Touched(keys.iter().map(|key| (*key, self.svm.get_account(key).filter(unless_program))).collect())
    }
}

impl Touched {
    fn lamports(&self) -> u128 {
        self.0.iter().filter_map(|(_, account)| account.as_ref()).map(|account| u128::from(account.lamports)).sum()
    }
}
