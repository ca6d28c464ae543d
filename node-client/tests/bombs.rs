//! Row 6 of NODE-THREATS: a job that does everything at once that a machine can be brought down with, beside one that does its work.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod api_bench;
mod support;

use std::time::Duration;

use gridlease_node::api::ApiLimits;
use gridlease_node::driver::{ContainerState, Driver as _};
use reqwest::StatusCode;
use support::with_bench;

/// What does not end by itself comes last; each goes on although the others are refused something.
const BOMBS: &str = "ulimit -n; ulimit -c; \
    (ulimit -n 2097152) 2>/dev/null && echo more files; \
    sh -c 'kill -ABRT $$'; ls /tmp/core* /out/core* 2>/dev/null; \
    (while true; do dd if=/dev/zero of=/dev/shm/fill bs=1M 2>/dev/null; done) & \
    (while true; do dd if=/dev/zero of=/tmp/fill bs=1M 2>/dev/null; done) & \
    (while true; do dd if=/dev/zero of=/dev/null bs=1G count=1 2>/dev/null; done) & \
    (while true; do yes | head -c 10000000; done) & \
    echo begun; \
    bomb() { bomb | bomb & }; while true; do bomb 2>/dev/null; sleep 0.01; done";

#[tokio::test]
async fn threat_06_bombs_of_every_kind_at_once_leave_another_lease_and_the_node_s_answers_alone() {
    with_bench(|bench| async {
        let api = api_bench::Bench::start(ApiLimits::default()).await;
        let hostile = bench.launch(&bench.spec(1, BOMBS)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let work = "i=0; while [ $i -lt 200 ]; do echo step $i; i=$((i+1)); sleep 0.01; done; cat /in/data > /out/copy; exit 3";
        let honest = bench.launch(&bench.spec(2, work)).await;
        let answers = async {
            let mut right = 0;
            while !matches!(bench.driver.inspect(&honest).await.unwrap(), ContainerState::Exited(_)) {
                let answer = api.get(&api.lease("status")).await;
                assert_eq!(answer.status(), StatusCode::OK);
                right += 1;
            }
            right
        };
        let right = tokio::time::timeout(Duration::from_secs(120), answers).await.expect("the honest job ends");
        assert!(right > 10, "{right} answers");
        let exit = bench.driver.wait(&honest).await.unwrap();
        assert_eq!((exit.code, exit.oom_killed), (3, false));
        let lines = bench.output(&honest).await;
        assert_eq!(lines, (0..200).map(|n| format!("step {n}")).collect::<Vec<_>>());

        let told: Vec<_> = {
            use futures_util::StreamExt as _;
            // Both streams are in it, in whatever order.
            let pieces = bench.driver.logs(&hostile, None, false).take(8).collect::<Vec<_>>().await;
            pieces.into_iter().map(|piece| String::from_utf8_lossy(&piece.unwrap().bytes).into_owned()).collect()
        };
        let limits: Vec<_> = told.iter().filter(|line| line.parse::<u32>().is_ok()).collect();
        assert_eq!(limits, ["16384", "0"], "open files, and no core: {told:?}");
        assert!(!told.iter().any(|line| line == "more files" || line.contains("core")), "{told:?}");
        // All of it ends with the container.
        bench.driver.stop(&hostile, Duration::from_secs(1)).await.unwrap();
        bench.driver.remove(&hostile).await.unwrap();
        assert_eq!(bench.driver.inspect(&hostile).await.unwrap(), ContainerState::Missing);
        bench
    })
    .await;
}
