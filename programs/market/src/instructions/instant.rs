//! Posts a job and takes a standing offer in the same transaction.

use anchor_lang::prelude::*;
use gridlease_core::job::Mode;
use gridlease_core::limits::INSTANT_OFFERS;
use gridlease_core::{RuleError, tip};
use program_common::clock::now;
use program_common::{err, require};

use super::open_lease::{Asked, Candidate, Opening, Rents, Taken};
use super::post_job::{JobArgs, Posting, job_posted, reserve, write_job, write_uri};
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::intake;
use crate::lamports;
use crate::state::{Config, Job, Purse};
use market_interface::seed::JOB_SEED;
use staking_interface::ID as STAKING_ID;

/// Accounts of `post_instant`. Behind them follow one to four offers in the buyer's order, three accounts each: offer
/// (writable), provider (writable), bond (writable).
#[event_cpi]
#[derive(Accounts)]
#[instruction(number: u64, uri_len: u8)]
pub struct PostInstant<'info> {
    /// The purse's owner or its spender.
    pub signer: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Tells whether intake is paused; slot length, fee, and the bump of the signing PDA.
    pub config: AccountLoader<'info, Config>,
    /// The cap is reserved in it.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Must not exist yet.
    #[account(init, payer = payer, space = Job::space(uri_len.into()), seeds = [JOB_SEED, purse.key().as_ref(), &number.to_le_bytes()], bump)]
    pub job: AccountLoader<'info, Job>,
    /// The first lease of this job.
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
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
}

/// The first of the offers that is live, satisfies the job, asks at most what it pays, has a free unit and can reserve its
/// stake shall get the lease at its ask, in the transaction that posts the job. Where none fits, nothing shall be posted.
/// Where the lease fails to start, the job shall go on as an open auction while attempts remain.
pub fn post_instant<'info>(
    ctx: Context<'info, PostInstant<'info>>,
    number: u64,
    uri_len: u8,
    args: JobArgs,
) -> Result<()> {
    let caps = intake::open_for(&ctx.accounts.config, args.verify_class)?;
    if args.mode != Mode::Instant as u8 {
        return Err(rule(RuleError::WrongMode));
    }
    let offers = ctx.remaining_accounts.len() / 3;
    let whole = ctx.remaining_accounts.len() == offers * 3;
    require!(whole && offers > 0 && offers <= INSTANT_OFFERS, MarketError::BadOffers);
    let now = now()?;
    let posting = Posting {
        job: ctx.accounts.job.key(),
        bump: ctx.bumps.job,
        purse: ctx.accounts.purse.key(),
        signer: ctx.accounts.signer.key(),
        payer: ctx.accounts.payer.key(),
        number,
        uri_len,
        task: None,
    };
    let accounts = &*ctx.accounts;
    let opening = Opening {
        config: &accounts.config,
        lease: &accounts.lease,
        reservation: &accounts.reservation,
        staking_config: &accounts.staking_config,
        system: accounts.system_program.as_ref(),
        authority: &accounts.authority,
        staking_events: &accounts.staking_events,
        staking_program: &accounts.staking_program,
    };
    let (posted, awarded, taken, rents) = {
        let mut job = accounts.job.load_init()?;
        let posted = {
            let mut purse = accounts.purse.load_mut()?;
            let posted = write_job(&mut job, &posting, purse.owner, &args, now)?;
            caps.check_job(posted.reserved).or_rule()?;
            reserve(&mut purse, &posting, posted.reserved, now)?;
            posted
        };
        let asked =
            Asked { job: &job, wanted: job.wanted(), rents: Rents::get()?, now, book_began: now.ts, group: None };
        let (taken, skipped) = choose(&asked, ctx.remaining_accounts)?;
        let Asked { rents, .. } = asked;
        let mut awarded = opening.open(&posting.job, &mut job, &posted, &taken, now)?;
        awarded.skipped = skipped;
        (posted, awarded, taken, rents)
    };
    write_uri(&accounts.job.to_account_info(), args.manifest_uri.as_bytes())?;
    tell(&ctx.accounts.event_authority, &job_posted(&posting, &args, &posted))?;
    tell(&ctx.accounts.event_authority, &awarded)?;
    let tips = tip::prepaid_job(args.attempts);
    lamports::pay_in(&accounts.system_program, &accounts.payer, accounts.job.as_ref(), tips)?;
    opening.fund(&taken, &rents)
}

/// The first offer that fits, and how many before it did not.
fn choose<'info>(asked: &Asked<'_, 'info>, accounts: &'info [AccountInfo<'info>]) -> Result<(Taken<'info>, u8)> {
    for (three, skipped) in accounts.chunks_exact(3).zip(0u8..) {
        let Some(candidate) = Candidate::of(three) else { break };
        match candidate.take(asked, None)? {
            Ok(taken) => return Ok((taken, skipped)),
            // By number; the SDK turns it into words.
            Err(drop) => msg!("offer {} does not fit: {}", skipped, drop.refused),
        }
    }
    err!(MarketError::NoneFits)
}
