//! The tables of the commands.

use gridlease_core::job::EndReason;
use gridlease_sdk::manifest::Public;
use serde::Serialize;

use super::describe::{missing, outputs, score, short, unproved};
use super::machine::machines;
use crate::admin::MarketView;
use crate::amount::Usdc;
use crate::buyer::expose::{Exposed, ExposedPorts};
use crate::buyer::show::{JobLine, JobView};
use crate::buyer::{OutputsDone, PostedJob, PushDone, Quote};
use crate::chain::Sent;
use crate::clock::now_s;
use crate::output::{Report, fields, mib, pairs, relative, rows, span};
use crate::printable::printable;
use crate::provider::{OfferView, ProviderDone, ProviderView};
use crate::purse::{PurseDone, PurseView};
use crate::steps::{LeaseView, StepDone};

/// A number of things: "1 file", "2 files".
pub(super) fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

pub(super) fn sent(transaction: Option<&Sent>) -> String {
    match transaction {
        None => "no transaction was needed".to_owned(),
        Some(sent) => {
            let fee = sent.fee.map_or(String::new(), |fee| format!(" (fee {fee} SOL)"));
            format!("transaction {}{fee}", sent.signature)
        }
    }
}

impl Report for PurseView {
    fn human(&self) -> String {
        fields(&[
            ("purse", &self.purse),
            ("owner", &self.owner),
            ("free", &format!("{} USDC", self.free)),
            ("reserved", &format!("{} USDC for {}", self.reserved, count(self.open_jobs as usize, "open job"))),
            ("fees owed", &format!("{} USDC", self.fees_owed)),
            ("balance", &format!("{} USDC", self.balance)),
            ("deposited", &self.deposited),
            ("withdrawn", &self.withdrawn),
            ("paid", &self.paid),
            ("fees", &self.fees),
            ("wallet", &format!("{} USDC, {} SOL", self.wallet_usdc, self.wallet_sol)),
        ])
    }
}

impl Report for ExposedPorts {
    fn human(&self) -> String {
        if self.ports.is_empty() {
            return format!("the node knows of no ports of job {}", self.job);
        }
        let told = |port: &Exposed| {
            let who = match port.public {
                Public::Off => "closed".to_owned(),
                Public::Open => format!("{} (everybody)", port.url),
                Public::Token => format!("{} (who has the token)", port.url),
            };
            let name = if port.name == port.port.to_string() { String::new() } else { format!("{} ", port.name) };
            let mut text = format!("{name}{}: {who}", port.port);
            if let (Some(token), Some(link)) = (&port.token, &port.link) {
                text.push_str(&format!("\n  token, shown this once: {token}\n  link for a browser: {link}"));
            }
            text
        };
        self.ports.iter().map(told).collect::<Vec<_>>().join("\n")
    }
}

impl Report for PurseDone {
    fn human(&self) -> String {
        let amount = self.amount.map_or(String::new(), |amount| format!(" {amount} USDC"));
        format!("{}{amount}; {} USDC are free\n{}", self.done, self.purse.free, sent(self.transaction.as_ref()))
    }
}

impl Report for Quote {
    fn human(&self) -> String {
        let free = self.free.map_or("the purse is not open".to_owned(), |free| format!("{free} USDC"));
        let size = |bytes| bytesize::ByteSize::b(bytes).display().iec();
        let pushed = size(self.inputs.iter().fold(0u64, |sum, input| sum.saturating_add(input.size)));
        let mut inputs = format!("{} to push, {pushed}", count(self.inputs.len(), "file"));
        if self.loaded_bytes > 0 {
            inputs.push_str(&format!("; {} that the machine loads", size(self.loaded_bytes)));
        }
        fields(&[
            ("job", &self.name),
            ("image", &self.image),
            ("image size", &bytesize::ByteSize::b(self.image_bytes).display().iec()),
            ("inputs", &inputs),
            ("price", &format!("at most {} USDC per hour", self.max_price)),
            ("time", &format!("at most {}", span(self.max_duration_s.into()))),
            (
                "bidding",
                &format!(
                    "{} from the first bid on, for which it waits {} at most; {} attempts",
                    span(self.window_s.into()),
                    span(self.wait_s.into()),
                    self.attempts
                ),
            ),
            ("reserved", &format!("{} USDC; what is not used comes back", self.cap)),
            ("free", &free),
            (
                "rent",
                &format!("{} SOL, returned when the job is closed, less the tips that keepers earn", self.rent_sol),
            ),
        ])
    }
}

