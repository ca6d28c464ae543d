//! A network with a market, a registry with an image, and users with money.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;

use gridlease_cli::amount::Usdc;
use gridlease_cli::buyer::{Buyer, PostOptions, PreparedJob};
use gridlease_cli::chain::Chain;
use gridlease_cli::error::{CliError, Kind};
use gridlease_demo::process::gridlease_binary;
use gridlease_demo::registry::Registry;
use gridlease_demo::wallet::write_key;
use gridlease_localnet::{Localnet, LocalnetConfig};
use gridlease_migrations::{Context, Genesis, Journal, MigrateError, Report, find_program};
use gridlease_sdk::address;
use gridlease_sdk::rpc::{Client, ClusterUrl};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

pub const SOL: u64 = 1_000_000_000;
pub const USDC: u64 = 1_000_000;

/// A network with the programs deployed.
pub struct World {
    pub net: Localnet,
    pub chain: Chain,
    pub admin: Keypair,
    pub mint: Pubkey,
    pub dir: tempfile::TempDir,
}

impl World {
    /// A network with programs and a mint, and no market yet.
    pub async fn bare() -> Self {
        let net = Localnet::start(LocalnetConfig { slot_ms: 100, ..LocalnetConfig::default() }).await.unwrap();
        for (name, id) in [("market", address::MARKET), ("staking", address::STAKING)] {
            net.deploy_program(&id, &find_program(name).unwrap().so).await.unwrap();
        }
        let admin = Keypair::new();
        net.airdrop(&admin.pubkey(), 10 * SOL).await.unwrap();
        let mint = net.create_usdc_mint(&Keypair::new(), &admin).await.unwrap();
        let url = ClusterUrl::parse(net.rpc_url()).unwrap().with_ws(net.ws_url()).unwrap();
        let chain = Chain::new(Client::new(url).unwrap());
        Self { net, chain, admin, mint, dir: tempfile::tempdir().unwrap() }
    }

    /// With the market set up.
    pub async fn new() -> Self {
        let world = Self::bare().await;
        world.migrate(world.genesis()).await.unwrap();
        world
    }

    /// Runs every migration.
    pub async fn migrate(&self, genesis: Genesis) -> Result<Report, MigrateError> {
        let mut context = Context::new(self.chain.client(), &self.admin);
        context.genesis = Some(genesis);
        let mut journal = Journal::open(&self.dir.path().join("journal.jsonl"))?;
        gridlease_migrations::run(&context, None, &mut journal, &()).await
    }

    pub fn genesis(&self) -> Genesis {
        Genesis { usdc_mint: self.mint, treasury: None, insurance: None }
    }

    /// Somebody with 5 SOL and this many atoms of USDC.
    pub async fn user(&self, atoms: u64) -> Arc<Keypair> {
        let key = Arc::new(Keypair::new());
        self.net.airdrop(&key.pubkey(), 5 * SOL).await.unwrap();
        self.net.mint_usdc(&key.pubkey(), atoms).await.unwrap();
        key
    }

    /// Somebody with this many atoms in a purse, whose jobs are remembered in a folder of their own.
    pub async fn buyer(&self, atoms: u64) -> Buyer {
        let key = self.user(atoms).await;
        gridlease_cli::purse::deposit(&self.chain, &key, Usdc(atoms)).await.unwrap();
        Buyer::new(self.chain.client().clone(), key, &self.dir.path().join("state"))
    }

    /// Runs the binary as the user of `key`.
    pub fn run(&self, key: &Keypair, args: &[&str]) -> Output {
        let file = self.dir.path().join(format!("{}.json", key.pubkey()));
        write_key(&file, key).unwrap();
        std::process::Command::new(gridlease_binary().unwrap())
            .args(args)
            .args(["--url", self.net.rpc_url(), "--ws", self.net.ws_url()])
            .args(["--keypair".as_ref(), file.as_os_str()])
            .args(["--state-dir".as_ref(), self.dir.path().join("state").as_os_str()])
            .output()
            .unwrap()
    }

    pub async fn stop(self) {
        self.net.shutdown().await.unwrap();
    }
}

/// Failed with this kind, in words that hold all of these.
pub fn failed<T: std::fmt::Debug>(outcome: Result<T, CliError>, kind: Kind, parts: &[&str]) {
    let error = outcome.unwrap_err();
    let text = error.to_string();
    assert_eq!(error.kind(), kind, "{text}");
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

/// Puts an image without layers into a registry and returns its name by tag.
pub async fn push_image(registry: &Registry) -> String {
    let http = reqwest::Client::new();
    let base = format!("http://{}/v2/test/empty", registry.host());
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(config)));
    let begun = http.post(format!("{base}/blobs/uploads/")).send().await.unwrap();
    let place = begun.headers()["location"].to_str().unwrap().to_owned();
    let place = if place.starts_with('/') { format!("http://{}{place}", registry.host()) } else { place };
    let joint = if place.contains('?') { '&' } else { '?' };
    let put = http.put(format!("{place}{joint}digest={digest}")).body(config.to_vec()).send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
    let kind = "application/vnd.docker.distribution.manifest.v2+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json", "size": config.len(), "digest": digest
        },
        "layers": [],
    });
    let put = http.put(format!("{base}/manifests/1")).header("content-type", kind).body(manifest.to_string());
    let put = put.send().await.unwrap();
    assert!(put.status().is_success(), "{}", put.status());
    format!("{}/test/empty:1", registry.host())
}

/// Writes a manifest with one input; its cap is 1 USDC.
pub fn write_manifest(folder: &Path, image: &str) -> PathBuf {
    std::fs::write(folder.join("in.txt"), "hello").unwrap();
    let path = folder.join("job.yaml");
    let text = format!(
        "version: 1\nname: test\nimage: {image}\ninputs: [{{ uri: ./in.txt, mount: /in.txt }}]\n\
         resources: {{ cpu: 0.5, memory: 64MiB, disk: 100MiB }}\nprice: {{ max: 1, mode: auction, window: 6s }}\n\
         duration: {{ max: 1h }}\nattempts: 2\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

/// Posts a job once.
pub const ONCE: PostOptions = PostOptions { again: false };

/// A market, a buyer with 10 USDC, and a job that can be posted.
pub async fn ready() -> (World, Registry, Buyer, PreparedJob) {
    let world = World::new().await;
    let registry = Registry::start(world.dir.path(), None).await.unwrap();
    let image = push_image(&registry).await;
    let manifest = write_manifest(world.dir.path(), &image);
    let buyer = world.buyer(10 * USDC).await;
    let prepared = buyer.prepare(&manifest).await.unwrap();
    (world, registry, buyer, prepared)
}
