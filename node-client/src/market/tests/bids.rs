//! Jobs: what is bid, and everything that stands against it.

use super::*;

fn decided(world: &World, job: &Job) -> Decision {
    let mut decisions = world.plan(job);
    assert_eq!(decisions.len(), 1, "{decisions:?}");
    decisions.remove(0)
}

fn price(world: &World, job: &Job) -> Option<u64> {
    match decided(world, job) {
        Decision::Bid { quote, .. } => Some(quote.price.0),
        _ => None,
    }
}

fn reason(world: &World, job: &Job) -> Option<&'static str> {
    match decided(world, job) {
        Decision::Decline { reason, .. } => Some(reason.name()),
        _ => None,
    }
}

fn with_job(change: impl FnOnce(&mut Job)) -> Job {
    let mut job = job();
    change(&mut job);
    job
}

fn of_offer(change: impl FnOnce(&mut Offer)) -> World {
    World::with(|world| change(world.offer.as_mut().unwrap()))
}

/// A book that is full of bids of 0.09 USDC.
fn full_book() -> Job {
    let mut job = job();
    rival(&mut job, 90_000);
    for at in 1..job.book.len() {
        job.book[at] = BookEntry { provider: Pubkey::new_from_array([10 + at as u8; 32]), ..job.book[0] };
    }
    job.book_len = job.book.len() as u8;
    job
}

/// Every reason, how it comes about, and the sentence that the operator reads.
fn table() -> Vec<(World, Job, &'static str, &'static str)> {
    let own = |job: &mut Job| job.book[0].provider = OWN;
    vec![
        (
            World::new(),
            with_job(|job| job.header.state = JobState::Leased as u8),
            "not-open",
            "The job takes no bids: it has a lease.",
        ),
        (
            World::with(|world| world.now.ts = UnixTs(1_015)),
            job(),
            "window-over",
            "The bidding window is over since 3 s; the award is due.",
        ),
        (
            World::new(),
            with_job(|job| {
                job.header.state = JobState::Waiting as u8;
                job.expires_at = 1_007;
            }),
            "wait-over",
            "A bidding window of 12 s that opens now would end after the job's wait, of which 7 s are left.",
        ),
        (
            World::new(),
            with_job(|job| job.mode = gridlease_core::job::Mode::Sealed as u8),
            "sealed",
            "The job takes sealed bids, and this version's node makes none.",
        ),
        (World::with(|world| world.offer = None), job(), "no-offer", "There is no offer of this machine on chain."),
        (
            of_offer(|offer| offer.machine = Pubkey::new_from_array([8; 32])),
            job(),
            "foreign-offer",
            "Offer 0 is that of another machine of the provider, YMN9Qj5jPNp7j14VPcML1B6xGgcPWVZUGLFU3Mnyfaf.",
        ),
        (
            World::with(|world| world.rules = Some(Rules { retired: true, ..Rules::default() })),
            job(),
            "retired",
            "The machine is retired and takes no lease any more.",
        ),
        (
            World::with(|world| world.leaving = Some(Leaving { gone_from: None })),
            job(),
            "leaving",
            "The operator takes the machine off the market (`gridlease node drain`).",
        ),
        (
            World::with(|world| world.troubles = vec![gpu_trouble()]),
            job(),
            "trouble",
            "The machine is not well (GPU: GPU-1 is lost).",
        ),
        (of_offer(|offer| offer.header.state = offer_state::WITHDRAWN), job(), "withdrawn", "The offer was withdrawn."),
        (
            of_offer(|offer| offer.header.due_ts = 1_012),
            job(),
            "expires",
            "The offer expires 1 s before the auction lets it.",
        ),
        (of_offer(|offer| offer.units_free = 0), job(), "full", "The only unit of the offer is taken."),
        (
            World::new(),
            with_job(|job| {
                job.excluded[0] = [7; 8];
                job.excluded_len = 1;
            }),
            "excluded",
            "The provider failed this job before, so the job goes on without it.",
        ),
        (
            of_offer(|offer| offer.spec.gpu_count = 2),
            job(),
            "unclaimed",
            "Of the 2 GPUs of the offer only 0 are claimed for it.",
        ),
        (
            of_offer(|offer| offer.spec.cpu_milli = 500),
            job(),
            "requirement",
            "The requirement is not met: CPU (millicores): the job needs 1000, the offer has 500.",
        ),
        (
            of_offer(|offer| (offer.ask, offer.floor) = (900_000, 800_000)),
            job(),
            "below-floor",
            "The job pays at most 0.50 USDC an hour, and the floor is 0.80 USDC.",
        ),
        (
            World::new(),
            with_job(|job| job.reserved = 1_000),
            "unaffordable",
            "The job holds 0.001 USDC, and a lease at 0.40 USDC an hour needs 0.066667 USDC.",
        ),
        (
            World::with(|world| world.bond.amount = Atoms(4_999_999)),
            job(),
            "stake",
            "The lease would reserve 5.00 USDC of stake, and 4.999999 USDC are free.",
        ),
        (
            of_offer(|offer| (offer.stake_limit, offer.bound) = (10_000_000, 9_999_999)),
            job(),
            "stake-limit",
            "The lease would bind 5.00 USDC of stake, and the offer's limit leaves 0.000001 USDC.",
        ),
        (
            World::new(),
            full_book(),
            "book-full",
            "The book is full: all 8 bids in it are better than one of 0.40 USDC.",
        ),
        (
            World::new(),
            with_job(|job| {
                rival(job, 300_000);
                own(job);
            }),
            "leads",
            "The provider's bid of 0.30 USDC leads already.",
        ),
        (
            World::new(),
            with_job(|job| {
                rival(job, 90_000);
                let lower = BookEntry { provider: OWN, price: 350_000, score: 1, ..job.book[0] };
                (job.book[1], job.book_len) = (lower, 2);
            }),
            "cannot-improve",
            "The provider's bid of 0.35 USDC stands, and the next would be 0.40 USDC, which is no lower.",
        ),
        (
            World::new(),
            with_job(|job| job.reason = 255),
            "unknown",
            "An account of the job holds something that this version does not know.",
        ),
    ]
}

