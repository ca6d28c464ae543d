//! The offer: what is done about it, and why.

use super::*;
use crate::gpu::{Gpu, GpuHealth, Host, Inventory};

fn decided(world: &World) -> Option<Decision> {
    plan(&world.state(), std::iter::empty(), std::iter::empty()).into_iter().next()
}

fn due(change: impl FnOnce(&mut World)) -> World {
    World::with(|world| {
        world.looked = None;
        change(world);
    })
}

fn of_offer(world: &mut World, change: impl FnOnce(&mut Offer)) {
    change(world.offer.as_mut().unwrap());
}

/// What was decided, in a word, with its reason.
fn in_words(decision: &Decision) -> (&'static str, String) {
    match decision {
        Decision::Post { over: false, why, .. } => ("post", why.to_string()),
        Decision::Post { over: true, why, .. } => ("post anew", why.to_string()),
        Decision::Refresh { why, .. } => ("refresh", why.to_string()),
        Decision::Withdraw { busy: false, why } => ("close", why.to_string()),
        Decision::Withdraw { busy: true, why } => ("withdraw", why.to_string()),
        Decision::Rest { why, .. } => ("rest", why.to_string()),
        Decision::Claim => ("claim", "The GPUs of the offer are claimed.".to_owned()),
        other => panic!("{other:?} is not about the offer"),
    }
}

#[test]
fn each_decision_about_the_offer_has_its_reason_in_a_sentence() {
    let busy = |world: &mut World| of_offer(world, |offer| offer.units_free = 0);
    let withdrawn = |world: &mut World| of_offer(world, |offer| offer.header.state = offer_state::WITHDRAWN);
    let leaving = |world: &mut World| world.leaving = Some(Leaving { gone_from: None });
    let table: Vec<(World, &str, &str)> = vec![
        (due(|world| world.offer = None), "post", "There is no offer of this machine yet."),
        (due(withdrawn), "post anew", "The offer was withdrawn and its leases are over."),
        (
            due(|world| world.unit.spec.cpu_milli = 2_000),
            "post anew",
            "The offer promises another unit than this machine has.",
        ),
        (
            due(|world| of_offer(world, |offer| offer.gpu_root = [1; 32])),
            "post anew",
            "The offer names other GPUs than this machine has.",
        ),
        (
            due(|world| {
                world.room_mib = Some(99);
                of_offer(world, |offer| offer.spec.disk_mib = 100);
            }),
            "post anew",
            "The offer promises 100 MiB of disk for each unit, and there is room for 99 MiB in all.",
        ),
        (
            due(|world| {
                busy(world);
                world.unit.spec.cpu_milli = 2_000;
            }),
            "withdraw",
            "The offer promises another unit than this machine has.",
        ),
        (due(|_| {}), "refresh", "The offer's life is renewed, with the operator's terms."),
        (
            due(|world| of_offer(world, |offer| offer.header.due_ts = 1_000)),
            "refresh",
            "The offer has expired or was put to sleep.",
        ),
        (
            due(|world| {
                busy(world);
                withdrawn(world);
            }),
            "rest",
            "The withdrawn offer waits for its open lease.",
        ),
        (
            due(|world| {
                withdrawn(world);
                of_offer(world, |offer| offer.unpaid = 1);
            }),
            "rest",
            "The withdrawn offer waits for leases that are not closed yet.",
        ),
        (
            World::with(|world| world.troubles = vec![gpu_trouble()]),
            "close",
            "The machine is not well (GPU: GPU-1 is lost).",
        ),
        (
            World::with(|world| {
                world.troubles = vec![Trouble { part: Part::Engine, words: "it does not answer".to_owned() }];
                busy(world);
            }),
            "rest",
            "The machine is not well (container engine: it does not answer).",
        ),
        (World::with(leaving), "close", "The operator takes the machine off the market."),
        (
            World::with(|world| {
                leaving(world);
                world.bids_stand = 2;
                world.looked = None;
            }),
            "refresh",
            "The operator takes the machine away; bids of it stand in the books of 2 open jobs and are honoured first.",
        ),
        (
            due(|world| {
                world.offer = None;
                world.rules = Some(Rules { retired: true, ..Rules::default() });
            }),
            "rest",
            "The machine is retired: it offers nothing any more, and this node serves what is left of its leases.",
        ),
        (
            due(|world| {
                world.offer = None;
                world.rules = Some(Rules { limit: Atoms(5_000_000), allotted: Atoms(5_000_000), ..Rules::default() });
            }),
            "rest",
            "The machine's limit of stake is used up, so it offers nothing: of 5.00 USDC its offers have 5.00 USDC.",
        ),
        (
            World::with(|world| of_offer(world, |offer| offer.machine = Pubkey::new_from_array([8; 32]))),
            "rest",
            "The offer's number 0 is taken by another machine of this provider, YMN9Qj5jPNp7j14VPcML1B6xGgcPWVZUGLFU3Mnyfaf; restart the node with another --offer.",
        ),
        (
            World::with(|world| of_offer(world, |offer| offer.spec.gpu_count = 1)),
            "claim",
            "The GPUs of the offer are claimed.",
        ),
    ];
    for (world, word, sentence) in table {
        let decision = decided(&world).unwrap_or_else(|| panic!("nothing was decided: {sentence}"));
        assert_eq!(in_words(&decision), (word, sentence.to_owned()));
        assert!(is_sentence(sentence), "{sentence}");
    }
    let others = [
        Why::LongAuction { job: JOB, until: UnixTs(7) },
        Why::BidsStand { jobs: 1 },
        Why::OpenLeases { open: 3 },
        Why::Stopping,
    ];
    for why in others {
        assert!(is_sentence(&why.to_string()), "{why}");
    }
    assert_eq!(decided(&World::new()), None, "an offer that stands and was looked after is let be");
}

