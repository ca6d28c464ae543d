//! `gridlease job logs`

use std::pin::pin;
use std::time::{Duration, UNIX_EPOCH};

use futures_util::StreamExt as _;
use gridlease_sdk::node_api::client::{LogStart, NodeApi};
use gridlease_sdk::node_api::{LogHeadError, LogLine, SignedLogHead};
use serde::Serialize;
use solana_pubkey::Pubkey;
use tokio::time::{MissedTickBehavior, interval};

use super::Context;
use crate::buyer::Buyer;
use crate::clock::now_s;
use crate::error::CliError;

/// How often the node is asked to sign for its log while that is followed.
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// What of a log is shown, and how.
pub(super) struct LogView {
    pub follow: bool,
    pub from: u64,
    pub tail: Option<u64>,
    pub since: Option<Duration>,
    pub timestamps: bool,
    /// Whose; empty for the job's own container.
    pub service: String,
    /// Also holds the log against what its node signs.
    pub verify: bool,
}

pub(super) async fn logs(context: &Context, buyer: &Buyer, job: &Pubkey, view: LogView) -> Result<(), CliError> {
    let lease = buyer.lease_of(job).await?;
    let machine = buyer.machine_with(&lease.provider, &lease.lease).await?;
    let node = buyer.node_at(&machine)?;
    let from = match view.tail {
        Some(tail) => node.status(&lease.lease).await?.log_lines.saturating_sub(tail),
        None => view.from,
    };
    // The chain's time, by which the node stamps lines, is this machine's within a minute, or no request would be taken.
    let since = view.since.map_or(0, |since| now_s().saturating_sub(since.as_secs()).saturating_mul(1_000));
    let start = if from == 0 { LogStart::Beginning } else { LogStart::At(from) };
    let mut proof = Proof { node: &node, lease: lease.lease, key: machine.node_key, read: Read::default(), last: None };
    let mut awaited = if view.verify { Some(proof.ask().await?) } else { None };
    let mut asks = interval(SIGN_EVERY);
    asks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    asks.reset();
    let mut lines = pin!(node.service_logs(lease.lease, view.service.clone(), start, view.follow));
    loop {
        proof.hold_against(&mut awaited)?;
        let line = tokio::select! {
            line = lines.next() => line,
            _ = asks.tick(), if view.verify && view.follow && awaited.is_none() => {
                awaited = Some(proof.ask().await?);
                continue;
            }
        };
        let Some(line) = line else { break };
        let line = line?;
        if line.ts_ms >= since {
            show(context, &line, view.timestamps)?;
        }
        // Read all the same: what is shown is verified from the first line on.
        proof.read.take(&line)?;
    }
    // Only a whole log, read from its first line, can be held against the chain.
    let on_chain = view.service.is_empty() && lease.over && lease.log_hash != [0; 32] && from == 0;
    if on_chain && proof.read.chain != lease.log_hash {
        return Err(CliError::Unverified(format!(
            "the log does not end in the hash that stands on chain ({}): lines are missing or were altered",
            hex::encode(lease.log_hash)
        )));
    }
    if view.verify { proof.conclude(context, awaited, view.follow, on_chain).await } else { Ok(()) }
}

fn show(context: &Context, line: &LogLine, timestamps: bool) -> Result<(), CliError> {
    if context.out.is_json() {
        return context.out.json_line(line);
    }
    if !timestamps {
        return context.out.container_line(line.stream, &line.line);
    }
    let at = UNIX_EPOCH + Duration::from_millis(line.ts_ms);
    let text = format!("{} {}", humantime::format_rfc3339_millis(at), line.line);
    context.out.container_line(line.stream, &text)
}

/// How far a log was read.
#[derive(Default)]
struct Read {
    lines: u64,
    chain: [u8; 32],
}

impl Read {
    fn take(&mut self, line: &LogLine) -> Result<(), CliError> {
        let value = hex::decode_to_slice(&line.chain, &mut self.chain);
        value.map_err(|_| CliError::Unverified(format!("line {} of the log has no hash", line.seq)))?;
        self.lines = line.seq.saturating_add(1);
        Ok(())
    }
}

/// Holds what is read against what the node signs.
struct Proof<'a> {
    node: &'a NodeApi,
    lease: Pubkey,
    key: Pubkey,
    read: Read,
    /// The last one that was true.
    last: Option<SignedLogHead>,
}

