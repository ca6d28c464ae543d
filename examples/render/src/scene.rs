//! The scene file: its keys, and the bound of every one of them.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

/// The largest scene file, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The most camera paths of a whole run: frames × width × height × samples.
const MAX_PATHS: i64 = 20_000_000_000;
/// The most objects of one kind, and the most materials.
const MAX_OBJECTS: usize = 256;
/// How far from the origin anything may be, in scene units.
const FAR: f64 = 10_000.0;

/// A scene as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// A name for the summary.
    pub title: String,
    /// Seed of all random numbers.
    pub seed: u64,
    /// Picture width in pixels.
    pub width: i64,
    /// Picture height in pixels.
    pub height: i64,
    /// Camera paths per pixel.
    pub samples: i64,
    /// The most surfaces that a path visits.
    pub depth: i64,
    /// How many pictures.
    pub frames: i64,
    /// Where the camera goes.
    pub camera: CameraSpec,
    /// What is behind everything.
    pub sky: SkySpec,
    /// Materials by name.
    pub materials: BTreeMap<String, MaterialSpec>,
    /// The balls.
    #[serde(default)]
    pub spheres: Vec<SphereSpec>,
    /// The infinite planes.
    #[serde(default)]
    pub planes: Vec<PlaneSpec>,
}

/// A camera that circles its target while the frames go by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraSpec {
    /// The point it looks at; also what is in focus.
    pub target: [f64; 3],
    /// Its distance from the target.
    pub distance: f64,
    /// Its height above the horizon, seen from the target, in degrees.
    pub elevation_deg: f64,
    /// Its direction in the first frame, in degrees.
    pub start_deg: f64,
    /// How far it goes round over all frames, in degrees.
    pub sweep_deg: f64,
    /// The vertical opening angle in degrees.
    pub fov_deg: f64,
    /// The diameter of the lens; 0 has everything in focus.
    #[serde(default)]
    pub aperture: f64,
}

/// A sky that fades from the horizon to the zenith.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkySpec {
    /// Light from the horizon, linear RGB.
    pub horizon: [f64; 3],
    /// Light from straight above, linear RGB.
    pub zenith: [f64; 3],
}

/// What a surface does with light.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "lowercase")]
pub enum MaterialSpec {
    /// Scatters in all directions.
    Diffuse {
        /// Reflected share per channel.
        color: [f64; 3],
        /// A second colour in squares, seen from above.
        #[serde(default)]
        checker: Option<CheckerSpec>,
    },
    /// Mirrors, more or less sharply.
    Metal {
        /// Reflected share per channel.
        color: [f64; 3],
        /// 0 is a mirror, 1 is brushed.
        #[serde(default)]
        fuzz: f64,
    },
    /// Refracts and mirrors.
    Glass {
        /// Index of refraction.
        ior: f64,
        /// Share that passes per channel.
        #[serde(default = "white")]
        color: [f64; 3],
    },
    /// Gives light.
    Light {
        /// What it gives, linear RGB.
        emit: [f64; 3],
    },
}

/// The other squares of a chequered surface.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckerSpec {
    /// Reflected share per channel.
    pub color: [f64; 3],
    /// Side of a square.
    pub size: f64,
}

/// A ball.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SphereSpec {
    /// Its centre.
    pub center: [f64; 3],
    /// Its radius.
    pub radius: f64,
    /// A name in `materials`.
    pub material: String,
}

/// An infinite plane.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlaneSpec {
    /// A point on it.
    pub point: [f64; 3],
    /// Its normal, of any length but 0.
    pub normal: [f64; 3],
    /// A name in `materials`.
    pub material: String,
}

fn white() -> [f64; 3] {
    [1.0; 3]
}

/// Reads and checks a scene file; returns it with the SHA-256 of its bytes.
///
/// # Errors
/// The file cannot be read or is over 1 MiB, is no JSON of this shape, or a value is out of its bounds.
pub fn load(path: &Path) -> Result<(Scene, [u8; 32]), Failure> {
    let read = || -> Result<Vec<u8>> {
        let file = std::fs::File::open(path)
            .context("cannot open the scene file; name one with --scene or mount it where it is expected")?;
        let mut bytes = Vec::new();
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
        ensure!(bytes.len() as u64 <= MAX_FILE, "the scene file is larger than {MAX_FILE} bytes; make it smaller");
        Ok(bytes)
    };
    let load = || -> Result<(Scene, [u8; 32])> {
        let bytes = read()?;
        Ok((parse(&bytes)?, Sha256::digest(&bytes).into()))
    };
    load().with_context(|| format!("scene {}", path.display())).map_err(Failure::Scene)
}

/// Reads and checks the bytes of a scene file.
///
/// # Errors
/// The bytes are no JSON of this shape, or a value is out of its bounds.
pub fn parse(bytes: &[u8]) -> Result<Scene> {
    let scene: Scene = serde_json::from_slice(bytes).context("the scene file is not usable")?;
    scene.check()?;
    Ok(scene)
}

