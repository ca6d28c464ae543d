//! The inventory against a scripted NVML that is compiled here and loaded as any NVML is.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

use std::path::PathBuf;
use std::process::Command;

use gridlease_node::gpu::{self, GpuError, GpuSource, HealthLimits, Inventory, Problem};

const TWO_GPUS: &str =
    "GPU-aaaa|NVIDIA H100 80GB HBM3|81559|9.0|41|87|0\nGPU-bbbb|NVIDIA GeForce RTX 4090|24564|8.9|55|-|-";

struct FakeNvml {
    dir: tempfile::TempDir,
    library: PathBuf,
}

impl FakeNvml {
    fn scripted(script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let library = dir.path().join("libfake_nvml.so");
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fake_nvml/lib.rs");
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let out = Command::new(rustc)
            .args(["--edition", "2024", "--crate-type", "cdylib", "--crate-name", "fake_nvml", "-A", "warnings", "-o"])
            .arg(&library)
            .arg(source)
            .env("FAKE_NVML_SCRIPT", script)
            .output()
            .unwrap();
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        Self { dir, library }
    }

    fn inventory(&self) -> Result<Inventory, GpuError> {
        gpu::inventory(&GpuSource::Nvml { lib_path: Some(self.library.clone()) }, self.dir.path())
    }
}

#[test]
fn every_gpu_is_listed_with_model_memory_capability_and_driver() {
    let inventory = FakeNvml::scripted(TWO_GPUS).inventory().unwrap();
    assert_eq!(inventory.driver.as_deref(), Some("570.124.06"));
    assert_eq!(inventory.cuda, Some((12, 8)));
    let [h100, rtx] = inventory.gpus.as_slice() else { panic!("{inventory:?}") };
    assert_eq!(
        (h100.uuid.as_str(), h100.model.as_str(), h100.vram_mib, h100.compute_capability),
        ("GPU-aaaa", "h100-sxm", 81_559, (9, 0)),
    );
    assert_eq!(
        (h100.health.temperature_c, h100.health.slowdown_c, h100.health.uncorrected_ecc),
        (Some(41), Some(87), Some(0))
    );
    assert_eq!((rtx.model.as_str(), rtx.vram_mib), ("rtx-4090", 24_564));
    assert_eq!((rtx.health.slowdown_c, rtx.health.uncorrected_ecc), (None, None), "a missing sensor is no fault");
    assert_eq!(rtx.health.fault, None);
}

#[test]
fn what_the_gpus_of_a_lease_do_is_read_by_their_uuids_and_a_lost_one_is_left_out() {
    let nvml = FakeNvml::scripted(
        "GPU-a|NVIDIA H100 80GB HBM3|81559|9.0|41|87|0|97|40000|650000\nGPU-b|NVIDIA T4|15360|7.5|lost|-|-|-|1|lost",
    );
    let mut meter = gpu::Meter::new(GpuSource::Nvml { lib_path: Some(nvml.library.clone()) });
    let uuids = ["GPU-b", "GPU-gone", "GPU-a"].map(str::to_owned);
    for _ in 0..2 {
        let [lost, gone, busy] = meter.read(&uuids).try_into().unwrap();
        assert_eq!(
            busy,
            gpu::GpuReading {
                utilisation_percent: Some(97),
                memory_used_mib: Some(40_000),
                memory_total_mib: Some(81_559),
                power_milliwatts: Some(650_000),
                temperature_c: Some(41),
            }
        );
        assert_eq!(gone, gpu::GpuReading::default());
        assert_eq!((lost.memory_used_mib, lost.power_milliwatts, lost.temperature_c), (Some(1), None, None));
    }
    assert_eq!(gpu::Meter::new(GpuSource::Cpu).read(&uuids), vec![gpu::GpuReading::default(); 3]);
}

#[test]
fn a_host_without_nvml_is_told_to_install_the_driver_or_pass_cpu() {
    let dir = tempfile::tempdir().unwrap();
    let error =
        gpu::inventory(&GpuSource::Nvml { lib_path: Some(dir.path().join("no-such.so")) }, dir.path()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, GpuError::NoDriver { .. }), "{text}");
    assert!(
        text.contains("install the NVIDIA driver") && text.contains("--cpu") && text.contains("no-such.so"),
        "{text}"
    );
}

#[test]
fn a_driver_that_does_not_start_or_has_no_device_is_an_error_and_never_the_cpu_class() {
    let error = FakeNvml::scripted("init-fails").inventory().unwrap_err();
    assert!(error.to_string().contains("driver is not loaded"), "{error}");
    let error = FakeNvml::scripted("none").inventory().unwrap_err();
    assert!(matches!(error, GpuError::NoDevice { .. }), "{error}");
}

#[test]
fn the_cpu_class_is_explicit_and_still_measures_the_host() {
    let dir = tempfile::tempdir().unwrap();
    let inventory = gpu::inventory(&GpuSource::Cpu, dir.path()).unwrap();
    assert!(inventory.gpus.is_empty() && inventory.driver.is_none());
    let host = &inventory.host;
    assert!(host.cpu_cores >= 1 && host.memory_mib > 0 && host.disk_mib > 0, "{host:?}");
    assert_eq!(host.arch, std::env::consts::ARCH);
    let error = gpu::inventory(&GpuSource::Cpu, &dir.path().join("absent")).unwrap_err();
    assert!(matches!(error, GpuError::Disk { .. }), "{error}");
}

#[test]
fn the_health_check_names_a_lost_a_hot_and_a_worn_gpu() {
    let offered = FakeNvml::scripted(TWO_GPUS).inventory().unwrap();
    assert_eq!(gpu::check(&offered, &offered, HealthLimits::default()), vec![]);

    let one_lost = FakeNvml::scripted(&TWO_GPUS.replace("GPU-bbbb", "lost")).inventory().unwrap();
    let problems = gpu::check(&offered, &one_lost, HealthLimits::default());
    assert!(matches!(problems.as_slice(), [Problem::Missing { uuid, .. }] if uuid == "GPU-bbbb"), "{problems:?}");

    let sick =
        FakeNvml::scripted(&TWO_GPUS.replace("|41|87|0", "|87|87|3").replace("|55|", "|lost|")).inventory().unwrap();
    let problems = gpu::check(&offered, &sick, HealthLimits::default());
    assert!(
        matches!(
            problems.as_slice(),
            [
                Problem::TooHot { temperature_c: 87, limit_c: 87, .. },
                Problem::MemoryErrors { errors: 3, .. },
                Problem::Fault { .. }
            ]
        ),
        "{problems:?}"
    );
}
