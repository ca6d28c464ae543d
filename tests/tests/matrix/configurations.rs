//! R13: no change of any configuration makes an exit fail. Every fixture once more, under every such change.

use gridlease_sdk::account::{Config, StakingConfig};
use gridlease_sdk::address;
use gridlease_tests::svm::World;
use solana_instruction::Instruction;
use solana_pubkey::Pubkey;

use crate::fixtures;
use crate::stage::Stage;

/// What is changed, and how. What an instruction names of the configuration is then named as it is now.
type Change = (&'static str, fn(&mut World, &mut Instruction));

/// Everything that the admin of either program can bring about, at its ends.
const CHANGES: &[Change] = &[
    ("intake is paused", |w, _| market(w, |config| config.paused = 1)),
    ("the shortest slot", |w, _| market(w, |config| config.slot_ms = 50)),
    ("the longest slot", |w, _| market(w, |config| config.slot_ms = 1_000)),
    ("no fee", |w, _| market(w, |config| config.fee_bps = 0)),
    ("the highest fee", |w, _| market(w, |config| config.fee_bps = 500)),
    ("another treasury", |w, instruction| {
        let (old, new) = (w.treasury, w.foreign_account());
        market(w, |config| config.treasury = new);
        if instruction.program_id == address::MARKET {
            rename(instruction, old, new);
        }
    }),
    ("no verifier", |w, _| market(w, |config| config.verifier = Pubkey::default())),
    ("another admin of the market", |w, _| market(w, |config| config.admin = Pubkey::new_from_array([7; 32]))),
    ("the lowest caps of the market", |w, _| market(w, |config| (config.purse_cap, config.job_cap) = (1, 1))),
    ("a change of the market is proposed", |w, _| {
        market(w, |config| {
            (config.next_treasury, config.next_slot_ms, config.next_ts) = (config.treasury, 400, u64::MAX);
        });
    }),
    ("another insurance account", |w, instruction| {
        let (old, new) = (w.insurance, w.foreign_account());
        staking(w, |config| config.insurance = new);
        rename(instruction, old, new);
    }),
    ("the market is no slasher", |w, _| staking(w, |config| config.slashers.fill(Pubkey::default()))),
    ("another program in the market's place", |w, _| {
        staking(w, |config| {
            config.slashers.fill(Pubkey::default());
            config.slashers[0] = Pubkey::new_from_array([7; 32]);
        });
    }),
    ("another admin of the staking program", |w, _| {
        staking(w, |config| config.admin = Pubkey::new_from_array([7; 32]));
    }),
    ("the lowest cap of bonds", |w, _| staking(w, |config| config.bond_cap = 1)),
];

/// Steps that bind more of somebody's stake, which a market that is no slasher any more may not.
const BINDS: &[&str] = &["award", "commit_bid", "post_instant", "extend", "reserve"];

/// What a change may refuse: what comes in, what binds more stake, and what is the admin's. Anything else is an exit, or a step on
/// the way to one. (A job that nobody may be awarded waits; its buyer takes it back with `cancel_job`, which nothing refuses.)
const MAY_BE_REFUSED: &[(&str, &[&str])] = &[
    (
        "intake is paused",
        &[
            "deposit",
            "register_provider",
            "register_machine",
            "post_offer",
            "post_job",
            "post_instant",
            "post_array",
            "open_task",
            "place_bid",
            "enter_offer",
            "commit_bid",
        ],
    ),
    ("the lowest caps of the market", &["deposit", "post_job", "post_instant", "post_array", "lower_caps"]),
    ("the lowest cap of bonds", &["add_stake", "open_delegation", "delegate", "lower_cap"]),
    ("the market is no slasher", BINDS),
    ("another program in the market's place", BINDS),
    // Without a verdict the stake goes free after 72 hours: `close_lease`.
    ("no verifier", &["verdict"]),
    ("another admin of the market", &["propose_admin", "propose_change", "cancel_change", "lower_caps", "set_paused"]),
    ("a change of the market is proposed", &["propose_change", "execute_change"]),
    ("another admin of the staking program", &["propose_admin", "propose_config", "cancel_config", "lower_cap"]),
];

fn market(w: &mut World, change: impl FnOnce(&mut Config)) {
    w.edit_as::<Config>(&address::market_config(), change);
}

fn staking(w: &mut World, change: impl FnOnce(&mut StakingConfig)) {
    w.edit_as::<StakingConfig>(&address::staking_config(), change);
}

fn rename(instruction: &mut Instruction, old: Pubkey, new: Pubkey) {
    for meta in instruction.accounts.iter_mut().filter(|meta| meta.pubkey == old) {
        meta.pubkey = new;
    }
}

#[test]
fn r13_no_change_of_any_configuration_makes_an_exit_fail() {
    let stage = Stage::new();
    let (mut wrong, mut refused) = (Vec::new(), Vec::new());
    for fixture in fixtures::all().into_iter().filter(|fixture| fixture.instruction != "init_config") {
        let mut scene = stage.fork();
        let case = (fixture.make)(&mut scene);
        for (name, change) in CHANGES {
            let (mut w, mut instruction) = (scene.w.fork(), case.instruction.clone());
            w.stop_auditing(); // no transaction changes a configuration so
            change(&mut w, &mut instruction);
            let Err(answer) = w.send(&[instruction], &[]) else { continue };
            let allowed = MAY_BE_REFUSED
                .iter()
                .position(|(of, instructions)| of == name && instructions.contains(&fixture.instruction));
            match allowed {
                Some(_) => refused.push((*name, fixture.instruction)),
                None => wrong.push(format!("{name}: {} {}: {}", fixture.program, fixture.name(), answer)),
            }
        }
    }
    assert!(wrong.is_empty(), "refused, and an exit:\n{}", wrong.join("\n"));
    for (name, instructions) in MAY_BE_REFUSED {
        for instruction in *instructions {
            assert!(refused.contains(&(name, instruction)), "{name} refuses no {instruction} any more: take it out");
        }
    }
}
