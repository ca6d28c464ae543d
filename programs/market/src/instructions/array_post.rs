//! Posts an array: reserves its budget and pays in the rent of the tasks that may be open at a time.

use anchor_lang::prelude::*;
use gridlease_core::array as rules;
use gridlease_core::limits::{MAX_OPEN_JOBS, MAX_TASKS, MAX_URI};
use gridlease_core::requirement::Requirement;
use gridlease_core::score::Weights;
use gridlease_core::{Atoms, RuleError, Seconds, job as jobs, job_number, tip};
use program_common::clock::now;
use program_common::names;
use program_common::require;

use super::post_job::JobArgs;
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::ArrayPosted;
use crate::intake;
use crate::lamports;
use crate::state::ACCOUNT_VERSION;
use crate::state::{Array, Config, Header, Job, Purse, RequirementData, TaskGroup, manifest_place, shard_of};
use market_interface::seed::ARRAY_SEED;

/// What a buyer asks for besides what each job is; see `gridlease_core::array::Shape`.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct ArrayShape {
    /// Tasks, 1 to 1,024.
    pub count: u16,
    /// Tasks that must complete, at most all.
    pub quorum: u16,
    /// Jobs of each task, 1 to 3.
    pub replicas: u8,
    /// Tasks that may be open at a time, 1 to 64.
    pub parallel: u8,
    /// The most that all of it may cost, in atoms: at least what one task can, at most what all of them can.
    pub budget: u64,
}

impl From<&ArrayShape> for rules::Shape {
    fn from(shape: &ArrayShape) -> Self {
        Self {
            count: shape.count,
            quorum: shape.quorum,
            replicas: shape.replicas,
            parallel: shape.parallel,
            budget: Atoms(shape.budget),
        }
    }
}

/// Accounts of `post_array`.
#[event_cpi]
#[derive(Accounts)]
#[instruction(number: u64, uri_len: u8, shape: ArrayShape)]
pub struct PostArray<'info> {
    /// The purse's owner.
    pub owner: Signer<'info>,
    /// Pays all rent and gets it back.
    #[account(mut)]
    pub payer: Signer<'info>,
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// The budget is reserved in it.
    #[cfg_attr(feature = "idl-build", account(has_one = owner))]
    #[account(mut, constraint = names!(purse: Purse, owner) @ MarketError::NotBuyer)]
    pub purse: AccountLoader<'info, Purse>,
    /// Must not exist yet.
    #[account(
        init, payer = payer, space = Array::space(shape.count.min(MAX_TASKS).into(), uri_len.into()),
        seeds = [ARRAY_SEED, purse.key().as_ref(), &number.to_le_bytes()], bump,
    )]
    pub array: AccountLoader<'info, Array>,
    /// Creates the account.
    pub system_program: Program<'info, System>,
}

/// An array shall reserve its budget when it is posted, and hold the rent and the tips of as many tasks as may be open at a
/// time. Its number shall be higher than that of the purse's last job or array.
pub fn post_array(ctx: Context<PostArray>, number: u64, uri_len: u8, shape: ArrayShape, args: JobArgs) -> Result<()> {
    let caps = intake::open_for(&ctx.accounts.config, args.verify_class)?;
    check(uri_len, &args)?;
    let now = now()?;
    let reserved = write(&ctx, number, uri_len, &shape, &args, now)?;
    caps.check_job(reserved).or_rule()?;
    write_uri(&ctx.accounts.array, shape.count, args.manifest_uri.as_bytes())?;
    tell(
        &ctx.accounts.event_authority,
        &ArrayPosted {
            array: ctx.accounts.array.key(),
            purse: ctx.accounts.purse.key(),
            count: shape.count,
            quorum: shape.quorum,
            replicas: shape.replicas,
            parallel: shape.parallel,
            max_price: args.max_price,
            reserved: reserved.0,
            manifest_hash: args.manifest_hash,
        },
    )?;
    let one = task_rent(&Rent::get()?, shape.replicas, uri_len)?;
    let rent = one.checked_mul(shape.parallel.into()).ok_or_else(|| rule(RuleError::Overflow))?;
    let jobs = u32::from(shape.parallel).saturating_mul(shape.replicas.into());
    let tips = tip::prepaid_array(shape.count.into(), jobs, args.attempts);
    let lamports = rent.checked_add(tips).ok_or_else(|| rule(RuleError::Overflow))?;
    lamports::pay_in(&ctx.accounts.system_program, &ctx.accounts.payer, ctx.accounts.array.as_ref(), lamports)
}

