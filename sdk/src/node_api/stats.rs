//! What a lease's container uses, as the node measures it. What cannot be told (another kernel, no such limit, no such sensor) is
//! left out, never zero.

use serde::{Deserialize, Serialize};

/// Between two measurements, in seconds.
pub const FINE_S: u32 = 5;
/// What older measurements are thinned out to, in seconds.
pub const COARSE_S: u32 = 60;
/// How long measurements are kept as they were made, in seconds.
pub const KEEP_FINE_S: u32 = 60 * 60;
/// How long they are kept at all, in seconds.
pub const KEEP_S: u32 = 7 * 24 * 60 * 60;

/// One measurement: a line of the answer of `GET /v1/leases/{lease}/stats`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseStats {
    /// When, unix milliseconds of the chain's clock.
    pub at_ms: u64,
    /// How many seconds it stands for: [`FINE_S`], or [`COARSE_S`] where it is older than [`KEEP_FINE_S`].
    pub every_s: u32,
    /// Processor, of the job's own container.
    #[serde(default)]
    pub cpu: CpuStats,
    /// Memory.
    #[serde(default)]
    pub memory: MemoryStats,
    /// Processes and threads.
    #[serde(default)]
    pub pids: PidsStats,
    /// The container's own network; its loopback is not counted.
    #[serde(default)]
    pub network: NetworkStats,
    /// The lease's disk: outputs and scratch.
    #[serde(default)]
    pub disk: DiskStats,
    /// The lease's GPUs.
    #[serde(default)]
    pub gpus: Vec<GpuStats>,
    /// The containers beside the job's own, which processor, memory and processes above are of alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceStats>,
}

impl LeaseStats {
    /// What all of the job's containers use together: thousandths of a core, and bytes. `None` where that of the job's own is not known.
    pub fn together(&self) -> (Option<u32>, Option<u64>) {
        let cpu = self.services.iter().filter_map(|of| of.cpu.used_millicores);
        let memory = self.services.iter().filter_map(|of| of.memory.used_bytes);
        (
            self.cpu.used_millicores.map(|own| cpu.fold(own, u32::saturating_add)),
            self.memory.used_bytes.map(|own| memory.fold(own, u64::saturating_add)),
        )
    }
}

/// One container beside the job's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStats {
    /// Which.
    pub name: String,
    /// Processor.
    #[serde(default)]
    pub cpu: CpuStats,
    /// Memory.
    #[serde(default)]
    pub memory: MemoryStats,
    /// Processes and threads.
    #[serde(default)]
    pub pids: PidsStats,
}

/// Processor time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuStats {
    /// Thousandths of a core that were used, on average since the measurement before.
    pub used_millicores: Option<u32>,
    /// Thousandths of a core that it has.
    pub limit_millicores: Option<u32>,
    /// In how many of a thousand scheduling periods it was held back because it had used up its share.
    pub throttled_permille: Option<u32>,
}

/// Memory in bytes. What lies in `/tmp` and `/dev/shm` is part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryStats {
    /// In use, without file contents that the kernel would give back at once.
    pub used_bytes: Option<u64>,
    /// The most that was ever in use, by the kernel's own account, file contents included.
    pub peak_bytes: Option<u64>,
    /// What it has.
    pub limit_bytes: Option<u64>,
    /// Processes that the limit killed.
    pub oom_kills: Option<u64>,
}

/// Processes and threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PidsStats {
    /// Now.
    pub now: Option<u64>,
    /// Most.
    pub limit: Option<u64>,
}

/// Network, as the container sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStats {
    /// Bytes received since the container's start.
    pub rx_bytes: Option<u64>,
    /// Bytes sent since then.
    pub tx_bytes: Option<u64>,
    /// Bytes received in a second, on average since the measurement before.
    pub rx_bytes_per_s: Option<u64>,
    /// Bytes sent in a second.
    pub tx_bytes_per_s: Option<u64>,
}

/// Disk in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiskStats {
    /// Used.
    pub used_bytes: Option<u64>,
    /// What it has.
    pub limit_bytes: Option<u64>,
}

/// One GPU, by the driver's own account.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuStats {
    /// Which.
    pub uuid: String,
    /// Percent of the time in which it computed.
    pub utilisation_percent: Option<u32>,
    /// Bytes of its memory in use, by whomever.
    pub memory_used_bytes: Option<u64>,
    /// Bytes of its memory.
    pub memory_total_bytes: Option<u64>,
    /// Power that it draws, in thousandths of a watt.
    pub power_milliwatts: Option<u32>,
    /// Core temperature, °C.
    pub temperature_c: Option<u32>,
}
