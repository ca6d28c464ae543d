//! `gridlease job events`

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt as _;
use gridlease_sdk::node_api::LeaseEvent;
use solana_pubkey::Pubkey;

use super::Context;
use crate::buyer::Buyer;
use crate::error::CliError;
use crate::printable::printable;

/// The latest time that can be written with four digits for the year, in milliseconds.
const LATEST_MS: u64 = 253_402_300_799_000;

/// Prints what happened to a job's lease on its node, and with `follow` what happens.
pub(super) async fn events(
    context: &Context,
    buyer: &Buyer,
    job: &Pubkey,
    from: u64,
    follow: bool,
) -> Result<(), CliError> {
    let lease = buyer.lease_of(job).await?;
    let node = buyer.node_of(&lease.provider, &lease.lease).await?;
    let mut events = pin!(node.events(lease.lease, from, follow));
    let mut told = false;
    while let Some(event) = events.next().await {
        let event = event?;
        if context.out.is_json() {
            context.out.json_line(&event)?;
        } else {
            context.out.line(&in_words(&event))?;
        }
        told = true;
    }
    if told {
        return Ok(());
    }
    // Never nothing said.
    Err(CliError::State(format!("the node has no event of job {job} from number {from} on")))
}

/// A line for people; the node is a stranger's machine.
fn in_words(event: &LeaseEvent) -> String {
    let at = std::time::UNIX_EPOCH + Duration::from_millis(event.at_ms.min(LATEST_MS));
    let name: String = printable(&event.event).chars().take(32).collect();
    let line = format!("{}  {name:<12}  {}", humantime::format_rfc3339_millis(at), printable(&event.message));
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threat_08_an_event_is_a_line_and_steers_no_terminal() {
        let event = |event: &str, message: &str| {
            in_words(&LeaseEvent {
                seq: 0,
                at_ms: 1_700_000_000_123,
                event: event.to_owned(),
                message: message.to_owned(),
            })
        };
        assert_eq!(event("started", ""), "2023-11-14T22:13:20.123Z  started");
        assert_eq!(event("ended", "with code 3"), "2023-11-14T22:13:20.123Z  ended         with code 3");
        let bad = event("x\u{1b}[2J", "\u{1b}]0;title\u{7}\nsecond");
        assert!(!bad.contains(|c: char| c.is_control()), "{bad:?}");
        let late = LeaseEvent { seq: 0, at_ms: u64::MAX, event: String::new(), message: String::new() };
        assert!(in_words(&late).starts_with("9999-12-31"));
    }
}
