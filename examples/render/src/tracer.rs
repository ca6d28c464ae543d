//! The path tracer: follows light backwards from the camera.

use crate::failure::Failure;
use crate::geometry::{Hit, Ray};
use crate::material::{self, Material};
use crate::math::Vec3;
use crate::random::Random;
use crate::world::World;

/// From this surface on, dim paths end by chance (and the others count for more).
const ROULETTE_AFTER: u32 = 3;
/// No path adds more than this per channel: keeps rare bright paths from leaving specks.
const BRIGHTEST: f64 = 12.0;

/// A finished picture.
#[derive(Debug)]
pub struct Frame {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// 8-bit sRGB, row by row from the top.
    pub pixels: Vec<u8>,
    /// How many rays were followed.
    pub rays: u64,
}

/// Renders one frame; calls `on_row` with the number of finished rows after each of them.
///
/// # Errors
/// Whatever `on_row` returns; the frame is then given up.
pub fn render(world: &World, frame: u32, mut on_row: impl FnMut(u32) -> Result<(), Failure>) -> Result<Frame, Failure> {
    let camera = world.camera(frame);
    let mut tracer = Tracer { world, rays: 0 };
    let mut pixels = Vec::with_capacity(world.width as usize * world.height as usize * 3);
    // Samples lie on a grid inside the pixel as far as they fill one: less noise than pure chance.
    let side = f64::from(world.samples).sqrt().floor() as u32;
    for row in 0..world.height {
        for column in 0..world.width {
            let mut random = Random::for_pixel(world.seed, frame, row * world.width + column);
            let mut sum = Vec3::ZERO;
            for sample in 0..world.samples {
                let (mut dx, mut dy) = (random.unit(), random.unit());
                if sample < side * side {
                    dx = (f64::from(sample % side) + dx) / f64::from(side);
                    dy = (f64::from(sample / side) + dy) / f64::from(side);
                }
                let x = 2.0 * (f64::from(column) + dx) / f64::from(world.width) - 1.0;
                let y = 1.0 - 2.0 * (f64::from(row) + dy) / f64::from(world.height);
                let ray = camera.ray(x, y, &mut random);
                sum = sum + tracer.radiance(ray, &mut random);
            }
            let mean = sum * (1.0 / f64::from(world.samples));
            pixels.extend([mean.x, mean.y, mean.z].map(display));
        }
        on_row(row + 1)?;
    }
    Ok(Frame { width: world.width, height: world.height, pixels, rays: tracer.rays })
}

/// Light to an 8-bit value: a film-like shoulder, then gamma 2, which needs nothing but a square root.
fn display(light: f64) -> u8 {
    let shoulder = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14);
    (shoulder.clamp(0.0, 1.0).sqrt() * 255.0 + 0.5) as u8
}

struct Tracer<'a> {
    world: &'a World<'a>,
    rays: u64,
}

impl Tracer<'_> {
    /// The light that comes in along a ray.
    fn radiance(&mut self, mut ray: Ray, random: &mut Random) -> Vec3 {
        let mut light = Vec3::ZERO;
        let mut share = Vec3::ONE;
        // A diffuse surface asks for the light balls itself; a path that leaves it must not count them again.
        let mut asked_for_lights = false;
        for bounce in 0..self.world.depth {
            self.rays += 1;
            let Some(hit) = self.world.hit(&ray) else {
                light = light + share.tint(self.world.sky(ray.direction));
                break;
            };
            let next = match self.world.material(&hit) {
                Material::Light(emit) => {
                    if !(asked_for_lights && hit.sphere.is_some()) {
                        light = light + share.tint(*emit);
                    }
                    break;
                }
                Material::Diffuse(color, checker) => {
                    share = share.tint(material::pattern(*color, *checker, hit.point));
                    light = light + share.tint(self.direct(&hit, random));
                    asked_for_lights = true;
                    Some(material::scatter(hit.normal, random))
                }
                Material::Metal(color, fuzz) => {
                    share = share.tint(*color);
                    asked_for_lights = false;
                    material::reflect(ray.direction, &hit, *fuzz, random)
                }
                Material::Glass(ior, color) => {
                    share = share.tint(*color);
                    asked_for_lights = false;
                    Some(material::refract(ray.direction, &hit, *ior, random))
                }
            };
            let Some(direction) = next else { break };
            if bounce >= ROULETTE_AFTER {
                let survival = share.largest().clamp(0.05, 1.0);
                if random.unit() >= survival {
                    break;
                }
                share = share * (1.0 / survival);
            }
            ray = Ray { origin: hit.point, direction };
        }
        Vec3::new(light.x.min(BRIGHTEST), light.y.min(BRIGHTEST), light.z.min(BRIGHTEST))
    }

    /// The light that a diffuse, white surface gets straight from one ball of light, taken by chance.
    fn direct(&mut self, hit: &Hit, random: &mut Random) -> Vec3 {
        let Some((index, chance)) = self.pick_light(hit.point, random) else {
            return Vec3::ZERO;
        };
        let ball = self.world.sphere(index);
        let to = ball.center - hit.point;
        // A direction in the cone that the ball fills, all equally likely.
        let cos_edge = (1.0 - ball.radius * ball.radius / to.dot(to)).sqrt();
        let cos = 1.0 - random.unit() * (1.0 - cos_edge);
        let sin = (1.0 - cos * cos).max(0.0).sqrt();
        let (x, y) = random.in_disk();
        let scale = sin / (x * x + y * y).sqrt();
        let axis = to.unit();
        let (first, second) = axis.tangents();
        let direction = axis * cos + first * (x * scale) + second * (y * scale);
        let facing = direction.dot(hit.normal);
        if facing <= 0.0 {
            return Vec3::ZERO;
        }
        let ray = Ray { origin: hit.point, direction };
        self.rays += 1;
        let clear = match ball.distance(&ray, f64::INFINITY) {
            Some(distance) => self.world.is_clear(&ray, distance, index),
            // The very edge, missed by rounding.
            None => false,
        };
        if !clear {
            return Vec3::ZERO;
        }
        // Lambert's 1/π times the cone's solid angle 2π(1 − cos) leaves 2(1 − cos).
        self.world.emitted(index) * (facing * 2.0 * (1.0 - cos_edge) / chance)
    }

    /// A ball of light and the chance with which it was taken: the more light it would send here, the likelier.
    fn pick_light(&self, point: Vec3, random: &mut Random) -> Option<(usize, f64)> {
        let mut total = 0.0;
        let mut picked = None;
        for &index in self.world.lights() {
            let ball = self.world.sphere(index);
            let to = ball.center - point;
            let share = ball.radius * ball.radius / to.dot(to);
            // From inside a ball of light, or its very skin, the cone below would not be one.
            if share >= 1.0 {
                continue;
            }
            let weight = share * self.world.emitted(index).largest();
            total += weight;
            if random.unit() * total < weight {
                picked = Some((index, weight));
            }
        }
        picked.map(|(index, weight)| (index, weight / total))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn black_and_white_reach_the_ends_of_the_scale() {
        assert_eq!(display(0.0), 0);
        assert_eq!(display(1000.0), 255);
        assert!(display(0.2) < display(0.4));
    }
}
