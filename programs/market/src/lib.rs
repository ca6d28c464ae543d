//! The market: offers, jobs, books, leases and purses. Rules come from `gridlease-core`; this program checks accounts,
//! asks the rules, writes what they say, and moves money last.

#![allow(missing_docs, reason = "the macros of Anchor generate items without documentation")]

use anchor_lang::prelude::*;

pub mod constants;
pub mod deployer;
pub mod derive;
pub mod emit;
pub mod entrypoint;
pub mod error;
pub mod event;
pub mod history;
pub mod instructions;
mod intake;
pub mod lamports;
pub mod payout;
pub mod peek;
pub mod replicas;
pub mod staking_cpi;
pub mod token;

use instructions::*;

pub use market_interface::{EVENT_AUTHORITY_AND_BUMP, ID, ID_CONST, account as state, check_id, id};

/// The instructions: first those that cost most, because each is asked after those before it; then the others in the order of a
/// job's life.
#[program]
pub mod market {
    use super::*;

    /// Pays what has accrued, of one lease or of several.
    pub fn settle<'info>(ctx: Context<'info, Settle<'info>>) -> Result<()> {
        instructions::settle::settle(ctx)
    }

    /// Closes a lease that is over and paid.
    pub fn close_lease(ctx: Context<CloseLease>) -> Result<()> {
        instructions::close_lease::close_lease(ctx)
    }

    /// Awards a job whose window is over.
    pub fn award<'info>(ctx: Context<'info, Award<'info>>) -> Result<()> {
        instructions::award::award(ctx)
    }

    /// Starts the meter.
    ///
    /// - `image_digest`: digest of the image that runs, which must be the job's.
    /// - `gpu_hash`: hash over the UUIDs of the GPUs in use.
    pub fn ready(ctx: Context<Ready>, image_digest: [u8; 32], gpu_hash: [u8; 32]) -> Result<()> {
        instructions::ready::ready(ctx, image_digest, gpu_hash)
    }

    /// Writes the configuration, once.
    pub fn init_config(ctx: Context<InitConfig>) -> Result<()> {
        instructions::init_config::init_config(ctx)
    }

    /// Opens a buyer's purse.
    pub fn open_purse(ctx: Context<OpenPurse>) -> Result<()> {
        instructions::open_purse::open_purse(ctx)
    }

    /// Puts `amount` atoms into a purse.
    ///
    /// - `amount`: in atoms.
    pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
        instructions::deposit::deposit(ctx, amount)
    }

    /// Takes `amount` atoms of the free balance out of a purse.
    ///
    /// - `amount`: in atoms.
    pub fn withdraw(ctx: Context<Withdraw>, amount: u64) -> Result<()> {
        instructions::withdraw::withdraw(ctx, amount)
    }

    /// Moves a purse's fees to treasury and insurance.
    pub fn sweep_fees(ctx: Context<SweepFees>) -> Result<()> {
        instructions::sweep_fees::sweep_fees(ctx)
    }

    /// Registers a provider.
    ///
    /// - `args`: node key, endpoint, certificate and key for secrets.
    pub fn register_provider(ctx: Context<RegisterProvider>, args: NodeArgs) -> Result<()> {
        instructions::register_provider::register_provider(ctx, args)
    }

    /// Changes a provider's hot key, endpoint and certificate.
    ///
    /// - `args`: node key, endpoint, certificate and key for secrets from now on.
    pub fn update_node<'info>(ctx: Context<'info, UpdateNode<'info>>, args: NodeArgs) -> Result<()> {
        instructions::register_provider::update_node(ctx, args)
    }

    /// Puts a machine class on the market.
    ///
    /// - `number`: the offer's number, free to choose among the provider's.
    /// - `machine`: what one unit of it has.
    /// - `terms`: prices, units and expiry.
    pub fn post_offer(ctx: Context<PostOffer>, number: u32, machine: OfferMachine, terms: OfferTerms) -> Result<()> {
        instructions::post_offer::post_offer(ctx, number, machine, terms)
    }

    /// Prolongs an offer and changes its prices and units.
    ///
    /// - `terms`: prices, units and expiry from now on.
    pub fn refresh_offer(ctx: Context<RefreshOffer>, terms: OfferTerms) -> Result<()> {
        instructions::post_offer::refresh_offer(ctx, terms)
    }

    /// Takes an offer off the market.
    pub fn withdraw_offer<'info>(ctx: Context<'info, WithdrawOffer<'info>>) -> Result<()> {
        instructions::post_offer::withdraw_offer(ctx)
    }

    /// Posts a job.
    ///
    /// - `number`: the job's number in the purse, higher than any before.
    /// - `uri_len`: bytes of the manifest's URI.
    /// - `args`: what the job asks for.
    pub fn post_job(ctx: Context<PostJob>, number: u64, uri_len: u8, args: JobArgs) -> Result<()> {
        instructions::post_job::post_job(ctx, number, uri_len, args)
    }

    /// Bids `price` atoms per hour.
    ///
    /// - `price`: in atoms per hour for the whole lease, fee included.
    pub fn place_bid<'info>(ctx: Context<'info, PlaceBid<'info>>, price: u64) -> Result<()> {
        instructions::place_bid::place_bid(ctx, price)
    }

    /// Enters an offer that takes automatic bids.
    pub fn enter_offer<'info>(ctx: Context<'info, EnterOffer<'info>>) -> Result<()> {
        instructions::place_bid::enter_offer(ctx)
    }

    /// The buyer lengthens what a lease may be paid for; the stake behind it follows.
    ///
    /// - `by_s`: in seconds.
    pub fn extend(ctx: Context<ExtendLease>, by_s: u32) -> Result<()> {
        instructions::extend::extend(ctx, by_s)
    }

    /// Adds `amount` atoms to a lease's reservation.
    ///
    /// - `amount`: in atoms.
    pub fn top_up(ctx: Context<TopUp>, amount: u64) -> Result<()> {
        instructions::top_up::top_up(ctx, amount)
    }

    /// Ends a lease for the buyer.
    pub fn stop(ctx: Context<Stop>) -> Result<()> {
        instructions::stop::stop(ctx)
    }

    /// Ends a lease for the node.
    ///
    /// - `reason`: number of the reason: completed, disk full, out of funds or notice.
    /// - `outcome`: what the container left behind, and for how long it ran.
    pub fn finish(ctx: Context<Finish>, reason: u8, outcome: Outcome) -> Result<()> {
        instructions::finish::finish(ctx, reason, outcome)
    }

    /// Leaves a running lease without notice.
    ///
    /// - `outcome`: what the container left behind, and for how long it ran.
    pub fn abandon(ctx: Context<FaultedLease>, outcome: Outcome) -> Result<()> {
        instructions::fail_start::abandon(ctx, outcome)
    }

    /// Fails a lease that did not start.
    pub fn fail_start(ctx: Context<FaultedLease>) -> Result<()> {
        instructions::fail_start::fail_start(ctx)
    }

    /// Ends a lease whose node has been down too long.
    pub fn declare_unreachable(ctx: Context<FaultedLease>) -> Result<()> {
        instructions::fail_start::declare_unreachable(ctx)
    }

    /// Rejects a start.
    pub fn reject_ready(ctx: Context<FaultedLease>) -> Result<()> {
        instructions::undo_start::reject_ready(ctx)
    }

    /// Asks a node for a sign of life.
    pub fn challenge(ctx: Context<Challenge>) -> Result<()> {
        instructions::liveness::challenge(ctx)
    }

    /// Answers a liveness challenge.
    ///
    /// - `nonce`: the slot hash that the challenge recorded.
    pub fn answer_challenge(ctx: Context<NodeLives>, nonce: [u8; 32]) -> Result<()> {
        instructions::liveness::answer_challenge(ctx, nonce)
    }

    /// Ends a liveness challenge that was not answered.
    pub fn resolve_challenge(ctx: Context<ResolveChallenge>) -> Result<()> {
        instructions::liveness::resolve_challenge(ctx)
    }

    /// Ends a downtime.
    pub fn resume(ctx: Context<NodeLives>) -> Result<()> {
        instructions::liveness::resume(ctx)
    }

    /// The verifier clears a verified lease, or has its provider slashed.
    ///
    /// - `slash`: in atoms, up to what is reserved for the lease; zero clears it.
    /// - `prover`: who proved the fault, and claims a share.
    pub fn verdict(ctx: Context<GiveVerdict>, slash: u64, prover: Pubkey) -> Result<()> {
        instructions::verdict::verdict(ctx, slash, prover)
    }

    /// Takes the credit for downtime from the stake.
    pub fn collect_credit(ctx: Context<CollectCredit>) -> Result<()> {
        instructions::collect_credit::collect_credit(ctx)
    }

    /// Records a checkpoint of a durable job.
    ///
    /// - `seq`: its number, higher than the last one's.
    /// - `hash`: its SHA-256.
    /// - `bytes`: its size.
    pub fn checkpoint(ctx: Context<Checkpoint>, seq: u32, hash: [u8; 32], bytes: u64) -> Result<()> {
        instructions::checkpoint::checkpoint(ctx, seq, hash, bytes)
    }

    /// Gives notice.
    pub fn give_notice(ctx: Context<GiveNotice>) -> Result<()> {
        instructions::checkpoint::give_notice(ctx)
    }

    /// Moves a lease on whose time has come.
    pub fn expire(ctx: Context<Expire>) -> Result<()> {
        instructions::expire::expire(ctx)
    }

    /// Gives a lease back at once after its award.
    pub fn decline<'info>(ctx: Context<'info, FaultedLease<'info>>) -> Result<()> {
        instructions::undo_start::decline(ctx)
    }

    /// Ends a start for which the node was not given what it needs.
    pub fn want(ctx: Context<FaultedLease>) -> Result<()> {
        instructions::undo_start::want(ctx)
    }

    /// Ends a start that can never succeed, whoever tries.
    ///
    /// - `exit_code`: what the container engine said: 125, 126 or 127.
    pub fn report_buyer_error(ctx: Context<FaultedLease>, exit_code: i32) -> Result<()> {
        instructions::undo_start::report_buyer_error(ctx, exit_code)
    }

    /// Accepts what a node finished.
    pub fn accept(ctx: Context<Review>) -> Result<()> {
        instructions::review::accept(ctx)
    }

    /// Reopens a job that its node finished.
    pub fn reopen(ctx: Context<Review>) -> Result<()> {
        instructions::review::reopen(ctx)
    }

    /// Ends a job that waited for a bid until its wait was over.
    pub fn expire_job(ctx: Context<ExpireJob>) -> Result<()> {
        instructions::close_job::expire_job(ctx)
    }

    /// Takes an open job back.
    pub fn cancel_job(ctx: Context<CancelJob>) -> Result<()> {
        instructions::close_job::cancel_job(ctx)
    }

    /// Closes a job that is over.
    pub fn close_job(ctx: Context<CloseJob>) -> Result<()> {
        instructions::close_job::close_job(ctx)
    }

    /// Posts a job and takes the first of up to four offers that fits, at its ask.
    ///
    /// - `number`: the job's number in the purse, higher than any before.
    /// - `uri_len`: bytes of the manifest's URI.
    /// - `args`: what the job asks for.
    pub fn post_instant<'info>(
        ctx: Context<'info, PostInstant<'info>>,
        number: u64,
        uri_len: u8,
        args: JobArgs,
    ) -> Result<()> {
        instructions::instant::post_instant(ctx, number, uri_len, args)
    }

    /// Commits a sealed bid.
    ///
    /// - `hash`: SHA-256 that binds price, offer and salt to job and provider.
    pub fn commit_bid(ctx: Context<CommitBid>, hash: [u8; 32]) -> Result<()> {
        instructions::commit_bid::commit_bid(ctx, hash)
    }

    /// Reveals a sealed bid.
    ///
    /// - `price`: in atoms per hour, as it was committed.
    /// - `salt`: the salt, as it was committed.
    pub fn reveal_bid(ctx: Context<RevealBid>, price: u64, salt: [u8; 32]) -> Result<()> {
        instructions::reveal_bid::reveal_bid(ctx, price, salt)
    }

    /// Slashes the bond of a sealed bid that was not revealed.
    pub fn forfeit_bid(ctx: Context<ForfeitBid>) -> Result<()> {
        instructions::forfeit_bid::forfeit_bid(ctx)
    }

    /// Lets a sealed bid go whose job ended before it could be revealed.
    pub fn release_bid(ctx: Context<ReleaseBid>) -> Result<()> {
        instructions::forfeit_bid::release_bid(ctx)
    }

    /// Opens the price index of a GPU model in a region.
    ///
    /// - `gpu_model`: number of the GPU model.
    /// - `region`: number of the region.
    pub fn open_index(ctx: Context<OpenIndex>, gpu_model: u8, region: u8) -> Result<()> {
        instructions::price_index::open_index(ctx, gpu_model, region)
    }

    /// Counts a lease that is over in the price index of its GPU and region.
    pub fn record_trade(ctx: Context<RecordTrade>) -> Result<()> {
        instructions::price_index::record_trade(ctx)
    }

    /// Proposes a change of the configuration.
    ///
    /// - `args`: what the configuration is to hold.
    pub fn propose_change(ctx: Context<ProposeChange>, args: ChangeArgs) -> Result<()> {
        instructions::change_config::propose_change(ctx, args)
    }

    /// Lowers the caps of purses and jobs, at once.
    ///
    /// - `purse_cap`: of a purse, in atoms, above zero.
    /// - `job_cap`: of a job or an array, in atoms, above zero.
    pub fn lower_caps(ctx: Context<LowerCaps>, purse_cap: u64, job_cap: u64) -> Result<()> {
        instructions::change_config::lower_caps(ctx, purse_cap, job_cap)
    }

    /// Takes a proposed change back.
    pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
        instructions::change_config::cancel_change(ctx)
    }

    /// Lets a proposed change take effect.
    pub fn execute_change(ctx: Context<ExecuteChange>) -> Result<()> {
        instructions::change_config::execute_change(ctx)
    }

    /// Names who may become the admin.
    ///
    /// - `pending_admin`: who may become the admin; zero takes the name back.
    pub fn propose_admin(ctx: Context<AdminOnly>, pending_admin: Pubkey) -> Result<()> {
        instructions::change_admin::propose_admin(ctx, pending_admin)
    }

    /// Becomes the admin.
    pub fn accept_admin(ctx: Context<AcceptAdmin>) -> Result<()> {
        instructions::change_admin::accept_admin(ctx)
    }

    /// Pauses intake, or opens it again.
    ///
    /// - `paused`: whether intake is to be paused.
    pub fn set_paused(ctx: Context<AdminOnly>, paused: bool) -> Result<()> {
        instructions::change_admin::set_paused(ctx, paused)
    }

    /// Names or removes the key that may post jobs for a purse.
    ///
    /// - `spender`: the key; zero for none.
    /// - `cap`: the most that it may reserve in a period, in atoms.
    /// - `period_s`: length of a period in seconds.
    pub fn set_spender(ctx: Context<SetSpender>, spender: Pubkey, cap: u64, period_s: u32) -> Result<()> {
        instructions::purse_keys::set_spender(ctx, spender, cap, period_s)
    }

    /// Names or removes the key that watches over the leases of a purse.
    ///
    /// - `guardian`: the key; zero for none.
    /// - `cap`: the most that it may add to leases in a period, in atoms; zero for nothing.
    /// - `period_s`: length of a period in seconds.
    pub fn set_guardian(ctx: Context<SetGuardian>, guardian: Pubkey, cap: u64, period_s: u32) -> Result<()> {
        instructions::purse_keys::set_guardian(ctx, guardian, cap, period_s)
    }

    /// Moves tokens that a purse does not record to its owner.
    pub fn sweep_donation(ctx: Context<EmptyPurse>) -> Result<()> {
        instructions::close_purse::sweep_donation(ctx)
    }

    /// Closes an empty purse.
    pub fn close_purse(ctx: Context<EmptyPurse>) -> Result<()> {
        instructions::close_purse::close_purse(ctx)
    }

    /// Proposes another payout account.
    pub fn propose_payout(ctx: Context<ProposePayout>) -> Result<()> {
        instructions::change_payout::propose_payout(ctx)
    }

    /// Takes a proposed payout account back.
    pub fn cancel_payout(ctx: Context<CancelPayout>) -> Result<()> {
        instructions::change_payout::cancel_payout(ctx)
    }

    /// Lets a proposed payout account take effect.
    pub fn apply_payout(ctx: Context<ApplyPayout>) -> Result<()> {
        instructions::change_payout::apply_payout(ctx)
    }

    /// Pays a lease to the provider's present payout account where the recorded one can take no money.
    pub fn redirect_payout(ctx: Context<RedirectPayout>) -> Result<()> {
        instructions::redirect_payout::redirect_payout(ctx)
    }

    /// Closes a provider record without offers and leases.
    pub fn close_provider(ctx: Context<CloseProvider>) -> Result<()> {
        instructions::change_payout::close_provider(ctx)
    }

    /// Puts a machine below a provider's record.
    ///
    /// - `number`: the machine's number among the provider's.
    /// - `args`: its node.
    pub fn register_machine(ctx: Context<RegisterMachine>, number: u32, args: NodeArgs) -> Result<()> {
        instructions::machine::register_machine(ctx, number, args)
    }

    /// Changes a machine's hot key, endpoint, certificate and limit of stake.
    ///
    /// - `args`: its node as it is to be.
    pub fn update_machine<'info>(ctx: Context<'info, ChangeMachine<'info>>, args: NodeArgs) -> Result<()> {
        instructions::machine::update_machine(ctx, args)
    }

    /// Retires a machine: it takes no lease any more, and anyone may let those that it has end.
    pub fn retire_machine<'info>(ctx: Context<'info, ChangeMachine<'info>>) -> Result<()> {
        instructions::machine::retire_machine(ctx)
    }

    /// Closes a retired machine without offers.
    pub fn close_machine(ctx: Context<CloseMachine>) -> Result<()> {
        instructions::machine::close_machine(ctx)
    }

    /// Brings a purse of the first edition to the present layout.
    pub fn migrate_purse(ctx: Context<Migrate>) -> Result<()> {
        instructions::migrate::migrate_purse(ctx)
    }

    /// Brings a provider record of the first edition to the present layout.
    pub fn migrate_provider(ctx: Context<Migrate>) -> Result<()> {
        instructions::migrate::migrate_provider(ctx)
    }

    /// Brings an offer of the first edition to the present layout.
    pub fn migrate_offer(ctx: Context<MigrateOffer>) -> Result<()> {
        instructions::migrate::migrate_offer(ctx)
    }

    /// Brings a job of the first edition to the present layout.
    pub fn migrate_job(ctx: Context<Migrate>) -> Result<()> {
        instructions::migrate::migrate_job(ctx)
    }

    /// Brings a lease of the first edition to the present layout.
    pub fn migrate_lease(ctx: Context<MigrateLease>) -> Result<()> {
        instructions::migrate::migrate_lease(ctx)
    }

    /// Brings an array of the first edition to the present layout.
    pub fn migrate_array(ctx: Context<Migrate>) -> Result<()> {
        instructions::migrate::migrate_array(ctx)
    }

    /// Claims GPUs for an offer.
    ///
    /// - `hashes`: SHA-256 of the UUID of each GPU, in the order of the claims' accounts.
    pub fn claim_gpus<'info>(ctx: Context<'info, ClaimGpus<'info>>, hashes: Vec<[u8; 32]>) -> Result<()> {
        instructions::claim_gpus::claim_gpus(ctx, hashes)
    }

    /// Gives claims of GPUs up.
    pub fn release_gpus<'info>(ctx: Context<'info, ReleaseGpus<'info>>) -> Result<()> {
        instructions::claim_gpus::release_gpus(ctx)
    }

    /// Records a benchmark of an offer.
    ///
    /// - `value`: the result.
    /// - `hash`: hash of the benchmark's report.
    pub fn record_benchmark(ctx: Context<RecordBenchmark>, value: u64, hash: [u8; 32]) -> Result<()> {
        instructions::record_benchmark::record_benchmark(ctx, value, hash)
    }

    /// Posts an array of tasks.
    ///
    /// - `number`: the array's number in the purse, higher than any before.
    /// - `uri_len`: bytes of the manifest's URI.
    /// - `shape`: how many tasks, how many of them must complete, and how many run at once.
    /// - `args`: what each job of it asks for.
    pub fn post_array(
        ctx: Context<PostArray>,
        number: u64,
        uri_len: u8,
        shape: ArrayShape,
        args: JobArgs,
    ) -> Result<()> {
        instructions::array_post::post_array(ctx, number, uri_len, shape, args)
    }

    /// Opens the next task of an array.
    ///
    /// - `task`: number of the task; another than the array's next one changes nothing.
    pub fn open_task<'info>(ctx: Context<'info, OpenTask<'info>>, task: u16) -> Result<()> {
        instructions::array_open_task::open_task(ctx, task)
    }

    /// Closes a task's job that is over.
    pub fn close_task(ctx: Context<CloseTask>) -> Result<()> {
        instructions::array_close_task::close_task(ctx)
    }

    /// Cancels a task without a lease of an array that is over.
    pub fn cancel_task(ctx: Context<CancelTask>) -> Result<()> {
        instructions::array_stop_task::cancel_task(ctx)
    }

    /// Stops the lease of a task of an array of which enough tasks completed.
    pub fn stop_task(ctx: Context<StopTask>) -> Result<()> {
        instructions::array_stop_task::stop_task(ctx)
    }

    /// Opens no further task of an array.
    pub fn cancel_array(ctx: Context<CancelArray>) -> Result<()> {
        instructions::array_close::cancel_array(ctx)
    }

    /// Closes an array that is over.
    pub fn close_array(ctx: Context<CloseArray>) -> Result<()> {
        instructions::array_close::close_array(ctx)
    }
}
