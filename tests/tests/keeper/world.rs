//! A market on a real local network, with parties that do only what is theirs to do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use gridlease_core::Atoms;
use gridlease_core::job::EndReason;
use gridlease_core::limits::DEFAULT_WEIGHTS;
use gridlease_core::requirement::flags;
use gridlease_keeper::{CancellationToken, Keeper, KeeperConfig, KeeperError, KeeperEvent, Policy, Summary};
use gridlease_localnet::{Localnet, LocalnetConfig};
use gridlease_migrations::{Context, Genesis, Journal, find_program};
use gridlease_sdk::account::{Job, Kind, Lease, Purse, decode};
use gridlease_sdk::address;
use gridlease_sdk::instruction::job::{BidderKeys, JobArgs, RequirementArgs};
use gridlease_sdk::instruction::lease::{LeaseKeys, Outcome};
use gridlease_sdk::instruction::provider::{NodeArgs, OfferMachine, OfferTerms, SpecArgs};
use gridlease_sdk::instruction::{create_token_account, job, lease, provider, purse, stake};
use gridlease_sdk::rpc::{Client, ClusterUrl, SendOptions, WatchConfig};
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_program_pack::Pack as _;
use solana_pubkey::Pubkey;
use solana_signer::Signer;
use spl_token_interface::instruction as token;
use spl_token_interface::state::Mint;
use tokio::task::JoinHandle;

pub const SOL: u64 = 1_000_000_000;
pub const USDC: u64 = 1_000_000;
pub const WINDOW: u32 = 6;
pub const DURATION: u32 = 600;
pub const DEPOSIT: u64 = 50 * USDC;

pub struct World {
    pub net: Localnet,
    pub client: Client,
    pub admin: Keypair,
    pub mint: Pubkey,
    pub treasury: Pubkey,
    pub insurance: Pubkey,
    pub buyer: Keypair,
}

pub struct Provider {
    pub node_key: Keypair,
    pub record: Pubkey,
    pub payout: Pubkey,
    pub bond: Pubkey,
}

impl World {
    /// A market with a funded buyer and no providers. Its USDC can be frozen, as the real one can.
    pub async fn new() -> Self {
        let net = Localnet::start(LocalnetConfig { slot_ms: 100, ..LocalnetConfig::default() }).await.unwrap();
        let client = Client::new(url(net.rpc_url(), net.ws_url())).unwrap();
        for (name, id) in [("market", address::MARKET), ("staking", address::STAKING)] {
            net.deploy_program(&id, &find_program(name).unwrap().so).await.unwrap();
        }
        let (admin, buyer, mint, fund) = (Keypair::new(), Keypair::new(), Keypair::new(), Keypair::new());
        for key in [&admin, &buyer] {
            net.airdrop(&key.pubkey(), 100 * SOL).await.unwrap();
        }
        let (me, mint_key) = (admin.pubkey(), mint.pubkey());
        let rent = client.rent_exempt_lamports(Mint::LEN).await.unwrap();
        let create = solana_system_interface::instruction::create_account(
            &me,
            &mint_key,
            rent,
            Mint::LEN as u64,
            &spl_token_interface::ID,
        );
        let mint_it = token::initialize_mint2(&spl_token_interface::ID, &mint_key, &me, Some(&me), 6).unwrap();
        let treasury = address::token_account(&me, &mint_key);
        let insurance = address::token_account(&fund.pubkey(), &mint_key);
        let world = Self { net, client, admin, mint: mint_key, treasury, insurance, buyer };
        world.send(&[create, mint_it], &world.admin, &[&mint]).await;
        let accounts =
            [&me, &fund.pubkey(), &world.buyer.pubkey()].map(|owner| create_token_account(&me, owner, &mint_key));
        world.send(&accounts, &world.admin, &[]).await;
        world.migrate(Genesis { usdc_mint: mint_key, treasury: Some(treasury), insurance: Some(insurance) }).await;
        let owner = world.buyer.pubkey();
        let wallet = world.mint_to(&owner, DEPOSIT).await;
        let open = [purse::open(&owner, &mint_key), purse::deposit(&owner, &owner, &wallet, DEPOSIT)];
        world.send(&open, &world.buyer, &[]).await;
        world
    }

    async fn migrate(&self, genesis: Genesis) {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = Journal::open(&folder.path().join("journal.jsonl")).unwrap();
        let mut context = Context::new(&self.client, &self.admin);
        context.genesis = Some(genesis);
        gridlease_migrations::run(&context, None, &mut journal, &()).await.unwrap();
    }

    pub async fn send(&self, instructions: &[Instruction], payer: &Keypair, signers: &[&Keypair]) {
        let signers: Vec<&gridlease_sdk::rpc::send::AnySigner> = signers.iter().map(|one| *one as _).collect();
        self.client.send(instructions, payer, &signers, &SendOptions::default()).await.unwrap();
    }