impl Scene {
    /// Camera paths of the whole run.
    pub fn paths(&self) -> i64 {
        self.frames * self.width * self.height * self.samples
    }

    /// Checks every value, in the order of the file's keys.
    fn check(&self) -> Result<()> {
        ensure!(self.title.len() <= 200, "`title` has {} bytes, but may have 200 at most", self.title.len());
        count("width", self.width, 8, 7680)?;
        count("height", self.height, 8, 4320)?;
        count("samples", self.samples, 1, 65_536)?;
        count("depth", self.depth, 1, 64)?;
        count("frames", self.frames, 1, 1000)?;
        // The bounds above keep the product far below the largest i64.
        ensure!(
            self.paths() <= MAX_PATHS,
            "`frames` × `width` × `height` × `samples` is {}, but must not be above {MAX_PATHS}; lower one of them",
            self.paths()
        );
        self.camera.check()?;
        triple("sky.horizon", self.sky.horizon, 0.0, 100.0)?;
        triple("sky.zenith", self.sky.zenith, 0.0, 100.0)?;
        few("materials", self.materials.len())?;
        for (name, material) in &self.materials {
            material.check(&format!("materials.{name}"))?;
        }
        few("spheres", self.spheres.len())?;
        for (index, sphere) in self.spheres.iter().enumerate() {
            let at = format!("spheres[{index}]");
            triple(&format!("{at}.center"), sphere.center, -FAR, FAR)?;
            number(&format!("{at}.radius"), sphere.radius, 0.001, FAR)?;
            self.known(&at, &sphere.material)?;
        }
        few("planes", self.planes.len())?;
        for (index, plane) in self.planes.iter().enumerate() {
            let at = format!("planes[{index}]");
            triple(&format!("{at}.point"), plane.point, -FAR, FAR)?;
            triple(&format!("{at}.normal"), plane.normal, -FAR, FAR)?;
            let length = crate::math::Vec3::from(plane.normal).length();
            number(&format!("{at}.normal (its length)"), length, 0.001, 2.0 * FAR)?;
            self.known(&at, &plane.material)?;
        }
        Ok(())
    }

    fn known(&self, at: &str, material: &str) -> Result<()> {
        if self.materials.contains_key(material) {
            return Ok(());
        }
        let names: Vec<_> = self.materials.keys().map(String::as_str).collect();
        bail!("`{at}.material` is \"{material}\", which is not in `materials` ({})", names.join(", "))
    }
}

impl CameraSpec {
    fn check(&self) -> Result<()> {
        triple("camera.target", self.target, -FAR, FAR)?;
        number("camera.distance", self.distance, 0.01, FAR)?;
        // Straight above, "right" has no direction.
        number("camera.elevation_deg", self.elevation_deg, -89.0, 89.0)?;
        number("camera.start_deg", self.start_deg, -3600.0, 3600.0)?;
        number("camera.sweep_deg", self.sweep_deg, -3600.0, 3600.0)?;
        number("camera.fov_deg", self.fov_deg, 1.0, 150.0)?;
        number("camera.aperture", self.aperture, 0.0, self.distance)
    }
}

impl MaterialSpec {
    fn check(&self, at: &str) -> Result<()> {
        match self {
            Self::Diffuse { color, checker } => {
                triple(&format!("{at}.color"), *color, 0.0, 1.0)?;
                if let Some(checker) = checker {
                    triple(&format!("{at}.checker.color"), checker.color, 0.0, 1.0)?;
                    number(&format!("{at}.checker.size"), checker.size, 0.001, FAR)?;
                }
                Ok(())
            }
            Self::Metal { color, fuzz } => {
                triple(&format!("{at}.color"), *color, 0.0, 1.0)?;
                number(&format!("{at}.fuzz"), *fuzz, 0.0, 1.0)
            }
            Self::Glass { ior, color } => {
                number(&format!("{at}.ior"), *ior, 1.0, 4.0)?;
                triple(&format!("{at}.color"), *color, 0.0, 1.0)
            }
            Self::Light { emit } => triple(&format!("{at}.emit"), *emit, 0.0, 1000.0),
        }
    }
}

fn count(key: &str, value: i64, low: i64, high: i64) -> Result<()> {
    ensure!((low..=high).contains(&value), "`{key}` is {value}, but must be between {low} and {high}");
    Ok(())
}

fn number(key: &str, value: f64, low: f64, high: f64) -> Result<()> {
    ensure!((low..=high).contains(&value), "`{key}` is {value}, but must be between {low} and {high}");
    Ok(())
}

fn triple(key: &str, values: [f64; 3], low: f64, high: f64) -> Result<()> {
    for (index, value) in values.into_iter().enumerate() {
        number(&format!("{key}[{index}]"), value, low, high)?;
    }
    Ok(())
}

fn few(key: &str, count: usize) -> Result<()> {
    ensure!(count <= MAX_OBJECTS, "`{key}` has {count} entries, but may have {MAX_OBJECTS} at most");
    Ok(())
}