#[test]
fn each_reason_against_a_bid_is_found_and_reads_as_a_sentence() {
    for (world, job, name, sentence) in table() {
        let told = world.explain(&job);
        let found = told.against.iter().find(|reason| reason.name() == name);
        let found = found.unwrap_or_else(|| panic!("no {name} in {:?}", told.against));
        assert_eq!(found.to_string(), sentence);
        assert!(is_sentence(sentence), "{sentence}");
        assert_eq!(told.price(), None, "{name}: what stands against a bid keeps it from being made");
        let bids = world.plan(&job).into_iter().filter(|decision| matches!(decision, Decision::Bid { .. })).count();
        assert_eq!(bids, usize::from(name == "retired"), "{name}: the chain says that a machine is retired");
    }
    for reason in [Reason::NotRunning, Reason::LeftToKeepers, Reason::Full { units: 4 }] {
        assert!(is_sentence(&reason.to_string()), "{reason}");
    }
}

#[test]
fn the_amounts_of_a_reason_are_told_apart_from_its_words() {
    let amounts = |name: &str| {
        let (world, job, ..) = table().into_iter().find(|row| row.2 == name).unwrap();
        world.explain(&job).against.iter().find(|reason| reason.name() == name).unwrap().asked_and_had()
    };
    let both = |asked: &str, had: &str| Some((asked.to_owned(), had.to_owned()));
    assert_eq!(amounts("stake"), both("5.00 USDC", "4.999999 USDC"));
    assert_eq!(amounts("requirement"), both("1000", "500"));
    assert_eq!(amounts("below-floor"), both("0.80 USDC", "0.50 USDC"));
    assert_eq!(amounts("unclaimed"), both("2", "0"));
    assert_eq!(amounts("leads"), None);
}

