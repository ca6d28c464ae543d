//! The services of a job, and the container that holds the network which all of a job's containers share. Each service starts when
//! those are up that it depends on; the job's own container is made when all of them are.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use gridlease_sdk::manifest::{Manifest, POD_MEMORY_MIB, Service};

use super::container::{container_spec, log_bytes, share_log};
use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::{
    ContainerId, ContainerState, DriverError, Exit, ImageRef, Limits, Listed, Net, Role, RunAs, role_name,
};
use crate::lease::reconcile::{Action, Note, PROBE_MARGIN_S, SERVICES_EXIT_CODE, Services as Here};
use crate::lease::{WorkError, Worker, blocking};
use crate::logs::{Runs, collect};
use crate::probes::no_service;
use crate::secrets;
use crate::store::{Blame, LeaseRecord, Step};

/// Between two looks at services while the job runs.
const LOOK: Duration = Duration::from_secs(1);
/// For a service to take a connection.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long the engine may take to hand over the rest of a service's log after its end.
const LOG_PATIENCE: Duration = Duration::from_secs(20);
/// Processes of the container that holds the network.
const POD_PIDS: u32 = 8;

/// See [`StageName::Services`].
pub(super) struct Services;

impl Stage for Services {
    fn name(&self) -> StageName {
        StageName::Services
    }

    fn part(&self) -> Part {
        Part::Making
    }

    fn stands(&self, facts: &Facts<'_>) -> Stands {
        let give_up = |words: &str| {
            let blame = Blame::Engine { exit_code: SERVICES_EXIT_CODE };
            Stands::Due(Action::Record(Note::Failed(words.to_owned(), blame)))
        };
        match &facts.local.services {
            Here::Up => Stands::Done,
            Here::Due => Stands::Due(Action::Do(self.name())),
            Here::Down(words) => give_up(words),
            Here::Silent(words) if facts.now >= facts.chain.start_deadline.saturating_sub(PROBE_MARGIN_S) => {
                give_up(&format!("a service of the job did not come up in its time to start: {words}"))
            }
            Here::Silent(_) | Here::Unasked => Stands::Due(Action::AwaitProbe),
        }
    }

    fn run<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<LeaseRecord, WorkError>> {
        Box::pin(worker.bring_up(record))
    }

    /// Removes every container of the lease but the job's own, which is gone by now. The services' secrets go with the job's.
    fn undo<'a>(&'a self, worker: &'a Worker, record: &'a LeaseRecord) -> BoxFuture<'a, Result<(), WorkError>> {
        Box::pin(async move {
            let job = worker.manifest(&record.lease).await.ok().flatten();
            if job.as_ref().is_some_and(|job| job.services.is_empty()) {
                return Ok(());
            }
            // What does not stop is removed all the same.
            if let Err(error) = worker.stop_services(record).await {
                tracing::warn!(lease = %record.lease, %error, "a service of the job does not stop");
            }
            for container in worker.others(record).await? {
                worker.driver.remove(&container.id).await?;
            }
            let dir = worker.state.lease(&record.lease);
            let written = dir.outputs().join("services");
            let removed = blocking(move || Ok(crate::wipe::remove_unpacked(&written)?)).await;
            worker.unless_last(&record.lease, "removing what its services wrote", removed).map(|_| ())
        })
    }
}

/// How a service stands whose turn it is.
enum Standing {
    /// It is to be made and started; a stale one is removed first.
    Due {
        /// It runs on a network that is gone.
        stale: bool,
    },
    /// It is up.
    Up,
    /// It runs, and this node cannot ask it.
    Unasked,
    /// It runs and is not up, in these words.
    Silent(String),
    /// It has ended, in these words.
    Ended(String),
}

impl Worker {
    /// How the services of a job stand whose own container has not started.
    pub(in crate::lease) async fn services(&self, record: &LeaseRecord, job: &Manifest) -> Result<Here, WorkError> {
        if job.services.is_empty() {
            return Ok(Here::Up);
        }
        let pod = ContainerId(role_name(&record.lease, &pod_role(job)));
        let ContainerState::Running { started_at_ms: since, .. } = self.driver.inspect(&pod).await? else {
            return Ok(Here::Due);
        };
        let (mut due, mut unasked, mut silent) = (false, false, None);
        for (name, standing) in self.whose_turn_it_is(record, job, since).await? {
            match standing {
                Standing::Due { .. } => due = true,
                Standing::Up => {}
                Standing::Unasked => unasked = true,
                Standing::Silent(words) => silent = Some(format!("service {name}: {words}")),
                Standing::Ended(how) => return Ok(Here::Down(format!("service {name} {how} before the job began"))),
            }
        }
        Ok(match silent {
            _ if due => Here::Due,
            Some(words) => Here::Silent(words),
            None if unasked => Here::Unasked,
            None => Here::Up,
        })
    }

