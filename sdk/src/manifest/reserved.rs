//! Environment variables by which something outside the container is steered.
//!
//! A runtime's hooks run on the host, as root, and inherit the container's environment: what tells them which devices
//! to give, and what tells a loader whose code to load, is the node's to set. A program that needs such a variable gets
//! it from its command, where no hook sees it: `["/usr/bin/env", "LD_PRELOAD=/lib/x.so", "/app"]`.

/// Beginnings of names: the loader's, and the NVIDIA runtime's.
const PREFIXES: [&str; 2] = ["LD_", "NVIDIA_"];
/// Code that the C library loads, and devices.
const NAMES: [&str; 6] = [
    "GCONV_PATH",
    "CUDA_VISIBLE_DEVICES",
    "GPU_DEVICE_ORDINAL",
    "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "AMD_VISIBLE_DEVICES",
];
/// Proxies, which programs read in either spelling.
const PROXIES: [&str; 5] = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY"];

/// Whether the node sets this variable, so that neither a manifest nor an image may.
pub fn is_reserved_variable(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || NAMES.contains(&name)
        || PROXIES.iter().any(|proxy| proxy.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::is_reserved_variable;

    #[test]
    fn what_steers_a_loader_a_hook_or_a_connection_is_the_nodes_to_set() {
        for name in ["LD_PRELOAD", "LD_LIBRARY_PATH", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_REQUIRE_X", "https_proxy"] {
            assert!(is_reserved_variable(name), "{name}");
        }
        for name in ["PATH", "HOME", "OLD_PATH", "ld_x", "CUDA_VERSION", "MY_NVIDIA_X", "PROXY"] {
            assert!(!is_reserved_variable(name), "{name}");
        }
    }
}
