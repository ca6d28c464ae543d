//! Vectors, and the two functions that the platform's mathematics library must not decide.

use std::ops::{Add, Mul, Neg, Sub};

/// A point, a direction or a linear RGB colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Vec3 {
    /// First component (red).
    pub x: f64,
    /// Second component, up (green).
    pub y: f64,
    /// Third component (blue).
    pub z: f64,
}

impl Vec3 {
    /// The null vector, black.
    pub const ZERO: Self = Self::new(0.0, 0.0, 0.0);
    /// White.
    pub const ONE: Self = Self::new(1.0, 1.0, 1.0);
    /// Up.
    pub const UP: Self = Self::new(0.0, 1.0, 0.0);

    /// A vector of three components.
    pub const fn new(x: f64, y: f64, z: f64) -> Self {
        Self { x, y, z }
    }

    /// The scalar product.
    pub fn dot(self, other: Self) -> f64 {
        self.x * other.x + self.y * other.y + self.z * other.z
    }

    /// The vector product.
    pub fn cross(self, other: Self) -> Self {
        Self::new(
            self.y * other.z - self.z * other.y,
            self.z * other.x - self.x * other.z,
            self.x * other.y - self.y * other.x,
        )
    }

    /// The length.
    pub fn length(self) -> f64 {
        self.dot(self).sqrt()
    }

    /// The same direction with length 1. The caller makes sure that the length is not 0.
    pub fn unit(self) -> Self {
        self * (1.0 / self.length())
    }

    /// Component by component: how a surface colours light.
    pub fn tint(self, other: Self) -> Self {
        Self::new(self.x * other.x, self.y * other.y, self.z * other.z)
    }

    /// The largest component.
    pub fn largest(self) -> f64 {
        self.x.max(self.y).max(self.z)
    }

    /// This direction mirrored at a surface with unit normal `normal`.
    pub fn mirrored(self, normal: Self) -> Self {
        self - normal * (2.0 * self.dot(normal))
    }

    /// Two unit vectors that stand upright on this unit vector and on each other.
    pub fn tangents(self) -> (Self, Self) {
        // Any axis that is not close to this vector gives a well-conditioned product.
        let axis = if self.x.abs() > 0.9 { Self::UP } else { Self::new(1.0, 0.0, 0.0) };
        let first = self.cross(axis).unit();
        (first, self.cross(first))
    }
}

impl From<[f64; 3]> for Vec3 {
    fn from([x, y, z]: [f64; 3]) -> Self {
        Self::new(x, y, z)
    }
}

impl Add for Vec3 {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self::new(self.x + other.x, self.y + other.y, self.z + other.z)
    }
}

impl Sub for Vec3 {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self::new(self.x - other.x, self.y - other.y, self.z - other.z)
    }
}

impl Mul<f64> for Vec3 {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self::new(self.x * factor, self.y * factor, self.z * factor)
    }
}

impl Neg for Vec3 {
    type Output = Self;
    fn neg(self) -> Self {
        self * -1.0
    }
}

/// Sine and cosine of an angle in degrees, by their power series.
///
/// The libraries of two platforms may differ in the last bit of `sin`; a series of exactly defined operations cannot.
/// The argument is brought into ±180° first, where 14 terms leave an error below 1e-12.
pub fn sin_cos_degrees(degrees: f64) -> (f64, f64) {
    let turns = (degrees / 360.0).round();
    let x = (degrees - turns * 360.0) * (std::f64::consts::PI / 180.0);
    let square = x * x;
    let (mut sin, mut cos) = (0.0, 0.0);
    let (mut sin_term, mut cos_term) = (x, 1.0);
    for n in 0..14_u32 {
        sin += sin_term;
        cos += cos_term;
        let k = f64::from(2 * n);
        cos_term *= -square / ((k + 1.0) * (k + 2.0));
        sin_term *= -square / ((k + 2.0) * (k + 3.0));
    }
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_agrees_with_the_library_over_several_turns() {
        for step in -800..=800 {
            let degrees = f64::from(step) * 1.37;
            let (sin, cos) = sin_cos_degrees(degrees);
            let (expected_sin, expected_cos) = degrees.to_radians().sin_cos();
            assert!((sin - expected_sin).abs() < 1e-11, "sin {degrees}");
            assert!((cos - expected_cos).abs() < 1e-11, "cos {degrees}");
        }
    }

    #[test]
    fn tangents_stand_upright_on_their_vector_and_on_each_other() {
        for v in [Vec3::UP, Vec3::new(1.0, 0.0, 0.0), Vec3::new(1.0, -2.0, 0.3).unit()] {
            let (a, b) = v.tangents();
            for product in [v.dot(a), v.dot(b), a.dot(b)] {
                assert!(product.abs() < 1e-12);
            }
            assert!((a.length() - 1.0).abs() < 1e-12 && (b.length() - 1.0).abs() < 1e-12);
        }
    }
}
