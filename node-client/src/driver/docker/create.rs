//! From a container's description to Docker's, with every privilege taken away.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigLogConfig, Mount as DockerMount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions};

use super::inherited::Inherited;
use super::{DockerDriver, engine, is_conflict, is_missing, reason};
use crate::driver::{ContainerId, ContainerSpec, DriverError, ImageRef, LABEL_LEASE, LABEL_NODE, Net, Role};

/// Open files of one process. The engine's own limit, which would hold otherwise, is often none. An engine without
/// CAP_SYS_RESOURCE cannot give more than it has itself, so this is well below what they are usually started with.
const MAX_FILES: i64 = 16_384;
/// What a container may do with its GPUs.
pub(super) const GPU_CAPABILITIES: [&str; 2] = ["compute", "utility"];

impl DockerDriver {
    pub(super) async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, DriverError> {
        spec.validate()?;
        let name = spec.name();
        let image = self.inherited(spec).await?;
        let info = self.docker.info().await.map_err(|e| engine("describe itself", &e))?;
        let body = body(spec, &image, runtime(info.default_runtime, !spec.gpus.is_empty()))?;
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        match self.docker.create_container(Some(options), body).await {
            Ok(created) => Ok(ContainerId(created.id)),
            Err(e) if is_conflict(&e) => self.existing(spec, name).await,
            Err(e) if is_missing(&e) => Err(not_here(&spec.image)),
            Err(e @ bollard::errors::Error::DockerResponseServerError { status_code: 400, .. }) => {
                Err(DriverError::BadSpec { reason: reason(&e) })
            }
            Err(e) => Err(engine("create a container", &e)),
        }
    }

    async fn inherited(&self, spec: &ContainerSpec) -> Result<Inherited, DriverError> {
        match self.docker.inspect_image(&spec.image.to_string()).await {
            Ok(image) => Ok(image.into()),
            Err(e) if is_missing(&e) => Err(not_here(&spec.image)),
            Err(e) => Err(engine("look at an image", &e)),
        }
    }

    /// The container that holds the name, if it is this lease's: a node that died after creating it asks again.
    async fn existing(&self, spec: &ContainerSpec, name: String) -> Result<ContainerId, DriverError> {
        let found = self
            .docker
            .inspect_container(&name, None::<InspectContainerOptions>)
            .await
            .map_err(|e| DriverError::Engine { what: "create a container", reason: reason(&e) })?;
        let labels = found.config.and_then(|c| c.labels).unwrap_or_default();
        let ours = labels.get(LABEL_LEASE) == Some(&spec.lease.to_string())
            && labels.get(LABEL_NODE) == Some(&spec.node.to_string());
        match found.id {
            Some(id) if ours => Ok(ContainerId(id)),
            _ => Err(DriverError::NameTaken { name }),
        }
    }
}

pub(super) fn not_here(image: &ImageRef) -> DriverError {
    DriverError::ImageNotFound { image: image.to_string(), reason: "it is not on this machine".to_owned() }
}

fn signed(n: u64) -> Option<i64> {
    Some(i64::try_from(n).unwrap_or(i64::MAX))
}

fn body(spec: &ContainerSpec, image: &Inherited, runtime: Option<String>) -> Result<ContainerCreateBody, DriverError> {
    let list = |v: &[String]| (!v.is_empty()).then(|| v.to_vec());
    let shared = matches!(spec.net, Net::Of(_));
    Ok(ContainerCreateBody {
        image: Some(spec.image.to_string()),
        // Whoever shares a network shares its name, too.
        hostname: (!shared).then(|| spec.name()),
        user: Some(format!("{}:{}", spec.run_as.uid, spec.run_as.gid)),
        // An engine drops the image's command where an entry point is given, and keeps its entry point where only arguments are.
        entrypoint: image.through_init(spec)?.or_else(|| list(&spec.command)),
        cmd: if spec.init.is_some() { None } else { list(&spec.args) },
        env: Some(image.environment(spec)),
        labels: Some(image.labels(spec)),
        // An image's check would run in the container for as long as it lives. Its stop signal stays: a signal that ends nothing
        // is followed by a kill.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        // Where that is said, an engine writes no names either.
        network_disabled: Some(spec.net == Net::None && spec.role == Role::Own),
        attach_stdin: Some(false),
        open_stdin: Some(spec.stdin),
        tty: Some(spec.tty),
        host_config: Some(HostConfig { runtime, tmpfs: Some(tmpfs(spec, image)?), ..host_config(spec) }),
        ..ContainerCreateBody::default()
    })
}

