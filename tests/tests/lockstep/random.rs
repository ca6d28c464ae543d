//! Random numbers that are the same for the same seed, on every machine.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        // Neighbouring seeds must not begin neighbouring places of one sequence.
        Self(Self(seed ^ 0x6a09_e667_f3bc_c908).any())
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
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