    /// How each service stands that depends on none that is not up, in the order in which they start. `since`: the start of the
    /// network's container, Unix milliseconds of the engine's clock.
    async fn whose_turn_it_is<'a>(
        &self,
        record: &LeaseRecord,
        job: &'a Manifest,
        since: i64,
    ) -> Result<Vec<(&'a str, Standing)>, WorkError> {
        let (mut up, mut found) = (Vec::<&String>::new(), Vec::<(&str, Standing)>::new());
        loop {
            let is_next = |(name, service): &(&String, &Service)| {
                !found.iter().any(|(known, _)| known == name) && service.depends_on.iter().all(|on| up.contains(&on))
            };
            let turn: Vec<_> = job.services.iter().filter(is_next).collect();
            if turn.is_empty() {
                return Ok(found);
            }
            // All at once, so that eight that say nothing take no longer than one.
            let standings = join_all(turn.iter().map(|(name, service)| self.standing(record, name, service, since)));
            for ((name, _), standing) in turn.into_iter().zip(standings.await) {
                let standing = standing?;
                if matches!(standing, Standing::Up) {
                    up.push(name);
                }
                found.push((name, standing));
            }
        }
    }

    async fn standing(
        &self,
        record: &LeaseRecord,
        name: &str,
        service: &Service,
        since: i64,
    ) -> Result<Standing, WorkError> {
        let id = service_id(record, name);
        Ok(match self.driver.inspect(&id).await? {
            ContainerState::Missing | ContainerState::Created => Standing::Due { stale: false },
            // The network was lost and made anew; this one is still on the old one, or ended with it.
            ContainerState::Running { started_at_ms, .. } | ContainerState::Exited(Exit { started_at_ms, .. })
                if started_at_ms < since =>
            {
                Standing::Due { stale: true }
            }
            ContainerState::Exited(exit) => Standing::Ended(how(&exit)),
            ContainerState::Running { .. } => match self.is_up(&id, service.port).await {
                Ok(None) => Standing::Up,
                Ok(Some(words)) => Standing::Silent(words),
                // The node's own trouble says nothing of the service.
                Err(error) => {
                    tracing::warn!(lease = %record.lease, service = name, %error, "it cannot be asked whether it is up");
                    Standing::Unasked
                }
            },
        })
    }

    /// What a service answers instead of being up.
    async fn is_up(&self, id: &ContainerId, port: Option<u16>) -> Result<Option<String>, DriverError> {
        let Some(port) = port else { return Ok(None) };
        match tokio::time::timeout(PATIENCE, self.driver.connect(id, port)).await {
            Ok(Ok(_)) => Ok(None),
            Ok(Err(error)) => no_service(error),
            Err(_) => Ok(Some(format!("port {port} took no connection within {} s", PATIENCE.as_secs()))),
        }
    }

    /// Makes and starts what is due: the network's container, and each service whose turn it is.
    async fn bring_up(&self, record: &LeaseRecord) -> Result<LeaseRecord, WorkError> {
        let Some(job) = self.manifest(&record.lease).await? else { return Ok(record.clone()) };
        self.intend(record, Step::Services).await?;
        let pod = self.make_pod(record, &job).await?;
        let since = match self.driver.inspect(&pod).await? {
            ContainerState::Running { started_at_ms, .. } => started_at_ms,
            _ => {
                let reason = "it ended as soon as it was started".to_owned();
                return Err(DriverError::Engine { what: "keep the network of a job's containers", reason }.into());
            }
        };
        for (name, standing) in self.whose_turn_it_is(record, &job, since).await? {
            let Standing::Due { stale } = standing else { continue };
            if stale {
                self.driver.remove(&service_id(record, name)).await?;
            }
            self.begin(record, &job, name, &pod).await?;
        }
        self.update(record, |_| ()).await
    }

    /// The container that holds the job's network, running; `None` for a job of one container.
    pub(super) async fn pod(&self, record: &LeaseRecord) -> Result<Option<ContainerId>, WorkError> {
        match self.manifest(&record.lease).await?.filter(|job| !job.services.is_empty()) {
            Some(job) => Ok(Some(self.make_pod(record, &job).await?)),
            None => Ok(None),
        }
    }

    async fn make_pod(&self, record: &LeaseRecord, job: &Manifest) -> Result<ContainerId, WorkError> {
        let (own, _) = self.spec(record).await?;
        let role = pod_role(job);
        let memory_bytes = POD_MEMORY_MIB * 1024 * 1024;
        let mut spec = crate::driver::ContainerSpec {
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
            ..own
        };
        spec.limits.shm_bytes = 1 << 20;
        super::secrets::give_own(&spec).await?;
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

    async fn begin(
        &self,
        record: &LeaseRecord,
        job: &Manifest,
        name: &str,
        pod: &ContainerId,
    ) -> Result<(), WorkError> {
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
        let id = self.make_anyway(record, &dir, &part, &spec).await?;
        tracing::info!(lease = %record.lease, service = name, "starts");
        Ok(self.driver.start(&id).await?)
    }

    /// The images of the job's services.
    pub(super) async fn service_images(&self, record: &LeaseRecord) -> Result<Vec<ImageRef>, WorkError> {
        let Some(job) = self.manifest(&record.lease).await? else { return Ok(Vec::new()) };
        let path = self.state.lease(&record.lease).manifest();
        let images = job.services.values().map(|service| ImageRef::parse(&service.image)).collect::<Result<_, _>>();
        images.map_err(|error| WorkError::Manifest { path, reason: error.to_string() })
    }

    /// Says when a service ends while the job runs, and follows their logs. To be run beside the main loop; ends when all have ended.
    ///
    /// # Errors
    /// [`WorkError`]; to be called again then.
    pub async fn watch_services(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let Some(job) = self.manifest(&record.lease).await?.filter(|job| !job.services.is_empty()) else {
            return Ok(());
        };
        let job = &job;
        let followed = join_all(job.services.keys().map(|name| async move {
            if let Err(error) = self.follow_service_log(record, job, name).await {
                tracing::warn!(lease = %record.lease, service = name, %error, "its log is not complete");
            }
        }));
        let (_, watched) = futures_util::future::join(followed, self.see_services_end(record, job)).await;
        watched
    }

    async fn see_services_end(&self, record: &LeaseRecord, job: &Manifest) -> Result<(), WorkError> {
        let mut running: Vec<&String> = job.services.keys().collect();
        while !running.is_empty() {
            let mut ended = Vec::new();
            for name in &running {
                let Ok(state) = self.driver.inspect(&service_id(record, name)).await else { continue };
                match state {
                    ContainerState::Exited(exit) => ended.push((*name, how(&exit))),
                    ContainerState::Missing => ended.push((*name, "was lost".to_owned())),
                    ContainerState::Created | ContainerState::Running { .. } => {}
                }
            }
            for (name, how) in ended {
                running.retain(|other| *other != name);
                tracing::warn!(lease = %record.lease, service = name, "{how}");
                let words = format!("service {name} {how}; the job goes on without it");
                self.change(record, move |record| {
                    if record.ended.is_none() {
                        record.message = words;
                    }
                })
                .await?;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    async fn follow_service_log(&self, record: &LeaseRecord, job: &Manifest, name: &str) -> Result<(), WorkError> {
        let most = log_bytes(job);
        let (logs, lease, service) = (self.logs.clone(), record.lease, name.to_owned());
        let log = blocking(move || Ok(logs.open_service(&lease, &service, most)?)).await?;
        collect(self.driver.as_ref(), &service_id(record, name), &log, &Runs::default()).await?;
        Ok(())
    }

    /// Ends the services, and reads their logs to the end.
    ///
    /// # Errors
    /// [`WorkError::Driver`].
    pub(in crate::lease) async fn stop_services(&self, record: &LeaseRecord) -> Result<(), WorkError> {
        let Some(job) = self.manifest(&record.lease).await.ok().flatten() else { return Ok(()) };
        let stopped = join_all(job.services.keys().map(|name| async move {
            let id = service_id(record, name);
            if matches!(self.driver.inspect(&id).await?, ContainerState::Running { .. }) {
                self.driver.stop(&id, self.config.stop_grace).await?;
            }
            Ok::<_, WorkError>(())
        }));
        stopped.await.into_iter().collect::<Result<Vec<()>, _>>()?;
        for name in job.services.keys() {
            let id = service_id(record, name);
            if !matches!(self.driver.inspect(&id).await?, ContainerState::Exited(_)) {
                continue;
            }
            match tokio::time::timeout(LOG_PATIENCE, self.follow_service_log(record, &job, name)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::warn!(lease = %record.lease, service = name, %error, "its log is not complete")
                }
                Err(_) => {
                    tracing::warn!(lease = %record.lease, service = name, "its log was not read to the end in time")
                }
            }
        }
        Ok(())
    }

    /// The lease's containers but the job's own.
    async fn others(&self, record: &LeaseRecord) -> Result<Vec<Listed>, WorkError> {
        let own = crate::driver::container_name(&record.lease);
        let mut listed = self.driver.list_labelled(&self.config.node).await?;
        listed.retain(|of| of.lease == Some(record.lease) && of.name.trim_start_matches('/') != own);
        Ok(listed)
    }
}

fn service_id(record: &LeaseRecord, name: &str) -> ContainerId {
    ContainerId(role_name(&record.lease, &Role::Service(name.to_owned())))
}

/// The job's own container is found by the name `job`.
fn pod_role(job: &Manifest) -> Role {
    Role::Pod { names: job.services.keys().cloned().chain(["job".to_owned()]).collect() }
}

/// How a service ended.
fn how(exit: &Exit) -> String {
    if exit.oom_killed {
        return format!("ended with exit code {}, and its memory limit killed a process of it", exit.code);
    }
    format!("ended with exit code {}", exit.code)
}
