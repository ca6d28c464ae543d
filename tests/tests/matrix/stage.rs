//! The scene of every fixture: two full sets of parties, so that each account has a twin that belongs to somebody else, and
//! what the accounts in it are called.

use std::collections::BTreeMap;

use gridlease_sdk::account::{Bond, Job, Lease, Offer, Reservation};
use gridlease_sdk::address::{self, MARKET, STAKING};
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::{SYSTEM_PROGRAM, TOKEN_PROGRAM, provider};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::{Buyer, Provider, Supply, USDC};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::{Pubkey, pubkey};
use solana_signer::Signer;

/// The token program that the market does not take.
pub const TOKEN_2022: Pubkey = pubkey!("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");

/// Two buyers and two providers (each with two offers), everybody able to sign for everybody.
pub struct Stage {
    pub w: World,
    pub buyer: Buyer,
    pub other_buyer: Buyer,
    pub owner: Provider,
    pub other_owner: Provider,
    /// Takes no part in anything.
    pub stranger: Keypair,
    /// Said by fixtures: what an account is called.
    pub named: BTreeMap<Pubkey, String>,
}

/// An instruction that succeeds in the world as it is.
pub struct Case {
    pub instruction: Instruction,
    /// Names of the accounts behind those that the IDL names.
    pub extra: &'static [&'static str],
    /// Seeds and program of derived addresses that the IDL does not tell of.
    pub seeds: Vec<(&'static str, Vec<Vec<u8>>, Pubkey)>,
}

impl From<Instruction> for Case {
    fn from(instruction: Instruction) -> Self {
        Self { instruction, extra: &[], seeds: Vec::new() }
    }
}

impl Stage {
    pub fn new() -> Self {
        let mut w = World::unsigned();
        let stranger = w.person();
        let (buyer, other_buyer) = (w.buyer(50 * USDC), w.buyer(50 * USDC));
        for buyer in [&buyer, &other_buyer] {
            w.mint_to(&buyer.wallet, 50 * USDC);
        }
        let mut supply = || {
            let edit = |supply: &mut Supply| (supply.units, supply.auto_bid) = (8, true);
            let owner = w.provider(edit);
            w.mint_to(&owner.payout, 50 * USDC);
            let mut supply = Supply::default();
            edit(&mut supply);
            let terms = supply.terms(w.now().ts.0);
            let second = provider::post_offer(&owner.node.pubkey(), &owner.record, 2, supply.machine(), terms);
            w.ok(&[second], &[&owner.node]);
            w.claim_all(&owner, 2);
            owner
        };
        let (owner, other_owner) = (supply(), supply());
        let mut named = BTreeMap::new();
        let mint = w.other_mint(6, TOKEN_PROGRAM);
        named.insert(mint, "another mint".to_owned());
        named.insert(w.other_mint(6, TOKEN_2022), "a mint of Token-2022".to_owned());
        let wallet = w.token_account_of(mint, buyer.key.pubkey(), TOKEN_PROGRAM);
        named.insert(wallet, "the buyer's account of another mint".to_owned());
        Self { w, buyer, other_buyer, owner, other_owner, stranger, named }
    }

    /// The same for a program without its configuration.
    pub fn bare(&self) -> Self {
        let copy = |buyer: &Buyer| Buyer { key: buyer.key.insecure_clone(), ..*buyer };
        let of = |owner: &Provider| Provider {
            authority: owner.authority.insecure_clone(),
            node: owner.node.insecure_clone(),
            ..*owner
        };
        Self {
            w: World::bare_unsigned(),
            buyer: copy(&self.buyer),
            other_buyer: copy(&self.other_buyer),
            owner: of(&self.owner),
            other_owner: of(&self.other_owner),
            stranger: self.stranger.insecure_clone(),
            named: BTreeMap::new(),
        }
    }

    pub fn fork(&self) -> Self {
        Self { w: self.w.fork(), named: self.named.clone(), ..self.bare() }
    }

    /// Does the same for buyer and provider, for both once more, and for the other buyer and provider; returns what the
    /// first one gave. So there is a twin that belongs to the same parties, and one that does not.
    pub fn thrice<T>(&mut self, mut one: impl FnMut(&mut World, &Buyer, &Provider) -> T) -> T {
        let first = one(&mut self.w, &self.buyer, &self.owner);
        one(&mut self.w, &self.buyer, &self.owner);
        one(&mut self.w, &self.other_buyer, &self.other_owner);
        first
    }

