//! A provider's machines: one bond and one standing, and for each machine a hot key, an endpoint and a limit of stake.

mod leave;

use gridlease_core::Atoms;
use gridlease_core::machine::Machine as Rules;
use gridlease_sdk::account::{Machine, Offer, Provider, size};
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{self as build, NodeArgs};
use gridlease_sdk::machine::{MachineNumber, ProviderMachine};
use gridlease_sdk::market::At;
use serde::Serialize;
use solana_instruction::Instruction;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::amount::Usdc;
use crate::buyer::event::as_text;
use crate::chain::{Chain, Sent};
use crate::error::CliError;
use crate::provider::{Change, check_endpoint};
pub use leave::{LeavingLease, RetireDone, RetirePlan, books_of, close, drain, plan, retire};

/// A limit that is none: a machine's leases may bind all of the stake.
pub(crate) const NO_LIMIT: u64 = u64::MAX;

/// A machine to be added.
#[derive(Clone, Debug)]
pub struct NewMachine {
    /// Its number; none for the lowest that is free.
    pub number: Option<u32>,
    /// Hot key of its node.
    pub node_key: Pubkey,
    /// URL of its node's API.
    pub endpoint: String,
    /// SHA-256 of its node's certificate (DER).
    pub fingerprint: [u8; 32],
    /// The most stake that its leases may bind, in atoms.
    pub stake_limit: u64,
    /// X25519 key for sealed secrets.
    pub sealing_key: Option<[u8; 32]>,
}

/// A machine, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct MachineView {
    /// Its number, or `first`.
    #[serde(serialize_with = "as_text")]
    pub machine: MachineNumber,
    /// Its address: the provider record's for the first one.
    #[serde(serialize_with = "as_text")]
    pub address: Pubkey,
    /// `live` or `retired`.
    pub state: &'static str,
    /// Its node's hot key.
    #[serde(serialize_with = "as_text")]
    pub node_key: Pubkey,
    /// URL of its node's API.
    pub endpoint: String,
    /// SHA-256 of its node's certificate, hex.
    pub fingerprint: String,
    /// X25519 key for sealed secrets, hex.
    pub sealing_key: Option<String>,
    /// The most stake that its leases may bind; none for no limit.
    pub stake_limit: Option<Usdc>,
    /// What of that its offers have.
    pub allotted: Usdc,
    /// What its leases bind of the stake, and what was slashed of those of its present offers.
    pub bound: Usdc,
    /// Its open leases.
    pub open_leases: u32,
    /// Numbers of its offers.
    pub offers: Vec<u32>,
}

/// What a command on a machine did.
#[derive(Clone, Debug, Serialize)]
pub struct MachineDone {
    /// What was done, in words.
    pub done: String,
    /// The transactions.
    pub transactions: Vec<Sent>,
    /// The machine after it; none where it is gone.
    pub machine: Option<MachineView>,
}

/// The machines of the provider of `authority`, the first one first.
///
/// # Errors
/// [`CliError`].
pub async fn list(chain: &Chain, authority: &Pubkey) -> Result<Vec<MachineView>, CliError> {
    let record = address::provider(authority);
    let machines = machines(chain, &record).await?;
    let offers = chain.client().offers_of(&record).await?;
    Ok(machines.iter().map(|machine| view(machine, &offers)).collect())
}

/// Adds a machine below the provider of `authority`.
///
/// # Errors
/// [`CliError`].
pub async fn add(chain: &Chain, authority: &Keypair, new: &NewMachine) -> Result<MachineDone, CliError> {
    let key = authority.pubkey();
    check_endpoint(&new.endpoint)?;
    let machines = machines(chain, &address::provider(&key)).await?;
    let taken = |number: u32| machines.iter().any(|machine| machine.number == MachineNumber::Further(number));
    let number = match new.number {
        Some(number) if taken(number) => {
            return Err(CliError::State(format!(
                "there is a machine {number} already; `gridlease provider machine update {number}` changes it, and without --number the next free one is taken"
            )));
        }
        Some(number) => number,
        None => (1..=u32::MAX).find(|number| !taken(*number)).unwrap_or(u32::MAX),
    };
    check_key(&machines, MachineNumber::Further(number), &key, &new.node_key)?;
    chain.check_sol(authority, &[size::<Machine>()], "adding a machine").await?;
    let args = NodeArgs {
        node_key: new.node_key,
        cert_fingerprint: new.fingerprint,
        x25519: new.sealing_key.unwrap_or_default(),
        stake_limit: new.stake_limit,
        endpoint: new.endpoint.clone(),
    };
    let sent = chain.send("adding the machine", &[build::register_machine(&key, number, args)], authority).await?;
    done(chain, &key, MachineNumber::Further(number), format!("machine {number} is added"), vec![sent]).await
}

/// Changes what is registered of a machine.
///
/// # Errors
/// [`CliError`].
pub async fn update(
    chain: &Chain,
    authority: &Keypair,
    number: MachineNumber,
    change: &Change,
) -> Result<MachineDone, CliError> {
    let sent = send_update(chain, authority, number, change).await?;
    done(chain, &authority.pubkey(), number, format!("machine {number} is updated"), vec![sent]).await
}

