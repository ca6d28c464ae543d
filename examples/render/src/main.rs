//! `render`: reads a scene, path-traces its frames on one core and writes them as PNG files with a summary.
//!
//! The same scene gives the same bytes on every machine: the random numbers are our own integers, one stream per
//! pixel; the arithmetic is `+ - * / sqrt` on f64, which IEEE 754 defines to the last bit; no clock, no threads and no
//! platform mathematics library is used. That is what lets two providers be compared by the hash of what they return.

mod args;
mod camera;
mod failure;
mod geometry;
mod material;
mod math;
mod output;
mod progress;
mod random;
mod scene;
mod tracer;
mod world;

use std::process::ExitCode;

use args::Command;
use failure::Failure;
use output::{Output, Summary};
use progress::Progress;
use world::World;

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("render: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Does what the arguments ask. Everything about the scene is checked before the first byte is written.
fn run(arguments: impl Iterator<Item = String>) -> Result<(), Failure> {
    let paths = match args::parse(arguments)? {
        Command::Help => return progress::say(args::HELP),
        Command::Render(paths) => paths,
    };
    let (scene, scene_sha256) = scene::load(&paths.scene)?;
    let world = World::build(&scene)?;
    let output = Output::create(&paths.out)?;
    let mut progress = Progress::start(&scene)?;

    let mut frames = Vec::new();
    let mut rays = 0;
    for index in 0..world.frames {
        let frame = tracer::render(&world, index, |row| progress.row(index, row))?;
        rays += frame.rays;
        let record = output.write_frame(index, &frame)?;
        progress.frame(&record)?;
        frames.push(record);
    }
    let summary = Summary::new(&scene, scene_sha256, rays, frames);
    output.write_summary(&summary)?;
    progress.done(&summary)
}

#[cfg(test)]
mod tests {
    use super::*;
    use output::FrameRecord;

    /// The tiny scene whose picture is pinned below.
    const TINY: &str = include_str!("../tests/tiny.json");

    fn frames(scene: &str) -> Vec<tracer::Frame> {
        let scene = scene::parse(scene.as_bytes()).unwrap();
        let world = World::build(&scene).unwrap();
        (0..world.frames).map(|index| tracer::render(&world, index, |_| Ok(())).unwrap()).collect()
    }

    #[test]
    fn a_tiny_scene_gives_the_pinned_pixels_and_files() {
        let records: Vec<FrameRecord> = frames(TINY)
            .iter()
            .enumerate()
            .map(|(index, frame)| output::encode(index as u32, frame).unwrap().1)
            .collect();
        let hashes: Vec<_> =
            records.iter().map(|record| (record.pixels_sha256.as_str(), record.sha256.as_str())).collect();
        assert_eq!(
            hashes,
            [
                (
                    "7cef58402bdc28863cbd228e3a88b9a30cd24500699706f215c5fdde0ae40a4b",
                    "c7d50a9abff6c48a188cd980b4957a9cf2a69e72d94d2cdebeed5baef95a6a93"
                ),
                (
                    "4ae6ffba56fcfc24fc48b51d1ad2c6812f59c5432e39e9767781639f88ea8b87",
                    "89e94e4d7f92bdbcc8c891ae986f37c95a458080c1eb0ffbeef77c00048533af"
                ),
            ]
        );
    }

    #[test]
    fn rendering_twice_gives_the_same_pixels_and_the_same_number_of_rays() {
        let (first, second) = (frames(TINY), frames(TINY));
        for (a, b) in first.iter().zip(&second) {
            assert_eq!(a.pixels, b.pixels);
            assert_eq!(a.rays, b.rays);
        }
    }

    #[test]
    fn another_seed_gives_another_picture() {
        let other = TINY.replace("\"seed\": 11", "\"seed\": 12");
        assert_ne!(frames(TINY)[0].pixels, frames(&other)[0].pixels);
    }

    #[test]
    fn the_camera_moves_from_frame_to_frame() {
        let frames = frames(TINY);
        assert_ne!(frames[0].pixels, frames[1].pixels);
    }
}
