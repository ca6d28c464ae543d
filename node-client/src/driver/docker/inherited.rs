//! What an image brings along that the engine or a runtime's hook acts on, and what the node sets in its place.
//!
//! An image's configuration is merged into a container's wherever the container says nothing. So the container says
//! everything that could reach past it: variables, volumes and labels here, health checks, stop signal and runtime
//! where the container is made.

use std::collections::HashMap;

use bollard::models::ImageInspect;
use gridlease_sdk::manifest::is_reserved_variable;

use crate::driver::facts::{MAX_VOLUMES, shortest};
use crate::driver::{ContainerSpec, DriverError, INIT, LABEL_JOB, LABEL_LEASE, LABEL_NODE, Role};

/// The node's own program's only argument where it is to wait for its end.
const PAUSE: &str = "--pause";
/// Where a search path for libraries may lead: folders that on every host only root writes to. A hook on the host that
/// inherits it loads what is the host's own, never what a buyer put somewhere.
const LIBRARIES: [&str; 4] = ["/usr/", "/lib/", "/lib64/", "/opt/"];

/// The parts of an image's configuration that are not taken as they are.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    env: Vec<String>,
    volumes: Vec<String>,
    labels: Vec<String>,
    entrypoint: Vec<String>,
    cmd: Vec<String>,
}

impl From<ImageInspect> for Inherited {
    fn from(image: ImageInspect) -> Self {
        let config = image.config.unwrap_or_default();
        Self {
            env: config.env.unwrap_or_default(),
            volumes: config.volumes.unwrap_or_default(),
            labels: config.labels.unwrap_or_default().into_keys().collect(),
            entrypoint: config.entrypoint.unwrap_or_default(),
            cmd: config.cmd.unwrap_or_default(),
        }
    }
}

impl Inherited {
    /// The container's variables: the job's, the node's, and the image's reserved ones in a form that harms nobody.
    pub(super) fn environment(&self, spec: &ContainerSpec) -> Vec<String> {
        let mut env: Vec<String> = spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
        if !spec.env.iter().any(|(k, _)| k == "HOME") {
            // The home of an unprivileged user is not writable in a read-only image; many programs want one.
            env.push("HOME=/tmp".to_owned());
        }
        let own = devices(spec);
        for variable in &self.env {
            let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
            if !is_reserved_variable(name) || own.iter().any(|(set, _)| *set == name) {
                continue;
            }
            let safe = match name {
                "LD_LIBRARY_PATH" => libraries(value),
                // Empty would hide the leased GPUs as well; these are their numbers in the container.
                "CUDA_VISIBLE_DEVICES" => (0..spec.gpus.len()).map(|n| n.to_string()).collect::<Vec<_>>().join(","),
                _ => String::new(),
            };
            env.push(format!("{name}={safe}"));
        }
        env.extend(own.into_iter().map(|(name, value)| format!("{name}={value}")));
        env
    }

    /// The node's own program with the container's as its arguments, where the container has it.
    pub(super) fn through_init(&self, spec: &ContainerSpec) -> Result<Option<Vec<String>>, DriverError> {
        if spec.init.is_none() {
            return Ok(None);
        }
        if let Role::Pod { .. } = spec.role {
            return Ok(Some(vec![INIT.to_owned(), PAUSE.to_owned()]));
        }
        // As an engine puts it together.
        let own = spec.command.is_empty();
        let program = if own { &self.entrypoint } else { &spec.command };
        let arguments = if own && spec.args.is_empty() { &self.cmd } else { &spec.args };
        let whole: Vec<String> = program.iter().chain(arguments).cloned().collect();
        if whole.is_empty() {
            let reason = "it names no program, and the job names none either".to_owned();
            return Err(DriverError::ImageUnfit { image: spec.image.to_string(), reason });
        }
        let variables = spec.secrets.as_ref().map_or_else(String::new, |secrets| secrets.variables.join(","));
        let init = [INIT.to_owned(), variables];
        Ok(Some(init.into_iter().chain(whole).collect()))
    }

    /// A sized place in memory for each of the image's volumes: an anonymous volume of the engine would lie on the
    /// host's disk, outside of everything that the lease is held to. `options` are those of the place.
    pub(super) fn volumes(&self, spec: &ContainerSpec, options: &str) -> Result<HashMap<String, String>, DriverError> {
        let unfit = |reason: String| DriverError::ImageUnfit { image: spec.image.to_string(), reason };
        if self.volumes.len() > MAX_VOLUMES {
            return Err(unfit(format!("it has {} volumes; {MAX_VOLUMES} are allowed", self.volumes.len())));
        }
        let mounted = |path: &str| spec.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == path);
        let mut places = HashMap::new();
        for volume in &self.volumes {
            let path = shortest(volume).ok_or_else(|| {
                unfit(format!(
                    "it has a volume at {volume:?}; a volume has to be a folder outside /proc, /sys and /dev"
                ))
            })?;
            if !mounted(&path) {
                places.insert(path, options.to_owned());
            }
        }
        Ok(places)
    }

    /// The container's labels. Other programs on the host act on labels that an image brings along, so those are emptied.
    pub(super) fn labels(&self, spec: &ContainerSpec) -> HashMap<String, String> {
        let mut labels: HashMap<String, String> = self.labels.iter().map(|key| (key.clone(), String::new())).collect();
        labels.extend([
            (LABEL_NODE.to_owned(), spec.node.to_string()),
            (LABEL_LEASE.to_owned(), spec.lease.to_string()),
            (LABEL_JOB.to_owned(), spec.job.to_string()),
        ]);
        labels
    }
}

/// What tells the NVIDIA runtime which devices to give, in every container, also on a host where that runtime is the
/// default: the leased ones, or none.
fn devices(spec: &ContainerSpec) -> Vec<(&'static str, String)> {
    if spec.gpus.is_empty() {
        return vec![("NVIDIA_VISIBLE_DEVICES", "void".to_owned())];
    }
    vec![
        ("NVIDIA_VISIBLE_DEVICES", spec.gpus.join(",")),
        ("NVIDIA_DRIVER_CAPABILITIES", super::create::GPU_CAPABILITIES.join(",")),
        // The market compared the driver with what the job asks for; an image's own condition could only fail the start.
        ("NVIDIA_DISABLE_REQUIRE", "true".to_owned()),
    ]
}

/// The parts of a library search path that may stay: CUDA images find their libraries by it.
fn libraries(path: &str) -> String {
    let stays = |part: &&str| LIBRARIES.iter().any(|root| part.starts_with(root)) && shortest(part).is_some();
    path.split([':', ';']).filter(stays).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_path_keeps_the_folders_that_only_root_of_a_host_writes_to() {
        let cuda = "/usr/local/nvidia/lib:/usr/local/nvidia/lib64";
        assert_eq!(libraries(cuda), cuda);
        for evil in ["/proc/self/cwd", "/out", ".", "", "/usr/../proc/self/cwd", "/var/lib/x", "relative"] {
            assert_eq!(libraries(&format!("{evil}:/opt/x/lib")), "/opt/x/lib", "{evil}");
            assert_eq!(libraries(evil), "", "{evil}");
        }
    }
}
