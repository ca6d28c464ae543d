//! Awards a job to the best bidder that is still good.

use anchor_lang::prelude::*;
use gridlease_core::UnixTs;
use gridlease_core::job::JobState;
use program_common::clock::now;
use program_common::names;
use program_common::require;

use super::open_lease::{Asked, Candidate, Opening, Rents, Taken};
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{BidsDropped, DroppedBid, JobWaits};
use crate::lamports::pay_award_tip;
use crate::replicas;
use crate::state::{Config, Job, Purse};
use staking_interface::ID as STAKING_ID;

/// Accounts of `award`. Behind them follow, for a replica of a task the group of the task (writable), and for the bidders in the book's order and as many as the caller likes to pass,
/// three accounts each: offer (writable), provider (writable), bond (writable).
#[event_cpi]
#[derive(Accounts)]
pub struct Award<'info> {
    /// Slot length, fee, and the bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// Written.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(job: Job, purse) @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Read.
    pub purse: AccountLoader<'info, Purse>,
    /// The next lease of this job.
    /// CHECK: created here, which checks its seeds.
    #[account(mut)]
    pub lease: UncheckedAccount<'info>,
    /// The lease's reservation.
    /// CHECK: the staking program checks and creates it.
    #[account(mut)]
    pub reservation: UncheckedAccount<'info>,
    /// The PDA by which the market signs for stake.
    /// CHECK: a wrong one cannot sign.
    pub authority: UncheckedAccount<'info>,
    /// The staking program's configuration.
    /// CHECK: the staking program checks it.
    pub staking_config: UncheckedAccount<'info>,
    /// The staking program.
    /// CHECK: it has this one address.
    #[account(address = STAKING_ID)]
    pub staking_program: UncheckedAccount<'info>,
    /// The PDA by which the staking program signs its events.
    /// CHECK: the staking program checks it.
    pub staking_events: UncheckedAccount<'info>,
    /// Creates the lease.
    pub system_program: Program<'info, System>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

impl<'info> Award<'info> {
    fn opening(&self) -> Opening<'_, 'info> {
        Opening {
            config: &self.config,
            lease: &self.lease,
            reservation: &self.reservation,
            staking_config: &self.staking_config,
            system: self.system_program.as_ref(),
            authority: &self.authority,
            staking_events: &self.staking_events,
            staking_program: &self.staking_program,
        }
    }
}

/// Once the window is over, the first bidder of the book that is still good shall get the lease; those before it shall be
/// dropped, and those among them that are bad by their own doing (offer withdrawn, stake taken out) be charged a fault. With nobody
/// left the job shall wait for bids again. On a job that is not open, nothing changes. An award that leases earns a tip, late or
/// not; any other earns nothing. No outcome depends on who calls.
pub fn award<'info>(ctx: Context<'info, Award<'info>>) -> Result<()> {
    let now = now()?;
    let job_key = ctx.accounts.job.key();
    let rents = Rents::get()?;
    let mut dropped = Vec::new();
    let (due, outcome) = {
        let mut job = ctx.accounts.job.load_mut()?;
        let due = UnixTs(job.header.due_ts);
        let mut moving = job.rules().or_rule()?;
        if moving.state != JobState::Open {
            return Ok(()); // stale: somebody was faster
        }
        if moving.see_reveal_end(now) {
            // Its end is a minute and sixty slots from now: the chain may have stood still.
            job.set_rules(&moving, now);
            return Ok(());
        }
        moving.check_award(now).or_rule()?;
        let (group, candidates) = replicas::split(&job, ctx.remaining_accounts)?;
        let asked = Asked { job: &job, wanted: job.wanted(), rents, now, book_began: moving.book_began(), group };
        let winner = choose(&asked, candidates, &mut dropped)?;
        let unseen = usize::from(job.book_len) > dropped.len();
        let Asked { rents, .. } = asked;
        moving.drop_bids(dropped.len());
        let outcome = match winner {
            Some(taken) => {
                // A book has at most eight entries.
                job.drop_bids(dropped.len() as u8 + 1);
                let mut awarded = ctx.accounts.opening().open(&job_key, &mut job, &moving, &taken, now)?;
                awarded.skipped = dropped.len() as u8;
                Outcome::Awarded(awarded, taken, rents)
            }
            None if unseen => {
                require!(!dropped.is_empty(), MarketError::CandidateMissing);
                job.drop_bids(dropped.len() as u8);
                job.set_rules(&moving, now);
                Outcome::Unfinished
            }
            None => {
                moving.unawarded(now).or_rule()?;
                job.set_rules(&moving, now);
                Outcome::Waits { expires_at: moving.expires_at.0 }
            }
        };
        (due, outcome)
    };
    if !dropped.is_empty() {
        tell(&ctx.accounts.event_authority, &BidsDropped { job: job_key, bids: dropped })?;
    }
    match outcome {
        Outcome::Unfinished => {}
        Outcome::Waits { expires_at } => {
            tell(&ctx.accounts.event_authority, &JobWaits { job: job_key, expires_at })?;
        }
        Outcome::Awarded(awarded, taken, rents) => {
            tell(&ctx.accounts.event_authority, &awarded)?;
            ctx.accounts.opening().fund(&taken, &rents)?;
            let (job, lease) = (ctx.accounts.job.as_ref(), ctx.accounts.lease.as_ref());
            pay_award_tip(&ctx.accounts.event_authority, job, ctx.accounts.tip_to.as_ref(), lease, due, now.ts)?;
        }
    }
    Ok(())
}

/// What an award does.
#[allow(clippy::large_enum_variant, reason = "there is one at a time, and a box would cost the heap")]
enum Outcome<'info> {
    /// A lease was opened.
    Awarded(crate::event::JobAwarded, Taken<'info>, Rents),
    /// Every bidder passed was bad; others stand behind them.
    Unfinished,
    /// The job waits for bids again.
    Waits {
        /// Until when.
        expires_at: u64,
    },
}

/// The first bidder that is good; those before it go into `dropped`.
fn choose<'info>(
    asked: &Asked<'_, 'info>,
    accounts: &'info [AccountInfo<'info>],
    dropped: &mut Vec<DroppedBid>,
) -> Result<Option<Taken<'info>>> {
    let bids = asked.job.book.iter().take(asked.job.book_len.into());
    for (at, (bid, three)) in bids.zip(accounts.chunks_exact(3)).enumerate() {
        let Some(candidate) = Candidate::of(three) else { break };
        match candidate.take(asked, Some((bid, asked.job.is_automatic(at))))? {
            Ok(taken) => return Ok(Some(taken)),
            Err(drop) => dropped.push(drop),
        }
    }
    Ok(None)
}
