//! The keeper as a whole.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use gridlease_core::{Now, UnixTs};
use gridlease_sdk::address::{MARKET, STAKING, market_config, staking_config};
use gridlease_sdk::rpc::{Client, RpcError};
use solana_pubkey::Pubkey;
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::audit::Violation;
use crate::audit::live::{Subject, audit};
use crate::clock::Stopwatch;
use crate::config::{KeeperConfig, Mode};
use crate::counters::{Counters, Summary, Undone};
use crate::error::KeeperError;
use crate::event::{Events, KeeperEvent};
pub use crate::execute::KeeperSigner;
use crate::execute::{Executor, ExecutorParts};
use crate::readings::{Reading, Readings};
use gridlease_sdk::crank::{Action, StepKey, plan};
use gridlease_sdk::view::observe::{self, Observed, Observer, Seen, Target};
use gridlease_sdk::view::{Applied, MarketTime, View};

/// Most rounds of one pass; a market in which something is due at once after each round does not hold it for ever.
const MAX_ROUNDS: usize = 1_000;

/// Runs a keeper with nobody watching it; see [`Keeper`].
///
/// # Errors
/// See [`KeeperError`].
pub async fn run(
    config: KeeperConfig,
    signer: Arc<KeeperSigner>,
    shutdown: CancellationToken,
) -> Result<Summary, KeeperError> {
    Keeper::new(config, signer)?.run(shutdown).await
}

/// A keeper that can be watched.
pub struct Keeper {
    config: KeeperConfig,
    client: Client,
    signer: Arc<KeeperSigner>,
    payer: Pubkey,
    counters: Arc<Counters>,
    events: Events,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keeper").field("config", &self.config).field("payer", &self.payer).finish_non_exhaustive()
    }
}

/// How often one pass waits for an endpoint that fails.
const WAITS: usize = 3;
/// How often accounts that there was no room for are asked for where there is some again, and how many at a time.
const REFILL_EVERY: Duration = Duration::from_secs(1);
const REFILL: usize = 256;

/// What a keeper at work has in its hands.
struct Work {
    view: View,
    executor: Executor,
    time: MarketTime,
    clock: Stopwatch,
    /// The view has changed, or an action has ended, since the last plan.
    dirty: bool,
    /// For which second was planned last.
    planned_for: Option<UnixTs>,
    /// What a dry run has told of.
    told: HashSet<StepKey>,
    /// How many accounts there was no room for when it was last said.
    told_left_out: usize,
    /// When they were last asked for.
    refilled: Duration,
    /// The chain's clock could not be read the last time.
    silent: bool,
}

impl Keeper {
    /// A keeper that pays its fees with `signer`. Nothing is asked or sent yet.
    ///
    /// # Errors
    /// [`KeeperError::Config`], [`KeeperError::Signer`], or no client can be set up.
    pub fn new(config: KeeperConfig, signer: Arc<KeeperSigner>) -> Result<Self, KeeperError> {
        config.validate()?;
        let payer = signer.try_pubkey().map_err(|error| KeeperError::Signer { reason: error.to_string() })?;
        let client = Client::with_config(config.cluster.clone(), config.client)?;
        Ok(Self { config, client, signer, payer, counters: Arc::default(), events: Events::new() })
    }

    /// What happens from now on. A watcher that is more than [`crate::EVENT_QUEUE`] events behind is told how many it
    /// missed; the keeper waits for nobody.
    pub fn events(&self) -> broadcast::Receiver<KeeperEvent> {
        self.events.subscribe()
    }

    /// Its counters, for metrics.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Who pays.
    pub fn payer(&self) -> Pubkey {
        self.payer
    }

