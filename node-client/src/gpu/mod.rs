//! What the machine offers: its GPUs as NVML reports them, and its processor, memory and disk.
//!
//! A host without a GPU is an explicit class of machine ([`GpuSource::Cpu`]); a missing driver is an
//! error and never falls back to it silently.

mod health;
mod host;
mod meter;
mod nvml;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use health::{HealthLimits, Problem, check};
pub use meter::{GpuReading, Meter};

/// Where the GPU part of the inventory comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GpuSource {
    /// NVIDIA's management library.
    Nvml {
        /// The library file; `None` looks for `libnvidia-ml.so.1` (then `libnvidia-ml.so`) where the system's loader looks.
        lib_path: Option<PathBuf>,
    },
    /// The operator said that this machine has no GPU to offer (`--cpu`).
    Cpu,
}

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gpu {
    /// NVML's UUID, for example `GPU-5c0d…`; what a container asks for.
    pub uuid: String,
    /// The product name as NVML prints it.
    pub name: String,
    /// The model name that requirements use, for example `h100`; see [`gridlease_core::gpu::spelling::product`].
    pub model: String,
    /// Memory in MiB, rounded down.
    pub vram_mib: u64,
    /// CUDA compute capability as (major, minor).
    pub compute_capability: (u32, u32),
    /// What the sensors said when this was read.
    pub health: GpuHealth,
}

/// A GPU's sensors. `None` where the device has no such sensor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuHealth {
    /// Core temperature, °C.
    pub temperature_c: Option<u32>,
    /// The temperature at which the device slows itself down, °C.
    pub slowdown_c: Option<u32>,
    /// Memory errors since the last driver load that ECC could not correct.
    pub uncorrected_ecc: Option<u64>,
    /// Set when the driver says that the device is lost or wants a reset (what an XID in the kernel log shows).
    pub fault: Option<String>,
}

/// Processor, memory and disk of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Cores this process may use (cgroup quota and affinity respected).
    pub cpu_cores: u32,
    /// Memory in MiB: the machine's, or the cgroup's limit where that is less.
    pub memory_mib: u64,
    /// Bytes free to the node where the state directory lies, in MiB.
    pub disk_mib: u64,
    /// Processor architecture, for example `x86_64`.
    pub arch: String,
}

/// Everything that the node can offer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The GPUs in NVML's order; empty for the CPU class.
    pub gpus: Vec<Gpu>,
    /// Version of the NVIDIA driver; `None` for the CPU class.
    pub driver: Option<String>,
    /// Newest CUDA version that the driver supports, as (major, minor); `None` for the CPU class.
    pub cuda: Option<(u32, u32)>,
    /// The host around them.
    pub host: Host,
}

/// Why no inventory could be made.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// NVML could not be loaded or started.
    #[error(
        "no usable NVIDIA driver: NVML ({library}) could not be started: {reason}; install the NVIDIA driver so that \
         `nvidia-smi` works, name the library with --nvml, or pass --cpu to offer this machine without a GPU"
    )]
    NoDriver {
        /// The library that was tried.
        library: String,
        /// What the loader or NVML said.
        reason: String,
    },
    /// NVML works but reports no device.
    #[error(
        "the NVIDIA driver {driver} reports no GPU; check `nvidia-smi -L`, or pass --cpu to offer this machine without a GPU"
    )]
    NoDevice {
        /// The driver's version.
        driver: String,
    },
    /// A query that every supported device answers failed.
    #[error(
        "NVML could not read the {what} of {device}: {reason}; if the device was lost (`dmesg | grep -i xid`), reset it or restart the machine"
    )]
    Query {
        /// What was asked for.
        what: &'static str,
        /// The device, by index or UUID.
        device: String,
        /// What NVML said.
        reason: String,
    },
    /// The state directory's file system could not be measured.
    #[error(
        "cannot measure free disk space at {path}: {source}; create the directory or choose another with --state-dir"
    )]
    Disk {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Reads the whole inventory once. `state_dir` is where the disk is measured; it has to exist.
///
/// # Errors
/// [`GpuError`]; never an empty GPU list from [`GpuSource::Nvml`].
pub fn inventory(source: &GpuSource, state_dir: &Path) -> Result<Inventory, GpuError> {
    let host = host::read(state_dir)?;
    match source {
        GpuSource::Cpu => Ok(Inventory { gpus: Vec::new(), driver: None, cuda: None, host }),
        GpuSource::Nvml { lib_path } => {
            let found = nvml::read(lib_path.as_deref())?;
            Ok(Inventory { gpus: found.gpus, driver: Some(found.driver), cuda: Some(found.cuda), host })
        }
    }
}
