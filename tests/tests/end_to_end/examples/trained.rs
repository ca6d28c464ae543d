//! A training loop that is broken off, and goes on from its checkpoint at another provider.

use gridlease_demo::market::{MarketOptions, ProviderOptions};
use serde_json::Value;

use super::{Running, copy, find, find_text, world_with};
use crate::newcomer::User;

/// The epoch that a line of the log tells of.
fn epoch(line: &str) -> Option<u32> {
    line.split_once("\"epoch ")?.1.split(' ').next()?.parse().ok()
}

fn provider(post: &Running) -> String {
    let award = post.told.iter().find(|line| line.contains("\"awarded\"")).expect("it was awarded");
    serde_json::from_str::<Value>(award).unwrap()["provider"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn training_that_is_stopped_goes_on_at_another_provider_and_ends_with_the_very_same_weights() {
    let providers = [("cheap", 300_000), ("dear", 900_000)];
    let providers = providers.map(|(name, ask)| ProviderOptions::new(name, ask, ask, true)).to_vec();
    let options = MarketOptions { providers, ..MarketOptions::default() };
    let Some(world) = world_with(options, &["train"]).await else { return };
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