#[test]
fn everything_that_stands_against_a_bid_is_told_and_not_the_first_only() {
    let mut world = of_offer(|offer| {
        offer.units_free = 0;
        offer.header.due_ts = 900;
        offer.spec.cpu_milli = 500;
        offer.stake_limit = 1;
    });
    world.bond.amount = Atoms(1);
    world.troubles = vec![gpu_trouble()];
    let asking = with_job(|job| {
        job.requirement.gpu_count = 1;
        job.requirement.vram_mib = 24_576;
        job.requirement.memory_mib = 16_384;
        job.requirement.flags = flags::EGRESS;
        job.requirement.min_reputation = 9_000;
        job.requirement.min_stake = 50_000_000;
        job.excluded[0] = [7; 8];
        job.excluded_len = 1;
        job.reserved = 10;
    });
    let told = world.explain(&asking);
    let names: Vec<&str> = told.against.iter().map(Reason::name).collect();
    let expected = ["trouble", "full", "expires", "excluded"];
    assert_eq!(names[0], expected[0]);
    for name in expected.into_iter().chain(["unaffordable", "stake", "stake-limit"]) {
        assert_eq!(names.iter().filter(|found| **found == name).count(), 1, "{name} once in {names:?}");
    }
    let unmet: Vec<String> =
        told.against.iter().filter(|reason| reason.name() == "requirement").map(ToString::to_string).collect();
    // Of a machine without a GPU nothing more is said about GPUs.
    assert_eq!(
        unmet,
        [
            "The requirement is not met: GPU count: the job needs 1, the offer has 0.",
            "The requirement is not met: CPU (millicores): the job needs 1000, the offer has 500.",
            "The requirement is not met: memory (MiB): the job needs 16384, the offer has 8192.",
            "The requirement is not met: flags: the job needs egress, the offer has CPU class.",
            "The requirement is not met: stake (atoms): the job needs 50000000, the offer has 1.",
            "The requirement is not met: reputation (basis points): the job needs 9000, the offer has 5000.",
        ]
    );
    assert!(told.quote.is_some(), "and what it would bid without all that");
}

#[test]
fn a_price_tells_how_it_comes_about() {
    let told = |job: &Job| World::new().explain(job).quote.unwrap().to_string();
    assert_eq!(told(&job()), "0.40 USDC an hour: the ask, because nobody else has bid.");
    let poor = with_job(|job| job.max_price = 300_000);
    assert_eq!(
        told(&poor),
        "0.30 USDC an hour: the most that the job pays, which is less than the ask of 0.40 USDC; nobody else has bid."
    );
    let behind = with_job(|job| rival(job, 90_000));
    assert_eq!(
        told(&behind),
        "0.40 USDC an hour: not even the floor of 0.10 USDC leads before the best other bid of 0.09 USDC, so it stands behind."
    );
    let dear = with_job(|job| rival(job, 500_000));
    assert_eq!(told(&dear), "0.40 USDC an hour: it leads as it is; the best other bid is 0.50 USDC.");
    let under = told(&with_job(|job| rival(job, 300_000)));
    assert!(under.contains("the highest price that leads before the best other bid of 0.30 USDC"), "{under}");
    assert!(under.contains("the floor is 0.10 USDC"), "{under}");
}

#[test]
fn a_better_bid_is_beaten_by_a_little_and_never_below_the_floor() {
    assert_eq!(price(&World::new(), &job()), Some(400_000), "an empty book is bid the ask");
    let beaten = price(&World::new(), &with_job(|job| rival(job, 300_000))).unwrap();
    assert!(beaten < 300_000 && beaten > 280_000, "{beaten}");
    let second = price(&World::new(), &with_job(|job| rival(job, 90_000)));
    assert_eq!(second, Some(400_000), "the second place is taken at the ask");
}

#[test]
fn r32_no_bid_is_made_that_the_offer_s_limit_of_stake_does_not_cover() {
    let with = |limit, bound| of_offer(|offer| (offer.stake_limit, offer.bound) = (limit, bound));
    assert!(price(&with(u64::MAX, 0), &job()).is_some());
    assert_eq!(reason(&with(0, 0), &job()), Some("stake-limit"));
    assert_eq!(reason(&with(10_000_000, 9_999_999), &job()), Some("stake-limit"), "what is bound is taken off");
}

