//! Posts a job: reserves its cap. It waits for its first bid.

use anchor_lang::prelude::*;
use gridlease_core::job::{self as rules, Mode};
use gridlease_core::limits::{MAX_OPEN_JOBS, MAX_URI};
use gridlease_core::purse_key::PurseStep;
use gridlease_core::requirement::Requirement;
use gridlease_core::score::Weights;
use gridlease_core::{Atoms, Now, RuleError, Seconds, job_number, tip};
use program_common::clock::now;
use program_common::require;

use super::purse_keys::authorise_spending;
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::JobPosted;
use crate::intake;
use crate::lamports;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Config, Header, Job, Purse, RequirementArgs, RequirementData, manifest_place, shard_of};
use market_interface::seed::JOB_SEED;

/// What a buyer posts.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct JobArgs {
    /// What it needs.
    pub requirement: RequirementArgs,
    /// SHA-256 of the canonical manifest.
    pub manifest_hash: [u8; 32],
    /// Digest of the image.
    pub image_digest: [u8; 32],
    /// The most it pays per hour, in atoms.
    pub max_price: u64,
    /// Longest duration in seconds.
    pub max_duration_s: u32,
    /// Length of the bidding window in seconds.
    pub window_s: u32,
    /// Length of the revealing of a sealed auction in seconds; zero for the other modes.
    pub reveal_s: u32,
    /// Notice with which the provider may leave, in seconds; zero: it may not.
    pub notice_s: u32,
    /// Time between checkpoints in seconds; zero for a job that is not durable.
    pub checkpoint_s: u32,
    /// Size of the image in megabytes (10⁶ bytes).
    pub image_mb: u32,
    /// Score weights: reputation, price, uptime, speed; 10,000 in all.
    pub weights: [u16; 4],
    /// How long it waits for a winner, in seconds; at most 30 days.
    pub wait_s: u32,
    /// For how many seconds the buyer may reopen it after the node finished; zero: for as long as it ran.
    pub review_s: u32,
    /// Attempts: leases that may fail.
    pub attempts: u8,
    /// Auction mode, see `gridlease_core::job::Mode`: 0 open, 1 instant (`post_instant` only), 2 sealed.
    pub mode: u8,
    /// Verification class; 0: none.
    pub verify_class: u8,
    /// Where the manifest is; empty: the buyer pushes it to the winner.
    pub manifest_uri: String,
}

/// Accounts of `post_job`. The number and the length of the URI come before the other arguments, so that the account's
/// address and size are known without reading the rest.
#[event_cpi]
#[derive(Accounts)]
#[instruction(number: u64, uri_len: u8)]
pub struct PostJob<'info> {
    /// The purse's owner or its spender.
    pub signer: Signer<'info>,
    /// Pays the rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// The cap is reserved in it.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Must not exist yet.
    #[account(init, payer = payer, space = Job::space(uri_len.into()), seeds = [JOB_SEED, purse.key().as_ref(), &number.to_le_bytes()], bump)]
    pub job: AccountLoader<'info, Job>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// A job shall reserve its cap when it is posted, so that no match can fail for want of money. Its number shall be higher
/// than that of the purse's last job: a repeated posting changes nothing, and an address is never used twice. Who posts sets
/// the tips of its cranks aside; what is not used comes back with the rent.
pub fn post_job(ctx: Context<PostJob>, number: u64, uri_len: u8, args: JobArgs) -> Result<()> {
    let caps = intake::open_for(&ctx.accounts.config, args.verify_class)?;
    if args.mode == Mode::Instant as u8 {
        return Err(rule(RuleError::WrongMode)); // it needs the offers: `post_instant`
    }
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
    let event = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        let mut job = ctx.accounts.job.load_init()?;
        let posted = write_job(&mut job, &posting, purse.owner, &args, now)?;
        caps.check_job(posted.reserved).or_rule()?;
        reserve(&mut purse, &posting, posted.reserved, now)?;
        job_posted(&posting, &args, &posted)
    };
    write_uri(&ctx.accounts.job.to_account_info(), args.manifest_uri.as_bytes())?;
    tell(&ctx.accounts.event_authority, &event)?;
    let tips = tip::prepaid_job(args.attempts);
    lamports::pay_in(&ctx.accounts.system_program, &ctx.accounts.payer, ctx.accounts.job.as_ref(), tips)
}

