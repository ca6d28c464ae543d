//! Single steps in the life of jobs and leases. Most of them anybody may take: nothing waits for a keeper.

use gridlease_core::UnixTs;
use gridlease_core::job::{EndReason, JobState};
use gridlease_core::lease::LeaseState;
use gridlease_sdk::account::{Job, Lease, Offer, Provider};
use gridlease_sdk::instruction::job::{self as build_job, AWARD_BIDDERS, BidderKeys};
use gridlease_sdk::instruction::lease::{self as build_lease, LeaseKeys};
use serde::Serialize;
use solana_keypair::Keypair;
use solana_pubkey::Pubkey;
use solana_signer::Signer as _;

use crate::amount::Usdc;
use crate::buyer::event::{Money, as_text, lease_state_name};
use crate::buyer::track::{held, money_of};
use crate::chain::{Chain, Sent};
use crate::error::CliError;
use crate::output::span;

/// Most transactions of one award: each drops the bidders that are no longer good.
const AWARD_TRIES: usize = 4;
const NO_JOB: &str = "check the address and --url; a job whose account is closed is shown by `gridlease job show`";
const NO_LEASE: &str = "check the address and --url; a lease that is settled and closed has no account any more";

/// What a step did.
#[derive(Clone, Debug, Serialize)]
pub struct StepDone {
    /// What was done, in words.
    pub done: String,
    /// To what.
    #[serde(serialize_with = "as_text")]
    pub subject: Pubkey,
    /// The transactions.
    pub transactions: Vec<Sent>,
}

fn done(what: impl Into<String>, subject: &Pubkey, transactions: Vec<Sent>) -> StepDone {
    StepDone { done: what.into(), subject: *subject, transactions }
}

/// A job.
///
/// # Errors
/// [`CliError::Missing`], or the read's.
pub async fn job(chain: &Chain, address: &Pubkey) -> Result<Job, CliError> {
    chain.get(address, NO_JOB).await
}

/// A lease.
///
/// # Errors
/// [`CliError::Missing`], or the read's.
pub async fn lease(chain: &Chain, address: &Pubkey) -> Result<Lease, CliError> {
    chain.get(address, NO_LEASE).await
}

/// The lease that a running job has.
///
/// # Errors
/// [`CliError::State`] where it has none.
pub async fn current_lease(chain: &Chain, address: &Pubkey) -> Result<(Pubkey, Lease), CliError> {
    let job = job(chain, address).await?;
    match (job.state(), job.current_lease(address)) {
        (Some(JobState::Leased | JobState::Review), Some(key)) => Ok((key, lease(chain, &key).await?)),
        (Some(JobState::Open | JobState::Waiting), _) => Err(CliError::State(format!(
            "job {address} has no lease yet: it takes bids; `gridlease job cancel {address}` takes it back"
        ))),
        _ => Err(CliError::State(format!("job {address} is over: {}", job.end_reason().name()))),
    }
}

/// The buyer ends the lease of a job.
///
/// # Errors
/// [`CliError`].
pub async fn stop(chain: &Chain, owner: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let (key, lease) = current_lease(chain, address).await?;
    let sent = chain
        .send("stopping the job", &[build_lease::stop(&owner.pubkey(), &LeaseKeys::new(key, &lease))], owner)
        .await?;
    Ok(done("stopped; what was not used is back in the purse", address, vec![sent]))
}

/// The buyer takes an open job back.
///
/// # Errors
/// [`CliError`].
pub async fn cancel(chain: &Chain, owner: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let job = job(chain, address).await?;
    match job.state() {
        Some(JobState::Open | JobState::Waiting) => {}
        Some(JobState::Leased) => {
            return Err(CliError::State(format!("job {address} was awarded; `gridlease job stop {address}` ends it")));
        }
        _ => return Err(CliError::State(format!("job {address} is over: {}", job.end_reason().name()))),
    }
    let sent = chain.send("cancelling the job", &[build_job::cancel(&owner.pubkey(), address)], owner).await?;
    Ok(done("cancelled; all of its reservation is back in the purse", address, vec![sent]))
}

/// The buyer accepts what the node finished.
///
/// # Errors
/// [`CliError`].
pub async fn accept(chain: &Chain, owner: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let keys = finished(chain, address).await?;
    let sent = chain.send("accepting the result", &[build_lease::accept(&owner.pubkey(), &keys)], owner).await?;
    Ok(done("accepted; what was not used is back in the purse", address, vec![sent]))
}

/// The buyer reopens a job that the node finished.
///
/// # Errors
/// [`CliError`].
pub async fn reopen(chain: &Chain, owner: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let keys = finished(chain, address).await?;
    let sent = chain.send("reopening the job", &[build_lease::reopen(&owner.pubkey(), &keys)], owner).await?;
    let after = job(chain, address).await?;
    let how = match after.state() {
        Some(JobState::Ended) => "reopened, but no attempt or no money was left: it is over".to_owned(),
        _ => format!("reopened; it waits for another provider, {} attempts are left", after.attempts_left),
    };
    Ok(done(how, address, vec![sent]))
}

