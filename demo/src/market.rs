//! Starts a whole market on loopback and stops it without leaving anything behind.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gridlease_localnet::{Localnet, LocalnetConfig};
use gridlease_migrations::{Context as Work, Genesis, Journal, find_program};
use gridlease_node::state_dir::StateDir;
use gridlease_node::tls::Identity;
use gridlease_node::wipe::detach_all;
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::NodeArgs;
use gridlease_sdk::instruction::{provider, stake};
use gridlease_sdk::rpc::send::AnySigner;
use gridlease_sdk::rpc::{Client, ClusterUrl, SendOptions};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::process::{Process, free_port, gridlease_binary, program};
use crate::registry::Registry;
use crate::wallet::write_key;

/// One SOL.
const SOL: u64 = 1_000_000_000;
/// One USDC.
pub const USDC: u64 = 1_000_000;

/// A provider of the market.
#[derive(Clone, Debug)]
pub struct ProviderOptions {
    /// What to call it.
    pub name: String,
    /// Price per hour at which its offer stands, in atoms.
    pub ask: u64,
    /// Lowest price per hour of its bids, in atoms.
    pub floor: u64,
    /// May keepers enter its offer into auctions? Otherwise its node bids itself.
    pub auto_bid: bool,
    /// Stake in atoms; of a further machine, its limit of stake.
    pub stake: u64,
    /// Starts its node at once.
    pub start: bool,
    /// More arguments for its node.
    pub node_args: Vec<String>,
    /// It is a further machine of the provider at this place in [`Market::providers`], on that one's bond; none for a provider of its
    /// own.
    pub machine_of: Option<usize>,
    /// How far its machine's clock is off, as the program `faketime` takes it (`+1d`).
    pub clock_offset: Option<String>,
    /// Where its node finds the JSON-RPC, instead of the network itself.
    pub rpc: Option<String>,
    /// The same for the websocket.
    pub ws: Option<String>,
}

impl ProviderOptions {
    /// A provider with 50 USDC of stake whose node runs.
    pub fn new(name: &str, ask: u64, floor: u64, auto_bid: bool) -> Self {
        Self {
            name: name.to_owned(),
            ask,
            floor,
            auto_bid,
            stake: 50 * USDC,
            start: true,
            node_args: Vec::new(),
            machine_of: None,
            clock_offset: None,
            rpc: None,
            ws: None,
        }
    }
}

/// What a market consists of.
#[derive(Clone, Debug)]
pub struct MarketOptions {
    /// The providers.
    pub providers: Vec<ProviderOptions>,
    /// Does a keeper run?
    pub keeper: bool,
    /// What the buyer's wallet holds, in atoms.
    pub buyer_usdc: u64,
    /// Fixed port of the JSON-RPC; `None` for any free one.
    pub rpc_port: Option<u16>,
    /// Port of the registry where that is free; `None` for any free one.
    pub registry_port: Option<u16>,
}

impl Default for MarketOptions {
    fn default() -> Self {
        Self {
            providers: vec![
                ProviderOptions::new("alpine", 420_000, 300_000, true),
                ProviderOptions::new("boreal", 360_000, 348_000, false),
            ],
            keeper: true,
            buyer_usdc: 100 * USDC,
            rpc_port: None,
            registry_port: None,
        }
    }
}

/// A provider, or a further machine of one, and its node.
pub struct Provider {
    /// Its options.
    pub options: ProviderOptions,
    /// Cold key.
    pub authority: Keypair,
    /// Hot key.
    pub node_key: Keypair,
    /// The record's address.
    pub record: Pubkey,
    /// The machine's address: the record's for a provider's first one.
    pub machine: Pubkey,
    /// The token account that is paid.
    pub payout: Pubkey,
    /// Where its node keeps its state.
    pub state_dir: PathBuf,
    port: u16,
    node: Option<Process>,
}

/// A market that runs.
pub struct Market {
    /// The local network.
    pub localnet: Localnet,
    /// A client of it.
    pub client: Client,
    registry: Option<Registry>,
    host: String,
    /// The USDC-like mint.
    pub mint: Pubkey,
    /// The market's treasury, a token account.
    pub treasury: Pubkey,
    /// The insurance fund, a token account.
    pub insurance: Pubkey,
    /// The admin.
    pub admin: Keypair,
    /// The buyer.
    pub buyer: Arc<Keypair>,
    /// The providers.
    pub providers: Vec<Provider>,
    keeper_key: Keypair,
    keeper: Option<Process>,
    dir: MarketDir,
}

