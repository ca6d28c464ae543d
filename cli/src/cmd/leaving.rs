//! `gridlease node drain`, `gridlease node undrain`

use std::mem::offset_of;
use std::path::Path;

use clap::Args;
use gridlease_core::limits::MAX_NOTICE;
use gridlease_node::agent::control;
use gridlease_node::agent::leaving::LeavingFile;
use gridlease_node::market::{Leave, Leaving, leave};
use gridlease_node::state_dir::StateDir;
use gridlease_sdk::account::{Lease, Offer, Provider, offset};
use gridlease_sdk::instruction::lease::LeaseKeys;
use gridlease_sdk::instruction::supervision::give_notice;
use gridlease_sdk::market::At;
use gridlease_sdk::rpc::Client;
use serde::Serialize;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use super::Context;
use super::describe::short;
use super::node::state_dir;
use super::report::sent;
use crate::buyer::event::as_text;
use crate::chain::Sent;
use crate::error::CliError;
use crate::output::{Report, rows};

/// When the machine's leases end.
#[derive(Debug, Args)]
pub struct Drain {
    /// Leases may run on for this long: each for which a notice was agreed is given it in time to be over then, and no sooner than its
    /// buyer agreed to. At most 720h [default: 0s, so notice is given at once].
    #[arg(long, value_name = "TIME", conflicts_with = "keep_leases")]
    notice: Option<humantime::Duration>,
    /// Give no notice: leases go on to their own end.
    #[arg(long)]
    keep_leases: bool,
}

/// A lease of a machine that leaves.
#[derive(Debug, Serialize)]
struct LeaseLine {
    #[serde(serialize_with = "as_text")]
    lease: Pubkey,
    #[serde(serialize_with = "as_text")]
    job: Pubkey,
    ends: &'static str,
    sentence: String,
}

/// What was said, and what comes of it.
#[derive(Debug, Serialize)]
struct Drained {
    /// The machine leaves the market.
    draining: bool,
    /// Whether that is news.
    changed: bool,
    /// A node runs here and sees to it.
    node_runs: bool,
    /// From when on, at the earliest, no lease with an agreed notice shall run (Unix seconds).
    gone_from: Option<u64>,
    /// The open leases.
    leases: Vec<LeaseLine>,
    /// Sent here, because no node runs.
    transactions: Vec<Sent>,
}

fn folder(context: &Context) -> Result<StateDir, CliError> {
    let path = state_dir(context);
    if !path.is_dir() {
        return Err(CliError::Usage(format!(
            "no node keeps its state in {}; name its folder with --state-dir",
            path.display()
        )));
    }
    StateDir::open(&path).map_err(|error| CliError::Local(error.to_string()))
}

fn local(file: &Path) -> impl Fn(std::io::Error) -> CliError + '_ {
    |error| CliError::Local(format!("the operator's word cannot be kept in {}: {error}", file.display()))
}

pub(super) async fn drain(context: &Context, args: Drain) -> Result<(), CliError> {
    let notice = args.notice.map_or(0, |notice| notice.as_secs());
    if notice > MAX_NOTICE.0 {
        return Err(CliError::Usage(format!(
            "--notice is {notice} s; no longer notice than {} s can be agreed, so none has to be longer",
            MAX_NOTICE.0
        )));
    }
    let state = folder(context)?;
    let (chain, key) = (context.chain()?, context.key()?);
    let now = chain.client().now().await?;
    let gone_from = (!args.keep_leases).then(|| now.ts.0.saturating_add(notice));
    let file = LeavingFile::of(&state);
    let before = file.read();
    // Said once more without a time, what was said holds: a notice that is due is not put off.
    let next = match before {
        Some(before) if before.gone_from.is_some() && !args.keep_leases && args.notice.is_none() => {
            Leaving { gone_from: before.gone_from.map(|gone| gone.min(now.ts.0)) }
        }
        _ => Leaving { gone_from },
    };
    if before != Some(next) {
        file.write(next).map_err(local(state.root()))?;
    }
    let node_runs = control::is_running(state.root()).await;
    let spinner = context.out.spinner("reading the machine's leases");
    let (mut leases, mut transactions) = (Vec::new(), Vec::new());
    for (lease, account) in leases_of(chain.client(), &key.pubkey()).await? {
        let Some(how) = leave(&account, next, now) else { continue };
        if let (Leave::Give { .. }, false) = (how, node_runs) {
            let instruction = give_notice(&key.pubkey(), &LeaseKeys::new(lease, &account));
            transactions.push(chain.send("giving notice on a lease", &[instruction], &key).await?);
        }
        leases.push(LeaseLine { lease, job: account.job, ends: name(how), sentence: how.to_string() });
    }
    spinner.finish_and_clear();
    let changed = before.is_none();
    context.out.report(&Drained { draining: true, changed, node_runs, gone_from: next.gone_from, leases, transactions })
}

