//! The end of all stake: whoever has some asks it back and gets it, and every bond is closed with nothing left in it.

use gridlease_core::limits::UNBONDING_TIME;

use crate::command::Command;
use crate::command::governance::GovernanceStep;
use crate::command::pools::PoolStep;
use crate::model::Model;
use crate::scene::{BUYERS, PROVIDERS};

/// The admin's last act: intake is open, and the staking program names the market as a slasher, so that the cranks can be turned.
pub fn restore(
    model: &mut Model,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    let mut govern = |model: &mut Model, what: GovernanceStep| step(model, &Command::Governance(what));
    if model.market.paused {
        govern(model, GovernanceStep::SetPaused { by: 0, paused: false })?;
    }
    if model.market.next.is_some() {
        govern(model, GovernanceStep::CancelChange { by: 0 })?;
    }
    if model.staking.names_market() {
        return Ok(());
    }
    let cap = model.staking.cap.0;
    govern(model, GovernanceStep::ProposeConfig { by: 0, insurance: 0, slashers: 0, cap })?;
    let due = model.staking.next.map_or(0, |next| next.3);
    step(model, &wait(due - model.now.ts.0))?;
    step(model, &Command::Governance(GovernanceStep::ExecuteConfig { other: None }))
}

fn wait(seconds: u64) -> Command {
    Command::Clock { slots: 1, seconds: i64::try_from(seconds).unwrap_or(i64::MAX) }
}

/// Everybody takes everything out.
pub fn take_out(
    model: &mut Model,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    // Old requests first, so that there is a place for new ones.
    for _ in 0..2 {
        step(model, &wait(UNBONDING_TIME.0))?;
        for provider in 0..PROVIDERS {
            pay_claims(model, provider, step)?;
            withdraw_all(model, provider, step)?;
            ask_back(model, provider, step)?;
        }
    }
    for provider in 0..PROVIDERS {
        close(model, provider, step)?;
    }
    Ok(())
}

fn holders(model: &Model, provider: usize) -> Vec<usize> {
    model.providers[provider].holdings.delegations.keys().copied().collect()
}

/// What buyers claim leaves whatever else is reserved.
fn pay_claims(
    model: &mut Model,
    provider: usize,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    for _ in 0..model.providers[provider].holdings.claims.len() {
        for to_prover in [false, true] {
            let pay = PoolStep::PayClaim { at: 0, to_prover, signed: false, to: 0 };
            step(model, &Command::Pool { provider, step: pay })?;
        }
    }
    Ok(())
}

fn withdraw_all(
    model: &mut Model,
    provider: usize,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    let owners: Vec<_> = model.providers[provider].holdings.requests.iter().map(|request| request.owner).collect();
    for owner in owners {
        let (at, signed, to) = (0, false, 0);
        let withdraw = match owner {
            Some(holder) => PoolStep::WithdrawDelegation { holder, at, signed, to },
            None => PoolStep::WithdrawStake { at, signed, to },
        };
        step(model, &Command::Pool { provider, step: withdraw })?;
    }
    Ok(())
}

fn ask_back(
    model: &mut Model,
    provider: usize,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    for holder in holders(model, provider) {
        // One whom the delegator does not, the operator sends off.
        for by in [0, BUYERS + provider + 1] {
            let by = u8::try_from(by).unwrap_or(0);
            if model.providers[provider].holdings.delegations[&holder].rules.shares > 0 {
                let undelegate = PoolStep::Undelegate { holder, by, amount: u64::MAX, to: 0, number_off: 0 };
                step(model, &Command::Pool { provider, step: undelegate })?;
            }
        }
    }
    let own = model.providers[provider].bond.map_or(0, |stake| stake.totals.own.0);
    if own > 0 {
        let unbond = PoolStep::Unbond { by: 0, amount: own, to: 0, number_off: 0 };
        step(model, &Command::Pool { provider, step: unbond })?;
    }
    Ok(())
}

fn close(
    model: &mut Model,
    provider: usize,
    step: &mut impl FnMut(&mut Model, &Command) -> Result<(), String>,
) -> Result<(), String> {
    if model.providers[provider].bond.is_none() {
        return Ok(());
    }
    for holder in holders(model, provider) {
        let claim = PoolStep::ClaimRevenue { holder, signed: false, to: 0 };
        step(model, &Command::Pool { provider, step: claim })?;
        // Whose place is free already may be closed now that it was paid.
        step(model, &Command::Pool { provider, step: PoolStep::CloseDelegation { holder } })?;
    }
    step(model, &Command::Pool { provider, step: PoolStep::PayInsurance { fund: 0 } })?;
    let close = PoolStep::Close { by: 0, to: 0, with_revenue: true };
    step(model, &Command::Pool { provider, step: close })?;
    match &model.providers[provider].bond {
        Some(bond) => Err(format!("bond {provider} could not be closed: {bond:?}")),
        None => Ok(()),
    }
}
