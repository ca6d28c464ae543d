//! A job as it happens: events to standard error, the container's log to standard output, the money as a bar.

use futures_util::StreamExt as _;
use gridlease_core::job::EndReason;
use gridlease_sdk::node_api::LogStream;
use serde::Serialize;
use solana_pubkey::Pubkey;

use super::Context;
use super::describe::{describe, money_line};
use super::exit::Ending;
use crate::amount::Usdc;
use crate::buyer::event::as_text;
use crate::buyer::{Buyer, FollowOptions, JobEvent, Money};
use crate::clock::now_s;
use crate::error::CliError;
use crate::output::{Report, fields};

/// How a job that was watched ended.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    #[serde(serialize_with = "as_text")]
    pub job: Pubkey,
    pub reason: String,
    /// The same for programs of ours.
    #[serde(skip)]
    end: EndReason,
    pub exit_code: Option<i32>,
    pub paid: Usdc,
    pub fee: Usdc,
    pub refunded: Usdc,
    pub settled: bool,
    pub outputs: Option<String>,
    pub output_sha256: Option<String>,
}

impl Report for Summary {
    fn human(&self) -> String {
        let exit = self.exit_code.map_or("-".to_owned(), |code| code.to_string());
        let outputs = self.outputs.clone().unwrap_or_else(|| "-".to_owned());
        let paid = if self.settled { self.paid.to_string() } else { format!("{} (not settled yet)", self.paid) };
        fields(&[
            ("job", &self.job),
            ("ended", &self.reason),
            ("exit code", &exit),
            ("paid", &paid),
            ("fee", &self.fee),
            ("refunded", &self.refunded),
            ("outputs", &outputs),
        ])
    }
}

/// Follows a job to its end and prints as it goes. In JSON every event is a line, and the last line sums up.
pub(super) async fn watch(
    context: &Context,
    buyer: &Buyer,
    job: Pubkey,
    options: FollowOptions,
) -> Result<Summary, CliError> {
    let out = context.out;
    let bar = out.money_bar();
    let mut summary = Summary {
        job,
        reason: EndReason::None.name().to_owned(),
        end: EndReason::None,
        exit_code: None,
        paid: Usdc(0),
        fee: Usdc(0),
        refunded: Usdc(0),
        settled: false,
        outputs: None,
        output_sha256: None,
    };
    let (mut unverified, mut in_the_way) = (None, None);
    let wants_outputs = options.outputs.is_some();
    let mut events = buyer.follow(job, options);
    while let Some(event) = events.next().await {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                bar.finish_and_clear();
                return Err(error);
            }
        };
        summary.take(&event);
        match &event {
            JobEvent::Unverified { what } => unverified = Some(what.clone()),
            JobEvent::Trouble { what, last: true, .. } => in_the_way = Some(what.clone()),
            _ => {}
        }
        if out.is_json() {
            out.json_line(&event)?;
            continue;
        }
        match &event {
            JobEvent::LogLine { stream, line, .. } => bar.suspend(|| match stream {
                LogStream::Stdout => out.line(&printable(line)),
                LogStream::Stderr => {
                    out.note(&printable(line));
                    Ok(())
                }
            })?,
            JobEvent::Money { money, .. } => {
                bar.set_length(money.reserved.0.max(1));
                bar.set_position(money.accrued.0);
                bar.set_message(money_line(money.accrued, money.reserved, money.runway_end, now_s()));
            }
            other => {
                if let Some(line) = describe(other, now_s()) {
                    bar.suspend(|| out.note(&printable(&line)));
                }
            }
        }
    }
    bar.finish_and_clear();
    let missing = in_the_way.filter(|_| wants_outputs && summary.outputs.is_none());
    unverified.or(missing).map_or(Ok(summary), |what| Err(CliError::Unverified(what)))
}

impl Summary {
    fn take(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Finished { reason, exit_code, money, .. } => {
                self.reason = reason.name().to_owned();
                self.exit_code = *exit_code;
                self.money(money);
            }
            JobEvent::Settled { money, .. } => {
                self.settled = true;
                self.money(money);
            }
            JobEvent::OutputsVerified { root, folder, .. } => {
                self.outputs = Some(folder.display().to_string());
                self.output_sha256 = Some(hex::encode(root));
            }
            JobEvent::JobEnded { reason, exit_code } => {
                self.reason = reason.name().to_owned();
                self.end = *reason;
                self.exit_code = self.exit_code.or(*exit_code);
            }
            _ => {}
        }
    }

    /// What the command's exit code follows from.
    pub(super) fn ending(&self) -> Ending {
        Ending { job: self.job, reason: self.end, container: self.exit_code }
    }

    fn money(&mut self, money: &Money) {
        (self.paid, self.fee, self.refunded) = (money.paid, money.fee, money.refunded);
    }
}

/// What a container writes could steer the terminal; control characters are replaced, all but tabs.
pub(super) fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}