/// The lease of a job that its node finished and the buyer has not spoken about.
async fn finished(chain: &Chain, address: &Pubkey) -> Result<LeaseKeys, CliError> {
    let (key, lease) = current_lease(chain, address).await?;
    if lease.state() != Some(LeaseState::Finished) {
        let state = lease.state().map_or("of an unknown state", lease_state_name);
        return Err(CliError::State(format!("the node has not finished job {address}: its lease is {state}")));
    }
    Ok(LeaseKeys::new(key, &lease))
}

/// Ends a job that waited for a bid for long enough.
///
/// # Errors
/// [`CliError`].
pub async fn expire(chain: &Chain, payer: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let job = job(chain, address).await?;
    if job.state() != Some(JobState::Waiting) {
        return Err(CliError::State(format!("job {address} does not wait for bids; there is nothing to end")));
    }
    let sent = chain.send("ending the job", &[build_job::expire(address, &job.purse)], payer).await?;
    Ok(done("ended; nobody bid, and all of its reservation is back in the purse", address, vec![sent]))
}

/// The buyer adds to the reservation of a job's lease.
///
/// # Errors
/// [`CliError`].
pub async fn top_up(chain: &Chain, owner: &Keypair, address: &Pubkey, amount: Usdc) -> Result<StepDone, CliError> {
    let (key, before) = current_lease(chain, address).await?;
    let purse = chain.purse(&owner.pubkey()).await?;
    Chain::check_free(&owner.pubkey(), &purse, amount.atoms(), "this top-up")?;
    // Money alone lengthens no lease: where it pays for more than the lease may last, the stake behind it grows first.
    let extend = build_lease::extension_for_top_up(&owner.pubkey(), &LeaseKeys::new(key, &before), &before, amount.0);
    let top_up = build_lease::top_up(&owner.pubkey(), &key, amount.0, before.open_challenger());
    let steps: Vec<_> = extend.into_iter().chain([top_up]).collect();
    let sent = chain.send("topping up", &steps, owner).await?;
    let runway = lease(chain, &key).await?.runway_end;
    let left = span(runway.saturating_sub(chain.client().now().await?.ts.0));
    Ok(done(format!("topped up with {amount} USDC; the money lasts another {left}"), address, vec![sent]))
}

/// Enters an offer that takes automatic bids into a job's auction.
///
/// # Errors
/// [`CliError`].
pub async fn enter(chain: &Chain, payer: &Keypair, address: &Pubkey, offer: &Pubkey) -> Result<StepDone, CliError> {
    let found: Offer = chain.get(offer, "`gridlease offer list` shows the live ones").await?;
    let provider: Provider = chain.get(&found.provider, "its offer is damaged").await?;
    let bidder = BidderKeys { provider: found.provider, offer: found.number, bond: provider.bond };
    let sent = chain.send("entering the offer", &[build_job::enter_offer(address, &bidder)], payer).await?;
    Ok(done("entered the offer, or it leads already", address, vec![sent]))
}

/// Awards a job whose window is over.
///
/// # Errors
/// [`CliError`].
pub async fn award(chain: &Chain, payer: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let mut transactions = Vec::new();
    for _ in 0..AWARD_TRIES {
        let before = job(chain, address).await?;
        if before.state() == Some(JobState::Waiting) && transactions.is_empty() {
            return Err(CliError::State(format!("job {address} has no bids yet: the first one opens its window")));
        }
        if before.state() != Some(JobState::Open) {
            break;
        }
        let now = chain.client().now().await?;
        if now.ts < UnixTs(before.close_ts) {
            if transactions.is_empty() {
                let left = before.close_ts - now.ts.0;
                return Err(CliError::State(format!(
                    "bidding for job {address} is open for another {left} s; try again then"
                )));
            }
            break;
        }
        let mut bidders = Vec::new();
        for bid in before.bids().iter().take(AWARD_BIDDERS) {
            let provider: Provider = chain.get(&bid.provider, "its bid is damaged").await?;
            bidders.push(BidderKeys { provider: bid.provider, offer: bid.offer, bond: provider.bond });
        }
        let instruction = build_job::award(address, &before.purse, before.leases, &bidders);
        transactions.push(chain.send("awarding the job", &[instruction], payer).await?);
    }
    let after = job(chain, address).await?;
    let outcome = match (after.state(), after.current_lease(address)) {
        (Some(JobState::Leased), Some(lease)) => format!("awarded: lease {lease}"),
        (Some(JobState::Open), _) => "bids that are no longer good were dropped; call it again".to_owned(),
        (Some(JobState::Waiting), _) => "nobody could take it; it waits for bids again".to_owned(),
        _ => format!("the job is over: {}", after.end_reason().name()),
    };
    Ok(done(outcome, address, transactions))
}

