//! Posting: once, or not at all.

use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_cli::amount::Usdc;
use gridlease_cli::buyer::store::{JobRecord, Posting};
use gridlease_cli::buyer::{Buyer, EnvVar, FollowOptions, JobEvent, PostOptions, PreparedJob};
use gridlease_cli::error::{CliError, Kind};
use gridlease_cli::{purse, steps};
use gridlease_core::job::EndReason;
use gridlease_sdk::account::{Job, Purse};
use gridlease_sdk::address;
use solana_pubkey::Pubkey;

use crate::world::{ONCE, USDC, World, failed, ready, write_manifest};

#[tokio::test(flavor = "multi_thread")]
async fn issue9_22_the_rent_that_a_quote_names_is_what_posting_locks() {
    let (world, registry, buyer, prepared) = ready().await;
    let lamports = async || world.chain.client().lamports(&buyer.address()).await.unwrap();
    let before = lamports().await;
    let posted = buyer.post(&prepared, &ONCE).await.unwrap();
    let fee = posted.transaction.unwrap().fee.unwrap();
    assert_eq!(before - lamports().await - fee.0, prepared.quote.rent_sol.0);
    registry.stop().await;
    world.stop().await;
}

async fn jobs_on_chain(world: &World) -> usize {
    world.chain.client().all::<Job>(&[]).await.unwrap().len()
}

/// A number that the only purse may use next, and would not by itself.
async fn later_number(world: &World) -> u64 {
    let purses = world.chain.client().all::<Purse>(&[]).await.unwrap();
    purses[0].1.last_job + 1_000
}

async fn free(buyer: &Buyer) -> Usdc {
    purse::view(buyer.chain(), &buyer.address()).await.unwrap().free
}

