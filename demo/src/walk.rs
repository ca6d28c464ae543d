//! The demo's walk: what is shown while one job goes from its posting to its last atom.

use std::collections::HashMap;
use std::time::Instant;

use gridlease_cli::buyer::JobEvent;
use gridlease_core::job::EndReason;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;
use solana_pubkey::Pubkey;

/// Log lines of the container that are shown; the rest is only counted.
const SHOWN_LINES: u64 = 40;

/// Times between the steps, in milliseconds; `None` for a step that was not reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Timings {
    /// From the posting to the award, the bidding window included.
    pub post_to_award: Option<u64>,
    /// From the award to the running container: manifest, inputs, image pull, start.
    pub award_to_ready: Option<u64>,
    /// From the running container to its first line of log at the buyer.
    pub ready_to_first_log: Option<u64>,
    /// From the container's end on chain to the last payment.
    pub finish_to_settled: Option<u64>,
    /// From the posting to the end of everything.
    pub total: Option<u64>,
}

/// What is known of the walk so far.
#[derive(Debug)]
pub struct Walk {
    names: HashMap<Pubkey, String>,
    image: String,
    bars: MultiProgress,
    money: ProgressBar,
    posted: Instant,
    awarded: Option<Instant>,
    ready: Option<Instant>,
    first_log: Option<Instant>,
    finished: Option<Instant>,
    settled: Option<Instant>,
    lines: u64,
    /// The provider that won last.
    pub winner: Option<Pubkey>,
    /// Why the job ended.
    pub reason: Option<EndReason>,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// Root over the outputs, verified.
    pub output_root: Option<[u8; 32]>,
    /// Files of the output.
    pub files: usize,
}

impl Walk {
    /// A walk that begins now; `names` are the providers by their records, `image` is the job's image with its digest.
    pub fn new(names: HashMap<Pubkey, String>, image: &str, quiet: bool) -> Self {
        let bars = MultiProgress::new();
        if quiet {
            bars.set_draw_target(indicatif::ProgressDrawTarget::hidden());
        }
        let money = bars.add(ProgressBar::new(1));
        if let Ok(style) = ProgressStyle::with_template("   paid {bar:32.green} {msg}") {
            money.set_style(style);
        }
        Self {
            names,
            image: image.to_owned(),
            bars,
            money,
            posted: Instant::now(),
            awarded: None,
            ready: None,
            first_log: None,
            finished: None,
            settled: None,
            lines: 0,
            winner: None,
            reason: None,
            exit_code: None,
            output_root: None,
            files: 0,
        }
    }

    /// Prints one line above the progress bar, on standard error.
    pub fn say(&self, line: &str) {
        // Without a terminal indicatif draws nothing at all, not even lines.
        if self.bars.is_hidden() || self.bars.println(line).is_err() {
            eprintln!("{line}");
        }
    }

    fn name(&self, provider: &Pubkey) -> String {
        self.names.get(provider).cloned().unwrap_or_else(|| provider.to_string())
    }

