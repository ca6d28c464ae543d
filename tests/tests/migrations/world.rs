//! A network on which nothing is deployed, and somebody who is about to.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use gridlease_demo::process::gridlease_binary;
use gridlease_demo::wallet::write_key;
use gridlease_localnet::{Localnet, LocalnetConfig};
use gridlease_migrations::{Context, Genesis, Journal, JournalError, MigrateError, Observer, Report, StepReport, run};
use gridlease_sdk::address;
use gridlease_sdk::rpc::{Client, ClusterUrl};
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

pub const SOL: u64 = 1_000_000_000;

pub struct World {
    pub net: Localnet,
    pub client: Client,
    pub admin: Keypair,
    pub mint: Pubkey,
    dir: tempfile::TempDir,
}

impl World {
    /// With the addresses of both programs reserved, as their keypairs would do it: nobody has those.
    pub async fn reserved() -> Self {
        let world = Self::empty().await;
        for id in [address::MARKET, address::STAKING] {
            world.net.reserve_program(&id).await.unwrap();
        }
        world
    }

    /// Without any of that.
    pub async fn empty() -> Self {
        let net = Localnet::start(LocalnetConfig { slot_ms: 100, ..LocalnetConfig::default() }).await.unwrap();
        let url = ClusterUrl::parse(net.rpc_url()).unwrap().with_ws(net.ws_url()).unwrap();
        let (client, admin) = (Client::new(url).unwrap(), Keypair::new());
        net.airdrop(&admin.pubkey(), 100 * SOL).await.unwrap();
        let mint = net.create_usdc_mint(&Keypair::new(), &admin).await.unwrap();
        Self { net, client, admin, mint, dir: tempfile::tempdir().unwrap() }
    }

    pub fn context(&self) -> Context<'_> {
        let mut context = Context::new(&self.client, &self.admin);
        context.genesis = Some(Genesis { usdc_mint: self.mint, treasury: None, insurance: None });
        context
    }

    pub fn journal(&self) -> Journal {
        let path = self.dir.path().join("journal.jsonl");
        // A program that another test starts has all open files of this process for a moment, a lock that was let go among them.
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            match Journal::open(&path) {
                Err(JournalError::Busy { .. }) if Instant::now() < patience => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                opened => return opened.unwrap(),
            }
        }
    }

    pub async fn run(&self, observer: &dyn Observer) -> Result<Report, MigrateError> {
        run(&self.context(), None, &mut self.journal(), observer).await
    }

    fn command(&self, args: &[&str]) -> Command {
        let file = self.dir.path().join("admin.json");
        write_key(&file, &self.admin).unwrap();
        let mut command = Command::new(gridlease_binary().unwrap());
        command
            .args(["admin", "migrate"])
            .args(args)
            .args(["--url", self.net.rpc_url(), "--ws", self.net.ws_url()])
            .args(["--keypair".as_ref(), file.as_os_str()])
            .args(["--state-dir".as_ref(), self.dir.path().as_os_str()]);
        command
    }

    /// Runs `gridlease admin migrate` to its end.
    pub fn migrate(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Starts `gridlease admin migrate`.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The journal that the binary writes.
    pub fn journals(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir.path().join("migrations"));
        let paths = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "jsonl")).collect()
    }
}

/// The names of the steps that say this.
pub fn named(report: &Report, which: impl Fn(&StepReport) -> bool) -> Vec<&str> {
    report.steps().filter(|step| which(step)).map(|step| step.step.as_str()).collect()
}
