//! What the node follows on chain: the leases of its provider, the jobs that take bids, and its own accounts. By subscription, with
//! slow readings beside it for what no subscription tells or one that is dead in silence; where there is no subscription at all, the
//! readings are quicker.

use std::sync::Arc;
use std::time::Duration;

use gridlease_core::Now;
use gridlease_core::job::JobState;
use gridlease_sdk::account::{Bond, DecodeError, Job, Lease, Offer, Provider, decode};
use gridlease_sdk::address;
use gridlease_sdk::crank::Shard;
use gridlease_sdk::market::{JOB_STATE_AT, LEASE_PROVIDER_AT, ReadError, all_of};
use gridlease_sdk::rpc::{RpcError, WatchConfig};
use gridlease_sdk::view::View;
use gridlease_sdk::view::live::{Known, LiveView, Pulse};
use gridlease_sdk::view::observe::Target;
use solana_pubkey::Pubkey;
use tokio::task::JoinHandle;

use super::chain::Chain;

/// Most accounts that the node keeps in mind, some 0.8 kB each. Its own leases and accounts come first, then the most urgent jobs.
const MAX_ACCOUNTS: usize = 8_192;
/// Leases are read this often whatever the subscription says: an award has to be seen well within the time to start.
const LEASES_EVERY: Duration = Duration::from_secs(12);
/// The same for jobs: one that is missed is a chance lost, no more.
const JOBS_EVERY: Duration = Duration::from_secs(60);
/// After the last news of jobs they are read once: a job that was awarded leaves the open ones unsaid.
const JOBS_UNHEARD: Duration = Duration::from_secs(5);
/// The same for the node's own accounts, which are read again after each step of its own.
const OWN_EVERY: Duration = Duration::from_secs(180);
/// How often each is read while there is no subscription.
const UNSUBSCRIBED: Duration = Duration::from_secs(2);
const OWN_UNSUBSCRIBED: Duration = Duration::from_secs(10);
/// How often the chain's clock is read, and how soon again where it could not be.
const CLOCK_EVERY: Duration = Duration::from_secs(25);
const CLOCK_RETRY: Duration = Duration::from_secs(5);

/// Why it cannot be said how one of the node's own accounts is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    /// It was not read yet.
    #[error("it was not read yet")]
    NotYet,
    /// It is of another version.
    #[error(transparent)]
    Unreadable(DecodeError),
}

/// The chain as it is followed. Cheap to clone.
#[derive(Clone)]
pub struct Following {
    chain: Chain,
    live: LiveView,
    provider: Pubkey,
    bond: Pubkey,
    offer: Pubkey,
    _clock: Arc<Ticking>,
}

