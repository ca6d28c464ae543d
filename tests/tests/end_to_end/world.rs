//! A market, a buyer with money in its purse, and jobs made of one shell line.

use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_cli::amount::Usdc;
use gridlease_cli::buyer::{Buyer, FollowOptions, JobEvent, JobEvents, PostOptions, Until};
use gridlease_cli::{chain::Chain, purse};
use gridlease_demo::account::Books;
use gridlease_demo::image::{build_and_push, docker};
use gridlease_demo::market::{Market, MarketOptions, ProviderOptions, USDC};
use gridlease_demo::process::program;
use gridlease_sdk::instruction::job::JobArgs;
use gridlease_testkit::needed;
use solana_pubkey::Pubkey;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Two markets at a time are what two cores carry.
static PLACES: Semaphore = Semaphore::const_new(2);
/// Longest wait for the next event of a job.
const PATIENCE: Duration = Duration::from_secs(120);

/// A market with a buyer.
pub struct World {
    pub market: Market,
    pub buyer: Buyer,
    pub image: String,
    _place: SemaphorePermit<'static>,
}

/// A market with one provider of this name, whose offer takes automatic bids.
pub fn alone(name: &str) -> MarketOptions {
    MarketOptions { providers: vec![ProviderOptions::new(name, 300_000, 200_000, true)], ..MarketOptions::default() }
}

/// Starts a world, where there are a container engine and a shell for its images ([`needed`]).
pub async fn world(options: MarketOptions) -> Option<World> {
    let engine = needed(docker().await)?;
    let shell = needed(program("busybox").ok_or("busybox-static is not installed; `cargo xtask test` installs it"))?;
    let place = PLACES.acquire().await.unwrap();
    let market = Market::start(options, &|line| eprintln!("{line}")).await.unwrap();
    let image = build_and_push(&engine, &shell, "busybox", market.registry_host()).await.unwrap();
    let chain = Chain::new(market.client.clone());
    purse::open(&chain, &market.buyer).await.unwrap();
    purse::deposit(&chain, &market.buyer, Usdc(10 * USDC)).await.unwrap();
    let buyer = Buyer::new(market.client.clone(), market.buyer.clone(), &market.dir().join("buyer"));
    Some(World { market, buyer, image: image.reference, _place: place })
}

impl World {
    /// Posts a job that runs `script` in a shell, for at most `duration`.
    pub async fn post(&self, script: &str, duration: &str) -> Pubkey {
        self.post_with(script, duration, |_| {}).await
    }

    /// As [`World::post`], with changes of what stands on chain that no manifest can ask for.
    pub async fn post_with(&self, script: &str, duration: &str, change: impl FnOnce(&mut JobArgs)) -> Pubkey {
        self.post_as(script, duration, "", change).await
    }

    /// As [`World::post`], with more lines of the manifest.
    pub async fn post_asking(&self, script: &str, duration: &str, more: &str) -> Pubkey {
        self.post_as(script, duration, more, |_| {}).await
    }

    async fn post_as(&self, script: &str, duration: &str, more: &str, change: impl FnOnce(&mut JobArgs)) -> Pubkey {
        let text = format!(
            "version: 1\nname: test\nimage: {}\ncommand: [\"/busybox\", \"sh\", \"-c\", {script:?}]\noutputs: [{{ path: /out }}]\n\
             resources: {{ cpu: 0.5, memory: 64MiB, disk: 100MiB }}\nprice: {{ max: 0.60, mode: auction, window: 6s }}\n\
             duration: {{ max: {duration} }}\nattempts: 3\n{more}",
            self.image
        );
        let path = self.market.dir().join("test-job.yaml");
        std::fs::write(&path, text).unwrap();
        let mut prepared = self.buyer.prepare(&path).await.unwrap();
        change(&mut prepared.args);
        self.buyer.post(&prepared, &PostOptions::default()).await.unwrap().job
    }

    /// Follows a job from its beginning.
    pub fn follow(&self, job: Pubkey) -> Story {
        let outputs = self.market.dir().join(format!("outputs-{job}"));
        let options = FollowOptions { outputs: Some(outputs), until: Until::Closed, ..FollowOptions::default() };
        Story { events: self.buyer.follow(job, options), told: Vec::new() }
    }

    /// The books, which must balance to the last atom.
    pub async fn books(&self) -> Books {
        let books = Books::read(&self.market).await.unwrap();
        books.check().unwrap();
        books
    }

    /// Stops everything.
    pub async fn stop(self) {
        self.market.stop().await;
    }
}

/// The events of a job so far.
pub struct Story {
    events: JobEvents,
    pub told: Vec<JobEvent>,
}

impl Story {
    /// Reads on until a line of the log was told, which may be before or after the lease is told ready.
    pub async fn until_a_line(&mut self) {
        let is_line = |event: &JobEvent| matches!(event, JobEvent::LogLine { .. });
        if !self.told.iter().any(is_line) {
            self.until("the line", is_line).await;
        }
    }

    /// Reads on until `found` has said yes to something that was told, now or before.
    pub async fn until_told(&mut self, what: &str, found: impl Fn(&JobEvent) -> bool) {
        if !self.told.iter().any(&found) {
            self.until(what, found).await;
        }
    }

    /// Reads on until `found` says yes, and returns that event.
    pub async fn until(&mut self, what: &str, found: impl Fn(&JobEvent) -> bool) -> JobEvent {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.events.next()).await;
            let event = match next {
                Ok(Some(event)) => event.unwrap(),
                Ok(None) => panic!("the story ended before {what}: {:#?}", self.told),
                Err(_) => panic!("nothing for {PATIENCE:?} before {what}: {:#?}", self.told),
            };
            let done = found(&event);
            if !matches!(event, JobEvent::Money { .. }) {
                eprintln!("{event:?}");
                self.told.push(event.clone());
            }
            if done {
                return event;
            }
        }
    }

    /// Reads to the end.
    pub async fn until_the_end(&mut self) {
        while let Some(event) = tokio::time::timeout(PATIENCE, self.events.next()).await.expect("the story stopped") {
            let event = event.unwrap();
            if !matches!(event, JobEvent::Money { .. }) {
                eprintln!("{event:?}");
                self.told.push(event);
            }
        }
    }

    /// How many events so far are such.
    pub fn count(&self, such: impl Fn(&JobEvent) -> bool) -> usize {
        self.told.iter().filter(|event| such(event)).count()
    }

    /// What the lease that finished owed in all, as the story told it.
    pub fn accrued(&self) -> u64 {
        let mut finished = self.told.iter().filter_map(|event| match event {
            JobEvent::Finished { money, .. } => Some(money.accrued.0),
            _ => None,
        });
        finished.next().expect("no lease finished")
    }
}