    /// Takes one event in and shows it.
    pub fn on(&mut self, event: &JobEvent) {
        match event {
            JobEvent::BidSeen { provider, price, score, rank, improved, .. } => {
                let verb = if *improved { "improves to" } else { "bids" };
                let score = f64::from(*score) / 1e6;
                self.say(&format!("   #{rank} {:<8} {verb} {price} USDC/h, score {score:.2}", self.name(provider)));
            }
            JobEvent::WindowExtended { extensions, .. } => {
                self.say(&format!("   window extended by 3 s ({extensions} of 3)"))
            }
            JobEvent::Waiting { attempts_left, .. } => {
                self.say(&format!("   waits for its first bid, which opens the window; {attempts_left} attempts left"))
            }
            JobEvent::Awarded { provider, price, reserved, stake, runner_up, .. } => {
                self.awarded = Some(Instant::now());
                self.winner = Some(*provider);
                let who = if *runner_up { "runner-up" } else { "winner" };
                self.say(&format!(
                    "── award: {who} {} at {price} USDC/h; {reserved} USDC reserved, {stake} USDC of stake behind it",
                    self.name(provider)
                ));
            }
            JobEvent::ManifestPushed { .. } => self.say("   manifest pushed to the node, hash checked"),
            JobEvent::InputPushed { path, bytes, .. } => {
                self.say(&format!("   input pushed: {} ({bytes} bytes)", path.display()));
            }
            JobEvent::SecretsPushed { names, .. } => {
                self.say(&format!("   secrets sealed to the node's key: {}", names.join(", ")));
            }
            JobEvent::NodeStatus { phase, pull, message, .. } => {
                let pull = pull.map(|pull| {
                    format!(", {}/{} layers, {} kB", pull.layers_done, pull.layers_total, pull.bytes_done / 1_000)
                });
                let message = if message.is_empty() { String::new() } else { format!(": {message}") };
                self.say(&format!("   node: {phase}{}{message}", pull.unwrap_or_default()));
            }
            JobEvent::Ready { .. } => {
                self.ready = Some(Instant::now());
                self.say(&format!("   image pulled and verified by its digest: {}", self.image));
                self.say("── ready: the container runs, the meter starts");
            }
            JobEvent::LogLine { line, .. } => {
                self.first_log.get_or_insert_with(Instant::now);
                self.lines += 1;
                if self.lines <= SHOWN_LINES {
                    self.say(&format!("   │ {line}"));
                } else if self.lines == SHOWN_LINES + 1 {
                    self.say("   │ …");
                }
            }
            JobEvent::Money { money, .. } => {
                self.money.set_length(money.reserved.0.max(1));
                self.money.set_position(money.accrued.0);
                self.money.set_message(format!(
                    "{} of {} USDC accrued, {} settled",
                    money.accrued, money.reserved, money.paid
                ));
            }
            JobEvent::Grace { .. } => self.say("── the reservation is used up; a top-up would resume it"),
            JobEvent::ToppedUp { amount, .. } => self.say(&format!("   topped up by {amount} USDC")),
            JobEvent::StartFailed { provider, reason, node_message, attempts_left, .. } => {
                let why = node_message.as_ref().map_or(String::new(), |said| format!(" ({said})"));
                self.say(&format!(
                    "── {} did not start: {}{why}; {attempts_left} attempts left",
                    self.name(provider),
                    reason.name()
                ));
            }
            JobEvent::Finished { reason, exit_code, money, .. } => {
                self.finished = Some(Instant::now());
                self.exit_code = *exit_code;
                self.money.set_position(money.accrued.0);
                let exit = exit_code.map_or_else(|| "no exit code".to_owned(), |code| format!("exit code {code}"));
                self.say(&format!(
                    "── finish: {}, {exit}; {} USDC owed, {} USDC returned",
                    reason.name(),
                    money.accrued,
                    money.refunded
                ));
            }
            JobEvent::LogVerified { lines, .. } => {
                self.say(&format!("   log complete: {lines} lines, hash chain matches the chain"))
            }
            JobEvent::OutputsVerified { root, files, bytes, folder, left_out, .. } => {
                self.output_root = Some(*root);
                self.files = *files;
                self.say(&format!(
                    "   outputs fetched: {files} files, {bytes} bytes, root {} matches the chain\n   {}",
                    hex::encode(root),
                    folder.display()
                ));
                if !left_out.is_empty() {
                    self.say(&format!("   !! {}", left_out.summary()));
                }
            }
            JobEvent::OutputsFetched { files, bytes, folder, .. } => {
                self.say(&format!(
                    "   outputs fetched, unproved: {files} files, {bytes} bytes\n   {}",
                    folder.display()
                ));
            }
            JobEvent::Settled { money, .. } => {
                self.settled = Some(Instant::now());
                self.say(&format!(
                    "── settled: {} USDC paid, {} USDC fee, {} USDC refunded",
                    money.paid, money.fee, money.refunded
                ));
            }
            JobEvent::LeaseClosed { .. } => self.say("   lease closed, stake released, rent returned"),
            JobEvent::JobEnded { reason, exit_code } => {
                self.reason = Some(*reason);
                self.exit_code = self.exit_code.or(*exit_code);
                self.say(&format!("── job over: {}", reason.name()));
            }
            JobEvent::JobClosed => self.say("   job closed, rent returned"),
            JobEvent::Unverified { what } => self.say(&format!("   !! {what}")),
            JobEvent::Trouble { what, .. } => self.say(&format!("   ! {what}")),
        }
    }

    /// Ends the show.
    pub fn done(&self) {
        self.money.finish_and_clear();
    }

    /// From ready to finish, as seen here, in milliseconds.
    pub fn run_ms(&self) -> Option<u64> {
        let length = self.finished?.checked_duration_since(self.ready?)?;
        u64::try_from(length.as_millis()).ok()
    }

    /// The times between the steps.
    pub fn timings(&self) -> Timings {
        let between = |from: Option<Instant>, to: Option<Instant>| {
            let length = to?.checked_duration_since(from?)?;
            u64::try_from(length.as_millis()).ok()
        };
        Timings {
            post_to_award: between(Some(self.posted), self.awarded),
            award_to_ready: between(self.awarded, self.ready),
            ready_to_first_log: between(self.ready, self.first_log).or(self.first_log.and(self.ready).map(|_| 0)),
            finish_to_settled: between(self.finished, self.settled).or(self.settled.and(self.finished).map(|_| 0)),
            total: between(Some(self.posted), Some(Instant::now())),
        }
    }
}
