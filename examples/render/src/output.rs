//! Frames and summary on disk. A file appears under its name when it is whole: a killed run leaves no half picture.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::scene::Scene;
use crate::tracer::Frame;

/// What the summary says about one frame.
#[derive(Clone, Debug, Serialize)]
pub struct FrameRecord {
    /// File name in the output directory.
    pub file: String,
    /// File size.
    pub bytes: usize,
    /// SHA-256 of the file.
    pub sha256: String,
    /// SHA-256 of the bare pixels (8-bit RGB, row by row): the same even if another encoder wrote the file.
    pub pixels_sha256: String,
}

/// The contents of `summary.json`. No times and no paths: the same scene gives the same summary.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// The scene's title.
    pub title: String,
    /// SHA-256 of the scene file.
    pub scene_sha256: String,
    /// Picture width in pixels.
    pub width: i64,
    /// Picture height in pixels.
    pub height: i64,
    /// Camera paths per pixel.
    pub samples: i64,
    /// Camera paths of the whole run.
    pub paths: i64,
    /// Rays that were followed.
    pub rays: u64,
    /// The frames in order.
    pub frames: Vec<FrameRecord>,
}

impl Summary {
    /// The summary of a finished run.
    pub fn new(scene: &Scene, scene_sha256: [u8; 32], rays: u64, frames: Vec<FrameRecord>) -> Self {
        Self {
            title: scene.title.clone(),
            scene_sha256: hex(&scene_sha256),
            width: scene.width,
            height: scene.height,
            samples: scene.samples,
            paths: scene.paths(),
            rays,
            frames,
        }
    }
}

/// The output directory.
#[derive(Debug)]
pub struct Output {
    directory: PathBuf,
}

impl Output {
    /// Makes sure that the directory is there and can be written, before any work is spent.
    ///
    /// # Errors
    /// The directory cannot be created or written.
    pub fn create(directory: &Path) -> Result<Self, Failure> {
        let output = Self { directory: directory.to_owned() };
        let try_out = || -> Result<()> {
            fs::create_dir_all(directory)?;
            let probe = directory.join(".render-probe");
            fs::write(&probe, b"")?;
            fs::remove_file(&probe)?;
            Ok(())
        };
        try_out()
            .with_context(|| format!("cannot write into {}; name a writable directory with --out", directory.display()))
            .map_err(Failure::Output)?;
        Ok(output)
    }

    /// Writes a frame as PNG.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_frame(&self, index: u32, frame: &Frame) -> Result<FrameRecord, Failure> {
        let (bytes, record) = encode(index, frame).map_err(Failure::Output)?;
        self.write(&record.file, &bytes)?;
        Ok(record)
    }

    /// Writes `summary.json`: the last file, so its presence says that the run is complete.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_summary(&self, summary: &Summary) -> Result<(), Failure> {
        let mut text = serde_json::to_string_pretty(summary)
            .context("cannot write the summary as JSON")
            .map_err(Failure::Output)?;
        text.push('\n');
        self.write("summary.json", text.as_bytes())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.directory.join(name);
        let part = self.directory.join(format!(".{name}.part"));
        let write = || -> Result<()> {
            fs::write(&part, bytes)?;
            fs::rename(&part, &path)?;
            Ok(())
        };
        write()
            .inspect_err(|_| {
                // The half file is of no use; if it cannot be removed either, the first error says more.
                let _ = fs::remove_file(&part);
            })
            .with_context(|| format!("cannot write {}; is the disk full?", path.display()))
            .map_err(Failure::Output)
    }
}

/// A frame as the bytes of a PNG file, with its record.
///
/// # Errors
/// The encoder refuses the picture.
pub fn encode(index: u32, frame: &Frame) -> Result<(Vec<u8>, FrameRecord)> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, frame.width, frame.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    // This level has one implementation, whichever zlib the rest of a build links: the file's hash depends on it.
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header().context("cannot start the picture")?;
    writer.write_image_data(&frame.pixels).context("cannot encode the picture")?;
    writer.finish().context("cannot finish the picture")?;
    let record = FrameRecord {
        file: format!("frame-{index:04}.png"),
        bytes: bytes.len(),
        sha256: hex(&Sha256::digest(&bytes)),
        pixels_sha256: hex(&Sha256::digest(&frame.pixels)),
    };
    Ok((bytes, record))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
