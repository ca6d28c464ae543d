//! The log on standard output: one line every few percent and one per frame, each written out at once.
//!
//! It carries no times: the same scene gives the same log, so that its hash can be compared too.

use std::io::Write;

use anyhow::Context;

use crate::failure::Failure;
use crate::output::{FrameRecord, Summary};
use crate::scene::Scene;

/// A line is written each time that this many percent more are done.
const STEP: u64 = 4;

/// Says how far the whole run is.
#[derive(Debug)]
pub struct Progress {
    frames: u64,
    height: u64,
    said: u64,
}

impl Progress {
    /// Says what is about to be rendered.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn start(scene: &Scene) -> Result<Self, Failure> {
        say(&format!(
            "rendering \"{}\": {} frames of {}x{}, {} samples a pixel, {} paths in all",
            scene.title,
            scene.frames,
            scene.width,
            scene.height,
            scene.samples,
            scene.paths()
        ))?;
        Ok(Self {
            // Checked to be positive when the scene was read.
            frames: scene.frames.unsigned_abs(),
            height: scene.height.unsigned_abs(),
            said: 0,
        })
    }

    /// Takes note that `row` rows of frame `frame` are done.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn row(&mut self, frame: u32, row: u32) -> Result<(), Failure> {
        let done = u64::from(frame) * self.height + u64::from(row);
        let percent = done * 100 / (self.frames * self.height);
        if percent < self.said + STEP {
            return Ok(());
        }
        self.said = percent - percent % STEP;
        say(&format!("{percent:3} % · frame {} of {}, row {row} of {}", frame + 1, self.frames, self.height))
    }

    /// Says that a frame is written.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn frame(&self, frame: &FrameRecord) -> Result<(), Failure> {
        say(&format!("wrote {} · {} bytes · sha256 {}", frame.file, frame.bytes, frame.sha256))
    }

    /// Says that everything is written.
    ///
    /// # Errors
    /// Standard output cannot be written.
    pub fn done(&self, summary: &Summary) -> Result<(), Failure> {
        say(&format!("done: {} frames, {} rays, summary.json written", summary.frames.len(), summary.rays))
    }
}

/// Writes a line to standard output and flushes it, so that whoever follows the log sees it now.
///
/// # Errors
/// Standard output is closed or full.
pub fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("cannot write progress to standard output")
        .map_err(Failure::Output)
}