/// The directory of everything that a market writes.
struct MarketDir(tempfile::TempDir);

impl Drop for MarketDir {
    /// A node that was killed with an open lease left its outputs mounted, and what is mounted cannot be removed.
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.0.path()).into_iter().flatten().flatten() {
            let is_node = entry.path().join("leases").is_dir();
            let detached = is_node.then(|| anyhow::Ok(detach_all(&StateDir::open(&entry.path())?)?));
            if let Some(Err(error)) = detached {
                tracing::warn!("outputs stay mounted: {error:#}");
            }
        }
    }
}

impl Market {
    /// Starts a market; `say` is told what is going on.
    ///
    /// # Errors
    /// A part does not start; what was started before is stopped.
    pub async fn start(options: MarketOptions, say: &(dyn Fn(&str) + Sync)) -> Result<Self> {
        let dir =
            tempfile::Builder::new().prefix("gridlease-").tempdir().context("cannot create a temporary directory")?;
        let dir = MarketDir(dir);
        let registry = Registry::start(dir.0.path(), options.registry_port).await?;
        say(&format!("OCI registry on {}", registry.host()));
        let localnet =
            Localnet::start(LocalnetConfig { rpc_port: options.rpc_port, ..LocalnetConfig::default() }).await?;
        say(&format!("Solana network on {}", localnet.rpc_url()));
        let url = ClusterUrl::parse(localnet.rpc_url())?.with_ws(localnet.ws_url())?;
        let client = Client::new(url)?;
        for (name, id) in [("market", address::MARKET), ("staking", address::STAKING)] {
            let program = find_program(name)?;
            localnet.deploy_program(&id, &program.so).await?;
            say(&format!("program {name} deployed at {id} ({} kB)", program.so.len() / 1_000));
        }
        let (admin, buyer, keeper_key) = (Keypair::new(), Arc::new(Keypair::new()), Keypair::new());
        for key in [&admin, buyer.as_ref(), &keeper_key] {
            localnet.airdrop(&key.pubkey(), 10 * SOL).await?;
        }
        let mint = localnet.create_usdc_mint(&Keypair::new(), &admin).await?;
        let treasury = localnet.mint_usdc(&admin.pubkey(), 0).await?;
        let insurance = localnet.mint_usdc(&Keypair::new().pubkey(), 0).await?;
        localnet.mint_usdc(&buyer.pubkey(), options.buyer_usdc).await?;
        let mut market = Self {
            localnet,
            client,
            host: registry.host(),
            registry: Some(registry),
            mint,
            treasury,
            insurance,
            admin,
            buyer,
            providers: Vec::new(),
            keeper_key,
            keeper: None,
            dir,
        };
        let genesis = Genesis { usdc_mint: mint, treasury: Some(treasury), insurance: Some(insurance) };
        market.migrate(genesis).await.context("setting up the market")?;
        say("market and staking configured");
        for provider in options.providers {
            market.add_provider(provider, say).await?;
        }
        if options.keeper {
            market.start_keeper()?;
            say("keeper running");
        }
        market.await_offers().await?;
        Ok(market)
    }

    /// Runs every migration, as `gridlease admin migrate` does.
    async fn migrate(&self, genesis: Genesis) -> Result<()> {
        let mut work = Work::new(&self.client, &self.admin);
        work.genesis = Some(genesis);
        let mut journal = Journal::open(&self.dir.0.path().join("migrations.jsonl"))?;
        gridlease_migrations::run(&work, None, &mut journal, &()).await?;
        Ok(())
    }

    /// Host and port of the registry, as an image reference names them.
    pub fn registry_host(&self) -> &str {
        &self.host
    }

    /// Stops the registry alone.
    pub async fn stop_registry(&mut self) {
        if let Some(registry) = self.registry.take() {
            registry.stop().await;
        }
    }

    /// The directory of everything that this market writes.
    pub fn dir(&self) -> &Path {
        self.dir.0.path()
    }

    /// Sends instructions that `payer` pays.
    ///
    /// # Errors
    /// They do not land.
    pub async fn send(&self, instructions: &[Instruction], payer: &Keypair, signers: &[&AnySigner]) -> Result<()> {
        let options = SendOptions::default();
        self.client.send(instructions, payer, signers, &options).await?;
        Ok(())
    }

