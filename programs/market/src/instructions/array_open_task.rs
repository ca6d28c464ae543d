//! Opens the next task of an array: a job for each of its replicas.

use anchor_lang::Discriminator;
use anchor_lang::prelude::*;
use gridlease_core::array::Task;
use gridlease_core::job as rules;
use gridlease_core::limits::MAX_OPEN_JOBS;
use gridlease_core::{Now, RuleError, UnixTs, tip};
use program_common::clock::now;
use program_common::names;
use program_common::{require, require_keys_eq};

use super::array_post::task_rent;
use crate::emit::tell;
use crate::error::{MarketError, OrRule, rule};
use crate::event::TaskOpened;
use crate::intake;
use crate::lamports::{self, pay_tip_beside};
use crate::state::ACCOUNT_VERSION;
use crate::state::{Array, Config, Header, Job, Purse, TaskGroup, shard_of};
use market_interface::seed::{GROUP_SEED, JOB_SEED};

/// Accounts of `open_task`. Anybody may call it. Behind them follow the task's jobs in the order of its replicas
/// (writable), and, where it has several, its group (writable); none of them exists yet.
#[event_cpi]
#[derive(Accounts)]
pub struct OpenTask<'info> {
    /// Tells whether intake is paused.
    pub config: AccountLoader<'info, Config>,
    /// Counts its jobs; what the array's budget still allows is reserved again.
    #[account(mut)]
    pub purse: AccountLoader<'info, Purse>,
    /// Written; pays the rent of the task.
    #[cfg_attr(feature = "idl-build", account(has_one = purse))]
    #[account(mut, constraint = names!(array: Array, purse) @ MarketError::Unrelated)]
    pub array: AccountLoader<'info, Array>,
    /// Creates the accounts.
    pub system_program: Program<'info, System>,
    /// Who gets the tip for a step that is late; nobody where it is left out.
    /// CHECK: any account that the caller names.
    #[account(mut)]
    pub tip_to: Option<UncheckedAccount<'info>>,
}

/// The next task of an array shall be opened by anybody: a job for each replica, with the cap reserved that the array held
/// for it, which waits for its first bid. A task that was opened before, and an array that is over, stay as they are.
pub fn open_task<'info>(ctx: Context<'info, OpenTask<'info>>, task: u16) -> Result<()> {
    let now = now()?;
    let (due, opened, shape, bytes) = {
        let array = ctx.accounts.array.load()?;
        let due = UnixTs(array.header.due_ts);
        let mut next = array.rules().or_rule()?;
        let free = ctx.accounts.purse.load()?.amounts().free().or_rule()?;
        let Some(opened) = next.open_task(task, free).or_rule()? else {
            return Ok(()); // stale: somebody was faster, or it is over
        };
        intake::open(&*ctx.accounts.config.load()?)?;
        drop(array);
        let mut purse = ctx.accounts.purse.load_mut()?;
        let replicas = next.shape.replicas;
        let open_jobs = purse.open_jobs.saturating_add(replicas.into());
        require!(open_jobs <= MAX_OPEN_JOBS, MarketError::TooMany);
        purse.open_jobs = open_jobs;
        if !opened.added.is_zero() {
            let mut amounts = purse.amounts();
            amounts.reserve(opened.added).or_rule()?;
            purse.set_amounts(amounts).or_rule()?;
        }
        let mut array = ctx.accounts.array.load_mut()?;
        array.set_rules(&next, now).or_rule()?;
        let shape = Shape {
            replicas,
            uri_len: array.uri_len,
            attempts: array.attempts,
            others: u16::from(array.parallel).saturating_sub(array.open),
            closed: array.open.saturating_mul(replicas.into()).saturating_sub(array.jobs),
            unopened: array.count.saturating_sub(array.next),
        };
        (due, opened, shape, Array::space(task.into(), 0))
    };
    let replicas = shape.replicas;
    {
        let array = ctx.accounts.array.to_account_info();
        let mut data = array.try_borrow_mut_data()?;
        *data.get_mut(bytes).ok_or_else(|| rule(RuleError::InvariantBroken))? = Task::opened(replicas).0;
    }
    let (jobs, expires_at) = open_jobs(&ctx, task, replicas, shape.uri_len, now)?;
    if replicas > 1 {
        open_group(&ctx, task, replicas)?;
    }
    tell(
        &ctx.accounts.event_authority,
        &TaskOpened {
            array: ctx.accounts.array.key(),
            purse: ctx.accounts.purse.key(),
            task,
            added: opened.added.0,
            reserved: opened.handed.0 / u64::from(replicas),
            jobs,
            expires_at,
        },
    )?;
    let besides = pay_rent(&ctx, &shape)?;
    let (array, tip_to) = (ctx.accounts.array.as_ref(), ctx.accounts.tip_to.as_ref());
    pay_tip_beside(&ctx.accounts.event_authority, array, tip_to, due, now.ts, besides)
}

