//! Posts a job: reserves its cap and opens its bidding window.

use anchor_lang::prelude::*;
use gridlease_core::job as rules;
use gridlease_core::limits::MAX_URI;
use gridlease_core::number as number_rules;
use gridlease_core::requirement::Requirement;
use gridlease_core::score::Weights;

use crate::constants::{ACCOUNT_VERSION, JOB_SEED, MAX_OPEN_JOBS};
use crate::convert::now;
use crate::error::{MarketError, OrRule};
use crate::event::JobPosted;
use crate::state::{Config, Header, Job, Purse, RequirementArgs, RequirementData, manifest_place, shard_of};

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
    /// Attempts.
    pub attempts: u8,
    /// Auction mode; 0: open auction.
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
    /// The purse's owner or its spender; pays the rent and gets it back.
    #[account(mut)]
    pub signer: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// The cap is reserved in it.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Must not exist yet.
    #[account(init, payer = signer, space = Job::space(uri_len.into()), seeds = [JOB_SEED, purse.key().as_ref(), &number.to_le_bytes()], bump)]
    pub job: AccountLoader<'info, Job>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// A job shall reserve its cap when it is posted, so that no match can fail for want of money. Its number shall be higher
/// than that of the purse's last job: a repeated posting changes nothing, and an address is never used twice.
pub fn post_job(ctx: Context<PostJob>, number: u64, uri_len: u8, args: JobArgs) -> Result<()> {
    require!(ctx.accounts.config.load()?.paused == 0, MarketError::Paused);
    require!(args.mode == 0 && args.verify_class == 0, MarketError::NotTaken);
    require!(
        usize::from(uri_len) == args.manifest_uri.len() && args.manifest_uri.len() <= MAX_URI,
        MarketError::BadString
    );
    require!(args.manifest_uri.bytes().all(|byte| byte.is_ascii_graphic()), MarketError::BadString);
    let requirement = RequirementData::from(&args.requirement);
    Requirement::from(&requirement).check().or_rule()?;
    Weights::new(args.weights).or_rule()?;
    let now = now()?;
    let job_key = ctx.accounts.job.key();
    let purse_key = ctx.accounts.purse.key();

    let (reserved, close_ts) = {
        let mut purse = ctx.accounts.purse.load_mut()?;
        require!(number > purse.last_job, MarketError::NumberUsed);
        number_rules::check(number, now.slot).or_rule()?;
        require!(purse.open_jobs < MAX_OPEN_JOBS, MarketError::TooMany);

        let mut job = ctx.accounts.job.load_init()?;
        job.header =
            Header { version: ACCOUNT_VERSION, shard: shard_of(&job_key), bump: ctx.bumps.job, ..Header::default() };
        job.owner = purse.owner;
        job.purse = purse_key;
        job.payer = ctx.accounts.signer.key();
        job.manifest_hash = args.manifest_hash;
        job.image_digest = args.image_digest;
        job.number = number;
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
        job.attempts = args.attempts;
        job.mode = args.mode;
        job.verify_class = args.verify_class;
        job.manifest_place = if uri_len == 0 { manifest_place::PUSHED } else { manifest_place::URI };
        job.uri_len = uri_len;

        let posted = rules::Job::post(job.terms(), now.ts).or_rule()?;
        job.set_rules(&posted, now);
        purse.authorise_posting(&ctx.accounts.signer.key(), posted.reserved, now.ts)?;
        let mut amounts = purse.amounts();
        amounts.reserve(posted.reserved).or_rule()?;
        purse.set_amounts(amounts)?;
        purse.last_job = number;
        purse.open_jobs += 1;
        (posted.reserved.0, posted.close_ts.0)
    };
    write_uri(&ctx.accounts.job, args.manifest_uri.as_bytes())?;
    emit_cpi!(JobPosted {
        job: job_key,
        purse: purse_key,
        max_price: args.max_price,
        reserved,
        manifest_hash: args.manifest_hash,
        close_ts,
    });
    Ok(())
}

fn write_uri(job: &AccountLoader<Job>, uri: &[u8]) -> Result<()> {
    let info = job.to_account_info();
    let mut data = info.try_borrow_mut_data()?;
    let tail = data.get_mut(Job::space(0)..).ok_or(MarketError::BadString)?;
    for (to, from) in tail.iter_mut().zip(uri) {
        *to = *from;
    }
    Ok(())
}
