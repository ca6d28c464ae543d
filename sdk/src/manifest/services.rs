//! A job of several containers: what each of them gets, and in which order they start.

use std::collections::BTreeMap;

use super::{Manifest, Resources};

/// CPU of a service that asks for none, thousandths of a core.
pub const DEFAULT_SERVICE_CPU_MILLI: u32 = 250;
/// Most services of a job.
pub const MAX_SERVICES: usize = 8;
/// Memory of what holds the network that a job's containers share, MiB. It is taken from the job's own container.
pub const POD_MEMORY_MIB: u64 = 16;
/// The least of a container, MiB and thousandths of a core.
pub(super) const LEAST_MEMORY_MIB: u64 = 16;
pub(super) const LEAST_CPU_MILLI: u32 = 50;

impl Manifest {
    /// The job's own container as a manifest by itself: with what its services leave of the resources, and without the GPUs where one
    /// of them has those. Without services it is the manifest.
    #[must_use]
    pub fn own_part(&self) -> Self {
        if self.services.is_empty() {
            return self.clone();
        }
        let (cpu_milli, memory_mib) = self.left();
        let gpu = self.resources.gpu.clone().filter(|_| !self.services.values().any(|service| service.gpu));
        let resources = Resources { cpu_milli, memory_mib, gpu, ..self.resources.clone() };
        Self { resources: within(resources), services: BTreeMap::new(), ..self.clone() }
    }

    /// The container of a service as a manifest by itself: with its own image, program and resources, and without inputs, outputs and
    /// ports. `None` where there is no such service.
    #[must_use]
    pub fn service_part(&self, name: &str) -> Option<Self> {
        let service = self.services.get(name)?.clone();
        let gpu = self.resources.gpu.clone().filter(|_| service.gpu);
        let resources = Resources {
            cpu_milli: service.cpu_milli,
            memory_mib: service.memory_mib,
            gpu,
            shm_mib: None,
            ..self.resources.clone()
        };
        let secrets = self.secrets.iter().filter(|(name, _)| service.secrets.contains(name));
        Some(Self {
            image: service.image,
            command: service.command,
            args: service.args,
            env: service.env,
            secrets: secrets.map(|(name, secret)| (name.clone(), secret.clone())).collect(),
            inputs: Vec::new(),
            outputs: Vec::new(),
            scratch: service.scratch,
            ports: Vec::new(),
            restart: None,
            stdin: false,
            tty: false,
            resources,
            services: BTreeMap::new(),
            ..self.clone()
        })
    }

    /// What the services leave to the job's own container: thousandths of a core and MiB; 0 where they take more than there is.
    pub(super) fn left(&self) -> (u32, u64) {
        let cpu = self.services.values().map(|service| service.cpu_milli).fold(0, u32::saturating_add);
        let memory = self.services.values().map(|service| service.memory_mib).fold(POD_MEMORY_MIB, u64::saturating_add);
        (self.resources.cpu_milli.saturating_sub(cpu), self.resources.memory_mib.saturating_sub(memory))
    }

    /// The services in an order in which each comes after those that it depends on; `None` where they wait for each other.
    #[must_use]
    pub fn service_order(&self) -> Option<Vec<&str>> {
        let mut order: Vec<&str> = Vec::new();
        while order.len() < self.services.len() {
            let ready = self.services.iter().find(|(name, service)| {
                !order.contains(&name.as_str()) && service.depends_on.iter().all(|on| order.contains(&on.as_str()))
            });
            order.push(ready?.0);
        }
        Some(order)
    }
}