pub(super) async fn undrain(context: &Context) -> Result<(), CliError> {
    let state = folder(context)?;
    let changed = LeavingFile::of(&state).clear().map_err(local(state.root()))?;
    let (client, key) = (context.client()?, context.key()?);
    let now = client.now().await?;
    let given = leases_of(&client, &key.pubkey()).await?.into_iter().filter_map(|(lease, account)| {
        match leave(&account, Leaving { gone_from: None }, now)? {
            how @ Leave::Given { .. } => {
                Some(LeaseLine { lease, job: account.job, ends: name(how), sentence: how.to_string() })
            }
            _ => None,
        }
    });
    let leases = given.collect();
    let node_runs = control::is_running(state.root()).await;
    context.out.report(&Drained {
        draining: false,
        changed,
        node_runs,
        gone_from: None,
        leases,
        transactions: Vec::new(),
    })
}

const fn name(leave: Leave) -> &'static str {
    match leave {
        Leave::Give { .. } => "notice-now",
        Leave::Given { .. } => "notice-given",
        Leave::GivenAt { .. } => "notice-later",
        Leave::NoneAgreed { .. } => "no-notice-agreed",
        Leave::Starting => "starting",
        Leave::Paused => "paused",
        Leave::GoesOn { .. } => "goes-on",
    }
}

/// The offers that name this node key.
async fn offers_of(client: &Client, node_key: &Pubkey) -> Result<Vec<At<Offer>>, CliError> {
    Ok(client.all::<Offer>(&[(offset(offset_of!(Offer, node_key)), node_key.as_ref())]).await?)
}

/// The cold key of the provider whose offer names this node key; `None` where none does.
pub(super) async fn authority_of(client: &Client, node_key: &Pubkey) -> Result<Option<Pubkey>, CliError> {
    let Some((_, offer)) = offers_of(client, node_key).await?.into_iter().next() else { return Ok(None) };
    Ok(Some(client.get::<Provider>(&offer.provider).await?.authority))
}

/// The leases of the offers that name this node key.
async fn leases_of(client: &Client, node_key: &Pubkey) -> Result<Vec<At<Lease>>, CliError> {
    let offers = offers_of(client, node_key).await?;
    let Some((_, first)) = offers.first() else { return Ok(Vec::new()) };
    let mut leases = client.leases_of(&first.provider).await?;
    leases.retain(|(_, lease)| offers.iter().any(|(offer, _)| *offer == lease.offer));
    Ok(leases)
}

impl Report for Drained {
    fn human(&self) -> String {
        let already = if self.changed { "" } else { " already" };
        let mut lines = vec![match (self.draining, self.node_runs) {
            (true, true) => format!(
                "this machine is drained{already}: its node bids no more, honours the bids that stand, and takes the offer back"
            ),
            (true, false) => format!(
                "this machine is drained{already}: no node runs here, its next start offers nothing, and its offer expires by itself"
            ),
            (false, true) if self.changed => "this machine is back: its node offers it again".to_owned(),
            (false, false) if self.changed => "this machine is back: its node offers it at its next start".to_owned(),
            (false, _) => "this machine was not drained; nothing changed".to_owned(),
        }];
        lines.extend(self.transactions.iter().map(|one| sent(Some(one))));
        if !self.leases.is_empty() {
            lines.push(String::new());
            lines.push(rows(
                &["lease", "job", "ends", "in words"],
                self.leases.iter().map(|line| {
                    vec![line.lease.to_string(), short(&line.job), line.ends.to_owned(), line.sentence.clone()]
                }),
            ));
        }
        if !self.draining && !self.leases.is_empty() {
            lines.push("a notice that was given cannot be taken back".to_owned());
        } else if self.draining {
            lines.push("`gridlease node undrain` brings it back; it does not take back a notice".to_owned());
        }
        lines.join("\n")
    }
}
