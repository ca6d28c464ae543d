//! Sealed bids: what is hashed, what a bid binds, and what becomes of one.
//!
//! | time | the job | what can be done with a sealed bid |
//! |---|---|---|
//! | before the end of the window | takes commitments | nothing |
//! | before the end of the revealing | waits | reveal |
//! | from the end of the revealing | can be awarded | forfeit |
//! | any | ended before the end of the revealing, or is gone | release |

use crate::deadline;
use crate::job::{Job, JobState};
use crate::quantity::{Atoms, Now, PricePerHour, UnixTs};
use crate::slash::SlashSplit;

/// First bytes of every preimage: no hash made for another purpose can be one of a bid.
pub const DOMAIN: &[u8; 16] = b"gridlease-bid-v1";
/// Bytes of a preimage.
pub const PREIMAGE: usize = 16 + 4 * 32 + 8 + 32;

/// A bid as it is sealed and revealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bid {
    /// Address of the market program.
    pub program: [u8; 32],
    /// The job.
    pub job: [u8; 32],
    /// The provider record: a commitment copied by another provider can never be revealed.
    pub provider: [u8; 32],
    /// The offer.
    pub offer: [u8; 32],
    /// Price bid.
    pub price: PricePerHour,
    /// 32 random bytes that keep the price from being guessed.
    pub salt: [u8; 32],
}

impl Bid {
    /// What is hashed by SHA-256: every part at its fixed place, so that two different bids never share a preimage.
    pub fn preimage(&self) -> [u8; PREIMAGE] {
        let mut bytes = [0; PREIMAGE];
        let price = self.price.0.to_le_bytes();
        let parts: [&[u8]; 7] = [DOMAIN, &self.program, &self.job, &self.provider, &self.offer, &price, &self.salt];
        // The parts are as long as the array, by the type of each.
        let from = parts.into_iter().flatten();
        bytes.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        bytes
    }
}

/// Where a forfeited bond goes: all of it to the insurance fund. Nobody may gain by a bid that is not revealed: who holds a
/// provider's hot key could post a job of its own, commit the provider's stake to it, keep silent and be paid for it.
/// (How large the bond is: [`crate::bond::sealed_bond`].)
pub const fn forfeit(bond: Atoms) -> SlashSplit {
    SlashSplit { victim: Atoms::ZERO, insurance: bond }
}

/// What can be done with a sealed bid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing yet: bids are still being committed.
    Wait,
    /// It can be revealed.
    Reveal,
    /// It was not revealed in time; its bond is forfeited.
    Forfeit,
    /// It is free: the job ended before the bid could have been revealed, or is gone.
    Release,
}

/// What can be done at `now` with a sealed bid whose revealing ends at `reveal_end`; `job` with the time at which it ended
/// (zero before), `None` where its account is gone.
///
/// While a job still stands in the bid's own round, the end of the revealing is a deadline that a halt of the chain does not
/// pass ([`crate::deadline`]); once it was awarded, everybody had the time.
pub fn fate(reveal_end: UnixTs, job: Option<(&Job, UnixTs)>, now: Now) -> Fate {
    let Some((job, ended_ts)) = job else { return Fate::Release };
    if job.state == JobState::Ended && ended_ts < reveal_end {
        return Fate::Release;
    }
    let in_its_round = job.state == JobState::Open && job.reveal_end == reveal_end;
    let over = if in_its_round { deadline::reached(reveal_end, job.mark, now) } else { now.ts >= reveal_end };
    if over {
        Fate::Forfeit
    } else if now.ts < job.close_ts {
        Fate::Wait
    } else {
        Fate::Reveal
    }
}
