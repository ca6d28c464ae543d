//! What a world keeps for whoever looks at it with other eyes: every version of every account of the programs, every event as
//! it went over the wire, and which instruction changed which account.

use std::collections::BTreeSet;

use gridlease_sdk::address::{MARKET, STAKING};
use solana_account::Account;
use solana_pubkey::Pubkey;
use solana_transaction::Transaction;

use super::outcome::Done;
use super::{Snapshot, World};

/// What happened since the recording began.
#[derive(Default)]
pub struct Recording {
    /// Accounts of the programs: address, owner and bytes; one entry for each different content.
    pub accounts: Vec<(Pubkey, Account)>,
    /// Data of each event's inner instruction, with the program that told it.
    pub events: Vec<(Pubkey, Vec<u8>)>,
    /// Which instruction made, changed or closed which account, out of transactions with one instruction of the programs.
    pub writes: BTreeSet<Write>,
    seen: BTreeSet<(Pubkey, Vec<u8>)>,
}

/// An instruction and an account that it wrote, each by its program and its discriminator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Write {
    /// The instruction.
    pub instruction: (Pubkey, [u8; 8]),
    /// The account.
    pub account: (Pubkey, [u8; 8]),
}

/// The instruction of one of the programs that a transaction has; `None` where it has none or several.
#[must_use]
pub fn only_instruction(transaction: &Transaction) -> Option<(Pubkey, [u8; 8])> {
    let keys = &transaction.message.account_keys;
    let mut ours = transaction.message.instructions.iter().filter_map(|instruction| {
        let program = *keys.get(usize::from(instruction.program_id_index))?;
        let head = instruction.data.first_chunk().copied()?;
        (program == MARKET || program == STAKING).then_some((program, head))
    });
    let first = ours.next();
    first.filter(|_| ours.next().is_none())
}

impl Recording {
    fn take(&mut self, instruction: Option<(Pubkey, [u8; 8])>, before: &Snapshot, after: &Snapshot, done: &Done) {
        for (address, account) in after {
            if is_ours(account) && self.seen.insert((*address, account.data.clone())) {
                self.accounts.push((*address, account.clone()));
            }
        }
        self.events.extend(done.wire_events.iter().cloned());
        let Some(instruction) = instruction else { return };
        for address in before.keys().chain(after.keys()) {
            let (old, new) = (before.get(address), after.get(address));
            let data = |account: Option<&Account>| account.map(|account| account.data.clone()).unwrap_or_default();
            let Some(account) = [old, new].into_iter().flatten().find(|account| is_ours(account)) else { continue };
            if data(old) != data(new) {
                let head = account.data.first_chunk().copied().unwrap_or_default();
                self.writes.insert(Write { instruction, account: (account.owner, head) });
            }
        }
    }
}

fn is_ours(account: &Account) -> bool {
    account.owner == MARKET || account.owner == STAKING
}

impl World {
    /// Records from now on.
    pub fn begin_recording(&mut self) {
        self.recording = Some(Recording::default());
    }

    /// Records no more; returns what was recorded.
    ///
    /// # Panics
    /// Where nothing was.
    #[must_use]
    pub fn end_recording(&mut self) -> Recording {
        self.recording.take().expect("begin the recording first")
    }

    /// Records what a transaction changed.
    pub(super) fn note(&mut self, instruction: Option<(Pubkey, [u8; 8])>, before: &Snapshot, done: &Done) {
        if let Some(mut recording) = self.recording.take() {
            recording.take(instruction, before, &self.snapshot(), done);
            self.recording = Some(recording);
        }
    }
}
