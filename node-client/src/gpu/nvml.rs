//! The GPUs as NVIDIA's management library reports them.

use std::path::Path;

use gridlease_core::gpu::model_name;
use gridlease_core::gpu::spelling::product;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, TemperatureSensor, TemperatureThreshold};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml, cuda_driver_version_major, cuda_driver_version_minor};

use super::{Gpu, GpuError, GpuHealth};

/// More GPUs than this in one machine are ignored; no machine has them.
const MAX_GPUS: u32 = 64;

/// What a driver installs at run time comes first; the name without a version is only in development packages.
const DEFAULT_LIBRARIES: [&str; 2] = ["libnvidia-ml.so.1", "libnvidia-ml.so"];

pub(super) struct Found {
    pub gpus: Vec<Gpu>,
    pub driver: String,
    pub cuda: (u32, u32),
}

/// Starts NVML, reads every device and shuts NVML down again.
pub(super) fn read(lib_path: Option<&Path>) -> Result<Found, GpuError> {
    let nvml = start(lib_path)?;
    let driver = nvml.sys_driver_version().map_err(|e| query("driver version", "the system", &e))?;
    let cuda = nvml.sys_cuda_driver_version().map_err(|e| query("CUDA version", "the system", &e))?;
    let count = nvml.device_count().map_err(|e| query("number of devices", "the system", &e))?.min(MAX_GPUS);
    if count == 0 {
        return Err(GpuError::NoDevice { driver });
    }
    let mut gpus = Vec::new();
    for index in 0..count {
        // A lost device must not hide the healthy ones beside it: it is left out, and a health check calls it missing.
        match nvml.device_by_index(index) {
            Err(e @ NvmlError::GpuLost) => tracing::warn!(index, "GPU left out of the inventory: {e}"),
            found => gpus.push(device(&found.map_err(|e| query("handle", &format!("GPU {index}"), &e))?, index)?),
        }
    }
    if gpus.is_empty() {
        return Err(GpuError::NoDevice { driver });
    }
    let version = |n: i32| u32::try_from(n).unwrap_or(0);
    Ok(Found {
        gpus,
        driver,
        cuda: (version(cuda_driver_version_major(cuda)), version(cuda_driver_version_minor(cuda))),
    })
}

pub(super) fn start(lib_path: Option<&Path>) -> Result<Nvml, GpuError> {
    let candidates: Vec<&std::ffi::OsStr> = match lib_path {
        Some(path) => vec![path.as_os_str()],
        None => DEFAULT_LIBRARIES.iter().map(|name| name.as_ref()).collect(),
    };
    let mut reasons = Vec::new();
    for library in &candidates {
        match Nvml::builder().lib_path(library).init() {
            Ok(nvml) => return Ok(nvml),
            Err(e) => reasons.push(e.to_string()),
        }
    }
    let library = candidates.iter().map(|c| c.to_string_lossy()).collect::<Vec<_>>().join(", ");
    reasons.dedup();
    Err(GpuError::NoDriver { library, reason: reasons.join("; ") })
}

fn device(device: &Device<'_>, index: u32) -> Result<Gpu, GpuError> {
    let uuid = device.uuid().map_err(|e| query("UUID", &format!("GPU {index}"), &e))?;
    let name = device.name().map_err(|e| query("name", &uuid, &e))?;
    let memory = device.memory_info().map_err(|e| query("memory size", &uuid, &e))?;
    let capability = device.cuda_compute_capability().map_err(|e| query("compute capability", &uuid, &e))?;
    let part = |n: i32| u32::try_from(n).unwrap_or(0);
    Ok(Gpu {
        model: model_name(product(&name)).unwrap_or("other").to_owned(),
        vram_mib: memory.total / (1024 * 1024),
        compute_capability: (part(capability.major), part(capability.minor)),
        health: health(device),
        uuid,
        name,
    })
}

/// Reads the sensors. A sensor that the device does not have is `None`; a lost device is a fault.
fn health(device: &Device<'_>) -> GpuHealth {
    let mut health = GpuHealth::default();
    health.temperature_c = sensor(device.temperature(TemperatureSensor::Gpu), &mut health.fault);
    health.slowdown_c = sensor(device.temperature_threshold(TemperatureThreshold::Slowdown), &mut health.fault);
    health.uncorrected_ecc =
        sensor(device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile), &mut health.fault);
    health
}

fn sensor<T>(reading: Result<T, NvmlError>, fault: &mut Option<String>) -> Option<T> {
    match reading {
        Ok(value) => Some(value),
        Err(e @ (NvmlError::GpuLost | NvmlError::ResetRequired | NvmlError::IrqIssue | NvmlError::Unknown)) => {
            fault.get_or_insert_with(|| e.to_string());
            None
        }
        Err(_) => None,
    }
}

fn query(what: &'static str, device: &str, error: &NvmlError) -> GpuError {
    GpuError::Query { what, device: device.to_owned(), reason: error.to_string() }
}
