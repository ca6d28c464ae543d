//! A scripted NVML: a C library with the functions that the inventory calls, compiled by the test into a
//! shared object of its own. The script is given at compile time, so that every scenario is a library of its own.
//!
//! Script: one device a line, `uuid|name|vram MiB|major.minor|temperature|slowdown|uncorrected ECC`, where a
//! field `-` answers "not supported" and `lost` answers "GPU is lost". A device may go on with `|utilisation %|MiB used|power mW`. The line `init-fails` makes init fail.

use std::ffi::{c_char, c_int, c_uint, c_ulonglong, c_void};

const SCRIPT: &str = env!("FAKE_NVML_SCRIPT");

const SUCCESS: c_int = 0;
const INVALID_ARGUMENT: c_int = 2;
const NOT_SUPPORTED: c_int = 3;
const NOT_FOUND: c_int = 6;
const DRIVER_NOT_LOADED: c_int = 9;
const GPU_IS_LOST: c_int = 15;

fn lines() -> Vec<&'static str> {
    SCRIPT.lines().filter(|l| l.contains('|')).collect()
}

/// Handles are the index plus one, so that none is null.
fn field(handle: *mut c_void, n: usize) -> Result<&'static str, c_int> {
    let index = (handle as usize).checked_sub(1).ok_or(INVALID_ARGUMENT)?;
    let line = lines().get(index).copied().ok_or(INVALID_ARGUMENT)?;
    match line.split('|').nth(n).map(str::trim) {
        None => Err(INVALID_ARGUMENT),
        Some("-") => Err(NOT_SUPPORTED),
        Some("lost") => Err(GPU_IS_LOST),
        Some(value) => Ok(value),
    }
}

fn number(handle: *mut c_void, n: usize) -> Result<u64, c_int> {
    field(handle, n)?.parse().map_err(|_| INVALID_ARGUMENT)
}

unsafe fn put_str(value: Result<&str, c_int>, out: *mut c_char, len: c_uint) -> c_int {
    match value {
        Err(code) => code,
        Ok(text) => {
            if text.len() + 1 > len as usize {
                return INVALID_ARGUMENT;
            }
            unsafe {
                std::ptr::copy_nonoverlapping(text.as_ptr().cast(), out, text.len());
                *out.add(text.len()) = 0;
            }
            SUCCESS
        }
    }
}

unsafe fn put<T>(value: Result<T, c_int>, out: *mut T) -> c_int {
    match value {
        Err(code) => code,
        Ok(value) => {
            unsafe { *out = value };
            SUCCESS
        }
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> c_int {
    if SCRIPT.contains("init-fails") { DRIVER_NOT_LOADED } else { SUCCESS }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> c_int {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetDriverVersion(out: *mut c_char, len: c_uint) -> c_int {
    unsafe { put_str(Ok("570.124.06"), out, len) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(out: *mut c_int) -> c_int {
    unsafe { put(Ok(12_080), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCount_v2(out: *mut c_uint) -> c_int {
    unsafe { put(Ok(lines().len() as c_uint), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, out: *mut *mut c_void) -> c_int {
    let handle = (index as usize + 1) as *mut c_void;
    unsafe { put(field(handle, 0).map(|_| handle), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetHandleByUUID(uuid: *const c_char, out: *mut *mut c_void) -> c_int {
    let uuid = unsafe { std::ffi::CStr::from_ptr(uuid) }.to_str().unwrap_or("");
    let index = lines().iter().position(|line| line.split('|').next() == Some(uuid));
    unsafe { put(index.map(|index| (index + 1) as *mut c_void).ok_or(NOT_FOUND), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUUID(device: *mut c_void, out: *mut c_char, len: c_uint) -> c_int {
    unsafe { put_str(field(device, 0), out, len) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetName(device: *mut c_void, out: *mut c_char, len: c_uint) -> c_int {
    unsafe { put_str(field(device, 1), out, len) }
}

#[repr(C)]
pub struct Memory {
    version: c_uint,
    total: c_ulonglong,
    reserved: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(device: *mut c_void, out: *mut Memory) -> c_int {
    let memory = number(device, 2).map(|mib| {
        let total = mib * 1024 * 1024;
        let used = number(device, 8).unwrap_or(0) * 1024 * 1024;
        Memory { version: 2, total, reserved: 0, free: total - used, used }
    });
    unsafe { put(memory, out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: *mut c_void,
    major: *mut c_int,
    minor: *mut c_int,
) -> c_int {
    let parts = field(device, 3)
        .and_then(|v| v.split_once('.').ok_or(INVALID_ARGUMENT))
        .and_then(|(a, b)| Ok((a.parse().map_err(|_| INVALID_ARGUMENT)?, b.parse().map_err(|_| INVALID_ARGUMENT)?)));
    match parts {
        Err(code) => code,
        Ok((a, b)) => unsafe { put(Ok(a), major) | put(Ok(b), minor) },
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperature(device: *mut c_void, _sensor: c_uint, out: *mut c_uint) -> c_int {
    unsafe { put(number(device, 4).map(|n| n as c_uint), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTemperatureThreshold(
    device: *mut c_void,
    _kind: c_uint,
    out: *mut c_uint,
) -> c_int {
    unsafe { put(number(device, 5).map(|n| n as c_uint), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetTotalEccErrors(
    device: *mut c_void,
    _error: c_uint,
    _counter: c_uint,
    out: *mut c_ulonglong,
) -> c_int {
    unsafe { put(number(device, 6), out) }
}

#[repr(C)]
pub struct Utilization {
    gpu: c_uint,
    memory: c_uint,
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetUtilizationRates(device: *mut c_void, out: *mut Utilization) -> c_int {
    unsafe { put(number(device, 7).map(|gpu| Utilization { gpu: gpu as c_uint, memory: 0 }), out) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn nvmlDeviceGetPowerUsage(device: *mut c_void, out: *mut c_uint) -> c_int {
    unsafe { put(number(device, 9).map(|milliwatts| milliwatts as c_uint), out) }
}