/// A size of shared memory that the own part cannot hold any more is left to the usual half.
fn within(resources: Resources) -> Resources {
    let shm_mib = resources.shm_mib.filter(|shm| *shm <= resources.memory_mib);
    Resources { shm_mib, ..resources }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(services: &str) -> Result<Manifest, String> {
        let text = format!(
            "version: 1\nname: j\nimage: a.example/b\nresources: {{ cpu: 2, memory: 1GiB, disk: 1GiB, gpu: {{ count: 1 }} }}\n\
             secrets: {{ A: {{ from: env }}, B: {{ from: env, as: env }} }}\n\
             price: {{ max: 1.80 }}\nduration: {{ max: 1h }}\nservices: {services}\n"
        );
        Manifest::from_yaml(&text, "job.yaml").map_err(|errors| errors.to_string())
    }

    #[test]
    fn the_parts_of_a_job_share_what_it_has_and_no_more() {
        let job = read(
            "{ db: { image: a.example/db, memory: 256MiB, cpu: 0.5, secrets: [B], env: { X: y } }, \
             llm: { image: a.example/llm, memory: 512MiB, gpu: true, depends_on: [db], port: 8000 } }",
        )
        .unwrap();
        let (own, db, llm) = (job.own_part(), job.service_part("db").unwrap(), job.service_part("llm").unwrap());
        let parts = [&own, &db, &llm];
        assert_eq!(parts.map(|part| part.resources.memory_mib), [1_024 - 256 - 512 - POD_MEMORY_MIB, 256, 512]);
        assert_eq!(parts.map(|part| part.resources.cpu_milli), [2_000 - 500 - 250, 500, 250]);
        assert_eq!(parts.map(|part| part.resources.gpu.is_some()), [false, false, true], "one of them has the GPUs");
        assert_eq!(db.secrets.keys().collect::<Vec<_>>(), ["B"]);
        assert_eq!(own.secrets.len(), 2);
        assert_eq!(job.service_order().unwrap(), ["db", "llm"]);
        assert!(job.service_part("other").is_none());
        assert_eq!(read("{}").unwrap().own_part(), read("{}").unwrap(), "a job without services is its own part");
    }

    #[test]
    fn what_is_wrong_with_a_service_is_told_by_its_key() {
        let db = "image: a.example/db, memory: 64MiB";
        for (services, says) in [
            (format!("{{ DB: {{ {db} }} }}"), "services.DB: \"DB\" is not a name"),
            (format!("{{ localhost: {{ {db} }} }}"), "services.localhost: \"localhost\" is the machine itself"),
            ("{ db: { memory: 64MiB } }".to_owned(), "services.db.image: is missing"),
            ("{ db: { image: a.example/db } }".to_owned(), "services.db.memory: is missing"),
            (format!("{{ db: {{ {db}, secrets: [C] }} }}"), "services.db.secrets[0]: \"C\" is no secret of the job"),
            (format!("{{ db: {{ {db}, env: {{ A: x }}, secrets: [A] }} }}"), "services.db.env.A: is a secret"),
            (format!("{{ db: {{ {db}, env: {{ LD_PRELOAD: x }} }} }}"), "services.db.env.LD_PRELOAD"),
            (format!("{{ db: {{ {db}, depends_on: [no] }} }}"), "services.db.depends_on[0]: \"no\" is no service"),
            (
                format!("{{ a: {{ {db}, depends_on: [b] }}, b: {{ {db}, depends_on: [a] }} }}"),
                "services: wait for each other",
            ),
            (format!("{{ a: {{ {db}, depends_on: [a] }} }}"), "services: wait for each other"),
            (format!("{{ a: {{ {db}, port: 80 }}, b: {{ {db}, port: 80 }} }}"), "services.b.port: 80 is also"),
            ("{ a: { image: a.example/b, memory: 1GiB } }".to_owned(), "services: leave 0MiB of resources.memory"),
            (format!("{{ a: {{ {db}, cpu: 2 }} }}"), "services: leave 0 of resources.cpu"),
            (format!("{{ a: {{ {db}, gpu: true }}, b: {{ {db}, gpu: true }} }}"), "services.b.gpu: has the GPUs, as"),
            (format!("{{ a: {{ {db}, scratch: [{{ path: /proc/x }}] }} }}"), "services.a.scratch[0].path"),
            (format!("{{ a: {{ {db}, port: 80, once: true }} }}"), "services.a.once: is said of a service with a port"),
            (format!("{{ a: {{ {db}, once: yes }} }}"), "services.a.once: \"yes\" is not known"),
            (format!("{{ a: {{ {db}, volumes: [] }} }}"), "services.a.volumes: unknown key"),
            (
                format!("{{ {} }}", (0..9).map(|n| format!("a{n}: {{ {db} }}")).collect::<Vec<_>>().join(", ")),
                "services: has 9 services",
            ),
        ] {
            let told = read(&services).unwrap_err();
            assert!(told.contains(says), "{services}: {told}");
        }
    }

    #[test]
    fn a_manifest_without_services_keeps_its_bytes_and_one_with_them_comes_back_the_same() {
        let digest = "ab".repeat(32);
        let pinned = |services: &str| {
            let mut job = read(services).unwrap();
            job.image = format!("a.example/b@sha256:{digest}");
            job
        };
        let plain = String::from_utf8(pinned("{}").canonical().unwrap()).unwrap();
        assert!(!plain.contains("services"), "{plain}");
        let mut job = pinned("{ db: { image: a.example/db, memory: 64MiB } }");
        assert!(job.canonical().unwrap_err().to_string().contains("a.example/db"), "its image is pinned, too");
        if let Some(db) = job.services.get_mut("db") {
            db.image = format!("a.example/db@sha256:{digest}");
        }
        assert_eq!(Manifest::from_canonical(&job.canonical().unwrap()).unwrap(), job);
    }
}