/// Sends the change of a machine.
pub(crate) async fn send_update(
    chain: &Chain,
    authority: &Keypair,
    number: MachineNumber,
    change: &Change,
) -> Result<Sent, CliError> {
    let key = authority.pubkey();
    let machines = machines(chain, &address::provider(&key)).await?;
    let machine = pick(&machines, number)?;
    if let Some(node_key) = &change.node_key {
        check_key(&machines, number, &key, node_key)?;
    }
    let offers = own_offers(chain, machine).await?;
    chain.send("updating the machine", &[change_of(&key, machine, change, &offers)?], authority).await
}

/// The instruction that changes a machine; `offers` are its own.
fn change_of(
    authority: &Pubkey,
    machine: &ProviderMachine,
    change: &Change,
    offers: &[At<Offer>],
) -> Result<Instruction, CliError> {
    let endpoint = change.endpoint.clone().unwrap_or_else(|| machine.endpoint.clone());
    check_endpoint(&endpoint)?;
    let node_key = change.node_key.unwrap_or(machine.node_key);
    // No offer keeps an old hot key.
    let offers: Vec<Pubkey> =
        if node_key == machine.node_key { Vec::new() } else { offers.iter().map(|(key, _)| *key).collect() };
    let args = NodeArgs {
        node_key,
        cert_fingerprint: change.fingerprint.unwrap_or(machine.cert_fingerprint),
        x25519: change.sealing_key.unwrap_or(machine.x25519),
        stake_limit: change.stake_limit.unwrap_or(machine.rules.limit.0),
        endpoint,
    };
    Ok(match machine.number {
        MachineNumber::First => build::update_node(authority, args, &offers),
        MachineNumber::Further(number) => build::update_machine(authority, number, args, &offers),
    })
}

/// A key speaks for one machine: who steals it gets no further.
fn check_key(
    machines: &[ProviderMachine],
    number: MachineNumber,
    authority: &Pubkey,
    node_key: &Pubkey,
) -> Result<(), CliError> {
    if node_key == authority {
        return Err(CliError::Usage(format!(
            "{node_key} is the cold key itself, which must not lie on a machine; `gridlease key new --out node.json` makes a hot key"
        )));
    }
    let other = |machine: &&ProviderMachine| {
        machine.number != number && !machine.rules.retired && machine.node_key == *node_key
    };
    match machines.iter().find(other) {
        None => Ok(()),
        Some(machine) => Err(CliError::State(format!(
            "{node_key} is the node key of machine {} already, and each machine needs its own; `gridlease key new --out node.json` on the new machine makes one",
            machine.number
        ))),
    }
}

async fn machines(chain: &Chain, record: &Pubkey) -> Result<Vec<ProviderMachine>, CliError> {
    let advice = "register it with `gridlease provider register`, or check the authority's address";
    chain.get::<Provider>(record, advice).await?;
    Ok(chain.client().machines_of(record).await?)
}

fn pick(machines: &[ProviderMachine], number: MachineNumber) -> Result<&ProviderMachine, CliError> {
    machines.iter().find(|machine| machine.number == number).ok_or_else(|| {
        let there: Vec<String> = machines.iter().map(|machine| machine.number.to_string()).collect();
        CliError::State(format!(
            "there is no machine {number}, only {}; `gridlease provider machine list` shows them",
            there.join(", ")
        ))
    })
}

async fn own_offers(chain: &Chain, machine: &ProviderMachine) -> Result<Vec<At<Offer>>, CliError> {
    let mut offers = chain.client().offers_of(&machine.provider).await?;
    offers.retain(|(_, offer)| machine.has(offer));
    Ok(offers)
}

async fn done(
    chain: &Chain,
    authority: &Pubkey,
    number: MachineNumber,
    done: String,
    transactions: Vec<Sent>,
) -> Result<MachineDone, CliError> {
    let machine = list(chain, authority).await?.into_iter().find(|machine| machine.machine == number);
    Ok(MachineDone { done, transactions, machine })
}

/// A machine with its own among `offers`.
pub(crate) fn view(machine: &ProviderMachine, offers: &[At<Offer>]) -> MachineView {
    let mut own: Vec<&Offer> = offers.iter().map(|(_, offer)| offer).filter(|offer| machine.has(offer)).collect();
    own.sort_by_key(|offer| offer.number);
    let Rules { limit, allotted, retired, .. } = machine.rules;
    MachineView {
        machine: machine.number,
        address: machine.address,
        state: if retired { "retired" } else { "live" },
        node_key: machine.node_key,
        endpoint: machine.endpoint.clone(),
        fingerprint: hex::encode(machine.cert_fingerprint),
        sealing_key: (machine.x25519 != [0; 32]).then(|| hex::encode(machine.x25519)),
        stake_limit: (limit != Atoms(NO_LIMIT)).then(|| limit.into()),
        allotted: allotted.into(),
        bound: Usdc(own.iter().map(|offer| offer.bound).fold(0, u64::saturating_add)),
        open_leases: own.iter().map(|offer| u32::from(offer.units.saturating_sub(offer.units_free))).sum(),
        offers: own.iter().map(|offer| offer.number).collect(),
    }
}