impl Proof<'_> {
    async fn ask(&self) -> Result<SignedLogHead, CliError> {
        let head = self.node.log_head(&self.lease).await?;
        head.verify(&self.lease, &self.key).map_err(unverified)?;
        Ok(head)
    }

    /// Compares as soon as as many lines are read as were signed for.
    fn hold_against(&mut self, awaited: &mut Option<SignedLogHead>) -> Result<(), CliError> {
        let Some(head) = awaited.take_if(|head| head.lines <= self.read.lines) else { return Ok(()) };
        if head.lines < self.read.lines {
            return Err(unverified(LogHeadError::Fewer { lines: head.lines, read: self.read.lines }));
        }
        head.compare(self.read.chain).map_err(unverified)?;
        self.last = Some(head);
        Ok(())
    }

    /// At the log's end: everything that was signed for was shown. Of a log that was followed, its end is signed for, too.
    async fn conclude(
        mut self,
        context: &Context,
        awaited: Option<SignedLogHead>,
        follow: bool,
        on_chain: bool,
    ) -> Result<(), CliError> {
        if let Some(head) = awaited {
            return Err(unverified(LogHeadError::Missing { lines: head.lines, read: self.read.lines }));
        }
        if follow || on_chain {
            let mut head = Some(self.ask().await?);
            self.hold_against(&mut head)?;
            if let Some(head) = head {
                return Err(unverified(LogHeadError::Missing { lines: head.lines, read: self.read.lines }));
            }
        }
        let verified = Verified { lines: self.read.lines, on_chain, head: self.last };
        if context.out.is_json() {
            return context.out.json_line(&serde_json::json!({ "verified": verified }));
        }
        context.out.note(&verified.in_words(&self.key));
        Ok(())
    }
}

fn unverified(error: LogHeadError) -> CliError {
    CliError::Unverified(error.to_string())
}

#[derive(Serialize)]
struct Verified {
    /// Lines that were read.
    lines: u64,
    /// Whether the chain has the last link.
    on_chain: bool,
    head: Option<SignedLogHead>,
}

impl Verified {
    fn in_words(&self, key: &Pubkey) -> String {
        let signed = self.head.as_ref().map_or(0, |head| head.lines);
        let more = self.lines.saturating_sub(signed);
        let more = if more == 0 { String::new() } else { format!(" ({more} came after it signed)") };
        let on_chain = if self.on_chain {
            "the last link stands on chain"
        } else {
            "the chain has no last link to compare with, or not yet"
        };
        format!(
            "verified: {} lines in one chain, {signed} of them signed for by node key {key}{more}; {on_chain}",
            self.lines
        )
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gridlease_sdk::node_api::{LogChain, LogStream};
    use solana_keypair::Keypair;
    use solana_signer::Signer as _;

    use super::*;

    #[test]
    fn a_log_that_its_node_signed_otherwise_than_it_showed_is_found_out() {
        let key = Keypair::new();
        let node = NodeApi::new("https://127.0.0.1:1", [0; 32], key.pubkey(), Arc::new(Keypair::new())).unwrap();
        let lease = Pubkey::new_from_array([1; 32]);
        let mut proof = Proof { node: &node, lease, key: key.pubkey(), read: Read::default(), last: None };
        let sign = |lines, chain| Some(SignedLogHead::sign(&key, &lease, lines, chain, false, 1).unwrap());
        let mut chain = LogChain::genesis();
        let lines: Vec<_> = ["a", "b"].map(|text| chain.append(1, LogStream::Stdout, text.to_owned()).unwrap()).into();

        let mut empty = sign(0, [0; 32]);
        proof.hold_against(&mut empty).unwrap();
        let mut honest = sign(2, chain.last());
        proof.read.take(&lines[0]).unwrap();
        proof.hold_against(&mut honest).unwrap();
        assert!(honest.is_some(), "it is not read that far");
        proof.read.take(&lines[1]).unwrap();
        proof.hold_against(&mut honest).unwrap();
        assert_eq!((honest, proof.last.as_ref().map(|head| head.lines)), (None, Some(2)));

        let told = |error: CliError| error.to_string();
        assert!(told(proof.hold_against(&mut sign(2, [7; 32])).unwrap_err()).contains("another log than it showed"));
        assert!(told(proof.hold_against(&mut sign(1, [7; 32])).unwrap_err()).contains("after it had shown 2"));
    }
}
