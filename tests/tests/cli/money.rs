//! Setting a market up, purses, providers.

use gridlease_cli::admin;
use gridlease_cli::amount::Usdc;
use gridlease_cli::error::{CliError, Kind};
use gridlease_cli::provider::{self, Change, Registration};
use gridlease_cli::purse;
use gridlease_migrations::{Report, Status};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::world::{SOL, USDC, World, failed};

#[tokio::test(flavor = "multi_thread")]
async fn a_market_is_set_up_once_and_never_with_another_mint() {
    let world = World::bare().await;
    let user = world.user(USDC).await;
    failed(purse::open(&world.chain, &user).await, Kind::Network, &["no market", "--url"]);

    let nobody = Pubkey::new_unique();
    let mut genesis = world.genesis();
    genesis.usdc_mint = nobody;
    let wrong = world.migrate(genesis).await.map_err(CliError::from);
    failed(wrong, Kind::Usage, &[&nobody.to_string(), "does not exist", "6 decimals"]);
    genesis = world.genesis();
    genesis.treasury = Some(world.mint);
    let wrong = world.migrate(genesis).await.map_err(CliError::from);
    failed(wrong, Kind::Usage, &["--treasury", "no token account"]);

    let applied = |report: &Report| report.steps().filter(|step| step.status == Status::Applied).count();
    let first = world.migrate(world.genesis()).await.unwrap();
    assert_eq!(applied(&first), 1, "the programs are there, the configuration is written");
    let again = world.migrate(world.genesis()).await.unwrap();
    assert_eq!(applied(&again), 0, "nothing is left to do");
    genesis = world.genesis();
    genesis.usdc_mint = nobody;
    let other = world.migrate(genesis).await.map_err(CliError::from);
    failed(other, Kind::Refused, &["set up already", &world.mint.to_string(), &nobody.to_string()]);
    let view = admin::view(&world.chain).await.unwrap();
    assert_eq!((view.admin, view.usdc_mint, view.fee_bps), (world.admin.pubkey(), world.mint, 200));
    let stake = view.stake.unwrap();
    assert_eq!((stake.admin, stake.usdc_mint), (world.admin.pubkey(), world.mint));
    assert!(stake.only_this_market_slashes);
    assert_eq!(stake.insurance, view.treasury, "both are the admin's own account where none is named");
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keypair_without_sol_is_told_how_much_it_needs_and_where_to_get_it() {
    let world = World::new().await;
    let poor = Keypair::new();
    let parts = [&poor.pubkey().to_string(), "0.000000000 SOL", "solana airdrop", "opening a purse"];
    failed(purse::open(&world.chain, &poor).await, Kind::Refused, &parts);
    let done = world.run(&poor, &["purse", "open", "--json"]);
    assert_eq!(done.status.code(), Some(3));
    assert!(done.stdout.is_empty());
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purse_gives_back_what_it_got_to_the_last_atom() {
    let world = World::new().await;
    let user = world.user(10 * USDC).await;
    failed(purse::withdraw(&world.chain, &user, None).await, Kind::Usage, &["no purse", "gridlease purse open"]);
    let too_much = purse::deposit(&world.chain, &user, Usdc(10 * USDC + 1)).await;
    failed(too_much, Kind::Refused, &["10.000000", "0.000001 USDC are missing"]);
    assert!(world.chain.client().purse_of(&user.pubkey()).await.unwrap().is_none(), "nothing was opened");

    let done = purse::deposit(&world.chain, &user, Usdc(4 * USDC + 1)).await.unwrap();
    assert!(done.transaction.unwrap().fee.is_some_and(|fee| fee.0 >= 5_000), "the fee is told");
    assert_eq!((done.purse.free, done.purse.wallet_usdc), (Usdc(4_000_001), Usdc(5_999_999)));
    let opened = purse::open(&world.chain, &user).await.unwrap();
    assert!(opened.transaction.is_none(), "it is open already");

    let too_much = purse::withdraw(&world.chain, &user, Some(Usdc(5 * USDC))).await;
    failed(too_much, Kind::Refused, &["4.000001", "0.999999 USDC are missing", "--all"]);
    purse::withdraw(&world.chain, &user, Some(Usdc(1))).await.unwrap();
    let done = purse::withdraw(&world.chain, &user, None).await.unwrap();
    assert_eq!((done.amount, done.purse.balance), (Some(Usdc(4 * USDC)), Usdc(0)));
    assert_eq!(done.purse.wallet_usdc, Usdc(10 * USDC));
    failed(purse::withdraw(&world.chain, &user, None).await, Kind::Refused, &["nothing is free"]);

    let shown = world.run(&user, &["purse", "show", "--json"]);
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((shown["free"].as_str(), shown["deposited"].as_str()), (Some("0.000000"), Some("4.000001")));
    world.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_registers_stakes_and_changes_its_node() {
    let world = World::new().await;
    let owner = world.user(30 * USDC).await;
    let node_key = Pubkey::new_unique();
    let registration =
        |payout| Registration { payout, node_key, endpoint: "https://127.0.0.1:8443".to_owned(), fingerprint: [7; 32] };
    failed(provider::add_stake(&world.chain, &owner, Usdc(USDC)).await, Kind::Refused, &["no provider yet"]);
    let wrong = provider::register(&world.chain, &owner, &registration(Some(world.mint))).await;
    failed(wrong, Kind::Usage, &["--payout", &world.mint.to_string()]);

    let done = provider::register(&world.chain, &owner, &registration(None)).await.unwrap();
    assert_eq!((done.provider.node_key, done.provider.stake), (node_key, None));
    let twice = provider::register(&world.chain, &owner, &registration(None)).await;
    failed(twice, Kind::Refused, &["registered already", "provider update"]);

    let done = provider::add_stake(&world.chain, &owner, Usdc(20 * USDC)).await.unwrap();
    assert_eq!(done.provider.stake, Some(Usdc(20 * USDC)));
    let done = provider::add_stake(&world.chain, &owner, Usdc(USDC)).await.unwrap();
    assert_eq!(done.provider.stake_free, Some(Usdc(21 * USDC)));
    let more = provider::add_stake(&world.chain, &owner, Usdc(10 * USDC)).await;
    failed(more, Kind::Refused, &["9.000000", "1.000000 USDC are missing"]);

    let change = Change { fingerprint: Some([8; 32]), ..Change::default() };
    let done = provider::update(&world.chain, &owner, &change).await.unwrap();
    assert_eq!(done.provider.fingerprint, hex::encode([8; 32]));
    assert_eq!((done.provider.node_key, done.provider.endpoint.as_str()), (node_key, "https://127.0.0.1:8443"));
    assert!(world.chain.client().lamports(&owner.pubkey()).await.unwrap() > 4 * SOL);
    world.stop().await;
}