async fn story(buyer: &Buyer, job: Pubkey) -> Result<Vec<JobEvent>, CliError> {
    let mut events = buyer.follow(job, FollowOptions::default());
    let mut told = Vec::new();
    while let Some(event) = tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap() {
        told.push(event?);
    }
    Ok(told)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_reserves_its_cap_and_gives_it_back_when_it_is_cancelled() {
    let (world, registry, buyer, prepared) = ready().await;
    assert_eq!((prepared.quote.cap, prepared.quote.free), (Usdc(USDC), Some(Usdc(10 * USDC))));
    assert!(prepared.quote.image.contains("@sha256:"), "{}", prepared.quote.image);
    let posted = buyer.post(&prepared, &ONCE).await.unwrap();
    assert_eq!(free(&buyer).await, Usdc(9 * USDC));
    let record = buyer.record(&posted.job).unwrap();
    assert_eq!(record.manifest.as_bytes(), prepared.canonical);
    assert!(matches!(record.posting, Posting::Posted { .. }));

    let shown = buyer.show(&posted.job).await.unwrap();
    assert_eq!((shown.state, shown.reserved), ("waiting", Usdc(USDC)));
    failed(buyer.lease_of(&posted.job).await, Kind::Refused, &["not awarded"]);
    failed(steps::stop(&world.chain, buyer.key(), &posted.job).await, Kind::Refused, &["job cancel"]);
    failed(steps::award(&world.chain, buyer.key(), &posted.job).await, Kind::Refused, &["no bids yet"]);
    failed(steps::close_job(&world.chain, buyer.key(), &posted.job).await, Kind::Refused, &["not over"]);

    steps::cancel(&world.chain, buyer.key(), &posted.job).await.unwrap();
    assert_eq!(free(&buyer).await, Usdc(10 * USDC));
    steps::close_job(&world.chain, buyer.key(), &posted.job).await.unwrap();
    failed(steps::cancel(&world.chain, buyer.key(), &posted.job).await, Kind::Usage, &["no job"]);

    // The account is gone; its history is not.
    let shown = buyer.show(&posted.job).await.unwrap();
    assert_eq!((shown.state, shown.reason), ("closed", "cancelled"));
    let ended = JobEvent::JobEnded { reason: EndReason::Cancelled, exit_code: None };
    assert_eq!(story(&buyer, posted.job).await.unwrap(), [ended, JobEvent::JobClosed]);
    failed(story(&buyer, Pubkey::new_unique()).await, Kind::Usage, &["no job"]);
    registry.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purse_with_too_little_names_what_is_missing_and_nothing_is_left_behind() {
    let (world, registry, buyer, prepared) = ready().await;
    purse::withdraw(&world.chain, buyer.key(), Some(Usdc(9 * USDC + 250_000))).await.unwrap();
    let parts = ["0.750000 USDC free", "needs 1.000000", "0.250000 USDC are missing", "purse deposit 0.250000"];
    failed(buyer.post(&prepared, &ONCE).await, Kind::Refused, &parts);
    assert_eq!(jobs_on_chain(&world).await, 0);
    assert!(buyer.store().list().unwrap().is_empty());
    purse::deposit(&world.chain, buyer.key(), Usdc(250_000)).await.unwrap();
    buyer.post(&prepared, &ONCE).await.unwrap();
    assert_eq!(free(&buyer).await, Usdc(0));
    registry.stop().await;
    world.stop().await;
}

/// What a post leaves that was cut off after it had written down its intent.
fn cut_off(buyer: &Buyer, prepared: &PreparedJob, number: u64) -> Pubkey {
    let job = address::job(&address::purse(&buyer.address()), number);
    let mut record = JobRecord::intended(&job, &buyer.address(), number, buyer.chain().cluster(), 1);
    record.manifest = String::from_utf8(prepared.canonical.clone()).unwrap();
    record.manifest_hash = hex::encode(prepared.manifest_hash);
    buyer.store().save(&record).unwrap();
    job
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_was_cut_off_is_taken_up_and_not_made_twice() {
    let (world, registry, buyer, prepared) = ready().await;
    let later = later_number(&world).await;
    // Cut off before anything was sent: the same number is used.
    let job = cut_off(&buyer, &prepared, later);
    let posted = buyer.post(&prepared, &ONCE).await.unwrap();
    assert_eq!((posted.job, posted.transaction.is_some()), (job, true));

    // Cut off after it was sent: it is found.
    cut_off(&buyer, &prepared, later);
    let found = buyer.post(&prepared, &ONCE).await.unwrap();
    assert_eq!((found.job, found.transaction), (job, None));
    assert_eq!(jobs_on_chain(&world).await, 1);
    assert!(matches!(buyer.record(&job).unwrap().posting, Posting::Posted { .. }));

    // Asked to, or with nothing unfinished, it is posted once more.
    cut_off(&buyer, &prepared, later);
    let again = buyer.post(&prepared, &PostOptions { again: true }).await.unwrap();
    assert!(again.number > posted.number, "{} {}", again.number, posted.number);
    assert_eq!(jobs_on_chain(&world).await, 2);

    // Cut off after it was sent, and over since: its history is found.
    steps::cancel(&world.chain, buyer.key(), &job).await.unwrap();
    steps::close_job(&world.chain, buyer.key(), &job).await.unwrap();
    let past = buyer.post(&prepared, &ONCE).await.unwrap();
    assert_eq!((past.job, past.expires_at, past.transaction), (job, 0, None));
    assert_eq!(free(&buyer).await, Usdc(9 * USDC));

    // Never sent, and its number can no longer be used: a fresh one.
    let stale = cut_off(&buyer, &prepared, 5);
    let fresh = buyer.post(&prepared, &ONCE).await.unwrap();
    assert!(fresh.number > again.number);
    assert!(buyer.store().find(&stale).unwrap().is_none());
    registry.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_post_that_another_process_is_at_is_another_job() {
    let (world, registry, buyer, prepared) = ready().await;
    let job = cut_off(&buyer, &prepared, later_number(&world).await);
    let held = buyer.store().lock(&job).unwrap().unwrap();
    let posted = buyer.post(&prepared, &ONCE).await.unwrap();
    assert_ne!(posted.job, job);
    drop(held);
    registry.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_nobody_takes_waits_and_is_ended_and_closed_by_the_buyer_alone() {
    let (world, registry, buyer, prepared) = ready().await;
    let posted = buyer.post(&prepared, &ONCE).await.unwrap();
    let mut events = buyer.follow(posted.job, FollowOptions::default());
    let waits = tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap().unwrap();
    let JobEvent::Waiting { expires_at, attempts_left: 2 } = waits else { panic!("{waits:?}") };
    world.net.advance_time(Duration::from_secs(60)).await.unwrap();
    failed(steps::award(&world.chain, buyer.key(), &posted.job).await, Kind::Refused, &["no bids yet"]);
    failed(steps::expire(&world.chain, buyer.key(), &posted.job).await, Kind::Refused, &[]);
    let left = expires_at - world.chain.client().now().await.unwrap().ts.0;
    world.net.advance_time(Duration::from_secs(left + 1)).await.unwrap();
    let done = steps::expire(&world.chain, buyer.key(), &posted.job).await.unwrap();
    assert!(done.done.contains("nobody bid"), "{}", done.done);
    let ended = JobEvent::JobEnded { reason: EndReason::NoBids, exit_code: None };
    let last = tokio::time::timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap().unwrap();
    assert_eq!(last, ended);
    assert!(events.next().await.is_none(), "nothing is left to settle");
    assert_eq!(free(&buyer).await, Usdc(10 * USDC));
    steps::close_job(&world.chain, buyer.key(), &posted.job).await.unwrap();
    assert_eq!(jobs_on_chain(&world).await, 0);
    registry.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_found_is_told_apart_from_a_registry_that_is_down() {
    let (world, registry, buyer, _) = ready().await;
    let host = registry.host();
    let wrong = write_manifest(world.dir.path(), &format!("{host}/test/other:1"));
    failed(buyer.prepare(&wrong).await, Kind::Usage, &["no image", "test/other:1"]);
    registry.stop().await;
    let image = write_manifest(world.dir.path(), &format!("{host}/test/empty:1"));
    failed(buyer.prepare(&image).await, Kind::Network, &[&host, "cannot be reached", "by digest"]);
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_variable_on_the_command_line_takes_the_place_of_the_manifests_and_makes_another_job() {
    let (world, registry, buyer, prepared) = ready().await;
    let file = world.dir.path().join("job.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{text}env: {{ FRAME: \"1\", STEPS: \"30\" }}\n")).unwrap();
    let variables = |all: &[&str]| all.iter().map(|one| one.parse().unwrap()).collect::<Vec<EnvVar>>();
    let other = buyer.prepare_with(&file, &variables(&["FRAME=2", "EMPTY=", "LIST=a=b"])).await.unwrap();
    let expected = [("EMPTY", ""), ("FRAME", "2"), ("LIST", "a=b"), ("STEPS", "30")];
    assert_eq!(other.manifest.env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_ne!(other.manifest_hash, prepared.manifest_hash);
    let reserved = buyer.prepare_with(&file, &variables(&["LD_PRELOAD=/x.so"])).await;
    failed(reserved, Kind::Usage, &["env.LD_PRELOAD", "steers a loader"]);
    for wrong in ["FRAME", "=2"] {
        let done = world.run(buyer.key(), &["job", "post", file.to_str().unwrap(), "--dry-run", "--env", wrong]);
        let told = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(2) && told.contains("NAME=VALUE, such as FRAME=12"), "{told}");
    }
    registry.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_binary_posts_and_lists_in_json() {
    let (world, registry, buyer, _) = ready().await;
    let manifest = world.dir.path().join("job.yaml").display().to_string();
    let json = |args: &[&str]| {
        let done = world.run(buyer.key(), args);
        assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
        serde_json::from_slice::<serde_json::Value>(&done.stdout).unwrap()
    };
    let quote = json(&["job", "post", &manifest, "--dry-run", "--json"]);
    assert_eq!(quote["cap"], "1.000000");
    assert_eq!(jobs_on_chain(&world).await, 0, "a dry run posts nothing");
    let posted = json(&["job", "post", &manifest, "--json"]);
    let listed = json(&["job", "list", "--json"]);
    assert_eq!(listed[0]["job"], posted["job"]);
    assert_eq!((&listed[0]["state"], &listed[0]["name"]), (&"waiting".into(), &"test".into()));
    let shown = json(&["job", "show", "last", "--json"]);
    assert_eq!(shown["job"], posted["job"]);
    json(&["job", "cancel", "last", "--json"]);
    let over = json(&["job", "show", "last", "--json"]);
    assert_eq!((&over["state"], &over["reason"]), (&"ended".into(), &"cancelled".into()));
    registry.stop().await;
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn issue9_18_a_single_pass_of_a_keeper_that_cannot_pay_ends_with_a_sentence_and_a_code() {
    let (world, registry, buyer, prepared) = ready().await;
    let posted = buyer.post(&prepared, &ONCE).await.unwrap();
    steps::cancel(&world.chain, buyer.key(), &posted.job).await.unwrap();
    let once = ["keeper", "run", "--once"];
    let poor = world.run(&solana_keypair::Keypair::new(), &once);
    let said = String::from_utf8(poor.stderr).unwrap();
    assert_eq!(poor.status.code(), Some(Kind::Refused as i32), "{said}");
    assert!(said.contains("1 steps are due and were not taken") && said.contains("close job"), "{said}");
    let funded = world.user(0).await;
    let done = world.run(&funded, &[&once[..], &["--max-accounts", "1000"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(jobs_on_chain(&world).await, 0);
    registry.stop().await;
    world.stop().await;
}
