//! What an operator asks of, and tells, the node of its machine.

use std::time::Duration;

use gridlease_cli::buyer::JobEvent;
use gridlease_core::job::EndReason;
use gridlease_demo::market::{MarketOptions, ProviderOptions, USDC};
use gridlease_sdk::account::{Kind, Lease, Offer};
use gridlease_sdk::address;
use serde_json::Value;
use solana_pubkey::Pubkey;

use crate::machines::running;
use crate::world::{World, world};

/// A market whose one node bids itself, and takes every step that anybody can take itself.
fn by_itself(name: &str) -> MarketOptions {
    let mut node = ProviderOptions::new(name, 300_000, 200_000, false);
    node.node_args = ["--patience", "2"].map(str::to_owned).to_vec();
    MarketOptions { providers: vec![node], keeper: false, ..MarketOptions::default() }
}

impl World {
    /// Runs `gridlease node …` with the node's key on its folder, and returns the JSON that it prints.
    async fn node(&self, args: &[&str]) -> Value {
        let provider = &self.market.providers[0];
        let folder = provider.state_dir.display().to_string();
        let args = [&["node"], args, &["--state-dir", &folder, "--json"]].concat();
        let output = self.run(&provider.node_key, &args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Waits until an account is as it should be; `None` where it is gone.
    async fn becomes<T: Kind>(&self, what: &str, at: &Pubkey, right: impl Fn(Option<&T>) -> bool) {
        for _ in 0..300 {
            if right(self.market.client.find::<T>(at).await.unwrap().as_ref()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{what}: not within a minute");
    }
}

fn reasons(told: &Value) -> Vec<&str> {
    told["against"].as_array().unwrap().iter().map(|reason| reason["reason"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn node_explain_tells_all_that_stands_against_a_job_and_the_price_of_one_that_would_be_bid_for() {
    let Some(mut world) = world(by_itself("explained")).await else { return };
    let huge = world
        .post_with("echo up", "10m", |args| {
            args.requirement.memory_mib = 900_000_000;
            args.max_price = 100_000;
        })
        .await;
    let told = world.node(&["explain", &huge.to_string()]).await;
    assert_eq!((&told["source"], &told["bids"]), (&"node".into(), &false.into()), "{told}");
    assert_eq!(reasons(&told), ["requirement", "below-floor"], "{told}");
    assert_eq!(told["against"][0]["asked"], "900000000", "{told}");
    let floor = &told["against"][1];
    assert_eq!((&floor["asked"], &floor["had"]), (&"0.20 USDC".into(), &"0.10 USDC".into()), "{told}");

    world.market.kill_node(0).await.unwrap();
    let good = world.post("echo up", "10m").await;
    let beside = world.node(&["explain", &huge.to_string(), "--cpu"]).await;
    assert_eq!(beside["source"], "computed-here", "{beside}");
    assert_eq!(reasons(&beside), ["not-running", "requirement", "below-floor"], "the same planner: {beside}");
    let told = world.node(&["explain", &good.to_string(), "--cpu"]).await;
    assert_eq!(reasons(&told), ["not-running"], "{told}");
    assert_eq!(told["price"], "0.30 USDC an hour: the ask, because nobody else has bid.", "{told}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn report_05_a_drained_machine_gives_notice_once_leaves_without_a_fault_and_can_come_back() {
    let Some(mut world) = world(by_itself("drained")).await else { return };
    let job = world.post_with("echo up; sleep 600", "10m", |args| args.notice_s = 120).await;
    let mut story = world.follow(job);
    let lease = running(&mut story).await;
    let done = world.node(&["drain"]).await;
    assert_eq!((&done["node_runs"], &done["changed"]), (&true.into(), &true.into()), "{done}");
    assert_eq!(done["leases"][0]["ends"], "notice-now", "{done}");
    world.becomes::<Lease>("notice", &lease, |lease| lease.is_some_and(|lease| lease.notice_end != 0)).await;
    let end = world.read::<Lease>(&lease).await.notice_end;
    let again = world.node(&["drain"]).await;
    assert_eq!((&again["changed"], &again["leases"][0]["ends"]), (&false.into(), &"notice-given".into()), "{again}");

    // It holds over a power cut, and nothing new is bid for.
    world.market.kill_node(0).await.unwrap();
    world.market.start_node(0).unwrap();
    world.said(0, "taken up again").await;
    let other = world.post("echo up", "10m").await;
    let told = world.node(&["explain", &other.to_string()]).await;
    assert!(reasons(&told).contains(&"leaving"), "{told}");
    world.market.localnet.advance_time(Duration::from_secs(121)).await.unwrap();
    story.until("the end", |event| matches!(event, JobEvent::Finished { reason: EndReason::Notice, .. })).await;
    let bond = world.bond().await;
    assert_eq!((bond.amount, bond.slashed_total, bond.claims_assets), (50 * USDC, 0, 0), "no fault");
    if let Some(lease) = world.market.client.find::<Lease>(&lease).await.unwrap() {
        assert_eq!(lease.notice_end, end, "notice was given once");
    }
    let offer = address::offer(&world.market.providers[0].record, 0);
    world.becomes::<Offer>("the offer is closed", &offer, |offer| offer.is_none()).await;

    let back = world.node(&["undrain"]).await;
    assert_eq!((&back["draining"], &back["changed"]), (&false.into(), &true.into()), "{back}");
    world.becomes::<Offer>("the offer is back", &offer, |offer| offer.is_some()).await;
    assert_eq!(world.node(&["undrain"]).await["changed"], false);
    let mut story = world.follow(other);
    story.until("an award after all", |event| matches!(event, JobEvent::Awarded { .. })).await;
    world.stop().await;
}
