//! Random numbers of every kind that stories need, out of one [`Source`].

use crate::source::Source;

/// What stories choose by.
#[derive(Clone, Debug)]
pub struct Random(Source);

impl Random {
    /// Numbers out of this source.
    pub fn new(source: Source) -> Self {
        Self(source)
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0.any()
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0.below(end)
    }

    /// An index below `end`.
    pub fn index(&mut self, end: usize) -> usize {
        usize::try_from(self.below(end as u64)).unwrap()
    }

    /// A small number below `end`.
    pub fn small(&mut self, end: u8) -> u8 {
        u8::try_from(self.below(end.into())).unwrap()
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of them.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.index(from.len())]
    }

    /// A number above zero of any length up to `bits`, the long ones rather than the short ones.
    pub fn length(&mut self, bits: u64) -> u64 {
        let bits = self.below(bits).max(self.below(bits));
        1 + self.below(2 << bits)
    }

    /// An amount of any length below 2^`bits`, often a corner.
    pub fn amount(&mut self, bits: u32) -> u64 {
        match self.below(20) {
            0 => 0,
            1 => 1,
            2 => u64::MAX - self.below(2),
            _ => self.any() % (1 << (1 + self.below(bits.into()))),
        }
    }
}
