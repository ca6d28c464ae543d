//! Whom a job remembers: the providers that it goes on without, and the first that said its container can never start.

use crate::array::{Mark, kin};
use crate::limits::MAX_ATTEMPTS;

/// Exit codes by which a container engine says that it cannot run what it was asked to run: the engine refused (a mount, a path,
/// another platform), the program cannot be executed, there is no such program.
pub const BUYER_ERRORS: core::ops::RangeInclusive<i32> = 125..=127;

/// Providers that a job goes on without. It holds the last [`MAX_ATTEMPTS`]: a job can lose more starts than attempts, because a
/// node that declines uses none, and then the oldest may try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Excluded {
    /// First eight bytes of their addresses, oldest first.
    pub marks: [Mark; MAX_ATTEMPTS as usize],
    /// How many of the places are in use.
    pub len: u8,
}

impl Excluded {
    /// Is this provider among them?
    pub fn holds(&self, mark: &Mark) -> bool {
        self.marks.iter().take(self.len.into()).any(|other| other == mark)
    }

    /// Puts a provider last; where every place is taken, the oldest goes.
    pub fn put(&mut self, mark: Mark) {
        let size = self.marks.len();
        if usize::from(self.len) >= size {
            self.marks.rotate_left(1);
            self.len = MAX_ATTEMPTS - 1;
        }
        if let Some(place) = self.marks.get_mut(usize::from(self.len)) {
            *place = mark;
        }
        self.len += 1; // at most MAX_ATTEMPTS
    }
}

/// Who stands behind the provider that first reported an error of the buyer's: marks of its authority, its node key and its
/// payout account; all zero where nobody has.
///
/// One provider's word is not enough, because it ends a job that others could run; two of one owner are one. Two strangers that
/// agree to lie pay the minute each, as the buyer does. Which of the codes it was counts for nothing: engines differ in how they
/// say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reporter(pub [Mark; 3]);

impl Reporter {
    /// A provider with these marks reports. Is it now certain? The first one is remembered.
    pub fn report(&mut self, marks: [Mark; 3]) -> bool {
        if self.0 == [[0; 8]; 3] {
            self.0 = marks;
            return false;
        }
        !kin(&self.0, &marks)
    }
}
