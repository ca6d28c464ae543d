//! Deadlines that can hurt somebody, on a chain that may stand still.
//!
//! When a chain halts for two hours, its clock goes on: at the first slot after it every node is late, every challenge missed,
//! and nobody could do anything about it. So such a deadline passes only when its seconds **and** at least as many slots are
//! gone since it began to count (slots are shorter than a second, so this costs nothing while the chain runs). Where its
//! beginning was not recorded, or too long ago for slots to tell of a halt near its end, the first call after it records the
//! present, and the step follows a minute and sixty slots later.

use crate::limits::{CHALLENGE_TIME, HALT_TIME, MAX_DOWNTIME, RECENT, START_MAX};
use crate::quantity::{Now, UnixTs};

/// Where a deadline stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// There is still time.
    Open,
    /// The clock is past it, but nobody was seen to have had the time: the caller records the present as its new mark.
    Seen,
    /// It has passed.
    Passed,
}

/// Where a `deadline` stands at `now` that counts since `mark`, the moment that was recorded when it began or when it was first
/// seen over. The last second of a deadline still belongs to whoever has to meet it.
pub fn stands(deadline: UnixTs, mark: Now, now: Now) -> Deadline {
    if now.ts <= deadline {
        return Deadline::Open;
    }
    let left = deadline.since(mark.ts);
    if left > RECENT {
        return Deadline::Seen;
    }
    let left = if mark.ts > deadline { HALT_TIME } else { left };
    let over = now.ts.since(mark.ts) >= left && now.slot.saturating_sub(mark.slot) >= left.0;
    if over { Deadline::Passed } else { Deadline::Open }
}

/// Has it passed?
pub fn passed(deadline: UnixTs, mark: Now, now: Now) -> bool {
    stands(deadline, mark, now) == Deadline::Passed
}

/// Has the moment come from which something is allowed, counted in the same way? (It is the first second after the deadline.)
pub fn reached(from: UnixTs, mark: Now, now: Now) -> bool {
    passed(UnixTs(from.0.saturating_sub(1)), mark, now)
}

// A start and a downtime are told by the mark that they begin with; nothing marks them anew.
const _: () = assert!(START_MAX.0 <= RECENT.0 && MAX_DOWNTIME.0 <= RECENT.0 && CHALLENGE_TIME.0 <= RECENT.0);
