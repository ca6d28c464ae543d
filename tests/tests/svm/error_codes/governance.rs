//! Errors of configuring, changing and pausing the market.

use gridlease_core::limits::{GOVERNANCE_DELAY, GOVERNANCE_WINDOW, JOB_CAP, MAX_FEE_BPS, PURSE_CAP, SLOT_MS_BOUNDS};
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::purse;
use gridlease_tests::svm::World;
use gridlease_tests::svm::parties::USDC;
use solana_pubkey::Pubkey;
use solana_signer::Signer;

use super::{Scenario, play};

pub const ALL: &[Scenario] = &[
    ("market Paused", paused),
    ("market ProposalPending", proposal_pending),
    ("market NoProposal", no_proposal),
    ("market WrongVersion", wrong_version),
    ("market BpsOutOfBounds", bps_out_of_bounds),
    ("market ParameterOutOfBounds", parameter_out_of_bounds),
    ("market TooEarly", too_early),
    ("market TooLate", too_late),
];

#[test]
fn governance_s_errors_come_as_they_are_named() {
    play(ALL);
}

const SAME: ChangeArgs = ChangeArgs {
    verifier: Pubkey::new_from_array([0; 32]),
    slot_ms: 400,
    fee_bps: 200,
    purse_cap: PURSE_CAP.0,
    job_cap: JOB_CAP.0,
};

/// The refusal of a change to `args`, proposed by the admin.
fn refused(w: &mut World, args: ChangeArgs) -> String {
    let admin = w.admin.insecure_clone();
    let propose = governance::propose_change(&admin.pubkey(), &w.treasury, args);
    w.refuse(propose, &[&admin])
}

fn propose(w: &mut World) {
    let admin = w.admin.insecure_clone();
    let propose = governance::propose_change(&admin.pubkey(), &w.treasury, SAME);
    w.ok(&[propose], &[&admin]);
}

fn paused() -> String {
    let mut w = World::new();
    let (buyer, admin) = (w.buyer(10 * USDC), w.admin.insecure_clone());
    w.ok(&[governance::set_paused(&admin.pubkey(), true)], &[&admin]);
    let (post, _) = w.post(&buyer, |_| {});
    w.refuse(post, &[&buyer.key])
}

fn proposal_pending() -> String {
    let mut w = World::new();
    propose(&mut w);
    refused(&mut w, SAME)
}

fn no_proposal() -> String {
    let mut w = World::new();
    let admin = w.admin.insecure_clone();
    w.refuse(governance::cancel_change(&admin.pubkey()), &[&admin])
}

fn wrong_version() -> String {
    let mut w = World::new();
    let buyer = w.buyer(USDC);
    w.stop_auditing();
    w.edit(&buyer.purse, |data| data[8] = 3); // behind the discriminator
    w.refuse(purse::withdraw(&buyer.key.pubkey(), &buyer.wallet, 1), &[&buyer.key])
}

fn bps_out_of_bounds() -> String {
    refused(&mut World::new(), ChangeArgs { fee_bps: MAX_FEE_BPS.0 + 1, ..SAME })
}

fn parameter_out_of_bounds() -> String {
    refused(&mut World::new(), ChangeArgs { slot_ms: SLOT_MS_BOUNDS.1 + 1, ..SAME })
}

fn too_early() -> String {
    let mut w = World::new();
    propose(&mut w);
    w.pass(GOVERNANCE_DELAY.0 - 1);
    w.refuse(governance::execute_change(&w.treasury), &[])
}

fn too_late() -> String {
    let mut w = World::new();
    propose(&mut w);
    w.pass(GOVERNANCE_DELAY.0 + GOVERNANCE_WINDOW.0);
    w.refuse(governance::execute_change(&w.treasury), &[])
}
