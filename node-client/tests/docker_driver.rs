//! The Docker driver on the real engine: what is promised to buyer and provider is enforced by the kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use std::time::Duration;

use gridlease_node::driver::docker::DockerDriver;
use gridlease_node::driver::{ContainerSpec, ContainerState, Driver as _, DriverError, Mount, Pull};
use gridlease_node::logs::{LeaseLog, LogLimits, Runs, collect};
use std::sync::Arc;
use support::{Registry, with_bench, with_bench_of};
use tokio::sync::watch;

/// Prints one line for everything that a container must not be able to do.
const PROBE: &str = r#"
grep -E 'Cap(Eff|Bnd|Prm)' /proc/self/status
grep -E 'NoNewPrivs|Seccomp:' /proc/self/status
id -u
touch /escape 2>/dev/null && echo "root is writable" || echo "root is read-only"
touch /in/data 2>/dev/null && echo "input is writable" || echo "input is read-only"
cat /in/data; echo
echo done > /out/result && echo "output is writable"
touch /tmp/x && echo "tmp is writable"
dd if=/dev/zero of=/tmp/big bs=1M count=200 2>/dev/null && echo "tmp is unbounded" || echo "tmp is bounded"
ls /sys/class/net
echo "greeting=$GREETING home=$HOME"
mount -t tmpfs none /out 2>/dev/null && echo "mounted" || echo "cannot mount"
"#;

#[tokio::test]
async fn threat_04_a_container_has_no_privilege_no_network_and_one_place_to_write() {
    with_bench(|bench| async {
        let spec = bench.spec(1, PROBE);
        let id = bench.launch(&spec).await;
        let lines = bench.output(&id).await;
        let exit = bench.driver.wait(&id).await.unwrap();
        assert_eq!(exit.code, 0, "{lines:?}");
        assert!(exit.started_at_ms > 0 && exit.finished_at_ms >= exit.started_at_ms);
        let has = |text: &str| assert!(lines.iter().any(|l| l == text), "{text:?} is missing in {lines:#?}");
        for set in ["CapEff", "CapBnd", "CapPrm"] {
            has(&format!("{set}:\t0000000000000000"));
        }
        has("NoNewPrivs:\t1");
        has("Seccomp:\t2");
        has(&spec.run_as.uid.to_string());
        for text in [
            "root is read-only",
            "input is read-only",
            "the input",
            "output is writable",
            "tmp is writable",
            "tmp is bounded",
            "lo",
            "greeting=hello home=/tmp",
            "cannot mount",
        ] {
            has(text);
        }
        assert!(!lines.iter().any(|l| l.starts_with("eth")), "{lines:?}");
        assert_eq!(std::fs::read_to_string(bench.lease_dir(&spec).output(0).join("result")).unwrap(), "done\n");
        bench
    })
    .await;
}

