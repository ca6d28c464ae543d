//! What programs and clients of the market lean on: deployed programs, subscriptions, commitment, simulation.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // A test that cannot go on fails.

use std::time::Duration;

use futures_util::{Stream, StreamExt};
use gridlease_localnet::{Localnet, LocalnetConfig, LocalnetError};
use solana_account_decoder_client_types::{UiAccountEncoding, UiDataSliceConfig};
use solana_commitment_config::{CommitmentConfig, CommitmentLevel};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_message::{Message, VersionedMessage};
use solana_pubkey::Pubkey;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::{
    config::{
        RpcAccountInfoConfig, RpcProgramAccountsConfig, RpcSendTransactionConfig, RpcSignatureSubscribeConfig,
        RpcSimulateTransactionConfig,
    },
    filter::{Memcmp, RpcFilterType},
    response::RpcSignatureResult,
};
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;

/// SPL Memo, which every cluster has. Its account holds the ELF file itself.
const MEMO: Pubkey = Pubkey::from_str_const("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");

async fn start() -> (Localnet, RpcClient) {
    let net = Localnet::start(LocalnetConfig { slot_ms: 100, ..LocalnetConfig::default() }).await.unwrap();
    let rpc = RpcClient::new_with_commitment(net.rpc_url().to_owned(), CommitmentConfig::processed());
    (net, rpc)
}

async fn soon<T>(what: &str, stream: &mut (impl Stream<Item = T> + Unpin)) -> T {
    tokio::time::timeout(Duration::from_secs(20), stream.next())
        .await
        .unwrap_or_else(|_| panic!("{what}: nothing came"))
        .unwrap_or_else(|| panic!("{what}: the stream ended"))
}

async fn payer(net: &Localnet) -> Keypair {
    let key = Keypair::new();
    net.airdrop(&key.pubkey(), 1_000_000_000).await.unwrap();
    key
}

async fn signed(rpc: &RpcClient, payer: &Keypair, instruction: Instruction) -> VersionedTransaction {
    let blockhash = rpc.get_latest_blockhash().await.unwrap();
    let message = Message::new_with_blockhash(&[instruction], Some(&payer.pubkey()), &blockhash);
    VersionedTransaction::try_new(VersionedMessage::Legacy(message), &[payer]).unwrap()
}

fn transfer(from: &Keypair, to: &Pubkey, lamports: u64) -> Instruction {
    solana_system_interface::instruction::transfer(&from.pubkey(), to, lamports)
}

/// The ELF of SPL Memo, as the network itself has it.
async fn memo_elf(rpc: &RpcClient) -> Vec<u8> {
    let data = rpc.get_account(&MEMO).await.unwrap().data;
    if data.starts_with(b"\x7fELF") {
        return data;
    }
    let address = Pubkey::try_from(&data[4..36]).unwrap();
    rpc.get_account(&address).await.unwrap().data[45..].to_vec()
}

