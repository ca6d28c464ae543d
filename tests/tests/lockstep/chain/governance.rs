//! The configurations on the chain: the instructions of governance, and what both accounts hold.

use gridlease_core::Bps;
use gridlease_core::governance::Parameters;
use gridlease_sdk::account;
use gridlease_sdk::instruction::governance::{self, ChangeArgs};
use gridlease_sdk::instruction::stake;
use gridlease_tests::svm::World;
use solana_instruction::Instruction;

use super::keys;
use crate::command::governance::GovernanceStep;
use crate::model::Model;
use crate::model::governance::{MarketConfig, Proposal, StakingConfig};

/// The instruction of a step.
pub fn build(model: &Model, step: &GovernanceStep) -> Instruction {
    let by_admin = |by| model.signer(by, model.market.admin);
    let by_staking = |by| model.signer(by, model.staking.admin);
    match *step {
        GovernanceStep::SetPaused { by, paused } => governance::set_paused(&by_admin(by), paused),
        GovernanceStep::ProposeChange { by, change } => {
            let treasury = model.fund(change.treasury, model.treasury);
            let verifier = model.somebody(change.verifier);
            let args = ChangeArgs {
                verifier,
                slot_ms: change.slot_ms,
                fee_bps: change.fee,
                purse_cap: change.caps.0,
                job_cap: change.caps.1,
            };
            governance::propose_change(&by_admin(by), &treasury, args)
        }
        GovernanceStep::CancelChange { by } => governance::cancel_change(&by_admin(by)),
        GovernanceStep::ExecuteChange { other } => governance::execute_change(&model.to_execute(other)),
        GovernanceStep::LowerCaps { by, caps } => governance::lower_caps(&by_admin(by), caps.0, caps.1),
        GovernanceStep::LowerCap { by, cap } => stake::lower_cap(&by_staking(by), cap),
        GovernanceStep::NameAdmin { by, to } => governance::propose_admin(&by_admin(by), &model.admin(to)),
        GovernanceStep::AcceptAdmin { by } => {
            governance::accept_admin(&model.signer(by, model.accepting(model.market.pending_admin)))
        }
        GovernanceStep::ProposeConfig { by, insurance, slashers, cap } => stake::propose_config(
            &by_staking(by),
            &model.fund(insurance, model.staking.insurance),
            model.staking.list(slashers),
            cap,
        ),
        GovernanceStep::CancelConfig { by } => stake::cancel_config(&by_staking(by)),
        GovernanceStep::ExecuteConfig { other } => stake::execute_config(&model.to_execute_staking(other)),
        GovernanceStep::NameStakingAdmin { by, to } => stake::propose_admin(&by_staking(by), &model.admin(to)),
        GovernanceStep::AcceptStakingAdmin { by } => {
            stake::accept_admin(&model.signer(by, model.accepting(model.staking.pending_admin)))
        }
    }
}

/// Do both configurations hold what the model says?
pub fn compare(world: &World, model: &Model) -> Result<(), String> {
    let chain: account::Config = world.read(&keys::market_config());
    let next = (chain.next_ts != 0).then_some(Proposal {
        treasury: chain.next_treasury,
        verifier: chain.next_verifier,
        terms: Parameters { fee: Bps(chain.next_fee_bps), slot_ms: chain.next_slot_ms },
        caps: (chain.next_purse_cap, chain.next_job_cap),
        due: chain.next_ts,
    });
    let found = MarketConfig {
        admin: chain.admin,
        pending_admin: chain.pending_admin,
        terms: Parameters { fee: Bps(chain.fee_bps), slot_ms: chain.slot_ms },
        caps: chain.caps(),
        verifier: chain.verifier,
        paused: chain.paused == 1,
        proposals: chain.proposals,
        next,
    };
    same!("the market's configuration", found, model.market);
    same!("the treasury", chain.treasury, model.treasury);
    same!("the market's due", chain.header.due_ts, model.market.next.map_or(0, |next| next.due));
    let chain: account::StakingConfig = world.read(&keys::staking_config());
    let found = StakingConfig {
        admin: chain.admin,
        pending_admin: chain.pending_admin,
        insurance: chain.insurance,
        slashers: chain.slashers,
        cap: chain.caps().bond,
        next: (chain.pending_from != 0).then_some((
            chain.pending_insurance,
            chain.pending_slashers,
            chain.pending_bond_cap,
            chain.pending_from,
        )),
        market: model.staking.market,
    };
    same!("the staking program's configuration", found, model.staking);
    same!("the staking program's due", chain.header.due_ts, model.staking.next.map_or(0, |next| next.3));
    Ok(())
}
