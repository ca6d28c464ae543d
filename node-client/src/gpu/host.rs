//! The host's processor, memory and disk.

use std::path::Path;

use super::{GpuError, Host};

const MIB: u64 = 1024 * 1024;

/// Reads the host. `state_dir` has to exist.
pub(super) fn read(state_dir: &Path) -> Result<Host, GpuError> {
    let cpu_cores = std::thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX));
    Ok(Host {
        cpu_cores,
        memory_mib: memory() / MIB,
        disk_mib: free_disk(state_dir)? / MIB,
        arch: std::env::consts::ARCH.to_owned(),
    })
}

/// The machine's memory in bytes, or the cgroup's limit where that is less.
fn memory() -> u64 {
    let mut system = sysinfo::System::new();
    system.refresh_memory();
    let total = system.total_memory();
    system
        .cgroup_limits()
        .map(|limits| limits.total_memory)
        .filter(|&limit| limit > 0)
        .map_or(total, |limit| limit.min(total))
}

/// Bytes that an unprivileged process may still write at `path`.
fn free_disk(path: &Path) -> Result<u64, GpuError> {
    let stat = nix::sys::statvfs::statvfs(path)
        .map_err(|errno| GpuError::Disk { path: path.to_owned(), source: std::io::Error::from(errno) })?;
    Ok(stat.blocks_available().saturating_mul(stat.fragment_size()))
}
