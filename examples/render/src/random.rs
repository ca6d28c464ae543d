//! Random numbers: PCG-32, seeded by SplitMix-64, one independent stream per pixel and frame.

use crate::math::Vec3;

/// How often a rejection loop tries before it takes a fixed direction. The chance to get there is below 1e-20.
const TRIES: u32 = 64;

/// A stream of random numbers that depends on its seed alone.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    increment: u64,
}

impl Random {
    /// The stream of one pixel of one frame.
    pub fn for_pixel(seed: u64, frame: u32, pixel: u32) -> Self {
        let mut mix = SplitMix(seed ^ (u64::from(frame) << 32 | u64::from(pixel)));
        let state = mix.next();
        // The increment of a PCG stream must be odd.
        let increment = mix.next() | 1;
        let mut random = Self { state, increment };
        random.next();
        random
    }

    /// The next 32 random bits.
    pub fn next(&mut self) -> u32 {
        let old = self.state;
        self.state = old.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(self.increment);
        let shifted = (((old >> 18) ^ old) >> 27) as u32;
        shifted.rotate_right((old >> 59) as u32)
    }

    /// A number in [0, 1) with 32 random bits.
    pub fn unit(&mut self) -> f64 {
        f64::from(self.next()) * (1.0 / 4_294_967_296.0)
    }

    /// A number in [-1, 1).
    fn signed(&mut self) -> f64 {
        2.0 * self.unit() - 1.0
    }

    /// A point in the unit disk, not at its centre, so that it also gives a direction.
    pub fn in_disk(&mut self) -> (f64, f64) {
        for _ in 0..TRIES {
            let (x, y) = (self.signed(), self.signed());
            let square = x * x + y * y;
            if square <= 1.0 && square > 1e-9 {
                return (x, y);
            }
        }
        (1.0, 0.0)
    }

    /// A direction, all equally likely.
    pub fn direction(&mut self) -> Vec3 {
        for _ in 0..TRIES {
            let v = Vec3::new(self.signed(), self.signed(), self.signed());
            let square = v.dot(v);
            if square <= 1.0 && square > 1e-9 {
                return v.unit();
            }
        }
        Vec3::UP
    }
}

/// Turns neighbouring seeds into unrelated ones.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_depends_on_seed_frame_and_pixel_and_on_nothing_else() {
        let first = |seed, frame, pixel| Random::for_pixel(seed, frame, pixel).next();
        assert_eq!(first(1, 2, 3), first(1, 2, 3));
        assert_ne!(first(1, 2, 3), first(2, 2, 3));
        assert_ne!(first(1, 2, 3), first(1, 3, 3));
        assert_ne!(first(1, 2, 3), first(1, 2, 4));
    }

    #[test]
    fn numbers_stay_in_range_and_fill_it() {
        let mut random = Random::for_pixel(7, 0, 0);
        let numbers: Vec<f64> = (0..10_000).map(|_| random.unit()).collect();
        assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
        let mean = numbers.iter().sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.02, "{mean}");
    }

    #[test]
    fn directions_have_length_one_and_no_favourite_side() {
        let mut random = Random::for_pixel(7, 0, 1);
        let mut sum = Vec3::ZERO;
        for _ in 0..10_000 {
            let v = random.direction();
            assert!((v.length() - 1.0).abs() < 1e-12);
            sum = sum + v;
        }
        assert!(sum.length() < 300.0, "{sum:?}");
    }
}