/// What the rent and the tips of a task depend on.
struct Shape {
    replicas: u8,
    uri_len: u8,
    attempts: u8,
    /// Tasks that may be open besides those that are.
    others: u16,
    /// Jobs of tasks that are open which are closed, so that their rent is back.
    closed: u16,
    /// Tasks that were not opened yet.
    unopened: u16,
}

fn open_jobs<'info>(
    ctx: &Context<'info, OpenTask<'info>>,
    task: u16,
    replicas: u8,
    uri_len: u8,
    now: Now,
) -> Result<(Vec<Pubkey>, u64)> {
    let mut jobs = Vec::with_capacity(replicas.into());
    let mut expires_at = 0;
    for replica in 0..replicas {
        let info = new_account(ctx, replica)?;
        let number = u64::from(task) * u64::from(replicas) + u64::from(replica);
        let (array_key, number_bytes) = (ctx.accounts.array.key(), number.to_le_bytes());
        let (address, bump) = crate::derive::find([JOB_SEED, array_key.as_ref(), &number_bytes]);
        require_keys_eq!(info.key(), address, MarketError::Unrelated);
        let seeds: &[&[u8]] = &[JOB_SEED, array_key.as_ref(), &number_bytes, &[bump]];
        lamports::open_unfunded(info, Job::space(uri_len.into()), seeds)?;
        expires_at = write_job(&ctx.accounts.array, info, Place { task, replica, number, bump }, now)?;
        jobs.push(address);
    }
    Ok((jobs, expires_at))
}

/// Where a job stands in its array.
struct Place {
    task: u16,
    replica: u8,
    number: u64,
    bump: u8,
}

/// Additional account number `at`, which must not exist yet.
fn new_account<'info>(ctx: &Context<'info, OpenTask<'info>>, at: u8) -> Result<&'info AccountInfo<'info>> {
    let info = ctx.remaining_accounts.get(usize::from(at)).ok_or(ErrorCode::AccountNotEnoughKeys)?;
    require_keys_eq!(*info.owner, anchor_lang::system_program::ID, MarketError::Unrelated);
    Ok(info)
}

