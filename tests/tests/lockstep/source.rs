//! Where random numbers come from: they are the same for the same seed, on every machine.

/// SplitMix64.
#[derive(Clone, Debug)]
pub struct Source(u64);

impl Source {
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

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.any() % end.max(1)
    }
}