/// The places in memory: `/tmp`, and whatever the image declares as a volume.
fn tmpfs(spec: &ContainerSpec, image: &Inherited) -> Result<HashMap<String, String>, DriverError> {
    // Owned by the container's user: where the image has a /tmp of its own, runc gives the mount that one's mode.
    let options = format!(
        "rw,exec,nosuid,nodev,mode=1777,uid={},gid={},size={}",
        spec.run_as.uid, spec.run_as.gid, spec.limits.tmp_bytes
    );
    let mut places = image.volumes(spec, &options)?;
    places.insert("/tmp".to_owned(), options);
    Ok(places)
}

/// The runtime by name: the engine's default one. Where that gives GPUs, a job without a GPU gets the plain one.
fn runtime(default: Option<String>, gpu: bool) -> Option<String> {
    match default.filter(|name| !name.is_empty()) {
        Some(name) if !gpu && name.contains("nvidia") => Some("runc".to_owned()),
        named => named,
    }
}

fn ulimit(name: &str, most: i64) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) }
}

fn host_config(spec: &ContainerSpec) -> HostConfig {
    let limits = &spec.limits;
    HostConfig {
        memory: signed(limits.memory_bytes),
        memory_swap: signed(limits.memory_bytes),
        nano_cpus: signed(limits.nano_cpus),
        pids_limit: Some(i64::from(limits.pids)),
        shm_size: signed(limits.shm_bytes),
        // A core dump would fill the provider's disk, past every limit of the lease.
        ulimits: Some(vec![ulimit("core", 0), ulimit("nofile", MAX_FILES)]),
        // Two files, because Docker drops a whole file at a time.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), (limits.log_bytes / 2).max(1).to_string()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        network_mode: Some(match &spec.net {
            Net::None => "none".to_owned(),
            Net::Bridge { name, .. } => name.clone(),
            Net::Of(id) => format!("container:{id}"),
        }),
        extra_hosts: match &spec.role {
            Role::Pod { names } => Some(names.iter().map(|name| format!("{name}:127.0.0.1")).collect()),
            Role::Own | Role::Service(_) => None,
        },
        dns: match &spec.net {
            Net::None | Net::Of(_) => None,
            Net::Bridge { gateway, .. } => Some(vec![gateway.to_string()]),
        },
        // The host's own would tell the name of the owner's network.
        dns_search: matches!(spec.net, Net::Bridge { .. }).then(|| vec![".".to_owned()]),
        ipc_mode: Some("private".to_owned()),
        readonly_rootfs: Some(true),
        mounts: Some(spec.mounts.iter().chain(&spec.own_mounts()).map(mount).collect()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        // The engine's default seccomp profile stays in force because nothing here replaces it.
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        privileged: Some(false),
        init: Some(true),
        // Of its own network: a plain user may listen on any port of it.
        sysctls: (!matches!(spec.net, Net::Of(_)))
            .then(|| HashMap::from([("net.ipv4.ip_unprivileged_port_start".to_owned(), "0".to_owned())])),
        device_requests: (!spec.gpus.is_empty()).then(|| {
            vec![DeviceRequest {
                driver: Some("nvidia".to_owned()),
                device_ids: Some(spec.gpus.clone()),
                capabilities: Some(vec![["gpu"].iter().chain(&GPU_CAPABILITIES).map(|&one| one.to_owned()).collect()]),
                ..DeviceRequest::default()
            }]
        }),
        ..HostConfig::default()
    }
}

fn mount(mount: &crate::driver::Mount) -> DockerMount {
    DockerMount {
        typ: Some(MountType::BIND),
        source: Some(mount.source.to_string_lossy().into_owned()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            ..MountBindOptions::default()
        }),
        ..DockerMount::default()
    }
}

#[cfg(test)]
mod tests {
    use super::runtime;

    #[test]
    fn threat_03_a_job_without_a_gpu_never_runs_in_a_runtime_that_gives_gpus() {
        let named = |name: &str, gpu| runtime(Some(name.to_owned()), gpu);
        assert_eq!(named("nvidia", false).as_deref(), Some("runc"));
        assert_eq!(named("nvidia", true).as_deref(), Some("nvidia"));
        assert_eq!(named("runsc", false).as_deref(), Some("runsc"), "an owner's stronger isolation stays");
        assert_eq!(named("runc", true).as_deref(), Some("runc"));
        assert_eq!((named("", false), runtime(None, false)), (None, None));
    }
}