/// Writes the job from the array's template; returns until when it waits for a bid.
fn write_job(array: &AccountLoader<Array>, info: &AccountInfo, place: Place, now: Now) -> Result<u64> {
    let array_key = array.key();
    let of_array = array.to_account_info();
    let template = array.load()?;
    let mut data = info.try_borrow_mut_data()?;
    let (discriminator, body) = data.split_at_mut(8);
    let (body, uri) = body.split_at_mut(core::mem::size_of::<Job>());
    discriminator.copy_from_slice(Job::DISCRIMINATOR);
    let job: &mut Job = bytemuck::from_bytes_mut(body);
    job.header = Header { version: ACCOUNT_VERSION, shard: shard_of(info.key), bump: place.bump, ..Header::default() };
    job.owner = template.owner;
    job.purse = template.purse;
    job.payer = array_key;
    job.array = array_key;
    job.manifest_hash = template.manifest_hash;
    job.image_digest = template.image_digest;
    job.number = place.number;
    job.max_price = template.max_price;
    job.posted_ts = now.ts.0;
    job.requirement = template.requirement;
    job.weights = template.weights;
    job.max_duration_s = template.max_duration_s;
    job.window_s = template.window_s;
    job.reveal_s = template.reveal_s;
    job.notice_s = template.notice_s;
    job.checkpoint_s = template.checkpoint_s;
    job.image_mb = template.image_mb;
    job.wait_s = template.wait_s;
    job.review_s = template.review_s;
    job.task = place.task.into();
    job.replica = if template.replicas > 1 { place.replica + 1 } else { 0 };
    job.attempts = template.attempts;
    job.mode = template.mode;
    job.verify_class = template.verify_class;
    job.manifest_place = template.manifest_place;
    job.uri_len = template.uri_len;

    let posted = rules::Job::post(job.terms(), now).or_rule()?;
    require!(posted.reserved.0 == template.cap, MarketError::Unrelated); // the array handed out its cap
    job.set_rules(&posted, now);
    let range = template.uri_range();
    drop(template);
    let of_array = of_array.try_borrow_data()?;
    let text = of_array.get(range).ok_or(MarketError::BadString)?;
    uri.get_mut(..text.len()).ok_or(MarketError::BadString)?.copy_from_slice(text);
    Ok(posted.expires_at.0)
}

fn open_group<'info>(ctx: &Context<'info, OpenTask<'info>>, task: u16, replicas: u8) -> Result<()> {
    let info = new_account(ctx, replicas)?;
    let (array_key, number) = (ctx.accounts.array.key(), task.to_le_bytes());
    let (address, bump) = crate::derive::find([GROUP_SEED, array_key.as_ref(), &number]);
    require_keys_eq!(info.key(), address, MarketError::Unrelated);
    let seeds: &[&[u8]] = &[GROUP_SEED, array_key.as_ref(), &number, &[bump]];
    lamports::open_unfunded(info, TaskGroup::SPACE, seeds)?;
    let mut data = info.try_borrow_mut_data()?;
    let (discriminator, body) = data.split_at_mut(8);
    discriminator.copy_from_slice(TaskGroup::DISCRIMINATOR);
    let group: &mut TaskGroup = bytemuck::from_bytes_mut(body);
    group.header =
        Header { version: ACCOUNT_VERSION, state: replicas, shard: shard_of(&address), bump, ..Header::default() };
    group.array = array_key;
    group.task = task.into();
    Ok(())
}

/// The array pays the rent of the task's accounts, and hands its jobs what it has for tips; it keeps its own rent, and returns
/// what it keeps besides for the rent of the tasks that may be opened next, now or when those that are open are over.
fn pay_rent<'info>(ctx: &Context<'info, OpenTask<'info>>, shape: &Shape) -> Result<u64> {
    let array = ctx.accounts.array.as_ref();
    let rent = Rent::get()?;
    let own = lamports::rent_of(&rent, array.data_len());
    let of_task = task_rent(&rent, shape.replicas, shape.uri_len)?;
    let left = array.lamports().checked_sub(of_task);
    require!(left.is_some_and(|left| left >= own), MarketError::NoTaskRent);
    let replicas = usize::from(shape.replicas);
    for info in ctx.remaining_accounts.iter().take(replicas + usize::from(replicas > 1)) {
        let needed = lamports::rent_of(&rent, info.data_len());
        lamports::shift(array, info, needed.saturating_sub(info.lamports()))?;
    }
    let of_job = lamports::rent_of(&rent, Job::space(shape.uri_len.into()));
    let of_closed = of_job.saturating_mul(shape.closed.into());
    let besides = of_task.saturating_mul(shape.others.into()).saturating_add(of_closed);
    let of_itself = tip::prepaid(u64::from(shape.unopened) + 1); // opening the others, and closing it
    let keeps = own.saturating_add(besides).saturating_add(of_itself);
    for info in ctx.remaining_accounts.iter().take(replicas) {
        lamports::shift(array, info, tip::payable(tip::prepaid_job(shape.attempts), array.lamports(), keeps))?;
    }
    Ok(besides)
}