impl Report for PostedJob {
    fn human(&self) -> String {
        let how = match &self.transaction {
            Some(_) => sent(self.transaction.as_ref()),
            None => {
                "an earlier post of this manifest had arrived; nothing was posted twice (--again posts it once more)"
                    .to_owned()
            }
        };
        let waits = relative(self.expires_at, now_s());
        fields(&[
            ("job", &self.job),
            ("reserved", &format!("{} USDC", self.reserved)),
            ("waits for bids", &format!("until {waits}")),
            ("", &how),
        ])
    }
}

impl Report for OutputsDone {
    fn human(&self) -> String {
        let mut here = if self.verified {
            outputs(self.files, self.bytes, &self.folder, &self.root, self.left_out.is_empty())
        } else {
            unproved(self.files, self.bytes, &self.folder)
        };
        if let Some(cid) = &self.cid {
            here.push_str(&format!("\non IPFS: {cid}"));
        }
        if self.left_out.is_empty() { here } else { format!("{here}\n{}", missing(&self.left_out)) }
    }
}

impl Report for PushDone {
    fn human(&self) -> String {
        let secrets =
            if self.secrets.is_empty() { String::new() } else { format!(", and {}", self.secrets.join(", ")) };
        format!("the node has the manifest ({}) and {}{secrets}", self.manifest_hash, count(self.inputs.len(), "input"))
    }
}

impl Report for StepDone {
    fn human(&self) -> String {
        let transactions: Vec<String> = self.transactions.iter().map(|one| sent(Some(one))).collect();
        format!("{} {}\n{}", self.subject, self.done, transactions.join("\n"))
    }
}

/// How it ended, for people; what has not ended has no outcome.
fn outcome(reason: &str) -> String {
    if reason == EndReason::None.name() { "-".to_owned() } else { reason.to_owned() }
}

/// A list of jobs.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Jobs(pub Vec<JobLine>);

impl Report for Jobs {
    fn human(&self) -> String {
        if self.0.is_empty() {
            return "no jobs; `gridlease job init` writes a manifest to begin with".to_owned();
        }
        let now = now_s();
        rows(
            &["job", "name", "state", "outcome", "exit", "max usdc/h", "posted"],
            self.0.iter().map(|line| {
                vec![
                    line.job.clone(),
                    line.name.clone().unwrap_or_else(|| "-".to_owned()),
                    line.state.to_owned(),
                    outcome(line.reason),
                    line.exit_code.map_or("-".to_owned(), |code| code.to_string()),
                    line.max_price.map_or("-".to_owned(), |price| price.to_string()),
                    relative(line.posted_ts, now),
                ]
            }),
        )
    }
}