    async fn mint_to(&self, owner: &Pubkey, atoms: u64) -> Pubkey {
        let account = address::token_account(owner, &self.mint);
        let me = self.admin.pubkey();
        let mint = token::mint_to(&spl_token_interface::ID, &self.mint, &account, &me, &[], atoms).unwrap();
        self.send(&[create_token_account(&me, owner, &self.mint), mint], &self.admin, &[]).await;
        account
    }

    /// A provider with one offer.
    pub async fn provider(&self, ask: u64, floor: u64, auto_bid: bool) -> Provider {
        let (authority, node_key) = (Keypair::new(), Keypair::new());
        for key in [&authority, &node_key] {
            self.net.airdrop(&key.pubkey(), 10 * SOL).await.unwrap();
        }
        let me = authority.pubkey();
        let payout = self.mint_to(&me, 100 * USDC).await;
        let node = NodeArgs {
            node_key: node_key.pubkey(),
            cert_fingerprint: [1; 32],
            x25519: [0; 32],
            stake_limit: u64::MAX,
            endpoint: "https://127.0.0.1:1".to_owned(),
        };
        let setup = [
            stake::open_bond(&me, &self.mint),
            stake::add_stake(&me, &payout, 100 * USDC),
            provider::register(&me, &payout, node),
        ];
        self.send(&setup, &authority, &[]).await;
        let record = address::provider(&me);
        let spec = SpecArgs {
            vram_mib: 0,
            cpu_milli: 8_000,
            memory_mib: 16_384,
            disk_mib: 65_536,
            down_mbit: 100,
            up_mbit: 100,
            flags: flags::CPU_CLASS,
            compute_capability: 0,
            cuda: 0,
            gpu_model: 0,
            gpu_count: 0,
            region: 0,
        };
        let machine =
            OfferMachine { spec, gpu_root: [0; 32], benchmark_hash: [0; 32], benchmark: 0, stake_limit: 1_000 * USDC };
        let expires_ts = self.client.now().await.unwrap().ts.0 + 3_500;
        let terms = OfferTerms { ask, floor, expires_ts, units: 2, auto_bid };
        let post = provider::post_offer(&node_key.pubkey(), &record, 1, machine, terms);
        self.send(&[post], &node_key, &[]).await;
        Provider { node_key, record, payout, bond: address::bond(&me) }
    }

    /// The buyer posts a job `number` above its last one, which pays at most 3.60 USDC an hour.
    pub async fn post(&self, number: u64) -> Pubkey {
        self.post_for(number, 86_400).await
    }

    /// The same, and it waits for a bid for `wait_s` seconds.
    pub async fn post_for(&self, number: u64, wait_s: u32) -> Pubkey {
        let args = JobArgs {
            requirement: RequirementArgs {
                gpu_models: 0,
                gpu_models_high: 0,
                min_stake: 0,
                vram_mib: 0,
                cpu_milli: 1_000,
                memory_mib: 1_024,
                disk_mib: 0,
                regions: 0,
                down_mbit: 0,
                up_mbit: 0,
                flags: 0,
                compute_capability: 0,
                cuda: 0,
                min_reputation: 0,
                gpu_count: 0,
            },
            manifest_hash: [7; 32],
            image_digest: [8; 32],
            max_price: 3_600_000,
            max_duration_s: DURATION,
            window_s: WINDOW,
            reveal_s: 0,
            notice_s: 0,
            checkpoint_s: 0,
            image_mb: 10,
            weights: DEFAULT_WEIGHTS,
            attempts: 3,
            mode: 0,
            verify_class: 0,
            wait_s,
            review_s: 0,
            manifest_uri: String::new(),
        };
        let owner = self.buyer.pubkey();
        let purse: gridlease_sdk::account::Purse = self.client.get(&address::purse(&owner)).await.unwrap();
        let number = purse.last_job + number;
        self.send(&[job::post(&owner, number, args)], &self.buyer, &[]).await;
        address::job(&address::purse(&owner), number)
    }

    pub async fn bid(&self, job: &Pubkey, of: &Provider, price: u64) {
        let bidder = BidderKeys { provider: of.record, offer: 1, bond: of.bond };
        self.send(&[job::bid(&of.node_key.pubkey(), job, &bidder, price)], &of.node_key, &[]).await;
    }

    pub async fn ready(&self, lease: &Pubkey, of: &Provider) {
        let keys = self.keys(lease).await;
        self.send(&[lease::ready(&of.node_key.pubkey(), &keys, [8; 32], [0; 32])], &of.node_key, &[]).await;
    }

    /// The node finishes its job and the buyer accepts that.
    pub async fn finish(&self, lease: &Pubkey, of: &Provider) {
        self.finish_for_review(lease, of).await;
        let accept = lease::accept(&self.buyer.pubkey(), &self.keys(lease).await);
        self.send(&[accept], &self.buyer, &[]).await;
    }

