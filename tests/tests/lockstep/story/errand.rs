//! Something that takes several commands, one after the other, while others act too.

use crate::command::Command;
use crate::random::Random;

/// Who is on the way to what, and how many commands more; nobody most of the time.
pub struct Errand<T>(Option<(T, u8)>);

impl<T> Default for Errand<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Copy> Errand<T> {
    /// Begins once in `times` commands, for `most` commands; goes on seven times of eight. `None` where others act now.
    pub fn choose(
        &mut self,
        random: &mut Random,
        (times, most): (u64, u8),
        begin: impl FnOnce(&mut Random) -> Option<T>,
        next: impl FnOnce(&mut Random, T) -> Option<Command>,
    ) -> Option<Command> {
        if self.0.is_none() && random.once_in(times) {
            self.0 = begin(random).map(|who| (who, most));
        }
        let (who, left) = self.0.filter(|_| !random.once_in(8))?;
        let command = next(random, who).filter(|_| left > 0);
        self.0 = command.as_ref().map(|_| (who, left - 1));
        command
    }
}