    /// Works until `shutdown` is cancelled ([`Mode::Follow`]), or until nothing is due ([`Mode::Once`]). A lost
    /// connection does not end [`Mode::Follow`]: it is waited for.
    ///
    /// # Errors
    /// [`KeeperError::NoMarket`] where the network answers and has no market; [`KeeperError::Rpc`] where it does not
    /// answer, in [`Mode::Once`] only.
    pub async fn run(self, shutdown: CancellationToken) -> Result<Summary, KeeperError> {
        let clock = Stopwatch::start();
        let executor = Executor::new(ExecutorParts {
            client: self.client.clone(),
            signer: self.signer.clone(),
            payer: self.payer,
            options: self.config.send,
            concurrency: self.config.concurrency,
            fee_budget: self.config.fee_budget,
            clock,
            counters: self.counters.clone(),
            events: self.events.clone(),
        });
        let mut work = Work {
            view: View::new(self.config.max_accounts, self.config.policy.shard),
            executor,
            time: MarketTime::default(),
            clock,
            dirty: true,
            planned_for: None,
            told: HashSet::new(),
            told_left_out: 0,
            refilled: clock.elapsed(),
            silent: false,
        };
        tracing::info!(cluster = %self.config.cluster, payer = %self.payer, shard = ?self.config.policy.shard, "the keeper starts");
        let outcome = match self.config.mode {
            Mode::Follow => self.follow(&mut work, &shutdown).await.map(|()| None),
            Mode::Once => self.once(&mut work, &shutdown).await,
        };
        self.drain(&mut work).await;
        let summary = self.counters.summary();
        tracing::info!(transactions = summary.transactions, fees = summary.fees_lamports, "the keeper ends");
        outcome.map(|undone| Summary { undone, ..summary })
    }

