//! The camera of one frame.

use crate::geometry::Ray;
use crate::math::{Vec3, sin_cos_degrees};
use crate::random::Random;
use crate::scene::CameraSpec;

/// A camera that stands still.
#[derive(Clone, Debug)]
pub struct Camera {
    origin: Vec3,
    /// From the camera to the middle of the plane that is in focus.
    ahead: Vec3,
    /// From the middle of that plane to its right edge.
    right: Vec3,
    /// From the middle of that plane to its upper edge.
    up: Vec3,
    lens_right: Vec3,
    lens_up: Vec3,
}

impl Camera {
    /// The camera of a frame, given how far through the orbit it is (0 to 1) and the width over the height.
    pub fn new(spec: &CameraSpec, progress: f64, aspect: f64) -> Self {
        let (sin, cos) = sin_cos_degrees(spec.start_deg + spec.sweep_deg * progress);
        let (rise, run) = sin_cos_degrees(spec.elevation_deg);
        let back = Vec3::new(run * sin, rise, run * cos);
        let right = Vec3::UP.cross(back).unit();
        let up = back.cross(right);
        let (half_sin, half_cos) = sin_cos_degrees(spec.fov_deg / 2.0);
        let half_height = spec.distance * half_sin / half_cos;
        Self {
            origin: Vec3::from(spec.target) + back * spec.distance,
            ahead: back * -spec.distance,
            right: right * (half_height * aspect),
            up: up * half_height,
            lens_right: right * (spec.aperture / 2.0),
            lens_up: up * (spec.aperture / 2.0),
        }
    }

    /// A ray through a point of the picture; `x` and `y` go from -1 (left, bottom) to 1 (right, top).
    pub fn ray(&self, x: f64, y: f64, random: &mut Random) -> Ray {
        let (lens_x, lens_y) = random.in_disk();
        let offset = self.lens_right * lens_x + self.lens_up * lens_y;
        let towards = self.ahead + self.right * x + self.up * y - offset;
        Ray { origin: self.origin + offset, direction: towards.unit() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_the_picture_looks_at_the_target() {
        let spec = CameraSpec {
            target: [1.0, 2.0, 3.0],
            distance: 4.0,
            elevation_deg: 30.0,
            start_deg: 10.0,
            sweep_deg: 80.0,
            fov_deg: 40.0,
            aperture: 0.5,
        };
        let camera = Camera::new(&spec, 0.5, 1.5);
        let ray = camera.ray(0.0, 0.0, &mut Random::for_pixel(1, 2, 3));
        let target = Vec3::from(spec.target);
        let reached = ray.at((target - ray.origin).length());
        assert!((reached - target).length() < 1e-9);
    }
}