    /// Registers a provider with its stake, and starts its node where its options say so.
    ///
    /// # Errors
    /// The chain refuses, or the node does not start.
    pub async fn add_provider(&mut self, options: ProviderOptions, say: &(dyn Fn(&str) + Sync)) -> Result<()> {
        let first = options.machine_of.and_then(|at| self.providers.get(at));
        let authority = first.map_or_else(Keypair::new, |first| first.authority.insecure_clone());
        let payout = match first {
            Some(first) => first.payout,
            None => {
                self.localnet.airdrop(&authority.pubkey(), 10 * SOL).await?;
                self.localnet.mint_usdc(&authority.pubkey(), options.stake).await?
            }
        };
        let node_key = Keypair::new();
        self.localnet.airdrop(&node_key.pubkey(), 10 * SOL).await?;
        let state_dir = self.dir.0.path().join(format!("node-{}", options.name));
        let identity = Identity::load_or_create(&StateDir::open(&state_dir)?)?;
        let port = free_port()?;
        let node = NodeArgs {
            node_key: node_key.pubkey(),
            cert_fingerprint: identity.fingerprint(),
            x25519: [0; 32],
            stake_limit: u64::MAX,
            endpoint: format!("https://127.0.0.1:{port}"),
        };
        let key = authority.pubkey();
        let record = address::provider(&key);
        let (machine, setup) = match options.machine_of {
            Some(_) => {
                let further = self.providers.iter().filter(|one| one.record == record).count();
                let number = u32::try_from(further).context("too many machines")?;
                let node = NodeArgs { stake_limit: options.stake, ..node };
                (address::machine(&record, number), vec![provider::register_machine(&key, number, node)])
            }
            None => {
                let setup = vec![
                    stake::open_bond(&key, &self.mint),
                    stake::add_stake(&key, &payout, options.stake),
                    provider::register(&key, &payout, node),
                ];
                (record, setup)
            }
        };
        self.send(&setup, &authority, &[]).await.with_context(|| format!("registering provider {}", options.name))?;
        write_key(&self.dir.0.path().join(format!("node-{}.json", options.name)), &node_key)?;
        say(&format!("provider {} registered with {} USDC of stake", options.name, options.stake / USDC));
        let start = options.start;
        self.providers.push(Provider {
            options,
            authority,
            node_key,
            record,
            machine,
            payout,
            state_dir,
            port,
            node: None,
        });
        if start {
            self.start_node(self.providers.len() - 1)?;
        }
        Ok(())
    }