    async fn follow(&self, work: &mut Work, shutdown: &CancellationToken) -> Result<(), KeeperError> {
        tokio::select! {
            () = shutdown.cancelled() => return Ok(()),
            exists = self.check_market() => match exists {
                Err(KeeperError::Rpc(error)) => self.disconnected(error.to_string()),
                result => result?,
            },
        }
        let queries = [observe::market(), observe::bonds(), observe::staking_config()];
        let targets = queries.map(|query| (Target::Query(query), self.config.watch));
        let mut observer = Observer::new(&self.client, targets.to_vec())?;
        let (clock_every, balance_every) = (self.config.clock_every, self.config.balance_every);
        let mut readings = Readings::start(&self.client, self.payer, clock_every, balance_every);
        let mut tick = interval(self.config.tick);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut audit = Audit::new(self.config.audit_every, work.clock.elapsed());
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                observed = observer.next() => self.observed(work, observed.ok_or(KeeperError::Runtime)?),
                reading = readings.next() => self.reading(work, reading.ok_or(KeeperError::Runtime)?),
                finished = work.executor.next_finished(), if work.executor.is_busy() => {
                    for seen in work.executor.absorb(finished) {
                        observer.saw(&seen);
                    }
                    work.dirty = true;
                }
                (accounts, found) = audit.finished() => self.audited(accounts, found),
                _ = tick.tick() => {
                    self.work(work);
                    self.refill(work, &observer);
                    audit.start_if_due(&self.client, &work.view, work.clock.elapsed());
                }
            }
        }
    }

    async fn once(&self, work: &mut Work, shutdown: &CancellationToken) -> Result<Option<Undone>, KeeperError> {
        self.check_market().await?;
        let (mut newest, mut waits, mut undone) = (0, 0, None);
        for _ in 0..MAX_ROUNDS {
            if shutdown.is_cancelled() {
                return Ok(None);
            }
            self.read_all(work, newest).await?;
            (work.dirty, work.planned_for) = (true, None);
            let mut started = self.work(work);
            while work.executor.is_busy() {
                let finished = work.executor.next_finished().await;
                for Seen { slot, address, account } in work.executor.absorb(finished) {
                    newest = newest.max(slot);
                    let applied = work.view.apply(&address, account.as_ref());
                    self.applied(&address, &applied);
                }
                if !shutdown.is_cancelled() {
                    (work.dirty, work.planned_for) = (true, None);
                    started += self.work(work);
                }
            }
            self.say_left_out(work);
            match work.executor.endpoint_pause() {
                Some(pause) if waits < WAITS => {
                    waits += 1;
                    tokio::select! {
                        () = shutdown.cancelled() => return Ok(None),
                        () = sleep(pause) => {}
                    }
                }
                _ if started == 0 => {
                    undone = work.executor.undone();
                    break;
                }
                _ => {}
            }
        }
        if self.config.audit_every.is_some() {
            let subject = Subject::of(&work.view);
            self.audited(subject.len(), audit(&self.client, &subject).await);
        }
        if let Some(undone) = &undone {
            tracing::warn!(due = undone.steps, "{undone}");
        }
        Ok(undone)
    }

    /// Reads everything, as of the slot `newest` or later. What is missing from a list is looked at before it is believed.
    async fn read_all(&self, work: &mut Work, newest: u64) -> Result<(), KeeperError> {
        for (program, query) in [(MARKET, observe::market()), (STAKING, observe::bonds())] {
            let list = self.client.program_accounts_at(&query.min_slot(newest)).await?;
            let (refused, missing) = work.view.take_in(&program, &list.value);
            for (address, applied) in &refused {
                self.applied(address, applied);
            }
            let looked = self.client.accounts_at(&missing, list.slot).await?;
            for (address, account) in missing.iter().zip(looked.value) {
                let applied = work.view.apply(address, account.as_ref());
                self.applied(address, &applied);
            }
        }
        let config = staking_config();
        let looked = self.client.account_at(&config).await?;
        let applied = work.view.apply(&config, looked.value.as_ref());
        self.applied(&config, &applied);
        work.time.set(self.client.now().await?, work.clock.elapsed());
        Ok(())
    }

    async fn check_market(&self) -> Result<(), KeeperError> {
        let config = market_config();
        let look = self.client.account_at(&config).await?;
        if look.value.is_some() {
            return Ok(());
        }
        // One answer that there is none is not enough to give up for ever.
        let again = self.client.accounts_at(&[config], look.slot).await?;
        match again.value.first() {
            Some(Some(_)) => Ok(()),
            _ => Err(KeeperError::NoMarket { url: self.config.cluster.shown_rpc(), config }),
        }
    }

    /// Plans, where something may have changed since the last plan, and starts what is due. Returns how many actions were
    /// started.
    fn work(&self, work: &mut Work) -> usize {
        let Some(now) = work.time.now(work.clock.elapsed()) else { return 0 };
        if !work.dirty && work.planned_for == Some(now.ts) {
            return 0;
        }
        (work.dirty, work.planned_for) = (false, Some(now.ts));
        let actions = plan(&work.view, now, &self.config.policy);
        if self.config.dry_run {
            self.tell_plan(work, actions, now);
            return 0;
        }
        work.executor.dispatch(&actions, &work.view, now)
    }

    fn tell_plan(&self, work: &mut Work, actions: Vec<Action>, now: Now) {
        let planned: HashSet<StepKey> = actions.iter().flat_map(Action::keys).collect();
        for action in actions {
            if action.keys().any(|key| !work.told.contains(&key)) {
                tracing::info!(due = action.due.0, "due, and not sent because this is a dry run: {action}");
                self.events.tell(KeeperEvent::Planned { action, now });
            }
        }
        work.told = planned;
    }

    fn observed(&self, work: &mut Work, observed: Observed) {
        match observed {
            Observed::Account(address, account) => {
                let applied = work.view.apply(&address, account.as_ref());
                work.dirty |= matches!(applied, Applied::Changed | Applied::Removed);
                self.applied(&address, &applied);
            }
            Observed::Connected => {
                let sizes = work.view.sizes();
                tracing::info!(jobs = sizes.jobs, leases = sizes.leases, offers = sizes.offers, "connected");
                self.events.tell(KeeperEvent::Connected { sizes });
            }
            Observed::Disconnected { reason } => self.disconnected(reason),
        }
    }

    fn disconnected(&self, reason: String) {
        self.counters.disconnected();
        tracing::warn!(reason, "no connection; the keeper goes on trying");
        self.events.tell(KeeperEvent::Disconnected { reason });
    }

    fn applied(&self, address: &Pubkey, applied: &Applied) {
        if let Applied::Unreadable(error) = applied {
            tracing::warn!(%address, %error, "an account is left alone");
        }
    }

    /// Where the view is full and there is room again, what was left out is asked for.
    fn refill(&self, work: &mut Work, observer: &Observer) {
        let at = work.clock.elapsed();
        if at.saturating_sub(work.refilled) < REFILL_EVERY {
            return;
        }
        work.refilled = at;
        for address in work.view.room_for(REFILL) {
            observer.tell_again(address);
        }
        self.say_left_out(work);
    }

    /// Says it when accounts begin to be left out, when they have become twice as many, and when none is any more.
    fn say_left_out(&self, work: &mut Work) {
        let (left_out, limit) = (work.view.left_out(), self.config.max_accounts);
        if left_out > work.told_left_out.saturating_mul(2) {
            work.told_left_out = left_out;
            tracing::error!(
                left_out,
                limit,
                "the market has more accounts than this keeper keeps in mind, and those that matter least to it are left out; \
                 raise --max-accounts, or share the work with --shard"
            );
        } else if left_out == 0 && work.told_left_out > 0 {
            work.told_left_out = 0;
            tracing::info!(limit, "there is room for all accounts again");
        }
    }

    fn reading(&self, work: &mut Work, reading: Reading) {
        match reading {
            Reading::Clock(now) => {
                work.time.set(now, work.clock.elapsed());
                if std::mem::take(&mut work.silent) {
                    work.dirty |= work.executor.endpoint_may_be_back();
                }
            }
            Reading::Silent => work.silent = true,
            Reading::Balance(lamports) if lamports < self.config.low_sol => {
                tracing::warn!(payer = %self.payer, lamports, warn_below = self.config.low_sol, "little SOL left; fund the keeper");
                self.events.tell(KeeperEvent::LowSol { payer: self.payer, lamports });
            }
            Reading::Balance(lamports) => tracing::debug!(lamports, "the keeper's balance"),
        }
    }

    fn audited(&self, accounts: usize, found: Result<Vec<Violation>, RpcError>) {
        let violations = match found {
            Ok(violations) => violations,
            Err(error) => {
                tracing::warn!(%error, "the audit could not be finished; the next one is not far");
                return;
            }
        };
        for violation in &violations {
            tracing::error!(?violation, "INVARIANT BROKEN: {violation}");
        }
        tracing::debug!(accounts, violations = violations.len(), "audited");
        self.counters.audited(u64::try_from(violations.len()).unwrap_or(u64::MAX));
        self.events.tell(KeeperEvent::Audited { accounts, violations });
    }

    /// Waits for what is under way, but not for ever.
    async fn drain(&self, work: &mut Work) {
        let ended = timeout(self.config.drain, async {
            while work.executor.is_busy() {
                let finished = work.executor.next_finished().await;
                work.executor.absorb(finished);
            }
        });
        if ended.await.is_err() {
            tracing::warn!("transactions are still under way; they land or expire without this keeper");
            work.executor.abort();
        }
    }
}

