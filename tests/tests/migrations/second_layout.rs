//! R27: a market of the first layout is upgraded and migrated by `0002`, killed wherever that can be.

use std::panic::AssertUnwindSafe;
use std::path::Path;

use futures_util::FutureExt as _;
use gridlease_migrations::{Context, Status, find_program, plan, program_hash, run};
use gridlease_sdk::account::Purse;
use gridlease_sdk::address::{MARKET, STAKING};
use gridlease_sdk::instruction::purse;
use gridlease_sdk::rpc::{ProgramQuery, SendOptions};
use gridlease_tests::svm::first_edition::FirstEdition;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::killed::Killer;
use crate::world::{SOL, World, named};

/// Where it is killed: after an effect of each kind. (Everywhere else: `killed.rs`, through the same steps of `0001`.)
const KILLED: [&str; 4] = ["staking: upgrade", "market: upgrade", "accounts: purses", "accounts: leases"];

/// The programs in another build: the same with more behind them, for which the old ones left no room.
fn another_build(folder: &Path) {
    let entries = ["market", "staking"].map(|name| {
        let mut so = find_program(name).unwrap().so;
        so.extend([b'2'; 10_000]);
        std::fs::write(folder.join(format!("{name}.so")), &so).unwrap();
        (name.to_owned(), json!({ "so_sha256": hex::encode(Sha256::digest(&so)) }))
    });
    let record = serde_json::Map::from_iter(entries);
    std::fs::write(folder.join("record.json"), serde_json::to_vec(&record).unwrap()).unwrap();
}

/// Lays the accounts of the first edition onto the network; no transaction could.
async fn lay(world: &World, market: &FirstEdition) {
    for (key, account) in &market.accounts {
        let request = json!({
            "jsonrpc": "2.0", "id": 1, "method": "surfnet_setAccount",
            "params": [key.to_string(), {
                "lamports": account.lamports, "data": hex::encode(&account.data), "owner": account.owner.to_string(),
            }],
        });
        let answer = reqwest::Client::new().post(world.net.rpc_url()).json(&request).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        assert!(answer["error"].is_null(), "{answer}");
    }
}

/// The accounts of both programs whose layout has grown since it was written.
async fn outdated(world: &World, market: &FirstEdition) -> usize {
    let mut left = 0;
    for program in [MARKET, STAKING] {
        let query = ProgramQuery::new(program);
        for (key, account) in world.client.program_accounts(&query).await.unwrap() {
            let before = market.accounts.iter().find(|(address, _)| *address == key);
            left += usize::from(account.data[8] == 1 && before.is_some_and(|(_, old)| grows(&old.data)));
        }
    }
    left
}

fn grows(data: &[u8]) -> bool {
    use gridlease_sdk::account::*;
    let heads: [&[u8]; 9] = [
        discriminator::<Purse>(),
        discriminator::<Provider>(),
        discriminator::<Offer>(),
        discriminator::<Job>(),
        discriminator::<Array>(),
        discriminator::<Bond>(),
        discriminator::<Delegation>(),
        discriminator::<Reservation>(),
        discriminator::<Lease>(),
    ];
    heads.iter().any(|head| data.starts_with(head))
}

fn discriminator<T: gridlease_sdk::account::Kind>() -> &'static [u8] {
    T::DISCRIMINATOR
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_of_the_first_layout_is_upgraded_and_migrated_although_it_is_killed_on_the_way() {
    let world = World::reserved().await;
    world.run(&()).await.unwrap();
    let market = FirstEdition::read();
    lay(&world, &market).await;
    let all = outdated(&world, &market).await;
    assert!(all > 50, "{all} accounts");
    let folder = tempfile::tempdir().unwrap();
    another_build(folder.path());
    let with = |signer| {
        let mut context = Context::new(&world.client, signer);
        context.programs = Some(folder.path().to_owned());
        context
    };

    let stranger = Keypair::new();
    world.net.airdrop(&stranger.pubkey(), 100 * SOL).await.unwrap();
    let refusal = plan(&with(&stranger), None).await.unwrap().refusal.unwrap().to_string();
    assert!(refusal.contains(&format!("only {} can upgrade it", world.admin.pubkey())), "{refusal}");
    let context = with(&world.admin);
    let before = plan(&context, None).await.unwrap();
    assert!(before.refusal.is_none(), "{:?}", before.refusal);
    let due = named(&before.report, |step| step.status == Status::Due);
    assert_eq!(due.len(), 15, "{due:?}");
    let have = world.client.lamports(&world.admin.pubkey()).await.unwrap();

    let killer = Killer::of(&KILLED);
    let mut kills = 0;
    while let Err(place) =
        AssertUnwindSafe(run(&context, None, &mut world.journal(), &killer)).catch_unwind().await.map(Result::unwrap)
    {
        kills += 1;
        assert!(kills < 200, "{place:?}");
    }
    for step in KILLED {
        assert!(killer.came_to(&format!("{step} applied")), "never killed where {step} was applied");
    }
    let spent = have - world.client.lamports(&world.admin.pubkey()).await.unwrap();
    let said = before.report.lamports();
    assert!(spent <= said + 50_000_000, "{spent} lamports were spent, {said} announced");

    assert_eq!(outdated(&world, &market).await, 0, "of {all}");
    for (name, id) in [("market", MARKET), ("staking", STAKING)] {
        let data = world.client.account(&gridlease_sdk::address::program_data(&id)).await.unwrap().unwrap().data;
        let so = std::fs::read(folder.path().join(format!("{name}.so"))).unwrap();
        assert_eq!(program_hash(&data[45..]), program_hash(&so));
    }
    // Somebody's money comes out (everybody's: svm/migration.rs).
    let (carol, wallet) = (market.named.key("carol"), market.named.at("wallet of carol"));
    let held: Purse = world.client.get(&market.named.at("purse of carol")).await.unwrap();
    let free = held.balance - held.reserved - held.fees_owed;
    let withdraw = purse::withdraw(&carol.pubkey(), &wallet, free);
    world.net.airdrop(&carol.pubkey(), SOL).await.unwrap();
    let had = tokens(&world, &wallet).await;
    world.client.send(&[withdraw], &carol, &[], &SendOptions::default()).await.unwrap();
    assert_eq!(tokens(&world, &wallet).await - had, free);

    let again = run(&context, None, &mut world.journal(), &()).await.unwrap();
    assert!(again.steps().all(|step| step.status == Status::Done), "{again:?}");
    world.net.shutdown().await.unwrap();
}

async fn tokens(world: &World, account: &Pubkey) -> u64 {
    world.client.token_balance(account).await.unwrap().unwrap()
}
