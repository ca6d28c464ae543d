//! The built command: what it writes, what it says, and how it fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot set up its files may end there")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

const TINY: &str = include_str!("tiny.json");

/// A scene file and an output directory of their own.
struct Run {
    directory: tempfile::TempDir,
}

impl Run {
    fn new(scene: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("scene.json"), scene).unwrap();
        Self { directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn render(&self) -> Output {
        render(&self.path("scene.json"), &self.path("out"))
    }
}

fn render(scene: &Path, out: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_render")).arg("--scene").arg(scene).arg("--out").arg(out).output().unwrap()
}

/// The error of a scene that must be refused before anything is written.
fn refusal(scene: &str) -> String {
    let run = Run::new(scene);
    let output = run.render();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(!run.path("out").exists(), "a refused scene must write nothing");
    error
}

fn changed(from: &str, to: &str) -> String {
    assert!(TINY.contains(from), "the tiny scene has no {from}");
    TINY.replacen(from, to, 1)
}

#[test]
fn a_run_writes_every_frame_and_a_summary_with_their_hashes() {
    let run = Run::new(TINY);
    let output = run.render();
    assert!(output.status.success(), "{output:?}");
    let summary: serde_json::Value =
        serde_json::from_slice(&std::fs::read(run.path("out/summary.json")).unwrap()).unwrap();
    let frames = summary["frames"].as_array().unwrap();
    assert_eq!(frames.len(), 2);
    assert_eq!(summary["samples"], 9);
    assert_eq!(summary["paths"], 24 * 16 * 9 * 2);
    for frame in frames {
        let bytes = std::fs::read(run.path("out").join(frame["file"].as_str().unwrap())).unwrap();
        assert_eq!(frame["sha256"], sha256(&bytes));
        let decoder = png::Decoder::new(std::io::Cursor::new(bytes));
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!((info.width, info.height), (24, 16));
        assert_eq!(frame["pixels_sha256"], sha256(&pixels));
    }
    assert_eq!(summary["scene_sha256"], sha256(TINY.as_bytes()));
}

#[test]
fn two_runs_of_one_scene_leave_the_same_bytes_and_the_same_log() {
    let (first, second) = (Run::new(TINY), Run::new(TINY));
    assert_eq!(first.render().stdout, second.render().stdout);
    for name in ["frame-0000.png", "frame-0001.png", "summary.json"] {
        let read = |run: &Run| std::fs::read(run.path("out").join(name)).unwrap();
        assert_eq!(read(&first), read(&second), "{name}");
    }
}

#[test]
fn running_again_into_the_same_directory_leaves_the_same_files_and_no_others() {
    let run = Run::new(TINY);
    for _ in 0..2 {
        assert!(run.render().status.success());
    }
    let mut names: Vec<_> = std::fs::read_dir(run.path("out"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["frame-0000.png", "frame-0001.png", "summary.json"]);
}

#[test]
fn the_log_tells_how_far_it_is_and_ends_with_done() {
    let output = Run::new(TINY).render();
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(log.starts_with("rendering \"tiny\": 2 frames of 24x16"), "{log}");
    assert!(log.contains(" 50 % · frame 1 of 2"), "{log}");
    assert!(log.contains("100 % · frame 2 of 2"), "{log}");
    assert!(log.contains("wrote frame-0001.png"), "{log}");
    assert!(log.lines().last().unwrap().starts_with("done: 2 frames"), "{log}");
}

#[test]
fn the_committed_scene_renders_when_it_is_made_small() {
    let mut scene: serde_json::Value = serde_json::from_str(include_str!("../scene.json")).unwrap();
    for (key, small) in [("width", 32), ("height", 18), ("samples", 1), ("frames", 1)] {
        scene[key] = small.into();
    }
    let run = Run::new(&scene.to_string());
    let output = run.render();
    assert!(output.status.success(), "{output:?}");
    assert!(run.path("out/summary.json").exists());
}

#[test]
fn a_number_out_of_bounds_is_named_with_its_value_and_bound() {
    for (from, to, named, bound) in [
        ("\"width\": 24", "\"width\": 9000", "`width` is 9000", "between 8 and 7680"),
        ("\"height\": 16", "\"height\": -3", "`height` is -3", "between 8 and 4320"),
        ("\"samples\": 9", "\"samples\": 0", "`samples` is 0", "between 1 and 65536"),
        ("\"depth\": 6", "\"depth\": 65", "`depth` is 65", "between 1 and 64"),
        ("\"frames\": 2", "\"frames\": 1001", "`frames` is 1001", "between 1 and 1000"),
        ("\"fov_deg\": 40", "\"fov_deg\": 180", "`camera.fov_deg` is 180", "between 1 and 150"),
        ("\"ior\": 1.5", "\"ior\": 0.2", "`materials.glass.ior` is 0.2", "between 1 and 4"),
        ("\"fuzz\": 0.1", "\"fuzz\": 2", "`materials.gold.fuzz` is 2", "between 0 and 1"),
        ("\"radius\": 0.5", "\"radius\": 0", "`spheres[2].radius` is 0", "between 0.001 and 10000"),
        ("\"normal\": [0, 1, 0]", "\"normal\": [0, 0, 0]", "`planes[0].normal (its length)` is 0", "between 0.001"),
        ("[0.8, 0.7, 0.6]", "[0.8, 0.7, 6000]", "`sky.horizon[2]` is 6000", "between 0 and 100"),
    ] {
        let error = refusal(&changed(from, to));
        assert!(error.contains(named) && error.contains(bound), "{error}");
        assert!(error.contains("scene.json"), "{error}");
    }
}

#[test]
fn a_run_that_would_take_for_ever_is_refused_by_the_product_of_its_sizes() {
    let scene = changed("\"width\": 24", "\"width\": 7680");
    let scene = scene.replacen("\"height\": 16", "\"height\": 4320", 1);
    let scene = scene.replacen("\"samples\": 9", "\"samples\": 65536", 1);
    let error = refusal(&scene);
    assert!(error.contains("must not be above 20000000000"), "{error}");
}

#[test]
fn a_material_that_is_not_there_is_named_with_those_that_are() {
    let error = refusal(&changed("\"material\": \"gold\"", "\"material\": \"golf\""));
    assert!(error.contains("`spheres[0].material` is \"golf\""), "{error}");
    assert!(error.contains("floor, glass, gold, lamp"), "{error}");
}

#[test]
fn a_scene_of_another_shape_is_refused_with_the_place_in_the_file() {
    for (scene, expected) in [
        (changed("\"seed\"", "\"sead\""), "unknown field `sead`"),
        (changed("\"title\": \"tiny\",", ""), "missing field `title`"),
        (changed("\"samples\": 9", "\"samples\": \"many\""), "invalid type: string \"many\""),
        (changed("\"kind\": \"glass\"", "\"kind\": \"jelly\""), "unknown variant `jelly`"),
        (TINY[..200].to_owned(), "EOF"),
        (String::new(), "EOF"),
    ] {
        let error = refusal(&scene);
        assert!(error.contains(expected) && error.contains("line "), "{error}");
    }
}

#[test]
fn a_missing_or_oversized_scene_file_is_refused() {
    let run = Run::new(TINY);
    let missing = render(&run.path("nowhere.json"), &run.path("out"));
    assert_eq!(missing.status.code(), Some(2));
    let error = String::from_utf8(missing.stderr).unwrap();
    assert!(error.contains("nowhere.json") && error.contains("--scene"), "{error}");
    let error = refusal(&" ".repeat((1 << 20) + 1));
    assert!(error.contains("larger than 1048576 bytes"), "{error}");
}

#[test]
fn an_output_that_cannot_be_written_has_its_own_exit_code() {
    let run = Run::new(TINY);
    std::fs::write(run.path("out"), b"a file where the directory should be").unwrap();
    let output = run.render();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{error}");
    assert!(error.contains("cannot write into") && error.contains("--out"), "{error}");
}

#[test]
fn a_closed_standard_output_ends_the_run_with_the_output_s_exit_code() {
    let run = Run::new(TINY);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let status = Command::new(env!("CARGO_BIN_EXE_render"))
        .args(["--scene", run.path("scene.json").to_str().unwrap()])
        .args(["--out", run.path("out").to_str().unwrap()])
        .stdout(writer)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
