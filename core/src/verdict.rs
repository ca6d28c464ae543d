//! Verdicts on a verified lease: while its challenge window is open its stake stays reserved, and only the configured verifier
//! may slash it or clear it. At the window's end anyone releases it, verifier or none.

use crate::error::{RuleError, RuleResult};
use crate::limits::{MAX_CHALLENGE_WINDOW, PROVER_SHARE};
use crate::quantity::{Atoms, Seconds, UnixTs};
use crate::rounding::share_down;

/// The challenge window of a lease that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// When it ends; zero where there is none: for the class `none`, and once a verdict was given.
    pub end: UnixTs,
}

impl Window {
    /// The window of a verified lease that ended at `ended`, which is open for `length`, at most [`MAX_CHALLENGE_WINDOW`].
    ///
    /// # Errors
    /// [`RuleError::DurationOutOfBounds`], [`RuleError::Overflow`].
    pub fn open(ended: UnixTs, length: Seconds) -> RuleResult<Self> {
        if length.is_zero() || length > MAX_CHALLENGE_WINDOW {
            return Err(RuleError::DurationOutOfBounds);
        }
        Ok(Self { end: ended.after(length)? })
    }

    /// May the stake be released at `now`, by anyone?
    ///
    /// # Errors
    /// [`RuleError::ChallengeWindow`] while a verdict may be given.
    pub fn check_release(&self, now: UnixTs) -> RuleResult<()> {
        if now < self.end { Err(RuleError::ChallengeWindow) } else { Ok(()) }
    }

    /// A verdict is given at `now`: the window ends with it, so there is one verdict at most.
    ///
    /// # Errors
    /// [`RuleError::ChallengeWindow`] where none is open.
    pub fn decide(&mut self, now: UnixTs) -> RuleResult<()> {
        if now >= self.end {
            return Err(RuleError::ChallengeWindow);
        }
        self.end = UnixTs::ZERO;
        Ok(())
    }
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
    /// Divides the slash: the prover's share of it, rounded down; then the buyer, up to what it was charged; the rest to the
    /// insurance fund. Prover and buyer are paid out of the operator's part of this reservation alone, by claims, as for every
    /// fault: a wrong result can be staged, and either of them can be the operator's friend.
    ///
    /// # Errors
    /// [`RuleError::SlashAboveReservation`], [`RuleError::ZeroAmount`], [`RuleError::Overflow`].
    pub fn split(&self) -> RuleResult<Split> {
        if self.slash.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        if self.slash > self.reservation {
            return Err(RuleError::SlashAboveReservation);
        }
        let claimable = self.slash.min(self.operators_part);
        let prover = share_down(self.slash, PROVER_SHARE)?.min(claimable);
        let victim = self.charged.min(claimable.sub(prover)?);
        Ok(Split { prover, victim, insurance: self.slash.sub(prover)?.sub(victim)? })
    }
}