#[tokio::test]
async fn a_deployed_program_is_executable_and_runs() {
    let (net, rpc) = start().await;
    let payer = payer(&net).await;
    let elf = memo_elf(&rpc).await;
    let id = Pubkey::new_unique();
    for _ in 0..2 {
        net.deploy_program(&id, &elf).await.unwrap();
    }
    assert!(rpc.get_account(&id).await.unwrap().executable);
    let memo = Instruction::new_with_bytes(id, b"written by the deployed program", vec![]);
    let simulated = rpc.simulate_transaction(&signed(&rpc, &payer, memo.clone()).await).await.unwrap().value;
    assert_eq!(simulated.err, None);
    let logs = simulated.logs.unwrap().join("\n");
    assert!(logs.contains("written by the deployed program"), "{logs}");
    assert!(simulated.units_consumed.unwrap() > 0);
    rpc.send_and_confirm_transaction(&signed(&rpc, &payer, memo).await).await.unwrap();
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_program_that_the_loader_refuses_is_refused_here_too() {
    let (net, rpc) = start().await;
    let mut broken = memo_elf(&rpc).await;
    broken.truncate(600);
    for so in [&b""[..], b"#!/bin/sh", &broken] {
        let error = net.deploy_program(&Pubkey::new_unique(), so).await.unwrap_err();
        assert!(matches!(error, LocalnetError::Deploy { .. }), "{error}");
    }
    let error = net.deploy_program(&Pubkey::new_unique(), &broken).await.unwrap_err();
    assert!(error.to_string().contains("loader refuses"), "{error}");
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_websocket_tells_of_slots_accounts_programs_and_signatures() {
    let (net, rpc) = start().await;
    let payer = payer(&net).await;
    let socket = PubsubClient::new(net.ws_url()).await.unwrap();
    let (mut slots, _end) = socket.slot_subscribe().await.unwrap();
    let first = soon("slot", &mut slots).await.slot;
    assert_eq!(soon("slot", &mut slots).await.slot, first + 1);

    let watched = Pubkey::new_unique();
    net.airdrop(&watched, 1_000_000).await.unwrap();
    let config = RpcAccountInfoConfig {
        encoding: Some(UiAccountEncoding::Base64),
        commitment: Some(CommitmentConfig::processed()),
        ..RpcAccountInfoConfig::default()
    };
    let (mut account, _end) = socket.account_subscribe(&watched, Some(config.clone())).await.unwrap();
    let token_program = spl_token_interface::ID;
    let (mut program, _end) = socket
        .program_subscribe(
            &token_program,
            Some(RpcProgramAccountsConfig { account_config: config, ..RpcProgramAccountsConfig::default() }),
        )
        .await
        .unwrap();
    // The subscription is answered a moment before it is in force.
    tokio::time::sleep(Duration::from_millis(200)).await;

    let transaction = signed(&rpc, &payer, transfer(&payer, &watched, 5)).await;
    let (mut signature, _end) = socket
        .signature_subscribe(
            &transaction.signatures[0],
            Some(RpcSignatureSubscribeConfig {
                commitment: Some(CommitmentConfig::confirmed()),
                ..RpcSignatureSubscribeConfig::default()
            }),
        )
        .await
        .unwrap();
    rpc.send_transaction(&transaction).await.unwrap();
    let update = soon("account", &mut account).await;
    assert_eq!(update.value.lamports, 1_000_005);
    let outcome = soon("signature", &mut signature).await.value;
    assert!(matches!(&outcome, RpcSignatureResult::ProcessedSignature(result) if result.err.is_none()), "{outcome:?}");

    net.create_usdc_mint(&Keypair::new(), &payer).await.unwrap();
    let update = soon("program", &mut program).await;
    assert_eq!(update.value.pubkey, net.usdc_mint().unwrap().to_string());
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn confirmed_trails_processed_and_a_status_appears_with_the_next_slot() {
    let (net, rpc) = start().await;
    let payer = payer(&net).await;
    net.advance_slots(40).await.unwrap();
    net.pause().await.unwrap();
    let slot = |commitment| rpc.get_slot_with_commitment(commitment);
    let processed = slot(CommitmentConfig::processed()).await.unwrap();
    assert_eq!(slot(CommitmentConfig::confirmed()).await.unwrap(), processed - 1);
    assert_eq!(slot(CommitmentConfig::finalized()).await.unwrap(), processed - 31);

    let to = Pubkey::new_unique();
    let transaction = signed(&rpc, &payer, transfer(&payer, &to, 1_000_000)).await;
    let signature = rpc
        .send_transaction_with_config(
            &transaction,
            RpcSendTransactionConfig {
                preflight_commitment: Some(CommitmentLevel::Processed),
                ..RpcSendTransactionConfig::default()
            },
        )
        .await
        .unwrap();
    let balance = rpc.get_balance_with_commitment(&to, CommitmentConfig::processed()).await.unwrap();
    assert_eq!(balance.value, 1_000_000, "executed on arrival");
    let status = async || rpc.get_signature_statuses(&[signature]).await.unwrap().value.remove(0);
    assert!(status().await.is_none(), "processed is not shown");
    net.advance_slots(1).await.unwrap();
    let seen = status().await.unwrap();
    assert!(seen.satisfies_commitment(CommitmentConfig::confirmed()));
    assert!(!seen.satisfies_commitment(CommitmentConfig::finalized()));
    net.advance_slots(31).await.unwrap();
    assert!(status().await.unwrap().satisfies_commitment(CommitmentConfig::finalized()));
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_blockhash_expires_as_its_last_valid_block_height_says() {
    let (net, rpc) = start().await;
    net.pause().await.unwrap();
    let processed = CommitmentConfig::processed();
    let (hash, last) = rpc.get_latest_blockhash_with_commitment(processed).await.unwrap();
    let height = rpc.get_block_height_with_commitment(processed).await.unwrap();
    assert!((height + 140..=height + 152).contains(&last), "last valid {last}, height {height}");
    assert!(rpc.is_blockhash_valid(&hash, processed).await.unwrap());
    net.advance_slots(160).await.unwrap();
    assert!(!rpc.is_blockhash_valid(&hash, processed).await.unwrap());
    assert!(rpc.get_block_height_with_commitment(processed).await.unwrap() > last);
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn simulation_with_a_replaced_blockhash_counts_compute_units() {
    let (net, rpc) = start().await;
    let payer = payer(&net).await;
    let to = Pubkey::new_unique();
    let message = Message::new(&[transfer(&payer, &to, 1_000_000)], Some(&payer.pubkey()));
    let unsigned = VersionedTransaction {
        signatures: vec![solana_signature::Signature::default()],
        message: VersionedMessage::Legacy(message),
    };
    let result = rpc
        .simulate_transaction_with_config(
            &unsigned,
            RpcSimulateTransactionConfig {
                sig_verify: false,
                replace_recent_blockhash: true,
                commitment: Some(CommitmentConfig::processed()),
                ..RpcSimulateTransactionConfig::default()
            },
        )
        .await
        .unwrap()
        .value;
    assert_eq!(result.err, None);
    assert_eq!(result.units_consumed, Some(150), "a transfer costs 150");
    assert!(rpc.get_recent_prioritization_fees(&[to]).await.is_ok());
    net.shutdown().await.unwrap();
}

#[tokio::test]
async fn program_accounts_are_filtered_and_sliced_and_a_closed_account_is_told() {
    let (net, rpc) = start().await;
    let owner = payer(&net).await;
    let mint = net.create_usdc_mint(&Keypair::new(), &Keypair::new()).await.unwrap();
    let account = net.mint_usdc(&owner.pubkey(), 0).await.unwrap();
    net.mint_usdc(&Pubkey::new_unique(), 3).await.unwrap();
    let token_program = spl_token_interface::ID;
    let found = rpc
        .get_program_ui_accounts_with_config(
            &token_program,
            RpcProgramAccountsConfig {
                filters: Some(vec![
                    RpcFilterType::DataSize(165),
                    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(0, mint.to_bytes().to_vec())),
                    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(32, owner.pubkey().to_bytes().to_vec())),
                ]),
                account_config: RpcAccountInfoConfig {
                    encoding: Some(UiAccountEncoding::Base64),
                    data_slice: Some(UiDataSliceConfig { offset: 0, length: 24 }),
                    ..RpcAccountInfoConfig::default()
                },
                ..RpcProgramAccountsConfig::default()
            },
        )
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].0, account);
    assert_eq!(found[0].1.data.decode().unwrap(), mint.to_bytes()[..24]);

    let socket = PubsubClient::new(net.ws_url()).await.unwrap();
    let (mut updates, _end) = socket
        .account_subscribe(
            &account,
            Some(RpcAccountInfoConfig { encoding: Some(UiAccountEncoding::Base64), ..RpcAccountInfoConfig::default() }),
        )
        .await
        .unwrap();
    // The subscription is answered a moment before it is in force.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let close = spl_token_interface::instruction::close_account(
        &token_program,
        &account,
        &owner.pubkey(),
        &owner.pubkey(),
        &[],
    )
    .unwrap();
    rpc.send_transaction(&signed(&rpc, &owner, close).await).await.unwrap();
    assert_eq!(soon("account", &mut updates).await.value.lamports, 0);
    net.shutdown().await.unwrap();
}
