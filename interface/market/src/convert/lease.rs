//! A lease and its meter.

use gridlease_core::job::EndReason;
use gridlease_core::lease::{Lease as Rules, LeaseState};
use gridlease_core::limits::MAX_DURATION;
use gridlease_core::{Atoms, Bps, Now, PricePerHour, RuleError, RuleResult, Seconds, UnixTs, invariant};

use crate::account::Lease;

impl Lease {
    /// The lease's moving parts.
    pub fn rules(&self) -> RuleResult<Rules> {
        Ok(Rules {
            state: LeaseState::from_byte(self.header.state)?,
            reason: EndReason::from_byte(self.reason)?,
            price: PricePerHour(self.price),
            slot_ms: self.slot_ms,
            fee_bps: Bps(self.fee_bps),
            reserved: Atoms(self.reserved),
            base: Atoms(self.base),
            paid: Atoms(self.paid),
            fee: Atoms(self.fee),
            refunded: Atoms(self.refunded),
            forfeited: Atoms(self.forfeited),
            mark: Now { slot: self.mark_slot, ts: UnixTs(self.mark_ts) },
            awarded: UnixTs(self.awarded_ts),
            segment: Now { slot: self.segment_slot, ts: UnixTs(self.segment_ts) },
            start_deadline: UnixTs(self.start_deadline),
            ready_ts: UnixTs(self.ready_ts),
            runway_end: UnixTs(self.runway_end),
            grace_end: UnixTs(self.grace_end),
            ended_ts: UnixTs(self.ended_ts),
            review_end: UnixTs(self.review_end),
            verification: Seconds(self.verification_s.into()),
            checkpoint_every: Seconds(self.checkpoint_s.into()),
            checkpoint_ts: UnixTs(self.checkpoint_ts),
            confirmed: Atoms(self.confirmed),
            challenge_end: UnixTs(self.challenge_end),
            challenge_gross: Atoms(self.challenge_gross),
            down_since: UnixTs(self.down_since),
            credited: Seconds(self.credited_s.into()),
            credit: Atoms(self.credit),
            collected: Atoms(self.collected),
            notice: Seconds(self.notice_s.into()),
            notice_end: UnixTs(self.notice_end),
            duration: if self.duration_s == 0 { MAX_DURATION } else { Seconds(self.duration_s.into()) },
        })
    }

    /// Writes the lease's moving parts back, after the invariant was checked.
    pub fn set_rules(&mut self, next: &Rules) -> RuleResult<()> {
        invariant::lease(next)?;
        self.header.state = next.state as u8;
        self.header.due_ts = next.due().0;
        self.reason = next.reason as u8;
        self.price = next.price.0;
        self.slot_ms = next.slot_ms;
        self.fee_bps = next.fee_bps.0;
        self.reserved = next.reserved.0;
        self.base = next.base.0;
        self.paid = next.paid.0;
        self.fee = next.fee.0;
        self.refunded = next.refunded.0;
        self.forfeited = next.forfeited.0;
        self.mark_slot = next.mark.slot;
        self.mark_ts = next.mark.ts.0;
        self.awarded_ts = next.awarded.0;
        self.segment_slot = next.segment.slot;
        self.segment_ts = next.segment.ts.0;
        self.start_deadline = next.start_deadline.0;
        self.ready_ts = next.ready_ts.0;
        self.runway_end = next.runway_end.0;
        self.grace_end = next.grace_end.0;
        self.ended_ts = next.ended_ts.0;
        self.review_end = next.review_end.0;
        self.verification_s = u32::try_from(next.verification.0).map_err(|_| RuleError::Overflow)?;
        self.checkpoint_s = u32::try_from(next.checkpoint_every.0).map_err(|_| RuleError::Overflow)?;
        self.checkpoint_ts = next.checkpoint_ts.0;
        self.confirmed = next.confirmed.0;
        self.challenge_end = next.challenge_end.0;
        self.challenge_gross = next.challenge_gross.0;
        self.down_since = next.down_since.0;
        // These are bounded far below 32 bits: a day of credit, 720 hours of notice and of a lease, 72 hours of verification, a day between
        // checkpoints.
        self.credited_s = u32::try_from(next.credited.0).map_err(|_| RuleError::Overflow)?;
        self.credit = next.credit.0;
        self.collected = next.collected.0;
        self.notice_s = u32::try_from(next.notice.0).map_err(|_| RuleError::Overflow)?;
        self.notice_end = next.notice_end.0;
        self.duration_s = u32::try_from(next.duration.0).map_err(|_| RuleError::Overflow)?;
        Ok(())
    }

    /// State; `None` for a byte that this version does not know.
    pub fn state(&self) -> Option<LeaseState> {
        LeaseState::from_byte(self.header.state).ok()
    }

    /// Who made the open liveness challenge, where one is open.
    pub fn open_challenger(&self) -> Option<anchor_lang::prelude::Pubkey> {
        (self.challenge_end != 0).then_some(self.challenger)
    }

    /// Why it ended.
    pub fn end_reason(&self) -> EndReason {
        EndReason::from_byte(self.reason).unwrap_or(EndReason::None)
    }

    /// Exit code, where one was reported.
    pub fn exit(&self) -> Option<i32> {
        (self.has_exit == 1).then_some(self.exit_code)
    }
}
