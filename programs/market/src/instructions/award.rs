//! Awards a job to the best bidder that is still good.

use anchor_lang::prelude::*;
use gridlease_core::job::{self as rules, JobState, Unawarded};
use gridlease_core::{Now, UnixTs};

use super::open_lease::{Asked, Candidate, Opening, Rents, Taken};
use crate::clock::now;
use crate::emit::tell;
use crate::error::{MarketError, OrRule};
use crate::event::{BidsDropped, DroppedBid, JobEnded, JobReopened};
use crate::kin;
use crate::lamports::pay_tip;
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
    #[account(mut, has_one = purse @ MarketError::Unrelated)]
    pub job: AccountLoader<'info, Job>,
    /// Written where the job ends without a lease.
    #[account(mut)]
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
/// dropped, and those among them that are bad by their own doing (offer withdrawn or expired, stake taken out) be charged a
/// fault. With nobody left the job shall take bids again while attempts remain, else end and return its reservation.
/// On a job that is not open, nothing changes. No outcome depends on who calls.
pub fn award<'info>(ctx: Context<'info, Award<'info>>) -> Result<()> {
    let now = now()?;
    let job_key = ctx.accounts.job.key();
    let rents = Rents::get()?;
    let mut dropped = Vec::new();
    let (due, outcome) = {
        let mut job = ctx.accounts.job.load_mut()?;
        let due = UnixTs(job.header.due_ts);
        let moving = job.rules().or_rule()?;
        if moving.state != JobState::Open {
            return Ok(()); // stale: somebody was faster
        }
        moving.check_award(now.ts).or_rule()?;
        let (group, candidates) = kin::split(&job, ctx.remaining_accounts)?;
        let asked = Asked { job: &job, wanted: job.wanted(), rents, now, book_began: moving.book_began(), group };
        let winner = choose(&asked, candidates, &mut dropped)?;
        let unseen = usize::from(job.book_len) > dropped.len();
        let Asked { rents, .. } = asked;
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
                Outcome::Unfinished
            }
            None => {
                job.drop_bids(dropped.len() as u8);
                unawarded(&mut job, moving, &ctx.accounts.purse, now)?
            }
        };
        (due, outcome)
    };
    // Dropping bids alone earns nothing: else a keeper had a tip for each bidder that it passes in a transaction of its own.
    let earns = !matches!(outcome, Outcome::Unfinished);
    if !dropped.is_empty() {
        tell(&ctx.accounts.event_authority, &BidsDropped { job: job_key, bids: dropped })?;
    }
    match outcome {
        Outcome::Unfinished => {}
        Outcome::Reopened { attempts_left, close_ts } => {
            tell(&ctx.accounts.event_authority, &JobReopened { job: job_key, attempts_left, close_ts })?;
        }
        Outcome::Ended { reason, refunded } => {
            tell(
                &ctx.accounts.event_authority,
                &JobEnded { job: job_key, purse: ctx.accounts.purse.key(), reason, refunded },
            )?;
        }
        Outcome::Awarded(awarded, taken, rents) => {
            tell(&ctx.accounts.event_authority, &awarded)?;
            ctx.accounts.opening().fund(&taken, &rents)?;
        }
    }
    if earns {
        let (job, tip_to) = (ctx.accounts.job.as_ref(), ctx.accounts.tip_to.as_ref());
        pay_tip(&ctx.accounts.event_authority, job, tip_to, due, now.ts)?;
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
    /// The job takes bids again.
    Reopened {
        /// Attempts left.
        attempts_left: u8,
        /// End of the new window.
        close_ts: u64,
    },
    /// The job is over.
    Ended {
        /// Why.
        reason: u8,
        /// What goes back to the purse.
        refunded: u64,
    },
}

/// The first bidder that is good; those before it go into `dropped`.
fn choose<'info>(
    asked: &Asked<'_, 'info>,
    accounts: &'info [AccountInfo<'info>],
    dropped: &mut Vec<DroppedBid>,
) -> Result<Option<Taken<'info>>> {
    let bids = asked.job.book.iter().take(asked.job.book_len.into());
    for (bid, three) in bids.zip(accounts.chunks_exact(3)) {
        let Some(candidate) = Candidate::of(three) else { break };
        match candidate.take(asked, Some(bid))? {
            Ok(taken) => return Ok(Some(taken)),
            Err(drop) => dropped.push(drop),
        }
    }
    Ok(None)
}

fn unawarded<'info>(
    job: &mut Job,
    mut next: rules::Job,
    purse: &AccountLoader<Purse>,
    now: Now,
) -> Result<Outcome<'info>> {
    let outcome = next.unawarded(now.ts).or_rule()?;
    job.set_rules(&next, now);
    match outcome {
        Unawarded::Reopened => Ok(Outcome::Reopened { attempts_left: next.attempts_left, close_ts: next.close_ts.0 }),
        Unawarded::Refunded(back) => {
            let mut purse = purse.load_mut()?;
            let mut amounts = purse.amounts();
            amounts.release(back).or_rule()?;
            purse.set_amounts(amounts).or_rule()?;
            Ok(Outcome::Ended { reason: next.reason as u8, refunded: back.0 })
        }
    }
}
