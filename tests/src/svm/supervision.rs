//! What happens to a lease beside its meter, each as one call that must succeed; and what the issuer of the USDC can do.

use gridlease_core::limits::CHALLENGE_BOND_LAMPORTS;
use gridlease_sdk::account::Lease;
use gridlease_sdk::instruction::lease::{self, LeaseKeys};
use gridlease_sdk::instruction::supervision;
use solana_account::Account;
use solana_keypair::Keypair;
use solana_signer::Signer;

use super::World;
use super::outcome::Done;
use super::parties::{Buyer, Provider};
pub use crate::terms::hash_of;

/// The bond of a challenge in lamports.
pub const BOND: u64 = CHALLENGE_BOND_LAMPORTS;

/// The bytes of the slot hashes that a block of `slot` sees: those of the three slots before it, the newest first.
fn slot_hashes(slot: u64) -> Vec<u8> {
    let before: Vec<_> = (slot.saturating_sub(3)..slot).rev().collect();
    let mut bytes = (before.len() as u64).to_le_bytes().to_vec();
    for slot in before {
        bytes.extend_from_slice(&slot.to_le_bytes());
        bytes.extend_from_slice(&hash_of(slot));
    }
    bytes
}

impl World {
    /// Lets programs see the hashes of the slots before `slot`.
    pub(super) fn set_slot_hashes(&mut self, slot: u64) {
        let old = self.svm.get_account(&supervision::SLOT_HASHES).unwrap_or_default();
        let data = slot_hashes(slot);
        let lamports = old.lamports.max(self.rent(data.len()));
        let account = Account { data, lamports, owner: solana_sdk_ids::sysvar::ID, ..old };
        self.put(supervision::SLOT_HASHES, account);
    }

    /// The buyer rejects the start.
    #[track_caller]
    pub fn reject(&mut self, buyer: &Buyer, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::reject_ready(&buyer.key.pubkey(), keys, &self.insurance)], &[&buyer.key])
    }

    /// The buyer accepts what the node finished.
    #[track_caller]
    pub fn accept(&mut self, buyer: &Buyer, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::accept(&buyer.key.pubkey(), keys)], &[&buyer.key])
    }

    /// The buyer reopens what the node finished.
    #[track_caller]
    pub fn reopen(&mut self, buyer: &Buyer, keys: &LeaseKeys) -> Done {
        self.ok(&[lease::reopen(&buyer.key.pubkey(), keys)], &[&buyer.key])
    }

    /// The node declines a lease that it bid for itself.
    #[track_caller]
    pub fn decline(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        let decline = lease::decline(&provider.node.pubkey(), keys, &self.insurance);
        self.ok(&[decline], &[&provider.node])
    }

    /// The node was not given what it needs.
    #[track_caller]
    pub fn want(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        let want = lease::want(&provider.node.pubkey(), keys, &self.insurance);
        self.ok(&[want], &[&provider.node])
    }

    /// The node's engine refuses what the buyer asks for.
    #[track_caller]
    pub fn buyer_error(&mut self, provider: &Provider, keys: &LeaseKeys, exit_code: i32) -> Done {
        let report = lease::report_buyer_error(&provider.node.pubkey(), keys, &self.insurance, exit_code);
        self.ok(&[report], &[&provider.node])
    }

    /// Somebody asks for a sign of life; returns what the node is to sign.
    #[track_caller]
    pub fn challenge(&mut self, challenger: &Keypair, keys: &LeaseKeys) -> [u8; 32] {
        self.ok(&[supervision::challenge(&challenger.pubkey(), &keys.lease)], &[challenger]);
        self.read::<Lease>(&keys.lease).challenge_nonce
    }

    /// The node answers the open challenge.
    #[track_caller]
    pub fn answer(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        let nonce = self.read::<Lease>(&keys.lease).challenge_nonce;
        self.ok(&[supervision::answer_challenge(&provider.node.pubkey(), keys, nonce)], &[&provider.node])
    }

    /// Anybody ends a challenge that was not answered.
    #[track_caller]
    pub fn resolve(&mut self, keys: &LeaseKeys) -> Done {
        let challenger = self.read::<Lease>(&keys.lease).challenger;
        self.ok(&[supervision::resolve_challenge(keys, &challenger)], &[])
    }

    /// The node is challenged, stays silent for the time to answer and a second, and is found down.
    #[track_caller]
    pub fn take_down(&mut self, challenger: &Keypair, keys: &LeaseKeys) {
        self.challenge(challenger, keys);
        self.pass(61);
        self.resolve(keys);
    }

    /// The node says that it lives again.
    #[track_caller]
    pub fn resume(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        self.ok(&[supervision::resume(&provider.node.pubkey(), keys)], &[&provider.node])
    }

    /// Anybody says that the node is gone.
    #[track_caller]
    pub fn declare_unreachable(&mut self, keys: &LeaseKeys) -> Done {
        let declare = lease::declare_unreachable(&self.payer.pubkey(), keys, &self.insurance);
        self.ok(&[declare], &[])
    }

    /// Anybody collects the credit.
    #[track_caller]
    pub fn collect(&mut self, keys: &LeaseKeys) -> Done {
        self.ok(&[supervision::collect_credit(keys, &self.insurance)], &[])
    }

    /// The node records checkpoint `seq`.
    #[track_caller]
    pub fn checkpoint(&mut self, provider: &Provider, keys: &LeaseKeys, seq: u32) -> Done {
        let hash = [u8::try_from(seq % 256).unwrap(); 32];
        let write = supervision::checkpoint(&provider.node.pubkey(), keys, seq, hash, 1_000);
        self.ok(&[write], &[&provider.node])
    }

    /// The node gives notice.
    #[track_caller]
    pub fn give_notice(&mut self, provider: &Provider, keys: &LeaseKeys) -> Done {
        self.ok(&[supervision::give_notice(&provider.node.pubkey(), keys)], &[&provider.node])
    }
}
