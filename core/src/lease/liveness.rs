//! Liveness: anybody may challenge a node with a bond; silence is downtime, which is not billed and is credited twice over.
//!
//! The node answers within 60 seconds by signing the slot hash that the challenge recorded, and keeps the bond. Where it
//! stays silent, the lease is down from the moment of the challenge until the node shows itself again. The buyer is
//! credited `2 × price × downtime`, for a day of downtime at most: first out of what was accrued and not yet paid, then out
//! of the stake, and there no more than what it was charged for this lease.

use super::{Lease, LeaseState};
use crate::deadline;
use crate::error::{RuleError, RuleResult};
use crate::limits::{CHALLENGE_TIME, DOWNTIME_CREDIT, MAX_CREDITED};
use crate::quantity::{Atoms, Now, Seconds, UnixTs};
use crate::rounding::cost_down;
use crate::stream::runway_end;

/// How a challenge ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Challenge {
    /// Not answered in time: the challenger gets its bond back and a bounty; the node's uptime falls.
    Missed,
    /// The lease was over, or its funds were used up, before the time to answer was: the challenger gets its bond back.
    Moot,
}

impl Lease {
    /// Opens a challenge.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not running, [`RuleError::ChallengeOpen`] where one is open, [`RuleError::TooLate`]
    /// where its notice is over.
    pub fn challenge(&mut self, now: Now) -> RuleResult<()> {
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Running])?;
        next.not_left(now)?;
        if !next.challenge_end.is_zero() {
            return Err(RuleError::ChallengeOpen);
        }
        next.challenge_gross = next.gross(now)?;
        next.challenge_end = now.ts.after(CHALLENGE_TIME)?;
        next.mark = now;
        *self = next;
        Ok(())
    }

    /// The node answers the open challenge.
    ///
    /// # Errors
    /// [`RuleError::NoChallenge`], [`RuleError::TooLate`] after its deadline.
    pub fn answer(&mut self, now: Now) -> RuleResult<()> {
        if self.challenge_end.is_zero() || self.state.is_over() || self.state == LeaseState::Finished {
            return Err(RuleError::NoChallenge);
        }
        if self.state == LeaseState::Paused || deadline::passed(self.challenge_end, self.mark, now) {
            return Err(RuleError::TooLate);
        }
        self.close_challenge();
        Ok(())
    }

    /// The open challenge was not answered, or asks for nothing any more; `None` while the node can still answer.
    ///
    /// # Errors
    /// [`RuleError::NoChallenge`].
    pub fn resolve_challenge(&mut self, now: Now) -> RuleResult<Option<Challenge>> {
        if self.challenge_end.is_zero() {
            return Err(RuleError::NoChallenge);
        }
        let mut next = *self;
        next.roll(now)?;
        let silent = next.state == LeaseState::Ended && next.ended_ts > next.challenge_end;
        let end = match next.state {
            LeaseState::Paused => Challenge::Missed,
            LeaseState::Running if next.must_answer() || now.ts < next.meter_end() => return Ok(None),
            // It ended after the time to answer was over, and before its funds were: it was down until then.
            _ if silent && next.must_answer() => Challenge::Missed,
            _ => Challenge::Moot,
        };
        next.close_challenge();
        *self = next;
        Ok(Some(end))
    }

    pub(super) fn close_challenge(&mut self) {
        self.challenge_end = UnixTs::ZERO;
        self.challenge_gross = Atoms::ZERO;
    }

    /// The node shows itself again: the meter starts anew, the downtime is credited.
    ///
    /// # Errors
    /// [`RuleError::WrongState`] where it is not down; [`RuleError::ChallengeOpen`] until the missed challenge is resolved;
    /// [`RuleError::TooLate`] where its notice is over.
    pub fn resume(&mut self, now: Now) -> RuleResult<()> {
        let mut next = *self;
        next.roll(now)?;
        next.expect(&[LeaseState::Paused])?;
        next.not_left(now)?;
        if !next.challenge_end.is_zero() {
            return Err(RuleError::ChallengeOpen);
        }
        next.credit_downtime(now)?;
        next.segment = now;
        next.runway_end = runway_end(now.ts, next.funds_of_segment()?, next.price)?;
        next.state = LeaseState::Running;
        *self = next;
        Ok(())
    }

    /// Takes what is credited out of the stake off the books, once it was collected; never more than was open.
    ///
    /// # Errors
    /// [`RuleError::ZeroAmount`] where nothing is to be collected.
    pub fn collect_credit(&mut self, stake: Atoms) -> RuleResult<Atoms> {
        if self.credit.is_zero() {
            return Err(RuleError::ZeroAmount);
        }
        let taken = self.credit.min(stake);
        self.collected = self.collected.add(taken)?;
        self.credit = Atoms::ZERO;
        Ok(taken)
    }

    /// Credits the downtime until `now` and ends it.
    pub(super) fn credit_downtime(&mut self, now: Now) -> RuleResult<()> {
        let down = self
            .unless_noticed(now.ts)
            .since(self.down_since)
            .min(Seconds(MAX_CREDITED.0.saturating_sub(self.credited.0)));
        let once = cost_down(self.price, down)?;
        let credit = Atoms(once.0.checked_mul(DOWNTIME_CREDIT).ok_or(RuleError::Overflow)?);
        let settled = self.paid.add(self.fee)?;
        let held_back = self.base.saturating_sub(settled).min(credit);
        let rest = credit.sub(held_back)?;
        self.base = self.base.sub(held_back)?;
        self.confirmed = self.confirmed.min(self.base);
        // Stake makes good what was paid for this lease and no more, however often it was down: a node and a buyer in one
        // hand gain nothing by it.
        self.credit = self.credit.add(rest)?.min(settled.saturating_sub(self.collected));
        self.credited = self.credited.add(down)?;
        self.down_since = UnixTs::ZERO;
        Ok(())
    }
}