type Found = (usize, Result<Vec<Violation>, RpcError>);

/// One audit at a time, beside the work.
struct Audit {
    every: Option<Duration>,
    next: Duration,
    running: Option<JoinHandle<Found>>,
}

impl Audit {
    fn new(every: Option<Duration>, at: Duration) -> Self {
        Self { every, next: at + every.unwrap_or_default(), running: None }
    }

    fn start_if_due(&mut self, client: &Client, view: &View, at: Duration) {
        let Some(every) = self.every else { return };
        if at < self.next || self.running.is_some() {
            return;
        }
        self.next = at + every;
        let (client, subject) = (client.clone(), Subject::of(view));
        self.running = Some(tokio::spawn(async move { (subject.len(), audit(&client, &subject).await) }));
    }

    /// The audit under way, when it ends; never, if there is none.
    async fn finished(&mut self) -> Found {
        loop {
            let Some(running) = self.running.as_mut() else { return std::future::pending().await };
            let ended = running.await;
            self.running = None;
            match ended {
                Ok(found) => return found,
                Err(error) => tracing::error!(%error, "an audit ended by a bug; the keeper goes on"),
            }
        }
    }
}

impl Drop for Audit {
    fn drop(&mut self) {
        if let Some(running) = &self.running {
            running.abort();
        }
    }
}