impl Report for JobView {
    fn human(&self) -> String {
        let now = now_s();
        let name = self.name.clone().unwrap_or_else(|| "-".to_owned());
        let mut lines = vec![
            ("job", self.job.to_string()),
            ("name", name),
            ("state", self.state.to_owned()),
            ("outcome", outcome(self.reason)),
        ];
        if let Some(code) = self.exit_code {
            lines.push(("exit code", code.to_string()));
        }
        if let Some(said) = &self.node_message {
            lines.push(("node says", printable(said)));
        }
        if let (Some(price), Some(seconds)) = (self.max_price, self.max_duration_s) {
            let price = format!("at most {price} USDC per hour, for at most {}", span(seconds.into()));
            lines.extend([
                ("price", price),
                ("held", format!("{} USDC by the job itself", self.reserved)),
                ("posted", relative(self.posted_ts.unwrap_or(0), now)),
                ("bidding ends", self.close_ts.map_or_else(|| "–".to_owned(), |ts| relative(ts, now))),
                (
                    "waits for bids",
                    self.expires_ts.map_or_else(|| "–".to_owned(), |ts| format!("until {}", relative(ts, now))),
                ),
                ("attempts", format!("{} left", self.attempts_left.unwrap_or(0))),
                ("manifest", self.manifest_hash.clone().unwrap_or_default()),
            ]);
        }
        let mut text = pairs(lines);
        if !self.bids.is_empty() {
            let bids = self.bids.iter().map(|bid| {
                vec![bid.rank.to_string(), bid.provider.to_string(), bid.price.to_string(), score(bid.score)]
            });
            text.push_str("\n\n");
            text.push_str(&rows(&["rank", "provider", "usdc/h", "score"], bids));
        }
        if let Some(lease) = &self.lease {
            text.push_str("\n\n");
            text.push_str(&lease.human());
        }
        if !self.past_leases.is_empty() {
            let leases = self.past_leases.iter().map(|lease| {
                vec![
                    lease.lease.to_string(),
                    short(&lease.provider),
                    lease.price.to_string(),
                    lease.reason.to_owned(),
                    lease.exit_code.map_or("-".to_owned(), |code| code.to_string()),
                    lease.money.paid.to_string(),
                    lease.money.fee.to_string(),
                    lease.money.refunded.to_string(),
                ]
            });
            text.push_str("\n\n");
            let headings = ["lease", "provider", "usdc/h", "outcome", "exit", "paid", "fee", "refunded"];
            text.push_str(&rows(&headings, leases));
        }
        text
    }
}

impl Report for LeaseView {
    fn human(&self) -> String {
        let now = now_s();
        let usdc = |amount: Usdc| format!("{amount} USDC");
        let exit = self.exit_code.map_or("-".to_owned(), |code| code.to_string());
        fields(&[
            ("lease", &self.lease),
            ("job", &self.job),
            ("provider", &self.provider),
            ("state", &self.state),
            ("outcome", &outcome(self.reason)),
            ("exit code", &exit),
            ("price", &format!("{} USDC per hour", self.price)),
            ("reserved", &usdc(self.money.reserved)),
            ("accrued", &usdc(self.money.accrued)),
            ("paid", &usdc(self.money.paid)),
            ("fee", &usdc(self.money.fee)),
            ("refunded", &usdc(self.money.refunded)),
            ("held", &usdc(self.held)),
            ("stake", &usdc(self.stake)),
            ("awarded", &relative(self.awarded_ts, now)),
            ("started", &relative(self.ready_ts, now)),
            ("funded until", &relative(self.money.runway_end, now)),
            ("ended", &relative(self.ended_ts, now)),
            ("result", &self.result_hash),
        ])
    }
}

/// A list of offers.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Offers(pub Vec<OfferView>);

impl Report for Offers {
    fn human(&self) -> String {
        if self.0.is_empty() {
            return "no offers take leases now; --all shows those too that are expired, withdrawn or full".to_owned();
        }
        offers(&self.0)
    }
}

fn offers(offers: &[OfferView]) -> String {
    let now = now_s();
    rows(
        &["offer", "machine", "cpu", "memory", "disk", "region", "ask/h", "floor/h", "bids", "free", "expires"],
        offers.iter().map(|offer| {
            let state = if offer.live { relative(offer.expires_ts, now) } else { "not live".to_owned() };
            vec![
                offer.offer.to_string(),
                offer.machine.clone(),
                format!("{}.{}", offer.cpu_milli / 1_000, offer.cpu_milli % 1_000 / 100),
                mib(offer.memory_mib.into()),
                mib(offer.disk_mib.into()),
                offer.region.to_owned(),
                offer.ask.to_string(),
                offer.floor.to_string(),
                if offer.auto_bid { "automatic" } else { "own" }.to_owned(),
                format!("{}/{}", offer.units_free, offer.units),
                state,
            ]
        }),
    )
}

