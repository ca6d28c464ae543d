//! Making and starting the services, and the container that holds the network. All containers of a job, its own too, are made before
//! any service is waited for: making one unpacks what its image has, which takes time of the start that services leave none of.

use std::time::Duration;

use gridlease_sdk::manifest::{Manifest, POD_MEMORY_MIB};

use super::super::container::{container_spec, share_log};
use super::{Standing, pod_role, service_id};
use crate::driver::{ContainerId, ContainerSpec, ContainerState, DriverError, Limits, Net, Role, RunAs, role_name};
use crate::lease::{WorkError, Worker, blocking, container_id};
use crate::secrets;
use crate::store::{LeaseRecord, Step};

/// Processes of the container that holds the network.
const POD_PIDS: u32 = 8;
/// How long the engine may take to hand over the rest of the log of a service that is made anew.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

impl Worker {
    /// Makes what is missing, and starts what is due: the network's container, and each service whose turn it is.
    pub(super) async fn bring_up(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let Some(job) = self.manifest(&record.lease).await? else { return Ok(record.clone()) };
        self.intend(record, Step::Services).await?;
        self.forget_those_of_a_lost_network(record, &job).await?;
        let pod = self.make_pod(record, &job).await?;
        let since = match self.driver.inspect(&pod).await? {
            ContainerState::Running { started_at_ms, .. } => started_at_ms,
            _ => {
                let reason = "it ended as soon as it was started".to_owned();
                return Err(DriverError::Engine { what: "keep the network of a job's containers", reason }.into());
            }
        };
        for name in job.services.keys() {
            self.make_service(record, &job, name, &pod).await?;
        }
        let made = match self.driver.inspect(&container_id(record)).await? {
            ContainerState::Missing => Some(self.create(record).await?),
            _ => None,
        };
        let record = made.as_ref().unwrap_or(record);
        for (name, standing) in self.whose_turn_it_is(record, &job, since).await? {
            let Standing::Due { stale } = standing else { continue };
            if stale {
                self.end_stale(record, &job, name).await?;
                self.make_service(record, &job, name, &pod).await?;
            }
            self.driver.start(&service_id(record, name)).await?;
            tracing::info!(lease = %record.lease, service = name, "starts");
        }
        self.update(record, |_| ()).await
    }

    /// Where the network's container is gone, those that were made for its network and have not run are made anew.
    async fn forget_those_of_a_lost_network(&self, record: &LeaseRecord, job: &Manifest) -> Result<(), WorkError> {
        let pod = ContainerId(role_name(&record.lease, &pod_role(job)));
        if self.driver.inspect(&pod).await? != ContainerState::Missing {
            return Ok(());
        }
        let services = job.services.keys().map(|name| service_id(record, name));
        for id in services.chain([container_id(record)]) {
            if self.driver.inspect(&id).await? == ContainerState::Created {
                self.driver.remove(&id).await?;
            }
        }
        Ok(())
    }

    /// The container that holds the job's network, running; `None` for a job of one container.
    pub(in crate::lease::stages) async fn pod(&self, record: &LeaseRecord) -> Result<Option<ContainerId>, WorkError> {
        match self.manifest(&record.lease).await?.filter(|job| !job.services.is_empty()) {
            Some(job) => Ok(Some(self.make_pod(record, &job).await?)),
            None => Ok(None),
        }
    }

    async fn make_pod(&self, record: &LeaseRecord, job: &Manifest) -> Result<ContainerId, WorkError> {
        let (own, _) = self.spec(record).await?;
        let role = pod_role(job);
        let memory_bytes = POD_MEMORY_MIB * 1024 * 1024;
        let mut spec = ContainerSpec {
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            mounts: Vec::new(),
            secrets: None,
            limits: Limits { pids: POD_PIDS, log_bytes: 1 << 20, ..Limits::new(memory_bytes, 50) },
            gpus: Vec::new(),
            run_as: RunAs::for_this_process(),
            net: self.connect(record).await?,
            role,
            stdin: false,
            tty: false,
            ..own
        };
        spec.limits.shm_bytes = 1 << 20;
        super::super::secrets::give_own(&spec).await?;
        let id = match self.driver.create(&spec).await {
            // It was removed since it was pulled.
            Err(DriverError::ImageNotFound { .. }) => {
                self.have_image(record, &spec.image, self.config.max_image_bytes).await?;
                self.driver.create(&spec).await?
            }
            created => created?,
        };
        self.driver.start(&id).await?;
        Ok(id)
    }

    /// Makes a service's container, where there is none.
    async fn make_service(
        &self,
        record: &LeaseRecord,
        job: &Manifest,
        name: &str,
        pod: &ContainerId,
    ) -> Result<(), WorkError> {
        if self.driver.inspect(&service_id(record, name)).await? != ContainerState::Missing {
            return Ok(());
        }
        let (dir, of_job) = (self.state.lease(&record.lease).of_service(name), self.state.lease(&record.lease));
        let unusable = |reason: String| WorkError::Manifest { path: of_job.manifest(), reason };
        let part = job.service_part(name).ok_or_else(|| unusable(format!("it has no service {name}")))?;
        let mut spec = container_spec(&self.config.node, record, &part, &dir, self.run_as)
            .map_err(|error| unusable(format!("services.{name}: {error}")))?;
        share_log(&mut spec, job);
        spec.role = Role::Service(name.to_owned());
        spec.net = Net::Of(pod.clone());
        if !part.secrets.is_empty() {
            let (of_job, dir, names) = (of_job.clone(), dir.clone(), part.secrets.clone());
            blocking(move || Ok(secrets::share(&of_job, &dir, names.keys())?)).await?;
        }
        self.make_anyway(record, &dir, &part, &spec).await?;
        Ok(())
    }

    /// Removes a service that runs on a network that is gone, or ended with it. What it wrote stays.
    async fn end_stale(&self, record: &LeaseRecord, job: &Manifest, name: &str) -> Result<(), WorkError> {
        let id = service_id(record, name);
        self.driver.stop(&id, self.config.stop_grace).await?;
        match tokio::time::timeout(LOG_PATIENCE, self.read_service_log(record, job, name, false)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(lease = %record.lease, service = name, %error, "its log is not complete");
            }
            Err(_) => tracing::warn!(lease = %record.lease, service = name, "its log was not read to the end in time"),
        }
        let (name, now_ms) = (name.to_owned(), self.clock.host_ms());
        self.change(record, move |record| record.services.entry(name).or_default().anew_ms = Some(now_ms)).await?;
        self.driver.remove(&id).await?;
        Ok(())
    }
}