#[tokio::test]
async fn command_takes_the_place_of_entry_point_and_command_and_args_that_of_the_command_alone() {
    let entry = ["/bin/sh", "-c", "echo entry \"$@\"", "sh"];
    let mine = ["/bin/sh", "-c", "echo mine \"$@\"", "sh"];
    let image = serde_json::json!({ "Entrypoint": entry, "Cmd": ["cmd"], "Env": ["PATH=/bin"] });
    with_bench_of(image, |bench| async move {
        let cases: [(&[&str], &[&str], &str); 4] = [
            (&[], &[], "entry cmd"),
            (&[], &["a", "b c"], "entry a b c"),
            (&mine, &[], "mine"),
            (&mine, &["a", "b c"], "mine a b c"),
        ];
        for (n, (command, args, said)) in (1..).zip(cases) {
            let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
            let spec = ContainerSpec { command: words(command), args: words(args), ..bench.spec(n, "") };
            let id = bench.launch(&spec).await;
            assert_eq!(bench.driver.wait(&id).await.unwrap().code, 0);
            assert_eq!(bench.output(&id).await, [said], "{command:?} {args:?}");
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_06_too_much_memory_is_killed_and_reported_as_such() {
    with_bench(|bench| async {
        let spec = bench.spec(1, "dd if=/dev/zero of=/dev/null bs=200M count=1");
        let id = bench.launch(&spec).await;
        let exit = bench.driver.wait(&id).await.unwrap();
        assert_eq!((exit.code, exit.oom_killed), (137, true));
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_06_too_many_processes_are_refused_by_the_kernel() {
    with_bench(|bench| async {
        let spec = bench.spec(1, "for n in $(seq 1 100); do sleep 20 & done; echo all of them run");
        let id = bench.launch(&spec).await;
        let lines = bench.output(&id).await;
        assert_ne!(bench.driver.wait(&id).await.unwrap().code, 0);
        assert!(!lines.iter().any(|l| l.contains("all of them run")), "{lines:?}");
        assert!(lines.iter().any(|l| l.contains("fork")), "{lines:?}");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_failing_program_gives_its_exit_code_and_its_output_in_order() {
    with_bench(|bench| async {
        let spec = bench.spec(1, "for n in $(seq 1 500); do echo line $n; done; echo sorry >&2; exit 7");
        let id = bench.launch(&spec).await;
        let exit = bench.driver.wait(&id).await.unwrap();
        assert_eq!((exit.code, exit.oom_killed), (7, false));
        assert_eq!(bench.driver.inspect(&id).await.unwrap(), ContainerState::Exited(exit));
        let lines = bench.output(&id).await;
        let numbered: Vec<_> = lines.iter().filter(|l| l.starts_with("line")).collect();
        assert_eq!(numbered.len(), 500);
        assert!(numbered.iter().zip(1..).all(|(l, n)| **l == format!("line {n}")));
        assert!(lines.iter().any(|l| l == "sorry"));
        bench
    })
    .await;
}

#[tokio::test]
async fn a_restarted_node_finds_its_container_by_its_label_and_goes_on_with_its_log() {
    with_bench(|bench| async {
        let spec = bench.spec(1, "for n in $(seq 1 40); do echo line $n; sleep 0.05; done");
        let id = bench.launch(&spec).await;
        let path = bench.lease_dir(&spec).log();
        {
            let log = Arc::new(LeaseLog::open(&path, LogLimits::default()).unwrap());
            let few_lines = async {
                while log.head().lines < 3 {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            };
            let once = Runs::default();
            tokio::select! {
                biased;
                () = few_lines => {}
                _ = collect(&bench.driver, &id, &log, &once) => panic!("the container outlives the first node"),
            }
        }
        let again = DockerDriver::connect(None).await.unwrap();
        let found = again.list_labelled(&bench.node).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].id, found[0].lease, found[0].name.clone()), (&id, Some(spec.lease), spec.name()));
        assert_eq!(again.create(&spec).await.unwrap(), id, "creating it again gives the one there is");
        again.start(&id).await.unwrap();

        let log = Arc::new(LeaseLog::open(&path, LogLimits::default()).unwrap());
        let head = collect(&again, &id, &log, &Runs::default()).await.unwrap();
        assert!(head.closed);
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<String> = text
            .lines()
            .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["line"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(lines, (1..=40).map(|n| format!("line {n}")).collect::<Vec<_>>());
        bench
    })
    .await;
}

#[tokio::test]
async fn a_stop_asks_first_and_kills_after_the_grace_and_nothing_is_left_after_removal() {
    with_bench(|bench| async {
        let polite = bench.spec(1, "trap 'echo bye; exit 3' TERM; while true; do sleep 0.05; done");
        let stubborn = bench.spec(2, "trap '' TERM; while true; do sleep 0.05; done");
        let (first, second) = (bench.launch(&polite).await, bench.launch(&stubborn).await);
        tokio::time::sleep(Duration::from_millis(300)).await;
        for id in [&first, &second] {
            assert!(matches!(bench.driver.inspect(id).await.unwrap(), ContainerState::Running { started_at_ms, paused: false } if started_at_ms > 0));
        }
        bench.driver.stop(&first, Duration::from_secs(20)).await.unwrap();
        assert_eq!(bench.driver.wait(&first).await.unwrap().code, 3);
        assert_eq!(bench.output(&first).await, ["bye"]);
        bench.driver.stop(&second, Duration::from_secs(1)).await.unwrap();
        assert_eq!(bench.driver.wait(&second).await.unwrap().code, 137);
        for id in [&first, &second] {
            bench.driver.stop(id, Duration::from_secs(1)).await.unwrap();
            bench.driver.remove(id).await.unwrap();
            bench.driver.remove(id).await.unwrap();
            assert_eq!(bench.driver.inspect(id).await.unwrap(), ContainerState::Missing);
            assert!(matches!(bench.driver.wait(id).await, Err(DriverError::NoSuchContainer { .. })));
        }
        bench.driver.stop(&first, Duration::from_secs(1)).await.unwrap();
        assert_eq!(bench.driver.list_labelled(&bench.node).await.unwrap(), vec![]);
        bench
    })
    .await;
}

#[tokio::test]
async fn an_image_is_pulled_by_digest_once_and_shows_its_progress() {
    with_bench(|mut bench| async move {
        let progress = watch::Sender::default();
        let bytes = bench.driver.pull(&bench.registry.image, Pull::public(100 << 20), &progress).await.unwrap();
        assert!(bytes > 500_000, "{bytes}");
        let at = *progress.borrow();
        assert_eq!((at.layers_done, at.layers_total), (1, 1), "{at:?}");
        bench.registry.stop().await;
        assert_eq!(bench.pull().await.unwrap(), bytes, "what is here needs no registry");
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_09_an_image_that_is_missing_too_large_false_or_out_of_reach_is_each_told_apart() {
    with_bench(|mut bench| async move {
        let progress = watch::Sender::default();
        let unknown = bench.registry.with_digest(&"ab".repeat(32));
        let error = bench.driver.pull(&unknown, Pull::public(100 << 20), &progress).await.unwrap_err();
        assert!(matches!(error, DriverError::ImageNotFound { .. }) && !error.is_transient(), "{error}");

        let error = bench.driver.pull(&bench.registry.image, Pull::public(1_000), &progress).await.unwrap_err();
        assert!(matches!(error, DriverError::ImageTooLarge { limit: 1_000, .. }), "{error}");

        let liar = Registry::lying().await;
        let error = bench.driver.pull(&liar.image, Pull::public(100 << 20), &progress).await.unwrap_err();
        assert!(error.to_string().contains("digest") || matches!(error, DriverError::ImageNotFound { .. }), "{error}");

        bench.registry.stop().await;
        let gone = bench.registry.with_digest(&"cd".repeat(32));
        let error = bench.driver.pull(&gone, Pull::public(100 << 20), &progress).await.unwrap_err();
        assert!(matches!(error, DriverError::RegistryUnreachable { .. }) && error.is_transient(), "{error}");
        bench
    })
    .await;
}

#[tokio::test]
async fn a_gpu_that_the_engine_cannot_give_is_a_clear_error_at_the_start() {
    with_bench(|bench| async {
        bench.pull().await.unwrap();
        let mut spec = bench.spec(1, "true");
        spec.gpus = vec!["GPU-00000000-0000-0000-0000-000000000000".to_owned()];
        let info = bench.driver.check(true).await.unwrap();
        let id = bench.driver.create(&spec).await.unwrap();
        assert!(matches!(bench.driver.wait(&id).await, Err(DriverError::NotStarted { .. })));
        let error = bench.driver.start(&id).await.unwrap_err();
        if !info.nvidia_runtime {
            assert!(
                matches!(error, DriverError::NoGpuRuntime { .. }) && error.to_string().contains("Container Toolkit"),
                "{error}"
            );
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_04_a_description_that_reaches_outside_its_lease_or_asks_for_root_is_refused() {
    with_bench(|bench| async {
        let good = bench.spec(1, "true");
        let mount =
            |source: &str, target: &str| Mount { source: source.into(), target: target.to_owned(), read_only: true };
        let out = bench.lease_dir(&good).output(0);
        std::os::unix::fs::symlink("/etc", out.join("link")).unwrap();
        let through_link = out.join("link").display().to_string();
        let inside = out.display().to_string();
        for bad in [
            mount("/etc", "/x"),
            mount(&through_link, "/x"),
            mount("/nowhere", "/x"),
            mount(&inside, "/proc/x"),
            mount(&inside, "/"),
            mount(&inside, "relative"),
            mount(&inside, "/a/../etc"),
            mount(&inside, "/out"),
        ] {
            let mut spec = good.clone();
            spec.mounts.push(bad.clone());
            let error = bench.driver.create(&spec).await.unwrap_err();
            assert!(matches!(error, DriverError::BadSpec { .. }), "{bad:?}: {error}");
        }
        let mut root = good.clone();
        root.run_as.uid = 0;
        assert!(matches!(bench.driver.create(&root).await, Err(DriverError::BadSpec { .. })));
        assert_eq!(bench.driver.list_labelled(&bench.node).await.unwrap(), vec![], "nothing was made");
        bench
    })
    .await;
}

#[tokio::test]
async fn an_image_that_is_not_on_this_machine_cannot_be_used() {
    with_bench(|bench| async {
        let mut spec = bench.spec(1, "true");
        spec.image = bench.registry.with_digest(&"ef".repeat(32));
        let error = bench.driver.create(&spec).await.unwrap_err();
        assert!(matches!(error, DriverError::ImageNotFound { .. }), "{error}");
        bench
    })
    .await;
}