impl Report for ProviderView {
    fn human(&self) -> String {
        let stake = match (self.stake, self.stake_free) {
            (Some(stake), Some(free)) => format!("{stake} USDC, {free} free"),
            _ => "none; add some with `gridlease provider stake`".to_owned(),
        };
        let mut text = fields(&[
            ("provider", &self.provider),
            ("authority", &self.authority),
            ("node key", &self.node_key),
            ("payout", &self.payout),
            ("endpoint", &self.endpoint),
            ("certificate", &self.fingerprint),
            ("reputation", &format!("{}.{:02} %", self.reputation_bps / 100, self.reputation_bps % 100)),
            (
                "leases",
                &format!(
                    "{} started, {} completed, {} faulted, {} open",
                    self.started, self.completed, self.faulted, self.open_leases
                ),
            ),
            ("earned", &format!("{} USDC", self.earned)),
            ("stake", &stake),
        ]);
        if self.machines.len() > 1 {
            text.push_str("\n\n");
            text.push_str(&machines(&self.machines));
        }
        if !self.offers.is_empty() {
            text.push_str("\n\n");
            text.push_str(&offers(&self.offers));
        }
        text
    }
}

impl Report for ProviderDone {
    fn human(&self) -> String {
        format!("{}\n{}\n\n{}", self.done, sent(Some(&self.transaction)), self.provider.human())
    }
}

impl Report for MarketView {
    fn human(&self) -> String {
        let mut text = fields(&[
            ("market", &self.market),
            ("staking", &self.staking),
            ("admin", &self.admin),
            ("mint", &self.usdc_mint),
            ("treasury", &self.treasury),
            ("fee", &format!("{}.{:02} %", self.fee_bps / 100, self.fee_bps % 100)),
            ("slot", &format!("{} ms", self.slot_ms)),
            ("purse's cap", &format!("{} USDC", self.purse_cap)),
            ("job's cap", &format!("{} USDC", self.job_cap)),
            ("intake", &if self.paused { "paused" } else { "open" }),
        ]);
        text.push_str("\n\n");
        text.push_str(&match &self.stake {
            None => "staking is not configured".to_owned(),
            Some(stake) => fields(&[
                ("staking's admin", &stake.admin),
                ("staking's mint", &stake.usdc_mint),
                ("insurance", &stake.insurance),
                ("bond's cap", &format!("{} USDC", stake.bond_cap)),
                ("only this market slashes", &if stake.only_this_market_slashes { "yes" } else { "NO" }),
            ]),
        });
        text
    }
}

/// What the node's owner has to register.
#[derive(Debug, Serialize)]
pub(super) struct NodeIdentity {
    /// Address of the node key.
    pub node_key: String,
    /// SHA-256 of the certificate, hex.
    pub fingerprint: String,
    /// The certificate's file.
    pub certificate: String,
}

impl Report for NodeIdentity {
    fn human(&self) -> String {
        let table = fields(&[
            ("node key", &self.node_key),
            ("certificate", &self.certificate),
            ("fingerprint", &self.fingerprint),
        ]);
        format!(
            "{table}\n\nregister it with the provider's cold key:\n  gridlease provider register --node-key {key} --fingerprint {print} --endpoint https://HOST:PORT\nor as a further machine of a provider that is registered:\n  gridlease provider machine add --node-key {key} --fingerprint {print} --endpoint https://HOST:PORT --stake-limit USDC",
            key = self.node_key,
            print = self.fingerprint
        )
    }
}
