//! Who takes part: buyers with a purse, providers with a bond, a record and an offer.

use gridlease_core::limits::MAX_CLAIMS;
use gridlease_sdk::account::{GpuClaim, Offer};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::BidderKeys;
use gridlease_sdk::instruction::provider::{Claimed, NodeArgs, OfferMachine, OfferTerms, SpecArgs};
use gridlease_sdk::instruction::{create_token_account, provider, purse, stake};
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::World;
use crate::terms::offered;

pub use crate::terms::{USDC, machine};

/// A buyer with a purse.
pub struct Buyer {
    /// Owns the purse.
    pub key: Keypair,
    /// The purse.
    pub purse: Pubkey,
    /// Its token account.
    pub vault: Pubkey,
    /// The buyer's own token account.
    pub wallet: Pubkey,
}

/// A provider with a bond, a record, and offer number 1.
pub struct Provider {
    /// The cold key.
    pub authority: Keypair,
    /// The hot key.
    pub node: Keypair,
    /// The provider record.
    pub record: Pubkey,
    /// The bond.
    pub bond: Pubkey,
    /// The authority's token account: pays the stake in, and is paid.
    pub payout: Pubkey,
    /// Offer number 1.
    pub offer: Pubkey,
}

impl Provider {
    /// The provider with its offer number 1, as bids and awards name it.
    #[must_use]
    pub fn bidder(&self) -> BidderKeys {
        BidderKeys { provider: self.record, offer: 1, bond: self.bond }
    }
}

/// What a provider brings along.
#[derive(Clone, Copy)]
pub struct Supply {
    /// Stake in atoms.
    pub stake: u64,
    /// The machine.
    pub spec: SpecArgs,
    /// Price per hour.
    pub ask: u64,
    /// Lowest automatic bid.
    pub floor: u64,
    /// May anybody enter it?
    pub auto_bid: bool,
    /// Leases that fit.
    pub units: u16,
    /// Seconds until the offer expires.
    pub life: u64,
}

impl Default for Supply {
    fn default() -> Self {
        Self {
            stake: 100 * USDC,
            spec: machine(),
            ask: 1_500_000,
            floor: 500_000,
            auto_bid: false,
            units: 2,
            life: 3_600,
        }
    }
}

impl Supply {
    /// The terms of its offer, posted at `now`.
    #[must_use]
    pub fn terms(&self, now: u64) -> OfferTerms {
        OfferTerms {
            ask: self.ask,
            floor: self.floor,
            expires_ts: now + self.life,
            units: self.units,
            auto_bid: self.auto_bid,
        }
    }

    /// The machine of its offer.
    #[must_use]
    pub fn machine(&self) -> OfferMachine {
        offered(self.spec)
    }
}

/// What a provider tells of its node.
#[must_use]
pub fn node_args(node: &Pubkey) -> NodeArgs {
    NodeArgs {
        node_key: *node,
        cert_fingerprint: [5; 32],
        x25519: [6; 32],
        stake_limit: u64::MAX,
        endpoint: "https://node.example:8443".to_owned(),
    }
}

/// SHA-256 of the UUID of GPU `at` of an offer.
#[must_use]
pub fn gpu_hash(provider: &Pubkey, number: u32, at: u32) -> [u8; 32] {
    Sha256::digest(format!("GPU-{provider}-{number}-{at}")).into()
}

impl World {
    /// A person with SOL and `atoms` of USDC in a token account.
    pub fn wallet(&mut self, atoms: u64) -> (Keypair, Pubkey) {
        let key = self.person();
        let account = self.wallet_of(&key, atoms);
        (key, account)
    }

    /// The associated token account of somebody, opened where it is not there.
    pub fn associated(&mut self, owner: &Pubkey) -> Pubkey {
        let account = address::token_account(owner, &self.mint);
        if self.account(&account).is_none() {
            let create = create_token_account(&self.payer.pubkey(), owner, &self.mint);
            self.ok(&[create], &[]);
        }
        account
    }

