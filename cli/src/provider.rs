//! A provider's record and stake, and the offers on the market.

use std::path::Path;

use base64::Engine as _;
use gridlease_core::UnixTs;
use gridlease_core::limits::MAX_ENDPOINT;
use gridlease_sdk::account::{Bond, Offer, Provider, size};
use gridlease_sdk::address;
use gridlease_sdk::instruction::provider::{self as build, NodeArgs};
use gridlease_sdk::instruction::{create_token_account, stake};
use gridlease_sdk::machine::MachineNumber;
use gridlease_sdk::node_api::tls;
use serde::Serialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;
use url::Url;

use crate::amount::Usdc;
use crate::buyer::event::as_text;
use crate::chain::{Chain, Sent, TOKEN_ACCOUNT_BYTES};
use crate::error::CliError;
use crate::machine::{self, MachineView, NO_LIMIT};

/// Largest certificate file that is read.
const MAX_CERTIFICATE: u64 = 64 * 1024;

/// What a provider tells of its node.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Token account that is paid; none for the authority's own, which is created.
    pub payout: Option<Pubkey>,
    /// Hot key of the node.
    pub node_key: Pubkey,
    /// URL of the node's API.
    pub endpoint: String,
    /// SHA-256 of the node's certificate (DER).
    pub fingerprint: [u8; 32],
}

/// What to change of a machine; none for what stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Hot key of the node.
    pub node_key: Option<Pubkey>,
    /// URL of the node's API.
    pub endpoint: Option<String>,
    /// SHA-256 of the node's certificate (DER).
    pub fingerprint: Option<[u8; 32]>,
    /// The most stake that the machine's leases may bind, in atoms.
    pub stake_limit: Option<u64>,
    /// X25519 key for sealed secrets.
    pub sealing_key: Option<[u8; 32]>,
}

/// A provider, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderView {
    /// The cold key.
    #[serde(serialize_with = "as_text")]
    pub authority: Pubkey,
    /// The record.
    #[serde(serialize_with = "as_text")]
    pub provider: Pubkey,
    /// Hot key of the first machine's node.
    #[serde(serialize_with = "as_text")]
    pub node_key: Pubkey,
    /// The token account that is paid.
    #[serde(serialize_with = "as_text")]
    pub payout: Pubkey,
    /// URL of the first machine's node.
    pub endpoint: String,
    /// SHA-256 of that node's certificate, hex.
    pub fingerprint: String,
    /// Reputation in basis points.
    pub reputation_bps: u16,
    /// Leases that started.
    pub started: u32,
    /// Leases that ended without a fault.
    pub completed: u32,
    /// Leases that ended with a fault.
    pub faulted: u32,
    /// Leases that are open.
    pub open_leases: u32,
    /// Average start time in seconds; 0 while unknown.
    pub start_s: u32,
    /// Ever paid to it.
    pub earned: Usdc,
    /// All of its stake; none while no bond is open.
    pub stake: Option<Usdc>,
    /// Stake that new leases can reserve.
    pub stake_free: Option<Usdc>,
    /// Its machines, the first one first.
    pub machines: Vec<MachineView>,
    /// Its offers.
    pub offers: Vec<OfferView>,
}

/// An offer, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct OfferView {
    /// The offer.
    #[serde(serialize_with = "as_text")]
    pub offer: Pubkey,
    /// The provider record.
    #[serde(serialize_with = "as_text")]
    pub provider: Pubkey,
    /// Its number.
    pub number: u32,
    /// Whether it takes leases now.
    pub live: bool,
    /// The machine in words.
    pub machine: String,
    /// CPU of one unit, thousandths of a core.
    pub cpu_milli: u32,
    /// Memory of one unit, MiB.
    pub memory_mib: u32,
    /// Disk of one unit, MiB.
    pub disk_mib: u32,
    /// The region in words.
    pub region: &'static str,
    /// Price per hour at which it stands.
    pub ask: Usdc,
    /// Lowest price per hour of an automatic bid.
    pub floor: Usdc,
    /// Whether anybody may enter it into auctions.
    pub auto_bid: bool,
    /// Leases that fit at a time.
    pub units: u16,
    /// Leases that fit now.
    pub units_free: u16,
    /// Expiry, Unix seconds.
    pub expires_ts: u64,
}

/// What a command on a provider did.
#[derive(Clone, Debug, Serialize)]
pub struct ProviderDone {
    /// What was done, in words.
    pub done: String,
    /// The transaction.
    pub transaction: Sent,
    /// The provider after it.
    pub provider: ProviderView,
}