#[test]
fn an_offer_with_leases_is_taken_back_without_a_free_unit_so_that_it_can_be_revived() {
    let two = Offer { units: 2, units_free: 1, auto_bid: 1, ..offer() };
    let terms = World::new().policy.terms(NOW.ts);
    let Some(Decision::Refresh { terms: last, .. }) = suspension(&two, terms, NOW.ts, Why::Stopping) else {
        panic!("not refreshed")
    };
    assert_eq!((last.units, last.auto_bid, last.expires), (1, false, UnixTs(1_010)));
    let idle = suspension(&offer(), terms, NOW.ts, Why::Stopping);
    assert_eq!(idle, Some(Decision::Withdraw { busy: false, why: Why::Stopping }));
    let mut gone = two;
    gone.header.state = offer_state::WITHDRAWN;
    assert_eq!(suspension(&gone, terms, NOW.ts, Why::Stopping), None, "it takes nothing as it is");
}

#[test]
fn a_machine_that_leaves_enters_no_new_book_and_closes_its_offer_when_its_leases_are_over() {
    let leaving = |change: fn(&mut World)| {
        World::with(|world| {
            world.leaving = Some(Leaving { gone_from: Some(0) });
            of_offer(world, |offer| offer.auto_bid = 1);
            change(world);
        })
    };
    // Others enter it no more, and whoever it promised to is served: withdrawn, the offer would cost a fault.
    let honours = leaving(|world| world.bids_stand = 1);
    let Some(Decision::Refresh { terms, .. }) = decided(&honours) else { panic!("not refreshed") };
    assert!(!terms.auto_bid && terms.units == 1);
    assert!(world_has_no_bid(&honours.plan(&job())));
    let mut honoured = honours;
    of_offer(&mut honoured, |offer| offer.auto_bid = 0);
    assert!(matches!(decided(&honoured), Some(Decision::Rest { .. })), "once is enough");
    let busy = leaving(|world| of_offer(world, |offer| (offer.units_free, offer.header.due_ts) = (0, 900)));
    assert!(matches!(decided(&busy), Some(Decision::Rest { .. })));
    let over = leaving(|world| of_offer(world, |offer| offer.header.due_ts = 900));
    assert!(matches!(decided(&over), Some(Decision::Withdraw { busy: false, .. })), "its rent comes back");
    assert!(matches!(decided(&leaving(|world| world.offer = None)), Some(Decision::Rest { .. })));
    let just_now = leaving(|world| world.looked = Some((Duration::from_millis(500), Kept::Shut)));
    assert!(matches!(decided(&just_now), Some(Decision::Rest { .. })), "until the view shows it");
}

