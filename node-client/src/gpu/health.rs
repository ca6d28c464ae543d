//! Is the machine still what it said it was?

use super::Inventory;

/// Bounds of the health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthLimits {
    /// A GPU at or above this temperature is too hot where the device names no slowdown threshold, °C.
    pub max_temperature_c: u32,
    /// More uncorrected memory errors than this since the driver was loaded are too many.
    pub max_uncorrected_ecc: u64,
}

impl Default for HealthLimits {
    fn default() -> Self {
        Self { max_temperature_c: 90, max_uncorrected_ecc: 0 }
    }
}

/// Something that makes a GPU unfit to be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A GPU that was there is gone.
    #[error(
        "GPU {uuid} ({name}) is missing; it may have fallen off the bus (`dmesg | grep -i xid`): reset it or restart the machine"
    )]
    Missing {
        /// Its UUID.
        uuid: String,
        /// Its product name.
        name: String,
    },
    /// The driver says that the device is lost or wants a reset.
    #[error("GPU {uuid} reports a fault: {fault}; reset it (`nvidia-smi -r`) or restart the machine")]
    Fault {
        /// Its UUID.
        uuid: String,
        /// What the driver said.
        fault: String,
    },
    /// Too hot.
    #[error("GPU {uuid} is at {temperature_c} °C, the limit is {limit_c} °C; check its cooling")]
    TooHot {
        /// Its UUID.
        uuid: String,
        /// Measured, °C.
        temperature_c: u32,
        /// Allowed, °C.
        limit_c: u32,
    },
    /// Too many memory errors.
    #[error(
        "GPU {uuid} has {errors} uncorrected memory errors since the driver was loaded, {limit} are allowed; reset it, and replace it if they return"
    )]
    MemoryErrors {
        /// Its UUID.
        uuid: String,
        /// Counted.
        errors: u64,
        /// Allowed.
        limit: u64,
    },
}

/// Compares the machine as it was offered with the machine as it is. Empty means healthy.
///
/// `now` shall come from the same source as `offered`; GPUs that were added since are no problem.
#[must_use]
pub fn check(offered: &Inventory, now: &Inventory, limits: HealthLimits) -> Vec<Problem> {
    let mut problems = Vec::new();
    for gpu in &offered.gpus {
        let uuid = gpu.uuid.clone();
        let Some(current) = now.gpus.iter().find(|g| g.uuid == uuid) else {
            problems.push(Problem::Missing { uuid, name: gpu.name.clone() });
            continue;
        };
        let health = &current.health;
        if let Some(fault) = &health.fault {
            problems.push(Problem::Fault { uuid: uuid.clone(), fault: fault.clone() });
        }
        let limit_c = health.slowdown_c.unwrap_or(limits.max_temperature_c);
        if let Some(temperature_c) = health.temperature_c.filter(|&t| t >= limit_c) {
            problems.push(Problem::TooHot { uuid: uuid.clone(), temperature_c, limit_c });
        }
        if let Some(errors) = health.uncorrected_ecc.filter(|&n| n > limits.max_uncorrected_ecc) {
            problems.push(Problem::MemoryErrors { uuid, errors, limit: limits.max_uncorrected_ecc });
        }
    }
    problems
}
