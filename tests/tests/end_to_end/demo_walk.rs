//! The demo itself, as its user runs it.

use std::process::Stdio;

use gridlease_demo::image::docker;
use gridlease_demo::process::gridlease_binary;
use gridlease_testkit::needed;

#[tokio::test]
async fn the_demo_renders_pictures_and_accounts_for_every_atom() {
    if needed(docker().await).is_none() {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let demo = gridlease_binary().unwrap().with_file_name("gridlease-demo");
    let output = tempfile::tempdir().unwrap();
    let child = tokio::process::Command::new(demo)
        .args(["--json", "--bare", "--output"])
        .arg(output.path())
        .current_dir(root)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(std::time::Duration::from_secs(300), child).await.expect("the demo hangs").unwrap();
    let told = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{told}");
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).expect("standard output is one JSON object");
    let atoms = |key: &str| report[key].as_u64().unwrap_or_else(|| panic!("{key} in {report}"));
    assert_eq!(
        atoms("deposit_atoms"),
        atoms("paid_atoms") + atoms("fee_atoms") + atoms("refunded_atoms"),
        "every atom is accounted for"
    );
    assert!(atoms("paid_atoms") > 0 && atoms("fee_atoms") > 0);
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["output_sha256"].as_str().map(str::len), Some(64));
    for step in ["post_to_award", "award_to_ready", "ready_to_first_log", "finish_to_settled"] {
        assert!(report["timings_ms"][step].is_u64(), "{step} in {report}");
    }
    assert_eq!(shown(&told), rendered(root), "the log that the buyer was shown is what the container wrote");
    let pictures =
        walk(output.path()).into_iter().filter(|path| path.extension().is_some_and(|ext| ext == "png")).count();
    assert!(pictures >= 2, "{pictures} pictures in {}", output.path().display());
}

/// The lines of the container's log that the demo showed.
fn shown(told: &str) -> Vec<&str> {
    told.lines().filter_map(|line| line.strip_prefix("   │ ")).collect()
}

/// What the same program writes without a market: the same scene gives the same bytes everywhere.
fn rendered(root: &std::path::Path) -> Vec<String> {
    let renderer = std::env::var_os("GRIDLEASE_RENDER_BIN").expect("GRIDLEASE_RENDER_BIN names the static renderer");
    let frames = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(renderer);
    command.arg("--scene").arg(root.join("examples/render/scene.json")).arg("--out").arg(frames.path());
    let done = command.output().unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(walk(&path)) } else { found.push(path) }
    }
    found
}
