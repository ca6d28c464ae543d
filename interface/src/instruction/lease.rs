//! The life of a lease.

use anchor_lang::InstructionData;
use gridlease_core::Atoms;
use gridlease_core::job::EndReason;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use super::{TOKEN_PROGRAM, market, market_events, staking_events};
use crate::account::Lease;
use crate::address;
use crate::program::market::client::{accounts, args};
pub use crate::program::market::types::Outcome;

/// A lease and the accounts that it records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseKeys {
    /// The lease.
    pub lease: Pubkey,
    /// Its job.
    pub job: Pubkey,
    /// The purse that pays.
    pub purse: Pubkey,
    /// The provider record.
    pub provider: Pubkey,
    /// The offer.
    pub offer: Pubkey,
    /// The bond.
    pub bond: Pubkey,
    /// The token account that is paid.
    pub payout: Pubkey,
}

impl LeaseKeys {
    /// The accounts that the lease at `address` records.
    pub fn new(address: Pubkey, lease: &Lease) -> Self {
        Self {
            lease: address,
            job: lease.job,
            purse: lease.purse,
            provider: lease.provider,
            offer: lease.offer,
            bond: lease.bond,
            payout: lease.payout,
        }
    }
}

/// The node reports that the container runs.
pub fn ready(node_key: &Pubkey, keys: &LeaseKeys, image_digest: [u8; 32], gpu_hash: [u8; 32]) -> Instruction {
    market(
        &accounts::Ready {
            node_key: *node_key,
            offer: keys.offer,
            job: keys.job,
            purse: keys.purse,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Ready { image_digest, gpu_hash },
    )
}

/// Pays what has accrued. Nobody need sign but the payer.
pub fn settle(keys: &LeaseKeys) -> Instruction {
    market(
        &accounts::Settle {
            lease: keys.lease,
            purse: keys.purse,
            vault: address::purse_vault(&keys.purse),
            payout: keys.payout,
            token_program: TOKEN_PROGRAM,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Settle {},
    )
}

/// Most leases that one batch can settle beside its first: what one transaction holds.
pub const BATCH_LEASES: usize = 20;

/// Pays what has accrued in `first` and in `further` leases of the same purse with the same payout account, with one
/// transfer; of `further` the first [`BATCH_LEASES`].
pub fn settle_batch(first: &LeaseKeys, further: &[Pubkey]) -> Instruction {
    let mut instruction = settle(first);
    let accounts = further.iter().take(BATCH_LEASES).map(|lease| AccountMeta::new(*lease, false));
    instruction.accounts.extend(accounts);
    instruction
}

/// Has a lease whose recorded payout account can take no money paid to `payout`, which its provider record names now. Nobody need
/// sign but the payer.
pub fn redirect_payout(keys: &LeaseKeys, payout: &Pubkey) -> Instruction {
    redirect_payout_to(keys, payout, payout)
}

/// The same where `payout` takes no money either, and the recorded one is closed: to `destination`, which is the associated token
/// account of the provider's cold key.
pub fn redirect_payout_to(keys: &LeaseKeys, payout: &Pubkey, destination: &Pubkey) -> Instruction {
    market(
        &accounts::RedirectPayout {
            config: address::market_config(),
            provider: keys.provider,
            lease: keys.lease,
            recorded: keys.payout,
            payout: *payout,
            destination: *destination,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::RedirectPayout {},
    )
}

/// The buyer, or its guardian as `signer`, lengthens what the lease may be paid for by `by_s` seconds; the provider's stake behind it
/// follows.
pub fn extend(signer: &Pubkey, keys: &LeaseKeys, by_s: u32) -> Instruction {
    market(
        &accounts::Extend {
            signer: *signer,
            purse: keys.purse,
            config: address::market_config(),
            job: keys.job,
            lease: keys.lease,
            offer: keys.offer,
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            bond: keys.bond,
            reservation: address::reservation(&keys.lease),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Extend { by_s },
    )
}

/// The extension that a top-up of `amount` atoms needs before it, where it needs one: it would else be refused as paying for more than
/// the lease may last ([`gridlease_core::lease::Lease::extension_for`]).
pub fn extension_for_top_up(signer: &Pubkey, keys: &LeaseKeys, lease: &Lease, amount: u64) -> Option<Instruction> {
    let by = lease.rules().ok()?.extension_for(Atoms(amount)).ok()?;
    let by_s = u32::try_from(by.0).unwrap_or(u32::MAX);
    (by_s > 0).then(|| extend(signer, keys, by_s))
}

/// The buyer adds `amount` atoms of its purse's free balance to the reservation. `challenger`: who made the open liveness challenge,
/// where there is one; it gets its bond back where the challenge asked for nothing.
pub fn top_up(owner: &Pubkey, lease: &Pubkey, amount: u64, challenger: Option<Pubkey>) -> Instruction {
    top_up_by(owner, owner, lease, amount, challenger)
}

/// As [`top_up`], signed by the owner or its guardian.
pub fn top_up_by(
    signer: &Pubkey,
    owner: &Pubkey,
    lease: &Pubkey,
    amount: u64,
    challenger: Option<Pubkey>,
) -> Instruction {
    market(
        &accounts::TopUp {
            signer: *signer,
            purse: address::purse(owner),
            lease: *lease,
            challenger,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::TopUp { amount },
    )
}

/// The buyer ends the lease.
pub fn stop(signer: &Pubkey, keys: &LeaseKeys) -> Instruction {
    market(
        &accounts::Stop {
            signer: *signer,
            purse: keys.purse,
            job: keys.job,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Stop {},
    )
}

/// The node ends the lease: [`EndReason::Completed`], [`EndReason::DiskFull`],
/// [`EndReason::OutOfFunds`] or [`EndReason::Notice`]. `outcome` says for how long the container ran: only that is billed.
pub fn finish(node_key: &Pubkey, keys: &LeaseKeys, reason: EndReason, outcome: Outcome) -> Instruction {
    market(
        &accounts::Finish {
            node_key: *node_key,
            offer: keys.offer,
            job: keys.job,
            purse: keys.purse,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Finish { reason: reason as u8, outcome },
    )
}

/// Fails a lease that is not ready: anybody after its start deadline, the node key at any time before.
pub fn fail_start(caller: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey) -> Instruction {
    by_fault(caller, keys, insurance, &args::FailStart {})
}

/// Ends a lease whose node has been down for ten minutes. `caller` signs and may be anybody.
pub fn declare_unreachable(caller: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey) -> Instruction {
    by_fault(caller, keys, insurance, &args::DeclareUnreachable {})
}

/// The node leaves a running lease without notice, and is slashed for it.
pub fn abandon(node_key: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey, outcome: Outcome) -> Instruction {
    by_fault(node_key, keys, insurance, &args::Abandon { outcome })
}

/// The node gives a lease back at once after its award. Where it did not bid for it itself, its offer takes no more leases until it
/// is refreshed.
pub fn decline(node_key: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey) -> Instruction {
    by_fault(node_key, keys, insurance, &args::Decline {})
}

/// The node says that it was not given what it needs.
pub fn want(node_key: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey) -> Instruction {
    by_fault(node_key, keys, insurance, &args::Want {})
}

/// The node says that its engine refused what the buyer asks for, with `exit_code`
/// ([`gridlease_core::exclusion::BUYER_ERRORS`]).
pub fn report_buyer_error(node_key: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey, exit_code: i32) -> Instruction {
    by_fault(node_key, keys, insurance, &args::ReportBuyerError { exit_code })
}

/// The buyer rejects the start, within ninety seconds of ready.
pub fn reject_ready(owner: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey) -> Instruction {
    by_fault(owner, keys, insurance, &args::RejectReady {})
}

/// The buyer, or who posted the job, accepts what the node finished.
pub fn accept(signer: &Pubkey, keys: &LeaseKeys) -> Instruction {
    review(signer, keys, &args::Accept {})
}

/// The buyer reopens a job that its node finished.
pub fn reopen(owner: &Pubkey, keys: &LeaseKeys) -> Instruction {
    review(owner, keys, &args::Reopen {})
}

fn review(signer: &Pubkey, keys: &LeaseKeys, args: &impl InstructionData) -> Instruction {
    market(
        &accounts::Accept {
            signer: *signer,
            purse: keys.purse,
            job: keys.job,
            lease: keys.lease,
            event_authority: market_events(),
            program: address::MARKET,
        },
        args,
    )
}

/// An end that slashes, or for which both sides pay: they have the same accounts.
fn by_fault(caller: &Pubkey, keys: &LeaseKeys, insurance: &Pubkey, args: &impl InstructionData) -> Instruction {
    market(
        &accounts::FailStart {
            caller: *caller,
            config: address::market_config(),
            provider: keys.provider,
            offer: keys.offer,
            job: keys.job,
            purse: keys.purse,
            lease: keys.lease,
            authority: address::market_authority(),
            staking_config: address::staking_config(),
            bond: keys.bond,
            reservation: address::reservation(&keys.lease),
            bond_vault: address::bond_vault(&keys.bond),
            insurance: *insurance,
            staking_program: address::STAKING,
            staking_events: staking_events(),
            token_program: TOKEN_PROGRAM,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        args,
    )
}

/// Moves a lease on whose runway, grace period, notice or time to reopen has ended. Nobody need sign but the payer.
pub fn expire(keys: &LeaseKeys) -> Instruction {
    market(
        &accounts::Expire {
            job: keys.job,
            purse: keys.purse,
            lease: keys.lease,
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::Expire {},
    )
}

/// Closes a lease that is over and paid. Nobody need sign but the payer.
pub fn close(keys: &LeaseKeys) -> Instruction {
    market(
        &accounts::CloseLease {
            config: address::market_config(),
            lease: keys.lease,
            provider: keys.provider,
            offer: keys.offer,
            bond: keys.bond,
            reservation: address::reservation(&keys.lease),
            authority: address::market_authority(),
            staking_program: address::STAKING,
            staking_events: staking_events(),
            tip_to: None,
            event_authority: market_events(),
            program: address::MARKET,
        },
        &args::CloseLease {},
    )
}
