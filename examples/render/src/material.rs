//! What surfaces do with light.

use crate::geometry::Hit;
use crate::math::Vec3;
use crate::random::Random;
use crate::scene::MaterialSpec;

/// A material, ready for use.
#[derive(Clone, Debug)]
pub enum Material {
    /// Scatters in all directions; the second colour is that of the other squares, with their size.
    Diffuse(Vec3, Option<(Vec3, f64)>),
    /// Mirrors, blurred by the second value (0 to 1).
    Metal(Vec3, f64),
    /// Refracts with this index and lets this share pass.
    Glass(f64, Vec3),
    /// Gives light.
    Light(Vec3),
}

impl From<&MaterialSpec> for Material {
    fn from(spec: &MaterialSpec) -> Self {
        match spec {
            MaterialSpec::Diffuse { color, checker } => {
                Self::Diffuse((*color).into(), checker.as_ref().map(|checker| (checker.color.into(), checker.size)))
            }
            MaterialSpec::Metal { color, fuzz } => Self::Metal((*color).into(), *fuzz),
            MaterialSpec::Glass { ior, color } => Self::Glass(*ior, (*color).into()),
            MaterialSpec::Light { emit } => Self::Light((*emit).into()),
        }
    }
}

/// The colour of a diffuse surface at a point: plain, or in squares that are laid out on x and z.
pub fn pattern(color: Vec3, checker: Option<(Vec3, f64)>, point: Vec3) -> Vec3 {
    match checker {
        Some((other, size)) => {
            let square = (point.x / size).floor() + (point.z / size).floor();
            // Half of an even whole number is whole.
            if square * 0.5 == (square * 0.5).floor() { color } else { other }
        }
        None => color,
    }
}

/// A direction in which a diffuse surface scatters, likelier the closer it is to the normal.
pub fn scatter(normal: Vec3, random: &mut Random) -> Vec3 {
    let direction = normal + random.direction();
    if direction.dot(direction) > 1e-12 { direction.unit() } else { normal }
}

/// The direction in which metal mirrors, or nothing if the blur points into the surface.
pub fn reflect(direction: Vec3, hit: &Hit, fuzz: f64, random: &mut Random) -> Option<Vec3> {
    let mirrored = direction.mirrored(hit.normal);
    if fuzz == 0.0 {
        return Some(mirrored);
    }
    let blurred = (mirrored + random.direction() * (fuzz * random.unit())).unit();
    (blurred.dot(hit.normal) > 0.0).then_some(blurred)
}

/// The direction in which glass sends light on: mirrored or refracted, by chance in proportion.
pub fn refract(direction: Vec3, hit: &Hit, ior: f64, random: &mut Random) -> Vec3 {
    let ratio = if hit.outside { 1.0 / ior } else { ior };
    let cos = (-direction).dot(hit.normal).min(1.0);
    let sin_square = ratio * ratio * (1.0 - cos * cos);
    if sin_square >= 1.0 || random.unit() < mirrored_share(cos, sin_square, ratio) {
        return direction.mirrored(hit.normal);
    }
    (direction * ratio + hit.normal * (ratio * cos - (1.0 - sin_square).sqrt())).unit()
}

/// The share that is mirrored (Fresnel, unpolarised). `ratio` is the index before the surface over the one behind it.
fn mirrored_share(cos: f64, sin_square: f64, ratio: f64) -> f64 {
    let behind = (1.0 - sin_square).sqrt();
    let upright = (ratio * cos - behind) / (ratio * cos + behind);
    let along = (cos - ratio * behind) / (cos + ratio * behind);
    0.5 * (upright * upright + along * along)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn glass_mirrors_four_percent_straight_on_and_all_at_grazing() {
        assert!((mirrored_share(1.0, 0.0, 1.0 / 1.5) - 0.04).abs() < 1e-12);
        let cos: f64 = 1e-6;
        let sin_square = (1.0 - cos * cos) / 2.25;
        assert!(mirrored_share(cos, sin_square, 1.0 / 1.5) > 0.999);
    }

    #[test]
    fn squares_alternate_on_both_sides_of_the_origin() {
        let other = Some((Vec3::ONE, 1.0));
        let at = |x, z| pattern(Vec3::ZERO, other, Vec3::new(x, 0.0, z)) == Vec3::ONE;
        assert!(!at(0.5, 0.5) && at(1.5, 0.5) && at(-0.5, 0.5) && !at(-0.5, -0.5));
    }
}