/// Rent of the accounts of one task: its jobs, and its group where it has replicas.
pub fn task_rent(rent: &Rent, replicas: u8, uri_len: u8) -> Result<u64> {
    let job = lamports::rent_of(rent, Job::space(uri_len.into()));
    let group = if replicas > 1 { lamports::rent_of(rent, TaskGroup::SPACE) } else { 0 };
    let jobs = job.checked_mul(replicas.into());
    jobs.and_then(|jobs| jobs.checked_add(group)).ok_or_else(|| rule(RuleError::Overflow))
}

/// The arguments are those of jobs that this version takes.
fn check(uri_len: u8, args: &JobArgs) -> Result<()> {
    require!(args.mode == 0, MarketError::NotTaken);
    jobs::check_care(Seconds(args.notice_s.into()), Seconds(args.checkpoint_s.into())).or_rule()?;
    require!(
        usize::from(uri_len) == args.manifest_uri.len() && args.manifest_uri.len() <= MAX_URI,
        MarketError::BadString
    );
    require!(args.manifest_uri.bytes().all(|byte| byte.is_ascii_graphic()), MarketError::BadString);
    Requirement::from(&RequirementData::from(&args.requirement)).check().or_rule()?;
    Weights::new(args.weights).or_rule()?;
    Ok(())
}

fn write(
    ctx: &Context<PostArray>,
    number: u64,
    uri_len: u8,
    shape: &ArrayShape,
    args: &JobArgs,
    now: gridlease_core::Now,
) -> Result<Atoms> {
    let array_key = ctx.accounts.array.key();
    let mut purse = ctx.accounts.purse.load_mut()?;
    require!(number > purse.last_job, MarketError::NumberUsed);
    job_number::check(number, now.slot).or_rule()?;
    require!(purse.open_jobs < MAX_OPEN_JOBS, MarketError::TooMany);

    let mut array = ctx.accounts.array.load_init()?;
    array.header =
        Header { version: ACCOUNT_VERSION, shard: shard_of(&array_key), bump: ctx.bumps.array, ..Header::default() };
    array.owner = purse.owner;
    array.purse = ctx.accounts.purse.key();
    array.payer = ctx.accounts.payer.key();
    array.manifest_hash = args.manifest_hash;
    array.image_digest = args.image_digest;
    array.number = number;
    array.max_price = args.max_price;
    array.budget = shape.budget;
    array.posted_ts = now.ts.0;
    array.requirement = RequirementData::from(&args.requirement);
    array.weights = args.weights;
    array.max_duration_s = args.max_duration_s;
    array.window_s = args.window_s;
    array.reveal_s = args.reveal_s;
    array.notice_s = args.notice_s;
    array.checkpoint_s = args.checkpoint_s;
    array.image_mb = args.image_mb;
    array.wait_s = args.wait_s;
    array.review_s = args.review_s;
    array.count = shape.count;
    array.quorum = shape.quorum;
    array.replicas = shape.replicas;
    array.parallel = shape.parallel;
    array.attempts = args.attempts;
    array.mode = args.mode;
    array.verify_class = args.verify_class;
    array.manifest_place = if uri_len == 0 { manifest_place::PUSHED } else { manifest_place::URI };
    array.uri_len = uri_len;

    let terms = array.terms();
    terms.check().or_rule()?;
    let cap = terms.cap().or_rule()?;
    array.cap = cap.0;
    let posted = rules::Array::post(rules::Shape::from(shape), cap).or_rule()?;
    array.set_rules(&posted, now).or_rule()?;
    let mut amounts = purse.amounts();
    amounts.reserve(posted.reserved).or_rule()?;
    purse.set_amounts(amounts).or_rule()?;
    purse.last_job = number;
    purse.open_jobs += 1;
    Ok(posted.reserved)
}

fn write_uri(array: &AccountLoader<Array>, tasks: u16, uri: &[u8]) -> Result<()> {
    let info = array.to_account_info();
    let mut data = info.try_borrow_mut_data()?;
    let tail = data.get_mut(Array::space(tasks.into(), 0)..).filter(|tail| tail.len() == uri.len());
    tail.ok_or(MarketError::BadString)?.copy_from_slice(uri);
    Ok(())
}
