//! That the tests on Docker cannot pass without having run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod support;

use std::process::{Command, Output};

use gridlease_testkit::REQUIRE_VAR;

#[tokio::test]
async fn a_test_that_needs_a_bench() {
    support::with_bench(|bench| async {
        bench.pull().await.unwrap();
        bench
    })
    .await;
}

/// Runs the test above in a process that finds no container engine.
fn without_docker(required: Option<&str>) -> Output {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child
        .args(["--exact", "a_test_that_needs_a_bench", "--nocapture"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .env_remove("CI")
        .env_remove(REQUIRE_VAR);
    if let Some(name) = required {
        child.env(name, "1");
    }
    child.output().unwrap()
}

#[test]
fn issue9_24_without_docker_a_test_is_skipped_aloud_and_fails_in_ci_and_under_xtask() {
    let skipped = without_docker(None);
    let told = String::from_utf8_lossy(&skipped.stderr);
    assert!(skipped.status.success() && told.contains("skipped: "), "{told}");
    for name in ["CI", REQUIRE_VAR] {
        let failed = without_docker(Some(name));
        let told = String::from_utf8_lossy(&failed.stderr);
        assert!(!failed.status.success(), "{name}: {told}");
        assert!(told.contains("docker.sock") && told.contains(name), "{told}");
    }
}