/// Registers `authority` as a provider.
///
/// # Errors
/// [`CliError`].
pub async fn register(
    chain: &Chain,
    authority: &Keypair,
    registration: &Registration,
) -> Result<ProviderDone, CliError> {
    let config = chain.config().await?;
    let key = authority.pubkey();
    check_endpoint(&registration.endpoint)?;
    let existing: Option<Provider> = chain.client().find(&address::provider(&key)).await?;
    if existing.is_some() {
        return Err(CliError::State(format!(
            "{key} is registered already; `gridlease provider update` changes node key, endpoint and certificate"
        )));
    }
    let own = address::token_account(&key, &config.usdc_mint);
    let payout = registration.payout.unwrap_or(own);
    let mut instructions = Vec::new();
    let mut accounts = vec![size::<Provider>()];
    if registration.payout.is_none() {
        instructions.push(create_token_account(&key, &key, &config.usdc_mint));
        accounts.push(TOKEN_ACCOUNT_BYTES);
    } else {
        chain.check_token_account(&payout, &config.usdc_mint, "--payout").await?;
    }
    chain.check_sol(authority, &accounts, "registering").await?;
    let args = NodeArgs {
        node_key: registration.node_key,
        cert_fingerprint: registration.fingerprint,
        x25519: [0; 32],
        // A first machine may bind all of the stake: an owner of one machine loses nothing by that.
        stake_limit: NO_LIMIT,
        endpoint: registration.endpoint.clone(),
    };
    instructions.push(build::register(&key, &payout, args));
    let transaction = chain.send("registering the provider", &instructions, authority).await?;
    Ok(ProviderDone { done: "registered".to_owned(), transaction, provider: view(chain, &key).await? })
}

/// Changes what the record says of the first machine's node.
///
/// # Errors
/// [`CliError`].
pub async fn update(chain: &Chain, authority: &Keypair, change: &Change) -> Result<ProviderDone, CliError> {
    let transaction = machine::send_update(chain, authority, MachineNumber::First, change).await?;
    Ok(ProviderDone { done: "updated".to_owned(), transaction, provider: view(chain, &authority.pubkey()).await? })
}

/// Adds stake out of the authority's own token account; opens the bond where there is none.
///
/// # Errors
/// [`CliError`].
pub async fn add_stake(chain: &Chain, authority: &Keypair, amount: Usdc) -> Result<ProviderDone, CliError> {
    if amount.0 == 0 {
        return Err(CliError::Usage("the stake is zero; give an amount above it, such as 25.00".to_owned()));
    }
    let config = chain.config().await?;
    let key = authority.pubkey();
    let record: Option<Provider> = chain.client().find(&address::provider(&key)).await?;
    if record.is_none() {
        return Err(CliError::State(format!("{key} is no provider yet; run `gridlease provider register` first")));
    }
    let mut instructions = Vec::new();
    let mut accounts = Vec::new();
    if chain.client().bond_of(&key).await?.is_none() {
        instructions.push(stake::open_bond(&key, &config.usdc_mint));
        accounts.extend([size::<Bond>(), TOKEN_ACCOUNT_BYTES]);
    }
    instructions.push(stake::add_stake(&key, &address::token_account(&key, &config.usdc_mint), amount.0));
    chain.check_sol(authority, &accounts, "staking").await?;
    chain.check_wallet(&key, &config.usdc_mint, amount, "this stake").await?;
    let transaction = chain.send("staking", &instructions, authority).await?;
    Ok(ProviderDone { done: format!("staked {amount} USDC"), transaction, provider: view(chain, &key).await? })
}

/// Reads the provider of `authority`.
///
/// # Errors
/// [`CliError`].
pub async fn view(chain: &Chain, authority: &Pubkey) -> Result<ProviderView, CliError> {
    let address = address::provider(authority);
    let record: Provider =
        chain.get(&address, "register it with `gridlease provider register`, or check the authority's address").await?;
    let bond = chain.client().bond_of(authority).await?;
    let now = chain.client().now().await?;
    let found = chain.client().offers_of(&address).await?;
    let machines = chain.client().machines_of(&address).await?;
    let machines = machines.iter().map(|one| machine::view(one, &found)).collect();
    let mut offers: Vec<OfferView> = found.iter().map(|(key, offer)| offer_view(*key, offer, now.ts)).collect();
    offers.sort_by_key(|offer| offer.number);
    Ok(ProviderView {
        authority: *authority,
        provider: address,
        node_key: record.node_key,
        payout: record.payout,
        endpoint: gridlease_sdk::account::endpoint_url(&address, &record)?.to_owned(),
        fingerprint: hex::encode(record.cert_fingerprint),
        reputation_bps: record.standing,
        started: record.started,
        completed: record.completed,
        faulted: record.faulted,
        open_leases: record.leases,
        start_s: record.start_s,
        earned: Usdc(record.earned),
        stake: bond.map(|bond| Usdc(bond.amount)),
        stake_free: bond.map(|bond| Usdc(bond.amount.saturating_sub(bond.reserved).saturating_sub(bond.unbonding))),
        machines,
        offers,
    })
}

