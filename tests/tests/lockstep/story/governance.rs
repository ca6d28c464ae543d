//! What is chosen for the configurations.

use gridlease_core::limits::{BOND_CAP, GOVERNANCE_WINDOW, JOB_CAP, PURSE_CAP};
use gridlease_core::{UnixTs, governance};

use crate::command::Command;
use crate::command::governance::{Change, GovernanceStep};
use crate::model::Model;
use crate::model::governance::SLASHERS;
use crate::random::Random;
use crate::scene::{BUYERS, PROVIDERS};

use super::{by, person};

pub fn change(random: &mut Random) -> Change {
    let strange = random.once_in(8);
    Change {
        treasury: if random.once_in(3) { random.small(6) } else { 0 },
        fee: if strange { random.pick(&[500, 501, u16::MAX]) } else { random.below(501) as u16 },
        slot_ms: if strange { random.pick(&[49, 50, 1_000, 1_001]) } else { 200 + random.below(801) as u32 },
        caps: if strange { random.pick(&[(0, 1), (1, 0)]) } else { caps(random) },
        verifier: if random.once_in(8) { 0 } else { person(random.index(BUYERS + PROVIDERS)) },
    }
}

/// Of purses and of jobs: mostly as they are at genesis, else so low that they bind.
fn caps(random: &mut Random) -> (u64, u64) {
    let low = |random: &mut Random, most: u64| if random.once_in(4) { 1 + random.below(1 << 34) } else { most };
    (low(random, PURSE_CAP.0), low(random, JOB_CAP.0))
}

fn bond_cap(random: &mut Random) -> u64 {
    if random.once_in(4) { random.amount(36) } else { BOND_CAP.0 }
}

/// To a time, or a second before or after.
fn wait(random: &mut Random, until: u64, model: &Model) -> Command {
    let seconds = (until + random.below(3)).saturating_sub(model.now.ts.0 + 1);
    Command::Clock { slots: seconds * 2, seconds: seconds as i64 }
}

fn has_lapsed(due: UnixTs, now: UnixTs) -> bool {
    due <= now && !governance::stands(due, now)
}

/// The admin signs, most of the time.
pub fn choose(random: &mut Random, model: &Model) -> Command {
    let who = by(random);
    // Whatever stops the market ends soon.
    if model.market.paused && !random.once_in(5) {
        return Command::Governance(GovernanceStep::SetPaused { by: who, paused: false });
    }
    if !model.staking.names_market() && model.staking.next.is_none() {
        let (slashers, cap) = (random.small(2), BOND_CAP.0);
        return Command::Governance(GovernanceStep::ProposeConfig { by: who, insurance: 0, slashers, cap });
    }
    let step = match random.below(22) {
        0 => GovernanceStep::SetPaused { by: who, paused: true },
        1 => GovernanceStep::SetPaused { by: who, paused: false },
        2..=5 => match model.market.next {
            None => GovernanceStep::ProposeChange { by: who, change: change(random) },
            Some(next) if has_lapsed(UnixTs(next.due), model.now.ts) => {
                GovernanceStep::ProposeChange { by: who, change: change(random) }
            }
            Some(next) if UnixTs(next.due) <= model.now.ts && random.once_in(6) => {
                return wait(random, next.due + GOVERNANCE_WINDOW.0, model);
            }
            Some(next) if UnixTs(next.due) <= model.now.ts => GovernanceStep::ExecuteChange { other: None },
            Some(next) if random.once_in(3) => return wait(random, next.due, model),
            Some(_) if random.once_in(3) => GovernanceStep::CancelChange { by: who },
            Some(_) => GovernanceStep::ProposeChange { by: who, change: change(random) },
        },
        6 => {
            let other = random.once_in(2).then(|| random.small(6));
            GovernanceStep::ExecuteChange { other }
        }
        7 => GovernanceStep::CancelChange { by: who },
        8 | 9 => GovernanceStep::NameAdmin { by: who, to: random.small(3) },
        10 | 11 => GovernanceStep::AcceptAdmin { by: who },
        12..=14 => match model.staking.next {
            Some((.., from)) if from <= model.now.ts.0 => GovernanceStep::ExecuteConfig { other: None },
            Some((.., from)) if random.once_in(3) => return wait(random, from, model),
            Some(_) if random.once_in(3) => GovernanceStep::CancelConfig { by: who },
            Some(_) => GovernanceStep::ExecuteConfig { other: Some(random.small(6)) },
            None => {
                // Seldom a list without the market, which could do nothing any more.
                let slashers = if random.once_in(4) { random.small(SLASHERS) } else { random.small(2) };
                let insurance = if random.once_in(8) { random.small(6) } else { 0 };
                GovernanceStep::ProposeConfig { by: who, insurance, slashers, cap: bond_cap(random) }
            }
        },
        15 => GovernanceStep::CancelConfig { by: who },
        16 => {
            let other = random.once_in(2).then(|| random.small(6));
            GovernanceStep::ExecuteConfig { other }
        }
        18 => GovernanceStep::LowerCaps { by: who, caps: caps(random) },
        19 => GovernanceStep::LowerCap { by: who, cap: bond_cap(random) },
        17 => GovernanceStep::NameStakingAdmin { by: who, to: random.small(3) },
        _ => GovernanceStep::AcceptStakingAdmin { by: who },
    };
    Command::Governance(step)
}