    /// Three open jobs, posted at the same time.
    pub fn jobs(&mut self) -> Pubkey {
        self.thrice(|w, buyer, _| w.job(buyer, |_| {}))
    }

    /// Three leases that are starting.
    pub fn starting(&mut self) -> LeaseKeys {
        self.thrice(|w, buyer, owner| w.starting(buyer, owner, 1_200_000, |_| {}))
    }

    /// Three leases that run for at most `seconds`.
    pub fn running(&mut self, seconds: u32) -> LeaseKeys {
        self.thrice(|w, buyer, owner| w.running(buyer, owner, 1_200_000, |args| args.max_duration_s = seconds))
    }

    /// Three leases that ran for a while and are over and paid.
    pub fn paid(&mut self) -> LeaseKeys {
        self.thrice(|w, buyer, owner| {
            let keys = w.running(buyer, owner, 1_200_000, |_| {});
            w.pass(100);
            w.stop(buyer, &keys);
            w.settle(&keys);
            keys
        })
    }

    /// What every account of this world is called.
    pub fn names(&self) -> BTreeMap<Pubkey, String> {
        let w = &self.w;
        let mut names = self.named.clone();
        let mut name = |key: Pubkey, text: String| {
            names.entry(key).or_insert(text);
        };
        for (who, buyer) in [("the buyer", &self.buyer), ("the other buyer", &self.other_buyer)] {
            name(buyer.key.pubkey(), who.to_owned());
            name(buyer.purse, format!("{who}'s purse"));
            name(buyer.vault, format!("{who}'s vault"));
            name(buyer.wallet, format!("{who}'s wallet"));
        }
        for (who, owner) in [("the provider", &self.owner), ("the other provider", &self.other_owner)] {
            name(owner.authority.pubkey(), format!("{who}'s authority"));
            name(owner.node.pubkey(), format!("{who}'s node"));
            name(owner.record, format!("{who}'s record"));
            name(owner.bond, format!("{who}'s bond"));
            name(address::bond_vault(&owner.bond), format!("{who}'s bond vault"));
            name(owner.payout, format!("{who}'s payout account"));
            for number in [1, 2] {
                name(address::offer(&owner.record, number), format!("{who}'s offer {number}"));
            }
        }
        name(self.stranger.pubkey(), "a stranger".to_owned());
        name(w.treasury, "the treasury".to_owned());
        name(w.insurance, "the insurance fund".to_owned());
        name(w.mint, "the mint".to_owned());
        name(address::market_config(), "the market's configuration".to_owned());
        name(address::staking_config(), "the staking program's configuration".to_owned());
        name(address::market_authority(), "the market's authority".to_owned());
        name(address::event_authority(&MARKET), "the market's event authority".to_owned());
        name(address::event_authority(&STAKING), "the staking program's event authority".to_owned());
        name(SYSTEM_PROGRAM, "the system program".to_owned());
        name(TOKEN_PROGRAM, "SPL Token".to_owned());
        name(TOKEN_2022, "Token-2022".to_owned());
        name(MARKET, "the market".to_owned());
        name(STAKING, "the staking program".to_owned());
        let of = |purse: &Pubkey| if *purse == self.buyer.purse { "the buyer" } else { "the other buyer" };
        let jobs = w.all::<Job>();
        for (key, job) in &jobs {
            name(*key, format!("{}'s job {}", of(&job.purse), job.number));
        }
        for (key, lease) in w.all::<Lease>() {
            let number = jobs.get(&lease.job).map_or(0, |job| job.number);
            name(key, format!("the lease of {}'s job {number}", of(&lease.purse)));
            name(address::reservation(&key), format!("the reservation for {}'s job {number}", of(&lease.purse)));
        }
        for (key, offer) in w.all::<Offer>() {
            name(key, format!("offer {} of {}", offer.number, offer.provider));
        }
        for (at, key) in w.all::<Reservation>().keys().enumerate() {
            name(*key, format!("reservation {at}"));
        }
        for (at, key) in w.all::<Bond>().keys().enumerate() {
            name(*key, format!("bond {at}"));
        }
        names
    }
}