/// The offers on the market, the cheapest first; with `all` those too that take no leases now.
///
/// # Errors
/// [`CliError`].
pub async fn offers(chain: &Chain, all: bool) -> Result<Vec<OfferView>, CliError> {
    chain.config().await?;
    let now = chain.client().now().await?;
    let found = chain.client().all::<Offer>(&[]).await?;
    let mut offers: Vec<OfferView> = found
        .iter()
        .map(|(key, offer)| offer_view(*key, offer, now.ts))
        .filter(|offer| all || (offer.live && offer.units_free > 0))
        .collect();
    offers.sort_by_key(|offer| (offer.ask, offer.provider.to_bytes(), offer.number));
    Ok(offers)
}

fn offer_view(key: Pubkey, offer: &Offer, now: UnixTs) -> OfferView {
    OfferView {
        offer: key,
        provider: offer.provider,
        number: offer.number,
        live: offer.is_live(now),
        machine: offer.machine(),
        cpu_milli: offer.spec.cpu_milli,
        memory_mib: offer.spec.memory_mib,
        disk_mib: offer.spec.disk_mib,
        region: offer.region(),
        ask: Usdc(offer.ask),
        floor: Usdc(offer.floor),
        auto_bid: offer.auto_bid == 1,
        units: offer.units,
        units_free: offer.units_free,
        expires_ts: offer.header.due_ts,
    }
}

pub(crate) fn check_endpoint(endpoint: &str) -> Result<(), CliError> {
    let wrong = |reason: &str| {
        Err(CliError::Usage(format!("endpoint {endpoint:?} {reason}; give a URL such as https://gpu.example:8443")))
    };
    if endpoint.len() > MAX_ENDPOINT {
        return wrong("is longer than 128 characters");
    }
    match Url::parse(endpoint) {
        Ok(url) if url.scheme() != "https" => wrong("does not begin with https://"),
        Ok(url) if url.host().is_none() => wrong("has no host"),
        Ok(url) if url.path() != "/" || url.query().is_some() || url.fragment().is_some() => wrong("has a path"),
        Ok(url) if !url.username().is_empty() || url.password().is_some() => wrong("holds credentials"),
        Ok(_) => Ok(()),
        Err(_) => wrong("is not a URL"),
    }
}

/// The fingerprint of the first certificate in a PEM or DER file.
///
/// # Errors
/// [`CliError::Usage`].
pub fn fingerprint_of_file(path: &Path) -> Result<[u8; 32], CliError> {
    let shown = path.display();
    let failed = |reason: String| CliError::Usage(format!("certificate file {shown} {reason}"));
    let metadata = std::fs::metadata(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    if metadata.len() > MAX_CERTIFICATE {
        return Err(failed(format!("is larger than {MAX_CERTIFICATE} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    // A certificate in DER is a sequence.
    if bytes.first() == Some(&0x30) {
        return Ok(tls::fingerprint(&bytes));
    }
    let text = String::from_utf8_lossy(&bytes);
    let body = text
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .map(|(body, _)| body.split_whitespace().collect::<String>())
        .ok_or_else(|| failed("holds no certificate; give the node's cert.pem".to_owned()))?;
    let der = base64::engine::general_purpose::STANDARD
        .decode(body)
        .map_err(|_| failed("is damaged: its certificate is not base64".to_owned()))?;
    Ok(tls::fingerprint(&der))
}

/// Reads a fingerprint: 64 hex digits, with or without colons.
///
/// # Errors
/// [`CliError::Usage`].
pub fn parse_fingerprint(text: &str) -> Result<[u8; 32], CliError> {
    let mut fingerprint = [0u8; 32];
    hex::decode_to_slice(text.replace(':', ""), &mut fingerprint).map_err(|_| {
        CliError::Usage(format!("{text:?} is not a SHA-256 fingerprint; give 64 hex digits, or the file with --cert"))
    })?;
    Ok(fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_must_be_a_bare_https_address() {
        check_endpoint("https://gpu.example:8443").unwrap();
        for (endpoint, reason) in [
            ("http://gpu.example", "https"),
            ("https://gpu.example/api", "path"),
            ("https://me:pw@gpu.example", "credentials"),
            ("gpu.example", "not a URL"),
        ] {
            let error = check_endpoint(endpoint).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn a_fingerprint_is_read_from_hex_and_from_both_kinds_of_certificate_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cert");
        let der = [0x30, 1, 2, 3];
        let expected = tls::fingerprint(&der);
        std::fs::write(&path, der).unwrap();
        assert_eq!(fingerprint_of_file(&path).unwrap(), expected);
        let body = base64::engine::general_purpose::STANDARD.encode(der);
        std::fs::write(&path, format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")).unwrap();
        assert_eq!(fingerprint_of_file(&path).unwrap(), expected);
        assert_eq!(parse_fingerprint(&hex::encode(expected)).unwrap(), expected);
        assert!(parse_fingerprint("ab").is_err());
        std::fs::write(&path, "key").unwrap();
        assert!(fingerprint_of_file(&path).unwrap_err().to_string().contains("no certificate"));
    }
}