    /// A token account of `key` with `atoms` more of USDC.
    fn wallet_of(&mut self, key: &Keypair, atoms: u64) -> Pubkey {
        let payer = self.payer.pubkey();
        let create = create_token_account(&payer, &key.pubkey(), &self.mint);
        self.ok(&[create], &[]);
        let account = address::token_account(&key.pubkey(), &self.mint);
        if atoms > 0 {
            self.mint_to(&account, atoms);
        }
        account
    }

    /// A buyer with `atoms` in its purse (none where it is zero) and nothing besides.
    pub fn buyer(&mut self, atoms: u64) -> Buyer {
        let key = self.person();
        self.buyer_with(key, atoms)
    }

    /// As [`World::buyer`], with a key that exists already.
    pub fn buyer_with(&mut self, key: Keypair, atoms: u64) -> Buyer {
        let wallet = self.wallet_of(&key, atoms);
        let mint = self.mint;
        self.ok(&[purse::open(&key.pubkey(), &mint)], &[&key]);
        if atoms > 0 {
            self.ok(&[purse::deposit(&key.pubkey(), &key.pubkey(), &wallet, atoms)], &[&key]);
        }
        let address = address::purse(&key.pubkey());
        self.buyers.insert(key.pubkey(), key.insecure_clone());
        Buyer { purse: address, vault: address::purse_vault(&address), wallet, key }
    }

    /// A provider; `edit` changes what it brings along.
    pub fn provider(&mut self, edit: impl FnOnce(&mut Supply)) -> Provider {
        let mut supply = Supply::default();
        edit(&mut supply);
        let provider = self.registered(supply.stake);
        let terms = supply.terms(self.now().ts.0);
        let node = provider.node.pubkey();
        let post = provider::post_offer(&node, &provider.record, 1, supply.machine(), terms);
        self.ok(&[post], &[&provider.node]);
        self.claim_all(&provider, 1);
        provider
    }

    /// Claims all GPUs of the provider's offer `number` that are not claimed yet.
    #[track_caller]
    pub fn claim_all(&mut self, owner: &Provider, number: u32) {
        let address = address::offer(&owner.record, number);
        let claims = self.read::<Offer>(&address).claims();
        let hashes: Vec<_> =
            (u32::from(claims.claimed)..claims.needed()).map(|at| gpu_hash(&owner.record, number, at)).collect();
        for hashes in hashes.chunks(MAX_CLAIMS) {
            let claim = provider::claim_gpus(&owner.node.pubkey(), &owner.record, &owner.bond, number, hashes);
            self.ok(&[claim], &[&owner.node]);
        }
    }

    /// Lamports in the claims of an offer.
    #[must_use]
    pub fn claim_rent(&self, offer: &Pubkey) -> u64 {
        self.claims_of(offer).iter().map(|(hash, _)| self.lamports(&address::gpu_claim(hash))).sum()
    }

    /// The claims of an offer, as they are given up.
    #[must_use]
    pub fn claims_of(&self, offer: &Pubkey) -> Vec<Claimed> {
        let claims = self.all::<GpuClaim>().into_values();
        claims.filter(|claim| claim.offer == *offer).map(|claim| (claim.hash, claim.payer)).collect()
    }

    /// A provider with a bond of `stake` and a record, but without an offer.
    pub fn registered(&mut self, stake: u64) -> Provider {
        let (authority, payout) = self.wallet(stake);
        let node = self.person();
        let (key, mint) = (authority.pubkey(), self.mint);
        self.ok(&[stake::open_bond(&key, &mint)], &[&authority]);
        if stake > 0 {
            self.ok(&[stake::add_stake(&key, &payout, stake)], &[&authority]);
        }
        self.ok(&[provider::register(&key, &payout, node_args(&node.pubkey()))], &[&authority]);
        let record = address::provider(&key);
        Provider { record, bond: address::bond(&key), offer: address::offer(&record, 1), payout, authority, node }
    }
}