    /// The node finishes its job, and the buyer has not looked at it yet.
    pub async fn finish_for_review(&self, lease: &Pubkey, of: &Provider) {
        let keys = self.keys(lease).await;
        let outcome = Outcome { exit_code: Some(0), result_hash: [3; 32], log_hash: [4; 32], ended_ts: 0, stood_s: 0 };
        let finish = lease::finish(&of.node_key.pubkey(), &keys, EndReason::Completed, outcome);
        self.send(&[finish], &of.node_key, &[]).await;
    }

    /// Freezes, or thaws, a token account.
    pub async fn freeze(&self, account: &Pubkey, frozen: bool) {
        let me = self.admin.pubkey();
        let change = if frozen { token::freeze_account } else { token::thaw_account };
        let change = change(&spl_token_interface::ID, account, &self.mint, &me, &[]).unwrap();
        self.send(&[change], &self.admin, &[]).await;
    }

    async fn keys(&self, lease: &Pubkey) -> LeaseKeys {
        LeaseKeys::new(*lease, &self.find::<Lease>(lease).await.unwrap())
    }

    pub async fn find<T: Kind>(&self, address: &Pubkey) -> Option<T> {
        let account = self.client.account(address).await.unwrap().filter(|account| account.lamports > 0)?;
        Some(decode(address, &account.owner, &account.data).unwrap())
    }

    pub async fn job(&self, address: &Pubkey) -> Job {
        self.find(address).await.unwrap()
    }

    pub async fn purse(&self) -> Purse {
        self.find(&address::purse(&self.buyer.pubkey())).await.unwrap()
    }

    pub async fn tokens(&self, account: &Pubkey) -> u64 {
        self.client.token_balance(account).await.unwrap().unwrap()
    }

    pub async fn now(&self) -> u64 {
        self.client.now().await.unwrap().ts.0
    }

    /// Sends the chain's clock past `ts`.
    pub async fn pass(&self, ts: u64) {
        let now = self.now().await;
        self.net.advance_time(Duration::from_secs((ts + 1).saturating_sub(now))).await.unwrap();
        until("the clock has been sent ahead", async || (self.now().await > ts).then_some(())).await;
    }

    /// A keeper of this world, not started, with settings with which things show soon.
    pub fn config(&self) -> KeeperConfig {
        KeeperConfig {
            watch: WatchConfig {
                rescan: Duration::from_secs(2),
                max_reconnect: Duration::from_secs(1),
                ..WatchConfig::default()
            },
            policy: Policy { sweep_above: Atoms(1), ..Policy::default() },
            tick: Duration::from_millis(50),
            clock_every: Duration::from_millis(200),
            audit_every: Some(Duration::from_secs(1)),
            ..KeeperConfig::new(url(self.net.rpc_url(), self.net.ws_url()))
        }
    }

    /// A key with SOL.
    pub async fn signer(&self) -> Arc<Keypair> {
        let key = Keypair::new();
        self.net.airdrop(&key.pubkey(), 10 * SOL).await.unwrap();
        Arc::new(key)
    }

    pub async fn start(&self, config: KeeperConfig) -> Running {
        self.start_as(config, self.signer().await).await
    }

    /// A keeper that pays with `signer`.
    pub async fn start_as(&self, config: KeeperConfig, signer: Arc<Keypair>) -> Running {
        let keeper = Keeper::new(config, signer).unwrap();
        let stop = CancellationToken::new();
        let events = keeper.events();
        Running { events, task: tokio::spawn(keeper.run(stop.clone())), stop }
    }

    /// One pass of a keeper.
    pub async fn once(&self, change: impl FnOnce(&mut KeeperConfig)) -> Summary {
        let mut config = KeeperConfig { mode: gridlease_keeper::Mode::Once, ..self.config() };
        change(&mut config);
        Keeper::new(config, self.signer().await).unwrap().run(CancellationToken::new()).await.unwrap()
    }

    pub async fn end(self) {
        self.net.shutdown().await.unwrap();
    }
}

/// A keeper at work.
pub struct Running {
    events: tokio::sync::broadcast::Receiver<KeeperEvent>,
    task: JoinHandle<Result<Summary, KeeperError>>,
    stop: CancellationToken,
}

impl Running {
    /// Waits for an event, for a minute at most.
    pub async fn sees<T>(&mut self, what: &str, mut look: impl FnMut(KeeperEvent) -> Option<T>) -> T {
        let limit = tokio::time::Instant::now() + Duration::from_secs(60);
        loop {
            let event = tokio::time::timeout_at(limit, self.events.recv()).await;
            match event.unwrap_or_else(|_| panic!("not within a minute: {what}")) {
                Ok(event) => {
                    if let Some(found) = look(event) {
                        return found;
                    }
                }
                Err(error) => panic!("{what}: {error}"),
            }
        }
    }

    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    pub async fn stop(self) -> Summary {
        self.stop.cancel();
        self.task.await.unwrap().unwrap()
    }
}

pub fn url(rpc: &str, ws: &str) -> ClusterUrl {
    ClusterUrl::parse(rpc).unwrap().with_ws(ws).unwrap()
}

/// Asks until there is an answer, for a minute.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let limit = tokio::time::Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < limit, "not within a minute: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
