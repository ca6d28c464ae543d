//! From a container's description to Docker's, with every privilege taken away.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, DeviceRequest, HostConfig, HostConfigLogConfig, Mount as DockerMount, MountBindOptions,
    MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
};
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions};

use super::{DockerDriver, engine, is_conflict, is_missing, reason};
use crate::driver::{ContainerId, ContainerSpec, DriverError, LABEL_JOB, LABEL_LEASE, LABEL_NODE};

impl DockerDriver {
    pub(super) async fn create_container(&self, spec: &ContainerSpec) -> Result<ContainerId, DriverError> {
        spec.validate()?;
        let name = spec.name();
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        match self.docker.create_container(Some(options), body(spec)).await {
            Ok(created) => Ok(ContainerId(created.id)),
            Err(e) if is_conflict(&e) => self.existing(spec, name).await,
            Err(e) if is_missing(&e) => Err(DriverError::ImageNotFound {
                image: spec.image.to_string(),
                reason: "it is not on this machine".to_owned(),
            }),
            Err(e @ bollard::errors::Error::DockerResponseServerError { status_code: 400, .. }) => {
                Err(DriverError::BadSpec { reason: reason(&e) })
            }
            Err(e) => Err(engine("create a container", &e)),
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

fn signed(n: u64) -> Option<i64> {
    Some(i64::try_from(n).unwrap_or(i64::MAX))
}

fn body(spec: &ContainerSpec) -> ContainerCreateBody {
    let mut env: Vec<String> = spec.env.iter().map(|(k, v)| format!("{k}={v}")).collect();
    if !spec.env.iter().any(|(k, _)| k == "HOME") {
        // The home of an unprivileged user is not writable in a read-only image; many programs want one.
        env.push("HOME=/tmp".to_owned());
    }
    let list = |v: &[String]| (!v.is_empty()).then(|| v.to_vec());
    ContainerCreateBody {
        image: Some(spec.image.to_string()),
        hostname: Some(spec.name()),
        user: Some(format!("{}:{}", spec.run_as.uid, spec.run_as.gid)),
        entrypoint: list(&spec.command),
        env: Some(env),
        labels: Some(HashMap::from([
            (LABEL_NODE.to_owned(), spec.node.to_string()),
            (LABEL_LEASE.to_owned(), spec.lease.to_string()),
            (LABEL_JOB.to_owned(), spec.job.to_string()),
        ])),
        network_disabled: Some(true),
        attach_stdin: Some(false),
        open_stdin: Some(false),
        tty: Some(false),
        host_config: Some(host_config(spec)),
        ..ContainerCreateBody::default()
    }
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
        ulimits: Some(vec![ResourcesUlimits { name: Some("core".to_owned()), soft: Some(0), hard: Some(0) }]),
        // Two files, because Docker drops a whole file at a time.
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), (limits.log_bytes / 2).max(1).to_string()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([(
            "/tmp".to_owned(),
            // Owned by the container's user: where the image has a /tmp of its own, runc gives the mount that one's mode.
            format!(
                "rw,exec,nosuid,nodev,mode=1777,uid={},gid={},size={}",
                spec.run_as.uid, spec.run_as.gid, limits.tmp_bytes
            ),
        )])),
        mounts: Some(spec.mounts.iter().map(mount).collect()),
        cap_drop: Some(vec!["ALL".to_owned()]),
        // The engine's default seccomp profile stays in force because nothing here replaces it.
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        privileged: Some(false),
        init: Some(true),
        device_requests: (!spec.gpus.is_empty()).then(|| {
            vec![DeviceRequest {
                driver: Some("nvidia".to_owned()),
                device_ids: Some(spec.gpus.clone()),
                capabilities: Some(vec![vec!["gpu".to_owned(), "compute".to_owned(), "utility".to_owned()]]),
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
