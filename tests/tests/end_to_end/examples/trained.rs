//! A training loop that is broken off, and goes on from its checkpoint at another provider.

use gridlease_demo::market::{MarketOptions, ProviderOptions};
use gridlease_testkit::origin::store::{KEY, KEY_ID, REGION, Store};
use serde_json::Value;

use super::{Running, copy, find, find_text, world_with};
use crate::newcomer::User;
use crate::world::World;

/// The epoch that a line of the log tells of.
fn epoch(line: &str) -> Option<u32> {
    line.split_once("\"epoch ")?.1.split(' ').next()?.parse().ok()
}

fn provider(post: &Running) -> String {
    let award = post.told.iter().find(|line| line.contains("\"awarded\"")).expect("it was awarded");
    serde_json::from_str::<Value>(award).unwrap()["provider"].as_str().unwrap().to_owned()
}

async fn two_providers() -> Option<World> {
    let providers = [("cheap", 300_000), ("dear", 900_000)];
    let providers = providers.map(|(name, ask)| ProviderOptions::new(name, ask, ask, true)).to_vec();
    world_with(MarketOptions { providers, ..MarketOptions::default() }, &["train"]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn training_that_is_stopped_goes_on_at_another_provider_and_ends_with_the_very_same_weights() {
    let Some(world) = two_providers().await else { return };
    let user = User::funded(&world).await;
    let example = copy(&world, &user, "train");

    let (mut first, job) = Running::post(&user, &["train/train.yaml", "--output", "train/earlier"]).await;
    first.until(|line| epoch(line) == Some(3)).await;
    user.done(&["job", "stop", &job]).await;
    assert_eq!(first.ended().await, Some(6), "its buyer stopped it");
    let reached = first.told.iter().filter_map(|line| epoch(line)).max().unwrap();
    assert!(!example.join("earlier/result.json").exists(), "it was broken off");

    // A run that nobody breaks off takes the cheap provider, so the other one goes on with the first.
    let (mut whole, _) = Running::post(&user, &["train/train.yaml", "--output", "whole"]).await;
    whole.until(|line| line.contains("\"awarded\"")).await;
    let (mut second, _) = Running::post(&user, &["train/resume.yaml", "--output", "resumed"]).await;
    let (whole_code, second_code) = tokio::join!(whole.ended(), second.ended());
    assert_eq!((whole_code, second_code), (Some(0), Some(0)));
    assert_eq!(provider(&whole), provider(&first));
    assert_ne!(provider(&second), provider(&first));
    let epochs: Vec<u32> = second.told.iter().filter_map(|line| epoch(line)).collect();
    let begun = epochs[0] - 1;
    assert!(begun >= 3 && begun <= reached + 1, "it went on after epoch {begun}, and {reached} were told");

    let (whole, resumed) = (user.home.join("whole"), user.home.join("resumed"));
    let result = find_text(&whole, "result.json");
    assert_eq!(find_text(&resumed, "result.json"), result);
    assert!(find(&resumed, "checkpoint.npz") == find(&whole, "checkpoint.npz"), "to the last bit");
    let result: Value = serde_json::from_str(&result).unwrap();
    assert!(result["right"].as_f64().unwrap() > 0.9, "it learned nothing: {result}");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn training_whose_provider_has_left_goes_on_from_its_store_when_it_is_posted_again_as_it_stands() {
    let Some(mut world) = two_providers().await else { return };
    let store = Store::start(None).await;
    let keys = [("S3_ID", KEY_ID.to_owned()), ("S3_KEY", KEY.to_owned())];
    let mut user = User::funded(&world).await;
    user.env.extend(keys.clone());
    let manifest = copy(&world, &user, "train").join("store.yaml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    let ours = format!("region: {REGION}, endpoint: \"{}\",", store.url);
    assert!(text.contains("region: us-east-1,"));
    std::fs::write(&manifest, text.replace("region: us-east-1,", &ours)).unwrap();

    let (mut first, job) = Running::post(&user, &["train/store.yaml"]).await;
    first.until(|line| epoch(line) == Some(3)).await;
    user.done(&["job", "stop", &job]).await;
    assert_eq!(first.ended().await, Some(6), "its buyer stopped it");
    let was = provider(&first);
    drop((first, user));
    for _ in 0..600 {
        if store.objects("my-bucket").contains_key("spirals/index.json") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    world.market.stop_node(0).await;

    let mut user = User::back(&world);
    user.env.extend(keys);
    let (mut second, _) = Running::post(&user, &["train/store.yaml", "--output", "out"]).await;
    assert_eq!(second.ended().await, Some(0));
    let begun = second.told.iter().filter_map(|line| epoch(line)).next().unwrap();
    assert!(begun > 3, "it began with epoch {begun}");
    assert_ne!(provider(&second), was);
    let result: Value = serde_json::from_str(&find_text(&user.home.join("out"), "result.json")).unwrap();
    assert_eq!(result["epochs"], 20);
    assert!(result["right"].as_f64().unwrap() > 0.9, "it learned nothing: {result}");
    world.stop().await;
}
