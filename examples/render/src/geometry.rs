//! Rays, balls and planes.

use crate::math::Vec3;

/// Closer than this a ray does not hit: it would meet the surface that it just left.
const NEAR: f64 = 1e-6;

/// A half line.
#[derive(Clone, Copy, Debug)]
pub struct Ray {
    /// Where it starts.
    pub origin: Vec3,
    /// Where it goes, of length 1.
    pub direction: Vec3,
}

impl Ray {
    /// The point at a distance from the start.
    pub fn at(&self, distance: f64) -> Vec3 {
        self.origin + self.direction * distance
    }
}

/// A ball.
#[derive(Clone, Debug)]
pub struct Sphere {
    /// Its centre.
    pub center: Vec3,
    /// Its radius.
    pub radius: f64,
    /// Its place in the list of materials.
    pub material: usize,
}

/// An infinite plane.
#[derive(Clone, Debug)]
pub struct Plane {
    /// A point on it.
    pub point: Vec3,
    /// Its normal, of length 1.
    pub normal: Vec3,
    /// Its place in the list of materials.
    pub material: usize,
}

/// Where a ray meets a surface.
#[derive(Clone, Copy, Debug)]
pub struct Hit {
    /// The point.
    pub point: Vec3,
    /// The unit normal on the side that the ray comes from.
    pub normal: Vec3,
    /// Whether the ray comes from the outside.
    pub outside: bool,
    /// The place in the list of materials.
    pub material: usize,
    /// The ball that was hit, if it was one.
    pub sphere: Option<usize>,
}

impl Sphere {
    /// The distance at which a ray meets the ball, if it does before `limit`.
    #[inline]
    pub fn distance(&self, ray: &Ray, limit: f64) -> Option<f64> {
        let to = self.center - ray.origin;
        let along = to.dot(ray.direction);
        // The distance of the centre from the ray as a vector: loses no digits when the ball is small and far.
        let aside = to - ray.direction * along;
        let square = self.radius * self.radius - aside.dot(aside);
        if square < 0.0 {
            return None;
        }
        let half = square.sqrt();
        let near = along - half;
        if near > NEAR {
            return (near < limit).then_some(near);
        }
        let far = along + half;
        (far > NEAR && far < limit).then_some(far)
    }

    /// The hit at a distance along a ray.
    pub fn hit(&self, ray: &Ray, distance: f64, index: usize) -> Hit {
        let point = ray.at(distance);
        let outward = (point - self.center) * (1.0 / self.radius);
        let outside = outward.dot(ray.direction) < 0.0;
        Hit {
            point,
            normal: if outside { outward } else { -outward },
            outside,
            material: self.material,
            sphere: Some(index),
        }
    }
}

impl Plane {
    /// The distance at which a ray meets the plane, if it does before `limit`.
    #[inline]
    pub fn distance(&self, ray: &Ray, limit: f64) -> Option<f64> {
        let slope = self.normal.dot(ray.direction);
        if slope.abs() < 1e-12 {
            return None;
        }
        let distance = (self.point - ray.origin).dot(self.normal) / slope;
        (distance > NEAR && distance < limit).then_some(distance)
    }

    /// The hit at a distance along a ray.
    pub fn hit(&self, ray: &Ray, distance: f64) -> Hit {
        let outside = self.normal.dot(ray.direction) < 0.0;
        Hit {
            point: ray.at(distance),
            normal: if outside { self.normal } else { -self.normal },
            outside,
            material: self.material,
            sphere: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BALL: Sphere = Sphere { center: Vec3::new(0.0, 0.0, 5.0), radius: 1.0, material: 0 };

    fn forward(x: f64, z: f64) -> Ray {
        Ray { origin: Vec3::new(x, 0.0, z), direction: Vec3::new(0.0, 0.0, 1.0) }
    }

    #[test]
    fn a_ball_is_met_in_front_from_inside_and_not_behind() {
        assert_eq!(BALL.distance(&forward(0.0, 0.0), 100.0), Some(4.0));
        assert_eq!(BALL.distance(&forward(0.0, 5.0), 100.0), Some(1.0));
        assert_eq!(BALL.distance(&forward(0.0, 7.0), 100.0), None);
        assert_eq!(BALL.distance(&forward(1.5, 0.0), 100.0), None);
        assert_eq!(BALL.distance(&forward(0.0, 0.0), 3.0), None);
    }

    #[test]
    fn the_normal_faces_the_ray_on_both_sides() {
        let outside = BALL.hit(&forward(0.0, 0.0), 4.0, 0);
        assert!(outside.outside && outside.normal.z == -1.0);
        let inside = BALL.hit(&forward(0.0, 5.0), 1.0, 0);
        assert!(!inside.outside && inside.normal.z == -1.0);
    }
}
