//! Runs that are killed, and taken up.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt as _;
use gridlease_migrations::{Entry, Event, Observer, Outcome, Status, find_program, plan};
use gridlease_sdk::account::Config;
use gridlease_sdk::address;
use gridlease_sdk::rpc::Client;
use sha2::{Digest as _, Sha256};
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::world::{World, named};

/// The steps of the first migration.
const STEPS: [&str; 7] = [
    "staking: buffer",
    "staking: bytes",
    "staking: deploy",
    "market: buffer",
    "market: bytes",
    "market: deploy",
    "configure",
];

/// Ends the run the first time that it comes to any place, as a kill would: nothing after it is done.
#[derive(Default)]
pub struct Killer {
    places: Mutex<BTreeSet<String>>,
    /// Only where these steps' effects are not written down yet; everywhere where it is empty.
    applied: &'static [&'static str],
}

impl Killer {
    /// One that ends runs only where the effects of these steps are not written down yet.
    pub fn of(applied: &'static [&'static str]) -> Self {
        Self { applied, ..Self::default() }
    }

    /// Has a run been ended there?
    pub fn came_to(&self, place: &str) -> bool {
        self.places.lock().unwrap().contains(place)
    }
}

impl Observer for Killer {
    fn tell(&self, event: &Event<'_>) {
        let place = match event {
            Event::Intended { step, .. } => format!("{step} intended"),
            // The last piece is what the step's end is.
            Event::Progress { done, total } if done == total => return,
            Event::Progress { done, total } => format!("{} quarters of {total}", done * 4 / total),
            Event::Applied { step, .. } => format!("{step} applied"),
            Event::Finished { step, .. } => format!("{step} finished"),
        };
        let chosen = matches!(event, Event::Applied { step, .. } if self.applied.contains(step));
        if !self.applied.is_empty() && !chosen {
            return;
        }
        if self.places.lock().unwrap().insert(place.clone()) {
            std::panic::resume_unwind(Box::new(place));
        }
    }
}

/// SHA-256 of the program's bytes on the chain.
async fn deployed(client: &Client, id: &Pubkey, length: usize) -> String {
    let data = client.account(&address::program_data(id)).await.unwrap().unwrap().data;
    hex::encode(Sha256::digest(&data[45..45 + length]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_killed_between_any_two_steps_and_inside_of_each_is_taken_up_where_it_ended() {
    let world = World::reserved().await;
    let before = plan(&world.context(), None).await.unwrap();
    assert!(before.refusal.is_none(), "{:?}", before.refusal);
    assert_eq!(named(&before.report, |step| step.status == Status::Due), STEPS);

    let killer = Killer::default();
    let mut kills = 0;
    let done = loop {
        match AssertUnwindSafe(world.run(&killer)).catch_unwind().await {
            Ok(outcome) => break outcome.unwrap(),
            Err(_) => kills += 1,
        }
        assert!(kills < 200, "{:?}", killer.places);
    };
    let places = killer.places.into_inner().unwrap();
    for step in STEPS {
        for moment in ["intended", "applied", "finished"] {
            assert!(places.contains(&format!("{step} {moment}")), "never killed where {step} was {moment}");
        }
    }
    assert_eq!(kills, places.len());
    assert!(
        places.iter().filter(|place| place.contains("quarters")).count() > 4,
        "inside of the writing, too: {places:?}"
    );
    let found = named(&done, |step| step.status == Status::Done);
    assert_eq!(found[..STEPS.len()], STEPS, "the last run found all of it done");

    for (name, id) in [("market", address::MARKET), ("staking", address::STAKING)] {
        let program = find_program(name).unwrap();
        assert_eq!(deployed(&world.client, &id, program.so.len()).await, program.sha256);
    }
    let config: Config = world.client.get(&address::market_config()).await.unwrap();
    assert_eq!((config.admin, config.usdc_mint), (world.admin.pubkey(), world.mint));

    // Every intent has an outcome, and what was cut off after its effect was found done.
    let journal = world.journal();
    for step in STEPS {
        assert!(!journal.is_open(1, step), "{step}");
    }
    let found = journal
        .lines()
        .iter()
        .filter(|line| matches!(&line.entry, Entry::Outcome { outcome: Outcome::FoundDone { .. }, .. }));
    assert_eq!(found.count(), STEPS.len());
    world.net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_that_is_killed_while_it_writes_goes_on_from_there_and_pays_nothing_twice() {
    let world = World::reserved().await;
    let mint = world.mint.to_string();
    let have = world.client.lamports(&world.admin.pubkey()).await.unwrap();
    let dry = world.migrate(&["--usdc-mint", &mint, "--dry-run", "--json"]);
    assert!(dry.status.success(), "{}", String::from_utf8_lossy(&dry.stderr));
    let dry: serde_json::Value = serde_json::from_slice(&dry.stdout).unwrap();
    assert_eq!((dry["dry_run"].as_bool(), dry["journal"].is_null()), (Some(true), true));
    assert_eq!(world.client.lamports(&world.admin.pubkey()).await.unwrap(), have, "a dry run spends nothing");
    assert!(world.journals().is_empty(), "and writes nothing");

    let mut child = world.start(&["--usdc-mint", &mint, "--yes"]);
    // The market's buffer is the largest account there is: the killer comes while its bytes are on their way.
    let is_written = |text: &str| text.contains(r#""entry":"intent","migration":1,"step":"market: bytes""#);
    let journal = loop {
        let text = world.journals().first().map(|path| std::fs::read_to_string(path).unwrap()).unwrap_or_default();
        if is_written(&text) {
            break text;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!journal.contains(r#""step":"market: bytes","outcome""#));
    assert!(world.client.account(&address::market_config()).await.unwrap().is_none());

    let again = world.migrate(&["--usdc-mint", &mint, "--yes", "--json"]);
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    let again: serde_json::Value = serde_json::from_slice(&again.stdout).unwrap();
    let steps = again["migrations"][0]["steps"].as_array().unwrap();
    let status = |name: &str| steps.iter().find(|step| step["step"] == name).unwrap()["status"].as_str().unwrap();
    assert_eq!((status("staking: deploy"), status("market: buffer")), ("done", "done"));
    assert_eq!(
        (status("market: bytes"), status("market: deploy"), status("configure")),
        ("applied", "applied", "applied")
    );

    // What is locked is the rent of what stands; the rest are fees of a few thousand small transactions.
    let left = world.client.lamports(&world.admin.pubkey()).await.unwrap();
    let mut rent = 0;
    let (market, staking) = (address::MARKET, address::STAKING);
    let data = [address::program_data(&market), address::program_data(&staking)];
    let own = address::token_account(&world.admin.pubkey(), &world.mint);
    for account in [data[0], data[1], address::market_config(), address::staking_config(), own] {
        rent += world.client.lamports(&account).await.unwrap();
    }
    let fees = have - left - rent;
    assert!(fees < 50_000_000, "{fees} lamports of fees");

    let none = world.migrate(&["--yes", "--json"]);
    let none: serde_json::Value = serde_json::from_slice(&none.stdout).unwrap();
    let steps = none["migrations"][0]["steps"].as_array().unwrap();
    assert!(steps.iter().all(|step| step["status"] == "done"), "{none}");
    world.net.shutdown().await.unwrap();
}
