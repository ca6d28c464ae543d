//! What happens to a job, in words.

use std::path::Path;

use gridlease_sdk::artifact::LeftOut;
use gridlease_sdk::node_api::PullProgress;

use super::report::count;
use crate::amount::Usdc;
use crate::buyer::JobEvent;
use crate::output::span;

/// A score as people read it: of 100.
pub fn score(score: u32) -> String {
    format!("{}.{:02}", score / 1_000_000, score % 1_000_000 / 10_000)
}

/// An address, short enough for a line.
pub fn short(address: &impl ToString) -> String {
    let text = address.to_string();
    match (text.get(..4), text.get(text.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if text.len() > 12 => format!("{head}…{tail}"),
        _ => text,
    }
}

/// One line for an event; none for a log line, which is data, and for money, which is a bar. `now` is Unix seconds.
pub fn describe(event: &JobEvent, now: u64) -> Option<String> {
    let left = |at: u64| span(at.saturating_sub(now));
    Some(match event {
        JobEvent::LogLine { .. } | JobEvent::Money { .. } => return None,
        JobEvent::BidSeen { provider, price, score: points, rank, improved, .. } => {
            let verb = if *improved { "improves its bid to" } else { "bids" };
            format!("bid       {} {verb} {price} USDC/h, score {}, rank {rank}", short(provider), score(*points))
        }
        JobEvent::WindowExtended { close_ts, extensions } => {
            format!("bidding   extended (time {extensions}), {} left", left(*close_ts))
        }
        JobEvent::Waiting { expires_at, attempts_left } => {
            format!(
                "waiting   for a bid, {} at most, {attempts_left} attempts left; `gridlease offer list` shows what is offered, `gridlease job cancel` takes the job back",
                left(*expires_at)
            )
        }
        JobEvent::Awarded { lease, provider, price, reserved, stake, start_deadline, runner_up } => {
            let whom = if *runner_up { "runner-up" } else { "provider" };
            format!(
                "award     to {whom} {} at {price} USDC/h: lease {lease}, {reserved} USDC reserved, {stake} USDC of its stake; it has {} to start",
                short(provider),
                left(*start_deadline)
            )
        }
        JobEvent::ManifestPushed { .. } => "node      has the manifest".to_owned(),
        JobEvent::InputPushed { path, bytes, .. } => {
            format!("node      has input {} ({})", path.display(), size(*bytes))
        }
        JobEvent::SecretsPushed { names, .. } => {
            format!("node      has the secrets {}, sealed to it", names.join(", "))
        }
        JobEvent::NodeStatus { phase, pull, message, .. } => {
            let mut line = format!("node      {}", phase.replace('_', " "));
            if let Some(pull) = pull {
                line.push_str(&format!(", {}", pulled(pull)));
            }
            if !message.is_empty() {
                line.push_str(&format!(": {message}"));
            }
            line
        }
        JobEvent::Ready { runway_end, .. } => {
            format!("running   the meter started; the money lasts {}", left(*runway_end))
        }
        JobEvent::Grace { grace_end, .. } => {
            format!("grace     the money is used up; a top-up within {} extends the lease", left(*grace_end))
        }
        JobEvent::ToppedUp { amount, runway_end, .. } => {
            format!("top-up    {amount} USDC; the money lasts {}", left(*runway_end))
        }
        JobEvent::StartFailed { provider, reason, node_message, money, attempts_left, .. } => {
            let why = node_message.as_ref().map_or(String::new(), |said| format!(": {said}"));
            let cost = match money.forfeited {
                Usdc(0) => String::new(),
                forfeited => format!("it cost {forfeited} USDC; "),
            };
            format!(
                "failed    provider {}, {}{why}; {cost}{attempts_left} attempts left",
                short(provider),
                reason.name()
            )
        }
        JobEvent::Finished { reason, exit_code, money, .. } => {
            let exit = exit_code.map_or(String::new(), |code| format!(" with exit code {code}"));
            format!(
                "end       {}{exit}: {} USDC owed, {} USDC back in the purse",
                reason.name(),
                money.accrued,
                money.refunded
            )
        }
        JobEvent::LogVerified { lines, .. } => format!("log       {lines} lines, complete and unaltered"),
        JobEvent::OutputsVerified { root, files, bytes, folder, left_out, .. } => {
            let here = outputs(*files, *bytes, folder, root, left_out.is_empty());
            let missing = if left_out.is_empty() { String::new() } else { format!("; {}", left_out.summary()) };
            format!("outputs   {here}{missing}")
        }
        JobEvent::OutputsFetched { files, bytes, folder, left_out, .. } => {
            let missing = if left_out.is_empty() { String::new() } else { format!("; {}", left_out.summary()) };
            format!("outputs   {}{missing}", unproved(*files, *bytes, folder))
        }
        JobEvent::Settled { money, .. } => {
            format!("settled   {} USDC paid, {} USDC fee, {} USDC refunded", money.paid, money.fee, money.refunded)
        }
        JobEvent::LeaseClosed { lease } => format!("closed    lease {}", short(lease)),
        JobEvent::JobEnded { reason, exit_code } => {
            let exit = exit_code.map_or(String::new(), |code| format!(", exit code {code}"));
            format!("job       {}{exit}", reason.name())
        }
        JobEvent::JobClosed => "closed    the job; its rent is returned".to_owned(),
        JobEvent::Unverified { what } => format!("UNVERIFIED {what}"),
        JobEvent::Trouble { what, last } => {
            let again = if *last { "" } else { " (tried again)" };
            format!("trouble   {what}{again}")
        }
    })
}

/// Outputs that were fetched, in one line: what of them is verified.
pub(super) fn outputs(files: usize, bytes: u64, folder: &Path, root: &[u8; 32], all: bool) -> String {
    let here = format!("{} ({}) in {}", count(files, "file"), size(bytes), folder.display());
    let root = hex::encode(root);
    if all {
        return format!("{here}, verified: {root}");
    }
    format!("INCOMPLETE, {here}; these files alone are verified: {root}")
}

/// Outputs of which nothing stands on chain, in one line.
pub(super) fn unproved(files: usize, bytes: u64, folder: &Path) -> String {
    let here = format!("{} ({}) in {}", count(files, "file"), size(bytes), folder.display());
    format!("{here}, as the node has them: the job was broken off, so no hash of them stands on chain")
}

/// What is missing of the outputs, an entry a line.
pub(super) fn missing(left_out: &LeftOut) -> String {
    let mut text = format!("left out by the node ({}):", left_out.count);
    for entry in &left_out.entries {
        text.push_str(&format!("\n  {entry}"));
    }
    let unnamed = left_out.count.saturating_sub(left_out.entries.len() as u64);
    if unnamed > 0 {
        text.push_str(&format!("\n  … and {unnamed} more"));
    }
    text
}

/// The line beside the money's bar.
pub fn money_line(accrued: Usdc, reserved: Usdc, runway_end: u64, now: u64) -> String {
    let left = runway_end.saturating_sub(now);
    let lasts = if runway_end == 0 { String::new() } else { format!(", lasts {}", span(left)) };
    format!("{accrued} of {reserved} USDC{lasts}")
}

fn pulled(pull: &PullProgress) -> String {
    format!(
        "{} of {} layers, {} of {}",
        pull.layers_done,
        pull.layers_total,
        size(pull.bytes_done),
        size(pull.bytes_total)
    )
}

pub(super) fn size(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buyer::Money;
    use gridlease_core::job::EndReason;
    use solana_pubkey::Pubkey;

    #[test]
    fn addresses_and_scores_are_short_enough_to_be_read() {
        assert_eq!(score(87_654_321), "87.65");
        assert_eq!(score(0), "0.00");
        assert_eq!(short(&Pubkey::new_from_array([7; 32])).chars().count(), 9);
    }

    #[test]
    fn issue9_09_outputs_of_which_something_was_left_out_are_never_simply_verified() {
        let told = serde_json::json!({ "count": 102, "entries": [{ "path": "a\\nb", "reason": "control_character" }] });
        let event = |left_out| JobEvent::OutputsVerified {
            lease: Pubkey::new_unique(),
            root: [7; 32],
            files: 1,
            bytes: 3,
            folder: "out".into(),
            left_out,
        };
        let whole = describe(&event(LeftOut::default()), 0).unwrap();
        assert!(whole.contains(", verified: 0707"), "{whole}");
        let left_out: LeftOut = serde_json::from_value(told.clone()).unwrap();
        let part = describe(&event(left_out.clone()), 0).unwrap();
        assert!(
            !part.contains(", verified:") && part.contains("INCOMPLETE") && part.contains("102 left out"),
            "{part}"
        );
        assert!(part.contains("a\\nb (its name has a control character") && !part.contains('\n'), "{part}");
        assert_eq!(missing(&left_out).lines().count(), 3);
        assert!(missing(&left_out).ends_with("… and 101 more"));
        assert_eq!(serde_json::to_value(event(left_out)).unwrap()["left_out"], told);
    }

    #[test]
    fn every_kind_of_event_but_data_has_a_line() {
        let lease = Pubkey::new_unique();
        let line = |event: &JobEvent| describe(event, 100).unwrap();
        assert!(line(&JobEvent::WindowExtended { close_ts: 103, extensions: 1 }).contains("3s left"));
        assert!(line(&JobEvent::Ready { lease, ready_ts: 100, runway_end: 160 }).contains("1m 0s"));
        let none = Usdc(0);
        let money = Money {
            reserved: Usdc(9),
            accrued: none,
            paid: none,
            fee: none,
            refunded: Usdc(7),
            forfeited: Usdc(2),
            runway_end: 0,
        };
        let failed = |reason, node_message: Option<&str>, money| {
            let node_message = node_message.map(str::to_owned);
            line(&JobEvent::StartFailed { lease, provider: lease, reason, node_message, money, attempts_left: 3 })
        };
        let told = failed(EndReason::BuyerError, Some("no such program: /rendr"), money);
        assert!(
            told.contains("the container can never start: no such program: /rendr; it cost 0.000002 USDC; 3"),
            "{told}"
        );
        let told = failed(EndReason::NoStart, None, Money { forfeited: none, ..money });
        assert!(told.ends_with("did not start; 3 attempts left"), "{told}");
        let ended = JobEvent::JobEnded { reason: EndReason::Completed, exit_code: Some(3) };
        assert!(line(&ended).contains("completed, exit code 3"));
        assert_eq!(money_line(Usdc(1), Usdc(2_000_000), 160, 100), "0.000001 of 2.000000 USDC, lasts 1m 0s");
    }
}