fn world_has_no_bid(decisions: &[Decision]) -> bool {
    !decisions.iter().any(|decision| matches!(decision, Decision::Bid { .. }))
}

#[test]
fn what_a_new_offer_may_bind_is_what_the_machine_has_left_with_what_the_old_one_gives_back() {
    let limit = |world: World| match decided(&world) {
        Some(Decision::Post { stake_limit, .. }) => stake_limit.0,
        other => panic!("{other:?}"),
    };
    let rules = Rules { limit: Atoms(25), allotted: Atoms(20), offers: 1, retired: false };
    assert_eq!(
        limit(due(|world| {
            world.offer = None;
            world.rules = Some(rules);
        })),
        5
    );
    let anew = due(|world| {
        world.rules = Some(rules);
        world.unit.spec.cpu_milli = 2_000;
        of_offer(world, |offer| (offer.stake_limit, offer.bound) = (20, 3));
    });
    assert_eq!(limit(anew), 22, "what was slashed of it stays");
    let unread = due(|world| {
        world.offer = None;
        world.rules = None;
    });
    assert_eq!(limit(unread), 1_000_000_000_000, "the chain has the last word");
}

#[test]
fn issue9_05_what_is_kept_of_finished_leases_is_deducted_from_what_is_offered() {
    let policy = OfferPolicy { units: 2, ..OfferPolicy::default() };
    let unit = policy.unit(&host(Vec::new())).unwrap().spec;
    assert_eq!(unit.disk_mib, 400);
    // The reserve of two tenths takes the first results; then the offer no longer holds.
    assert!(!policy.oversells(&unit, 1_000) && !policy.oversells(&unit, 800));
    assert!(policy.oversells(&unit, 799));
    assert_eq!(policy.within(unit, 799).disk_mib, 316);
    assert_eq!(policy.within(unit, 100_000).disk_mib, 400, "never more than the unit has");
    assert_eq!(policy.within(unit, 0).disk_mib, 0);
}

#[test]
fn egress_stands_in_the_offer_where_the_owner_gives_it_and_nowhere_else() {
    let machine = host(Vec::new());
    let offered = |egress| OfferPolicy { egress, ..OfferPolicy::default() }.unit(&machine).unwrap().spec.flags;
    assert_eq!((offered(false), offered(true)), (flags::CPU_CLASS, flags::CPU_CLASS | flags::EGRESS));
}

fn host(gpus: Vec<Gpu>) -> Inventory {
    let host = Host { cpu_cores: 4, memory_mib: 8_000, disk_mib: 1_000, arch: "x86_64".to_owned() };
    Inventory { gpus, driver: None, cuda: None, host }
}

#[test]
fn report_01_gpus_of_one_model_with_other_memory_and_two_unknown_models_stand_in_no_offer_together() {
    let gpu = |name: &str, model: &str, vram_mib| Gpu {
        uuid: format!("GPU-{name}-{vram_mib}"),
        name: name.to_owned(),
        model: model.to_owned(),
        vram_mib,
        compute_capability: (8, 0),
        health: GpuHealth::default(),
    };
    let together = |one, other| OfferPolicy::default().unit(&host(vec![one, other])).map(|unit| unit.spec.gpu_count);
    assert_eq!(together(gpu("A100", "a100", 81_920), gpu("A100", "a100", 81_920)), Ok(2));
    // Drivers report some MiB less of one than of another.
    assert_eq!(together(gpu("A100", "a100", 81_920), gpu("A100", "a100", 81_559)), Ok(2));
    let mixed = together(gpu("A100 80GB", "a100", 81_920), gpu("A100 40GB", "a100", 40_960)).unwrap_err().to_string();
    assert!(mixed.contains("81920 MiB") && mixed.contains("40960 MiB"), "{mixed}");
    assert!(together(gpu("Foo", "other", 8_192), gpu("Bar", "other", 8_192)).is_err());
    assert_eq!(together(gpu("Foo", "other", 8_192), gpu("Foo", "other", 8_192)), Ok(2));
}
