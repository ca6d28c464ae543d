//! What a keeper is paid for a step: a flat tip that grows with lateness and never with value.
//!
//! Whatever is set aside comes back to who paid it: a crank takes its tip out of the lamports that an account holds above its
//! rent, and closing the account returns what is left with the rent. A crank therefore never fails for want of a tip: it pays
//! the tip or what is there, whichever is less.

use crate::quantity::{Seconds, UnixTs};

/// The tip for a step that is not late, in lamports. Two signatures' worth of fees.
pub const TIP: u64 = 10_000;
/// The most that a late step earns: ten times as much.
pub const MAX_TIP: u64 = 10 * TIP;
/// For this long after a step is due nobody earns a tip for it, so that the parties, who want it done anyway, have the first go at
/// no cost. Nobody is kept from taking the step. No longer than a party needs: while it lasts, whoever does the work pays for
/// everyone.
pub const PARTY_GRACE: Seconds = Seconds(2);
/// A step earns one more [`TIP`] for each time this much has passed after [`PARTY_GRACE`].
pub const LATENESS: Seconds = Seconds(60);

/// What the step due at `due` earns at `now`, in lamports. Zero for a step that has no due time (`due` zero) or whose 2 s for the
/// parties are not over.
pub const fn tip(due: UnixTs, now: UnixTs) -> u64 {
    let late = now.since(due).0;
    if due.is_zero() || late < PARTY_GRACE.0 {
        return 0;
    }
    let more = (late - PARTY_GRACE.0) / LATENESS.0;
    let most = MAX_TIP / TIP - 1;
    TIP + TIP * if more < most { more } else { most }
}

/// What an award that leases earns: a tip at once, late or not, so that whoever looks after a market's auctions is paid for those
/// that lead to something. An award that finds nobody empties a book and earns nothing; without bids there is no award.
pub const fn award_tip(due: UnixTs, now: UnixTs) -> u64 {
    let late = tip(due, now);
    if late > TIP { late } else { TIP }
}

/// What can be paid of `tip` out of an account with `lamports` that must keep `rent`.
pub const fn payable(tip: u64, lamports: u64, rent: u64) -> u64 {
    let above = lamports.saturating_sub(rent);
    if tip < above { tip } else { above }
}

/// Set aside for `cranks` steps: a tip for each, and for one of them the highest.
pub const fn prepaid(cranks: u64) -> u64 {
    TIP.saturating_mul(cranks).saturating_add(MAX_TIP - TIP)
}

/// What the maker of a liveness challenge that was missed gets besides its bond, in lamports: a tenth of the bond. It comes out
/// of what the provider set aside, so that asking costs nothing where a node is down and a bond where it lives.
pub const CHALLENGE_BOUNTY: u64 = crate::limits::CHALLENGE_BOND_LAMPORTS / 10;

/// Set aside when a job is posted, in its account: for each attempt an award and a failed start, one end by time, and the
/// closing (`award`, `fail_start`, `expire` or `expire_job` or `declare_unreachable`, `close_job`).
pub const fn prepaid_job(attempts: u8) -> u64 {
    prepaid(2 * attempts as u64 + 2)
}

/// Set aside in an offer for each unit, beside the rent of the lease that it can open: resolving one missed challenge with its
/// bounty, the settlement that pays the last of an ended lease, and closing it (`resolve_challenge`, `settle`, `close_lease`).
/// Settlements before the end earn nothing: they are the provider's own interest. The lease takes it along at the award as far as
/// the offer has it, and what is not used comes back with its rent.
pub const fn prepaid_lease() -> u64 {
    prepaid(3).saturating_add(CHALLENGE_BOUNTY)
}

/// Set aside in each sealed bid, by its bidder: taking the bond of one that is not revealed (`forfeit`).
pub const fn prepaid_sealed_bid() -> u64 {
    prepaid(1)
}

/// Set aside when an array is posted, in its account: opening each of its `tasks`, and closing it (`open_task`,
/// `close_array`); and for each of the `jobs` that may be open at a time what a job of its own sets aside ([`prepaid_job`]).
/// A job that is opened takes its part along as far as the array has it, and what it did not use comes back with its rent.
pub const fn prepaid_array(tasks: u32, jobs: u32, attempts: u8) -> u64 {
    prepaid(tasks as u64 + 1).saturating_add(prepaid_job(attempts).saturating_mul(jobs as u64))
}
