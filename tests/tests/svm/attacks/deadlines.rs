//! Deadlines beside those of `deadlines.rs`: the second before, the second itself, and the second after.

use gridlease_core::limits::{
    BOND_CAP, CLAIM_STALE, GOVERNANCE_DELAY, JOB_CAP, PAYOUT_DELAY, PURSE_CAP, REJECT_TIME, UNBONDING_TIME,
};
use gridlease_sdk::account::Offer;
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::{lease, provider, sealed, stake};
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

/// What can be done, who signs it besides the payer, and when its deadline is.
struct Due {
    instruction: Instruction,
    signers: Vec<Keypair>,
    at: u64,
}

/// Tries it a second before its deadline, at it, and a second after, each in a world of its own.
#[track_caller]
fn thrice(scene: impl Fn(&mut World) -> Due, expected: [&str; 3]) {
    let answers = [-1, 0, 1].map(|off: i64| {
        let mut w = World::new();
        let due = scene(&mut w);
        w.at(due.at.checked_add_signed(off).unwrap());
        let signers: Vec<_> = due.signers.iter().collect();
        w.send(&[due.instruction], &signers).map_or_else(|refused| refused.to_string(), |_| "ok".to_owned())
    });
    assert_eq!(answers, expected);
}

fn by(key: &Keypair) -> Vec<Keypair> {
    vec![key.insecure_clone()]
}

#[test]
fn a_start_is_rejected_until_the_second_before_its_ninety_are_over() {
    let scene = |w: &mut World| {
        let (buyer, owner) = (w.buyer(20 * USDC), w.provider(|_| {}));
        let keys = w.running(&buyer, &owner, 1_000_000, |_| {});
        let instruction = lease::reject_ready(&buyer.key.pubkey(), &keys, &w.insurance);
        Due { instruction, signers: by(&buyer.key), at: w.now().ts.0 + REJECT_TIME.0 }
    };
    thrice(scene, ["ok", "market TooLate", "market TooLate"]);
}

#[test]
fn a_payout_account_takes_effect_at_its_second() {
    let scene = |w: &mut World| {
        let (owner, new) = (w.provider(|_| {}), w.foreign_account());
        w.ok(&[provider::propose_payout(&owner.authority.pubkey(), &new)], &[&owner.authority]);
        Due {
            instruction: provider::apply_payout(&owner.record, &owner.bond, &new),
            signers: vec![],
            at: w.now().ts.0 + PAYOUT_DELAY.0,
        }
    };
    thrice(scene, ["market TooEarly", "ok", "ok"]);
}

#[test]
fn a_change_of_the_market_is_executed_from_its_second_on() {
    let scene = |w: &mut World| {
        let admin = w.admin.insecure_clone();
        let change = ChangeArgs {
            verifier: Pubkey::default(),
            slot_ms: 400,
            fee_bps: 300,
            purse_cap: PURSE_CAP.0,
            job_cap: JOB_CAP.0,
        };
        let treasury = w.treasury;
        w.ok(&[governance::propose_change(&admin.pubkey(), &treasury, change)], &[&admin]);
        let instruction = governance::execute_change(&treasury);
        Due { instruction, signers: vec![], at: w.now().ts.0 + GOVERNANCE_DELAY.0 }
    };
    thrice(scene, ["market TooEarly", "ok", "ok"]);
}

#[test]
fn claims_are_stale_a_week_after_the_expiry_of_their_offer_to_the_second() {
    let scene = |w: &mut World| {
        let (owner, stranger) = (w.provider(|_| {}), w.person());
        let claims = w.claims_of(&owner.offer);
        let instruction = provider::release_gpus(&stranger.pubkey(), &owner.record, 1, &claims[0], &[]);
        let expiry = w.read::<Offer>(&owner.offer).header.due_ts;
        Due { instruction, signers: by(&stranger), at: expiry + CLAIM_STALE.0 }
    };
    thrice(scene, ["market NotNodeKey", "ok", "ok"]);
}

#[test]
fn stake_is_paid_from_its_second_on() {
    let scene = |w: &mut World| {
        let owner = w.registered(20 * USDC);
        let number = w.unbond(&owner, USDC);
        Due { instruction: w.withdrawal_of_stake(&owner, number), signers: vec![], at: w.now().ts.0 + UNBONDING_TIME.0 }
    };
    thrice(scene, ["staking NotMatured", "ok", "ok"]);
}

#[test]
fn a_change_of_the_staking_program_is_executed_from_its_second_on() {
    let scene = |w: &mut World| {
        let (admin, fund) = (w.admin.insecure_clone(), w.foreign_account());
        let none = Pubkey::default();
        let slashers = [gridlease_sdk::address::market_authority(), none, none, none];
        w.ok(&[stake::propose_config(&admin.pubkey(), &fund, slashers, BOND_CAP.0)], &[&admin]);
        let instruction = stake::execute_config(&fund);
        Due { instruction, signers: vec![], at: w.now().ts.0 + GOVERNANCE_DELAY.0 }
    };
    thrice(scene, ["staking TooEarly", "ok", "ok"]);
}

#[test]
fn a_sealed_bid_is_committed_until_the_second_before_the_close_and_revealed_from_it_on() {
    let posted = |w: &mut World| {
        let buyer = w.buyer(20 * USDC);
        w.job(&buyer, |args| (args.mode, args.window_s, args.reveal_s, args.wait_s) = (2, 20, 60, 600))
    };
    let bid = |w: &mut World, job: &Pubkey, at: u64| {
        let owner = w.provider(|_| {});
        let hash = sealed::hash(job, &owner.bidder(), 1_000_000, &[42; 32]);
        let instruction = sealed::commit(&owner.node.pubkey(), job, &owner.bidder(), hash);
        Due { instruction, signers: by(&owner.node), at }
    };
    // R31: the job waits, and its first bid opens the window; none opens that would end after its wait of 600 s.
    let first = |w: &mut World| {
        let (job, at) = (posted(w), w.now().ts.0 + 600 - 80);
        bid(w, &job, at)
    };
    thrice(first, ["ok", "ok", "market WaitOver"]);
    let commit = |w: &mut World| {
        let job = posted(w);
        let now = w.now().ts.0;
        let first = bid(w, &job, now);
        let signers: Vec<_> = first.signers.iter().collect();
        w.ok(&[first.instruction], &signers);
        bid(w, &job, now + 20)
    };
    thrice(commit, ["ok", "market WindowClosed", "market WindowClosed"]);
    let committed = |w: &mut World| {
        let due = commit(w);
        let signers: Vec<_> = due.signers.iter().collect();
        w.ok(&[due.instruction], &signers);
        let bids = w.all::<gridlease_sdk::account::Commitment>();
        (sealed::SealedKeys::from(bids.values().next().unwrap()), due.at)
    };
    let reveal = |w: &mut World| {
        let (keys, at) = committed(w);
        Due { instruction: sealed::reveal(&keys, 1, 1_000_000, [42; 32]), signers: vec![], at }
    };
    thrice(reveal, ["market WindowOpen", "ok", "ok"]);
    let late = |w: &mut World| {
        let due = reveal(w);
        Due { at: due.at + 60, ..due }
    };
    thrice(late, ["ok", "market RevealClosed", "market RevealClosed"]);
    let forfeit = |w: &mut World| {
        let (keys, at) = committed(w);
        Due { instruction: sealed::forfeit(&keys, &w.insurance), signers: vec![], at: at + 60 }
    };
    thrice(forfeit, ["market RevealOpen", "ok", "ok"]);
}