/// Closes a job that is over; its rent goes back to who paid it.
///
/// # Errors
/// [`CliError`].
pub async fn close_job(chain: &Chain, payer: &Keypair, address: &Pubkey) -> Result<StepDone, CliError> {
    let job = job(chain, address).await?;
    if job.state() != Some(JobState::Ended) {
        return Err(CliError::State(format!("job {address} is not over; only a job that is over can be closed")));
    }
    let sent = chain.send("closing the job", &[build_job::close(address, &job.purse, &job.payer)], payer).await?;
    Ok(done(format!("closed; its rent is back with {}", job.payer), address, vec![sent]))
}

/// A step on a lease that anybody may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseStep {
    /// Pay what has accrued.
    Settle,
    /// Move it on where its time has come.
    Expire,
    /// Fail it where it did not start.
    FailStart,
    /// Close it where it is over and paid.
    Close,
}

/// Takes a step on a lease.
///
/// # Errors
/// [`CliError`].
pub async fn lease_step(
    chain: &Chain,
    payer: &Keypair,
    address: &Pubkey,
    step: LeaseStep,
) -> Result<StepDone, CliError> {
    let before = lease(chain, address).await?;
    let keys = LeaseKeys::new(*address, &before);
    let (doing, instruction) = match step {
        LeaseStep::Settle => ("settling the lease", build_lease::settle(&keys)),
        LeaseStep::Expire => ("expiring the lease", build_lease::expire(&keys)),
        LeaseStep::Close => ("closing the lease", build_lease::close(&keys)),
        LeaseStep::FailStart => {
            let insurance = chain.client().staking_config().await?.insurance;
            ("failing the lease's start", build_lease::fail_start(&payer.pubkey(), &keys, &insurance))
        }
    };
    let sent = chain.send(doing, &[instruction], payer).await?;
    let after: Option<Lease> = chain.client().find(address).await?;
    let words = match (step, after) {
        (_, None) => "closed; stake, unit and rent are free again".to_owned(),
        (LeaseStep::Settle, Some(after)) => {
            let moved = Usdc(after.paid.saturating_sub(before.paid));
            format!("paid {moved} USDC, {} in all, {} still held", Usdc(after.paid), Usdc(held(&after)))
        }
        (_, Some(after)) => format!("the lease is {}", after.state().map_or("of an unknown state", lease_state_name)),
    };
    Ok(done(words, address, vec![sent]))
}

/// A lease, for people and programs.
#[derive(Clone, Debug, Serialize)]
pub struct LeaseView {
    /// The lease.
    #[serde(serialize_with = "as_text")]
    pub lease: Pubkey,
    /// Its job.
    #[serde(serialize_with = "as_text")]
    pub job: Pubkey,
    /// The provider record.
    #[serde(serialize_with = "as_text")]
    pub provider: Pubkey,
    /// Its state, in a word.
    pub state: &'static str,
    /// Why it ended, in words; "running" before.
    pub reason: &'static str,
    /// Exit code of the container.
    pub exit_code: Option<i32>,
    /// Price per hour.
    pub price: Usdc,
    /// The amounts.
    #[serde(flatten)]
    pub money: Money,
    /// Neither paid, nor fee, nor refunded.
    pub held: Usdc,
    /// Stake reserved for it at the award.
    pub stake: Usdc,
    /// When it was awarded, Unix seconds.
    pub awarded_ts: u64,
    /// Last moment for its start.
    pub start_deadline: u64,
    /// When it started; 0 before.
    pub ready_ts: u64,
    /// When it ended; 0 before.
    pub ended_ts: u64,
    /// Root over the outputs, hex; zeros for none.
    pub result_hash: String,
    /// Last link of the log's chain, hex; zeros for none.
    pub log_hash: String,
}

/// Reads a lease.
///
/// # Errors
/// [`CliError`].
pub async fn lease_view(chain: &Chain, address: &Pubkey) -> Result<LeaseView, CliError> {
    let found = lease(chain, address).await?;
    Ok(view_of(*address, &found, chain.client().now().await?))
}

/// A lease as it stands at `now`.
pub fn view_of(address: Pubkey, lease: &Lease, now: gridlease_core::Now) -> LeaseView {
    LeaseView {
        lease: address,
        job: lease.job,
        provider: lease.provider,
        state: lease.state().map_or("unknown", lease_state_name),
        reason: if lease.state().is_some_and(LeaseState::is_over) {
            lease.end_reason().name()
        } else {
            EndReason::None.name()
        },
        exit_code: lease.exit(),
        price: Usdc(lease.price),
        money: money_of(lease, now),
        held: Usdc(held(lease)),
        stake: Usdc(lease.stake),
        awarded_ts: lease.awarded_ts,
        start_deadline: lease.start_deadline,
        ready_ts: lease.ready_ts,
        ended_ts: lease.ended_ts,
        result_hash: hex::encode(lease.result_hash),
        log_hash: hex::encode(lease.log_hash),
    }
}