/// Where a job is written, and who stands behind it.
pub struct Posting {
    /// Its address.
    pub job: Pubkey,
    /// Bump of that.
    pub bump: u8,
    /// The purse that pays.
    pub purse: Pubkey,
    /// Who posts it.
    pub signer: Pubkey,
    /// Who pays the rent and gets it back.
    pub payer: Pubkey,
    /// The job's number.
    pub number: u64,
    /// Bytes of the manifest's URI.
    pub uri_len: u8,
    /// What it is a task of.
    pub task: Option<Task>,
}

/// The place of a job in an array.
pub struct Task {
    /// The array.
    pub array: Pubkey,
    /// Number of the task.
    pub task: u32,
    /// Number of the replica.
    pub replica: u8,
}

/// Writes a new job of `owner` after its terms were checked; returns its moving parts. It reserves nothing.
pub fn write_job(job: &mut Job, posting: &Posting, owner: Pubkey, args: &JobArgs, now: Now) -> Result<rules::Job> {
    let uri = args.manifest_uri.as_bytes();
    require!(usize::from(posting.uri_len) == uri.len() && uri.len() <= MAX_URI, MarketError::BadString);
    require!(uri.iter().all(u8::is_ascii_graphic), MarketError::BadString);
    let mode = Mode::from_byte(args.mode).or_rule()?;
    let requirement = RequirementData::from(&args.requirement);
    Requirement::from(&requirement).check().or_rule()?;
    Weights::new(args.weights).or_rule()?;
    rules::check_care(Seconds(args.notice_s.into()), Seconds(args.checkpoint_s.into())).or_rule()?;

    job.header =
        Header { version: ACCOUNT_VERSION, shard: shard_of(&posting.job), bump: posting.bump, ..Header::default() };
    job.owner = owner;
    job.purse = posting.purse;
    job.payer = posting.payer;
    job.manifest_hash = args.manifest_hash;
    job.image_digest = args.image_digest;
    job.number = posting.number;
    job.max_price = args.max_price;
    job.posted_ts = now.ts.0;
    job.requirement = requirement;
    job.weights = args.weights;
    job.max_duration_s = args.max_duration_s;
    job.window_s = args.window_s;
    job.reveal_s = args.reveal_s;
    job.notice_s = args.notice_s;
    job.checkpoint_s = args.checkpoint_s;
    job.image_mb = args.image_mb;
    job.wait_s = args.wait_s;
    job.review_s = args.review_s;
    job.attempts = args.attempts;
    job.mode = mode as u8;
    job.verify_class = args.verify_class;
    job.manifest_place = if uri.is_empty() { manifest_place::PUSHED } else { manifest_place::URI };
    job.uri_len = posting.uri_len;
    if let Some(task) = &posting.task {
        (job.array, job.task, job.replica) = (task.array, task.task, task.replica);
    }
    let posted = rules::Job::post(job.terms(), now).or_rule()?;
    job.set_rules(&posted, now);
    Ok(posted)
}

/// Reserves a new job's cap in its purse, and counts the job. It is posted by the purse's owner, or by its spender within its cap.
pub fn reserve(purse: &mut Purse, posting: &Posting, cap: Atoms, now: Now) -> Result<()> {
    let number = posting.number;
    require!(number > purse.last_job, MarketError::NumberUsed);
    job_number::check(number, now.slot).or_rule()?;
    authorise_spending(purse, &posting.signer, PurseStep::Post, cap, now.ts)?;
    require!(purse.open_jobs < MAX_OPEN_JOBS, MarketError::TooMany);
    let mut amounts = purse.amounts();
    amounts.reserve(cap).or_rule()?;
    purse.set_amounts(amounts).or_rule()?;
    purse.last_job = number;
    purse.open_jobs += 1;
    Ok(())
}

/// What the world is told of a new job.
pub fn job_posted(posting: &Posting, args: &JobArgs, posted: &rules::Job) -> JobPosted {
    JobPosted {
        job: posting.job,
        purse: posting.purse,
        max_price: args.max_price,
        reserved: posted.reserved.0,
        manifest_hash: args.manifest_hash,
        expires_at: posted.expires_at.0,
    }
}

/// Writes the manifest's URI behind the fixed part of a new job.
pub fn write_uri(job: &AccountInfo, uri: &[u8]) -> Result<()> {
    let mut data = job.try_borrow_mut_data()?;
    let tail = data.get_mut(Job::space(0)..).ok_or(MarketError::BadString)?;
    for (to, from) in tail.iter_mut().zip(uri) {
        *to = *from;
    }
    Ok(())
}
