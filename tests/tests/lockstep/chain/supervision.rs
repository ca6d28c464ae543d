//! What happens to a lease beside its meter, on the chain.

use gridlease_sdk::account;
use gridlease_sdk::instruction::{lease, supervision};
use gridlease_tests::svm::World;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use super::keys;
use crate::command::supervision::SupervisionStep;
use crate::model::{Let, Model};
use crate::scene::checkpoint_hash;

/// The instruction of a step; `None` where there was no such lease.
pub fn build(model: &Model, job: usize, which: usize, step: &SupervisionStep) -> Option<Instruction> {
    let at = model.lease_at(job, which)?;
    let posted = model.jobs[job].as_ref()?;
    let (one, buyer) = (&posted.leases[at], &model.buyers[posted.buyer]);
    let keys = &one.keys;
    let node = || model.node_of(one.provider, one.offer);
    Some(match *step {
        SupervisionStep::Challenge { by } => supervision::challenge(&model.anybody(by), &keys.lease),
        SupervisionStep::Answer { by, right } => {
            let nonce = if right { one.nonce } else { [13; 32] };
            supervision::answer_challenge(&model.signer(by, node()?), keys, nonce)
        }
        SupervisionStep::Resolve { to } => {
            let open = one.challenger != Pubkey::default();
            let right = if open { one.challenger } else { model.anybody(0) };
            supervision::resolve_challenge(keys, &model.signer(to, right))
        }
        SupervisionStep::Resume { by } => supervision::resume(&model.signer(by, node()?), keys),
        SupervisionStep::Collect => supervision::collect_credit(keys, &model.staking.insurance),
        SupervisionStep::DeclareUnreachable => {
            lease::declare_unreachable(&model.anybody(0), keys, &model.staking.insurance)
        }
        SupervisionStep::Checkpoint { by, ahead, bytes } => {
            let seq = posted.next_checkpoint(ahead);
            supervision::checkpoint(&model.signer(by, node()?), keys, seq, checkpoint_hash(seq), bytes)
        }
        SupervisionStep::GiveNotice { by } => supervision::give_notice(&model.signer(by, node()?), keys),
        SupervisionStep::Redirect { to } => {
            let present = model.providers[one.provider].record.as_ref()?.payout;
            let named = to.map_or(present, |to| model.payees[to % model.payees.len()]);
            lease::redirect_payout(keys, &named)
        }
        SupervisionStep::Verdict { by, slash, prover } => {
            let (verifier, prover) = (model.verifier(by), model.prover(prover));
            supervision::verdict(&verifier, keys, &model.staking.insurance, slash, &prover)
        }
        SupervisionStep::Accept { by } => lease::accept(&model.signer(by, buyer.key), keys),
        SupervisionStep::Reopen { by } => lease::reopen(&model.signer(by, buyer.key), keys),
        SupervisionStep::Decline { by } => lease::decline(&model.signer(by, node()?), keys, &model.staking.insurance),
        SupervisionStep::Want { by } => lease::want(&model.signer(by, node()?), keys, &model.staking.insurance),
        SupervisionStep::BuyerError { by, code } => {
            lease::report_buyer_error(&model.signer(by, node()?), keys, &model.staking.insurance, code.into())
        }
        SupervisionStep::Reject { by } => {
            let mut reject = lease::reject_ready(&buyer.key, keys, &model.staking.insurance);
            reject.accounts[0].pubkey = model.signer(by, buyer.key);
            reject
        }
    })
}

/// Does the lease hold of challenges, of the index and of lamports what the model says?
pub fn compare(world: &World, one: &Let, chain: &account::Lease) -> Result<(), String> {
    same!("challenge", (chain.challenger, chain.challenge_nonce), (one.challenger, one.nonce));
    same!("unit free", chain.unit_free == 1, one.unit_free);
    same!("own bid", chain.own_bid == 1, one.own_bid);
    same!("indexed", chain.indexed == 1, one.indexed);
    same!("disproved", chain.disproved == 1, one.disproved);
    same!("payout", chain.payout, one.keys.payout);
    same!("lamports", world.lamports(&one.keys.lease), one.lamports);
    if !one.released {
        let reservation = keys::reservation(&one.keys.lease);
        let lent = world.find::<account::Reservation>(&reservation).map_or(0, |reservation| reservation.lent);
        same!("lamports of its reservation", world.lamports(&reservation) - lent, one.reservation_lamports);
    }
    Ok(())
}