/// The readings of the chain's clock; they end with it.
struct Ticking(JoinHandle<()>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Following {
    /// Begins to follow the provider of `authority`, whose offer of this node is that of `number`. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`RpcError`], for queries that no network would take; there are none such.
    pub fn start(chain: &Chain, authority: &Pubkey, number: u32) -> Result<Self, RpcError> {
        let provider = address::provider(authority);
        let (bond, offer) = (address::bond(authority), address::offer(&provider, number));
        let view = View::new(MAX_ACCOUNTS, Shard::WHOLE).holding([provider, bond, offer]);
        let live = LiveView::follow(chain.client(), targets(&provider, &bond, &offer), view)?;
        let clock = Ticking(tokio::spawn(read_the_clock(chain.clone())));
        Ok(Self { chain: chain.clone(), live, provider, bond, offer, _clock: Arc::new(clock) })
    }

    /// Asks the view.
    pub(crate) fn ask<T>(&self, ask: impl FnOnce(&View) -> T) -> T {
        self.live.with(ask)
    }

    /// Wakes who waits for a change.
    pub(crate) fn pulse(&self) -> Pulse {
        self.live.pulse()
    }

    /// The leases of the provider, on any of its machines.
    pub(crate) fn leases(&self) -> Vec<(Pubkey, Lease)> {
        self.ask(|view| view.leases().map(|(key, lease)| (*key, *lease)).collect())
    }

    /// The lease as the view shows it. `None` says nothing: it may be closed, or not read yet.
    pub(crate) fn lease(&self, lease: &Pubkey) -> Option<Lease> {
        self.ask(|view| view.lease(lease).copied())
    }

    /// Another number each time the lease's account has changed in the view; `None` where it has none.
    pub(crate) fn revision(&self, lease: &Pubkey) -> Option<u64> {
        self.ask(|view| view.revision(lease))
    }

    /// This node's offer; `None` where there is none.
    pub(crate) fn offer(&self) -> Result<Option<Offer>, Unknown> {
        self.own(&self.offer, |view| view.offer(&self.offer).copied())
    }

    /// The provider record.
    pub(crate) fn provider(&self) -> Result<Option<Provider>, Unknown> {
        self.own(&self.provider, |view| view.provider(&self.provider).copied())
    }

    /// The bond.
    pub(crate) fn bond(&self) -> Result<Option<Bond>, Unknown> {
        self.own(&self.bond, |view| view.bond(&self.bond).copied())
    }

    fn own<T>(&self, address: &Pubkey, ask: impl FnOnce(&View) -> Option<T>) -> Result<Option<T>, Unknown> {
        match self.live.known(address) {
            Known::NotYet => Err(Unknown::NotYet),
            Known::Unreadable(error) => Err(Unknown::Unreadable(error)),
            Known::Shown => Ok(self.ask(ask)),
        }
    }

    /// Reads accounts now, after a step that has changed them, and lets the view know.
    pub(crate) async fn read_again(&self, addresses: &[Pubkey]) {
        if let Err(error) = self.live.read_again(self.chain.client(), addresses).await {
            tracing::debug!(%error, "what was touched could not be read; the next look shows it");
        }
    }

    /// The lease as the chain has it now, `None` once it is closed, and the chain's clock, in one request. A network that is behind
    /// what the view shows is no answer.
    pub(crate) async fn certain_lease(&self, lease: &Pubkey) -> Result<(Option<Lease>, Now), ReadError> {
        let before = self.live.before(&[*lease]);
        let (answer, now) = self.chain.client().account_and_now(lease, self.live.slot(lease)).await?;
        self.chain.observe(now);
        let account = [answer.value];
        self.live.saw(answer.slot, before, &account);
        let [account] = account;
        let account = account.filter(|account| account.lamports > 0);
        let decoded = account.map(|account| decode(lease, &account.owner, &account.data)).transpose()?;
        Ok((decoded, now))
    }

    /// A view of nothing but the accounts at `addresses` as the chain has them now, and the chain's clock, in one request.
    pub(crate) async fn certain_view(&self, addresses: &[Pubkey]) -> Result<(View, Now), RpcError> {
        let before = self.live.before(addresses);
        let newest = addresses.iter().filter_map(|address| self.live.slot(address)).max();
        let (answer, now) = self.chain.client().accounts_and_now(addresses, newest).await?;
        self.chain.observe(now);
        self.live.saw(answer.slot, before, &answer.value);
        let mut view = View::default();
        for (address, account) in addresses.iter().zip(&answer.value) {
            view.apply(address, account.as_ref());
        }
        Ok((view, now))
    }
}

/// What is followed, and how.
fn targets(provider: &Pubkey, bond: &Pubkey, offer: &Pubkey) -> Vec<(Target, WatchConfig)> {
    let every = |rescan, unsubscribed| WatchConfig { poll: rescan, rescan, unsubscribed, ..WatchConfig::default() };
    let leases = all_of::<Lease>().bytes_at(LEASE_PROVIDER_AT, provider.as_ref());
    let jobs = |state: JobState| {
        let config = WatchConfig { unheard: Some(JOBS_UNHEARD), ..every(JOBS_EVERY, UNSUBSCRIBED) };
        (Target::Query(all_of::<Job>().bytes_at(JOB_STATE_AT, &[state as u8])), config)
    };
    let own = |address: &Pubkey| (Target::Account(*address), every(OWN_EVERY, OWN_UNSUBSCRIBED));
    vec![
        (Target::Query(leases), every(LEASES_EVERY, UNSUBSCRIBED)),
        jobs(JobState::Waiting),
        jobs(JobState::Open),
        own(offer),
        own(provider),
        own(bond),
    ]
}

/// The chain's clock was read before this begins.
async fn read_the_clock(chain: Chain) {
    let mut pause = CLOCK_EVERY;
    loop {
        tokio::time::sleep(pause).await;
        pause = match chain.now().await {
            Ok(_) => CLOCK_EVERY,
            Err(error) => {
                tracing::debug!(%error, "the chain's clock could not be read");
                CLOCK_RETRY
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Requests in a hundred seconds in which nothing changes, as a subscription is there or not.
    fn requests(subscribed: bool) -> f64 {
        let key = Pubkey::new_from_array([1; 32]);
        let every = targets(&key, &key, &key).into_iter().map(|(target, config)| {
            let usual = match target {
                Target::Query(_) => config.rescan,
                Target::Account(_) => config.poll,
            };
            if subscribed { usual } else { usual.min(config.unsubscribed) }
        });
        every.chain([CLOCK_EVERY]).map(|every| 100.0 / every.as_secs_f64()).sum()
    }

    #[test]
    fn while_nothing_changes_the_network_is_asked_less_than_once_in_five_seconds() {
        let (quiet, blind) = (requests(true), requests(false));
        assert!(quiet < 18.0, "{quiet} requests in 100 s");
        // Without a subscription still less than before there was one: 5.6 a second, and two more for each lease.
        assert!(blind < 200.0, "{blind} requests in 100 s");
    }

    #[test]
    fn an_award_is_seen_within_a_fraction_of_the_time_to_start_however_silent_the_subscription() {
        let (_, leases) = targets(&Pubkey::default(), &Pubkey::default(), &Pubkey::default()).remove(0);
        // The readings vary by a tenth; 120 s are the time to start.
        assert!(leases.rescan.mul_f64(1.1) < Duration::from_secs(14));
        assert!(leases.unsubscribed <= Duration::from_secs(2));
    }
}