#[test]
fn a_book_that_is_full_of_better_bids_is_left_alone_and_one_that_is_beaten_is_not() {
    let full = full_book();
    for bids in 1..full.book.len() {
        let roomy = Job { book_len: bids as u8, ..full };
        assert!(price(&World::new(), &roomy).is_some(), "{bids} bids leave room");
    }
    assert_eq!(reason(&World::new(), &full), Some("book-full"));
    let mut beaten = full;
    let mut dear = full;
    rival(&mut dear, 500_000);
    let last = beaten.book.len() - 1;
    beaten.book[last] = BookEntry { provider: Pubkey::new_from_array([99; 32]), ..dear.book[0] };
    assert!(price(&World::new(), &beaten).is_some(), "the last one is beaten");
}

#[test]
fn the_window_closes_at_its_second_and_the_offer_lives_to_its_end() {
    let at = |ts| World::with(|world| world.now.ts = UnixTs(ts));
    assert!(price(&at(1_011), &job()).is_some());
    assert_eq!(reason(&at(1_012), &job()), Some("window-over"));
    let until = |due| of_offer(|offer| offer.header.due_ts = due);
    assert!(price(&until(1_013), &job()).is_some());
    let Decision::Refresh { terms, why } = decided(&until(1_012), &job()) else { panic!("no refresh") };
    assert_eq!(why, Why::LongAuction { job: JOB, until: UnixTs(1_012) });
    assert!(terms.expires > UnixTs(1_012));
}

#[test]
fn a_job_with_a_long_window_makes_the_offer_live_longer_once_nothing_else_stands_against_it() {
    // A job may keep its window open for an hour; an offer lives a quarter of that without a refresh.
    let long = with_job(|job| job.close_ts = 1_000 + 2_400);
    let own = World::with(|world| world.offer.as_mut().unwrap().header.due_ts = 1_900);
    let Decision::Refresh { terms, .. } = decided(&own, &long) else { panic!("no refresh") };
    // A node's own bid binds it for half an hour at most, an automatic one to the end.
    assert_eq!(terms.expires, UnixTs(1_000 + 1_800 + 60));
    let mut refreshed = own;
    refreshed.offer.as_mut().unwrap().header.due_ts = terms.expires.0;
    assert!(price(&refreshed, &long).is_some(), "and then it bids");
    let automatic = of_offer(|offer| (offer.auto_bid, offer.header.due_ts) = (1, 1_900));
    let Decision::Refresh { terms, .. } = decided(&automatic, &long) else { panic!("no refresh") };
    assert_eq!(terms.expires, UnixTs(1_000 + 2_400 + 60));
    let mut unfit = long;
    unfit.requirement.cpu_milli = 9_000;
    assert_eq!(
        reason(&of_offer(|offer| offer.header.due_ts = 1_900), &unfit),
        Some("expires"),
        "nothing is paid for it"
    );
}

#[test]
fn keepers_have_a_moment_to_enter_an_automatic_offer_and_none_where_the_window_ends() {
    let automatic = of_offer(|offer| offer.auto_bid = 1);
    let after = |job: &Job, millis| {
        let seen = Seen { key: &JOB, job, since: Duration::from_millis(millis) };
        plan(&automatic.state(), [seen].into_iter(), std::iter::empty()).remove(0)
    };
    let left = Decision::Decline { job: JOB, reason: Reason::LeftToKeepers };
    assert_eq!(after(&job(), 0), left);
    assert!(matches!(after(&job(), 2_500), Decision::Bid { .. }));
    let urgent = with_job(|job| job.close_ts = 1_004);
    assert!(matches!(after(&urgent, 0), Decision::Bid { .. }));
}

#[test]
fn a_machine_whose_units_are_all_at_work_bids_on_nothing() {
    assert_eq!(reason(&World::with(|world| world.running = 1), &job()), Some("full"));
    assert_eq!(reason(&of_offer(|offer| offer.units_free = 0), &job()), Some("full"));
}

#[test]
fn without_an_offer_on_chain_a_job_is_explained_for_the_one_that_would_be_posted() {
    let world = World::with(|world| world.offer = None);
    let told = world.explain(&job());
    assert_eq!(told.against, [Reason::NoOffer]);
    assert_eq!(told.quote.unwrap().price, PricePerHour(400_000));
    let asking = with_job(|job| job.requirement.memory_mib = 9_000);
    assert_eq!(world.explain(&asking).against.len(), 2, "and the machine is too small");
}
