//! What a job's `disk` is divided into, so that buyer and node reckon alike.

use super::Resources;

const MIB: u64 = 1024 * 1024;
/// The log's part of the disk is one in so many, …
const LOG_PART: u64 = 8;
/// … and at most this: half of it for the log that the node keeps, half for the engine's own copy while the job runs.
const LOG_MOST: u64 = 128 * MIB;
/// One output file or folder for so many bytes, …
const BYTES_PER_FILE: u64 = 16 * 1024;
/// … within these bounds.
const FILES: (u64, u64) = (2_048, 262_144);

/// The parts of a job's disk, in bytes. The image and `/tmp`, which is memory, are not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskParts {
    /// The log that the node keeps for the buyer.
    pub log: u64,
    /// The engine's own copy of the log, while the job runs.
    pub engine_log: u64,
    /// Inputs and outputs together.
    pub files: u64,
}

impl DiskParts {
    /// What is left for outputs beside so many bytes of inputs; `None` where the inputs do not fit.
    #[must_use]
    pub const fn for_outputs(&self, inputs: u64) -> Option<u64> {
        self.files.checked_sub(inputs)
    }
}

impl Resources {
    /// How the disk is divided: an eighth, at most 128 MiB, for the log and the engine's copy of it; the rest for inputs and
    /// outputs.
    #[must_use]
    pub fn disk_parts(&self) -> DiskParts {
        let disk = self.disk_mib.saturating_mul(MIB);
        let log = (disk / LOG_PART).min(LOG_MOST);
        DiskParts { log: log / 2, engine_log: log / 2, files: disk - log }
    }

    /// Most files and folders that the outputs may have while the job runs, deleted ones that are still open included.
    #[must_use]
    pub fn most_files(&self) -> u64 {
        (self.disk_mib.saturating_mul(MIB) / BYTES_PER_FILE).clamp(FILES.0, FILES.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources(disk_mib: u64) -> Resources {
        Resources { gpu: None, cpu_milli: 1000, memory_mib: 512, disk_mib, shm_mib: None, network: None }
    }

    #[test]
    fn issue9_05_the_parts_of_a_disk_make_the_whole_and_the_log_has_its_share() {
        for disk_mib in [1, 64, 1024, 1 << 20, u64::MAX] {
            let parts = resources(disk_mib).disk_parts();
            let whole = disk_mib.saturating_mul(MIB);
            assert!(whole - (parts.log + parts.engine_log + parts.files) <= 1);
            assert!(parts.log <= whole / 8 && parts.log <= 64 * MIB && parts.log > 0);
        }
        assert_eq!(resources(1024).disk_parts().log, 64 * MIB);
        assert_eq!(resources(64).disk_parts().files, 56 * MIB);
    }

    #[test]
    fn issue9_05_inputs_take_from_the_outputs_and_never_more_than_there_is() {
        let parts = resources(64).disk_parts();
        assert_eq!(parts.for_outputs(6 * MIB), Some(50 * MIB));
        assert_eq!(parts.for_outputs(56 * MIB), Some(0));
        assert_eq!(parts.for_outputs(56 * MIB + 1), None);
        assert_eq!((resources(1).most_files(), resources(1024).most_files()), (2_048, 65_536));
    }
}
