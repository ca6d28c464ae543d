//! An image's own configuration on the real engine: what of it could reach past the container is the node's to set.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

mod support;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::InspectContainerOptions;
use gridlease_node::driver::{ContainerId, Driver as _, DriverError};
use serde_json::json;
use support::with_bench_of;

fn hostile() -> serde_json::Value {
    json!({
        "Env": [
            "PATH=/bin",
            "KEPT=yes",
            "LD_PRELOAD=/evil.so",
            "LD_AUDIT=/evil.so",
            "LD_LIBRARY_PATH=/proc/self/cwd:/usr/local/nvidia/lib64",
            "NVIDIA_VISIBLE_DEVICES=all",
            "NVIDIA_DRIVER_CAPABILITIES=all",
            "NVIDIA_REQUIRE_CUDA=cuda>=99",
            "NVIDIA_MIG_CONFIG_DEVICES=all",
            "CUDA_VISIBLE_DEVICES=7",
            "HTTP_PROXY=http://10.0.0.1:3128",
            "https_proxy=http://10.0.0.1:3128",
        ],
        "Cmd": ["/bin/true"],
        "Healthcheck": { "Test": ["CMD-SHELL", "touch /out/health"], "Interval": 1_000_000_000u64 },
        "StopSignal": "SIGUSR1",
        "Volumes": { "/vol": {}, "/out": {}, "/deep/in/it/": {} },
        "Labels": { "example.act-on-me": "yes", "gridlease.node": "another", "gridlease.lease": "another" },
    })
}

async fn inspect(id: &ContainerId) -> ContainerInspectResponse {
    let docker = bollard::Docker::connect_with_unix_defaults().unwrap().negotiate_version().await.unwrap();
    docker.inspect_container(&id.0, None::<InspectContainerOptions>).await.unwrap()
}

#[tokio::test]
async fn threat_02_what_an_image_brings_along_steers_neither_engine_nor_hook() {
    with_bench_of(hostile(), |bench| async {
        let script = "tr '\\0' '\\n' < /proc/1/environ; echo files=$(ulimit -n); \
                      touch /vol/x /deep/in/it/x && echo volumes are writable; \
                      dd if=/dev/zero of=/vol/big bs=1M count=200 2>/dev/null && echo unbounded || echo bounded; \
                      trap 'echo asked to end; exit 0' USR1; while true; do sleep 0.05; done";
        let spec = bench.spec(1, script);
        let id = bench.launch(&spec).await;
        let made = inspect(&id).await;
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
        bench.driver.stop(&id, std::time::Duration::from_secs(20)).await.unwrap();
        let lines = bench.output(&id).await;

        let has = |text: &str| assert!(lines.iter().any(|l| l == text), "{text:?} is missing in {lines:#?}");
        for line in [
            "KEPT=yes",
            "GREETING=hello",
            "NVIDIA_VISIBLE_DEVICES=void",
            "NVIDIA_DRIVER_CAPABILITIES=",
            "NVIDIA_REQUIRE_CUDA=",
            "NVIDIA_MIG_CONFIG_DEVICES=",
            "CUDA_VISIBLE_DEVICES=",
            "LD_PRELOAD=",
            "LD_AUDIT=",
            "LD_LIBRARY_PATH=/usr/local/nvidia/lib64",
            "HTTP_PROXY=",
            "https_proxy=",
            "files=16384",
            "volumes are writable",
            "bounded",
            "asked to end",
        ] {
            has(line);
        }
        assert!(!bench.lease_dir(&spec).output(0).join("health").exists(), "the image's health check ran");

        let config = made.config.unwrap();
        assert_eq!(config.healthcheck.unwrap().test.unwrap(), ["NONE"]);
        assert_eq!(config.stop_signal.as_deref(), Some("SIGUSR1"), "how an image wants to be asked is its own");
        let labels = config.labels.unwrap();
        assert_eq!(labels["gridlease.node"], bench.node.to_string());
        assert_eq!(labels["example.act-on-me"], "", "nobody on the host acts on an image's label");
        let host = made.host_config.unwrap();
        assert_eq!(host.runtime.as_deref(), Some("runc"));
        let anonymous = |mount: &bollard::models::MountPoint| mount.typ.as_deref() == Some("volume");
        assert!(!made.mounts.unwrap().iter().any(anonymous), "a volume of the engine lies outside of every limit");
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_03_a_gpu_job_is_given_the_leased_gpus_whatever_its_image_says() {
    with_bench_of(hostile(), |bench| async {
        bench.pull().await.unwrap();
        let mut spec = bench.spec(1, "true");
        spec.gpus = vec!["GPU-1".to_owned(), "GPU-2".to_owned()];
        let id = bench.driver.create(&spec).await.unwrap();
        let env = inspect(&id).await.config.unwrap().env.unwrap();
        for variable in [
            "NVIDIA_VISIBLE_DEVICES=GPU-1,GPU-2",
            "NVIDIA_DRIVER_CAPABILITIES=compute,utility",
            "NVIDIA_DISABLE_REQUIRE=true",
            "NVIDIA_REQUIRE_CUDA=",
            "CUDA_VISIBLE_DEVICES=0,1",
            "LD_PRELOAD=",
        ] {
            let name = variable.split('=').next().unwrap();
            let set: Vec<_> = env.iter().filter(|v| v.split('=').next() == Some(name)).collect();
            assert_eq!(set, [variable], "once, and the node's");
        }
        bench
    })
    .await;
}

#[tokio::test]
async fn threat_03_a_volume_over_the_systems_folders_and_a_jobs_own_variable_of_these_are_refused() {
    with_bench_of(json!({ "Env": ["PATH=/bin"], "Volumes": { "/dev/shm": {} } }), |bench| async {
        bench.pull().await.unwrap();
        let error = bench.driver.create(&bench.spec(1, "true")).await.unwrap_err();
        assert!(matches!(error, DriverError::ImageUnfit { .. }) && !error.is_transient(), "{error}");
        let mut spec = bench.spec(2, "true");
        spec.env.push(("LD_PRELOAD".to_owned(), "/evil.so".to_owned()));
        let error = bench.driver.create(&spec).await.unwrap_err();
        assert!(matches!(&error, DriverError::BadSpec { reason } if reason.contains("LD_PRELOAD")), "{error}");
        assert_eq!(bench.driver.list_labelled(&bench.node).await.unwrap(), vec![], "nothing was made");
        bench
    })
    .await;
}
