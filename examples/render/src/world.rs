//! The scene in the form that the tracer works on.

use anyhow::Context;

use crate::camera::Camera;
use crate::failure::Failure;
use crate::geometry::{Hit, Plane, Ray, Sphere};
use crate::material::Material;
use crate::math::Vec3;
use crate::scene::{CameraSpec, Scene};

/// Everything that is there, and how it is to be pictured.
#[derive(Debug)]
pub struct World<'a> {
    /// Picture width in pixels.
    pub width: u32,
    /// Picture height in pixels.
    pub height: u32,
    /// Camera paths per pixel.
    pub samples: u32,
    /// The most surfaces that a path visits.
    pub depth: u32,
    /// How many pictures.
    pub frames: u32,
    /// Seed of all random numbers.
    pub seed: u64,
    camera: &'a CameraSpec,
    horizon: Vec3,
    zenith: Vec3,
    materials: Vec<Material>,
    spheres: Vec<Sphere>,
    planes: Vec<Plane>,
    lights: Vec<usize>,
}

impl<'a> World<'a> {
    /// Builds the world of a checked scene.
    ///
    /// # Errors
    /// A number that is out of the bounds which checking a scene enforces.
    pub fn build(scene: &'a Scene) -> Result<Self, Failure> {
        let whole = |key: &str, value: i64| {
            u32::try_from(value)
                .with_context(|| format!("`{key}` is {value}, which is no picture's"))
                .map_err(Failure::Scene)
        };
        let place = |name: &str| {
            scene
                .materials
                .keys()
                .position(|key| key == name)
                .with_context(|| format!("material \"{name}\" is not in `materials`"))
                .map_err(Failure::Scene)
        };
        let materials: Vec<Material> = scene.materials.values().map(Material::from).collect();
        let mut spheres = Vec::new();
        for sphere in &scene.spheres {
            spheres.push(Sphere {
                center: sphere.center.into(),
                radius: sphere.radius,
                material: place(&sphere.material)?,
            });
        }
        let mut planes = Vec::new();
        for plane in &scene.planes {
            planes.push(Plane {
                point: plane.point.into(),
                normal: Vec3::from(plane.normal).unit(),
                material: place(&plane.material)?,
            });
        }
        let lights = (0..spheres.len())
            .filter(|index| matches!(materials[spheres[*index].material], Material::Light(_)))
            .collect();
        Ok(Self {
            width: whole("width", scene.width)?,
            height: whole("height", scene.height)?,
            samples: whole("samples", scene.samples)?,
            depth: whole("depth", scene.depth)?,
            frames: whole("frames", scene.frames)?,
            seed: scene.seed,
            camera: &scene.camera,
            horizon: scene.sky.horizon.into(),
            zenith: scene.sky.zenith.into(),
            materials,
            spheres,
            planes,
            lights,
        })
    }

    /// The camera of a frame. A full circle ends one step before its start, so that the animation loops.
    pub fn camera(&self, frame: u32) -> Camera {
        let progress = f64::from(frame) / f64::from(self.frames);
        let aspect = f64::from(self.width) / f64::from(self.height);
        Camera::new(self.camera, progress, aspect)
    }

    /// The first surface that a ray meets.
    pub fn hit(&self, ray: &Ray) -> Option<Hit> {
        let mut limit = f64::INFINITY;
        let mut ball = None;
        for (index, sphere) in self.spheres.iter().enumerate() {
            if let Some(distance) = sphere.distance(ray, limit) {
                limit = distance;
                ball = Some(index);
            }
        }
        let mut nearest = None;
        for plane in &self.planes {
            if let Some(distance) = plane.distance(ray, limit) {
                limit = distance;
                nearest = Some(plane);
            }
        }
        match (nearest, ball) {
            (Some(plane), _) => Some(plane.hit(ray, limit)),
            (None, Some(index)) => Some(self.spheres[index].hit(ray, limit, index)),
            (None, None) => None,
        }
    }

    /// Whether nothing but the ball `except` lies within `distance` along a ray.
    pub fn is_clear(&self, ray: &Ray, distance: f64, except: usize) -> bool {
        let ball = self
            .spheres
            .iter()
            .enumerate()
            .any(|(index, sphere)| index != except && sphere.distance(ray, distance).is_some());
        !ball && !self.planes.iter().any(|plane| plane.distance(ray, distance).is_some())
    }

    /// The material of a surface that was hit.
    pub fn material(&self, hit: &Hit) -> &Material {
        &self.materials[hit.material]
    }

    /// The balls that give light, by their place in the list of balls.
    pub fn lights(&self) -> &[usize] {
        &self.lights
    }

    /// A ball by its place.
    pub fn sphere(&self, index: usize) -> &Sphere {
        &self.spheres[index]
    }

    /// What the ball gives off: its colour if it is a light, else black.
    pub fn emitted(&self, index: usize) -> Vec3 {
        match self.materials[self.spheres[index].material] {
            Material::Light(emit) => emit,
            _ => Vec3::ZERO,
        }
    }

    /// The light from the sky in a direction.
    pub fn sky(&self, direction: Vec3) -> Vec3 {
        let height = direction.y.max(0.0).sqrt();
        self.horizon * (1.0 - height) + self.zenith * height
    }
}
