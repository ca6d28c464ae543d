//! What GPUs do at this moment.

use std::time::{Duration, Instant};

use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use nvml_wrapper::{Device, Nvml};

use super::{GpuSource, nvml};

/// How soon NVML is started again where it could not be.
const AGAIN: Duration = Duration::from_secs(60);

/// What one GPU does. `None` where the device has no such sensor, or is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GpuReading {
    /// Percent of the time in which it computed.
    pub utilisation_percent: Option<u8>,
    /// MiB of its memory in use, by whomever.
    pub memory_used_mib: Option<u32>,
    /// MiB of its memory.
    pub memory_total_mib: Option<u32>,
    /// Power that it draws, in thousandths of a watt.
    pub power_milliwatts: Option<u32>,
    /// Core temperature, °C.
    pub temperature_c: Option<u16>,
}

/// Reads GPUs again and again. NVML stays loaded in between.
#[derive(Debug)]
pub struct Meter {
    source: GpuSource,
    nvml: Option<Nvml>,
    not_before: Instant,
}

impl Meter {
    /// A meter of this machine's GPUs. Nothing is loaded yet.
    #[must_use]
    pub fn new(source: GpuSource) -> Self {
        Self { source, nvml: None, not_before: Instant::now() }
    }

    /// What these GPUs do, in their order. Blocks; with a GPU that failed perhaps for ever.
    pub fn read(&mut self, uuids: &[String]) -> Vec<GpuReading> {
        self.start();
        let device = |uuid: &String| {
            let device = self.nvml.as_ref()?.device_by_uuid(uuid.as_str()).ok()?;
            Some(reading(&device))
        };
        uuids.iter().map(|uuid| device(uuid).unwrap_or_default()).collect()
    }

    fn start(&mut self) {
        let GpuSource::Nvml { lib_path } = &self.source else { return };
        if self.nvml.is_some() || Instant::now() < self.not_before {
            return;
        }
        match nvml::start(lib_path.as_deref()) {
            Ok(nvml) => self.nvml = Some(nvml),
            Err(error) => {
                tracing::debug!(%error, "what the GPUs do cannot be read");
                self.not_before = Instant::now() + AGAIN;
            }
        }
    }
}

fn reading(device: &Device<'_>) -> GpuReading {
    let memory = device.memory_info().ok();
    let mib = |bytes: u64| u32::try_from(bytes / (1024 * 1024)).unwrap_or(u32::MAX);
    GpuReading {
        utilisation_percent: device.utilization_rates().ok().and_then(|rates| u8::try_from(rates.gpu).ok()),
        memory_used_mib: memory.as_ref().map(|memory| mib(memory.used)),
        memory_total_mib: memory.as_ref().map(|memory| mib(memory.total)),
        power_milliwatts: device.power_usage().ok(),
        temperature_c: device.temperature(TemperatureSensor::Gpu).ok().and_then(|celsius| u16::try_from(celsius).ok()),
    }
}
