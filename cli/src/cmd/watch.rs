//! A job as it happens: events to standard error, the container's log to standard output, the money as a bar.

use futures_util::StreamExt as _;
use gridlease_core::job::EndReason;
use gridlease_sdk::artifact::LeftOut;
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
use crate::printable::printable;

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
    pub node_message: Option<String>,
    pub paid: Usdc,
    pub fee: Usdc,
    pub refunded: Usdc,
    pub forfeited: Usdc,
    pub settled: bool,
    /// What each of its leases came to. What the job cost is the sum over them; what one returned, the next took again, so
    /// the refund is that of the last.
    #[serde(skip)]
    leases: Vec<(Pubkey, Money, bool)>,
    pub outputs: Option<String>,
    pub output_sha256: Option<String>,
    pub left_out: LeftOut,
}

impl Report for Summary {
    fn human(&self) -> String {
        let exit = self.exit_code.map_or("-".to_owned(), |code| code.to_string());
        let said = self.node_message.as_deref().map_or("-".to_owned(), printable);
        let mut outputs = self.outputs.clone().unwrap_or_else(|| "-".to_owned());
        if !self.left_out.is_empty() {
            outputs = format!("{outputs}, INCOMPLETE: {}", self.left_out.summary());
        }
        let paid = if self.settled { self.paid.to_string() } else { format!("{} (not settled yet)", self.paid) };
        let mut lines: Vec<(&str, &dyn std::fmt::Display)> = vec![
            ("job", &self.job),
            ("ended", &self.reason),
            ("exit code", &exit),
            ("node says", &said),
            ("paid", &paid),
            ("fee", &self.fee),
            ("refunded", &self.refunded),
        ];
        if self.forfeited.0 > 0 {
            lines.push(("forfeited", &self.forfeited));
        }
        lines.push(("outputs", &outputs));
        fields(&lines)
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
    let mut summary = Summary::new(job);
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
            JobEvent::LogLine { stream, line, .. } => bar.suspend(|| out.container_line(*stream, line))?,
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
    /// Of a job of which nothing was told yet.
    fn new(job: Pubkey) -> Self {
        Self {
            job,
            reason: EndReason::None.name().to_owned(),
            end: EndReason::None,
            exit_code: None,
            node_message: None,
            paid: Usdc(0),
            fee: Usdc(0),
            refunded: Usdc(0),
            forfeited: Usdc(0),
            settled: false,
            leases: Vec::new(),
            outputs: None,
            output_sha256: None,
            left_out: LeftOut::default(),
        }
    }

    fn take(&mut self, event: &JobEvent) {
        match event {
            JobEvent::Finished { lease, reason, exit_code, money, .. } => {
                self.reason = reason.name().to_owned();
                self.exit_code = *exit_code;
                self.money(lease, money, false);
            }
            JobEvent::StartFailed { lease, node_message, money, .. } => {
                self.node_message.clone_from(node_message);
                self.money(lease, money, true);
            }
            // Of the lease told of last; the words of an earlier attempt went with it.
            JobEvent::Awarded { .. } => self.node_message = None,
            JobEvent::NodeStatus { message, .. } => {
                self.node_message = (!message.is_empty()).then(|| message.clone());
            }
            JobEvent::Settled { lease, money } => self.money(lease, money, true),
            JobEvent::OutputsVerified { root, folder, left_out, .. } => {
                self.left_out.clone_from(left_out);
                self.outputs = Some(folder.display().to_string());
                self.output_sha256 = Some(hex::encode(root));
            }
            JobEvent::OutputsFetched { folder, left_out, .. } => {
                self.left_out.clone_from(left_out);
                self.outputs = Some(folder.display().to_string());
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

    /// What one of its leases came to. One whose provider failed has several.
    fn money(&mut self, lease: &Pubkey, money: &Money, settled: bool) {
        match self.leases.iter_mut().find(|(known, ..)| known == lease) {
            Some((_, amounts, over)) => (*amounts, *over) = (*money, settled),
            None => self.leases.push((*lease, *money, settled)),
        }
        let sum = |amount: fn(&Money) -> Usdc| {
            let amounts = self.leases.iter().map(|(_, money, _)| amount(money).0);
            Usdc(amounts.fold(0, u64::saturating_add))
        };
        (self.paid, self.fee, self.forfeited) = (sum(|it| it.paid), sum(|it| it.fee), sum(|it| it.forfeited));
        self.refunded = money.refunded;
        self.settled = self.leases.iter().all(|(.., settled)| *settled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_job_cost_is_summed_over_all_its_leases() {
        let [first, second, third] = [1, 2, 3].map(|n| Pubkey::new_from_array([n; 32]));
        let money = |amounts: [u64; 5]| {
            let [reserved, paid, fee, refunded, forfeited] = amounts.map(Usdc);
            Money { reserved, accrued: Usdc(0), paid, fee, refunded, forfeited, runway_end: 0 }
        };
        let mut summary = Summary::new(first);
        let node_message = Some("no such program: /rendr".to_owned());
        let (reason, attempts_left) = (EndReason::NotGiven, 2);
        let declined = money([100, 0, 0, 90, 10]);
        summary.take(&JobEvent::StartFailed {
            lease: first,
            provider: first,
            reason,
            node_message: node_message.clone(),
            money: declined,
            attempts_left,
        });
        assert_eq!((summary.forfeited, summary.refunded, summary.settled), (Usdc(10), Usdc(90), true));
        assert_eq!(summary.node_message, node_message);
        let finished = |lease, money| JobEvent::Finished {
            lease,
            provider: lease,
            reason: EndReason::Abandoned,
            exit_code: None,
            result_hash: [0; 32],
            log_hash: [0; 32],
            money,
        };
        summary.take(&finished(second, money([100, 0, 0, 40, 0])));
        assert_eq!((summary.paid, summary.settled), (Usdc(0), false));
        summary.take(&JobEvent::Settled { lease: second, money: money([100, 58, 2, 40, 0]) });
        summary.take(&finished(third, money([50, 0, 0, 20, 0])));
        assert_eq!((summary.paid, summary.refunded, summary.settled), (Usdc(58), Usdc(20), false));
        summary.take(&JobEvent::Settled { lease: third, money: money([50, 29, 1, 20, 0]) });
        let sums = (summary.paid, summary.fee, summary.refunded, summary.forfeited, summary.settled);
        assert_eq!(sums, (Usdc(87), Usdc(3), Usdc(20), Usdc(10), true));
    }
}
