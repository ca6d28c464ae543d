//! Verdicts on a verified lease: for a time after its end its stake stays reserved ([`Lease::stake_until`]), and only the configured
//! verifier may slash it or clear it. At the end of that time anyone releases it, verifier or none.

use crate::error::{RuleError, RuleResult};
use crate::lease::Lease;
use crate::limits::{MAX_VERIFICATION, MAX_VERIFY_CLASS, PROVER_SHARE};
use crate::quantity::{Atoms, Now, Seconds};
use crate::rounding::share_down;

/// For how long after its end the stake of a lease stands for a verification of `class`: not at all for class 0, which is none, else
/// [`MAX_VERIFICATION`]. A verdict that clears the lease sets it free sooner.
pub const fn window_of(class: u8) -> Seconds {
    if class == 0 { Seconds::ZERO } else { MAX_VERIFICATION }
}

/// Does a market take jobs of `class`, of which a verifier is configured or not (`verifier`)? One that nobody verifies would
/// bind stake for nothing.
pub const fn takes_class(class: u8, verifier: bool) -> bool {
    class == 0 || (class <= MAX_VERIFY_CLASS && verifier)
}

/// What the split of a verdict depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the verifier says is lost.
    pub slash: Atoms,
    /// What is left of the lease's reservation.
    pub reservation: Atoms,
    /// The operator's part of that ([`crate::delegation::Stake::operators_part_down`]).
    pub operators_part: Atoms,
    /// What the buyer was charged, less what the stake gave back already ([`crate::lease::Lease::compensable`]).
    pub charged: Atoms,
}

/// Where a verdict's slash goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// Claim of who proved it.
    pub prover: Atoms,
    /// Claim of the buyer.
    pub victim: Atoms,
    /// To the insurance fund.
    pub insurance: Atoms,
}

impl Verdict {
    /// Divides the slash: the buyer first, up to what it was charged; then the prover's share of the rest, rounded down; what
    /// remains to the insurance fund. Buyer and prover are paid out of the operator's part of this reservation alone, by claims,
    /// as for every fault: a wrong result can be staged, and either of them can be the operator's friend.
    ///
    /// # Errors
    /// [`RuleError::SlashAboveReservation`], [`RuleError::Overflow`].
    pub fn split(&self) -> RuleResult<Split> {
        if self.slash > self.reservation {
            return Err(RuleError::SlashAboveReservation);
        }
        let claimable = self.slash.min(self.operators_part);
        let victim = self.charged.min(claimable);
        let rest = self.slash.sub(victim)?;
        let prover = share_down(rest, PROVER_SHARE)?.min(claimable.sub(victim)?);
        Ok(Split { prover, victim, insurance: rest.sub(prover)? })
    }
}

impl Lease {
    /// The verifier says what it found, once: `slash` atoms of the `reservation` are lost, of which `operators_part` is the
    /// operator's; nothing where it clears the lease. Its stake stands for the verification no longer.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] before the lease is over; [`RuleError::ChallengeWindow`] where no window is open: the lease is
    /// not verified, its time is over, or a verdict was given; those of [`Verdict::split`].
    pub fn judge(&mut self, slash: Atoms, reservation: Atoms, operators_part: Atoms, now: Now) -> RuleResult<Split> {
        if !self.state.is_over() {
            return Err(RuleError::WrongState);
        }
        if now.ts >= self.stake_until() {
            return Err(RuleError::ChallengeWindow);
        }
        let split = Verdict { slash, reservation, operators_part, charged: self.compensable() }.split()?;
        self.collected = self.collected.add(split.victim)?;
        self.verification = Seconds::ZERO;
        Ok(split)
    }
}
