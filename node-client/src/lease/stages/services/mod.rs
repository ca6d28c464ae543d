//! The services of a job, and the container that holds the network which all of a job's containers share. Each service starts when
//! those are up that it depends on; the job's own container starts when all of them are.

mod making;
mod watching;

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use gridlease_sdk::manifest::{Manifest, Service};

use super::{Facts, Part, Stage, StageName, Stands};
use crate::driver::{ContainerId, ContainerState, DriverError, Exit, ImageRef, Listed, Role, role_name};
use crate::lease::reconcile::{Action, Note, PROBE_MARGIN_S, SERVICES_EXIT_CODE, Services as Here};
use crate::lease::{WorkError, Worker, blocking};
use crate::probes::no_service;
use crate::store::{Blame, LeaseRecord};

/// For a service to take a connection.
const PATIENCE: Duration = Duration::from_secs(2);

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
            // What is done once is done, whatever became of its network since.
            ContainerState::Exited(Exit { code: 0, .. }) if service.once => Standing::Up,
            // The network was lost and made anew; this one is still on the old one, or ended with it.
            ContainerState::Running { started_at_ms, .. } | ContainerState::Exited(Exit { started_at_ms, .. })
                if started_at_ms < since =>
            {
                Standing::Due { stale: true }
            }
            ContainerState::Exited(exit) => Standing::Ended(how(&exit)),
            ContainerState::Running { .. } if service.once => {
                Standing::Silent("it has not done its work yet".to_owned())
            }
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

    /// The images of the job's services.
    pub(super) async fn service_images(&self, record: &LeaseRecord) -> Result<Vec<ImageRef>, WorkError> {
        let Some(job) = self.manifest(&record.lease).await? else { return Ok(Vec::new()) };
        let path = self.state.lease(&record.lease).manifest();
        let images = job.services.values().map(|service| ImageRef::parse(&service.image)).collect::<Result<_, _>>();
        images.map_err(|error| WorkError::Manifest { path, reason: error.to_string() })
    }

    /// The lease's containers but the job's own.
    pub(super) async fn others(&self, record: &LeaseRecord) -> Result<Vec<Listed>, WorkError> {
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
