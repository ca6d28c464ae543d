//! Migrations that cannot start, and say why before anything is done.

use gridlease_migrations::{MigrateError, Status, find_program, plan, program_hash};
use gridlease_sdk::address;
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_signer::Signer as _;

use crate::world::{SOL, World, named};

fn said(error: Option<MigrateError>, parts: &[&str]) {
    let text = error.expect("it should be refused").to_string();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_whose_address_is_free_wants_its_own_keypair() {
    let world = World::empty().await;
    let planned = plan(&world.context(), None).await.unwrap();
    assert_eq!(named(&planned.report, |step| step.status == Status::Refused), ["staking: deploy", "market: deploy"]);
    said(planned.refusal, &["staking: deploy", &address::STAKING.to_string(), "--program-keypair"]);
    let done = world.migrate(&["--usdc-mint", &world.mint.to_string(), "--yes"]);
    assert_eq!(done.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&done.stderr).contains("--program-keypair"));
    assert!(world.journals().is_empty(), "nothing was begun");
    world.net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_without_mint_a_number_too_high_and_a_poor_signer_are_refused() {
    let world = World::reserved().await;
    let mut context = world.context();
    context.genesis = None;
    said(plan(&context, None).await.unwrap().refusal, &["configure", "--usdc-mint"]);
    said(plan(&world.context(), Some(9)).await.err(), &["no migration 9", "last one is 2"]);

    let poor = Keypair::new();
    world.net.airdrop(&poor.pubkey(), SOL).await.unwrap();
    let mut context = world.context();
    context.signer = &poor;
    let planned = plan(&context, None).await.unwrap();
    let due = planned.report.lamports();
    assert!((10 * SOL..40 * SOL).contains(&due), "{due} lamports are due");
    said(planned.refusal, &[&poor.pubkey().to_string(), "1000000000 lamports", "send it"]);
    world.net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_at_an_address_are_named_by_their_hashes() {
    let world = World::empty().await;
    let (market, staking) = (find_program("market").unwrap(), find_program("staking").unwrap());
    world.net.deploy_program(&address::STAKING, &market.so).await.unwrap();
    let planned = plan(&world.context(), None).await.unwrap();
    let (found, expected) = (program_hash(&market.so), program_hash(&staking.so));
    said(planned.refusal, &["staking: buffer", &found, &expected, "--programs"]);
    world.net.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_upgrade_authority_configures_what_is_deployed() {
    let world = World::reserved().await;
    // A folder of its own with two small programs: what they do does not matter here.
    let folder = tempfile::tempdir().unwrap();
    let so = small_program(&world).await;
    let mut record = serde_json::Map::new();
    for name in ["market", "staking"] {
        std::fs::write(folder.path().join(format!("{name}.so")), &so).unwrap();
        let entry = serde_json::json!({ "so_sha256": hex::encode(Sha256::digest(&so)) });
        record.insert(name.to_owned(), entry);
    }
    std::fs::write(folder.path().join("record.json"), serde_json::to_vec(&record).unwrap()).unwrap();
    let mut context = world.context();
    context.programs = Some(folder.path().to_owned());
    // They are deployed, and the market program is none, so its configuration fails.
    let failed = gridlease_migrations::run(&context, None, &mut world.journal(), &()).await.unwrap_err();
    assert!(matches!(&failed, MigrateError::Send { step, .. } if step == "configure"), "{failed}");

    let thief = Keypair::new();
    world.net.airdrop(&thief.pubkey(), 100 * SOL).await.unwrap();
    context.signer = &thief;
    let planned = plan(&context, None).await.unwrap();
    let authority = world.admin.pubkey().to_string();
    said(planned.refusal, &["configure", "upgrade authority", &authority, &thief.pubkey().to_string(), "--keypair"]);
    world.net.shutdown().await.unwrap();
}

/// The bytes of SPL Memo, which the network has from the start.
async fn small_program(world: &World) -> Vec<u8> {
    let memo = "MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr".parse().unwrap();
    let account = world.client.account(&memo).await.unwrap().unwrap();
    if account.data.starts_with(b"\x7fELF") {
        return account.data;
    }
    let data = account.data[4..36].try_into().map(solana_pubkey::Pubkey::new_from_array).unwrap();
    world.client.account(&data).await.unwrap().unwrap().data[45..].to_vec()
}