    /// Starts the node of provider `at`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_node(&mut self, at: usize) -> Result<()> {
        let (rpc_url, ws_url) = (self.localnet.rpc_url().to_owned(), self.localnet.ws_url().to_owned());
        let dir = self.dir.0.path().to_owned();
        let provider = self.providers.get_mut(at).context("no such provider")?;
        let options = &provider.options;
        let (url, ws) = (options.rpc.clone().unwrap_or(rpc_url), options.ws.clone().unwrap_or(ws_url));
        let mut args: Vec<String> = [
            "node",
            "run",
            "--cpu",
            "--allow-private-inputs",
            "--allow-registry",
            &self.host,
            "--url",
            &url,
            "--ws",
            &ws,
            "--keypair",
            &dir.join(format!("node-{}.json", options.name)).display().to_string(),
            "--authority",
            &provider.authority.pubkey().to_string(),
            "--state-dir",
            &provider.state_dir.display().to_string(),
            "--listen",
            &format!("127.0.0.1:{}", provider.port),
            "--ask",
            &usdc(options.ask),
            "--floor",
            &usdc(options.floor),
            "--cpu-cores",
            "1",
            "--memory",
            "1GiB",
            "--disk",
            "4GiB",
        ]
        .map(str::to_owned)
        .to_vec();
        args.push(if options.auto_bid { "--auto-bid" } else { "--bid" }.to_owned());
        args.extend(options.node_args.iter().cloned());
        let log = dir.join(format!("node-{}.log", options.name));
        let name = format!("node {}", options.name);
        let clock = options.clock_offset.as_deref().map(clock_env).transpose()?.unwrap_or_default();
        let mut env = log_env().to_vec();
        env.extend(clock.iter().map(|(key, value)| (key.as_str(), OsStr::new(value))));
        provider.node = Some(Process::start(&name, &gridlease_binary()?, args, &env, &log)?);
        Ok(())
    }

    /// Kills the node of provider `at`, as a power cut would.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill_node(&mut self, at: usize) -> Result<()> {
        let provider = self.providers.get_mut(at).context("no such provider")?;
        provider.node.take().context("that node does not run")?.kill().await
    }

    /// Stops the node of provider `at` in order.
    pub async fn stop_node(&mut self, at: usize) {
        if let Some(node) = self.providers.get_mut(at).and_then(|provider| provider.node.take()) {
            node.stop(Duration::from_secs(15)).await;
        }
    }

    /// The end of every part's log.
    pub fn logs(&self) -> String {
        let nodes =
            self.providers.iter().filter_map(|one| one.node.as_ref().map(|node| (&one.options.name, node.tail())));
        let mut text: Vec<String> = nodes.map(|(name, tail)| format!("[node {name}]\n{tail}")).collect();
        text.extend(self.keeper.as_ref().map(|keeper| format!("[keeper]\n{}", keeper.tail())));
        text.join("\n")
    }

    /// Starts the keeper.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start_keeper(&mut self) -> Result<()> {
        let key = self.dir.0.path().join("keeper.json");
        write_key(&key, &self.keeper_key)?;
        let args = [
            "keeper",
            "run",
            "--url",
            self.localnet.rpc_url(),
            "--ws",
            self.localnet.ws_url(),
            "--keypair",
            &key.display().to_string(),
        ]
        .map(str::to_owned);
        let log = self.dir.0.path().join("keeper.log");
        self.keeper = Some(Process::start("the keeper", &gridlease_binary()?, args, &log_env(), &log)?);
        Ok(())
    }

    /// Errors where a part has died.
    ///
    /// # Errors
    /// The end of the dead part's log.
    pub fn check(&mut self) -> Result<()> {
        for provider in &mut self.providers {
            if let Some(node) = &mut provider.node {
                node.check()?;
            }
        }
        if let Some(keeper) = &mut self.keeper {
            keeper.check()?;
        }
        Ok(())
    }

    /// Waits until the offer of every running node stands.
    ///
    /// # Errors
    /// A node died, or one takes longer than 30 s.
    pub async fn await_offers(&mut self) -> Result<()> {
        for _ in 0..150 {
            self.check()?;
            let mut waiting = Vec::new();
            for provider in self.providers.iter().filter(|provider| provider.node.is_some()) {
                let offers = self.client.offers_of(&provider.record).await?;
                if !offers.iter().any(|(_, offer)| offer.machine == provider.machine) {
                    waiting.push(provider.options.name.clone());
                }
            }
            if waiting.is_empty() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        bail!("not every node posted its offer within 30 s; their logs are in {}", self.dir.0.path().display())
    }

    /// Stops everything, in order: nodes (they withdraw their offers), keeper, registry, network, containers, files.
    pub async fn stop(mut self) {
        for at in 0..self.providers.len() {
            self.stop_node(at).await;
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.stop(Duration::from_secs(5)).await;
        }
        self.stop_registry().await;
        let machines: Vec<String> = self.providers.iter().map(|provider| provider.machine.to_string()).collect();
        if let Ok(docker) = crate::image::docker().await {
            crate::image::remove_containers(&docker, &machines).await;
            crate::image::remove_images(&docker, &self.host).await;
        }
        if let Err(error) = self.localnet.shutdown().await {
            tracing::warn!(%error, "the local network did not stop in order");
        }
    }
}

/// The environment in which the clock that people set is off by `offset`; the one that only runs stays as it is, as on a real
/// machine. Asked of `faketime` rather than run under it: it would stand between a node and whoever ends that.
fn clock_env(offset: &str) -> Result<Vec<(String, String)>> {
    let faketime = program("faketime").context("`faketime` is not installed; `cargo xtask test` installs it")?;
    let told = std::process::Command::new(faketime).args(["--exclude-monotonic", "-f", offset, "env"]).output()?;
    let text = String::from_utf8_lossy(&told.stdout);
    let kept = ["LD_PRELOAD", "FAKETIME", "FAKETIME_DONT_FAKE_MONOTONIC"];
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    Ok(pairs.filter(|(key, _)| kept.contains(key)).map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

fn log_env() -> [(&'static str, &'static OsStr); 1] {
    [("RUST_LOG", OsStr::new("info"))]
}

/// Atoms as a decimal number of USDC.
pub fn usdc(atoms: u64) -> String {
    format!("{}.{:06}", atoms / USDC, atoms % USDC)
}
