//! Why the node would bid, or not bid, for a job: asked of the node that runs, or found out beside it from the same sources, by the
//! same planner.

use gridlease_core::bond::Bond;
use gridlease_sdk::account::{Bond as BondAccount, Job, Offer, Provider};
use gridlease_sdk::address;
use gridlease_sdk::machine::MachineNumber;
use gridlease_sdk::market::ReadError;
use gridlease_sdk::rpc::Client;
use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use std::path::PathBuf;

use super::NodeError;
use super::leaving::LeavingFile;
use super::machine;
use super::market::MarketTask;
use crate::driver::docker::DockerDriver;
use crate::driver::{Driver as _, DriverError};
use crate::gpu::{GpuSource, inventory};
use crate::market::{Explained, OfferPolicy, Own, Part, Reason, State, Trouble, explain};
use crate::state_dir::StateDir;

/// Who found it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The node that runs on this machine.
    Node,
    /// Whoever asked, because no node answered.
    ComputedHere,
}

/// A reason that stands against a bid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its name, for programs.
    pub reason: String,
    /// In words.
    pub sentence: String,
    /// What is asked, where it is about amounts.
    pub asked: Option<String>,
    /// What there is.
    pub had: Option<String>,
}

/// Why the node would bid, or not bid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The job.
    pub job: String,
    /// Who found it out.
    pub source: Source,
    /// Would it bid?
    pub bids: bool,
    /// What it would bid an hour, where nothing stood against it, in atoms.
    pub price_atoms: Option<u64>,
    /// That price and how it comes about, in words.
    pub price: Option<String>,
    /// Everything that stands against a bid.
    pub against: Vec<Told>,
}

impl Explanation {
    fn new(job: &Pubkey, source: Source, explained: &Explained) -> Self {
        let told = explained.against.iter().map(|reason| {
            let (asked, had) = reason.asked_and_had().unzip();
            Told { reason: reason.name().to_owned(), sentence: reason.to_string(), asked, had }
        });
        Self {
            job: job.to_string(),
            source,
            bids: explained.price().is_some(),
            price_atoms: explained.quote.map(|quote| quote.price.0),
            price: explained.quote.map(|quote| quote.to_string()),
            against: told.collect(),
        }
    }
}

impl MarketTask {
    /// Explains what this node decides about a job. In words where it cannot.
    pub(super) async fn explain(&self, key: &Pubkey) -> Result<Explanation, String> {
        let words = |error: &dyn std::fmt::Display| format!("{error}");
        let job: Job = self.chain.client().get(key).await.map_err(|error| words(&error))?;
        let now = self.chain.time().ok_or("the node has not read the chain's clock yet")?;
        let offer = self.following.offer().map_err(|error| words(&error))?;
        let provider = self.following.provider().map_err(|error| words(&error))?;
        let provider = provider.ok_or("the provider record is gone")?;
        let bond = self.following.bond().map_err(|error| words(&error))?;
        let gathered = self.gathered();
        let state = self.state(now, offer.as_ref(), &gathered);
        let bond = bond.map(|bond| bond.amounts()).unwrap_or_default();
        let own = Own { provider_key: &self.provider, provider: &provider, bond };
        Ok(Explanation::new(key, Source::Node, &explain(&state, &own, key, &job)))
    }
}

/// What is known of a node that does not run here.
#[derive(Clone)]
pub struct Beside {
    /// The cluster.
    pub client: Client,
    /// The provider's cold key.
    pub authority: Pubkey,
    /// The node's hot key.
    pub node_key: Pubkey,
    /// Which machine of the provider; `None`: the one that names the hot key.
    pub machine: Option<MachineNumber>,
    /// Where the node keeps its state.
    pub state_dir: PathBuf,
    /// Where the GPU part of the inventory comes from.
    pub gpu: GpuSource,
    /// The container engine's socket.
    pub docker_socket: Option<PathBuf>,
    /// The offer; price and units of one that is on chain go before.
    pub offer: OfferPolicy,
}

/// Finds out what the node of this machine would decide about a job if it ran. Nothing is written or sent.
///
/// # Errors
/// [`NodeError`].
pub async fn explain_beside(beside: &Beside, key: &Pubkey) -> Result<Explanation, NodeError> {
    let client = &beside.client;
    let job: Job = client.get(key).await?;
    let now = client.now().await.map_err(ReadError::Rpc)?;
    let provider_key = address::provider(&beside.authority);
    let provider: Provider = client.find(&provider_key).await?.ok_or(NodeError::NotRegistered(beside.authority))?;
    let machine = machine::choose(client.machines_of(&provider_key).await?, beside.machine, &beside.node_key)?;
    let offer: Option<Offer> =
        client.find(&address::offer(&provider_key, beside.offer.number_for(machine.number))).await?;
    let bond: Option<BondAccount> = client.find(&provider.bond).await?;
    let bond: Bond = bond.map(|bond| bond.amounts()).unwrap_or_default();

    let mut troubles = Vec::new();
    let found = inventory(&beside.gpu, &beside.state_dir).or_else(|error| {
        troubles.push(Trouble { part: Part::Gpu, words: error.to_string() });
        inventory(&GpuSource::Cpu, &beside.state_dir)
    })?;
    if let Err(error) = engine(beside).await {
        troubles.push(Trouble { part: Part::Engine, words: error.to_string() });
    }
    let mut policy = beside.offer.clone();
    if let Some(own) = offer.as_ref().filter(|offer| machine.has(offer)) {
        (policy.ask, policy.floor, policy.units) = (own.ask, own.floor, own.units.max(1));
    }
    let unit = policy.unit(&found)?;
    let running = offer.as_ref().map_or(0, |offer| offer.units.saturating_sub(offer.units_free).into());
    let leaving = LeavingFile::of(&StateDir::open(&beside.state_dir)?).read();
    let state = State {
        now,
        policy: &policy,
        unit: &unit,
        machine: &machine,
        rules: Some(machine.rules),
        troubles: &troubles,
        room_mib: Some(found.host.disk_mib),
        running,
        leaving,
        looked: None,
        offer: offer.as_ref(),
        own: None,
        bids_stand: 0,
    };
    let own = Own { provider_key: &provider_key, provider: &provider, bond };
    let mut explained = explain(&state, &own, key, &job);
    explained.against.insert(0, Reason::NotRunning);
    Ok(Explanation::new(key, Source::ComputedHere, &explained))
}

async fn engine(beside: &Beside) -> Result<(), DriverError> {
    let docker = DockerDriver::connect(beside.docker_socket.clone()).await?;
    docker.check(beside.gpu != GpuSource::Cpu).await.map(drop)
}
